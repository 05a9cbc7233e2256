"""Conferences in the media kernel, on one core: members in rooms of eight who all talk, in G.711, beside a generator.

Measured in one run: how many members the kernel carries, and their CPU beside that of as many calls that only play a
prompt. A number of members is carried when nothing is lost and 99.9 % of the gaps between packets are under 30 ms.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from bench.kernel import beside_the_floor, measure, most_carried, report, serve
from media import MediaPlane, MediaSession

MEMBERS = 1500
ROOM = 8


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures; `missed` names what is not reached."""
    seconds = 2.0 if quick else 4.0
    members = most_carried("rooms", range(608, 4100, 448 if quick else 224), seconds, report)
    playing = measure("kernel", members.calls, seconds)
    report(playing)
    ratio = members.cpu_ms / playing.cpu_ms
    line, floor_ratio = beside_the_floor(members, seconds, "the system's UDP, then the mixing itself")
    sys.stdout.write(
        f"members carried on one core {members.calls} in rooms of {ROOM} talking (at least {MEMBERS}), "
        f"lost {members.lost}, longest gap {members.longest_ms:.1f} ms\n"
        f"CPU per member and second   {members.cpu_ms:.3f} ms, playing a prompt instead {playing.cpu_ms:.3f} ms: "
        f"{ratio:.2f} times\n"
        f"members beside               {line}"
    )
    return {
        "conference_members": members.calls,
        "conference_cpu_ms_per_member_second": round(members.cpu_ms, 4),
        "conference_cpu_ratio": round(ratio, 3),
        "conference_floor_ratio": round(floor_ratio, 3),
        "missed": [] if members.calls >= MEMBERS else [f"{members.calls} members of conferences, not {MEMBERS}"],
    }


def gather(plane: MediaPlane, sessions: Sequence[MediaSession]) -> None:
    """Put the sessions into rooms of eight."""
    for first in range(0, len(sessions), ROOM):
        room = plane.room()
        for session in sessions[first : first + ROOM]:
            session.join(room)


def main() -> None:
    """Measure; or, as the child of a measurement, be the kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: good for a look, not for a claim")
    parser.add_argument("--subject", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.subject:
        sys.exit(1 if run(quick=arguments.quick)["missed"] else 0)
    os.sched_setaffinity(0, {arguments.core})
    asyncio.run(serve(arguments.calls, occupy=gather))


if __name__ == "__main__":
    main()
