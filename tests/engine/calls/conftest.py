"""Fixtures of modules whose tests share one engine and one phone; a module with fixtures of these names has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.exercised import Use, recording
from tests.support.module_engine import engine, phone, shared

__all__ = ["engine", "exercised", "phone", "shared"]


@pytest.fixture(scope="package", autouse=True)
def exercised() -> Iterator[set[Use]]:
    """What the calls of this folder have used of the language up to now, for `test_exercised`."""
    used: set[Use] = set()
    with recording(used):
        yield used
