"""Fixtures of modules whose tests share one engine and one phone; a conftest or a test module imports them by name.

Such a module runs on one event loop, `pytestmark = pytest.mark.asyncio(loop_scope="module")`, and may name settings of
its engine, `SETTINGS`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, a_phone
from tests.support.shared_engine import MANY_REQUESTS, clear


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestEngine]:
    """The engine, with what tests leave behind."""
    settings = getattr(request.module, "SETTINGS", {"limits": MANY_REQUESTS})
    async with running_engine(tmp_path_factory.mktemp("data"), **settings) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared: TestEngine) -> AsyncIterator[TestEngine]:
    """The engine, emptied after the test."""
    yield shared
    await clear(shared)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def phone() -> AsyncIterator[Phone]:
    """A phone of the module."""
    async with a_phone() as started:
        yield started
