"""Carriers and destinations that never say a word (contract §9.1, §14.3): the INVITE is repeated until timer B."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sip import TimerConfig
from tests.engine.calls.test_inbound_trunks import results
from tests.engine.calls.test_outbound_trunks import pbx, recorded
from tests.support.callee import callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUT, DIALS, ONE_LEFT, NONE_LEFT = "+15550100", "+15550101", "+15550102", "+15550103"
TO = "+201091447677"
QUICK = TimerConfig(t1=0.02)
"""Timer B is 1.28 s then, instead of 32."""


class Silent(asyncio.DatagramProtocol):
    """An address that takes what comes and answers nothing."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def datagram_received(self, data: bytes, _address: object) -> None:
        self.got.append(data)

    def tries_of(self, text: str) -> int:
        """How often the INVITE with this in it has come."""
        return sum(data.startswith(b"INVITE ") and text.encode() in data for data in self.got)


@pytest.fixture
def quick(engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's timers, in a twenty-fifth of the time."""
    layer = engine.process.user_agent._core.layer
    monkeypatch.setattr(layer, "timer_config", QUICK)
    monkeypatch.setattr(layer, "_lengths", (QUICK.lengths(reliable=False), QUICK.lengths(reliable=True)))


async def events_of(engine: TestEngine, webhook: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """The events of a call that a webhook is told, in the order of their creation."""
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    listed = (await engine.client.get(path, params={"limit": 100})).json()["data"]
    details = [(await engine.client.get(f"{path}/{item['id']}")).json() for item in reversed(listed)]
    return [item["eventType"] for item in details if item["callId"] == record["id"]]


async def test_every_way_out_ends_at_timer_b_where_nobody_says_anything(
    engine: TestEngine, phone: Phone, quick: None
) -> None:
    loop = asyncio.get_running_loop()
    transport, silent = await loop.create_datagram_endpoint(Silent, ("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")
    outbound = {"outbound": {"host": host, "port": port}}
    loopback = {"allowedSourceIps": ["127.0.0.0/8"]}
    documents = {
        "/start": f'<Response><Dial action="/done"><Number>{TO}</Number></Dial></Response>',
        "/done": "<Response><Hangup/></Response>",
        "/hook": "ok",
    }
    async with callees(1) as (second,), Flow(documents) as flow:
        second.on_call = lambda call: call.answer()
        webhook = await engine.post("/v1/webhooks", {"url": flow.url("/hook"), "events": ["*"]})
        application = await engine.application(actionUrl=flow.url("/start"))
        await engine.number(OUT, None, sip=outbound)
        await engine.number(DIALS, application, sip=loopback | outbound)
        for number, further in ((ONE_LEFT, [{"uri": second.uri}]), (NONE_LEFT, [])):
            body = {"destinations": [{"uri": f"sip:{number}@{host}:{port}"}, *further], "health": {"enabled": False}}
            made = await engine.post("/v1/trunks/inbound", {"name": number, **body})
            await engine.number(number, None, destination={"kind": "trunk", "id": made["id"]})
        trunk = await pbx(engine, phone)

        began = loop.time()
        placed = await engine.post("/v1/calls", {"from": OUT, "to": TO, "applicationId": application["id"]}, 202)
        dialling, passed_on, refused = [phone.call(number, engine.sip) for number in (DIALS, ONE_LEFT, NONE_LEFT)]
        from_pbx = trunk.call(to="+4420123", from_=OUT)
        await passed_on.answered()
        assert loop.time() - began >= 64 * QUICK.t1, "timer B, and not before"
        assert (await refused.rejected()).status == 503
        assert (await from_pbx.rejected()).status == 503
        form = (await flow.wait_for("/done")).form
        await dialling.hung_up()
        passed_on.outgoing.hangup()
        await engine.ended_call()
        records = {record["to"]: record for record in await engine.calls() if record["direction"] == "inbound"}
        api = (await engine.client.get(f"/v1/calls/{placed['publicId']}")).json()
        pbx_record = await recorded(engine, trunk, to="+4420123")
        told = [await events_of(engine, webhook, it) for it in (api, pbx_record, records[NONE_LEFT], records[DIALS])]
    transport.close()

    assert (api["outcome"], api["hangupBy"], api["hangupCause"]) == ("failed", "platform", "unreachable")
    # no final response came, so there is no code of one
    assert (api["sipCode"], api["answeredAt"], api["routingAttempts"]) == (None, None, [])
    assert (form["DialStatus"], form["DialHangupCause"], form.get("DialSipCode")) == ("failed", "unreachable", None)
    assert (records[DIALS]["outcome"], records[DIALS]["hangupCause"]) == ("answered", "normal")
    assert results(records[ONE_LEFT]) == [(1, "failed", None), (2, "answered", 200)]
    assert results(records[NONE_LEFT]) == [(1, "failed", None)]
    assert records[NONE_LEFT]["routingAttempts"][0]["setupMs"] is None
    for record in (records[NONE_LEFT], pbx_record):
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "unreachable", 503)
    assert told == [
        ["call.placed", "call.failed"],
        ["call.placed", "call.failed"],
        ["call.received", "call.failed"],
        ["call.received", "call.answered", "call.completed"],
    ]
    for text in (f"INVITE sip:{TO}@", f"INVITE sip:{ONE_LEFT}@", f"INVITE sip:{NONE_LEFT}@", "INVITE sip:+4420123@"):
        assert silent.tries_of(text) >= 5, text
    assert engine.process.plane.statistics().sessions == 0
