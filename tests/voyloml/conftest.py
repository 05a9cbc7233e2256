"""Keeps what the simulated calls of this folder make use of, for `test_exercised`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.exercised import Use, recording


@pytest.fixture(scope="package", autouse=True)
def exercised() -> Iterator[set[Use]]:
    """What has been used up to now."""
    used: set[Use] = set()
    with recording(used):
        yield used
