"""Bidirectional streams on one core: calls in G.711 whose audio goes over a WebSocket each and comes back, both ways.

The subject is the engine's own: media sessions, the WebSocket client and the streams that `<Stream>` makes, the media
thread and asyncio together on one core. Callers and the far end of the sockets are on another. A number of streams is
carried when no packet and no frame is lost, 99.9 % of the gaps between packets are under 30 ms, and what comes back is
heard: 98 % of the time at least.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from typing import Any

import uvloop

from bench.generator import SECOND, measured_cpu, say, sleep_until, when_ready
from bench.kernel import Child, Measurement, beside_the_floor, cores, most_carried

STREAMS = 300
_HEARD_SHARE = 0.98
_CONNECTING = 32


def _report(result: Measurement) -> None:
    print(result, flush=True)


def run(*, quick: bool) -> dict[str, object]:
    """Print and return the figures; `missed` names what is not reached."""
    steps = range(96, 800, 64 if quick else 32)
    best = most_carried("streams", steps, 2.0 if quick else 4.0, _report)
    share = best.cpu_ms * best.calls / 1000
    print(
        f"streams carried on one core   {best.calls} (at least {STREAMS}), {best.cpu_ms:.2f} ms of CPU per stream and "
        f"second: {share:.0%} of the core; lost {best.lost}, longest gap {best.longest_ms:.1f} ms"
    )
    line, ratio = beside_the_floor(best, 2.0, "Python: a message each way for every 20 ms, two thirds of the time")
    print(f"streams beside                {line}", end="")
    missed = [] if best.calls >= STREAMS else [f"{best.calls} bidirectional streams, not {STREAMS}"]
    return {
        "streams": best.calls,
        "cpu_ms_per_stream_second": round(best.cpu_ms, 3),
        "floor_ratio": round(ratio, 3),
        "longest_gap_ms": round(best.longest_ms, 1),
        "missed": missed,
    }


async def serve(calls: int, echo_port: int) -> None:
    """Be the engine under measurement: as many calls, each with a stream to the echo."""
    from engine.calls.audio_stream import AudioStream, StreamSetup
    from engine.calls.stream_messages import stream_format
    from engine.websocket import WebSocketClient
    from media import MediaConfig, MediaPlane, MediaSession, StreamParameters
    from media.kernel import constants as c

    plane = MediaPlane(MediaConfig(rtp_ports=(20_000, 20_000 + 2 * calls + 999), capacity=calls))
    await plane.start()
    client = WebSocketClient(allow_private=True)
    sessions = [plane.open("127.0.0.1", lambda _: None) for _ in range(calls)]
    ends: list[Any] = []

    async def stream(place: int, session: MediaSession) -> AudioStream:
        socket = await client.connect(f"ws://127.0.0.1:{echo_port}/", {})
        form = stream_format({}, ("inbound",))
        setup = StreamSetup(f"st_{place:012x}", f"cl_{place:012x}", "ws_bench", ("inbound",), True, form)
        return AudioStream(session, socket, setup, ends.append)

    streams = []
    for at in range(0, calls, _CONNECTING):
        group = enumerate(sessions[at : at + _CONNECTING], at)
        streams += await asyncio.gather(*(stream(place, session) for place, session in group))
    gc.collect()
    gc.freeze()
    say({"ports": [session.local[1] for session in sessions]})
    message = json.loads(await asyncio.to_thread(sys.stdin.readline))
    targets = message["ports"]
    for place, session in enumerate(sessions):
        target = targets[place // (calls // len(targets))]
        session.start(StreamParameters("127.0.0.1", target, "PCMU", 0, 0, 101, 101))
        if place % 64 == 0:
            await asyncio.sleep(0)

    def heard() -> int:
        """Samples of the echo that were sent to the callers."""
        return sum(int(session._row["live_cursors"][c.LIVE_HEAD]) for session in sessions)

    def losses() -> dict[str, int]:
        """What was lost so far, by where: not taken from the kernel, not by the peer, packets of the callers'."""
        return {
            "taps": plane.statistics().frames_lost,
            "messages": sum(one._dropped for one in streams),
            "packets": sum(session.statistics().lost for session in sessions),
        }

    def measured() -> tuple[float, float, dict[str, int]]:
        """The CPU time, the share of it all that was heard, and what was lost, in a thread that asyncio does not hold
        up."""
        times = when_ready()
        sleep_until(times["from"])
        before, lost_before = heard(), losses()
        seconds = measured_cpu(times)
        share = (heard() - before) / (calls * c.CLOCK_RATE * (times["to"] - times["from"]) / SECOND)
        return seconds, share, {where: count - lost_before[where] for where, count in losses().items()}

    seconds, share, lost = await asyncio.to_thread(measured)
    for one in streams:
        one.end()
    lost["streams"] = sum(end.by != "engine" for end in ends)
    if any(lost.values()) or share < _HEARD_SHARE:
        print(f"{calls} streams: {share:.1%} heard, lost {lost}", file=sys.stderr, flush=True)
    say({"cpu": seconds, "lost": max(sum(lost.values()), int(share < _HEARD_SHARE))})
    await plane.close()


def main() -> None:
    """Measure; or, as the child of a measurement, be the engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs: good for a look, not for a claim")
    parser.add_argument("--subject", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.subject:
        sys.exit(1 if run(quick=arguments.quick)["missed"] else 0)
    echo = Child("bench.stream_echo", "--core", str(cores()[1]))
    try:
        port = echo.ask()["port"]
        os.sched_setaffinity(0, {arguments.core})
        # As the engine itself runs.
        uvloop.run(serve(arguments.calls, port))
    finally:
        echo.close()


if __name__ == "__main__":
    main()
