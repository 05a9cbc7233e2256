"""Calls out through a number whose carrier is reached over TCP or TLS, and one that registers there first (contract
§8.1, §14.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.model import SipTransport
from sip import Credentials, RegisterRequest, TlsConfig
from tests.support.callee import Callee, CalleeCall, a_callee
from tests.support.certificates import Certificates, make_certificates
from tests.support.engine import TestEngine, running_engine
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import level

FROM = "+15550100"
TO = "+201091447677"
CARRIER, DESK = 880, 440  # Hz
ACCOUNT = Credentials("acct", "carrier-password")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestEngine]:
    """The engine, which trusts the carrier's authority."""
    sip = {"tls_ca": str(certificates.authority)}
    async with running_engine(tmp_path_factory.mktemp("data"), limits=MANY_REQUESTS, sip=sip) as started:
        yield started


def shown(certificates: Certificates) -> TlsConfig:
    """What a carrier shows that connects to it."""
    return TlsConfig(certificates.certificate, certificates.key)


async def place(engine: TestEngine, carrier: Callee, xml: str, **outbound: Any) -> dict[str, Any]:
    """A number with this carrier, once it has made a call; the number."""
    number = await engine.number(FROM, None, sip={"outbound": {**carrier.carrier, **outbound}})
    await order(engine, xml)
    return number


async def order(engine: TestEngine, xml: str) -> None:
    application = await engine.application(xmlTemplate=xml)
    await engine.post("/v1/calls", {"from": FROM, "to": TO, "applicationId": application["id"]}, 202)


async def talk(desk: Callee, carrier: Callee) -> CalleeCall:
    """Both sides are answered and hear each other, never themselves; gives the carrier's side, which is to hang up."""
    far = await carrier.call()
    assert far.incoming.source.transport == carrier.transport
    assert far.incoming.request.uri.user == TO
    far.answer(CARRIER)
    near = await desk.call()
    near.answer(DESK)
    await far.hears(DESK)
    await near.hears(CARRIER)
    assert level(far.heard, CARRIER) < 0.01
    assert level(near.heard, DESK) < 0.01
    return far


def dial(desk: Callee) -> str:
    """The application puts whom it calls through to the desk."""
    return f"<Response><Dial><Sip>{desk.uri}</Sip></Dial></Response>"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_call_out_goes_over_the_transport_of_its_carrier_and_both_sides_hear_each_other(
    engine: TestEngine, certificates: Certificates, transport: SipTransport
) -> None:
    async with a_callee() as desk, a_callee(transport, shown(certificates)) as carrier:
        number = await place(engine, carrier, dial(desk))
        assert number["sip"]["outbound"]["transport"] == transport
        far = await talk(desk, carrier)
        far.incoming.hangup()
        record = await engine.ended_call()
    assert (record["from"], record["to"], record["outcome"]) == (FROM, TO, "answered")
    assert (record["hangupBy"], record["sipCode"]) == ("callee", 200)


async def test_the_engine_ends_a_call_over_tls(engine: TestEngine, certificates: Certificates) -> None:
    async with a_callee("tls", shown(certificates)) as carrier:
        carrier.on_call = lambda call: call.answer(CARRIER)
        await place(engine, carrier, "<Response><Pause length='1'/></Response>")
        await (await carrier.call()).hung_up()
        record = await engine.ended_call()
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "platform", "normal")


async def test_a_carrier_with_a_certificate_of_somebody_else_cannot_be_reached(
    engine: TestEngine, tmp_path: Path
) -> None:
    async with a_callee("tls", shown(make_certificates(tmp_path / "others"))) as carrier:
        await place(engine, carrier, "<Response><Hangup/></Response>")
        record = await engine.ended_call()
        assert carrier.calls == []
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "unreachable", None)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_number_registers_over_the_transport_of_its_carrier_and_then_calls_out(
    engine: TestEngine, certificates: Certificates, transport: SipTransport
) -> None:
    registered: asyncio.Queue[RegisterRequest] = asyncio.Queue()

    def serve(asking: RegisterRequest) -> None:
        if not asking.check_credentials("carrier", ACCOUNT).ok:
            asking.challenge("carrier")
            return
        asking.accept(ACCOUNT.username)
        registered.put_nowait(asking)

    async with a_callee() as desk, a_callee(transport, shown(certificates)) as carrier:
        carrier.agent.serve_registrations(serve)
        account = {"username": ACCOUNT.username, "password": ACCOUNT.password, "register": True}
        number = await engine.number(FROM, None, sip={"outbound": {**carrier.carrier, **account}})
        async with asyncio.timeout(10):
            asked = await registered.get()
            while (await state(engine, number)) != "registered":
                await asyncio.sleep(0.01)
        assert asked.source.transport == transport
        assert f"transport={transport}" in str(asked.request.contacts[0])
        await order(engine, dial(desk))
        far = await talk(desk, carrier)
        assert far.incoming.source == asked.source, "the connection that the registration has opened is used"
        far.incoming.hangup()
        assert (await engine.ended_call())["outcome"] == "answered"


async def state(engine: TestEngine, number: dict[str, Any]) -> str:
    shown = (await engine.client.get(f"/v1/numbers/{number['id']}")).json()
    return str(shown["sip"]["outbound"]["registration"]["state"])
