"""The engine calls phones that nobody here wrote: baresip and sipp play a number's carrier (contract §6.1, §14.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip_phone import baresip
from tests.interop.phones import VOICE
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.tones import read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

FROM = "+15550100"
TO = "+201091447677"
MENU = '<Response><Gather numDigits="1" action="/pressed"><Play loop="0">/tone-440.wav</Play></Gather></Response>'
PRESSED = "<Response><Play>/tone-880.wav</Play><Hangup/></Response>"


@pytest.fixture
async def engine(tmp_path: Path):
    async with running_engine(tmp_path / "data") as started:
        yield started


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_baresip_is_called_hears_the_flow_and_presses_a_key(
    engine: TestEngine, tmp_path: Path, program: Callable[[str], str], free_port: Callable[[], int], codec: str
) -> None:
    tone = tmp_path / "voice.wav"
    tone.write_bytes(wav(sine(VOICE, 60)))
    phone = baresip(program("baresip"), tmp_path / "phone", free_port, tone, user=TO, codec=codec, answers="auto")
    async with Flow({"/menu": MENU, "/pressed": PRESSED}) as flow, phone as called:
        application = await engine.application(actionUrl=flow.url("/menu"))
        carrier = {"host": "127.0.0.1", "port": called.sip[1], "codecs": [codec]}
        await engine.number(FROM, None, sip={"outbound": carrier})
        await engine.post("/v1/calls", {"from": FROM, "to": TO, "applicationId": application["id"]}, 202)
        await called.wait_for("CALL_ESTABLISHED")
        # Long enough on a busy machine to have heard half a second of the menu.
        await asyncio.sleep(2.0)
        await called.press("5")
        pressed = await flow.wait_for("/pressed")
        await called.wait_for("CALL_CLOSED")
        record = await engine.ended_call()
        heard, _ = read_wav(called.heard())
    assert pressed.form["Digits"] == "5"
    assert (pressed.form["Direction"], pressed.form["From"], pressed.form["To"]) == ("outbound", FROM, TO)
    assert seconds_of(heard, 440) > 0.5
    assert seconds_of(heard, 880) > 0.5
    assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "platform", 200)


async def test_sipp_answers_and_is_hung_up(
    engine: TestEngine, tmp_path: Path, program: Callable[[str], str], free_port: Callable[[], int]
) -> None:
    port = free_port()
    sipp = await asyncio.create_subprocess_exec(
        program("sipp"), "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin", "-timeout", "20s",
        cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    application = await engine.application(xmlTemplate='<Response><Pause length="1"/></Response>')
    await engine.number(FROM, None, sip={"outbound": {"host": "127.0.0.1", "port": port}})
    await engine.post("/v1/calls", {"from": FROM, "to": TO, "applicationId": application["id"]}, 202)
    record = await engine.ended_call()
    async with asyncio.timeout(15):
        assert await sipp.wait() == 0
    assert (record["outcome"], record["hangupBy"], record["durationS"]) == ("answered", "platform", 1)
