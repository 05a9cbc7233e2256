"""How long a caller waits for an answer to a key: from the end of a `Gather` to the first packet of the next prompt.

One live call, its action URL on the same machine, the prompt in the engine's cache, as it is from the second caller on.
Measured from outside: a `Gather` is over when its request arrives at the action URL; then come the document, the prompt
and the wait for the 20 ms grid that packets leave on. Shown too is the whole way from the first packet of the key, that
waits for the grid as well, 10 ms on average. Callers press at any time, not in step with the grid.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.calls import NUMBER, sound
from bench.engine import started
from bench.target import target
from sip import Answered, CallEvent, NameAddr, Rejected, SipUri, UserAgent, UserAgentConfig
from sip.sdp import PCMU, LocalAudio, accept_answer, make_offer, parse_sdp

MEDIAN_MS = 30.0
_PROMPT_SECONDS = 0.1
_QUIET_SECONDS = 0.15
_LEVEL = 8000
_PACKET_SECONDS = 0.02
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_SILENCE = frozenset(b"\x7f\xff\x7e\xfe")
_END, _VOLUME = 0x80, 10


class Caller:
    """The audio of a caller, who says nothing and presses keys. One thread at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5.0)
        self._sequence = 0
        self._timestamp = 0
        self.port: int = self._socket.getsockname()[1]
        self.peer = ("", 0)
        self.events = 101

    def close(self) -> None:
        """No more audio."""
        self._socket.close()

    def until_sound(self) -> float:
        """Waits for a packet that is not silence; when it came. Raises TimeoutError."""
        while not self._audible():
            pass
        return time.monotonic()

    def until_quiet(self) -> None:
        """Waits until nothing was heard for a while: the prompt is over, and the engine waits for a key."""
        since = time.monotonic()
        while time.monotonic() - since < _QUIET_SECONDS:
            if self._audible():
                since = time.monotonic()

    def press(self, key: int) -> float:
        """A key of 40 ms by RFC 4733; when its first packet left."""
        self._timestamp += 8000
        began = time.monotonic()
        self._send(key, 0, 160, marked=True)
        self._send(key, 0, 320)
        for _ in range(3):
            self._send(key, _END, 320)
        return began

    def _send(self, key: int, flags: int, duration: int, *, marked: bool = False) -> None:
        self._sequence += 1
        head = _HEADER.pack(0x80, self.events | (0x80 if marked else 0), self._sequence, self._timestamp, 0x5EED)
        self._socket.sendto(head + _EVENT.pack(key, flags | _VOLUME, duration), self.peer)

    def _audible(self) -> bool:
        packet = self._socket.recv(2048)
        return packet[1] & 0x7F == 0 and not _SILENCE.issuperset(packet[_HEADER.size :])


def waits(caller: Caller, rounds: int, asked: Sequence[float]) -> list[tuple[float, float]]:
    """So many rounds of a key and the prompt that answers it: ms to the request, whose times are `asked`, and to the
    sound. The first round fills the engine's cache and is not among them."""
    found = []
    for _ in range(rounds + 1):
        caller.until_quiet()
        time.sleep(random.random() * _PACKET_SECONDS)  # people do not press in step with our packets
        began = caller.press(1)
        heard = caller.until_sound()
        found.append((1000 * (asked[-1] - began), 1000 * (heard - began)))
    return found[1:]


@contextlib.contextmanager
def a_caller() -> Iterator[Caller]:
    """A caller for the length of the block."""
    caller = Caller()
    try:
        yield caller
    finally:
        caller.close()


async def call(sip: str, rounds: int, asked: Sequence[float]) -> list[tuple[float, float]]:
    """One call of the engine at `sip`, which is answered by a prompt. Raises RuntimeError when it is refused."""
    host, port = sip.split(":")
    agent = UserAgent(UserAgentConfig(udp=(("127.0.0.1", 0),)), lambda incoming: incoming.reject(486))
    await agent.start()
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_event(event: CallEvent) -> None:
        if isinstance(event, Rejected) and not answered.done():
            answered.set_exception(RuntimeError(f"the call was refused with {event.status}"))
        elif isinstance(event, Answered) and not answered.done():
            answered.set_result(event.body)

    with a_caller() as caller:
        local = LocalAudio("127.0.0.1", caller.port, (PCMU,), session_id=1, session_version=1)
        offer = make_offer(local)
        placed = agent.place_call(
            SipUri.parse(f"sip:{NUMBER}@{host}:{port}"),
            from_=NameAddr(None, SipUri.parse("sip:+15550123@127.0.0.1"), ()),
            body=bytes(offer),
            on_event=on_event,
        )
        audio = accept_answer(offer, parse_sdp(await asyncio.wait_for(answered, 30)), local)
        caller.peer = (audio.remote_address, audio.remote_port)
        caller.events = audio.dtmf_send_pt or caller.events
        found = await asyncio.to_thread(waits, caller, rounds, asked)
        placed.hangup()
    await agent.close()
    return found


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures."""
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        sound(Path(folder), _PROMPT_SECONDS, _LEVEL) as prompt,
        target(
            cores[-1], f'<Response><Gather numDigits="1" timeout="20"><Play>{prompt}</Play></Gather></Response>'
        ) as (action, asked),
        started(Path(folder) / "data", core=cores[0]) as engine,
    ):
        first = f'<Gather numDigits="1" timeout="20" action="{action}"><Play>{prompt}</Play></Gather>'
        engine.route(NUMBER, f"<Response>{first}</Response>")
        found = asyncio.run(call(engine.sip, 20 if quick else 100, asked))
    after = sorted(heard - requested for requested, heard in found)
    median, late = statistics.median(after), after[int(len(after) * 0.95)]
    whole = statistics.median(heard for _, heard in found)
    print(f"end of a Gather to the next prompt, {len(found)} times")
    print(f"median                                   {median:7.1f} ms  (target < {MEDIAN_MS:g} ms)")
    print(f"95 of 100 within                         {late:7.1f} ms")
    print(f"median from the first packet of the key  {whole:7.1f} ms")
    return {"median_ms": median, "p95_ms": late, "from_key_ms": whole, "missed": median >= MEDIAN_MS}
