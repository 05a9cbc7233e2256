"""`Stream` on a live call, by ear: what goes over the socket is what the phone says, and the other way round."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import Phone, a_phone
from tests.support.streamer import a_stream_server, echo
from tests.support.tones import seconds_of, sine

NUMBER = "+15550100"
GOODBYE = "<Response><Hangup/></Response>"
TONE, ANSWER = 620.0, 1150.0


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path) as started:
        yield started


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as started:
        yield started


async def log_of(engine: TestEngine, kind: str) -> list[dict[str, Any]]:
    """The entries of one kind in the newest call's log, once the call is over."""
    ended = await engine.ended_call()
    entries = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
    return [entry["data"] for entry in entries if entry["type"] == kind]


class TestBidirectional:
    async def test_the_phone_hears_its_own_tone_from_an_echo_and_the_verb_after_the_socket_closed(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with a_stream_server(echo) as server:
            xml = (
                f'<Response><Connect><Stream url="{server.url("/agent")}" name="one">'
                '<Parameter name="customer" value="4711"/></Stream></Connect><Play>/tone-880.wav</Play></Response>'
            )
            async with Flow({"/": xml}) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
                call = phone.call(NUMBER, engine.sip)
                await call.answered()
                call.say(TONE)
                await call.hears(TONE, at_least=1.0)
                stream = await server.stream()
                await stream.socket.close()
                await call.hears(880, at_least=0.8)
                await call.hung_up()
        assert stream.request.path == "/agent"
        connected, start = stream.messages[:2]
        assert connected == {"event": "connected"}
        assert start["start"]["customParameters"] == {"customer": "4711"}
        assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        assert start["start"]["tracks"] == ["inbound"]
        assert start["streamSid"] == start["start"]["streamSid"]
