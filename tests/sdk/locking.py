"""A database that does not answer: another program holds it, as a backup or a repair might."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from aiohttp import web

from engine.store import database
from tests.support.flow import Handler


class Lock:
    """The lock of writers on the SQLite file of an engine in `data_dir`; the engine waits 0.2 s for it."""

    def __init__(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "SQLITE_LOCK_MS", 200)
        self._path = data_dir / "voylo.db"
        self._held: sqlite3.Connection | None = None

    def take(self) -> None:
        """From now on the engine cannot write."""
        self._held = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        self._held.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        """It can write again."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def documents(self) -> dict[str, str | Handler]:
        """Both over HTTP, for a Flow: `/take` and `/release`."""

        async def take(_: web.Request) -> web.StreamResponse:
            self.take()
            return web.Response()

        async def release(_: web.Request) -> web.StreamResponse:
            self.release()
            return web.Response()

        return {"/take": take, "/release": release}
