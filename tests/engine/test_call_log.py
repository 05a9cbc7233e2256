"""The log of a call: gathered without waiting, stored in the order of writing, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine import call_log as call_log_module
from engine.call_log import ENTRIES_PER_CALL, ENTRY_CHARS, TEXT_CHARS, CallLogBuffer
from engine.errors import Unavailable
from engine.model import CallLogEntry
from engine.store import Store
from engine.store.calls import log_of_call
from tests.engine.opened import START, database_url


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(database_url(tmp_path))
    yield store
    await store.close()


async def stored(store: Store, call_id: str = "c") -> list[CallLogEntry]:
    return await store.read(lambda connection: log_of_call(connection, call_id))


async def test_entries_are_stored_in_their_order(store: Store) -> None:
    log = CallLogBuffer(store)
    for number in range(3):
        log.add("c", "verb", {"number": number}, START + timedelta(seconds=number))
    log.add("d", "verb", {}, START)
    assert await stored(store) == []
    await log.flush()
    await log.flush()
    log.add("c", "verb", {"number": 3}, START)
    await log.flush()
    entries = await stored(store)
    assert [entry.data["number"] for entry in entries] == [0, 1, 2, 3]
    assert entries[1] == CallLogEntry(START + timedelta(seconds=1), "verb", {"number": 1})
    assert len(await stored(store, "d")) == 1


async def test_entries_are_stored_by_themselves_after_a_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log_module, "FLUSH_SECONDS", 0.01)
    log = CallLogBuffer(store)
    async with asyncio.timeout(10):
        for number in range(2):
            log.add("c", "verb", {}, START)
            while len(await stored(store)) != number + 1:
                await asyncio.sleep(0.01)


async def test_what_one_call_has_waiting_can_be_taken_into_another_write(store: Store) -> None:
    log = CallLogBuffer(store)
    log.add("c", "verb", {}, START)
    log.add("d", "verb", {}, START)
    await store.write_rows(log.take("c"))
    assert len(await stored(store)) == 1
    assert log.take("c") == []
    await log.flush()
    assert (len(await stored(store)), len(await stored(store, "d"))) == (1, 1)


async def test_a_call_has_a_bounded_number_of_entries_and_says_where_they_end(store: Store) -> None:
    log = CallLogBuffer(store)
    for number in range(ENTRIES_PER_CALL + 50):
        log.add("c", "verb", {"number": number}, START)
    log.add("d", "verb", {}, START)
    await log.flush()
    entries = await stored(store)
    assert len(entries) == ENTRIES_PER_CALL + 1
    assert entries[-1].type == "log_truncated"
    assert entries[-2].data == {"number": ENTRIES_PER_CALL - 1}
    assert len(await stored(store, "d")) == 1


@pytest.mark.parametrize(
    "data", [{"body": "x" * 100_000, "status": 500}, {f"member{number}": "x" * 1000 for number in range(500)}]
)
async def test_a_large_entry_is_cut(store: Store, data: dict[str, object]) -> None:
    log = CallLogBuffer(store)
    log.add("c", "document", data, START)
    await log.flush()
    (entry,) = await stored(store)
    assert len(str(entry.data)) <= ENTRY_CHARS
    if "status" in data:
        assert entry.data == {"body": "x" * TEXT_CHARS, "status": 500}
    else:
        assert entry.data["truncated"] is True


async def test_the_memory_for_entries_of_all_calls_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log_module, "ENTRIES_BUFFERED", 5)
    monkeypatch.setattr(call_log_module, "CALLS_COUNTED", 3)
    log = CallLogBuffer(store)
    for number in range(20):
        log.add(f"c{number}", "verb", {}, START)
    assert len(log._counts) <= 3
    await log.flush()
    log.add("c", "verb", {}, START)
    await log.flush()
    assert sum([len(await stored(store, f"c{number}")) for number in range(20)]) == 5
    assert len(await stored(store)) == 1


async def test_a_store_that_takes_nothing_harms_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log_module, "FLUSH_SECONDS", 0)
    refused = asyncio.Event()

    def refuses(rows: object, **_: object) -> None:
        refused.set()
        raise Unavailable("the database does not keep up")

    monkeypatch.setattr(store, "write_rows", refuses)
    log = CallLogBuffer(store)
    log.add("c", "verb", {}, START)
    await asyncio.wait_for(refused.wait(), 10)
    monkeypatch.undo()
    log.add("c", "verb", {"odd": object(), "bad": "\ud800\x00"}, START)
    await log.flush()
    (entry,) = await stored(store)
    assert entry.data["bad"] == "??"
