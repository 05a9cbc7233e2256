"""baresip calls a number, hears the flow's tones, presses a key, and is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.interop.baresip_phone import baresip
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.tones import level, read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

MENU = """
<Response>
  <Gather numDigits="1" timeout="10" action="/pressed"><Play loop="10">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = "<Response><Play>/tone-880.wav</Play><Hangup/></Response>"


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_baresip_hears_the_menu_presses_a_key_and_is_heard(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path, codec: str
) -> None:
    path = program("baresip")
    tone = tmp_path / "tone.wav"
    tone.write_bytes(wav(sine(1000, 30)))
    heard_by_engine: list[NDArray[np.int16]] = []
    async with (
        Flow({"/menu": MENU, "/pressed": PRESSED}) as flow,
        running_engine(tmp_path / "data") as engine,
        baresip(path, tmp_path / "anna", free_port, tone, codec=codec) as phone,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
        host, port = engine.sip
        await phone.command("dial", f"sip:15550100@{host}:{port}")
        await phone.wait_for("CALL_ESTABLISHED")
        (call,) = engine.process.switchboard
        call.leg.session.tap(lambda frame: heard_by_engine.append(frame.copy()))
        await flow.wait_for("/tone-440.wav")
        await asyncio.sleep(2.5)  # the first prompt waits for the process that decodes it
        await phone.command("sndcode", "7")
        pressed = await flow.wait_for("/pressed")
        await phone.wait_for("CALL_CLOSED")
        record = await engine.ended_call()
        negotiated = call.leg.negotiated

    assert negotiated is not None and negotiated.codec.name == codec
    assert pressed.form["Digits"] == "7"
    samples, rate = read_wav(phone.heard())
    assert seconds_of(samples, 440, rate) >= 1.0, "baresip must hear the menu's tone"
    assert 0.8 <= seconds_of(samples, 880, rate) <= 1.1, "then the answer's"
    assert level(samples, 1000, rate) < 0.01, "and never its own"
    at_engine = np.concatenate(heard_by_engine)
    assert seconds_of(at_engine, 1000) >= 1.0
    assert level(at_engine, 440) < 0.01
    assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "platform", 200)


async def test_a_phone_with_the_numbers_credentials_is_let_in_and_one_without_is_not(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    path = program("baresip")
    tone = tmp_path / "tone.wav"
    tone.write_bytes(wav(sine(1000, 30)))
    flow_document = "<Response><Play>/tone-880.wav</Play></Response>"
    async with Flow({"/menu": flow_document}) as flow, running_engine(tmp_path / "data") as engine:
        application = await engine.application(actionUrl=flow.url("/menu"))
        auth = {"auth": {"username": "anna", "password": "correct-horse"}}
        await engine.number("+15550100", application, sip=auth)
        host, port = engine.sip
        async with baresip(path, tmp_path / "bad", free_port, tone, user="anna", password="wrong-horse") as phone:
            await phone.command("dial", f"sip:15550100@{host}:{port}")
            closed = await phone.wait_for("CALL_CLOSED")
            assert "403" in closed["param"]
        assert await engine.calls() == []
        async with baresip(path, tmp_path / "good", free_port, tone, user="anna", password="correct-horse") as phone:
            await phone.command("dial", f"sip:15550100@{host}:{port}")
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.wait_for("CALL_CLOSED")
            record = await engine.ended_call()
    assert record["outcome"] == "answered"
