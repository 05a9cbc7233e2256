"""The API over an engine of its own, called in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.limits import Limits
from tests.api.client import Api
from tests.engine.opened import opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The API as the owner's key of the first workspace sees it."""
    async with opened(tmp_path) as engine:
        yield Api(engine)


@pytest.fixture
async def small_api(tmp_path: Path) -> AsyncIterator[Api]:
    """The API with a rate limit of three requests at once and one a second."""
    async with opened(tmp_path) as engine:
        yield Api(engine, Limits(requests_per_minute=60, request_burst=3))
