"""Calls that agents make (contract §17): to telephones as their outbound number, to each other under their own name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from engine.widget_credentials import temporary_password, temporary_username
from sip import Credentials, Registered, Registration, RegistrationFailed, RegistrationSettings, SipUri
from tests.engine.calls.test_outbound_trunks import NUMBER, OTHER, TO, number, presented
from tests.support.callee import Callee, a_callee, callees
from tests.support.engine import TestEngine
from tests.support.phone import Phone, PhoneCall, a_phone
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import hears_only

SETTINGS = {
    "limits": {**MANY_REQUESTS, "auth_failures": 100},  # all from one address
    "sip": {"ws": "127.0.0.1:0"},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def carrier() -> AsyncIterator[Callee]:
    async with a_callee() as started:
        yield started


class Desk:
    """An agent and the phone that speaks as it."""

    def __init__(self, engine: TestEngine, phone: Phone, made: dict[str, Any]) -> None:
        self.id = made["id"]
        self.username = made["username"]
        self.credentials = Credentials(made["username"], made["password"])
        self._engine = engine
        self._phone = phone

    def call(self, to: str = TO, **more: Any) -> PhoneCall:
        return self._phone.call(
            to, self._engine.sip, **({"from_": self.username, "credentials": self.credentials} | more)
        )


async def an_agent(engine: TestEngine, phone: Phone, email: str = "anna@example.com", **members: Any) -> Desk:
    return Desk(engine, phone, await engine.post("/v1/agents", {"email": email, **members}))


async def registering(engine: TestEngine, desk: Callee, aor: str, credentials: Credentials) -> tuple[Registration, str]:
    """The phone's registration as this agent, and what became of it first."""
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def told(state: object) -> None:
        if isinstance(state, Registered | RegistrationFailed) and not outcome.done():
            outcome.set_result(type(state).__name__)

    registration = desk.agent.register(
        RegistrationSettings(
            registrar=SipUri("sip", None, host=engine.sip[0], port=engine.sip[1]),
            aor=SipUri("sip", aor, host=engine.sip[0]),
            credentials=credentials,
        ),
        told,
    )
    return registration, await asyncio.wait_for(outcome, 5)


async def outcome_of_registering(engine: TestEngine, desk: Callee, aor: str, credentials: Credentials) -> str:
    """`Registered` or `RegistrationFailed`; no registration stays."""
    registration, outcome = await registering(engine, desk, aor, credentials)
    registration.stop()
    return outcome


@asynccontextmanager
async def registered(engine: TestEngine, desk: Callee, aor: str, credentials: Credentials) -> AsyncIterator[None]:
    """The phone is registered as this agent."""
    registration, outcome = await registering(engine, desk, aor, credentials)
    try:
        assert outcome == "Registered"
        yield
    finally:
        registration.stop()


async def recorded(engine: TestEngine, to: str, **wanted: Any) -> dict[str, Any]:
    """The newest record of an ended call to `to` that is as wanted, once it is stored."""
    async with asyncio.timeout(5):
        while True:
            for record in (await engine.client.get("/v1/calls", params={"to": to, "pending": "false"})).json():
                if all(record[name] == value for name, value in wanted.items()):
                    assert isinstance(record, dict)
                    return record
            await asyncio.sleep(0.02)


async def test_a_plain_invite_is_challenged_and_goes_out_as_the_agents_number(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    number_id = await number(engine, NUMBER, carrier)
    agent = await an_agent(engine, phone, outboundNumberId=number_id)
    assert (await agent.call(credentials=None).rejected()).status == 407
    call = agent.call()
    rung = await carrier.call()
    request = rung.incoming.request
    assert isinstance(request.uri, SipUri)
    assert (request.uri.user, presented(rung)) == (TO, NUMBER)
    assert f"sip:{NUMBER}@" in (rung.header("P-Asserted-Identity") or "")
    assert (rung.header("X-Voylo-To"), rung.header("X-Voylo-From")) == (TO, NUMBER)
    rung.answer(880)
    await call.answered()
    call.say(440)
    await rung.hears(440)
    await call.hears(880)
    await hears_only(rung, 440, 4000)
    await call.press("42")
    await rung.until(lambda: rung.keys == "42")
    rung.incoming.hangup()
    await call.hung_up()
    record = await engine.ended_call()
    assert (record["direction"], record["from"], record["to"]) == ("outbound", NUMBER, TO)
    assert (record["numberId"], record["trunkId"], record["applicationId"]) == (number_id, None, None)
    assert (record["destinationKind"], record["destinationId"]) == ("pstn", None)
    assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "callee", 200)
    assert engine.process.plane.statistics().sessions == 0


async def test_a_telephone_is_not_called_without_a_number_that_may_call_out(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    number_id = await number(engine, NUMBER, carrier, outboundEnabled=False)
    without = await an_agent(engine, phone)
    forbidden = await an_agent(engine, phone, "berta@example.com", outboundNumberId=number_id)
    for agent, to in ((without, TO), (forbidden, "+201091447678")):
        assert (await agent.call(to).rejected()).status == 403
        record = await recorded(engine, to, hangupCause="caller_id_not_allowed")
        assert (record["outcome"], record["sipCode"]) == ("rejected", 403)
        assert record["from"] == f"sip:{agent.username}@127.0.0.1"
        assert (record["numberId"], record["destinationKind"]) == (None, "pstn")
    assert carrier.calls == []


async def test_what_an_agent_may_present_is_no_matter_of_what_it_says(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    own = await number(engine, NUMBER, carrier)
    await number(engine, OTHER, carrier)
    agent = await an_agent(engine, phone, outboundNumberId=own)
    carrier.on_call = lambda call: call.incoming.reject(486)
    asserted = (("P-Asserted-Identity", f"<sip:{OTHER}@desk.example>"),)
    assert (await agent.call(from_=OTHER, headers=asserted).rejected()).status == 486
    assert presented(carrier.calls[-1]) == NUMBER
    record = await recorded(engine, TO, outcome="busy")
    assert record["from"] == NUMBER


async def test_agents_call_each_other_without_a_number(engine: TestEngine, phone: Phone) -> None:
    anna = await an_agent(engine, phone, label='Anna "Ann" Lee')
    berta = await an_agent(engine, phone, "berta@example.com")
    async with callees(1) as (desk,), registered(engine, desk, "berta", berta.credentials):
        call = anna.call("berta")
        rung = await desk.call()
        shown = rung.incoming.request.from_
        assert (presented(rung), shown.display) == ("anna", 'Anna "Ann" Lee')
        rung.answer(880)
        await call.answered()
        call.say(440)
        await call.hears(880)
        await rung.hears(440)
        call.outgoing.hangup()
        await rung.hung_up()
        record = await recorded(engine, "berta", outcome="answered")
    assert (record["direction"], record["from"], record["to"]) == ("outbound", "sip:anna@127.0.0.1", "berta")
    assert (record["destinationKind"], record["destinationId"]) == ("agent", berta.id)
    assert (record["numberId"], record["trunkId"], record["outcome"]) == (None, None, "answered")
    # one without a label goes by its username, and whose phone is not there is not reached
    async with callees(1) as (desk,), registered(engine, desk, "anna", anna.credentials):
        desk.on_call = lambda call: call.incoming.reject(603)
        assert (await berta.call("anna").rejected()).status == 603
        assert desk.calls[0].incoming.request.from_.display == "berta"
        assert (await anna.call("berta").rejected()).status == 503


async def test_refusals(engine: TestEngine, phone: Phone, carrier: Callee) -> None:
    agent = await an_agent(engine, phone, outboundNumberId=await number(engine, NUMBER, carrier))
    wrong = Credentials(agent.username, "not-the-password")
    assert (await agent.call(credentials=wrong).rejected()).status == 403
    for callee in ("nobody", "12", "anna~ffffffff"):
        assert (await agent.call(callee).rejected()).status == 404
        record = await recorded(engine, callee)
        assert (record["outcome"], record["hangupCause"]) == ("failed", "unallocated_number")
    # the agent of another workspace is nobody here
    accounts = engine.process.accounts
    workspace = await accounts.create_workspace("Other")
    key = (await accounts.create_key(workspace.id, "other", "owner")).raw
    made = await engine.client.post(
        "/v1/agents", json={"email": "carla@example.com"}, headers={"Authorization": f"Bearer {key}"}
    )
    assert made.status_code == 201
    assert (await agent.call("carla").rejected()).status == 404
    # the same username elsewhere is not our agent
    async with a_phone("127.0.0.2") as elsewhere:
        assert (await elsewhere.call("+15559999", engine.sip, from_="anna").rejected()).status == 404
    assert (await phone.call("+15559999", engine.sip, from_="anna").rejected()).status == 407
    # one that is deleted calls nobody any more
    assert (await engine.client.delete(f"/v1/agents/{agent.id}")).status_code == 204
    assert (await agent.call(from_="+15558888").rejected()).status in {403, 404}
    assert carrier.calls == []


async def test_a_number_of_ours_is_called_through_the_carrier_unless_the_agent_may_call_it_directly(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    agent = await an_agent(engine, phone, outboundNumberId=await number(engine, NUMBER, carrier))
    for e164, sip in (("+15550201", {"allowedSourceIps": ["203.0.113.0/24"]}),
                      ("+15550202", {"auth": {"username": "carrier-a", "password": "not-for-agents"}}),
                      ("+15550203", {"outbound": carrier.carrier})):  # fmt: skip
        await engine.number(e164, None, sip=sip)
        carrier.calls.clear()
        call = agent.call(e164)
        rung = await carrier.call()
        assert (presented(rung), rung.header("X-Voylo-To")) == (NUMBER, e164)
        rung.incoming.reject(486)
        assert (await call.rejected()).status == 486
        assert (await recorded(engine, e164))["direction"] == "outbound"


async def test_short_lived_credentials_register_and_call_beside_the_agents_own(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    number_id = await number(engine, NUMBER, carrier)
    anna = await an_agent(engine, phone, outboundNumberId=number_id)
    berta = await an_agent(engine, phone, "berta@example.com")
    session = await engine.post("/v1/agent-widget/session", {"agentEmail": "anna@example.com"}, status=200)
    answer = await engine.client.post(
        "/v1/agent-widget/exchange", headers={"Authorization": f"Bearer {session['token']}"}
    )
    line = answer.json()
    assert (line["sipUri"], line["callerNumbers"]) == ("sip:anna@127.0.0.1", [NUMBER])
    assert line["wsUri"] == f"ws://127.0.0.1:{engine.process.user_agent.bound['ws'][0][1]}"
    short = Credentials(line["username"], line["password"])
    path = f"/v1/agents/{anna.id}"
    # registered as the agent, and under the name of the credentials; both ring
    async with (
        callees(3) as (own, widget, named),
        registered(engine, own, "anna", anna.credentials),
        registered(engine, widget, "anna", short),
        registered(engine, named, short.username, short),
    ):
        assert (await engine.client.get(path)).json()["registered"] is True
        call = berta.call("anna")
        rung = [await each.call() for each in (own, widget, named)]
        rung[1].answer(880)
        await call.hears(880)
        await rung[0].cancelled()
        await rung[2].cancelled()
        call.outgoing.hangup()
        await rung[1].hung_up()
    # calling out, whichever name From has
    for from_ in ("anna", short.username):
        carrier.calls.clear()
        call = anna.call(from_=from_, credentials=short)
        out = await carrier.call()
        assert presented(out) == NUMBER
        out.incoming.reject(486)
        assert (await call.rejected()).status == 486
    assert (await anna.call(from_=short.username, credentials=None).rejected()).status == 407
    # those of one agent are good for no other, and a new password of the agent ends them
    async with callees(1) as (desk,):
        assert await outcome_of_registering(engine, desk, "berta", short) == "RegistrationFailed"
        assert (await engine.client.post(f"{path}/credentials/rotate")).status_code == 200
        assert await outcome_of_registering(engine, desk, "anna", short) == "RegistrationFailed"
    assert (await anna.call(credentials=short).rejected()).status == 403


async def test_short_lived_credentials_are_refused_when_their_time_is_over(
    engine: TestEngine, phone: Phone, carrier: Callee
) -> None:
    agent = await an_agent(engine, phone, outboundNumberId=await number(engine, NUMBER, carrier))
    now = int(time.time())
    shorter, longer = (temporary_username("anna", now + seconds) for seconds in (-1, 60))
    carrier.on_call = lambda call: call.incoming.reject(486)
    for name, registering, status in ((longer, "Registered", 486), (shorter, "RegistrationFailed", 403)):
        short = Credentials(name, temporary_password(name, agent.credentials.password))
        async with callees(1) as (desk,):
            assert await outcome_of_registering(engine, desk, "anna", short) == registering
        assert (await agent.call(credentials=short).rejected()).status == status
