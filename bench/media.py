"""What a leg can do beside playing a prompt in G.711, on one core: bridges, recorded ones, and the other codecs.

Each is measured against the load generator on another core, and beside a loop of bare system calls that sends and
receives as many packets. A number of legs is carried when nothing is lost and 99.9 % of the gaps between packets are
under 30 ms. Last, the memory of one more playing call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.kernel import beside_the_floor, most_carried, play_prompt, report, serve, speaks_pcmu
from media import (
    MediaConfig,
    MediaPlane,
    MediaSession,
    OpusSending,
    PromptAudio,
    StreamParameters,
    TwoWayRecording,
)

MEMORY_OCTETS: Final = 40_000
_MEMORY_CALLS: Final = 500
_UNIT: Final = 32


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table: so many legs (two for a bridge) are wanted, and what their number is limited by."""

    subject: str
    legs: int
    legs_each: int
    cpu_ms: float | None
    limit: str


_ROWS: Final = (
    _Row("bridges", 1800, 2, 0.9, "the system's UDP, as for a prompt: the bridge itself copies 160 octets"),
    _Row("recorded bridges", 900, 2, None, "looking for keys in the audio and decoding both tracks"),
    _Row("G.722", 1800, 1, None, "the system's UDP: the prompt is kept in G.722"),
    _Row("Opus", 1800, 1, None, "the system's UDP: the prompt is kept in packets of Opus"),
    _Row("Opus bridges", 120, 2, None, "libopus: a frame encoded and one decoded for each bridge and tick"),
)


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures; `missed` names what is not reached."""
    seconds = 2.0 if quick else 4.0
    figures: dict[str, object] = {}
    missed: list[str] = []
    for row in _ROWS:
        # In whole units, one of which is the number that is wanted or just above.
        wanted_legs = -(-row.legs // _UNIT) * _UNIT
        step = max(row.legs // (4 if quick else 8) // _UNIT, 1) * _UNIT
        try:
            most = most_carried(
                row.subject, range(wanted_legs - (2 if quick else 4) * step, 4100, step), seconds, report
            )
        except RuntimeError as error:
            # The other rows say something all the same.
            sys.stdout.write(f"{error}\n")
            missed.append(str(error))
            continue
        count, wanted = most.calls // row.legs_each, row.legs // row.legs_each
        cpu = most.cpu_ms * row.legs_each
        line, ratio = beside_the_floor(most, seconds, row.limit)
        sys.stdout.write(
            f"{row.subject}: {count} carried on one core (at least {wanted}), {cpu:.3f} ms of CPU for each and second, "
            f"{line}"
        )
        sys.stdout.flush()
        name = row.subject.lower().replace(".", "").replace(" ", "_")
        figures |= {name: count, f"{name}_cpu_ms": round(cpu, 4), f"{name}_floor_ratio": round(ratio, 3)}
        if count < wanted:
            missed.append(f"{count} {row.subject}, not {wanted}")
        if row.cpu_ms is not None and cpu > row.cpu_ms:
            missed.append(f"{cpu:.2f} ms of CPU for one of {row.subject}, not {row.cpu_ms}")
    octets, in_rows = _memory()
    sys.stdout.write(
        f"memory of one more playing call: {octets / 1000:.1f} KB (at most {MEMORY_OCTETS / 1000:g}), of it "
        f"{in_rows / 1000:.1f} KB in the kernel's rows, the jitter buffer above all; the rest are Python objects, and "
        "what its sockets hold is the system's\n"
    )
    if octets > MEMORY_OCTETS:
        missed.append(f"{octets / 1000:.1f} KB for one more playing call, not {MEMORY_OCTETS / 1000:g}")
    return {**figures, "octets_per_call": octets, "octets_in_rows": in_rows, "missed": missed}


def _memory() -> tuple[int, int]:
    """What one more playing call takes, and what of it the kernel's rows do, in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-m", "bench.media", "--subject", "memory"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    octets, in_rows = map(int, child.stdout.split())
    return octets, in_rows


async def _weigh() -> tuple[int, int]:
    """Octets of resident memory for each of some hundred calls more, and how many of them are in the kernel's rows."""
    plane = MediaPlane(MediaConfig(rtp_ports=(20_000, 20_000 + 8 * _MEMORY_CALLS), capacity=3 * _MEMORY_CALLS))
    await plane.start()
    audio = PromptAudio(np.zeros(80_000, np.int16), "silence")

    async def more() -> NDArray[np.int64]:
        for _ in range(_MEMORY_CALLS):
            session = plane.open("127.0.0.1", lambda _: None)
            session.start(speaks_pcmu(9, 0))
            session.play(audio, loops=0)
        await asyncio.sleep(0.5)
        return np.array(_resident(), np.int64)

    grown = -(await more()) + await more()
    await plane.close()
    octets, in_rows = (grown // _MEMORY_CALLS).tolist()
    return octets, in_rows


def _resident() -> tuple[int, int]:
    """Octets of this process in memory, and of those that are in shared memory without a name, as the rows are."""
    octets = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    in_rows, shared = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):
            shared = len(values) >= 5 and values[4] == "/dev/zero"
        elif shared and name == "Rss:":
            in_rows += int(values[0]) * 1024
    return octets, in_rows


def _bridge(_plane: MediaPlane, sessions: Sequence[MediaSession]) -> None:
    for one, other in zip(sessions[::2], sessions[1::2], strict=True):
        one.hear(other)
        other.hear(one)


def _record_bridges(plane: MediaPlane, sessions: Sequence[MediaSession]) -> None:
    _bridge(plane, sessions)
    folder = Path(tempfile.mkdtemp(prefix="bench-recordings-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    for place, session in enumerate(sessions[::2]):
        _recordings.append(TwoWayRecording(session, folder / f"{place}.wav"))


_recordings: list[TwoWayRecording] = []


def _play_opus(_plane: MediaPlane, sessions: Sequence[MediaSession]) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(80_000) / 8000)).astype(np.int16)
    prompt = PromptAudio(tone, "tone")
    prompt.keep_packets(OpusSending())
    for session in sessions:
        session.play(prompt, loops=0)


def _other_law(port: int, place: int) -> StreamParameters:
    """One party in µ-law and the other in A-law, under one number: the generator knows no other. Keys are tones."""
    codec = "PCMU" if place % 2 else "PCMA"
    return StreamParameters("127.0.0.1", port, codec, 0, 0, None, None, inband_keys=True)


def _g722(port: int, _place: int) -> StreamParameters:
    return StreamParameters("127.0.0.1", port, "G722", 0, 0, 101, 101)


def _opus(port: int, _place: int) -> StreamParameters:
    return StreamParameters("127.0.0.1", port, "opus", 0, 0, 101, 101, dtmf_clock=48_000, opus=OpusSending())


def _opus_or_pcmu(port: int, place: int) -> StreamParameters:
    return speaks_pcmu(port, place) if place % 2 else _opus(port, place)


_Occupy = Callable[[MediaPlane, Sequence[MediaSession]], None]
_SUBJECTS: dict[str, tuple[_Occupy, Callable[[int, int], StreamParameters]]] = {
    "bridges": (_bridge, speaks_pcmu),
    "recorded bridges": (_record_bridges, _other_law),
    "G.722": (play_prompt, _g722),
    "Opus": (_play_opus, _opus),
    "Opus bridges": (_bridge, _opus_or_pcmu),
}


async def _serve(subject: str, calls: int) -> None:
    occupy, stream = _SUBJECTS[subject]
    try:
        await serve(calls, occupy=occupy, stream=stream)
    finally:
        for recording in _recordings:
            ended = await recording.stop()
            if ended is not None:
                ended.path.unlink()
                folder = ended.path.parent
                if not any(folder.iterdir()):
                    folder.rmdir()


def main() -> None:
    """Measure; or, as the child of a measurement, be the kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: good for a look, not for a claim")
    parser.add_argument("--subject", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject is None:
        sys.exit(1 if run(quick=arguments.quick)["missed"] else 0)
    if arguments.subject == "memory":
        print(*asyncio.run(_weigh()))
        return
    os.sched_setaffinity(0, {arguments.core})
    asyncio.run(_serve(arguments.subject, arguments.calls))


if __name__ == "__main__":
    main()
