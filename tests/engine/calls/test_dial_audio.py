"""What both sides of a Dial hear and when: early media, hold, digits, limits, encryption (contract §10.6, §14.1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sip import Answered, Credentials, DigestOutcome, OfferAnswered, RegistrationSettings, SipUri
from sip.sdp import make_offer
from tests.engine.calls.test_dial import calling, dial, log_of
from tests.support.callee import Callee, CalleeCall, callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone, parameters
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import hears_only, seconds_of

CALLER, CALLEE, EARLY, OTHER = 1200, 880, 660, 740
TIMEOUT = 1


SETTINGS = {"media": {"timeout_seconds": TIMEOUT}, "limits": MANY_REQUESTS}

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestEarlyMedia:
    async def test_real_lets_the_caller_hear_the_far_side_until_it_answers(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri, 'dialMusic="real"')) as flow:
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            rung = await callee.call()
            rung.early(EARLY)
            await call.hears(EARLY)
            await hears_only(call, EARLY, 3200)  # and nothing of the ringing tone
            assert seconds_of(rung.heard, CALLER) == 0, "nobody hears the caller before the answer"
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            await rung.hears(CALLER)
            await hears_only(call, CALLEE, 3200)
            rung.incoming.hangup()
            assert (await flow.wait_for("/done")).form["DialStatus"] == "completed"

    async def test_a_caller_who_is_left_ringing_hears_it_before_the_answer(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        attributes = 'dialMusic="real" answerOnBridge="true"'
        async with callees(1) as (callee,), Flow(dial(callee.uri, attributes)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.early(EARLY)
            await call.hears_early(EARLY)
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            assert call.has(Answered)

    async def test_otherwise_the_caller_hears_the_ringing_tone(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.early(EARLY)
            await call._until(lambda: np.abs(call.heard.astype(int)).max(initial=0) > 1000, 10)
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            assert seconds_of(call.heard, EARLY) == 0

    async def test_after_a_party_whose_announcement_is_over_the_next_one_rings(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(2) as (busy, other):
            content = f"<Sip>{busy.uri}</Sip><Sip>{other.uri}</Sip>"
            attributes = 'dialMusic="real" strategy="sequential" timeout="5"'
            async with Flow(dial(content, attributes)) as flow:
                call = await calling(engine, phone, flow)
                first = await busy.call()
                first.early(EARLY)
                await call.hears(EARLY)
                first.incoming.reject(486)
                second = await other.call()
                before = len(call.heard)
                await call._until(lambda: np.abs(call.heard[before + 800 :].astype(int)).max(initial=0) > 1000, 10)
                assert seconds_of(call.heard[before + 1600 :], EARLY) == 0
                second.answer(CALLEE)
                await call.hears(CALLEE)
                second.incoming.hangup()
                form = (await flow.wait_for("/done")).form
                assert (form["DialStatus"], form["DialTo"]) == ("completed", other.uri)


class TestHold:
    async def test_a_party_on_hold_gets_nothing_the_other_hears_silence_and_no_silence_ends_the_call(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            await rung.hears(CALLER)
            assert call.negotiated is not None
            hold = make_offer(replace(call.local, direction="sendonly"), previous=call.offer)
            assert isinstance(await call.reinvites(hold), OfferAnswered)
            call.session.start(replace(parameters(call.negotiated), send=False))
            await asyncio.sleep(0.3)
            packets, heard = call.session.statistics().packets_in, len(rung.heard)
            await asyncio.sleep(2.5 * TIMEOUT)
            assert call.session.statistics().packets_in - packets <= 1
            assert not rung.heard[heard:].any()
            assert isinstance(await call.reinvites(make_offer(call.local, previous=hold)), OfferAnswered)
            call.session.start(parameters(call.negotiated))
            here, there = len(call.heard), len(rung.heard)
            await call._until(lambda: seconds_of(call.heard[here:], CALLEE) >= 0.4, 10)
            await rung.until(lambda: seconds_of(rung.heard[there:], CALLER) >= 0.4)
            call.session.start(replace(parameters(call.negotiated), send=False))
            await call.hung_up()
            assert (await engine.ended_call())["hangupCause"] == "media_timeout", "silence counts again after the hold"

    async def test_silence_before_the_answer_does_not_excuse_silence_after_it(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        document = '<Response><PreAnswer><Pause length="3"/></PreAnswer><Gather timeout="20"/></Response>'
        async with Flow({"/start": document}) as flow:
            call = await calling(engine, phone, flow)
            await call._until(lambda: call.negotiated is not None, 10)
            assert call.negotiated is not None
            call.session.start(replace(parameters(call.negotiated), send=False))
            await call.answered()
            await call.hung_up()
            ended = await engine.ended_call()
        assert (ended["hangupCause"], ended["outcome"]) == ("media_timeout", "answered")
        assert ended["durationS"] <= 3


class TestLimits:
    async def test_the_time_limit_ends_the_conversation_and_not_the_call(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        documents = dial("{callee}", 'timeLimit="1"') | {
            "/done": f"<Response><Play>/tone-{OTHER}.wav</Play></Response>"
        }
        async with callees(1) as (callee,), Flow(documents) as flow:
            flow.documents["/start"] = documents["/start"].format(callee=callee.uri)
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await rung.hung_up()
            form = (await flow.wait_for("/done")).form
            await call.hears(OTHER)
            assert (form["DialStatus"], form["DialHangupCause"]) == ("completed", "time_limit")
            assert form["DialDuration"] == "1"
            assert 0.7 <= seconds_of(call.heard, CALLEE) <= 1.3
            await call.hung_up()
            both = await log_of(engine, "media")
        (dialled,) = [entry["data"] for entry in both if "leg" in entry["data"]]
        assert dialled["leg"] == form["DialCallSid"]
        assert dialled["packetsIn"] >= 40
        assert dialled["packetsOut"] >= 40
        assert [entry for entry in both if "leg" not in entry["data"]]

    async def test_a_star_of_the_caller_ends_the_conversation_and_not_the_call(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        documents = {"/done": f"<Response><Play>/tone-{OTHER}.wav</Play></Response>"}
        async with callees(1) as (callee,), Flow(dial(callee.uri, 'hangupOnStar="true"') | documents) as flow:
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            await call.press("5*")
            await rung.hung_up()
            await call.hears(OTHER)
            assert (await flow.wait_for("/done")).form["DialStatus"] == "completed"
            assert rung.keys.startswith("5")
            await call.hung_up()


class TestParties:
    async def test_one_after_the_other_each_for_its_time(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(3) as (silent, busy, third):
            busy.on_call = lambda rung: rung.incoming.reject(486)
            content = "".join(f"<Sip>{callee.uri}</Sip>" for callee in (silent, busy, third))
            async with Flow(dial(content, 'strategy="sequential" timeout="1"')) as flow:
                call = await calling(engine, phone, flow)
                call.say(CALLER)
                first = await silent.call()
                await asyncio.sleep(0.3)
                assert not busy.calls, "the second is not rung while the first one is"
                await first.cancelled()
                answered = await third.call()
                assert len(busy.calls) == 1
                answered.answer(CALLEE)
                await call.hears(CALLEE)
                await answered.hears(CALLER)
                answered.incoming.hangup()
                assert (await flow.wait_for("/done")).form["DialTo"] == third.uri

    async def test_digits_are_sent_to_the_party_before_it_hears_the_caller(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (carrier,), Flow(dial('<Number sendDigits="w12">+15550199</Number>')) as flow:
            sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": carrier.carrier}
            call = await calling(engine, phone, flow, sip=sip, outboundEnabled=True)
            call.say(CALLER)
            rung = await carrier.call()
            rung.answer(CALLEE)
            await rung.until(lambda: rung.keys == "12")
            assert seconds_of(rung.heard, CALLER) == 0
            assert seconds_of(call.heard, CALLEE) == 0
            await rung.hears(CALLER)
            await call.hears(CALLEE)

    async def test_a_party_that_asks_for_a_password_gets_it(self, engine: TestEngine, phone: Phone) -> None:
        right = Credentials("anna", "secret 1")
        outcomes: list[DigestOutcome] = []

        async with callees(1) as (callee,):

            def check(rung: CalleeCall) -> None:
                result = callee.agent.check_credentials(rung.incoming, "pbx", {"anna": right}.get)
                outcomes.append(result.outcome)
                if result.ok:
                    rung.answer(CALLEE)
                else:
                    rung.incoming.challenge("pbx")

            callee.on_call = check
            content = f'<Sip username="anna" password="secret 1">{callee.uri}</Sip>'
            async with Flow(dial(content)) as flow:
                call = await calling(engine, phone, flow)
                await call.hears(CALLEE)
                assert outcomes[-1] is DigestOutcome.OK
                assert len(outcomes) == 2
                call.outgoing.hangup()
                await engine.ended_call()
            content = f'<Sip username="anna" password="wrong">{callee.uri}</Sip>'
            async with Flow(dial(content)) as flow:
                await engine.number("+15550101", await engine.application(actionUrl=flow.url("/start")))
                phone.call("+15550101", engine.sip)
                form = (await flow.wait_for("/done")).form
                assert (form["DialStatus"], form.get("DialSipCode")) == ("failed", "401")

    async def test_every_phone_of_an_agent_rings_and_the_first_to_answer_has_the_call(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        agent = await engine.post("/v1/agents", {"email": "anna@example.com", "label": "Anna"})
        async with callees(2) as (desk, mobile), Flow(dial(f"<Agent>{agent['username']}</Agent>")) as flow:
            registrations = [await register(engine, callee, agent) for callee in (desk, mobile)]
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            loser, winner = await desk.call(), await mobile.call()
            winner.answer(CALLEE)
            await loser.cancelled()
            await call.hears(CALLEE)
            await winner.hears(CALLER)
            winner.incoming.hangup()
            assert (await flow.wait_for("/done")).form["DialStatus"] == "completed"
            for registration in registrations:
                registration.stop()


async def register(engine: TestEngine, callee: Callee, agent: dict[str, Any]) -> Any:
    """Registers a phone as the agent's."""
    bound = asyncio.Event()
    registration = callee.agent.register(
        RegistrationSettings(
            registrar=SipUri("sip", None, host=engine.sip[0], port=engine.sip[1]),
            aor=SipUri("sip", agent["username"], host=engine.sip[0]),
            credentials=Credentials(agent["username"], agent["password"]),
        ),
        lambda state: bound.set() if type(state).__name__ == "Registered" else None,
    )
    async with asyncio.timeout(5):
        await bound.wait()
    return registration


class TestEncryption:
    async def test_a_number_that_demands_it_dials_encrypted_and_is_recorded_in_clear(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        documents = dial("<Number>+15550199</Number>", 'record="true"')
        async with callees(1) as (carrier,), Flow(documents) as flow:
            outbound = {**carrier.carrier, "mediaEncryption": "required"}
            await engine.number("+15550188", None, sip={"outbound": outbound}, outboundEnabled=True)
            documents["/start"] = documents["/start"].replace("<Dial ", '<Dial callerId="+15550188" ')
            call = await calling(engine, phone, flow)
            call.say(CALLER)
            rung = await carrier.call()
            assert b"RTP/SAVP" in (rung.incoming.offer or b"")
            rung.answer(CALLEE, srtp=True)
            assert rung.session is not None
            assert rung.session.parameters is not None
            assert rung.session.parameters.srtp is not None
            await call.hears(CALLEE)
            await rung.hears(CALLER)
            await hears_only(call, CALLEE, 3200)
            rung.incoming.hangup()
            form = (await flow.wait_for("/done")).form
            await engine.ended_call()
        assert form["DialStatus"] == "completed"
        assert form["RecordingUrl"]
