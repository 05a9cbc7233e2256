"""Whole transactions of prepared rows on SQLite, each with one switch to the thread that owns the connection.

Through SQLAlchemy and aiosqlite a transaction of five statements costs a dozen switches and a pooled connection each
time, which under load is more than the statements themselves.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from engine.store.prepared import Parameters

Group = tuple[str, Sequence[Parameters]]
"""A statement with parameters by name, and the rows to run it for."""

STATEMENTS: Final = 128
"""Statements that are kept compiled."""


class SqliteRows:
    """A connection of its own to a database file that exists and is in WAL mode. Opened with the first transaction."""

    def __init__(self, path: str, settings: Sequence[str]) -> None:
        """`settings` are statements run once on the new connection."""
        self._path = path
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-rows")
        self._connection: sqlite3.Connection | None = None

    async def commit(self, groups: Sequence[Group]) -> None:
        """Run the groups in one transaction. Raises sqlite3.Error; nothing is written then."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, groups)

    def close(self) -> None:
        """Finish what was begun and close the connection."""
        self._thread.submit(self._close)
        self._thread.shutdown()

    def _commit(self, groups: Sequence[Group]) -> None:
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in groups:
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        # Without the module's own transactions, which begin late
        connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=STATEMENTS)
        for setting in self._settings:
            connection.execute(setting)
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
