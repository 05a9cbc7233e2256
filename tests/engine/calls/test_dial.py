"""Dial, Refer and PreAnswer on live calls: real SIP and audio on loopback (contract §10.6, §10.8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sip import Answered, Credentials, Referred, RegistrationSettings, SipUri
from tests.support.callee import callees, referral
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone, PhoneCall
from tests.support.tones import hears_only, level

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
DONE = "<Response><Hangup/></Response>"


async def calling(engine: TestEngine, phone: Phone, flow: Flow, **number: Any) -> PhoneCall:
    """A call to a number whose application begins with the flow's `/start`."""
    await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")), **number)
    return phone.call(NUMBER, engine.sip)


def dial(content: str, attributes: str = "") -> dict[str, Any]:
    """Documents: a Dial, and the end of the call as its action."""
    return {"/start": f'<Response><Dial action="/done" {attributes}>{content}</Dial></Response>', "/done": DONE}


async def log_of(engine: TestEngine, kind: str) -> list[dict[str, Any]]:
    record = await engine.ended_call()
    response = await engine.client.get(f"/v1/calls/{record['publicId']}/events")
    body = response.json()
    entries = body if isinstance(body, list) else body["data"]
    return [entry for entry in entries if entry["type"] == kind]


class TestBridge:
    async def test_both_hear_exactly_the_other_and_the_action_follows_the_callees_hangup(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.answer(880)
            await call.answered()
            call.say(440)
            await rung.hears(440)
            await call.hears(880)
            await hears_only(rung, 440, 4000)
            await hears_only(call, 880, 4000)
            rung.incoming.hangup()
            done = await flow.wait_for("/done")
            await call.hung_up()
            assert (done.form["DialStatus"], done.form["DialTo"]) == ("completed", callee.uri)
            assert done.form["DialCallSid"].startswith("cl_")
            assert done.form["CallStatus"] == "in-progress"
            assert rung.header("X-Voylo-To") == NUMBER
            assert rung.header("X-Voylo-From") == "+15550123"
            assert (rung.header("X-Voylo-Call-Id") or "").startswith("cl_")
            record = await engine.ended_call()
            assert [leg["leg"] for leg in record["media"]] == [None, done.form["DialCallSid"]]
            assert all(leg["packetsIn"] > 20 and 4 < leg["mos"] < 4.5 for leg in record["media"]), record["media"]
            assert engine.process.plane.statistics().sessions == 0

    async def test_a_caller_who_leaves_ends_the_callees_leg_and_the_action_is_requested(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.answer(880)
            await call.hears(880)
            call.outgoing.hangup()
            await rung.hung_up()
            done = await flow.wait_for("/done")
            assert (done.form["DialStatus"], done.form["CallStatus"]) == ("completed", "completed")
            await engine.ended_call()
            assert engine.process.plane.statistics().sessions == 0

    async def test_a_caller_who_leaves_while_it_rings_cancels_the_callee(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            await call.answered()
            call.outgoing.hangup()
            await rung.cancelled()
            assert (await flow.wait_for("/done")).form["DialStatus"] == "canceled"

    async def test_answer_on_bridge_leaves_the_caller_ringing(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri, 'answerOnBridge="true"')) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            assert not call.has(Answered)
            rung.answer(880)
            await call.hears(880)

    async def test_keys_of_the_conversation_reach_the_other_side(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.answer(880)
            await call.hears(880)
            await call.press("17#")
            await rung.until(lambda: rung.keys == "17#")

    async def test_a_party_is_bridged_once_it_has_pressed_the_key_that_confirms(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        attributes = 'confirmSound="/tone-660.wav" confirmKey="5"'
        async with callees(1) as (callee,), Flow(dial(callee.uri, attributes)) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.answer(880)
            await rung.hears(660)
            assert level(call.heard[-4000:], 880) < 0.1
            assert rung.session is not None
            await rung.session.send_digits("5")
            await call.hears(880)


REFUSALS = [
    *((code, "busy", "busy") for code in (486, 600)),
    *((code, "no-answer", "no_answer") for code in (408, 480)),
    *((code, "failed", "rejected") for code in (603, 607, 608)),
    *((code, "failed", "unallocated_number") for code in (404, 410, 484, 604)),
    *((code, "failed", "rejected") for code in (403, 488)),
    *((code, "failed", "network_error") for code in (500, 503, 606)),
]


class TestRinging:
    async def test_each_refusal_is_told_as_it_came(self, engine: TestEngine, phone: Phone) -> None:
        """Every row of contract §14.3 in one call: the action of each Dial is the next one."""
        async with callees(1) as (callee,), Flow({}) as flow:
            steps = [f"/after-{code}" for code, _, _ in REFUSALS]
            for path, action in zip(["/start", *steps[:-1]], steps, strict=True):
                flow.documents[path] = f'<Response><Dial action="{action}">{callee.uri}</Dial></Response>'
            flow.documents[steps[-1]] = DONE
            codes = iter([code for code, _, _ in REFUSALS])
            callee.on_call = lambda call: call.incoming.reject(next(codes))
            await calling(engine, phone, flow)
            for code, status, cause in REFUSALS:
                form = (await flow.wait_for(f"/after-{code}")).form
                told = (form["DialStatus"], form["DialSipCode"], form["DialHangupCause"])
                assert told == (status, str(code), cause)

    async def test_no_answer_is_cancelled_after_the_timeout(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (callee,), Flow(dial(callee.uri, 'timeout="1"')) as flow:
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            await rung.cancelled()
            form = (await flow.wait_for("/done")).form
            assert (form["DialStatus"], form["DialHangupCause"]) == ("no-answer", "no_answer")
            assert abs(call.heard.astype(int)).max() > 1000, "the caller must hear that it rings"

    async def test_the_first_to_answer_wins_and_the_other_is_cancelled(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (one, other), Flow(dial(f"<Sip>{one.uri}</Sip><Sip>{other.uri}</Sip>")) as flow:
            call = await calling(engine, phone, flow)
            loser, winner = await one.call(), await other.call()
            winner.answer(880)
            await loser.cancelled()
            await call.hears(880)
            winner.incoming.hangup()
            assert (await flow.wait_for("/done")).form["DialTo"] == other.uri

    async def test_a_number_leaves_through_the_carrier_of_the_number_called(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (carrier,), Flow(dial("<Number>+15550199</Number>")) as flow:
            host, port = carrier.agent.bound["udp"][0]
            sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": {"host": host, "port": port}}
            call = await calling(engine, phone, flow, sip=sip, outboundEnabled=True)
            rung = await carrier.call()
            uri, from_ = rung.incoming.request.uri, rung.incoming.request.from_.uri
            assert isinstance(uri, SipUri)
            assert isinstance(from_, SipUri)
            assert (uri.user, from_.user) == ("+15550199", NUMBER)
            assert NUMBER in (rung.header("Diversion") or "")
            rung.answer(880)
            await call.hears(880)

    async def test_a_caller_id_of_somebody_else_dials_nothing(self, engine: TestEngine, phone: Phone) -> None:
        documents = dial("<Number>+15550199</Number>", 'callerId="+15559999"')
        async with Flow(documents) as flow:
            await calling(engine, phone, flow)
            form = (await flow.wait_for("/done")).form
            assert (form["DialStatus"], form["DialHangupCause"]) == ("failed", "caller_id_not_allowed")

    async def test_a_caller_id_that_the_application_does_not_list_dials_nothing(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        """All three are the workspace's own, may call out and have a carrier; the list has spaces and hyphens."""
        listed, unlisted = "+15550101", "+15550102"
        dials = {
            f"/{step}": f'<Response><Dial action="{after}" {chosen}><Number>+15550199</Number></Dial></Response>'
            for step, after, chosen in (
                ("start", "/unlisted", f'callerId="{unlisted}"'),
                ("unlisted", "/called", ""),
                ("called", "/listed", f'callerId="{listed}"'),
            )
        }
        async with callees(1) as (carrier,), Flow({**dials, "/listed": DONE}) as flow:
            carrier.on_call = lambda call: call.incoming.reject(486)
            sip = {"allowedSourceIps": ["127.0.0.0/8"], "outbound": carrier.carrier}
            for other in (listed, unlisted):
                await engine.number(other, None, sip=sip)
            application = await engine.application(actionUrl=flow.url("/start"), allowedCallerIds=["+1 555-0101"])
            assert application["allowedCallerIds"] == [listed]
            await engine.number(NUMBER, application, sip=sip)
            phone.call(NUMBER, engine.sip)
            ended = [(await flow.wait_for(path)).form for path in ("/unlisted", "/called", "/listed")]
            assert [(form["DialStatus"], form["DialHangupCause"]) for form in ended] == [
                ("failed", "caller_id_not_allowed"),
                ("failed", "caller_id_not_allowed"),
                ("busy", "busy"),
            ]
            (rung,) = carrier.calls
            from_ = rung.incoming.request.from_.uri
            assert isinstance(from_, SipUri)
            assert from_.user == listed
            problem = "is not in the application's allowedCallerIds"
            assert [entry["data"]["message"] for entry in await log_of(engine, "warning")] == [
                f"the caller ID {refused} {problem}" for refused in (unlisted, NUMBER)
            ]

    async def test_an_agent_is_rung_at_the_registered_phone(self, engine: TestEngine, phone: Phone) -> None:
        agent = await engine.post("/v1/agents", {"email": "anna@example.com", "label": "Anna"})
        async with callees(1) as (callee,), Flow(dial(f"<Agent>{agent['username']}</Agent>")) as flow:
            registrar = SipUri("sip", None, host=engine.sip[0], port=engine.sip[1])
            bound = asyncio.Event()
            registration = callee.agent.register(
                RegistrationSettings(
                    registrar=registrar,
                    aor=SipUri("sip", agent["username"], host=engine.sip[0]),
                    credentials=Credentials(agent["username"], agent["password"]),
                ),
                lambda state: bound.set() if type(state).__name__ == "Registered" else None,
            )
            async with asyncio.timeout(5):
                await bound.wait()
            call = await calling(engine, phone, flow)
            rung = await callee.call()
            rung.answer(880)
            await call.hears(880)
            registration.stop()

    async def test_an_agent_without_a_phone_is_unreachable(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow(dial("<Agent>nobody</Agent>")) as flow:
            await calling(engine, phone, flow)
            form = (await flow.wait_for("/done")).form
            assert (form["DialStatus"], form["DialHangupCause"]) == ("failed", "unreachable")


REFER: dict[str, Any] = {
    "/start": '<Response><Play>/tone-440.wav</Play><Refer action="/done">sip:anna@127.0.0.1</Refer></Response>',
    "/done": DONE,
}


class TestRefer:
    async def test_accepted(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow(REFER) as flow:
            call = await calling(engine, phone, flow)
            await call._until(lambda: call.has(Referred), 10)
            asked = referral(call.events)
            assert asked is not None
            assert str(asked.target) == "sip:anna@127.0.0.1"
            asked.respond.accept()
            asked.respond.notify(200, final=True)
            form = (await flow.wait_for("/done")).form
            assert (form["ReferStatus"], form["ReferSipCode"]) == ("accepted", "200")
            await call.hung_up()

    @pytest.mark.parametrize("taken", [True, False])
    async def test_a_phone_that_hangs_up_before_it_says_what_came_of_it(
        self, engine: TestEngine, phone: Phone, taken: bool
    ) -> None:
        async with Flow(REFER) as flow:
            call = await calling(engine, phone, flow)
            await call._until(lambda: call.has(Referred), 10)
            asked = referral(call.events)
            assert asked is not None
            if taken:
                asked.respond.accept()
                asked.respond.notify(100)
            call.outgoing.hangup()
            form = (await flow.wait_for("/done")).form
            assert form["ReferStatus"] == ("accepted" if taken else "failed")
            assert form["CallStatus"] == "completed"
            await engine.ended_call()

    async def test_failed(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow(REFER) as flow:
            call = await calling(engine, phone, flow)
            await call._until(lambda: call.has(Referred), 10)
            asked = referral(call.events)
            assert asked is not None
            asked.respond.reject(603)
            form = (await flow.wait_for("/done")).form
            assert (form["ReferStatus"], form["ReferSipCode"]) == ("failed", "603")


class TestPreAnswer:
    async def test_the_prompt_is_heard_before_the_answer(self, engine: TestEngine, phone: Phone) -> None:
        documents: dict[str, Any] = {
            "/start": "<Response><PreAnswer><Play>/tone-440.wav</Play></PreAnswer>"
            "<Play>/tone-880.wav</Play></Response>",
        }
        async with Flow(documents) as flow:
            call = await calling(engine, phone, flow)
            await call.hears_early(440)
            assert 183 in call.statuses
            assert not call.has(Answered)
            await call.hears(880)
            await call.hung_up()
