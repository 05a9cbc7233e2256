"""The examples of both SDKs, as they are, with a running engine and real calls; and the first call of each README."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.api.test_event_schemas import problems
from tests.engine.receiver import receiving
from tests.sdk.nodejs import PACKAGE as NODE
from tests.sdk.nodejs import PYTHON_SOURCES, build, require_node, run_beside
from tests.support.callee import Callee, callees
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, a_phone
from tests.support.tones import read_wav, seconds_of

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

OWN: Final = "+12015550100"
LANGUAGES: Final = ("python", "node")
BEEP: Final = 1000.0
EXAMPLES: Final = {
    "python": ([sys.executable], PYTHON_SOURCES.parent / "examples", ".py"),
    "node": (["node"], NODE / "examples", ".mjs"),
}


@dataclass
class Example:
    """An example that runs; `lines` is what it has printed."""

    port: int
    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def ready(self) -> None:
        """Waits until it listens."""
        async with asyncio.timeout(60):
            while self.process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)
        raise AssertionError("the example has ended")

    async def reads(self, count: int) -> None:
        """Waits for so many lines of its output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while len(self.lines) < count:
                self.lines.append((await self.process.stdout.readline()).decode().rstrip())


@dataclass
class Stage:
    """An engine, the phones around it, and the servers of one language's examples, all of them running."""

    engine: TestEngine
    language: str
    desk: Callee
    phone: Phone
    folder: Path
    examples: dict[str, Example]

    def command(self, name: str) -> list[str]:
        run, folder, ending = EXAMPLES[self.language]
        return [*run, str(folder / f"{name}{ending}")]

    def environment(self, **further: str) -> dict[str, str]:
        first = self.engine.process.first_start
        assert first is not None
        given = {"VOYLO_API_URL": self.engine.process.bound.http, "VOYLO_API_KEY": first.api_key}
        return {**os.environ, "PYTHONPATH": str(PYTHON_SOURCES), **given, **further}

    async def serve(self, name: str, port: int, secret: str, **further: str) -> None:
        """Starts an example, which listens at `port`."""
        env = self.environment(SIGNING_SECRET=secret, PORT=str(port), **further)
        process = await asyncio.create_subprocess_exec(
            *self.command(name), cwd=EXAMPLES[self.language][1], env=env, stdout=asyncio.subprocess.PIPE
        )
        self.examples[name] = Example(port, process)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LANGUAGES)
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    if request.param == "node":
        require_node()
        await asyncio.to_thread(build)
    folder = tmp_path_factory.mktemp(request.param)
    async with running_engine(folder / "engine") as engine, callees(1) as (desk,), a_phone() as phone:
        desk.on_call = lambda call: call.answer(600)
        await engine.number(OWN, None, sip={"outbound": desk.carrier})
        stage = Stage(engine, request.param, desk, phone, folder, {})
        try:
            await start(stage)
            yield stage
        finally:
            for example in stage.examples.values():
                if example.process.returncode is None:
                    example.process.kill()
                await example.process.communicate()


async def start(stage: Stage) -> None:
    """Starts the examples that are servers, with an application or a webhook for each."""
    for name, number in (("ivr", "+12015550111"), ("voicemail", "+12015550112")):
        port = free_port()
        application = await stage.engine.application(name=name, actionUrl=f"http://127.0.0.1:{port}/")
        await stage.engine.number(number, application)
        further = {"DESK": stage.desk.uri, "MESSAGES": str(stage.folder)}
        await stage.serve(name, port, application["signingSecret"], **further)
    port = free_port()
    body = {"url": f"http://127.0.0.1:{port}/events", "events": ["call.placed", "call.answered", "call.completed"]}
    webhook = await stage.engine.post("/v1/webhooks", body)
    await stage.serve("webhooks", port, webhook["secret"])
    await asyncio.gather(*(example.ready() for example in stage.examples.values()))


async def test_a_call_is_placed_and_its_end_awaited_and_webhooks_tell_of_it(stage: Stage) -> None:
    async with receiving() as receiver:
        await stage.engine.post("/v1/webhooks", {"url": f"{receiver.base}/all", "events": ["*"]})
        said = await run_beside(
            *stage.command("place_call"), OWN, "+12015550123", cwd=stage.folder, env=stage.environment()
        )
        call = stage.desk.calls[-1]
        assert len(call.heard) > 4000
        placed, ended = said.splitlines()
        public_id = re.fullmatch(r"(cl_[0-9a-f]{12}) dialing", placed)
        assert public_id is not None
        assert re.fullmatch(r"answered after \d s of ringing, \d s of talk, ended by the platform", ended)
        told = stage.examples["webhooks"]
        await told.reads(3)
        printed = {line.split()[0]: line for line in told.lines}
        assert set(printed) == {"call.placed", "call.answered", "call.completed"}
        assert printed["call.placed"] == f"call.placed {public_id[1]} {OWN} to +12015550123"
        assert printed["call.completed"].endswith("ended by the platform")
        for received in await receiver.until(3):
            payload = json.loads(received.body)
            assert problems(payload["event"], payload) == []


async def test_the_menu_connects_the_caller_with_the_desk(stage: Stage) -> None:
    before = len(stage.desk.calls)
    call = stage.phone.call("+12015550111", stage.engine.sip)
    await call.answered()
    await call.press("1")
    await call.hung_up()
    assert len(stage.desk.calls) == before
    call = stage.phone.call("+12015550111", stage.engine.sip)
    await call.answered()
    call.say(440)
    await call.press("9")
    await call.press("2")
    await call.hears(600)
    await stage.desk.calls[-1].hears(440)
    stage.desk.calls[-1].incoming.hangup()
    await call.hung_up()


async def test_the_voicemail_keeps_what_the_caller_said(stage: Stage) -> None:
    call = stage.phone.call("+12015550112", stage.engine.sip, from_="+15550123")
    await call.answered()
    await call.hears(BEEP, 0.2)
    call.say(620, 1.0)
    await asyncio.sleep(1.2)
    await call.press("#")
    await call.hung_up()
    (message,) = stage.folder.glob("*.wav")
    assert message.name.startswith("+15550123-")
    samples, rate = read_wav(message)
    assert rate == 8000
    assert 0.7 <= seconds_of(samples, 620) <= 1.2


async def test_the_first_call_of_the_readme(stage: Stage) -> None:
    before = len(stage.desk.calls)
    fence, name, run = {"python": ("python", "first.py", [sys.executable]), "node": ("js", "first.mjs", ["node"])}[
        stage.language
    ]
    readme = (EXAMPLES[stage.language][1].parent / "README.md").read_text()
    code = re.search(rf"```{fence}\n(.*?)```", readme, re.DOTALL)
    assert code is not None
    lines = code[1].splitlines()
    assert len([line for line in lines if line]) <= 10
    env = stage.environment()
    text = code[1].replace("vlx_live_…", env["VOYLO_API_KEY"]).replace("http://127.0.0.1:8080", env["VOYLO_API_URL"])
    assert OWN in text
    folder = NODE / "examples" if stage.language == "node" else stage.folder
    path = folder / name
    path.write_text(text)
    try:
        said = await run_beside(*run, str(path), cwd=stage.folder, env=env)
    finally:
        path.unlink()
    assert re.fullmatch(r"cl_[0-9a-f]{12} dialing\n", said)
    record: Any = await stage.engine.ended_call()
    assert (record["publicId"], record["outcome"]) == (said.split()[0], "answered")
    assert len(stage.desk.calls) == before + 1
