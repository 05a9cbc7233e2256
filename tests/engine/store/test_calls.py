"""The queries about calls read through an index, whatever is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from engine.records import CallRecords
from engine.store import Store
from engine.store.calls import CallFilter, unfinished_calls
from tests.engine.opened import START, database_url

FILTERS = [
    CallFilter(),
    CallFilter(direction="outbound"),
    CallFilter(outcome="busy"),
    CallFilter(from_="+1"),
    CallFilter(to="+1"),
    CallFilter(application_id="a"),
    CallFilter(number_id="n"),
    CallFilter(trunk_id="t"),
    CallFilter(pending=True),
    CallFilter(pending=False),
    CallFilter(started_after=START),
    CallFilter(started_before=START),
    CallFilter(started_after=START, started_before=START + timedelta(hours=1)),
]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(database_url(tmp_path))
    yield store
    await store.close()


def test_every_filter_is_tried() -> None:
    tried = {field.name for narrow in FILTERS for field in fields(narrow) if getattr(narrow, field.name) is not None}
    assert tried == {field.name for field in fields(CallFilter)}


async def plans(store: Store, statements: list[tuple[str, Any]]) -> list[str]:
    async def explain(connection: Any) -> list[str]:
        steps = []
        for statement, parameters in statements:
            result = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps += [row.detail for row in result]
        return steps

    return await store.read(explain)


def recorded(store: Store) -> list[tuple[str, Any]]:
    statements: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(store._reading.sync_engine, "before_cursor_execute", note)
    return statements


@pytest.mark.parametrize("narrow", FILTERS)
async def test_no_filter_reads_through_all_calls_or_sorts_them(store: Store, narrow: CallFilter) -> None:
    statements = recorded(store)
    await CallRecords(store).list("ws_0", narrow, 20)
    steps = await plans(store, statements[:])
    assert steps
    for step in steps:
        assert step.startswith("SEARCH calls USING INDEX"), step


async def test_calls_left_open_are_found_without_reading_through_the_ended_ones(store: Store) -> None:
    statements = recorded(store)
    await store.read(lambda connection: unfinished_calls(connection, 10))
    (step,) = await plans(store, statements[:])
    assert "ix_calls_pending" in step
