"""Calls of a browser, registered over WebSocket: ICE, DTLS-SRTP, Opus and G.711, both ways (contract §14.1, §17)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.engine.calls.test_outbound_trunks import NUMBER, TO, number
from tests.support.browser_media import OPUS, PCMU, Voice, browser_media
from tests.support.callee import Callee, a_callee
from tests.support.engine import TestEngine
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import level
from tests.support.websocket_phone import WebSocketPhone, websocket_phone

SETTINGS = {"limits": MANY_REQUESTS, "sip": {"ws": "127.0.0.1:0"}}
BROWSER, TELEPHONE = 440, 880

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def carrier() -> AsyncIterator[Callee]:
    async with a_callee() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def anna(engine: TestEngine, carrier: Callee) -> AsyncIterator[WebSocketPhone]:
    """The phone of an agent, in a browser, who may call out through the carrier."""
    number_id = await number(engine, NUMBER, carrier)
    made = await engine.post("/v1/agents", {"email": "anna@example.com", "outboundNumberId": number_id})
    address = engine.process.user_agent.bound["ws"][0]
    async with websocket_phone(address, made["username"], made["password"]) as phone:
        await phone.register()
        yield phone


@pytest.mark.parametrize("voice", [OPUS, PCMU], ids=lambda voice: voice.name)
async def test_a_browser_calls_a_telephone_and_both_hear_each_other_and_each_others_keys(
    engine: TestEngine, anna: WebSocketPhone, carrier: Callee, voice: Voice
) -> None:
    carrier.on_call = lambda call: call.answer(TELEPHONE)
    async with browser_media(voice) as media:
        dialog, answer = await anna.call(TO, media.description(setup="actpass"))
        assert answer.status == 200, answer
        media.connect(answer.body)
        media.say(BROWSER)
        rung = await carrier.call()
        await media.hears(TELEPHONE)
        await rung.hears(BROWSER)
        assert level(media.heard[-3200:], TELEPHONE) > 0.95
        assert level(rung.heard[-3200:], BROWSER) > 0.95
        await media.press("4A#")
        await rung.until(lambda: rung.keys == "4A#")
        assert rung.session is not None
        await rung.session.send_digits("79")
        await media.until(lambda: media.keys == "79")
        await anna.hang_up(dialog)
        await rung.hung_up()
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupBy"], record["from"]) == ("answered", "caller", NUMBER)
