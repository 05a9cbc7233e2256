"""A database in trouble: held by another program, as a backup might, or with a column that a bad repair has damaged."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
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

    def damage(self) -> None:
        """The headers of every application are no JSON any more."""
        self._headers("{damaged")

    def mend(self) -> None:
        """They are JSON again, and there are none."""
        self._headers("{}")

    def _headers(self, text: str) -> None:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None, timeout=5)) as connection:
            connection.execute("UPDATE applications SET action_url_headers = ?", [text])

    def documents(self) -> dict[str, str | Handler]:
        """All of that over HTTP, for a Flow: `/take`, `/release`, `/damage`, `/mend`."""

        def over_http(act: Callable[[], None]) -> Handler:
            async def handle(_: web.Request) -> web.StreamResponse:
                # What the engine is writing may need this loop to be completed.
                await asyncio.to_thread(act)
                return web.Response()

            return handle

        acts = {"/take": self.take, "/release": self.release, "/damage": self.damage, "/mend": self.mend}
        return {path: over_http(act) for path, act in acts.items()}
