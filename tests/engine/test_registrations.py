"""Phones and PBXs register with the engine, numbers with a carrier: real SIP on loopback (contract §14, §17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.model import Number, NumberSip, SipOutbound
from engine.number_registrations import NumberRegistrations
from engine.registrations import CarrierRegistrations
from server.process import running
from sip import (
    Credentials,
    Registered,
    RegisterRequest,
    Registrar,
    RegistrarConfig,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    SipUri,
    UserAgent,
    UserAgentConfig,
)
from tests.api.test_event_schemas import problems
from tests.engine.receiver import receiving
from tests.support.callee import a_callee
from tests.support.engine import TestEngine, engine_config, running_engine

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = {"email": "anna@example.com", "label": "Anna"}


@asynccontextmanager
async def a_phone(**config: Any) -> AsyncIterator[UserAgent]:
    phone = UserAgent(UserAgentConfig(udp=(("127.0.0.1", 0),), **config), lambda call: call.reject(486))
    await phone.start()
    yield phone
    await phone.close()


class States:
    """The states of a registration in their order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[RegistrationState] = asyncio.Queue()

    async def wait(self, kind: type) -> Any:
        async with asyncio.timeout(10):
            while True:
                state = await self.queue.get()
                if isinstance(state, kind):
                    return state


def settings(engine: TestEngine, username: str, password: str, transport: str = "udp") -> RegistrationSettings:
    host, port = engine.process.user_agent.bound[transport][0]
    registrar = SipUri("sip", None, host=host, port=port, params=(("transport", transport),))
    return RegistrationSettings(
        registrar=registrar, aor=SipUri("sip", username, host=host), credentials=Credentials(username, password)
    )


async def read(engine: TestEngine, path: str) -> dict[str, Any]:
    response = await engine.client.get(path)
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_agents_phone_registers_shows_as_registered_and_unregisters(tmp_path: Path, transport: str) -> None:
    async with running_engine(tmp_path / "data", sip={"tcp": "127.0.0.1:0"}) as engine, a_phone() as phone:
        agent = await engine.post("/v1/agents", AGENT)
        assert agent["username"] == "anna"
        assert (await read(engine, f"/v1/agents/{agent['id']}"))["registered"] is False
        states = States()
        registration = phone.register(settings(engine, "anna", agent["password"], transport), states.queue.put_nowait)
        await states.wait(Registered)
        assert (await read(engine, f"/v1/agents/{agent['id']}"))["registered"] is True
        (binding,) = engine.process.account_registrations.bindings(agent["id"])
        assert binding.source.transport == transport
        registration.stop()
        async with asyncio.timeout(10):
            while (await read(engine, f"/v1/agents/{agent['id']}"))["registered"]:
                await asyncio.sleep(0.01)


async def test_a_trunk_shows_its_contact_source_and_expiry(tmp_path: Path) -> None:
    async with running_engine(tmp_path / "data") as engine, a_phone() as phone:
        trunk = await engine.post("/v1/trunks/outbound", {"name": "PBX"})
        assert trunk["registration"] == {"state": "unregistered", "contact": None, "sourceIp": None, "expiresAt": None}
        states = States()
        phone.register(settings(engine, trunk["sip"]["username"], trunk["sip"]["password"]), states.queue.put_nowait)
        await states.wait(Registered)
        shown = (await read(engine, f"/v1/trunks/outbound/{trunk['id']}"))["registration"]
        assert (shown["state"], shown["sourceIp"]) == ("registered", "127.0.0.1")
        assert shown["contact"].startswith("sip:")
        assert shown["expiresAt"] > trunk["createdAt"]


async def test_a_trunk_that_comes_and_goes_is_told_of(tmp_path: Path) -> None:
    async with running_engine(tmp_path / "data") as engine, a_phone() as phone, receiving() as receiver:
        trunk = await engine.post("/v1/trunks/outbound", {"name": "PBX"})
        await engine.post("/v1/webhooks", {"url": receiver.base, "events": ["trunk.registered", "trunk.unregistered"]})
        states = States()
        registration = phone.register(
            settings(engine, trunk["sip"]["username"], trunk["sip"]["password"]), states.queue.put_nowait
        )
        await states.wait(Registered)
        (came,) = await receiver.until(1)
        registration.stop()
        went = (await receiver.until(2))[1]
        assert came.json["event"] == "trunk.registered"
        assert came.json["data"].items() >= {"trunk_id": trunk["id"], "name": "PBX", "source_ip": "127.0.0.1"}.items()
        assert went.json["event"] == "trunk.unregistered"
        assert [problem for told in (came, went) for problem in problems(told.json["event"], told.json)] == []
        events = (await read(engine, "/v1/monitor"))["recentEvents"]
        assert [(event["type"], event["subjectId"], event["message"]) for event in events] == [
            ("trunk.unregistered", trunk["id"], "PBX is no more registered from 127.0.0.1"),
            ("trunk.registered", trunk["id"], "PBX registered from 127.0.0.1"),
        ]
        metrics = (await engine.client.get("/metrics")).text
        assert "voylo_calls_active 0" in metrics.splitlines()
        assert 'voylo_sip_total{what="parse_errors"} 0' in metrics.splitlines()


async def test_a_wrong_password_an_unknown_name_a_foreign_address_and_a_disabled_trunk_are_refused(
    tmp_path: Path,
) -> None:
    async with running_engine(tmp_path / "data", limits={"auth_failures": 100}) as engine, a_phone() as phone:
        agent = await engine.post("/v1/agents", AGENT)
        elsewhere = await engine.post("/v1/trunks/outbound", {"name": "PBX", "allowedSourceIps": ["192.0.2.0/24"]})
        disabled = await engine.post("/v1/trunks/outbound", {"name": "Off", "enabled": False})
        for username, password in (
            ("anna", "wrong-password"),
            ("nobody", "wrong-password"),
            (elsewhere["sip"]["username"], elsewhere["sip"]["password"]),
            (disabled["sip"]["username"], disabled["sip"]["password"]),
        ):
            states = States()
            registration = phone.register(settings(engine, username, password), states.queue.put_nowait)
            failed = await states.wait(RegistrationFailed)
            assert failed.status == 403, username
            registration.stop()
        assert (await read(engine, f"/v1/agents/{agent['id']}"))["registered"] is False


@pytest.mark.parametrize("change", ["delete", "rotate", "disable", "move"])
async def test_who_may_register_no_more_is_unregistered_at_once(tmp_path: Path, change: str) -> None:
    async with running_engine(tmp_path / "data") as engine, a_phone() as phone:
        trunk = await engine.post("/v1/trunks/outbound", {"name": "PBX", "allowedSourceIps": ["127.0.0.1/32"]})
        path = f"/v1/trunks/outbound/{trunk['id']}"
        states = States()
        phone.register(settings(engine, trunk["sip"]["username"], trunk["sip"]["password"]), states.queue.put_nowait)
        await states.wait(Registered)
        renamed = await engine.client.patch(path, json={"name": "PABX"})
        assert renamed.status_code == 200, renamed.text
        assert len(engine.process.account_registrations.bindings(trunk["id"])) == 1
        if change == "delete":
            response = await engine.client.delete(path)
        elif change == "rotate":
            response = await engine.client.post(f"{path}/credentials/rotate")
        elif change == "disable":
            response = await engine.client.patch(path, json={"enabled": False})
        else:
            response = await engine.client.patch(path, json={"allowedSourceIps": ["192.0.2.0/24"]})
        assert response.is_success, response.text
        assert engine.process.account_registrations.bindings(trunk["id"]) == ()


async def test_an_agent_with_another_password_is_unregistered_at_once(tmp_path: Path) -> None:
    async with running_engine(tmp_path / "data") as engine, a_phone() as phone:
        agent = await engine.post("/v1/agents", AGENT)
        states = States()
        phone.register(settings(engine, "anna", agent["password"]), states.queue.put_nowait)
        await states.wait(Registered)
        await engine.post(f"/v1/agents/{agent['id']}/credentials/rotate", None, status=200)
        assert (await read(engine, f"/v1/agents/{agent['id']}"))["registered"] is False


async def test_the_addresses_of_a_trunk_are_trusted_as_long_as_it_is_enabled(tmp_path: Path) -> None:
    """By the bound on what one address may send, before anything was proven with a password."""
    async with running_engine(tmp_path / "data") as engine:
        admission = engine.process.user_agent._core.admission
        assert not admission.knows("192.0.2.7", 0.0)
        trunk = await engine.post("/v1/trunks/outbound", {"name": "PBX", "allowedSourceIps": ["192.0.2.0/24"]})
        assert admission.knows("192.0.2.7", 0.0)
        await engine.client.patch(f"/v1/trunks/outbound/{trunk['id']}", json={"enabled": False})
        assert not admission.knows("192.0.2.7", 0.0)


async def test_a_number_registers_with_its_carrier_while_it_is_told_to(tmp_path: Path) -> None:
    """The carrier refuses the first time; the number shows each state (contract §14.3)."""
    asked: asyncio.Queue[RegisterRequest] = asyncio.Queue()
    refusing = True

    def serve(asking: RegisterRequest) -> None:
        if refusing:
            asking.reject(503)
            return
        result = asking.check_credentials("carrier", Credentials("acct", "carrier-password"))
        if not result.ok:
            asking.challenge("carrier")
            return
        asking.accept("acct")
        asked.put_nowait(asking)

    async with a_phone() as carrier, running_engine(tmp_path / "data") as engine:
        carrier.serve_registrations(serve)
        host, port = carrier.bound["udp"][0]
        outbound = {"host": host, "port": port, "username": "acct", "password": "carrier-password", "register": True}
        number = await engine.number("+15550123", None, sip={"outbound": outbound})
        path = f"/v1/numbers/{number['id']}"
        nothing = {"state": "registering", "expiresAt": None, "sipCode": None, "reason": None, "retryAt": None}
        assert number["sip"]["outbound"]["registration"] == nothing

        async def registration(state: str) -> dict[str, Any]:
            async with asyncio.timeout(10):
                while True:
                    shown: dict[str, Any] = (await engine.client.get(path)).json()["sip"]["outbound"]["registration"]
                    if shown["state"] == state:
                        return shown
                    await asyncio.sleep(0.01)

        failed = await registration("failed")
        due = datetime.fromisoformat(failed["retryAt"]) - datetime.now(UTC)
        assert 20 < due.total_seconds() <= 60
        met = {"state": "failed", "sipCode": 503, "reason": "Service Unavailable"}
        assert failed == nothing | met | {"retryAt": failed["retryAt"]}
        refusing = False
        again = await engine.client.patch(path, json={"sip": {"outbound": {"fromDomain": "carrier.example"}}})
        assert again.status_code == 200, again.text
        async with asyncio.timeout(10):
            first = await asked.get()
        assert first.request.contacts[0].uri.user == "+15550123"  # type: ignore[union-attr]
        registered = await registration("registered")
        lasts = datetime.fromisoformat(registered["expiresAt"]) - datetime.now(UTC)
        assert 3500 < lasts.total_seconds() <= 3600
        assert registered == nothing | {"state": "registered", "expiresAt": registered["expiresAt"]}
        changed = await engine.client.patch(path, json={"sip": {"outbound": {"register": False}}})
        assert changed.status_code == 200, changed.text
        assert "registration" not in changed.json()["sip"]["outbound"]
        async with asyncio.timeout(10):
            last = await asked.get()
        assert last.request.contacts[0].param("expires") == "0" or last.request.expires == 0
        assert engine.process.carrier_registrations.state(number["id"]) is None


async def carrier_registration(engine: TestEngine, number: dict[str, Any], state: str) -> None:
    """Waits until a number shows this state of its registration."""
    async with asyncio.timeout(10):
        while True:
            shown = await read(engine, f"/v1/numbers/{number['id']}")
            if shown["sip"]["outbound"]["registration"]["state"] == state:
                return
            await asyncio.sleep(0.01)


async def test_calls_of_a_number_take_the_service_route_of_its_registrar(tmp_path: Path) -> None:
    """RFC 3608 §6.1: of POST /v1/calls and of Dial, until the number registers no more."""
    async with a_phone() as carrier, a_callee() as proxy, running_engine(tmp_path / "data") as engine:
        host, port = proxy.address
        route = f"<sip:{host}:{port};lr>, <sip:inside.carrier.example;lr>"
        registrar = Registrar(RegistrarConfig(service_route=tuple(route.split(", "))))
        carrier.serve_registrations(lambda asking: asking.accept("acct") and None, registrar=registrar)
        there = carrier.bound["udp"][0]
        outbound = {
            "host": there[0],
            "port": there[1],
            "username": "acct",
            "password": "a-long-secret",
            "register": True,
        }
        number = await engine.number("+15550100", None, sip={"outbound": outbound})
        await carrier_registration(engine, number, "registered")
        dial = '<Response><Dial callerId="+15550100"><Number>+15550177</Number></Dial></Response>'
        application = await engine.application(xmlTemplate=dial)
        proxy.on_call = lambda call: call.answer()
        await engine.post(
            "/v1/calls", {"from": "+15550100", "to": "+15550166", "applicationId": application["id"]}, 202
        )
        await proxy.arrived(2)
        for call, called in zip(proxy.calls, ("+15550166", "+15550177"), strict=True):
            request = call.incoming.request
            assert ", ".join(request.headers.get_all("Route")) == route
            assert isinstance(request.uri, SipUri)
            assert (request.uri.user, request.uri.host, request.uri.port) == (called, *there)
            call.incoming.hangup()
        await engine.ended_call()

        change = {"sip": {"outbound": {"register": False}}}
        response = await engine.client.patch(f"/v1/numbers/{number['id']}", json=change)
        assert response.status_code == 200, response.text
        await engine.post(
            "/v1/calls", {"from": "+15550100", "to": "+15550166", "applicationId": application["id"]}, 202
        )
        record = await engine.ended_call()
        assert (record["outcome"], record["sipCode"]) == ("busy", 486)  # by the carrier itself
        assert len(proxy.calls) == 2


async def test_a_number_registers_and_calls_by_way_of_its_outbound_proxy(tmp_path: Path) -> None:
    """RFC 3261 §8.1.2: the carrier's name leads nowhere from here, all goes to the proxy."""
    async with a_callee() as proxy, running_engine(tmp_path / "data") as engine:
        asked: list[RegisterRequest] = []

        def serve(asking: RegisterRequest) -> None:
            asked.append(asking)
            asking.accept("acct")

        proxy.agent.serve_registrations(serve)
        proxy.on_call = lambda call: call.answer()
        host, port = proxy.address
        outbound = {
            "host": "carrier.invalid",
            "username": "acct",
            "password": "a-long-secret",
            "register": True,
            "outboundProxy": f"sip:{host}:{port}",
        }
        number = await engine.number("+15550100", None, sip={"outbound": outbound})
        await carrier_registration(engine, number, "registered")
        register = asked[0].request
        assert isinstance(register.uri, SipUri)
        assert (register.uri.host, register.uri.port) == ("carrier.invalid", 5060)
        assert register.headers.get_all("Route") == [f"<sip:{host}:{port};lr>"]

        dial = '<Response><Dial callerId="+15550100"><Number>+15550177</Number></Dial></Response>'
        application = await engine.application(xmlTemplate=dial)
        await engine.post(
            "/v1/calls", {"from": "+15550100", "to": "+15550166", "applicationId": application["id"]}, 202
        )
        await proxy.arrived(2)
        for call, called in zip(proxy.calls, ("+15550166", "+15550177"), strict=True):
            request = call.incoming.request
            assert request.headers.get_all("Route") == [f"<sip:{host}:{port};lr>"]
            assert isinstance(request.uri, SipUri)
            assert (request.uri.user, request.uri.host) == (called, "carrier.invalid")
            call.incoming.hangup()
        await engine.ended_call()


async def test_a_number_is_the_same_instance_to_its_registrar_after_a_restart(tmp_path: Path) -> None:
    """RFC 5626 §4.2: with Outbound, which a registrar that is reached over TCP takes part in."""
    asked: asyncio.Queue[RegisterRequest] = asyncio.Queue()

    def serve(asking: RegisterRequest) -> None:
        asking.accept(asking.request.contacts[0].uri.user)  # type: ignore[arg-type, union-attr]
        asked.put_nowait(asking)

    async def instance(of: str) -> str | None:
        async with asyncio.timeout(10):
            while True:
                request = (await asked.get()).request
                contact = request.contacts[0]
                assert isinstance(contact.uri, SipUri)
                if contact.uri.user == of and (request.expires or 0) > 0:
                    assert contact.param("reg-id") == "1"
                    assert "outbound" in request.supported
                    return contact.param("+sip.instance")

    transports = {"tcp": "127.0.0.1:0"}
    async with a_phone(tcp=(("127.0.0.1", 0),)) as carrier:
        registrar = carrier.serve_registrations(serve)
        host, port = carrier.bound["tcp"][0]
        outbound = {"host": host, "port": port, "transport": "tcp", "register": True}
        async with running_engine(tmp_path / "data", sip=transports) as engine:
            number = await engine.number("+15550100", None, sip={"outbound": outbound})
            first = await instance("+15550100")
            await carrier_registration(engine, number, "registered")
            state = engine.process.carrier_registrations.state(number["id"])
            assert isinstance(state, Registered)
            assert state.outbound
            await engine.number("+15550101", None, sip={"outbound": outbound})
            assert await instance("+15550101") != first
        async with running(engine_config(tmp_path / "data", sip=transports)):
            assert await instance("+15550100") == first
            (binding,) = registrar.bindings("+15550100", carrier._core.clock())
            assert binding.instance == first
    assert first is not None
    assert first.startswith("<urn:uuid:")


async def test_a_service_route_holds_until_its_registration_ends_also_when_a_refresh_fails() -> None:
    """Of a carrier that binds for a minute and refuses whatever comes then, on a clock that the test moves."""
    passed = 0.0
    refusing = False
    registrar = Registrar(RegistrarConfig(service_route=("<sip:edge.carrier.example;lr>",), max_expires=60))

    def serve(asking: RegisterRequest) -> None:
        if refusing:
            asking.reject(503)
        else:
            asking.accept("line")

    async def state(kind: type) -> None:
        async with asyncio.timeout(10):
            while not isinstance(registrations.state("line"), kind):
                await asyncio.sleep(0.01)

    async with a_phone() as carrier, a_phone() as ours:
        carrier.serve_registrations(serve, registrar=registrar)
        host, port = carrier.bound["udp"][0]
        numbers = NumberRegistrations()
        registrations = CarrierRegistrations(numbers, clock=lambda: ours._core.clock() + passed)
        registrations.start(ours)
        line = Number(
            id="line", workspace_id="ws", e164="+15550100", label=None, kind="byo", country=None, status="active",
            inbound_enabled=True, outbound_enabled=True, destination=None, channels=None, rental_id=None,
            sip=NumberSip(outbound=SipOutbound(host=host, port=port, register=True)), created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        numbers.changed("line", line)
        await state(Registered)
        assert [str(hop) for hop in registrations.service_route("line")] == ["<sip:edge.carrier.example;lr>"]
        assert registrations.service_route("another") == ()
        refusing = True
        registrations._running["line"].refresh()
        await state(RegistrationFailed)
        assert len(registrations.service_route("line")) == 1
        passed = 61.0
        assert registrations.service_route("line") == ()
        registrations.stop()
