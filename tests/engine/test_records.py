"""Call records: what is stored at each step, which events tell of it, and what happens after a crash."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine import outbox as outbox_module
from engine import records as records_module
from engine.errors import Conflict, NotFound, Unavailable, ValidationFailed
from engine.leg_media import LegMedia
from engine.model import CallOutcome, RoutingAttempt
from engine.records import CallFilter, CallRecords
from engine.store import Store
from tests.engine.opened import START, Opened, a_call, database_url, opened

PROJECT = Path(__file__).parents[2]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


def after(**by: float) -> Any:
    return START + timedelta(**by)


def answered(at: Any, **members: Any) -> CallOutcome:
    return CallOutcome("answered", "caller", "normal", at, 200, **members)


def unanswered(at: Any, **members: Any) -> CallOutcome:
    return CallOutcome("canceled", "caller", "canceled", at, 487, **members)


def events(path: Path, call_id: str | None = None) -> list[dict[str, Any]]:
    """The payloads in the outbox, as another process would read them."""
    connection = sqlite3.connect(path / "voylo.db")
    rows = connection.execute(
        "SELECT id, type, workspace_id, call_id, payload FROM call_events ORDER BY seq"
    ).fetchall()
    connection.close()
    payloads = []
    for event_id, kind, workspace_id, call, payload in rows:
        values = json.loads(payload)
        assert (values["event_id"], values["event"], values["workspace_id"], values["call_id"]) == (
            event_id,
            kind,
            workspace_id,
            call,
        )
        if call_id in {None, call}:
            payloads.append(values)
    return payloads


async def test_a_new_call_is_pending_and_was_received(engine: Opened) -> None:
    new = a_call(
        engine.workspace_id, number_id="n", application_id="a", destination_kind="application", variables={"k": 1}
    )
    await engine.records.create(new)
    call = await engine.records.get(engine.workspace_id, new.public_id)
    assert call == await engine.records.get(engine.workspace_id, new.id.upper())
    assert (call.pending, call.status, call.number_id, call.variables) == (True, "ringing", "n", {"k": 1})
    assert (call.created_at, call.started_at, call.answered_at) == (START, START, None)
    (event,) = events(engine.path)
    assert (event["event"], event["status"], event["created_at"]) == (
        "call.received",
        "ringing",
        "2026-06-23T10:31:00.000Z",
    )


async def test_the_first_event_of_a_placed_call_is_another_and_may_be_absent(engine: Opened) -> None:
    placed, silent = (a_call(engine.workspace_id, direction="outbound") for _ in range(2))
    await engine.records.create(placed, "call.placed")
    await engine.records.create(silent, None)
    assert [event["event"] for event in events(engine.path)] == ["call.placed"]


async def test_an_answered_call_becomes_a_record_with_its_times(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, after(seconds=5.6))
    assert (await engine.records.get(engine.workspace_id, new.id)).status == "answered"
    attempt = RoutingAttempt(1, None, None, "sip:a@b", START, after(seconds=1), 30, 200, "answered")
    media = (
        LegMedia(None, 2100, 2099, 3, 1, 1.25, 60, 41.5, 4.29, 2, 0.75, 4.31),
        LegMedia("cl_a1b2c3d4e5f6", 0, 9, 0, 0, 0.0, 0, None, None, None, None, None),
    )
    ended = answered(after(seconds=47.9), answered_by="human", routing_attempts=(attempt,), media=media)
    await engine.records.finish(new.id, ended)
    call = await engine.records.get(engine.workspace_id, new.id)
    assert not call.pending
    assert (call.status, call.outcome, call.hangup_by, call.hangup_cause, call.sip_code) == (
        "completed",
        "answered",
        "caller",
        "normal",
        200,
    )
    assert (call.answered_at, call.ended_at) == (after(seconds=5.6), after(seconds=47.9))
    assert (call.ring_s, call.duration_s, call.billed_s) == (6, 42, 60)
    assert call.media == media
    assert (call.answered_by, call.routing_attempts, call.cost, call.currency) == ("human", (attempt,), 0, "USD")
    kinds = [(event["event"], event["status"]) for event in events(engine.path)]
    assert kinds == [("call.received", "ringing"), ("call.answered", "answered"), ("call.completed", "completed")]


async def test_a_call_that_nobody_answered_failed(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.finish(new.id, unanswered(after(seconds=20.4)))
    call = await engine.records.get(engine.workspace_id, new.id)
    assert (call.status, call.outcome, call.answered_at) == ("failed", "canceled", None)
    assert (call.ring_s, call.duration_s, call.billed_s) == (20, 0, 0)
    assert [event["event"] for event in events(engine.path)] == ["call.received", "call.failed"]


@pytest.mark.parametrize(
    ("seconds", "duration_s", "billed_s"),
    [(0, 0, 0), (0.49, 0, 0), (0.5, 1, 60), (59.4, 59, 60), (60.4, 60, 60), (60.5, 61, 120), (3599.6, 3600, 3600)],
)
async def test_seconds_are_rounded_to_nearest_and_billed_by_the_minute(
    engine: Opened, seconds: float, duration_s: int, billed_s: int
) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, START)
    await engine.records.finish(new.id, answered(after(seconds=seconds)))
    call = await engine.records.get(engine.workspace_id, new.id)
    assert (call.ring_s, call.duration_s, call.billed_s) == (0, duration_s, billed_s)


async def test_seconds_that_the_call_measured_itself_win_over_the_clock(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, after(seconds=1))
    await engine.records.finish(new.id, answered(after(seconds=1), ring_seconds=2.6, duration_seconds=61.2))
    call = await engine.records.get(engine.workspace_id, new.id)
    assert (call.ring_s, call.duration_s, call.billed_s) == (3, 61, 120)


async def test_a_clock_that_was_set_back_gives_no_negative_times(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, after(seconds=10))
    await engine.records.finish(new.id, answered(after(hours=-1)))
    call = await engine.records.get(engine.workspace_id, new.id)
    assert (call.ended_at, call.duration_s, call.billed_s) == (after(seconds=10), 0, 0)


async def test_a_call_whose_answer_was_not_reported_still_counts_as_answered(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.finish(new.id, answered(after(seconds=30), duration_seconds=20))
    call = await engine.records.get(engine.workspace_id, new.id)
    assert (call.status, call.answered_at, call.ring_s, call.duration_s) == ("completed", after(seconds=10), 10, 20)


async def test_only_the_first_end_of_a_call_counts(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await asyncio.gather(
        engine.records.finish(new.id, unanswered(after(seconds=5))),
        engine.records.finish(new.id, answered(after(seconds=9))),
        CallRecords(engine.store).finish(new.id, answered(after(seconds=9))),
    )
    await engine.records.finish(new.id, answered(after(seconds=9)))
    await engine.records.answered(new.id, after(seconds=9))
    call = await engine.records.get(engine.workspace_id, new.id)
    terminal = [event for event in events(engine.path) if event["event"] in {"call.failed", "call.completed"}]
    assert len(terminal) == 1
    assert (terminal[0]["outcome"], terminal[0]["ended_at"][:19]) == (call.outcome, call.ended_at.isoformat()[:19])  # type: ignore[union-attr]


async def test_a_second_answer_and_events_of_unknown_calls_change_nothing(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, after(seconds=1))
    await engine.records.answered(new.id, after(seconds=2))
    await engine.records.answered("unknown", START)
    await engine.records.ringing("unknown")
    await engine.records.finish("unknown", unanswered(START))
    assert (await engine.records.get(engine.workspace_id, new.id)).answered_at == after(seconds=1)
    assert len(events(engine.path)) == 2


async def test_an_outbound_call_dials_then_rings(engine: Opened) -> None:
    new = a_call(engine.workspace_id, direction="outbound")
    await engine.records.create(new, "call.placed")
    assert (await engine.records.get(engine.workspace_id, new.id)).status == "dialing"
    await engine.records.ringing(new.id)
    assert (await engine.records.get(engine.workspace_id, new.id)).status == "ringing"
    await engine.records.answered(new.id, START)
    await engine.records.ringing(new.id)
    assert (await engine.records.get(engine.workspace_id, new.id)).status == "answered"
    assert [event["event"] for event in events(engine.path)] == ["call.placed", "call.answered"]


async def test_a_refused_call_is_a_closed_record_with_both_events(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    engine.records.refused(new, "rejected", "platform", "rejected", 403)
    await engine.store.write_rows([])
    call = await engine.records.get(engine.workspace_id, new.public_id)
    assert (call.pending, call.outcome, call.hangup_by, call.hangup_cause, call.sip_code, call.duration_s) == (
        False,
        "rejected",
        "platform",
        "rejected",
        403,
        0,
    )
    assert [(event["event"], event["outcome"]) for event in events(engine.path)] == [
        ("call.received", None),
        ("call.failed", "rejected"),
    ]


async def test_a_call_out_that_was_never_accepted_has_the_terminal_event_alone(engine: Opened) -> None:
    new = a_call(engine.workspace_id, direction="outbound")
    engine.records.refused(new, "rejected", "platform", "caller_id_not_allowed", 403)
    await engine.store.write_rows([])
    assert [event["event"] for event in events(engine.path)] == ["call.failed"]


async def test_many_calls_at_once_are_all_stored_whole(engine: Opened) -> None:
    async def run(number: int) -> str:
        new = a_call(engine.workspace_id, after(milliseconds=number))
        await engine.records.create(new)
        engine.records.log(new.id, "verb", {"number": number}, START)
        await engine.records.answered(new.id, after(seconds=1))
        await engine.records.finish(new.id, answered(after(seconds=31)))
        return new.id

    ids = await asyncio.gather(*(run(number) for number in range(300)))
    for call_id in ids[::30]:
        assert [event["event"] for event in events(engine.path, call_id)] == [
            "call.received",
            "call.answered",
            "call.completed",
        ]
    calls = await engine.records.page(engine.workspace_id, CallFilter(pending=False), 1, 100)
    assert calls.total_items == 300
    assert len(events(engine.path)) == 900


async def test_an_identifier_that_exists_is_a_conflict_and_harms_no_other_call(engine: Opened) -> None:
    first, second = a_call(engine.workspace_id), a_call(engine.workspace_id)
    clash = a_call(engine.workspace_id, public_id=first.public_id)
    results = await asyncio.gather(
        *(engine.records.create(new) for new in (first, clash, second)), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), Conflict, type(None)]
    await engine.records.finish(clash.id, unanswered(START))
    assert len(events(engine.path)) == 2


async def test_an_event_id_that_exists_is_drawn_again(engine: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["evt_000000000000", "evt_000000000000", "evt_000000000001", "evt_000000000000", "evt_000000000002"])
    monkeypatch.setattr(outbox_module, "new_event_id", lambda: next(drawn))
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, START)
    await engine.records.finish(new.id, answered(START))
    assert [event["event_id"][-1] for event in events(engine.path)] == ["0", "1", "2"]


async def test_a_store_that_fails_leaves_the_call_open_to_be_finished_again(
    engine: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)

    def refuses(rows: object, **_: object) -> None:
        raise Unavailable("the database does not keep up")

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "write_rows", refuses)
        with pytest.raises(Unavailable):
            await engine.records.finish(new.id, unanswered(after(seconds=1)))
        with pytest.raises(Unavailable):
            await engine.records.create(a_call(engine.workspace_id))
        engine.records.refused(a_call(engine.workspace_id), "rejected", "platform", "rejected", 403)
    await engine.records.finish(new.id, unanswered(after(seconds=2)))
    assert (await engine.records.get(engine.workspace_id, new.id)).ended_at == after(seconds=2)
    assert len(events(engine.path)) == 2


async def test_text_from_the_network_that_no_column_holds_is_mended(engine: Opened) -> None:
    new = a_call(engine.workspace_id, from_="sip:\udcff\x00@host")
    await engine.records.create(new)
    assert (await engine.records.get(engine.workspace_id, new.id)).from_ == "sip:??@host"


@pytest.mark.parametrize("call_id", ["", "cl_000000000000", "cl_x", "00000000-0000-0000-0000-000000000000", "x" * 5000])
async def test_a_call_that_is_not_there_is_not_found(engine: Opened, call_id: str) -> None:
    with pytest.raises(NotFound):
        await engine.records.get(engine.workspace_id, call_id)
    with pytest.raises(NotFound):
        await engine.records.events(engine.workspace_id, call_id)


async def test_another_workspace_sees_nothing_of_a_call(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    other, _ = await engine.other_workspace()
    for call_id in (new.id, new.public_id):
        with pytest.raises(NotFound):
            await engine.records.get(other, call_id)
        with pytest.raises(NotFound):
            await engine.records.events(other, call_id)
    assert await engine.records.list(other, CallFilter(), 10) == []
    with pytest.raises(ValidationFailed):
        await engine.records.list(other, CallFilter(), 10, before=new.public_id)


async def test_calls_are_listed_from_the_newest_and_continued_after_a_call(engine: Opened) -> None:
    new = [a_call(engine.workspace_id, after(seconds=number // 2)) for number in range(6)]
    for call in new:
        await engine.records.create(call)
    in_order = [call.public_id for call in sorted(new, key=lambda call: (call.created_at, call.id), reverse=True)]
    listed = await engine.records.list(engine.workspace_id, CallFilter(), 4)
    assert [call.public_id for call in listed] == in_order[:4]
    rest = await engine.records.list(engine.workspace_id, CallFilter(), 4, before=in_order[3])
    assert [call.public_id for call in rest] == in_order[4:]
    assert await engine.records.list(engine.workspace_id, CallFilter(), 4, before=in_order[5]) == []
    page = await engine.records.page(engine.workspace_id, CallFilter(), 2, 4)
    assert ([call.public_id for call in page.items], page.total_items) == (in_order[4:], 6)
    assert (await engine.records.page(engine.workspace_id, CallFilter(), 3, 4)).items == ()


@pytest.mark.parametrize("before", ["cl_000000000000", "x", ""])
async def test_continuing_after_an_unknown_call_is_refused(engine: Opened, before: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await engine.records.list(engine.workspace_id, CallFilter(), 4, before=before)
    assert [error.field for error in caught.value.errors] == ["before"]


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        (CallFilter(), "cba"),
        (CallFilter(direction="inbound"), "a"),
        (CallFilter(outcome="answered"), "a"),
        (CallFilter(from_="+111"), "a"),
        (CallFilter(to="+222"), "cb"),
        (CallFilter(application_id="app"), "b"),
        (CallFilter(number_id="num"), "b"),
        (CallFilter(trunk_id="trunk"), "b"),
        (CallFilter(pending=True), "cb"),
        (CallFilter(pending=False), "a"),
        (CallFilter(started_after=after(seconds=0)), "cb"),
        (CallFilter(started_before=after(seconds=60)), "a"),
        (CallFilter(started_after=after(seconds=0), started_before=after(seconds=120)), "b"),
        (CallFilter(direction="outbound", to="+222", pending=True), "cb"),
        (CallFilter(to="+222", outcome="answered"), ""),
    ],
)
async def test_each_filter_narrows_the_list(engine: Opened, narrow: CallFilter, found: str) -> None:
    workspace = engine.workspace_id
    new = {
        "a": a_call(workspace, from_="+111"),
        "b": a_call(
            workspace, after(seconds=60), "outbound", to="+222", application_id="app", number_id="num", trunk_id="trunk"
        ),
        "c": a_call(workspace, after(seconds=120), "outbound", to="+222"),
    }
    for call in new.values():
        await engine.records.create(call)
    await engine.records.answered(new["a"].id, START)
    await engine.records.finish(new["a"].id, answered(START))
    names = {call.id: name for name, call in new.items()}
    listed = await engine.records.list(workspace, narrow, 10)
    assert "".join(names[call.id] for call in listed) == found
    page = await engine.records.page(workspace, narrow, 1, 10)
    assert (list(page.items), page.total_items) == (listed, len(found))


async def test_the_log_of_a_call_holds_events_and_entries_in_the_order_of_time(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    engine.records.log(new.id, "document", {"status": 200}, after(seconds=1))
    await engine.records.answered(new.id, after(seconds=2))
    engine.records.log(new.id, "verb", {"verb": "Play"}, after(seconds=3))
    entries = await engine.records.events(engine.workspace_id, new.public_id)
    assert [(entry.at, entry.type) for entry in entries] == [
        (START, "call.received"),
        (after(seconds=1), "document"),
        (after(seconds=2), "call.answered"),
        (after(seconds=3), "verb"),
    ]
    assert entries[1].data == {"status": 200}
    engine.records.log(new.id, "media", {}, after(seconds=4))
    await engine.records.finish(new.id, answered(after(seconds=4)))
    entries = await CallRecords(engine.store).events(engine.workspace_id, new.public_id)
    assert [entry.type for entry in entries][4:] == ["call.completed", "media"]


async def test_calls_left_open_by_a_crash_are_closed_once(engine: Opened) -> None:
    ringing, talking, ended = (a_call(engine.workspace_id) for _ in range(3))
    for new in (ringing, talking, ended):
        await engine.records.create(new)
    await engine.records.answered(talking.id, after(seconds=10))
    await engine.records.finish(ended.id, unanswered(after(seconds=1)))
    await engine.store.write(
        lambda connection: connection.execute(
            text("UPDATE meta SET number = :at WHERE name = 'alive_at'"),
            {"at": int(after(seconds=75).timestamp() * 1000)},
        )
    )
    restarted, now = CallRecords(engine.store), after(hours=3)
    assert await restarted.close_orphans(now) == 2
    assert await restarted.close_orphans(now) == 0
    call = await restarted.get(engine.workspace_id, talking.id)
    assert (call.outcome, call.hangup_by, call.hangup_cause, call.status) == (
        "answered",
        "platform",
        "network_error",
        "completed",
    )
    assert (call.ended_at, call.duration_s) == (after(seconds=75), 65)  # not the three hours of silence
    call = await restarted.get(engine.workspace_id, ringing.id)
    assert (call.outcome, call.hangup_cause, call.status, call.duration_s) == ("failed", "network_error", "failed", 0)
    for new in (ringing, talking, ended):
        terminal = [e for e in events(engine.path, new.id) if e["event"] in {"call.failed", "call.completed"}]
        assert len(terminal) == 1
    assert events(engine.path, talking.id)[-1]["created_at"] == "2026-06-23T13:31:00.000Z"


async def test_without_a_sign_of_life_an_orphan_ends_where_it_was_last_seen(engine: Opened) -> None:
    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    await engine.records.answered(new.id, after(seconds=10))
    restarted = CallRecords(engine.store)
    await restarted.close_orphans(after(hours=3))
    call = await restarted.get(engine.workspace_id, new.id)
    assert (call.ended_at, call.duration_s) == (after(seconds=10), 0)


async def test_more_orphans_than_are_closed_at_once_are_all_closed(
    engine: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_module, "ORPHANS_AT_ONCE", 3)
    for _ in range(10):
        await engine.records.create(a_call(engine.workspace_id))
    assert await CallRecords(engine.store).close_orphans(after(hours=1)) == 10


async def test_running_calls_leave_a_sign_of_life(engine: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "HEARTBEAT_SECONDS", 0.01)

    async def alive() -> object:
        return await engine.store.read(records_module.alive_at)

    new = a_call(engine.workspace_id)
    await engine.records.create(new)
    async with asyncio.timeout(10):
        while await alive() is None:
            await asyncio.sleep(0.01)
    await engine.records.finish(new.id, unanswered(START))


CRASHING = """
import asyncio, sys
from datetime import UTC, datetime
from engine.records import CallRecords
from engine.store import Store
from tests.engine.opened import a_call

async def main():
    store = await Store.open(sys.argv[1])
    records = CallRecords(store)
    async def one():
        new = a_call(sys.argv[2], datetime.now(UTC))
        await records.create(new)
        print("created", new.id, flush=True)
        await records.answered(new.id, datetime.now(UTC))
        print("answered", new.id, flush=True)
    while True:
        await asyncio.gather(*(one() for _ in range(10)))

asyncio.run(main())
"""


async def test_after_kill_9_every_call_that_was_reported_is_there_and_gets_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        workspace_id = engine.workspace_id
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CRASHING, database_url(tmp_path), workspace_id),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(100)]
    os.kill(process.pid, signal.SIGKILL)
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    reported = [line.decode().split() for line in lines if line.endswith(b"\n")]
    store = await Store.open(database_url(tmp_path))
    records = CallRecords(store)
    for step, call_id in reported[:20]:
        call = await records.get(workspace_id, call_id)
        assert call.pending
        assert step == "created" or call.status == "answered"
    closed = await records.close_orphans(after(days=3650))
    assert closed >= len({call_id for _, call_id in reported})
    payloads = events(tmp_path)
    for step, call_id in reported:
        kinds = [event["event"] for event in payloads if event["call_id"] == call_id]
        assert kinds[0] == "call.received"
        assert step == "created" or "call.answered" in kinds
        assert sum(kind in {"call.completed", "call.failed"} for kind in kinds) == 1
    assert len({event["event_id"] for event in payloads}) == len(payloads)
    await store.close()
