"""The conference bridge and the queue with agents of `examples/call_flows`, as real calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow, Handler
from tests.support.phone import Phone, a_phone
from tests.support.tones import sine, wav

EXAMPLES = Path(__file__).parents[3] / "examples" / "call_flows"
DESK, AGENTS = "+15550100", "+15550101"
CALLER, OTHER, MUSIC = 500.0, 700.0, 660.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as started:
        yield started


def documents(
    name: str, sounds: tuple[str, ...], by_digits: Mapping[str, Mapping[str, str]]
) -> dict[str, str | Handler]:
    """The files of an example by their paths; its sounds are tones, and what a key leads to is chosen by `Digits`."""
    found: dict[str, str | Handler] = {f"/{file.stem}": file.read_text() for file in (EXAMPLES / name).glob("*.xml")}
    for path in sounds:
        found[path] = _music
    for path, choices in by_digits.items():
        found[path] = _chosen(EXAMPLES / name, choices)
    return found


async def _music(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=wav(sine(MUSIC, 1.0)), content_type="audio/wav")


def _chosen(folder: Path, choices: Mapping[str, str]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        digits = str((await request.post())["Digits"])
        return web.Response(text=(folder / choices[digits]).read_text(), content_type="application/xml")

    return answer


async def test_the_moderator_starts_the_meeting_and_ends_it(engine: TestEngine, phone: Phone) -> None:
    rooms = {"4711": "moderator.xml", "1234": "guest.xml"}
    flow = Flow(documents("conference_bridge", ("/sounds/waiting.wav",), {"/room": rooms}) | {"/events": ""})
    async with flow:
        await engine.number(DESK, await engine.application(actionUrl=flow.url("/main")))
        guest = phone.call(DESK, engine.sip, from_="+15550201")
        await guest.answered()
        guest.say(CALLER)
        await guest.press("1234")
        await guest.hears(MUSIC)
        moderator = phone.call(DESK, engine.sip, from_="+15550202")
        await moderator.answered()
        moderator.say(OTHER)
        await moderator.press("4711")
        await guest.hears(OTHER)
        await moderator.hears(CALLER)
        await moderator.press("*")
        left = await flow.wait_for("/left", From="+15550202")
        ended = await flow.wait_for("/left", From="+15550201")
        assert (left.form["ConferenceEndReason"], ended.form["ConferenceEndReason"]) == ("left", "ended")
        assert left.form["RecordingUrl"].startswith(engine.process.bound.http)
        assert "RecordingUrl" not in ended.form
        await flow.wait_for("/events", StatusCallbackEvent="end")
        told = [asked.form["StatusCallbackEvent"] for asked in flow.asked if asked.path == "/events"]
        assert told == ["start", "end"]
        for call in (guest, moderator):
            await call.hung_up()


async def test_an_agent_takes_the_caller_who_waits(engine: TestEngine, phone: Phone) -> None:
    found = documents("queue_with_agents", ("/sounds/music.mp3",), {})
    found |= {"/served": found["/thanks"], "/next": "<Response><Hangup/></Response>"}
    async with Flow(found) as flow:
        await engine.number(DESK, await engine.application(actionUrl=flow.url("/main")))
        await engine.number(AGENTS, await engine.application(actionUrl=flow.url("/agent")))
        caller = phone.call(DESK, engine.sip)
        await caller.answered()
        caller.say(CALLER)
        await flow.wait_for("/waiting", QueuePosition="1")
        agent = phone.call(AGENTS, engine.sip)
        await agent.answered()
        agent.say(OTHER)
        await caller.hears(OTHER)
        await agent.hears(CALLER)
        agent.outgoing.hangup()
        assert (await flow.wait_for("/served")).form["QueueResult"] == "bridged"
        await caller.hung_up()
        assert (await flow.wait_for("/next")).form["DialStatus"] == "completed"
