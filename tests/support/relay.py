"""A bad network on loopback, for tests: it stands between a phone and the engine's RTP, and loses, delays, reorders and
repeats packets by a pattern that is the same each time. RTCP goes through as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.support.srtp_phone import HOST, socket_pair

_MEDIA = re.compile(rb"^m=audio (\d+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Passing:
    """An RTP packet on its way; `place` counts those of its direction from 0."""

    place: int
    data: bytes

    @property
    def payload_type(self) -> int:
        return self.data[1] & 0x7F

    @property
    def sequence(self) -> int:
        return int(struct.unpack_from("!H", self.data, 2)[0])

    @property
    def timestamp(self) -> int:
        return int(struct.unpack_from("!I", self.data, 4)[0])

    @property
    def payload(self) -> bytes:
        return self.data[12:]


Fate: TypeAlias = Sequence[float]
"""After how many seconds each copy of a packet arrives: none where it is lost, two where it is repeated."""

Pattern: TypeAlias = Callable[[Passing], Fate]


def fair(_packet: Passing) -> Fate:
    """Everything arrives at once, and once."""
    return (0.0,)


@dataclass
class Weather:
    """Shares from 0 to 1 of packets that are lost, that come again 5 ms later, and that wait `behind` seconds more so
    that others overtake them; each waits for up to `jitter` seconds. The n-th packet always fares the same."""

    seed: int
    loss: float = 0.0
    jitter: float = 0.0
    overtaken: float = 0.0
    repeated: float = 0.0
    behind: float = 0.03
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def __call__(self, packet: Passing) -> Fate:
        lost, wait, overtaken, repeated = (self._random.random() for _ in range(4))
        if lost < self.loss:
            return ()
        delay = wait * self.jitter + (self.behind if overtaken < self.overtaken else 0.0)
        return (delay, delay + 0.005) if repeated < self.repeated else (delay,)


def assert_unbroken(packets: Sequence[Passing], stalls: int) -> None:
    """Asserts that packets of 20 ms in one codec are one stream: each follows the one before in number and in time.

    Where the machine stood still the clock went on: `stalls` is how many ticks the kernel has left out meanwhile, which
    it counts, and is none as a rule.
    """
    first = packets[0]
    assert {(packet.payload_type, packet.data[8:12]) for packet in packets} == {(first.payload_type, first.data[8:12])}
    skipped = 0
    for one, other in itertools.pairwise(packets):
        assert (other.sequence - one.sequence) % 65536 == 1
        step, rest = divmod((other.timestamp - one.timestamp) % 2**32, 160)
        assert rest == 0
        skipped += step - 1
    assert skipped <= stalls


class Direction:
    """One way through the relay. `came` is every packet in order, `arrived` those of which a copy went on."""

    def __init__(self, pattern: Pattern, out: socket.socket) -> None:
        self.came: list[Passing] = []
        self.arrived: list[Passing] = []
        self.target: tuple[str, int] | None = None
        self._pattern = pattern
        self._out = out
        self._waiting: set[asyncio.TimerHandle] = set()

    def take(self, data: bytes) -> None:
        """Let a packet meet its fate."""
        packet = Passing(len(self.came), data)
        self.came.append(packet)
        fate = self._pattern(packet)
        if fate:
            self.arrived.append(packet)
        for delay in fate:
            if delay:
                self._later(delay, data)
            else:
                self._send(data)

    @property
    def lost(self) -> int:
        """How many were lost, as who receives them can know: those before the last that arrived."""
        if not self.arrived:
            return 0
        return self.arrived[-1].place - self.arrived[0].place + 1 - len(self.arrived)

    def _later(self, delay: float, data: bytes) -> None:
        def due() -> None:
            self._waiting.discard(handle)
            self._send(data)

        handle = asyncio.get_running_loop().call_later(delay, due)
        self._waiting.add(handle)

    def _send(self, data: bytes) -> None:
        if self.target is not None:
            # A side that has hung up does not take any more.
            with contextlib.suppress(OSError):
                self._out.sendto(data, self.target)

    def close(self) -> None:
        for handle in self._waiting:
            handle.cancel()


class Relay:
    """Both ways. The phone's offer and the engine's answer pass through `offer` and `answer`, which put the relay's
    address in place of the far one's."""

    def __init__(self, to_engine: Pattern = fair, to_phone: Pattern = fair) -> None:
        self._phone_side, self._engine_side = socket_pair(), socket_pair()
        self.to_engine = Direction(to_engine, self._engine_side[0])
        self.to_phone = Direction(to_phone, self._phone_side[0])
        self._ways = (
            (self._phone_side[0], self.to_engine.take),
            (self._engine_side[0], self.to_phone.take),
            (self._phone_side[1], lambda data: self._report(data, self.to_engine, self._engine_side[1])),
            (self._engine_side[1], lambda data: self._report(data, self.to_phone, self._phone_side[1])),
        )
        loop = asyncio.get_running_loop()
        for sock, take in self._ways:
            loop.add_reader(sock, _read, sock, take)

    def offer(self, sdp: bytes) -> bytes:
        """The phone's description as the engine is to see it."""
        return self._stand_between(sdp, self.to_phone, self._engine_side[0])

    def answer(self, sdp: bytes) -> bytes:
        """The engine's description as the phone is to see it."""
        return self._stand_between(sdp, self.to_engine, self._phone_side[0])

    def close(self) -> None:
        for direction in (self.to_engine, self.to_phone):
            direction.close()
        for sock, _ in self._ways:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    @staticmethod
    def _stand_between(sdp: bytes, direction: Direction, sock: socket.socket) -> bytes:
        media = _MEDIA.search(sdp)
        assert media is not None, sdp
        direction.target = (HOST, int(media[1]))
        return sdp[: media.start(1)] + str(sock.getsockname()[1]).encode() + sdp[media.end(1) :]

    @staticmethod
    def _report(data: bytes, direction: Direction, out: socket.socket) -> None:
        if direction.target is not None:
            with contextlib.suppress(OSError):
                out.sendto(data, (direction.target[0], direction.target[1] + 1))


def _read(sock: socket.socket, take: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            take(sock.recv(2048))


@asynccontextmanager
async def a_relay(to_engine: Pattern = fair, to_phone: Pattern = fair) -> AsyncIterator[Relay]:
    """A relay for one call, for the length of the block."""
    relay = Relay(to_engine, to_phone)
    try:
        yield relay
    finally:
        relay.close()
