"""Opening, reading and closing the database, and what a killed process leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from engine.errors import Unavailable
from engine.store import DatabaseUrlInvalid, PreparedQuery, Store
from engine.store import database as database_module
from engine.store.sqlite_reads import SqliteReads
from engine.store.tables import meta
from tests.engine.opened import database_url

PROJECT = Path(__file__).parents[3]
NAMES = PreparedQuery(select(meta.c.name, meta.c.number).order_by(meta.c.name))


async def pragma(store: Store, name: str) -> object:
    return await store.read(lambda connection: _scalar(connection, f"PRAGMA {name}"))


async def _scalar(connection, statement: str):  # type: ignore[no-untyped-def]
    return (await connection.execute(text(statement))).scalar()


async def test_opening_creates_the_folder_and_the_schema(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path / "new" / "folder"))
    assert await store.alive()
    assert await store.fetch(NAMES, {}) == [("alive_at", None), ("config_version", 0)]
    await store.close()
    assert (tmp_path / "new" / "folder" / "voylo.db").exists()


async def test_opening_again_keeps_what_is_stored(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    await store.write(lambda connection: connection.execute(text("UPDATE meta SET number = 7")))
    await store.close()
    store = await Store.open(database_url(tmp_path))
    assert await store.fetch(NAMES, {}) == [("alive_at", 7), ("config_version", 7)]
    await store.close()


async def test_sqlite_is_set_up_for_durable_concurrent_use(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    assert await pragma(store, "journal_mode") == "wal"
    assert await pragma(store, "foreign_keys") == 1
    assert await pragma(store, "synchronous") == 1  # NORMAL
    await store.close()
    store = await Store.open(database_url(tmp_path), synchronous="FULL")
    assert await pragma(store, "synchronous") == 2  # FULL
    await store.close()


async def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    with pytest.raises(Unavailable):
        await store.read(lambda connection: connection.execute(text("UPDATE meta SET number = 7")))
    await store.close()


async def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    entered, release = asyncio.Event(), asyncio.Event()

    async def holds(connection):  # type: ignore[no-untyped-def]
        await connection.execute(text("UPDATE meta SET number = 7"))
        entered.set()
        await release.wait()

    holding = asyncio.create_task(store.write(holds))
    await entered.wait()
    assert await _scalar_of(store, "SELECT number FROM meta WHERE name = 'config_version'") == 0
    release.set()
    await holding
    assert await _scalar_of(store, "SELECT number FROM meta WHERE name = 'config_version'") == 7
    await store.close()


async def _scalar_of(store: Store, statement: str) -> object:
    return await store.read(lambda connection: _scalar(connection, statement))


async def test_reads_beyond_the_pool_wait_their_turn(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    assert await asyncio.gather(*(_scalar_of(store, "SELECT 1") for _ in range(50))) == [1] * 50
    await store.close()


async def test_a_read_that_gets_no_connection_in_time_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "READ_WAIT_SECONDS", 0.05)
    store = await Store.open(database_url(tmp_path))
    release, free = asyncio.Event(), asyncio.Semaphore(0)

    async def holds(connection):  # type: ignore[no-untyped-def]
        free.release()
        await release.wait()

    # One of the connections is that of the prepared queries.
    holding = [asyncio.create_task(store.read(holds)) for _ in range(database_module.READERS - 1)]
    for _ in holding:
        await free.acquire()
    with pytest.raises(Unavailable):
        await store.read(lambda connection: _scalar(connection, "SELECT 1"))
    release.set()
    await asyncio.gather(*holding)
    await store.close()


async def test_an_error_of_the_query_itself_passes_through(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))

    async def broken(connection):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.read(broken)
    await store.close()


async def test_a_closed_store_answers_nothing_and_may_be_closed_again(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    await store.close()
    await store.close()
    assert not await store.alive()
    with pytest.raises(Unavailable):
        await store.fetch(NAMES, {})


async def test_a_prepared_query_gives_the_same_without_the_short_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(database_url(tmp_path))
    names = PreparedQuery(NAMES.statement, at_once=True)
    short = await store.fetch(names, {})
    assert await store.fetch(NAMES, {}) == short
    monkeypatch.setattr(store, "_driver", None)
    assert await store.fetch(NAMES, {}) == short
    await store.close()


async def test_a_query_at_once_does_not_hold_up_the_event_loop_for_a_lock(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    names = PreparedQuery(NAMES.statement, at_once=True)
    expected = await store.fetch(names, {})
    await store.close()
    path = make_url(database_url(tmp_path)).database or ""
    free = SqliteReads(path, [])
    assert free.fetch(names.sqlite_text, {}) == expected
    free.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    locked = SqliteReads(path, [])
    assert locked.fetch(names.sqlite_text, {}) is None
    other.close()
    assert locked.fetch(names.sqlite_text, {}) == expected
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        locked.fetch("SELECT 1 FROM nowhere", {})
    locked.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("not a url", "not usable"),
        ("sqlite:///x.db", "async driver"),
        ("sqlite+aiosqlite://", "name a file"),
        ("sqlite+aiosqlite:///:memory:", "name a file"),
        ("nosuchdatabase+driver://host/name", "not usable"),
    ],
)
async def test_an_url_that_cannot_work_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=reason):
        await Store.open(url)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "voylo.db"
    file.write_bytes(b"these are my holiday pictures" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await Store.open(database_url(tmp_path))
    assert file.read_bytes().startswith(b"these are my holiday pictures")


KILLED = """
import asyncio, sys
from sqlalchemy import text
from engine.store import Store

async def main():
    store = await Store.open(sys.argv[1])
    async def one(number):
        await store.write(lambda connection: connection.execute(
            text("INSERT INTO accounts (id, name, created_at) VALUES (:id, '', 0)"), {"id": str(number)}))
        print(number, flush=True)
    number = 0
    while True:
        await asyncio.gather(*(one(number + step) for step in range(20)))
        number += 20

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_committed_write(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, database_url(tmp_path)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(200):
        await process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    reported = 200 + len((await process.stdout.read()).splitlines())
    await process.wait()
    store = await Store.open(database_url(tmp_path))
    assert await _scalar_of(store, "SELECT count(*) FROM accounts") >= reported  # type: ignore[operator]
    assert await _scalar_of(store, "PRAGMA integrity_check") == "ok"
    await store.close()


async def test_the_database_file_is_a_plain_sqlite_file(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    await store.close()
    with sqlite3.connect(tmp_path / "voylo.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
