"""The writer: writes share transactions, fail alone, and are committed when their waiters go on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, NotFound, Unavailable
from engine.store import Row, RowStatement, Store
from engine.store import database as database_module
from engine.store import writer as writer_module
from engine.store.sqlite_rows import Group
from engine.store.tables import accounts, workspaces
from tests.engine.opened import database_url

INSERT_ACCOUNT = RowStatement(1, insert(accounts))
INSERT_WORKSPACE = RowStatement(2, insert(workspaces))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(database_url(tmp_path))
    yield store
    await store.close()


def account(name: str) -> Row:
    return INSERT_ACCOUNT, {"id": name, "name": name, "created_at": 0}


def workspace(name: str, account_id: str) -> Row:
    return INSERT_WORKSPACE, {
        "id": name,
        "account_id": account_id,
        "name": name,
        "timezone": "UTC",
        "created_at": 0,
    }


def stored(path: Path, table: str = "accounts") -> set[str]:
    """What another connection sees, which is what is committed."""
    with sqlite3.connect(path / "voylo.db") as connection:
        found = {row[0] for row in connection.execute(f"SELECT id FROM {table}")}
    connection.close()
    return found


def insert_account(name: str):  # type: ignore[no-untyped-def]
    async def work(connection: AsyncConnection) -> str:
        await connection.execute(insert(accounts).values(id=name, name=name, created_at=0))
        return name.upper()

    return work


def count_commits(store: Store) -> list[None]:
    """One entry for each transaction, by either way to the database."""
    commits: list[None] = []
    event.listen(store._writing.sync_engine, "commit", lambda connection: commits.append(None))
    rows = store._writer._fast
    assert rows is not None
    commit = rows.commit

    async def counted(groups: Sequence[Group]) -> None:
        commits.append(None)
        await commit(groups)

    rows.commit = counted  # type: ignore[method-assign]
    return commits


async def test_a_write_is_committed_when_its_waiter_goes_on(store: Store, tmp_path: Path) -> None:
    await store.write_rows([account("a")])
    assert stored(tmp_path) == {"a"}
    assert await store.write(insert_account("b")) == "B"
    assert stored(tmp_path) == {"a", "b"}


async def test_writes_that_wait_together_share_a_transaction(store: Store, tmp_path: Path) -> None:
    commits = count_commits(store)
    names = [f"n{number}" for number in range(200)]
    await asyncio.gather(*(store.write_rows([account(name)]) for name in names))
    assert stored(tmp_path) == set(names)
    assert len(commits) <= 3


async def test_a_write_that_is_wanted_soon_takes_along_those_that_could_wait(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "COMMIT_INTERVAL", 50.0)
    await asyncio.gather(store.write_rows([account("a")]), store.write_rows([account("b")]))
    waiting = store.write_rows([account("c")])
    await asyncio.sleep(3 * writer_module.SOON_INTERVAL)
    assert not waiting.done()
    commits = count_commits(store)
    async with asyncio.timeout(5):
        await store.write_rows([account("d")], soon=True)
    assert waiting.done()
    assert stored(tmp_path) == {"a", "b", "c", "d"}
    assert len(commits) == 1


async def test_where_many_write_the_next_transaction_waits_for_more_company(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "CROWDED", 3)
    monkeypatch.setattr(writer_module, "CROWDED_INTERVAL", 50.0)
    async with asyncio.timeout(5):
        await asyncio.gather(*(store.write_rows([account(name)]) for name in "ab"))
        await asyncio.gather(*(store.write_rows([account(name)]) for name in "cde"))
    waiting = store.write_rows([account("f")])
    await asyncio.sleep(3 * writer_module.COMMIT_INTERVAL)
    assert not waiting.done()
    async with asyncio.timeout(5):
        await store.write_rows([account("g")], soon=True)
    assert waiting.done()
    assert stored(tmp_path) == set("abcdefg")


async def test_a_transaction_holds_no_more_than_its_bound(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BATCH_WRITES", 10)
    monkeypatch.setattr(writer_module, "COMMIT_INTERVAL", 0)
    commits = count_commits(store)
    await asyncio.gather(*(store.write_rows([account(f"n{number}")]) for number in range(100)))
    assert len(stored(tmp_path)) == 100
    assert len(commits) >= 10


async def test_a_violated_constraint_fails_only_the_write_that_violates_it(store: Store, tmp_path: Path) -> None:
    names = ["a", "b", "a", "c"]
    results = await asyncio.gather(*(store.write_rows([account(name)]) for name in names), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), Conflict, type(None)]
    assert stored(tmp_path) == {"a", "b", "c"}


async def test_a_write_of_several_rows_is_made_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    good = store.write_rows([account("a"), workspace("wa", "a")])
    bad = store.write_rows([account("b"), workspace("wb", "nobody")])
    await good
    with pytest.raises(Conflict):
        await bad
    assert stored(tmp_path) == {"a"}
    assert stored(tmp_path, "workspaces") == {"wa"}


async def test_the_rank_orders_statements_whatever_write_they_came_with(store: Store, tmp_path: Path) -> None:
    commits = count_commits(store)
    child = store.write_rows([workspace("w", "a")])
    parent = store.write_rows([account("a")])
    await asyncio.gather(child, parent)
    assert stored(tmp_path, "workspaces") == {"w"}
    assert len(commits) == 1


async def test_work_that_raises_leaves_nothing_and_harms_no_neighbour(store: Store, tmp_path: Path) -> None:
    async def fails(connection: AsyncConnection) -> None:
        await connection.execute(insert(accounts).values(id="half", name="", created_at=0))
        raise NotFound("nothing here")

    results = await asyncio.gather(
        store.write(insert_account("a")),
        store.write(fails),
        store.write_rows([account("b")]),
        store.write(insert_account("c")),
        return_exceptions=True,
    )
    assert results[0] == "A"
    assert isinstance(results[1], NotFound)
    assert results[2] is None
    assert results[3] == "C"
    assert stored(tmp_path) == {"a", "b", "c"}


async def test_work_sees_the_writes_before_it(store: Store) -> None:
    async def count(connection: AsyncConnection) -> int:
        return int((await connection.execute(text("SELECT count(*) FROM accounts"))).scalar_one())

    results = await asyncio.gather(
        store.write(insert_account("a")), store.write(count), store.write(insert_account("b")), store.write(count)
    )
    assert results == ["A", 1, "B", 2]


async def test_a_bug_in_work_reaches_its_waiter_as_it_is(store: Store) -> None:
    async def broken(connection: AsyncConnection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(broken)
    await store.write_rows([account("a")])


async def test_a_write_is_made_although_nobody_waits_for_it_any_more(store: Store, tmp_path: Path) -> None:
    waiter = asyncio.create_task(store.write(insert_account("a")))
    await asyncio.sleep(0)
    waiter.cancel()
    await store.write_rows([account("b")])
    assert stored(tmp_path) == {"a", "b"}


async def test_closing_commits_what_waits_and_refuses_the_rest(tmp_path: Path) -> None:
    store = await Store.open(database_url(tmp_path))
    waiting = [store.write_rows([account(f"n{number}")]) for number in range(600)]
    await store.close()
    assert all(future.done() and future.exception() is None for future in waiting)
    assert len(stored(tmp_path)) == 600
    with pytest.raises(Unavailable):
        store.write_rows([account("late")])
    with pytest.raises(Unavailable):
        await store.write(insert_account("late"))


async def test_writes_beyond_the_bound_are_refused_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PENDING_WRITES", 5)
    entered, release = asyncio.Event(), asyncio.Event()

    async def holds(connection: AsyncConnection) -> None:
        entered.set()
        await release.wait()

    holding = asyncio.create_task(store.write(holds))
    await entered.wait()
    waiting = [store.write_rows([account(f"n{number}")]) for number in range(5)]
    with pytest.raises(Unavailable, match="keep up"):
        store.write_rows([account("one too many")])
    release.set()
    await asyncio.gather(holding, *waiting)
    assert len(stored(tmp_path)) == 5


async def test_a_locked_database_fails_the_write_and_the_next_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "SQLITE_LOCK_MS", 20)
    store = await Store.open(database_url(tmp_path))
    blocker = sqlite3.connect(tmp_path / "voylo.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        store.write_rows([account("a")]), store.write(insert_account("b")), return_exceptions=True
    )
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    blocker.execute("ROLLBACK")
    blocker.close()
    await store.write_rows([account("a")])
    assert stored(tmp_path) == {"a"}
    await store.close()


async def test_text_that_is_no_unicode_fails_the_write_alone(store: Store, tmp_path: Path) -> None:
    results = await asyncio.gather(
        store.write_rows([account("a")]), store.write_rows([account("\ud800")]), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], Exception)
    assert stored(tmp_path) == {"a"}


async def test_the_same_rows_are_written_on_a_database_that_is_not_sqlite(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_driver(connection: AsyncConnection) -> None:
        return None

    monkeypatch.setattr("engine.store.prepared.driver_of", no_driver)
    await asyncio.gather(store.write_rows([account("a"), workspace("w", "a")]), store.write_rows([account("b")]))
    with pytest.raises(Conflict):
        await store.write_rows([account("a")])
    assert stored(tmp_path) == {"a", "b"}
    assert stored(tmp_path, "workspaces") == {"w"}
