"""Calls that play audio while the API is asked 500 times a second and the store writes, all of it on one core.

sipp begins the calls, to sockets of the load generator's, which then sends to each call and takes and times each of its
packets, as for the media kernel alone. Four of five requests read a call, the fifth changes an application. The same
calls are measured without requests before. Nothing may be lost, and 99.9 % of the gaps are to be under 30 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.api import FEW, UNLIMITED, fill
from bench.calls import NUMBER, SCENARIO, sound
from bench.engine import Engine, started
from bench.generator import (
    GROUPS,
    LAST_ARRIVAL,
    LONGEST,
    LOST,
    RECEIVED,
    SECOND,
    SOCKETS,
    UNSTEADY,
    Load,
    bind_sockets,
    generate,
    prepare,
)
from bench.kernel import LATE_SHARE
from bench.paced import paced
from media.kernel.layout import allocate
from media.kernel.limits import raise_descriptor_limit

CALLS = 512
REQUESTS_PER_SECOND = 500
_WRITES = 5
_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Heard:
    """What the far ends of the calls saw in one stretch of time, and how the API answered meanwhile, in ms."""

    calls: int
    received: int
    lost: int
    unsteady: int
    longest_ms: float
    cpu_share: float
    answers_ms: list[float]

    @property
    def steady(self) -> bool:
        """Whether the calls were served as they have to be."""
        return not self.lost and self.received > 0 and self.unsteady / self.received < LATE_SHARE

    def __str__(self) -> str:
        asked = ""
        if self.answers_ms:
            p99 = self.answers_ms[int(len(self.answers_ms) * 0.99)]
            asked = f", {len(self.answers_ms)} requests, p99 {p99:.1f} ms"
        return (
            f"{self.calls} calls, {self.received} packets, {self.lost} lost, "
            f"{100 * self.unsteady / max(self.received, 1):.3f} % of gaps over 30 ms, "
            f"longest {self.longest_ms:.1f} ms, engine {self.cpu_share:.0%} of its core{asked}"
        )


class FarEnds:
    """The load generator as the far ends of calls that somebody else begins."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self._loads: Any = allocate(Load, 1)
        self._load = self._loads[0]
        # Compiled before anything is measured.
        self._load["stop"] = 1
        generate(self._loads)
        self._load["stop"] = 0
        self._load["sockets"] = SOCKETS
        self._sockets = bind_sockets(self._load, SOCKETS, _BUFFER_BYTES)
        self._thread: threading.Thread | None = None

    @property
    def ports(self) -> list[int]:
        """Where the calls are to send; each port gets as many of them."""
        return [sock.getsockname()[1] for sock in self._sockets]

    def answer(self) -> None:
        """Learn where each call sends from, and send there from now on. Raises RuntimeError where calls are silent."""
        sources = [port for sock in self._sockets for port in self._heard(sock)]
        prepare(self._load, self.calls, lambda index: sources[index])
        self._load["call_of_port"][:] = -1
        for index, port in enumerate(sources):
            self._load["call_of_port"][port] = index
        self._thread = threading.Thread(target=generate, args=(self._loads,))
        self._thread.start()

    def _heard(self, sock: socket.socket) -> list[int]:
        expected = self.calls // SOCKETS
        sources: dict[int, None] = {}
        until = time.monotonic() + 10
        while len(sources) < expected and time.monotonic() < until:
            try:
                sources[sock.recvfrom(2048)[1][1]] = None
            except BlockingIOError:
                time.sleep(0.002)
        if len(sources) < expected:
            raise RuntimeError(f"{len(sources)} of {expected} calls are heard")
        return list(sources)

    def begin(self, seconds: float) -> None:
        """Count anew, for so many seconds from now."""
        now = time.monotonic_ns()
        table = self._load["table"]
        self._load["measure_from"] = now + 10 * SECOND
        for column in (RECEIVED, LOST, UNSTEADY, LONGEST):
            table[:, column] = 0
        self._load["measure_to"] = now + round(seconds * SECOND)
        self._load["measure_from"] = now

    def heard(self, cpu_share: float, answers_ms: list[float]) -> Heard:
        """What there was since `begin`. Raises RuntimeError where a call was not heard at all."""
        table = self._load["table"][: self.calls]
        if (table[:, RECEIVED] == 0).any() or (table[:, LAST_ARRIVAL] == 0).any():
            raise RuntimeError(f"{int((table[:, RECEIVED] == 0).sum())} calls were silent")
        return Heard(
            self.calls,
            int(table[:, RECEIVED].sum()),
            int(table[:, LOST].sum()),
            int(table[:, UNSTEADY].sum()),
            float(table[:, LONGEST].max()) / 1e6,
            cpu_share,
            answers_ms,
        )

    def close(self) -> None:
        """End it."""
        self._load["stop"] = 1
        if self._thread is not None:
            self._thread.join()
        for sock in self._sockets:
            sock.close()


@contextmanager
def calls_to(engine: Engine, ports: list[int], each: int, core: int) -> Iterator[None]:
    """So many calls whose audio goes to each of some ports, as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        for port in ports:
            scenario = Path(folder) / f"{port}.xml"
            scenario.write_text(SCENARIO.read_text().replace("[media_port]", str(port)))
            command = [
                "sipp", "-sf", str(scenario), "-s", NUMBER, engine.sip, "-i", "127.0.0.1", "-mi", "127.0.0.1",
                "-r", "8", "-m", str(each), "-l", str(each), "-nostdin",
            ]  # fmt: skip
            process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ends.callback(process.wait)
            ends.callback(process.kill)
            os.sched_setaffinity(process.pid, {core})
        time.sleep(each / 8 + 3)
        yield


async def ask(engine: Engine, application: str, call: str, seconds: float) -> list[float]:
    """Ask at the fixed rate; how long each answer took, in ms, from when its request was due."""

    def request(session: aiohttp.ClientSession, number: int) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if number % _WRITES:
            return session.get(f"{engine.http}/v1/calls/{call}")
        return session.patch(f"{engine.http}/v1/applications/{application}", json={"name": f"bench {number}"})

    return await paced(request, per_second=REQUESTS_PER_SECOND, seconds=seconds, status=200)


def measure(calls: int, seconds: float) -> tuple[Heard, Heard]:
    """So many calls, in whole units of the generator's, without requests and with them."""
    unit = SOCKETS * GROUPS
    calls = -(-calls // unit) * unit
    cores = sorted(os.sched_getaffinity(0))
    raise_descriptor_limit(4096)
    with tempfile.TemporaryDirectory() as name, ExitStack() as ends:
        folder = Path(name)
        with started(folder / "data", core=cores[0], **UNLIMITED) as engine:
            workspace = str(engine.get("/v1/workspaces")[0]["id"])
        call = fill(folder / "data", workspace, FEW)
        engine = ends.enter_context(started(folder / "data", core=cores[0], **UNLIMITED))
        os.sched_setaffinity(0, {cores[-1]})
        ends.callback(os.sched_setaffinity, 0, set(cores))
        url = ends.enter_context(sound(folder, 2.0, 8000))
        engine.route(NUMBER, f'<Response><Play loop="0">{url}</Play></Response>')
        application = str(engine.post("/v1/applications", {"name": "bench", "xmlTemplate": "<Response/>"})["id"])
        far = FarEnds(calls)
        ends.callback(far.close)
        ends.enter_context(calls_to(engine, far.ports, calls // SOCKETS, cores[-1]))
        far.answer()
        time.sleep(2.0)

        def stretch(*, asked: bool) -> Heard:
            far.begin(seconds)
            cpu = engine.cpu_seconds()
            answers: list[float] = []
            if asked:
                answers = asyncio.run(ask(engine, application, call, seconds))
            else:
                time.sleep(seconds)
            return far.heard((engine.cpu_seconds() - cpu) / seconds, answers)

        return stretch(asked=False), stretch(asked=True)


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures; skipped with a word where sipp is not installed."""
    if shutil.which("sipp") is None:
        print("sipp is not installed (Debian: sip-tester): skipped")
        return {"skipped": "sipp"}
    alone, beside = measure(CALLS // (4 if quick else 1), 5.0 if quick else 20.0)
    print(f"alone:            {alone}")
    print(f"beside requests:  {beside}")
    print(
        f"limited by the engine's one core, {beside.cpu_share:.0%} of it taken: the media thread goes first, "
        "so it is the requests that wait"
    )
    missed = [] if beside.steady else [f"{beside.calls} calls beside {REQUESTS_PER_SECOND} requests a second: {beside}"]
    for text in missed:
        print(f"missed  {text}")
    return {
        "calls": beside.calls,
        "lost": beside.lost,
        "unsteady_share": beside.unsteady / max(beside.received, 1),
        "longest_gap_ms": round(beside.longest_ms, 1),
        "longest_gap_alone_ms": round(alone.longest_ms, 1),
        "missed": missed,
    }


def main() -> None:
    """`python -m bench.beside --calls N --seconds S`: another number of calls, for finding the limit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    for heard in measure(arguments.calls, arguments.seconds):
        print(heard)
    sys.exit(0)


if __name__ == "__main__":
    main()
