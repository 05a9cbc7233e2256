"""Keeps a cache of the configuration fresh while the process runs: what other processes change arrives by itself."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from engine.errors import EngineError
from engine.store.config import ConfigFollower

logger = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.5


class ConfigPolling:
    """Refreshes `follower` every `POLL_SECONDS` from `start` to `close`; `name` is that of the cache in logs."""

    def __init__(self, follower: ConfigFollower, name: str) -> None:
        self._follower = follower
        self._name = name
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to poll."""
        self._task = asyncio.create_task(self._poll(), name=self._name)

    async def close(self) -> None:
        """Stops polling."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            age = self._follower.age
            try:
                await self._follower.refresh()
            except EngineError as error:
                logger.warning("directory.stale", cache=self._name, reason=error.message, seconds=round(age, 1))
            except Exception:
                logger.exception("directory.poll_failed", cache=self._name, seconds=round(age, 1))
