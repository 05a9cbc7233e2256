"""The UDP listener over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from sip.endpoint import Endpoint
from sip.transport.udp import BATCH, GATHER_SECONDS, MANY, UdpListener


class Received:
    def __init__(self) -> None:
        self.items: list[tuple[bytes, Endpoint, Endpoint]] = []
        self.arrived = asyncio.Event()
        self.wanted = 1

    def __call__(self, data: bytes, source: Endpoint, local: Endpoint) -> None:
        self.items.append((data, source, local))
        if len(self.items) >= self.wanted:
            self.arrived.set()


@pytest.fixture
async def received() -> AsyncIterator[Received]:
    yield Received()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_go_both_ways(host: str, received: Received) -> None:
    loop = asyncio.get_running_loop()
    one = UdpListener(loop, host, 0, received)
    other = UdpListener(loop, host, 0, received)
    try:
        assert one.local.port != 0
        other.send(b"hello", one.local)
        await received.arrived.wait()
        assert received.items == [(b"hello", other.local, one.local)]
    finally:
        one.close()
        other.close()


async def test_a_burst_is_received_whole(received: Received) -> None:
    loop = asyncio.get_running_loop()
    listener = UdpListener(loop, "127.0.0.1", 0, received)
    received.wanted = 5 * BATCH
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for number in range(received.wanted):
            peer.sendto(str(number).encode(), (listener.local.host, listener.local.port))
        await received.arrived.wait()
    listener.close()
    assert [data for data, _, _ in received.items] == [str(number).encode() for number in range(received.wanted)]


async def test_a_large_and_an_empty_datagram_arrive_as_they_are(received: Received) -> None:
    listener = UdpListener(asyncio.get_running_loop(), "127.0.0.1", 0, received)
    received.wanted = 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"x" * 60000, (listener.local.host, listener.local.port))
        peer.sendto(b"", (listener.local.host, listener.local.port))
        await received.arrived.wait()
    listener.close()
    assert [len(data) for data, _, _ in received.items] == [60000, 0]


async def test_an_address_in_use_is_named(received: Received) -> None:
    loop = asyncio.get_running_loop()
    first = UdpListener(loop, "127.0.0.1", 0, received)
    with pytest.raises(OSError, match=rf"cannot listen on udp 127\.0\.0\.1:{first.local.port}: "):
        UdpListener(loop, "127.0.0.1", first.local.port, received)
    first.close()


async def test_an_address_of_somebody_else_is_named(received: Received) -> None:
    with pytest.raises(OSError, match=r"cannot listen on udp \[2001:db8::77\]:5060: "):
        UdpListener(asyncio.get_running_loop(), "2001:db8::77", 5060, received)


async def test_closing_twice_is_once(received: Received) -> None:
    listener = UdpListener(asyncio.get_running_loop(), "127.0.0.1", 0, received)
    listener.close()
    listener.close()


async def test_being_closed_by_what_arrives_ends_the_batch() -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    seen: list[bytes] = []

    def receive(data: bytes, _source: Endpoint, _local: Endpoint) -> None:
        seen.append(data)
        listener.close()
        done.set()

    listener = UdpListener(loop, "127.0.0.1", 0, receive)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(3):
            peer.sendto(b"x", (listener.local.host, listener.local.port))
        await done.wait()
    assert seen == [b"x"]


class Gathering:
    """Notes what was received outside of `gather`, and what in each call of it."""

    def __init__(self) -> None:
        self.single: list[int] = []
        self.gathered: list[list[int]] = []
        self.all: list[int] = []
        self._inside = False

    def receive(self, data: bytes, source: Endpoint, local: Endpoint) -> None:
        self.all.append(int(data))
        (self.gathered[-1] if self._inside else self.single).append(int(data))

    def gather(self, take: Callable[[], int]) -> int:
        self.gathered.append([])
        self._inside = True
        try:
            return take()
        finally:
            self._inside = False


async def test_few_datagrams_are_taken_at_once_and_many_together_in_their_order() -> None:
    gathering = Gathering()
    listener = UdpListener(asyncio.get_running_loop(), "127.0.0.1", 0, gathering.receive, gathering.gather)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect((listener.local.host, listener.local.port))
        for number in range(MANY - 1):
            peer.send(b"%d" % number)
        while len(gathering.single) < MANY - 1:
            await asyncio.sleep(0)
        assert gathering.gathered == []
        for number in range(MANY - 1, 200):
            peer.send(b"%d" % number)
            await asyncio.sleep(0.0002)
        while len(gathering.all) < 200:
            await asyncio.sleep(0.001)
        assert gathering.all == list(range(200))
        assert max(map(len, gathering.gathered)) >= MANY
        await asyncio.sleep(3 * GATHER_SECONDS)
        before = len(gathering.single)
        peer.send(b"200")
        while len(gathering.single) == before:
            await asyncio.sleep(0)
        assert gathering.single[-1] == 200
    listener.close()


async def test_a_listener_may_be_closed_by_what_it_has_gathered() -> None:
    closed: list[int] = []

    def receive(data: bytes, source: Endpoint, local: Endpoint) -> None:
        if int(data) == MANY + 1:
            listener.close()
            closed.append(int(data))

    listener = UdpListener(asyncio.get_running_loop(), "127.0.0.1", 0, receive)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect((listener.local.host, listener.local.port))
        for number in range(MANY):
            peer.send(b"%d" % number)
        await asyncio.sleep(GATHER_SECONDS / 2)
        for number in range(MANY, 2 * MANY):
            peer.send(b"%d" % number)
        await asyncio.sleep(3 * GATHER_SECONDS)
    assert closed == [MANY + 1]
