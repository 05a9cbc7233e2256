"""sipsak asks the engine what it can do, and floods it while a phone talks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.interop.baresip_phone import baresip
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.tones import read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

FLOOD = 40_000  # requests of one run; most of them find the socket's buffer full
FLOOD_SECONDS = 2.5
GREETING = "<Response><Play>/tone-440.wav</Play><Redirect>/menu</Redirect></Response>"
MENU = """
<Response>
  <Gather numDigits="1" timeout="30" action="/pressed"><Play loop="60">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = "<Response><Hangup/></Response>"


async def sipsak(program: str, engine: TestEngine, *arguments: str, seconds: float = 20) -> tuple[int, str]:
    """Runs sipsak against the engine; its exit status and what it printed."""
    host, port = engine.sip
    process = await asyncio.create_subprocess_exec(
        program, *arguments, "-s", f"sip:probe@{host}:{port}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


async def test_options_tells_what_the_engine_can_do(program: Callable[[str], str], tmp_path: Path) -> None:
    path = program("sipsak")
    async with running_engine(tmp_path / "data") as engine:
        status, said = await sipsak(path, engine, "-vv")
    assert status == 0, said
    lines = said.splitlines()
    assert "SIP/2.0 200 OK" in lines
    fields = {name: value for name, colon, value in (line.partition(": ") for line in lines) if colon}
    methods = set(fields["Allow"].replace(" ", "").split(","))
    assert {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "REFER", "INFO"} <= methods
    assert {"100rel", "replaces", "timer"} <= set(fields["Supported"].replace(" ", "").split(","))
    assert "application/sdp" in fields["Accept"]


async def test_a_flood_of_options_costs_a_call_none_of_its_audio(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    sipsak_path = program("sipsak")
    tone = tmp_path / "voice.wav"
    tone.write_bytes(wav(sine(1000, 60)))
    async with (
        Flow({"/greeting": GREETING, "/menu": MENU, "/pressed": PRESSED}) as flow,
        running_engine(tmp_path / "data") as engine,
        baresip(program("baresip"), tmp_path / "phone", free_port, tone) as phone,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/greeting")))
        host, port = engine.sip
        await phone.dial(f"sip:15550100@{host}:{port}")
        await phone.wait_for("CALL_ESTABLISHED")
        (call,) = engine.process.switchboard
        session = call.leg.session
        await flow.wait_for("/menu")
        greeted = session.statistics().packets_in
        async with asyncio.timeout(5):
            while session.statistics().packets_in < greeted + 25:
                await asyncio.sleep(0.02)
        counters = engine.process.user_agent.statistics
        loop = asyncio.get_running_loop()
        read, before, began = counters.messages_received, session.statistics(), loop.time()
        while loop.time() < began + FLOOD_SECONDS:
            await sipsak(sipsak_path, engine, "-F", "-e", str(FLOOD))
        after, lasted = session.statistics(), loop.time() - began
        read = counters.messages_received - read
        await phone.press("7")
        pressed = await flow.wait_for("/pressed")
        await phone.wait_for("CALL_CLOSED")
        record = await engine.ended_call()
    assert pressed.form["Digits"] == "7"
    assert record["outcome"] == "answered"
    assert read >= 1_000, "a flood"
    assert (after.lost, after.late, after.concealed_ms) == (0, 0, 0.0)
    for sent in (after.packets_in - before.packets_in, after.packets_out - before.packets_out):
        assert abs(sent - 50 * lasted) <= 5
    samples, rate = read_wav(phone.heard())
    last = np.flatnonzero(np.abs(samples) > 1000)[-1]
    meanwhile = samples[last - round(lasted * rate) : last]
    assert seconds_of(meanwhile, 440, rate) >= lasted - 0.15, "the tone has no hole, but for its ragged ends"
