"""Calls in Opus by ear: prompts, parties in Opus and in other codecs, keys at 48 kHz (contract §14.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from media import SPOKEN_CODECS
from sip.sdp import OPUS, Codec
from tests.engine.calls.test_dial import NUMBER, calling, dial
from tests.support.callee import callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import PCMU, Phone
from tests.support.tones import hears_only

CALLER, CALLEE, PROMPT = 1200, 880, 660
ANSWERED_IN = replace(OPUS, payload_type=111)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif("opus" not in SPOKEN_CODECS, reason="libopus is not there"),
]


@pytest.mark.parametrize(
    ("callers", "callees_codec"), [(ANSWERED_IN, OPUS), (ANSWERED_IN, PCMU), (PCMU, OPUS)], ids=lambda one: one.name
)
async def test_both_sides_hear_exactly_the_other_and_its_keys(
    engine: TestEngine, phone: Phone, callers: Codec, callees_codec: Codec
) -> None:
    async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
        callee.codecs = (callees_codec,)
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip, codecs=(callers,))
        await call.answered()
        assert call.negotiated
        assert call.negotiated.codec.name == callers.name
        call.say(CALLER)
        rung = await callee.call()
        rung.answer(CALLEE)
        await call.hears(CALLEE)
        await rung.hears(CALLER)
        await hears_only(call, CALLEE, 3200)
        await hears_only(rung, CALLER, 3200)
        await call.press("4A#")
        await rung.until(lambda: rung.keys == "4A#")
        assert rung.session
        assert rung.session.statistics().dropped["malformed"] == 0
        rung.incoming.hangup()
        await call.hung_up()


async def test_a_prompt_is_heard_and_keys_are_gathered(engine: TestEngine, phone: Phone) -> None:
    documents = {
        "/start": f'<Response><Gather numDigits="2" action="/done"><Play>/tone-{PROMPT}.wav</Play></Gather></Response>',
        "/done": "<Response><Hangup/></Response>",
    }
    async with Flow(documents) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip, codecs=(ANSWERED_IN,))
        await call.answered()
        assert call.negotiated
        assert (call.negotiated.codec.name, call.negotiated.dtmf_clock) == ("opus", 48000)
        await call.hears(PROMPT)
        await call.press("42")
        assert (await flow.wait_for("/done")).form["Digits"] == "42"
        await call.hung_up()


async def test_a_number_offers_opus_with_what_we_like_to_receive(engine: TestEngine, phone: Phone) -> None:
    async with callees(1) as (carrier,), Flow(dial("<Number>+15550199</Number>")) as flow:
        carrier.codecs = (OPUS, PCMU)
        outbound = {**carrier.carrier, "codecs": ["opus", "PCMU"]}
        sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": outbound}
        call = await calling(engine, phone, flow, sip=sip, outboundEnabled=True)
        call.say(CALLER)
        rung = await carrier.call()
        assert b"useinbandfec=1" in (rung.incoming.offer or b"")
        rung.answer(CALLEE)
        await call.hears(CALLEE)
        await rung.hears(CALLER)
        assert rung.session
        assert rung.session.parameters
        assert rung.session.parameters.codec == "opus"
