"""Calls while the store fails or a caller is quicker than we are: every call ends cleanly and leaves a record."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from engine.calls.arrivals import OVERLOAD_RETRY_SECONDS
from engine.calls.outcome import CALLER_CANCELED
from engine.calls.switchboard import BEHIND_SECONDS
from engine.errors import Unavailable
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, a_phone

NUMBER = "+15550100"
ANSWER = '<Response><Play digits="w"/><Hangup/></Response>'


@pytest.fixture
async def engine(tmp_path: Path):
    async with running_engine(tmp_path) as started:
        await started.number(NUMBER, await started.application(xmlTemplate=ANSWER))
        yield started


@pytest.fixture
async def phone():
    async with a_phone() as started:
        yield started


def fail_once(monkeypatch: pytest.MonkeyPatch, records: Any, name: str) -> None:
    """The next call of this method raises Unavailable; those after it work."""
    real = getattr(records, name)

    async def failing(*arguments: Any) -> Any:
        monkeypatch.setattr(records, name, real)
        raise Unavailable("the disk is full")

    monkeypatch.setattr(records, name, failing)


async def test_a_call_that_cannot_be_stored_is_refused_with_503_and_the_next_one_works(
    engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, engine.process.records, "create")
    assert (await phone.call(NUMBER, engine.sip).rejected()).status == 503
    again = phone.call(NUMBER, engine.sip)
    await again.answered()
    await again.hung_up()
    assert (await engine.ended_call())["outcome"] == "answered"


async def test_while_calls_wait_too_long_for_the_store_further_ones_are_asked_to_come_back(
    engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, switchboard = engine.process.records, engine.process.switchboard
    create, goes_on, later = records.create, asyncio.Event(), 0.0

    async def slow(*arguments: Any) -> None:
        await goes_on.wait()
        await create(*arguments)

    monkeypatch.setattr(records, "create", slow)
    monkeypatch.setattr(switchboard, "_clock", lambda: time.monotonic() + later)
    first = phone.call(NUMBER, engine.sip)
    async with asyncio.timeout(5):
        while not len(switchboard):
            await asyncio.sleep(0.01)
    assert not switchboard.behind
    later = BEHIND_SECONDS + 0.5
    refused = await phone.call(NUMBER, engine.sip).rejected()
    assert refused.status == 503
    assert 1 <= int(refused.headers.get("Retry-After") or 0) <= OVERLOAD_RETRY_SECONDS
    assert len(switchboard) == 1
    goes_on.set()
    await first.answered()
    await first.hung_up()
    # Not the same phone: it honours the Retry-After
    async with a_phone() as other:
        again = other.call(NUMBER, engine.sip)
        await again.answered()
        await again.hung_up()
    await engine.ended_call()
    assert [call["outcome"] for call in await engine.calls()] == ["answered", "answered"]


@pytest.mark.parametrize("step", ["answered", "finish"])
async def test_one_write_that_fails_does_not_leave_the_record_open(
    engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fail_once(monkeypatch, engine.process.records, step)
    call = phone.call(NUMBER, engine.sip)
    await call.answered()
    await call.hung_up()
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("answered", "normal", 200)


async def test_a_caller_who_cancels_in_the_same_breath_leaves_a_record(engine: TestEngine, phone: Phone) -> None:
    arrived = engine.process.user_agent._on_call

    def cancel_at_once(call: Any) -> None:
        arrived(call)
        (running,) = engine.process.switchboard
        running.end(CALLER_CANCELED)

    engine.process.user_agent._on_call = cancel_at_once
    assert (await phone.call(NUMBER, engine.sip).rejected()).status == 487
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupBy"]) == ("canceled", "caller")
    assert len(engine.process.switchboard) == 0
