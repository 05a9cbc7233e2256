"""pyVoIP, run as a program of its own, calls a number, is heard, hears, and hangs up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.tones import level, read_wav, seconds_of

pytestmark = pytest.mark.interop

SCRIPT = Path(__file__).parent / "pyvoip_call.py"


async def test_pyvoip_hears_the_prompt_is_heard_and_hangs_up(
    pyvoip_python: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    heard_file = tmp_path / "heard.wav"
    heard_by_engine: list[NDArray[np.int16]] = []
    document = '<Response><Play loop="0">/tone-440.wav</Play></Response>'
    async with Flow({"/menu": document}) as flow, running_engine(tmp_path / "data") as engine:
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/menu")))
        arguments = [str(engine.sip[1]), str(free_port()), "15550100", str(free_port()), "1000", "3", str(heard_file)]
        process = await asyncio.create_subprocess_exec(
            str(pyvoip_python), str(SCRIPT), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        asked = await flow.wait_for("/menu")
        call = engine.process.switchboard.get(asked.form["CallSid"])
        assert call is not None
        while not call.answered:
            await asyncio.sleep(0.005)
        call.leg.session.tap(lambda frame: heard_by_engine.append(frame.copy()))
        output, errors = await process.communicate()
        record = await engine.ended_call()

    result = json.loads(output.splitlines()[-1]) if output.strip() else {}
    assert result.get("answered"), errors.decode(errors="replace")[-2000:]
    samples, rate = read_wav(heard_file)
    assert seconds_of(samples, 440, rate) >= 1.5, "pyVoIP must hear the prompt"
    assert level(samples, 1000, rate) < 0.01
    at_engine = np.concatenate(heard_by_engine)
    assert seconds_of(at_engine, 1000) >= 1.5, "the engine must hear pyVoIP"
    assert level(at_engine, 440) < 0.01
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "caller", "normal")
