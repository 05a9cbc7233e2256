"""Whole calls through the whole engine on one core: INVITE, 200, ACK, a short sound, BYE, the record and its events.

sipp makes the calls from the other core. Measured: the processor time of the engine for one call, a rate held for a
minute with the calls that failed in it and the memory before and after, and the time from INVITE to 200 at half of that
rate. Beside it, in the same run, the same calls to the SIP room alone, without flow, store and audio.
"""

from __future__ import annotations

import argparse
import csv
import functools
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.engine import Subject, bare_agent, started

RATE = 450
CPU_MS = 1.9
FAILED_SHARE = 0.001
SETUP_MS = 100.0
MEMORY_GROWTH_MB = 30.0
NUMBER = "+15550100"
SCENARIO = Path(__file__).with_name("sipp-calls.xml")
_WARM_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of sipp showed."""

    rate: int
    seconds: float
    calls: int
    failed: int
    cpu_ms: float
    setup_ms: tuple[float, ...]
    memory_before: float
    memory_after: float

    def percentile(self, share: float) -> float:
        """The set-up time in ms that this share of the calls did not exceed."""
        return self.setup_ms[min(len(self.setup_ms) - 1, int(share * len(self.setup_ms)))] if self.setup_ms else 0.0

    @property
    def held(self) -> float:
        """Calls a second that were really made."""
        return self.calls / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.rate:4} calls/s for {self.seconds:3.0f} s: {self.calls} made ({self.held:.0f}/s), "
            f"{self.failed} failed, "
            f"{self.cpu_ms:.2f} ms of CPU a call, set-up median {self.percentile(0.5):.1f} ms, "
            f"p99 {self.percentile(0.99):.1f} ms, memory {self.memory_before:.0f} -> {self.memory_after:.0f} MB"
        )


@contextmanager
def sound(folder: Path, seconds: float = 0.1) -> Iterator[str]:
    """The URL of a sound, silent and a tenth of a second long unless told, served on loopback."""
    with wave.open(str(folder / "short.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * round(seconds * 8000)))
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/short.wav"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def make_calls(engine: Subject, rate: int, seconds: float, core: int, *, setup: bool, scenario: Path = SCENARIO) -> Run:
    """Let sipp make calls at a rate, in calls a second."""
    with tempfile.TemporaryDirectory() as folder:
        calls = round(rate * seconds)
        arguments = [
            "sipp", "-sf", str(scenario), "-s", NUMBER, engine.sip, "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-r", str(rate), "-m", str(calls), "-l", str(rate * 20), "-nostdin", "-timeout", f"{seconds * 2 + 40:.0f}s",
            "-trace_stat", "-fd", "1", *(("-trace_rtt", "-rtt_freq", "1000") if setup else ()),
        ]  # fmt: skip
        cpu, memory = engine.cpu_seconds(), engine.megabytes()
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.sched_setaffinity(process.pid, {core})
        began = time.monotonic()
        process.wait()
        took = time.monotonic() - began
        time.sleep(1.0)  # the last records are still being written
        cpu = engine.cpu_seconds() - cpu
        made, failed = _statistics(Path(folder))
        return Run(
            rate=rate,
            seconds=took,
            calls=made,
            failed=failed,
            cpu_ms=cpu / max(made, 1) * 1000,
            setup_ms=_setup_times(Path(folder)) if setup else (),
            memory_before=memory,
            memory_after=engine.megabytes(),
        )


def _statistics(folder: Path) -> tuple[int, int]:
    path = next(path for path in folder.glob("*.csv") if "rtt" not in path.name)
    with path.open() as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])


def _setup_times(folder: Path) -> tuple[float, ...]:
    times: list[float] = []
    for path in folder.glob("*rtt*.csv"):
        times += [float(line.split(";")[1]) for line in path.read_text().splitlines()[1:]]
    return tuple(sorted(times))


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures; skipped with a word where sipp is not installed."""
    if shutil.which("sipp") is None:
        print("sipp is not installed (Debian: sip-tester): skipped")
        return {"skipped": "sipp"}
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, sound(Path(folder)) as url:
        data = Path(folder) / "data"
        with started(data, core=cores[0], VOYLO_MEDIA__RTP_PORTS="20000-29999") as engine:
            engine.route(NUMBER, f"<Response><Play>{url}</Play></Response>")
            make_calls(engine, 50, _WARM_SECONDS, cores[-1], setup=False)
            half = make_calls(engine, RATE // 2, 5 if quick else 20, cores[-1], setup=True)
            print(half, flush=True)
            full = make_calls(engine, RATE, 10 if quick else 60, cores[-1], setup=True)
            print(full, flush=True)
    with bare_agent(cores[0]) as subject:
        make_calls(subject, 50, _WARM_SECONDS, cores[-1], setup=False)
        bare = make_calls(subject, RATE // 2, 5 if quick else 20, cores[-1], setup=True)
    print(f"SIP alone: {bare}")
    print(f"a call costs {half.cpu_ms / bare.cpu_ms:.1f} times the CPU of its signalling alone")
    missed = [
        text
        for text, wrong in (
            (f"CPU of a call: at most {CPU_MS} ms", full.cpu_ms > CPU_MS),
            (f"failed: under {100 * FAILED_SHARE:g} %", full.failed > full.calls * FAILED_SHARE),
            (f"held: {RATE} calls a second", full.held < RATE * 0.97),
            (f"set-up at half the rate, p99: under {SETUP_MS:g} ms", half.percentile(0.99) >= SETUP_MS),
            (f"memory: flat within {MEMORY_GROWTH_MB:g} MB", full.memory_after - full.memory_before > MEMORY_GROWTH_MB),
        )
        if wrong
    ]
    for text in missed:
        print(f"missed  {text}")
    return {
        "cpu_ms": full.cpu_ms,
        "signalling_cpu_ms": bare.cpu_ms,
        "calls": full.calls,
        "failed": full.failed,
        "held": full.held,
        "setup_p99_ms": half.percentile(0.99),
        "memory_growth_mb": full.memory_after - full.memory_before,
        "missed": bool(missed),
    }


def main() -> None:
    """`python -m bench.calls --rate R --seconds S`: one rate, for finding the limit."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, sound(Path(folder)) as url:
        environment = {"VOYLO_MEDIA__RTP_PORTS": "20000-29999"}
        with started(Path(folder) / "data", core=cores[0], **environment) as engine:
            engine.route(NUMBER, f"<Response><Play>{url}</Play></Response>")
            make_calls(engine, 50, _WARM_SECONDS, cores[-1], setup=False)
            print(make_calls(engine, arguments.rate, arguments.seconds, cores[-1], setup=True))


if __name__ == "__main__":
    main()
