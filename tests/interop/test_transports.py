"""Phones and load tools that nobody here wrote, over TCP: calls by sipp, registration by baresip (contract §14)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip_phone import baresip
from tests.support.engine import TestEngine, running_engine
from tests.support.tones import sine, wav

pytestmark = pytest.mark.interop

SCENARIO = Path("bench/sipp-calls.xml").absolute()


async def registered(engine: TestEngine, agent_id: str, *, wanted: bool) -> None:
    """Wait until the agent shows as registered, or not any more."""
    async with asyncio.timeout(20):
        while True:
            response = await engine.client.get(f"/v1/agents/{agent_id}")
            if response.json()["registered"] is wanted:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_registers_as_an_agent_and_unregisters_when_it_quits(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path, transport: str
) -> None:
    baresip_program = program("baresip")
    tone = tmp_path / "tone.wav"
    tone.write_bytes(wav(sine(1000, 5)))
    async with running_engine(tmp_path / "data", sip={"tcp": "127.0.0.1:0"}) as engine:
        agent = await engine.post("/v1/agents", {"email": "anna@example.com"})
        host, port = engine.process.user_agent.bound[transport][0]
        async with baresip(
            baresip_program, tmp_path / "phone", free_port, tone, user="anna", password=agent["password"],
            registrar=f"{host}:{port}", transport=transport,
        ):  # fmt: skip
            await registered(engine, agent["id"], wanted=True)
            (binding,) = engine.process.account_registrations.bindings(agent["id"])
            assert binding.source.transport == transport
        await registered(engine, agent["id"], wanted=False)


async def test_sipp_calls_over_tcp_and_is_hung_up(
    program: Callable[[str], str], free_port: Callable[[], int], tmp_path: Path
) -> None:
    sipp = program("sipp")
    async with running_engine(tmp_path / "data", sip={"tcp": "127.0.0.1:0"}) as engine:
        application = await engine.application(xmlTemplate='<Response><Play digits="w"/></Response>')
        await engine.number("+15550100", application)
        host, port = engine.process.user_agent.bound["tcp"][0]
        process = await asyncio.create_subprocess_exec(
            sipp, "-sf", str(SCENARIO), "-s", "+15550100", f"{host}:{port}", "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-p", str(free_port()), "-t", "t1", "-m", "10", "-r", "10", "-nostdin", "-timeout", "30s",
            "-timeout_error", "-trace_err",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        errors = "".join(path.read_text() for path in tmp_path.glob("*_errors.log"))
        assert process.returncode == 0, errors + output.decode(errors="replace")[-3000:]
        await engine.ended_call()
        calls = await engine.calls()
        assert len(calls) == 10
        assert {(call["outcome"], call["hangupBy"]) for call in calls} == {("answered", "platform")}
        assert engine.process.user_agent.transaction_counters.retransmissions_sent == 0
