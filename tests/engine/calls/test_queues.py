"""Queues on live calls: who waits and hears what, who is taken, and how either side goes (contract §10.6, §10.8)."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.engine import TestEngine
from tests.support.lobby import Lobby
from tests.support.phone import Phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BERT, AGENT, MUSIC = 500.0, 700.0, 1100.0, 660.0
TONES = (ANNA, BERT, AGENT, MUSIC)
WAIT = '<Enqueue waitSound="/tone-660.wav" action="/done">support</Enqueue>'


def take(attributes: str = "") -> str:
    return f'<Dial action="/done" {attributes}><Queue>support</Queue></Dial>'


async def over(engine: TestEngine) -> None:
    """Everybody's record is closed, and nothing is left of queues and sessions."""
    await engine.ended_call()
    assert engine.process.plane.statistics().sessions == 0
    assert len(engine.process.queues) == 0


async def test_the_oldest_caller_is_taken_first_and_everybody_hears_exactly_the_other(
    engine: TestEngine, phone: Phone
) -> None:
    async with Lobby() as lobby:
        await lobby.open(engine)
        anna = await lobby.caller(phone, engine, WAIT, ANNA)
        await anna.hears(MUSIC, of=TONES)
        bert = await lobby.caller(phone, engine, WAIT, BERT)
        await bert.hears(MUSIC, of=TONES)
        agent = await lobby.caller(phone, engine, take('hangupOnStar="true"') + take(), AGENT)
        await anna.hears(AGENT, of=TONES)
        await agent.hears(ANNA, of=TONES)
        await bert.hears(MUSIC, of=TONES)
        calls = {call["from"]: call["publicId"] for call in await engine.calls()}
        # The agent lets the first one go, whose document goes on.
        await agent.call.press("*")
        form = await anna.ended()
        assert (form["QueueResult"], form["Step"], form["CallStatus"]) == ("bridged", "queue", "in-progress")
        dialled = await agent.ended()
        assert (dialled["DialStatus"], dialled["DialTo"]) == ("completed", "support")
        assert dialled["DialCallSid"] == calls[anna.number]
        await anna.call.hung_up()
        # The action's document ended the agent's call; the next agent gets the next caller.
        second = await lobby.caller(phone, engine, take(), AGENT)
        await bert.hears(AGENT, of=TONES)
        await second.hears(BERT, of=TONES)
        second.hang_up()
        assert (await bert.ended())["QueueResult"] == "bridged"
        assert (await second.ended())["CallStatus"] == "completed"
        await over(engine)


async def test_an_agent_waits_for_a_caller_and_their_keys_reach_each_other(engine: TestEngine, phone: Phone) -> None:
    async with Lobby() as lobby:
        await lobby.open(engine)
        agent = await lobby.caller(phone, engine, take('confirmKey="5"'), AGENT)
        anna = await lobby.caller(phone, engine, WAIT, ANNA)
        # Whoever was taken is not connected before it has pressed the key.
        await anna.hears(of=TONES)
        await anna.call.press("5")
        await anna.hears(AGENT, of=TONES)
        await agent.hears(ANNA, of=TONES)
        await anna.call.press("17")
        await agent.call.until_pressed("17")
        await agent.call.press("#")
        await anna.call.until_pressed("#")
        anna.hang_up()
        assert (await anna.ended())["QueueResult"] == "bridged"
        form = await agent.ended()
        assert (form["DialStatus"], form["CallStatus"]) == ("completed", "in-progress")
        await over(engine)


async def test_nobody_comes_in_time(engine: TestEngine, phone: Phone) -> None:
    async with Lobby() as lobby:
        await lobby.open(engine)
        agent = await lobby.caller(phone, engine, take('timeout="1"'))
        assert (await agent.ended())["DialStatus"] == "no-answer"
        await over(engine)


async def test_whoever_hangs_up_while_waiting_is_not_met(engine: TestEngine, phone: Phone) -> None:
    async with Lobby() as lobby:
        await lobby.open(engine)
        gone = await lobby.caller(phone, engine, WAIT)
        gone.hang_up()
        form = await gone.ended()
        assert (form["QueueResult"], form["CallStatus"]) == ("hangup", "completed")
        impatient = await lobby.caller(phone, engine, take())
        await asyncio.sleep(0)
        impatient.hang_up()
        assert (await impatient.ended())["DialStatus"] == "canceled"
        assert len(engine.process.queues) == 0
        agent = await lobby.caller(phone, engine, take(), AGENT)
        anna = await lobby.caller(phone, engine, WAIT, ANNA)
        await anna.hears(AGENT, of=TONES)
        await agent.hears(ANNA, of=TONES)


async def test_a_full_queue_is_not_entered(engine: TestEngine, phone: Phone) -> None:
    short = '<Enqueue maxQueueSize="1" action="/done">support</Enqueue>'
    async with Lobby() as lobby:
        await lobby.open(engine)
        await lobby.caller(phone, engine, short)
        second = await lobby.caller(phone, engine, short)
        form = await second.ended()
        assert (form["QueueResult"], form["QueueTime"]) == ("full", "0")


async def test_the_document_of_those_who_wait_knows_their_place_and_may_take_them_out(
    engine: TestEngine, phone: Phone
) -> None:
    waiting = '<Enqueue waitUrl="/wait" action="/done">support</Enqueue>'
    document = '<Response><Gather numDigits="1" action="/leave"><Play>/tone-660.wav</Play></Gather></Response>'
    async with Lobby(wait=document, leave="<Response><Leave/></Response>") as lobby:
        await lobby.open(engine)
        await lobby.caller(phone, engine, WAIT)
        anna = await lobby.caller(phone, engine, waiting)
        asked = await lobby.wait_for("/wait")
        assert (asked.form["QueuePosition"], asked.form["CurrentQueueSize"]) == ("2", "2")
        await anna.hears(MUSIC, of=TONES)
        await anna.call.press("1")
        assert (await anna.ended())["QueueResult"] == "leave"


async def test_an_agent_who_leaves_does_not_silence_whom_the_caller_hears_next(
    engine: TestEngine, phone: Phone
) -> None:
    """The end of the first bridge comes late, after the agent's record is closed; the second one is up by then."""
    async with Lobby() as lobby:
        await lobby.open(engine)
        anna = await lobby.caller(phone, engine, WAIT.replace('action="/done"', "") + WAIT, ANNA)
        first = await lobby.caller(phone, engine, take(), AGENT)
        await anna.hears(AGENT, of=TONES)
        second = await lobby.caller(phone, engine, take(), BERT)
        first.hang_up()
        await anna.hears(BERT, of=TONES)
        assert (await first.ended())["CallStatus"] == "completed"
        heard = len(anna.call.heard)
        await anna.call._until(lambda: len(anna.call.heard) >= heard + 4000, 5.0)
        await anna.hears(BERT, of=TONES, seconds=1.0)
        await second.hears(ANNA, of=TONES)
