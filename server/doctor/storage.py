"""Looks at the data directory and the database: can they be written, is there room, does the database answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from server.config import Config
from server.doctor.finding import Finding, fail, ok, warn

# Below the first a day of recordings fills the disk; below the second the next minutes do.
SPACE_WANTED_BYTES = 1 << 30
SPACE_NEEDED_BYTES = 64 << 20
_DATABASE_SECONDS = 10.0
_CORRECT_URL = "correct database.url, or see to the server that it names"
_MOVE = "set storage.data_dir to a directory that the engine may write"


def check_data_dir(config: Config) -> Iterator[Finding]:
    """Check that the data directory is there or can be made, takes a file, and has room."""
    directory = config.storage.data_dir.absolute()
    nearest = _nearest_existing(directory)
    if not nearest.is_dir():
        yield fail("storage", f"data directory {directory} cannot be made: {nearest} is a file", _MOVE)
        return
    try:
        # A probe in the nearest existing directory, so that looking leaves nothing behind.
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(b"voylo")
            probe.flush()
            os.fsync(probe.fileno())
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        place = "cannot be written" if nearest == directory else f"cannot be made in {nearest}"
        yield fail("storage", f"data directory {directory} {place}: {error.strerror or error}", _MOVE)
        return
    state = "can be written" if nearest == directory else "will be made at the first start"
    what = f"data directory {directory} {state}, {free / (1 << 30):.1f} GiB free"
    room = "free some room, or set storage.data_dir to a bigger disk"
    if free < SPACE_NEEDED_BYTES:
        yield fail("storage", what, room)
    elif free < SPACE_WANTED_BYTES:
        yield warn("storage", what, room)
    else:
        yield ok("storage", what)


async def check_database(config: Config) -> Finding:
    """Open the database and write to it, leaving nothing behind.

    SQLite is tried with a file of its own beside the real one: whether the file system can do what the write-ahead
    log needs (locks and shared memory, which network file systems often lack) shows there as well, and an engine that
    is running is not disturbed.
    """
    if config.database_file is not None:
        change = _MOVE if config.database.url is None else "correct database.url"
        return await asyncio.to_thread(_check_sqlite, config.database_file.absolute(), change)
    shown = "database.url"
    try:
        shown = make_url(config.database_url).render_as_string(hide_password=True)
        async with asyncio.timeout(_DATABASE_SECONDS):
            await _write_temporary_table(config.database_url)
    except TimeoutError:
        return fail("database", f"{shown}: no answer within {_DATABASE_SECONDS:g} s", _CORRECT_URL)
    except (SQLAlchemyError, OSError, ValueError) as error:
        return fail("database", f"{shown}: {_first_line(error)}", _CORRECT_URL)
    return ok("database", f"{shown} answers and can be written")


def _check_sqlite(path: Path, change: str) -> Finding:
    nearest = _nearest_existing(path.parent)
    try:
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".voylo-doctor-") as scratch:
            mode = _write_sqlite_file(Path(scratch) / "probe.db")
    except (sqlite3.Error, OSError) as error:
        return fail("database", f"SQLite in {nearest}: {_first_line(error)}", change)
    if mode != "wal":
        what = f"SQLite in {nearest}: the file system cannot do write-ahead logging (journal mode {mode})"
        return fail("database", what, "set storage.data_dir to a local disk")
    if not path.exists():
        return ok("database", f"SQLite file {path} will be made at the first start; a trial write worked")
    return _check_sqlite_file(path)


def _check_sqlite_file(path: Path) -> Finding:
    """Read the database that is there, without writing to it."""
    if not os.access(path, os.R_OK | os.W_OK):
        return fail("database", f"SQLite file {path} may not be written", f"give {path} to the user the engine runs as")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_DATABASE_SECONDS)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
    except sqlite3.Error as error:
        change = f"move {path} away, or restore it from a backup"
        return fail("database", f"SQLite file {path} cannot be read: {_first_line(error)}", change)
    return ok("database", f"SQLite file {path} has {tables} tables; a trial write beside it worked")


async def _write_temporary_table(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TEMPORARY TABLE voylo_doctor (n INTEGER)"))
            await connection.execute(text("INSERT INTO voylo_doctor VALUES (1)"))
            await connection.rollback()
    finally:
        await engine.dispose()


def _write_sqlite_file(path: Path) -> str:
    """Make a database file with a table in it; return the journal mode that the file system allowed."""
    with closing(sqlite3.connect(path, timeout=_DATABASE_SECONDS)) as connection:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute("CREATE TABLE probe (n INTEGER)")
        connection.execute("INSERT INTO probe VALUES (1)")
        connection.commit()
    return str(mode)


def _nearest_existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
