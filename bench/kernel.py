"""The media kernel alone, on one core: prompt playback and reception of G.711, against a generator on another core.

Measured in one run: how many calls the kernel carries beside one asyncio task per call; the CPU of the kernel per call
and second beside a loop of bare system calls that sends and receives the same packets; the same calls in SRTP; loss,
and lateness of more than 20 ms. A number of calls is carried when nothing is lost and 99.9 % of the gaps between
packets are under 30 ms.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.generator import GENERATOR_KEY, GROUPS, SECOND, SOCKETS, SUBJECT_KEY, measured_cpu, say, when_ready
from media import MediaConfig, MediaPlane, MediaSession, PromptAudio, SrtpParameters, StreamParameters
from media.kernel.keys import SUITES

CALLS_RATIO = 8.0
CALLS = 2000
CPU_RATIO = 1.4
CPU_MS = 0.45
LATE_SHARE = 0.001
SRTP_CALLS = 900

_PROJECT = Path(__file__).parents[1]
_UNIT = SOCKETS * GROUPS
_SETTLE_SECONDS = 1.5
_PACKETS_PER_SECOND = 50
_ATTEMPTS = 3
# Where the CPU is compared: far from the limit of either.
_CPU_CALLS = 2016


@dataclass(frozen=True, slots=True)
class Measurement:
    """One subject under so many calls: its CPU per call and second in ms, and what its far end saw."""

    subject: str
    calls: int
    seconds: float
    cpu_ms: float
    received: int
    lost: int
    late: int
    unsteady: int
    silent: int
    longest_ms: float
    overruns: int

    @property
    def late_share(self) -> float:
        """The share of gaps longer than 40 ms."""
        return self.late / max(self.received, 1)

    @property
    def unsteady_share(self) -> float:
        """The share of gaps longer than 30 ms."""
        return self.unsteady / max(self.received, 1)

    @property
    def carried(self) -> bool:
        """Whether the calls were served as they have to be."""
        due = self.calls * self.seconds * _PACKETS_PER_SECOND
        return not self.lost and not self.silent and self.unsteady_share < LATE_SHARE and self.received > due * 0.99

    def __str__(self) -> str:
        return (
            f"{self.subject:16} {self.calls:5} calls  {self.cpu_ms:6.3f} ms/call/s  lost {self.lost}  "
            f"gaps over 30 ms {100 * self.unsteady_share:.3f} %, over 40 ms {100 * self.late_share:.3f} %, "
            f"longest {self.longest_ms:.1f} ms"
        )


class Child:
    """A process that takes and gives lines of JSON."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.module = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, message: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a line, where there is one, and wait for one."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if message is not None:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.module} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tell(self, message: dict[str, Any]) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """End the process, in good order where it is in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


# Those that nearly every phone has, and the fastest where the processor helps.
_SUITES = {"srtp": "AES_CM_128_HMAC_SHA1_80", "srtp-gcm": "AEAD_AES_128_GCM"}
# Which calls of the generator's speak Opus.
_OPUS = {"Opus": "all", "Opus bridges": "even"}
_SUBJECTS: dict[str, tuple[str, ...]] = {
    "kernel": ("bench.kernel", "--subject"),
    "floor": ("bench.generator", "--mode", "floor"),
    "asyncio": ("bench.baseline",),
    "rooms": ("bench.conference", "--subject"),
    "streams": ("bench.streams", "--subject"),
    **{
        name: ("bench.media", "--subject", name)
        for name in ("bridges", "recorded bridges", "G.722", "Opus", "Opus bridges")
    },
    **{name: ("bench.kernel", "--subject", "--suite", suite) for name, suite in _SUITES.items()},
}


def cores() -> tuple[int, int]:
    """Return the cores for the subject and for the generator; the same one where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def measure(subject: str, calls: int, seconds: float) -> Measurement:
    """Let a subject serve so many calls for so many seconds."""
    calls = max(round(calls / _UNIT), 1) * _UNIT
    subject_core, generator_core = cores()
    secured = ("--suite", _SUITES[subject]) if subject in _SUITES else ()
    spoken = ("--opus", _OPUS[subject]) if subject in _OPUS else ()
    generator = Child(
        "bench.generator", "--mode", "generate", "--calls", str(calls), "--core", str(generator_core), *secured, *spoken
    )
    module, *arguments = _SUBJECTS[subject]
    served = Child(module, *arguments, "--calls", str(calls), "--core", str(subject_core))
    try:
        far_ports = generator.ask()["ports"]
        near_ports = served.ask()["ports"]
        served.tell({"ports": far_ports})
        generator.ask({"ports": near_ports})
        # All calls are up: what it takes to begin them is no part of it, however long that is.
        served.ask()
        begin = time.monotonic_ns() + round(_SETTLE_SECONDS * SECOND)
        times = {"from": begin, "to": begin + round(seconds * SECOND)}
        served.tell(times)
        generator.tell(times)
        cpu = served.ask()
        seen = generator.ask()
    finally:
        served.close()
        generator.close()
    return Measurement(
        subject,
        calls,
        seconds,
        cpu["cpu"] / seconds / calls * 1000,
        seen["received"],
        seen["lost"] + cpu.get("lost", 0),
        seen["late"],
        seen["unsteady"],
        seen["silent"],
        seen["longest_ms"],
        seen["overruns"],
    )


def most_carried(
    subject: str, steps: Iterable[int], seconds: float, report: Callable[[Measurement], None]
) -> Measurement:
    """Return the largest of ascending numbers of calls that a subject carries; raises RuntimeError for none.

    Each is tried again before it counts as too many, since other programs run on this machine as well.
    """
    best: Measurement | None = None
    for calls in steps:
        for _ in range(_ATTEMPTS):
            result = measure(subject, calls, seconds)
            report(result)
            if result.carried:
                break
        if not result.carried:
            break
        best = result
    if best is None:
        raise RuntimeError(f"{subject} does not carry the smallest number of calls that was tried")
    return best


def report(result: Measurement) -> None:
    """Print a measurement."""
    sys.stdout.write(f"{result}\n")
    sys.stdout.flush()


def compare_cpu(calls: int, seconds: float, pairs: int) -> tuple[Measurement, Measurement]:
    """Return the kernel and the floor under the same calls, measured in turns.

    Of each it is the run that was disturbed least, since what disturbs a run only ever adds.
    """
    served, floor = [], []
    for _ in range(pairs):
        floor.append(measure("floor", calls, seconds))
        report(floor[-1])
        served.append(measure("kernel", calls, seconds))
        report(served[-1])
    return min(served, key=lambda result: result.cpu_ms), min(floor, key=lambda result: result.cpu_ms)


def beside_the_floor(result: Measurement, seconds: float, limit: str) -> tuple[str, float]:
    """Return a line that sets a result beside the bare system calls of as many legs, measured here, with what limits
    it; and the ratio."""
    floor = measure("floor", result.calls, seconds)
    ratio = result.cpu_ms / floor.cpu_ms
    return (
        f"{ratio:.2f} times the bare system calls ({floor.cpu_ms:.3f} ms a leg); lost {result.lost}, longest gap "
        f"{result.longest_ms:.1f} ms; limited by {limit}\n"
    ), ratio


def _plain_calls(*, quick: bool) -> Measurement:
    return most_carried("kernel", range(672, 4100, 608 if quick else 224), 2.0 if quick else 4.0, report)


def compare_srtp(kernel: Measurement, *, quick: bool) -> dict[str, Any]:
    """Print and return the figures of SRTP beside those of plain RTP; `missed` names what is not reached."""
    seconds = 2.0 if quick else 4.0
    secured = most_carried("srtp", range(928, 4100, 448 if quick else 224), seconds, report)
    least: dict[str, Measurement] = {}
    for subject in ("kernel", "srtp", "srtp-gcm") * (2 if quick else 4):
        result = measure(subject, SRTP_CALLS, seconds)
        report(result)
        least[subject] = min(least.get(subject, result), result, key=lambda one: one.cpu_ms)
    plain, cm, gcm = least.values()
    line, ratio = beside_the_floor(secured, seconds, "libsrtp's AES and SHA-1, half of the time, then the system's UDP")
    sys.stdout.write(
        f"SRTP: {secured.calls} calls, {secured.cpu_ms:.3f} ms of CPU for each and second, {line}"
        f"calls in SRTP               {secured.calls} (at least {SRTP_CALLS}): "
        f"{secured.calls / kernel.calls:.2f} of the plain ones, lost {secured.lost}\n"
        f"CPU at {plain.calls} calls            plain {plain.cpu_ms:.3f} ms, AES-CM {cm.cpu_ms:.3f} ms: "
        f"{cm.cpu_ms / plain.cpu_ms:.2f} times; AES-GCM {gcm.cpu_ms:.3f} ms: {gcm.cpu_ms / plain.cpu_ms:.2f} times\n"
    )
    return {
        "srtp_calls": secured.calls,
        "srtp_floor_ratio": round(ratio, 3),
        "srtp_calls_ratio": round(secured.calls / kernel.calls, 3),
        "srtp_cpu_ratio": round(cm.cpu_ms / plain.cpu_ms, 3),
        "srtp_gcm_cpu_ratio": round(gcm.cpu_ms / plain.cpu_ms, 3),
        "missed": [] if secured.calls >= SRTP_CALLS else [f"{secured.calls} calls in SRTP, not {SRTP_CALLS}"],
    }


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures; `missed` names what is not reached."""
    seconds = 2.0 if quick else 4.0
    baseline = most_carried("asyncio", range(64, 1000, 64 if quick else 32), seconds, report)
    kernel = _plain_calls(quick=quick)
    served, floor = compare_cpu(_CPU_CALLS, seconds, 2 if quick else 4)
    calls_ratio = kernel.calls / baseline.calls
    cpu_ratio = served.cpu_ms / floor.cpu_ms
    sys.stdout.write(
        f"calls carried on one core   kernel {kernel.calls} (at least {CALLS}), one task per call {baseline.calls}: "
        f"{calls_ratio:.1f} times (at least {CALLS_RATIO:g})\n"
        f"CPU per call and second     kernel {served.cpu_ms:.3f} ms (at most {CPU_MS:g}), bare system calls "
        f"{floor.cpu_ms:.3f} ms: {cpu_ratio:.2f} times (at most {CPU_RATIO:g})\n"
        f"at {kernel.calls} calls               lost {kernel.lost}, late by more than 20 ms "
        f"{100 * kernel.late_share:.3f} % (less than {100 * LATE_SHARE:g} %), longest gap {kernel.longest_ms:.1f} ms\n"
    )
    line, most_ratio = beside_the_floor(kernel, seconds, "the system's UDP: a datagram each way for each call and tick")
    sys.stdout.write(f"at {kernel.calls} calls               {kernel.cpu_ms:.3f} ms of CPU for each and second, {line}")
    missed = []
    if kernel.calls < CALLS:
        missed.append(f"{kernel.calls} calls carried, not {CALLS}")
    if served.cpu_ms > CPU_MS:
        missed.append(f"{served.cpu_ms:.3f} ms of CPU for a call and second, not {CPU_MS}")
    if calls_ratio < CALLS_RATIO:
        missed.append(f"{calls_ratio:.1f} times the calls of one task per call, not {CALLS_RATIO:g}")
    if cpu_ratio > CPU_RATIO:
        missed.append(f"{cpu_ratio:.2f} times the CPU of the bare system calls, not {CPU_RATIO:g}")
    srtp = compare_srtp(kernel, quick=quick)
    missed += srtp.pop("missed")
    return {
        "kernel_calls": kernel.calls,
        "asyncio_calls": baseline.calls,
        "calls_ratio": round(calls_ratio, 2),
        "kernel_cpu_ms_per_call_second": round(served.cpu_ms, 4),
        "floor_cpu_ms_per_call_second": round(floor.cpu_ms, 4),
        "cpu_ratio": round(cpu_ratio, 3),
        "floor_ratio_at_most_calls": round(most_ratio, 3),
        **srtp,
        "lost": kernel.lost,
        "late_share": kernel.late_share,
        "missed": missed,
    }


def play_prompt(_plane: MediaPlane, sessions: Sequence[MediaSession]) -> None:
    """Let each session play one shared prompt without end."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(80_000) / 8000)).astype(np.int16)
    prompt = PromptAudio(tone, "tone")
    for session in sessions:
        session.play(prompt, loops=0)


def speaks_pcmu(port: int, _place: int) -> StreamParameters:
    """The stream of a session with a far end on loopback that speaks PCMU."""
    return StreamParameters("127.0.0.1", port, "PCMU", 0, 0, 101, 101)


async def serve(
    calls: int,
    suite: str | None = None,
    occupy: Callable[[MediaPlane, Sequence[MediaSession]], None] = play_prompt,
    stream: Callable[[int, int], StreamParameters] = speaks_pcmu,
) -> None:
    """Be the kernel under measurement: as many sessions, which do what `occupy` says.

    `stream` gives the parameters of each, from the port of its far end and its place among the sessions.
    """
    plane = MediaPlane(MediaConfig(rtp_ports=(20_000, 20_000 + 2 * calls + 999), capacity=calls))
    await plane.start()
    sessions = [plane.open("127.0.0.1", lambda _: None) for _ in range(calls)]
    say({"ports": [session.local[1] for session in sessions]})
    message = json.loads(await asyncio.to_thread(sys.stdin.readline))
    targets = message["ports"]
    srtp = None
    if suite is not None:
        octets = SUITES[suite].key_octets
        srtp = SrtpParameters(suite, SUBJECT_KEY[:octets], GENERATOR_KEY[:octets])
    for place, session in enumerate(sessions):
        target = targets[place // (calls // len(targets))]
        session.start(replace(stream(target, place), srtp=srtp))
        if place % 64 == 0:
            await asyncio.sleep(0)
    occupy(plane, sessions)
    seconds = await asyncio.to_thread(lambda: measured_cpu(when_ready()))
    statistics = [session.statistics() for session in sessions]
    lost = sum(one.lost + one.dropped["authentication"] for one in statistics)
    lost += sum(one.packets_in == 0 for one in statistics)
    say({"cpu": seconds, "lost": lost})
    await plane.close()


def main() -> None:
    """Measure; or, as the child of a measurement, be the kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: good for a look, not for a claim")
    parser.add_argument("--srtp", action="store_true", help="only SRTP beside plain RTP")
    parser.add_argument("--subject", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--suite", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.srtp:
        sys.exit(1 if compare_srtp(_plain_calls(quick=arguments.quick), quick=arguments.quick)["missed"] else 0)
    if not arguments.subject:
        sys.exit(1 if run(quick=arguments.quick)["missed"] else 0)
    os.sched_setaffinity(0, {arguments.core})
    asyncio.run(serve(arguments.calls, arguments.suite))


if __name__ == "__main__":
    main()
