"""Phones in Opus and G.722, plain and encrypted: all of them call one engine at once, hear its tones and are heard.

Held with baresip 1.0.0, whose keys come by SDES and by DTLS without ICE, and with linphonec 5.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.calls.call import Call
from tests.interop.baresip_phone import BaresipPhone, baresip
from tests.interop.conftest import missing
from tests.interop.linphone_phone import linphone
from tests.interop.phones import VOICE
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.tones import level, read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

Program = Callable[[str], str]
Port = Callable[[], int]
MODULES = Path("/usr/lib/baresip/modules")
MENU = """
<Response>
  <Gather numDigits="1" timeout="20" action="/pressed"><Play loop="0">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = '<Response><Play digits="58"/><Play>/tone-880.wav</Play><Hangup/></Response>'


@dataclass(frozen=True)
class Case:
    """One phone: what it is to speak, and the keys' way, with the SDP profile that this comes to."""

    number: str
    kind: str
    codec: str
    encryption: str | None = None
    profile: str = "RTP/AVP"


CASES = (
    Case("+15550100", "baresip", "opus"),
    Case("+15550101", "baresip", "opus", "srtp-mand", "RTP/SAVP"),
    Case("+15550102", "baresip", "opus", "dtls_srtp", "UDP/TLS/RTP/SAVPF"),
    Case("+15550103", "baresip", "G722"),
    Case("+15550104", "linphonec", "opus"),
)


async def test_phones_in_opus_and_g722_hear_and_are_heard(program: Program, free_port: Port, tmp_path: Path) -> None:
    paths = {kind: program(kind) for kind in ("baresip", "linphonec")}
    for module in ("opus", "g722", "srtp", "dtls_srtp"):
        if not (MODULES / f"{module}.so").exists():
            missing(f"baresip has no {module}.so; the package baresip-core has it")
    tone = tmp_path / "tone.wav"
    tone.write_bytes(wav(sine(VOICE, 60)))
    settings = {"media": {"codecs": ["opus", "G722", "PCMU", "PCMA"]}}
    async with (
        Flow({"/menu": MENU, "/pressed": PRESSED}) as flow,
        running_engine(tmp_path / "data", **settings) as engine,
    ):
        application = await engine.application(actionUrl=flow.url("/menu"))
        for case in CASES:
            await engine.number(case.number, application)
        # One failure is told once the others have ended, so that it is told with theirs.
        calls = [call_of(case, paths[case.kind], free_port, tmp_path, tone, engine) for case in CASES]
        failed = [one for one in await asyncio.gather(*calls, return_exceptions=True) if one is not None]
        assert not failed, failed


async def call_of(case: Case, path: str, port: Port, folder: Path, tone: Path, engine: TestEngine) -> None:
    """The whole call of one phone, and what is to be said of it."""
    name = f"{case.kind}-{case.codec}-{case.encryption or 'plain'}"
    host, sip_port = engine.sip
    phone = (
        baresip(path, folder / name, port, tone, codec=case.codec, media_encryption=case.encryption)
        if case.kind == "baresip"
        else linphone(path, folder / name, port, tone, codec="opus/48000/2")
    )
    heard: list[NDArray[np.int16]] = []
    async with asyncio.timeout(40), phone as running:
        await running.dial(f"sip:{case.number.lstrip('+')}@{host}:{sip_port}")
        leg = (await answered(engine, case.number)).leg
        leg.session.tap(lambda frame: heard.append(frame.copy()))
        while not heard or seconds_of(np.concatenate(heard), VOICE) < 1.0:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)  # for the phone to hear the menu's tone
        negotiated, statistics = leg.negotiated, leg.session.statistics()
        await running.press("7")
        await running.gets_key("5")
        if isinstance(running, BaresipPhone):
            await running.wait_for("CALL_CLOSED")
        else:
            await running.wait_for(" ended (No error)")
            await running.quit()
    samples, rate = read_wav(running.heard())

    assert negotiated is not None
    assert (negotiated.codec.name, negotiated.protocol) == (case.codec, case.profile), name
    assert (negotiated.srtp is not None) == (case.encryption == "srtp-mand"), name
    assert (negotiated.dtls is not None) == (case.encryption == "dtls_srtp"), name
    assert statistics.dropped["authentication"] == 0, name
    assert seconds_of(samples, 440, rate) >= 0.7, f"{name} must hear the menu"
    assert 0.7 <= seconds_of(samples, 880, rate) <= 1.1, f"{name} must hear the answer to its key"
    assert level(samples, VOICE, rate) < 0.01, f"{name} must never hear itself"
    assert level(np.concatenate(heard)[-8000:], VOICE) > 0.9, f"{name} must be heard"


async def answered(engine: TestEngine, number: str) -> Call:
    """The call to a number, once it was answered."""
    async with asyncio.timeout(15):
        while True:
            for call in engine.process.switchboard:
                if call.new.to == number and call.answered:
                    return call
            await asyncio.sleep(0.02)
