"""The database: a writing connection behind the writer task, a small pool of reading ones, the schema kept up to date.

SQLite runs in WAL mode, so that readers never wait for the writer, with `synchronous=NORMAL`: a commit is in the
operating system's hands when its waiter goes on, so a killed process loses nothing that was committed. After a power
failure the last commits before it can be missing, never half of one; `synchronous="FULL"` closes that gap for one disk
flush per transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import aiosqlite
import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from engine.errors import EngineError, Unavailable
from engine.store.migration import schema_revision, upgrade
from engine.store.prepared import DATABASE_ERRORS, Parameters, PreparedQuery, driver_of
from engine.store.sqlite_reads import SqliteReads
from engine.store.sqlite_rows import SqliteRows
from engine.store.writer import Row, Writer

logger = structlog.get_logger(__name__)

T = TypeVar("T")

READERS: Final = 4
"""Reading connections; on SQLite each of them is a thread, and one of them is kept for prepared queries that would have
to wait where they are asked for (`engine.store.sqlite_reads`)."""

READ_WAIT_SECONDS: Final = 10
"""How long a read waits for a free connection."""

SQLITE_LOCK_MS: Final = 10_000
"""How long SQLite waits for another process's write, such as a command run beside the server."""

WAL_RETRY_MS: Final = 20
"""How often WAL mode is asked for anew while another process is just opening the same new file."""

SQLITE_CACHE_KIB: Final = 8192
SQLITE_WAL_PAGES: Final = 8000
"""So many pages (32 MB) are in the log before they go to the database: under load most of them are written again and
again, and go once."""

SQLITE_WAL_KEEP_BYTES: Final = 67_108_864

Synchronous = Literal["NORMAL", "FULL"]


class DatabaseUrlInvalid(EngineError):
    """The database URL cannot be used."""


class Store:
    """The open database. Every piece of SQL in the engine goes through `read`, `write` or `write_rows`."""

    def __init__(
        self,
        writing: AsyncEngine,
        reading: AsyncEngine,
        rows: SqliteRows | None = None,
        reads: SqliteReads | None = None,
    ) -> None:
        """`rows` writes what is rows only, and `reads` runs prepared queries, where the database is SQLite."""
        self._writing = writing
        self._reading = reading
        self._writer = Writer(writing, rows)
        self._reads = reads
        self._fetching: AsyncConnection | None = None
        self._driver: aiosqlite.Connection | None = None
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, synchronous: Synchronous = "NORMAL") -> Store:
        """Opens the database, creating or upgrading its schema first; a SQLite file and its folder are created.

        `url` is a SQLAlchemy URL with an async driver. Raises DatabaseUrlInvalid, SchemaUnknown when a newer program
        wrote the database, OSError or Unavailable when it cannot be opened.
        """
        parsed = _parse(url)
        await _upgrade(parsed)
        if parsed.get_backend_name() == "sqlite":
            writing = _sqlite_engine(parsed, synchronous, pool_size=1)
            reading = _sqlite_engine(parsed, synchronous, pool_size=READERS, read_only=True)
            assert parsed.database is not None
            rows: SqliteRows | None = SqliteRows(parsed.database, _settings(synchronous))
            reads: SqliteReads | None = SqliteReads(parsed.database, _settings(synchronous, read_only=True))
        else:
            rows, reads = None, None
            writing = create_async_engine(parsed, pool_size=1, max_overflow=0, pool_pre_ping=True)
            reading = create_async_engine(
                parsed,
                pool_size=READERS,
                max_overflow=0,
                pool_pre_ping=True,
                pool_timeout=READ_WAIT_SECONDS,
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
            )
        store = cls(writing, reading, rows, reads)
        await store._start()
        return store

    async def _start(self) -> None:
        self._writer.start()
        if self._reading.dialect.name == "sqlite":
            self._fetching = await self._reading.connect()
            self._driver = await driver_of(self._fetching)

    async def read(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """The result of `query` on a reading connection. Statements of one query need not see the same state.

        Raises Unavailable when the database fails or no connection is free in time; errors of `query` pass through.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        try:
            async with self._reading.connect() as connection:
                return await query(connection)
        except DATABASE_ERRORS as error:
            raise _failed_read(error) from error

    async def fetch(self, query: PreparedQuery, parameters: Parameters) -> Sequence[Sequence[Any]]:
        """The rows of a prepared query, as sequences in the order of its columns. Raises Unavailable."""
        if self._closed:
            raise Unavailable("the store is closed")
        try:
            if query.at_once and self._reads is not None:
                rows = self._reads.fetch(query.sqlite_text, parameters)
                if rows is not None:
                    return rows
            if self._driver is not None:
                return list(await self._driver.execute_fetchall(query.sqlite_text, parameters))
            async with self._reading.connect() as connection:
                return [tuple(row) for row in await connection.execute(query.statement, parameters)]
        except DATABASE_ERRORS as error:
            raise _failed_read(error) from error

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """The result of `work`, once its transaction is committed.

        `work` shares the transaction with other writes and fails alone; it may run a second time after a rollback, so
        it must do nothing but use the connection. Raises what `work` raises, Conflict for a violated constraint,
        Unavailable when the database fails. A write once accepted is made even when the waiter is cancelled.
        """
        return await self._writer.work(work)

    def write_rows(self, rows: Sequence[Row], *, soon: bool = False) -> asyncio.Future[None]:
        """Queues rows of prepared statements as one write; the future is done once they are committed, a little
        earlier with `soon`.

        The cheap way for whatever happens many times per call. Raises Unavailable at once when too much waits already;
        the future's errors are those of `write`.
        """
        return self._writer.rows(rows, soon=soon)

    async def alive(self) -> bool:
        """Whether the database answers."""
        try:
            await self.read(lambda connection: connection.execute(text("SELECT 1")))
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        """Commits what waits and closes every connection. A second call does nothing."""
        if self._closed:
            return
        await self._writer.close()
        self._closed = True
        if self._fetching is not None:
            await self._fetching.close()
        if self._reads is not None:
            self._reads.close()
        await self._writing.dispose()
        await self._reading.dispose()


def _failed_read(error: Exception) -> Unavailable:
    logger.error("store.read_failed", reason=str(error)[:500])
    return Unavailable("the database did not answer")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        is_async = parsed.get_dialect().is_async
    except (ArgumentError, SQLAlchemyError, ImportError) as error:
        raise DatabaseUrlInvalid(f"database.url is not usable: {error}") from error
    if not is_async:
        raise DatabaseUrlInvalid(
            f"database.url needs an async driver, such as sqlite+aiosqlite, not {parsed.drivername}"
        )
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise DatabaseUrlInvalid("database.url must name a file: connections do not share a database in memory")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    return parsed


async def revision_of(url: str) -> str | None:
    """The schema revision that a database is at; None for an empty or a new one.

    Raises DatabaseUrlInvalid, and Unavailable when the database cannot be opened.
    """
    engine = create_async_engine(_parse(url))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(schema_revision)
    except SQLAlchemyError as error:
        raise Unavailable(f"the database cannot be opened: {getattr(error, 'orig', None) or error}") from error
    finally:
        await engine.dispose()


async def _upgrade(url: URL) -> None:
    # Its own connection, without foreign keys on SQLite: a migration may have to rebuild a table others refer to.
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url, "NORMAL", pool_size=1, foreign_keys=False)
    else:
        engine = create_async_engine(url, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
    except SQLAlchemyError as error:
        raise Unavailable(f"the database cannot be opened: {getattr(error, 'orig', None) or error}") from error
    finally:
        await engine.dispose()


def _settings(synchronous: Synchronous, *, read_only: bool = False, foreign_keys: bool = True) -> Sequence[str]:
    """What every connection to SQLite is set to."""
    return (
        f"PRAGMA busy_timeout = {SQLITE_LOCK_MS}",
        f"PRAGMA synchronous = {synchronous}",
        f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}",
        f"PRAGMA wal_autocheckpoint = {SQLITE_WAL_PAGES}",
        f"PRAGMA journal_size_limit = {SQLITE_WAL_KEEP_BYTES}",
        f"PRAGMA query_only = {'ON' if read_only else 'OFF'}",
    )


def _enter_wal(cursor: Any) -> None:
    # Changing the mode asks for the whole file and, unlike everything else, does not wait for it.
    waited_ms = 0
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or waited_ms >= SQLITE_LOCK_MS:
                raise
        else:
            return
        await_only(asyncio.sleep(WAL_RETRY_MS / 1000))
        waited_ms += WAL_RETRY_MS


def _sqlite_engine(
    url: URL, synchronous: Synchronous, *, pool_size: int, read_only: bool = False, foreign_keys: bool = True
) -> AsyncEngine:
    options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": READ_WAIT_SECONDS}
    if read_only:
        options.update(isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
    engine = create_async_engine(url, **options)

    def configure(connection: DBAPIConnection, _record: object) -> None:
        # The driver's own transactions start late and leave SAVEPOINT out: ours begin where SQLAlchemy begins them.
        connection.isolation_level = None
        cursor = connection.cursor()
        for setting in _settings(synchronous, read_only=read_only, foreign_keys=foreign_keys):
            cursor.execute(setting)
        _enter_wal(cursor)
        cursor.close()

    event.listen(engine.sync_engine, "connect", configure)
    if not read_only:
        # Taking the write lock at once avoids the deadlock of two transactions that both read first and write later.
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine
