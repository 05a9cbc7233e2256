"""kamailio in front of the engine: a phone calls a number through it, over TCP on its side and UDP on ours.

The proxy stays in the call (Record-Route, twice because the transport changes), so every request of ours has to follow
the route set; one that went to the phone's Contact would never be seen by the proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip_phone import baresip
from tests.interop.kamailio_proxy import kamailio
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.tones import read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

BRIEF = "<Response><Play>/tone-440.wav</Play><Hangup/></Response>"
LONG = '<Response><Play loop="30">/tone-440.wav</Play></Response>'


async def test_calls_through_a_proxy_are_hung_up_by_either_side(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    tone = tmp_path / "voice.wav"
    tone.write_bytes(wav(sine(1000, 30)))
    auth = {"auth": {"username": "anna", "password": "correct-horse"}}
    async with (
        Flow({"/brief": BRIEF, "/long": LONG}) as flow,
        running_engine(tmp_path / "data") as engine,
        kamailio(program("kamailio"), tmp_path / "proxy", free_port, engine=engine.sip) as proxy,
        baresip(program("baresip"), tmp_path / "phone", free_port, tone, password="correct-horse") as phone,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/brief")), sip=auth)
        await engine.number("+15550101", await engine.application(actionUrl=flow.url("/long")), sip=auth)

        await phone.dial(f"sip:15550100@{proxy.address};transport=tcp")
        await phone.wait_for("CALL_CLOSED")
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "platform", 200)
        (ours,) = proxy.seen("BYE")
        assert (ours.source, ours.routes) == (f"udp:{engine.sip[1]}", 2)
        samples, rate = read_wav(phone.heard())
        assert 0.8 <= seconds_of(samples, 440, rate) <= 1.1

        await phone.dial(f"sip:15550101@{proxy.address};transport=tcp")
        await phone.wait_for("CALL_ESTABLISHED", count=2)
        (call,) = engine.process.switchboard
        await phone.hold()
        async with asyncio.timeout(5):
            while call.leg.negotiated is None or not call.leg.negotiated.held:
                await asyncio.sleep(0.01)
        await phone.hang_up()
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"]) == ("answered", "caller")
        assert [seen.source.partition(":")[0] for seen in proxy.seen("BYE")] == ["udp", "tcp"]
        challenged = [seen.routes for seen in proxy.seen("INVITE")]
        assert challenged == [0, 0, 0, 0, 2], "each call twice for the engine's challenge, then the hold"
