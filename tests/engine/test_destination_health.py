"""Probing the destinations of inbound trunks (contract §9.1, §13.2, §18): OPTIONS on loopback, on a clock that the test
moves."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.process import running
from sip import UserAgent, UserAgentConfig
from tests.api.test_event_schemas import problems
from tests.engine.calls.test_inbound_trunks import NUMBER, events, results
from tests.interop.sipp_party import MovableClock
from tests.support.callee import callees
from tests.support.engine import TestEngine, engine_config, running_engine
from tests.support.flow import Flow
from tests.support.phone import a_phone

INTERVAL = 10


@asynccontextmanager
async def on_a_movable_clock(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[TestEngine, MovableClock]]:
    """An engine whose SIP timers run on the clock of the loop."""
    loop = asyncio.get_running_loop()
    clock = MovableClock()
    monkeypatch.setattr("server.process.UserAgent", functools.partial(UserAgent, clock=loop.time))
    async with running_engine(folder) as engine:
        yield engine, clock


async def pass_interval(engine: TestEngine, clock: MovableClock) -> None:
    """Lets so much time pass that every destination is due, in steps that no connection is given up for."""
    for _ in range(3):
        clock.move(INTERVAL * 0.4)
        await engine.calls()


async def shown(engine: TestEngine, trunk_id: str, at: int = 0) -> dict[str, Any]:
    trunk = (await engine.client.get(f"/v1/trunks/inbound/{trunk_id}")).json()
    health = trunk["destinations"][at]["health"]
    assert isinstance(health, dict)
    return health


async def until_shown(engine: TestEngine, trunk_id: str, at: int = 0, **wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            health = await shown(engine, trunk_id, at)
            if all(health[name] == value for name, value in wanted.items()):
                return health
            await asyncio.sleep(0.02)


async def checked(engine: TestEngine, trunk_id: str, at: int = 0) -> dict[str, Any]:
    """What is shown once a first result is there."""
    async with asyncio.timeout(10):
        while (health := await shown(engine, trunk_id, at))["lastCheckedAt"] is None:
            await asyncio.sleep(0.02)
    return health


async def test_a_dead_destination_goes_down_is_passed_over_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with (
        on_a_movable_clock(tmp_path, monkeypatch) as (engine, clock),
        a_phone() as phone,
        callees(1) as (second,),
        Flow({"/hook": "ok"}) as hook,
    ):
        second.on_call = lambda call: call.answer()
        await engine.post(
            "/v1/webhooks", {"url": hook.url("/hook"), "events": ["trunk.destination.down", "trunk.destination.up"]}
        )
        dead = {"uri": f"sip:desk@127.0.0.1:{port};transport=tcp", "label": "desk"}
        body = {"name": "Agents", "destinations": [dead, {"uri": second.uri}], "health": {"intervalS": INTERVAL}}
        made = await engine.post("/v1/trunks/inbound", body)
        desk = made["destinations"][0]
        assert desk["health"]["state"] == "unknown"
        await engine.number(NUMBER, None, destination={"kind": "trunk", "id": made["id"]})

        up = await until_shown(engine, made["id"], 1, state="up")
        assert isinstance(up["latencyMs"], int)
        assert up["since"] is not None
        assert (await checked(engine, made["id"]))["state"] == "unknown", "one failure is none"
        await pass_interval(engine, clock)
        down = await until_shown(engine, made["id"], state="down")
        assert down["latencyMs"] is None
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        call.outgoing.hangup()
        assert results(await engine.ended_call()) == [(1, "skipped_down", None), (2, "answered", 200)]
        monitor = (await engine.client.get("/v1/monitor")).json()
        assert [it["state"] for it in monitor["inbound"][0]["destinations"]] == ["down", "up"]

        alive = UserAgent(UserAgentConfig(udp=(), tcp=(("127.0.0.1", port),)), lambda call: call.reject(486))
        await alive.start()
        await pass_interval(engine, clock)
        await until_shown(engine, made["id"], state="up")
        assert (await phone.call(NUMBER, engine.sip).rejected()).status == 486
        assert results(await engine.ended_call()) == [(1, "busy", 486)]
        told = await events(hook, 3)
        recent = (await engine.client.get("/v1/monitor/events")).json()["data"]
        await alive.close()
    about = [it for it in told if it["data"]["destination_id"] == desk["id"]]
    assert [it["event"] for it in about] == ["trunk.destination.down", "trunk.destination.up"]
    assert about[0]["data"]["trunk_id"] == made["id"]
    assert (about[0]["data"]["label"], about[0]["data"]["uri"]) == ("desk", dead["uri"])
    assert "call_id" not in about[0]
    assert [problem for it in told for problem in problems(it["event"], it)] == []
    assert [it["type"] for it in recent if it["subjectId"] == desk["id"]] == [
        "trunk.destination.up", "trunk.destination.down"
    ]  # fmt: skip


async def test_a_dial_of_a_trunk_that_is_known_to_be_dead_says_so_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as first, socket.socket() as second:
        ports = []
        for unused in (first, second):
            unused.bind(("127.0.0.1", 0))
            ports.append(unused.getsockname()[1])
    documents = {
        "/start": '<Response><Dial action="/done"><Trunk>Agents</Trunk></Dial></Response>',
        "/done": "<Response><Hangup/></Response>",
    }
    async with (
        on_a_movable_clock(tmp_path, monkeypatch) as (engine, clock),
        a_phone() as phone,
        Flow(documents) as flow,
    ):
        dead = [{"uri": f"sip:desk@127.0.0.1:{port};transport=tcp"} for port in ports]
        made = await engine.post(
            "/v1/trunks/inbound", {"name": "Agents", "destinations": dead, "health": {"intervalS": INTERVAL}}
        )
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        for at in range(2):
            await checked(engine, made["id"], at)
        await pass_interval(engine, clock)
        for at in range(2):
            await until_shown(engine, made["id"], at, state="down")
        call = phone.call(NUMBER, engine.sip)
        form = (await flow.wait_for("/done")).form
        await call.hung_up()
        record = await engine.ended_call()
    assert (form["DialStatus"], form["DialHangupCause"], form["DialTo"]) == ("failed", "unreachable", "Agents")
    assert form["DialDuration"] == "0"
    assert results(record) == [(1, "skipped_down", None), (2, "skipped_down", None)]


async def test_what_is_probed_follows_the_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        on_a_movable_clock(tmp_path, monkeypatch) as (engine, clock),
        callees(2) as (first, second),
    ):
        path = "/v1/trunks/inbound"
        made = await engine.post(
            path,
            {"name": "A", "destinations": [{"uri": first.uri}, {"uri": second.uri}], "health": {"intervalS": INTERVAL}},
        )
        path = f"{path}/{made['id']}"
        ids = [it["id"] for it in made["destinations"]]
        probes = engine.process.destination_probes

        async def change(**members: Any) -> None:
            answer = await engine.client.patch(path, json=members)
            assert answer.status_code == 200, answer.text

        before = await until_shown(engine, made["id"], state="up")
        await until_shown(engine, made["id"], 1, state="up")
        # what does not matter to the probe leaves it as it is; another URI is another peer
        await change(
            name="B",
            destinations=[{"id": ids[0], "uri": first.uri, "label": "l"}, {"id": ids[1], "uri": first.uri}],
        )
        assert (await shown(engine, made["id"]))["since"] == before["since"]
        assert (await until_shown(engine, made["id"], 1, state="up"))["since"] != before["since"]
        # switched off in each of the three ways, and deleted
        await change(destinations=[{"id": ids[0], "uri": first.uri, "enabled": False}])
        assert (probes.health(ids[0]), probes.health(ids[1])) == (None, None)
        assert (await shown(engine, made["id"]))["state"] == "unknown"
        await change(destinations=[{"id": ids[0], "uri": first.uri}])
        await until_shown(engine, made["id"], state="up")
        await change(health={"enabled": False})
        assert probes.health(ids[0]) is None
        await change(health={"enabled": True})
        await until_shown(engine, made["id"], state="up")
        await change(enabled=False)
        assert probes.health(ids[0]) is None
        await change(enabled=True)
        await until_shown(engine, made["id"], state="up")
        assert (await engine.client.delete(path)).status_code == 204
        assert probes.health(ids[0]) is None
        received = first.agent.statistics.messages_received
        await pass_interval(engine, clock)
        await pass_interval(engine, clock)
        await pass_interval(engine, clock)
        await asyncio.sleep(0.1)
        assert first.agent.statistics.messages_received == received


async def test_a_restart_begins_at_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with callees(1) as (desk,):
        async with on_a_movable_clock(tmp_path, monkeypatch) as (engine, _):
            made = await engine.post("/v1/trunks/inbound", {"name": "A", "destinations": [{"uri": desk.uri}]})
            await until_shown(engine, made["id"], state="up")
        async with running(engine_config(tmp_path)) as process:
            assert process.directory.inbound_trunks.get(made["id"]) is not None
            assert process.destination_probes.health(made["destinations"][0]["id"]) is None
