"""The SIP room alone, as a process: answers each call and hangs it up when its ACK has come. No flow, store or audio.

What `bench.calls` compares the engine with: the difference is what a call costs above its signalling.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from sip import CallEvent, Confirmed, IncomingCall, UserAgent, UserAgentConfig
from sip.sdp import PCMU, LocalAudio, answer_offer, parse_sdp


async def serve() -> None:
    """Print the address that is listened on, and serve until SIGTERM."""
    agent = UserAgent(UserAgentConfig(udp=(("127.0.0.1", 0),)), answer)
    await agent.start()
    host, port = agent.bound["udp"][0]
    sys.stdout.write(f"{host}:{port}\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await agent.close()


def answer(call: IncomingCall) -> None:
    """Answer at once; hang up when the caller has acknowledged."""

    def on_event(event: CallEvent) -> None:
        if isinstance(event, Confirmed):
            call.hangup()

    call.on_event = on_event
    call.ring()
    local = LocalAudio("127.0.0.1", 40_000, (PCMU,), session_id=1, session_version=1)
    description, _ = answer_offer(parse_sdp(call.offer or b""), local)
    call.answer(bytes(description))


if __name__ == "__main__":
    uvloop.run(serve())
