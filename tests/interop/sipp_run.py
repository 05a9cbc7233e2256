"""Runs a sipp scenario of tests/interop/sipp to its end; of one that fails, sipp's words and messages are shown."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sip import SipUri

SCENARIOS = Path(__file__).parent / "sipp"
SECONDS = 15
"""After so long sipp gives up, and its scenario counts as failed."""

SHOWN_CHARS = 8000


class Sipp:
    """One sipp after another, each with a port of its own.

    A scenario is strict: a message that it does not expect, or one that its `ereg` does not like, fails the call, and
    with it the test. Options go to sipp as they are; `-nr` shows a scenario every repetition instead of hiding them.
    """

    def __init__(self, program: str, folder: Path, free_port: Callable[[], int]) -> None:
        self._program = program
        self._folder = folder
        self._free_port = free_port
        self._numbers = itertools.count(1)

    async def calls(self, scenario: str, remote: tuple[str, int], *options: str) -> None:
        """Have sipp begin, towards a user agent at `remote`, and wait for its end."""
        run = await self._start(scenario, self._free_port(), *options, f"{remote[0]}:{remote[1]}")
        await run.finish()

    @asynccontextmanager
    async def waits(self, scenario: str, *options: str, transport: str = "udp") -> AsyncIterator[SipUri]:
        """A sipp that waits for a call at the URI given; the end of the block waits for the end of its scenario."""
        port = self._free_port()
        run = await self._start(scenario, port, *options)
        try:
            await run.listening(transport, port)
            yield SipUri("sip", "sipp", host="127.0.0.1", port=port)
        except BaseException as error:
            await run.kill()
            error.add_note(run.report())
            raise
        await run.finish()

    async def _start(self, scenario: str, port: int, *arguments: str) -> Run:
        folder = self._folder / f"{next(self._numbers)}-{scenario}"
        folder.mkdir()
        process = await asyncio.create_subprocess_exec(
            self._program, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port),
            "-m", "1", "-r", "1000", "-nostdin", "-timeout", f"{SECONDS}s", "-timeout_error",
            "-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log", *arguments,
            cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return Run(scenario, folder, process)


class Run:
    """A sipp that runs."""

    def __init__(self, scenario: str, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.scenario = scenario
        self._folder = folder
        self._process = process
        self._stderr = asyncio.create_task(self._read())

    async def listening(self, transport: str, port: int) -> None:
        """Wait until its socket is open: there is no other sign that it is ready."""
        table = Path("/proc/net") / transport
        while f"0100007F:{port:04X} " not in table.read_text():
            assert self._process.returncode is None, self.report()
            await asyncio.sleep(0.002)

    async def finish(self) -> None:
        """Wait for its end, which has to be a good one."""
        try:
            await self._process.wait()
        except BaseException:
            await self.kill()
            raise
        await self._stderr
        assert self._process.returncode == 0, self.report()

    async def kill(self) -> None:
        """End it now."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._stderr

    def report(self) -> str:
        """What it said, and what it sent and received."""
        said = self._stderr.result() if self._stderr.done() and not self._stderr.cancelled() else b""
        texts = [said.decode(errors="replace")]
        for name in ("errors.log", "messages.log"):
            path = self._folder / name
            if path.exists():
                texts.append(path.read_text(errors="replace")[-SHOWN_CHARS:])
        return "\n".join([f"sipp {self.scenario} ended with {self._process.returncode}", *texts])

    async def _read(self) -> bytes:
        assert self._process.stderr is not None
        return await self._process.stderr.read()
