"""Calls while the store fails or a caller is quicker than we are: every call ends cleanly and leaves a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.calls.outcome import CALLER_CANCELED
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
