"""sipp calls a number, plays a tone and a key, and is hung up by the flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.interop.listening import WireEar
from tests.support.captures import tone_and_keys, write_pcap
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.tones import level, seconds_of

pytestmark = pytest.mark.interop

SCENARIO = Path("examples/phones/sipp-call.xml").absolute()
MENU = """
<Response>
  <Gather numDigits="1" timeout="10" action="/pressed"><Play loop="10">/tone-440.wav</Play></Gather>
</Response>
"""
PRESSED = "<Response><Play>/tone-880.wav</Play><Hangup/></Response>"


async def run_sipp(
    program: str, engine: TestEngine, folder: Path, service: str, media_port: int, port: int, capture: Path
) -> str:
    """One sipp call; returns what sipp wrote to its logs, asserts that it succeeded."""
    host, engine_port = engine.sip
    process = await asyncio.create_subprocess_exec(
        program, "-sf", str(SCENARIO), "-s", service, f"{host}:{engine_port}",
        "-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", str(media_port), "-p", str(port),
        "-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error", "-trace_err", "-key", "capture", str(capture),
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    errors = "".join(path.read_text() for path in folder.glob("*_errors.log"))
    assert process.returncode == 0, errors + output.decode(errors="replace")[-3000:]
    return errors


async def test_a_key_pressed_by_sipp_moves_the_flow_on_and_every_tone_is_heard(
    program: Callable[[str], str], raw_sockets: None, free_port: Callable[[], int], tmp_path: Path
) -> None:
    sipp = program("sipp")
    capture = tmp_path / "tone.pcap"
    write_pcap(capture, tone_and_keys(700, before=4.0, keys="5", after=1.5))
    media_port = free_port()
    heard_by_engine: list[NDArray[np.int16]] = []
    async with Flow({"/menu": MENU, "/pressed": PRESSED}) as flow, running_engine(tmp_path / "data") as engine:
        application = await engine.application(actionUrl=flow.url("/menu"))
        await engine.number("+15550100", application)

        async def listen_on_the_call() -> None:
            asked = await flow.wait_for("/menu")
            call = engine.process.switchboard.get(asked.form["CallSid"])
            assert call is not None
            while not call.answered:
                await asyncio.sleep(0.005)
            call.leg.session.tap(lambda frame: heard_by_engine.append(frame.copy()))

        listening = asyncio.create_task(listen_on_the_call())
        with WireEar(media_port) as ear:
            await run_sipp(sipp, engine, tmp_path, "15550100", media_port, free_port(), capture)
        await listening
        record = await engine.ended_call()
        pressed = await flow.wait_for("/pressed")

    assert pressed.form["Digits"] == "5"
    assert pressed.form["Step"] == "gather"
    assert flow.steps() == ["/menu", "/pressed"]

    at_sipp = ear.heard()
    assert seconds_of(at_sipp, 440) >= 1.2, "sipp must hear the menu's tone until the key"
    assert 0.9 <= seconds_of(at_sipp, 880) <= 1.1, "and after it the answer's, once"
    assert level(at_sipp, 700) < 0.01, "and never its own"

    at_engine = np.concatenate(heard_by_engine)
    assert seconds_of(at_engine, 700) >= 1.5
    assert level(at_engine, 440) < 0.01

    assert record["outcome"] == "answered"
    assert record["from"] == "+15550177"
    assert record["to"] == "+15550100"
    assert (record["hangupBy"], record["hangupCause"], record["sipCode"]) == ("platform", "normal", 200)
    assert record["applicationId"] == application["id"]
    assert record["destinationKind"] == "application"
    assert record["durationS"] in {4, 5, 6}
