"""baresip with its srtp module: keys by SDES, audio and pressed keys both ways, and a call held and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.interop.baresip_phone import baresip
from tests.interop.conftest import missing
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.tones import level, read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

MODULE = Path("/usr/lib/baresip/modules/srtp.so")
MENU = """
<Response>
  <Gather numDigits="1" timeout="15" action="/pressed"><Play loop="0">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = '<Response><Play digits="58"/><Play>/tone-880.wav</Play><Hangup/></Response>'
# `srtp-mand` offers RTP/SAVP, `srtp` offers RTP/AVP with keys beside it (RFC 8643).
PROFILES = {"srtp-mand": "RTP/SAVP", "srtp": "RTP/AVP"}
# Before it has its keys it sends a packet without payload to open a way through a NAT.
HOLE_PUNCHING = {"malformed"}


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("mode", PROFILES)
async def test_baresip_hears_and_is_heard_encrypted(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path, mode: str, holds: bool
) -> None:
    path = program("baresip")
    if not MODULE.exists():
        missing(f"baresip has no {MODULE.name}")
    tone = tmp_path / "tone.wav"
    tone.write_bytes(wav(sine(1000, 60)))
    heard_by_engine: list[NDArray[np.int16]] = []
    async with (
        Flow({"/menu": MENU, "/pressed": PRESSED}) as flow,
        running_engine(tmp_path / "data") as engine,
        baresip(path, tmp_path / "anna", free_port, tone, media_encryption=mode) as phone,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
        host, port = engine.sip
        await phone.command("dial", f"sip:15550100@{host}:{port}")
        await phone.wait_for("CALL_ESTABLISHED")
        (call,) = engine.process.switchboard
        leg = call.leg
        leg.session.tap(lambda frame: heard_by_engine.append(frame.copy()))
        await flow.wait_for("/tone-440.wav")
        await asyncio.sleep(2.5)
        if holds:
            for command, held in (("hold", True), ("resume", False)):
                await phone.command(command)
                async with asyncio.timeout(5):
                    while leg.negotiated is None or leg.negotiated.held is not held:
                        await asyncio.sleep(0.02)
            heard_by_engine.clear()
            await asyncio.sleep(1.5)
        negotiated, statistics = leg.negotiated, leg.session.statistics()
        await phone.command("sndcode", "7")
        pressed = await flow.wait_for("/pressed")
        await phone.wait_for("CALL_CLOSED")
        record = await engine.ended_call()

    assert negotiated is not None
    assert negotiated.srtp is not None
    assert (negotiated.protocol, negotiated.srtp.suite.name) == (PROFILES[mode], "AES_CM_128_HMAC_SHA1_80")
    assert pressed.form["Digits"] == "7"
    assert {event["param"] for event in phone.events if event.get("type") == "CALL_DTMF_START"} == {"5", "8"}
    samples, rate = read_wav(phone.heard())
    assert level(samples, 1000, rate) < 0.01
    if not holds:
        # After a hold baresip 1.0.0 records nothing more, encrypted or not; keys it still hears.
        assert seconds_of(samples, 440, rate) >= 0.5
        assert 0.8 <= seconds_of(samples, 880, rate) <= 1.1
    at_engine = np.concatenate(heard_by_engine)
    assert seconds_of(at_engine, 1000) >= 1.0
    assert level(at_engine, 440) < 0.01
    assert {name for name, count in statistics.dropped.items() if count} <= HOLE_PUNCHING
    assert record["outcome"] == "answered"
