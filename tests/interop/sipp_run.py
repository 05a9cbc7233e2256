"""Runs a sipp scenario of tests/interop/sipp to its end; of one that fails, sipp's words and messages are shown."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sip import Request, Response, SipUri
from sip.message import parse_message

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
        async with self.calling(scenario, remote, *options):
            pass

    @asynccontextmanager
    async def calling(self, scenario: str, remote: tuple[str, int], *options: str) -> AsyncIterator[None]:
        """Have sipp begin; the end of the block waits for the end of its scenario."""
        run = await self._start(scenario, self._free_port(), *options, f"{remote[0]}:{remote[1]}")
        async with run.attended():
            yield

    @asynccontextmanager
    async def waits(self, scenario: str, *options: str, transport: str = "udp") -> AsyncIterator[SipUri]:
        """A sipp that waits for a call at the URI given; the end of the block waits for the end of its scenario."""
        port = self._free_port()
        run = await self._start(scenario, port, *options)
        async with run.attended():
            await run.listening(transport, port)
            yield SipUri("sip", "sipp", host="127.0.0.1", port=port)

    def received(self, scenario: str) -> list[Request | Response]:
        """What the newest sipp of this scenario has received, in order, once it has ended."""
        folder = max(self._folder.glob(f"*-{scenario}"), key=lambda it: int(it.name.partition("-")[0]))
        log = (folder / "messages.log").read_bytes()
        heads = re.finditer(rb" message received \[(\d+)\] bytes :\n\n", log)
        return [parse_message(log[head.end() : head.end() + int(head[1])]) for head in heads]

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
        self._scenario = scenario
        self._folder = folder
        self._process = process

    async def listening(self, transport: str, port: int) -> None:
        """Wait until its socket is open: there is no other sign that it is ready."""
        table = Path("/proc/net") / transport
        while f"0100007F:{port:04X} " not in table.read_text():
            await asyncio.sleep(0.002)

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Wait for its good end after the block. A bad one ends the block at once; a block that fails ends sipp."""
        waiting = asyncio.current_task()
        assert waiting is not None
        inside = True
        watching = asyncio.create_task(self._process.communicate())

        def ended(_watching: asyncio.Task[tuple[bytes, bytes]]) -> None:
            if inside and self._process.returncode:
                waiting.cancel()

        watching.add_done_callback(ended)
        try:
            yield
            inside = False
            _, said = await watching
            assert self._process.returncode == 0, self._report(said)
        except BaseException as error:
            failed = inside and watching.done()
            inside = False
            if self._process.returncode is None:
                self._process.kill()
            _, said = await watching
            if not failed or not isinstance(error, asyncio.CancelledError):
                error.add_note(self._report(said))
                raise
            waiting.uncancel()
            raise AssertionError(self._report(said)) from None

    def _report(self, said: bytes) -> str:
        """What it said, and what it sent and received."""
        texts = [f"sipp {self._scenario} ended with {self._process.returncode}", said.decode(errors="replace")]
        for name in ("errors.log", "messages.log"):
            path = self._folder / name
            if path.exists():
                texts.append(path.read_text(errors="replace")[-SHOWN_CHARS:])
        return "\n".join(texts)
