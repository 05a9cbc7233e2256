"""Prepared queries on SQLite without a change of threads: run where they are asked for, on the event loop.

A look-up by an indexed id takes about 10 µs, and to hand it to a thread and back more than ten times that, most of it
waiting for the interpreter's lock. Readers never wait for the writer in WAL mode; where SQLite would wait all the same,
for another process that recovers the file or checkpoints the last of it, `fetch` gives up at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from engine.store.prepared import Parameters

NO_WAIT: Final = "PRAGMA busy_timeout = 0"
STATEMENTS: Final = 64
"""Statements that are kept compiled."""


class SqliteReads:
    """A reading connection of its own to a database file that exists and is in WAL mode. For one thread."""

    def __init__(self, path: str, settings: Sequence[str]) -> None:
        """`settings` are statements run once on the new connection. Raises sqlite3.Error."""
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=STATEMENTS)
        for setting in (*settings, NO_WAIT):
            self._connection.execute(setting)

    def fetch(self, query: str, parameters: Parameters) -> list[Sequence[Any]] | None:
        """The rows; None when they are not to be had without waiting. Raises sqlite3.Error."""
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                return None
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
