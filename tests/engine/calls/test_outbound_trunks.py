"""Calls from outbound trunks (contract §9.2, §14.4): who may call, as which number, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sip import Credentials, RegistrationSettings, SipUri
from tests.engine.calls.test_inbound_trunks import events
from tests.support.callee import Callee, CalleeCall, a_callee, callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone, PhoneCall
from tests.support.tones import hears_only

NUMBER = "+15550100"
OTHER = "+15550101"
THIRD = "+15550102"
TO = "+201091447677"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def carrier() -> AsyncIterator[Callee]:
    async with a_callee() as started:
        yield started


class Pbx:
    """A trunk and the phone that speaks as it."""

    def __init__(self, engine: TestEngine, phone: Phone, made: dict[str, Any]) -> None:
        self.id = made["id"]
        self.credentials = Credentials(made["sip"]["username"], made["sip"]["password"])
        self._engine = engine
        self._phone = phone

    def call(self, to: str = TO, from_: str = NUMBER, **more: Any) -> PhoneCall:
        return self._phone.call(to, self._engine.sip, from_=from_, credentials=self.credentials, **more)

    async def change(self, **members: Any) -> None:
        answer = await self._engine.client.patch(f"/v1/trunks/outbound/{self.id}", json=members)
        assert answer.status_code == 200, answer.text


async def pbx(engine: TestEngine, phone: Phone, **members: Any) -> Pbx:
    return Pbx(engine, phone, await engine.post("/v1/trunks/outbound", {"name": "PBX", **members}))


async def number(engine: TestEngine, e164: str, carrier: Callee, **members: Any) -> str:
    made = await engine.number(e164, None, sip={"outbound": carrier.carrier}, **members)
    return str(made["id"])


async def recorded(engine: TestEngine, trunk: Pbx, **wanted: Any) -> dict[str, Any]:
    """The newest record of an ended call of the trunk that is as wanted, once it is stored."""
    async with asyncio.timeout(5):
        while True:
            for record in (
                await engine.client.get("/v1/calls", params={"trunkId": trunk.id, "pending": "false"})
            ).json():
                if all(record[name] == value for name, value in wanted.items()):
                    assert isinstance(record, dict)
                    return record
            await asyncio.sleep(0.02)


def presented(call: CalleeCall) -> str | None:
    uri = call.incoming.request.from_.uri
    assert isinstance(uri, SipUri)
    return uri.user


async def test_a_plain_invite_is_challenged_and_put_through_the_numbers_carrier(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    number_id = await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    async with Flow({"/hook": "ok"}) as hook:
        await engine.post("/v1/webhooks", {"url": hook.url("/hook"), "events": ["*"]})
        call = trunk.call()
        rung = await carrier.call()
        request = rung.incoming.request
        assert isinstance(request.uri, SipUri)
        assert (request.uri.user, presented(rung)) == (TO, NUMBER)
        assert f"sip:{NUMBER}@" in (rung.header("P-Asserted-Identity") or "")
        assert (rung.header("X-Voylo-To"), rung.header("X-Voylo-From")) == (TO, NUMBER)
        assert rung.header("Diversion") is None
        await call._until(lambda: 180 in call.statuses, 5)
        async with asyncio.timeout(5):
            while (pending := (await engine.calls())[0])["pendingStatus"] != "ringing":
                await asyncio.sleep(0.02)
        assert (pending["direction"], pending["from"], pending["to"]) == ("outbound", NUMBER, TO)
        rung.answer(880)
        await call.answered()
        call.say(440)
        await rung.hears(440)
        await call.hears(880)
        await hears_only(rung, 440, 4000)
        await call.press("42")
        await rung.until(lambda: rung.keys == "42")
        assert rung.session is not None
        await rung.session.send_digits("9")
        rung.incoming.hangup()
        await call.hung_up()
        record = await engine.ended_call()
        told = await events(hook, 3)
    assert (record["direction"], record["from"], record["to"]) == ("outbound", NUMBER, TO)
    assert (record["trunkId"], record["numberId"], record["applicationId"]) == (trunk.id, number_id, None)
    assert (record["destinationKind"], record["destinationId"]) == ("pstn", None)
    assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "callee", 200)
    assert record["routingAttempts"] == []
    assert [it["event"] for it in told] == ["call.placed", "call.answered", "call.completed"]
    assert {it["trunk_id"] for it in told} == {trunk.id}
    assert engine.process.plane.statistics().sessions == 0


async def test_a_registered_trunk_shows_it_and_calls(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    carrier.on_call = lambda call: call.answer()
    registrar = SipUri("sip", None, host=engine.sip[0], port=engine.sip[1])
    aor = SipUri("sip", trunk.credentials.username, host=engine.sip[0])
    registration = phone.agent.register(
        RegistrationSettings(registrar=registrar, aor=aor, credentials=trunk.credentials), lambda _state: None
    )
    async with asyncio.timeout(5):
        path = f"/v1/trunks/outbound/{trunk.id}"
        while (shown := (await engine.client.get(path)).json()["registration"])["state"] != "registered":
            await asyncio.sleep(0.02)
    assert shown["sourceIp"] == "127.0.0.1"
    call = trunk.call()
    await call.answered()
    call.outgoing.hangup()
    record = await engine.ended_call()
    registration.stop()
    assert (record["trunkId"], record["outcome"], record["hangupBy"]) == (trunk.id, "answered", "caller")


async def test_the_number_is_chosen_in_four_steps(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    ids = {e164: await number(engine, e164, carrier) for e164 in (NUMBER, OTHER, THIRD)}
    rules = [
        {"prefix": "+2010", "numberId": ids[THIRD]},
        {"prefix": "+20", "numberId": ids[OTHER]},
    ]
    trunk = await pbx(engine, phone)
    carrier.on_call = lambda call: call.incoming.reject(486)

    async def shown(from_: str, **more: Any) -> str | None:
        carrier.calls.clear()
        rejected = await trunk.call(from_=from_, **more).rejected()
        await engine.ended_call()
        if rejected.status == 403:
            assert carrier.calls == []
            return None
        return presented(carrier.calls[0])

    asserted = (("P-Asserted-Identity", f"<sip:{OTHER}@pbx.example>, <tel:{THIRD}>"),)
    # 1: the longest rule for the destination, before anything that the caller says
    await trunk.change(routingRules=rules, defaultNumberId=ids[NUMBER])
    assert await shown(NUMBER) == THIRD
    assert await shown(NUMBER, to="+20221234567") == OTHER
    # 2: P-Asserted-Identity, then From, if it is a number that may be presented
    assert await shown(NUMBER, to="+4420", headers=asserted) == OTHER
    assert await shown(NUMBER, to="004420") == NUMBER
    await trunk.change(allowedNumberIds=[ids[THIRD]])
    assert await shown(NUMBER, to="+4420", headers=asserted) == THIRD
    # 3: the default
    assert await shown(OTHER, to="+4420") == NUMBER
    assert await shown("reception", to="+4420") == NUMBER
    # a number that may not call out is none, at whatever step
    for e164 in (THIRD, OTHER):
        path = f"/v1/numbers/{ids[e164]}/direction"
        assert (await engine.client.patch(path, json={"outboundEnabled": False})).status_code == 200
    assert await shown(THIRD) == NUMBER
    # 4: none
    await trunk.change(defaultNumberId=None)
    assert await shown(THIRD, to="+4420") is None
    record = await recorded(engine, trunk, outcome="rejected")
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("rejected", "caller_id_not_allowed", 403)
    assert (record["from"], record["to"], record["numberId"]) == (THIRD, "+4420", None)
    assert (record["trunkId"], record["direction"]) == (trunk.id, "outbound")


CODES = [
    (486, 486, "busy", "busy"),
    (600, 486, "busy", "busy"),
    (408, 480, "no_answer", "no_answer"),
    (480, 480, "no_answer", "no_answer"),
    (603, 603, "rejected", "rejected"),
    (607, 607, "rejected", "rejected"),
    (608, 608, "rejected", "rejected"),
    (404, 404, "failed", "unallocated_number"),
    (410, 410, "failed", "unallocated_number"),
    (484, 484, "failed", "unallocated_number"),
    (604, 604, "failed", "unallocated_number"),
    (403, 403, "failed", "rejected"),
    (488, 488, "failed", "rejected"),
    (407, 503, "failed", "rejected"),
    (500, 503, "failed", "network_error"),
    (503, 503, "failed", "network_error"),
    (606, 606, "failed", "network_error"),
]


async def test_what_the_carrier_says_reaches_the_pbx_and_the_record(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    for status, passed_on, outcome, cause in CODES:
        carrier.on_call = lambda call, code=status: call.incoming.reject(code)
        rejected = await trunk.call().rejected()
        record = await engine.ended_call()
        assert (rejected.status, record["sipCode"]) == (passed_on, passed_on), status
        assert (record["outcome"], record["hangupCause"], record["hangupBy"]) == (outcome, cause, "callee"), status


async def test_refusals(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone, maxChannels=1)
    # a wrong password, and no credentials at all: no record
    wrong = Credentials(trunk.credentials.username, "not-the-password")
    assert (await phone.call(TO, engine.sip, from_=NUMBER, credentials=wrong).rejected()).status == 403
    assert (await phone.call(TO, engine.sip, from_=NUMBER).rejected()).status == 407
    # one that says who it is in From is asked too, even for a number of ours that others may call
    await engine.number(OTHER, None)
    username = trunk.credentials.username
    assert (await phone.call(OTHER, engine.sip, from_=username).rejected()).status == 407
    told = (await engine.client.get("/v1/calls", params={"trunkId": trunk.id})).json()
    assert told == []
    # neither a number nor an agent
    for callee in ("nobody", "12"):
        assert (await trunk.call(callee).rejected()).status == 404
        record = await recorded(engine, trunk, to=callee)
        assert (record["outcome"], record["hangupCause"]) == ("failed", "unallocated_number")
        assert (record["to"], record["destinationKind"]) == (callee, "none")
    # every channel in use
    first = trunk.call()
    rung = await carrier.call()
    assert (await trunk.call().rejected()).status == 503
    record = await recorded(engine, trunk, sipCode=503, to=TO)
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "channel_limit", 503)
    first.outgoing.hangup()
    await rung.cancelled()
    await engine.ended_call()
    record = await recorded(engine, trunk, outcome="canceled")
    assert (record["hangupBy"], record["hangupCause"]) == ("caller", "canceled")
    # from elsewhere, and switched off
    await trunk.change(allowedSourceIps=["203.0.113.0/24"])
    assert (await trunk.call().rejected()).status == 403
    await trunk.change(allowedSourceIps=["127.0.0.1/32"], enabled=False)
    assert (await trunk.call().rejected()).status == 403
    # whom nobody knows, from where no trunk calls: as ever
    assert (await phone.call("+15559999", engine.sip, from_="+15558888").rejected()).status == 404
    await trunk.change(enabled=True)
    carrier.on_call = lambda call: call.incoming.reject(486)
    assert (await trunk.call().rejected()).status == 486


async def test_a_carrier_that_is_not_there_or_not_set_up(engine: TestEngine, phone: Phone) -> None:
    sip = {"outbound": {"host": "127.0.0.1", "port": 9, "transport": "tcp"}}
    await engine.number(NUMBER, None, sip=sip)
    await engine.number(OTHER, None)
    trunk = await pbx(engine, phone)
    for from_ in (NUMBER, OTHER):
        rejected = await trunk.call(from_=from_).rejected()
        record = await engine.ended_call()
        assert (rejected.status, record["sipCode"]) == (503, 503)
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("failed", "platform", "unreachable")


async def test_an_agent_is_called_at_the_registered_phone(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    agent = await engine.post("/v1/agents", {"email": "anna@example.com"})
    number_id = await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone, defaultNumberId=number_id)
    assert (await trunk.call("anna", from_="reception").rejected()).status == 503
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"]) == ("failed", "unreachable")
    async with callees(1) as (desk,):
        bound = asyncio.Event()
        registration = desk.agent.register(
            RegistrationSettings(
                registrar=SipUri("sip", None, host=engine.sip[0], port=engine.sip[1]),
                aor=SipUri("sip", "anna", host=engine.sip[0]),
                credentials=Credentials("anna", agent["password"]),
            ),
            lambda state: bound.set() if type(state).__name__ == "Registered" else None,
        )
        await asyncio.wait_for(bound.wait(), 5)
        call = trunk.call("anna", from_="reception")
        rung = await desk.call()
        assert presented(rung) == NUMBER
        rung.answer(880)
        await call.hears(880)
        call.outgoing.hangup()
        await rung.hung_up()
        record = await engine.ended_call()
        registration.stop()
    assert (record["destinationKind"], record["destinationId"], record["to"]) == ("agent", agent["id"], "anna")
    assert (record["from"], record["trunkId"]) == (NUMBER, trunk.id)


async def test_a_trunk_calls_a_number_of_ours_through_its_carrier(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    """Whatever that number asks of its own callers: the carrier's address, its credentials, or nothing."""
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    carrier.on_call = lambda call: call.incoming.reject(486)
    auth = {"username": "carrier", "password": "a-long-secret"}
    for at, sip in enumerate(({"allowedSourceIps": ["203.0.113.1/32"]}, {"auth": auth}, None)):
        called = f"+1555020{at}"
        await engine.number(called, None, sip=sip)
        assert (await trunk.call(called).rejected()).status == 486
        assert (await engine.ended_call())["to"] == called


async def test_the_password_is_rotated_and_the_old_one_is_refused(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    carrier.on_call = lambda call: call.incoming.reject(486)
    fresh = await engine.post(f"/v1/trunks/outbound/{trunk.id}/credentials/rotate", None, 200)
    assert (await trunk.call().rejected()).status == 403
    trunk.credentials = Credentials(fresh["username"], fresh["password"])
    assert (await trunk.call().rejected()).status == 486


async def test_the_carriers_early_media_is_heard(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    carrier.on_call = lambda call: call.early(660)
    call = trunk.call()
    await call.hears_early(660)
    (await carrier.call()).incoming.reject(404)
    assert (await call.rejected()).status == 404


async def test_a_carrier_that_only_rings_is_given_up_at_last(
    engine: TestEngine, phone: Phone, carrier: Callee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.calls.connected.RING_SECONDS", 0.5)
    await number(engine, NUMBER, carrier)
    trunk = await pbx(engine, phone)
    rejected = await trunk.call().rejected()
    await (await carrier.call()).cancelled()
    record = await engine.ended_call()
    assert (rejected.status, record["sipCode"]) == (480, 480)
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("no_answer", "platform", "no_answer")
