"""A UDP listener: one non-blocking socket on the event loop, read in batches (RFC 3261 §18).

Reads by `add_reader` rather than through an asyncio transport, which takes one datagram from the kernel for each turn
of the loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from sip.endpoint import Endpoint

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked of the kernel, which may give less: room for a burst while the event loop is busy with something else."""

SO_RCVBUFFORCE = 33
"""Linux: SO_RCVBUF beyond net.core.rmem_max, for CAP_NET_ADMIN. Python has no name for it."""

DATAGRAM_BYTES = 65535
"""More than any UDP datagram can carry."""

BATCH = 32
"""Datagrams taken in one turn of the event loop, so that a flood on one socket leaves room for everything else."""

GATHER_SECONDS = 0.01
"""While many datagrams come, they are left in the socket so long and taken together: what one costs falls by about a
fifth when its like has just been handled, as the code for it is still near the processor."""

MANY = 5
"""So many within GATHER_SECONDS are many; where fewer come, each is taken at once."""

Receiver = Callable[[bytes, Endpoint, Endpoint], None]
Gather = Callable[[Callable[[], int]], int]


@dataclass(slots=True)
class UdpCounters:
    """What the socket itself had to say."""

    receive_errors: int = 0
    send_blocked: int = 0


class UdpListener:
    """One bound socket. `local` is its address, with the port that the kernel chose where port 0 was asked for.

    `receive` takes each datagram. Those that were gathered are given to it within one call of `gather`, which calls its
    argument and returns the result.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        port: int,
        receive: Receiver,
        gather: Gather = lambda take: take(),
    ) -> None:
        """Bind and start to listen; raises OSError with the address in its message."""
        self._loop = loop
        self._receive = receive
        self._gather = gather
        self._window_ends = 0.0
        self._window_taken = 0
        self._buffer = bytearray(DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)
        self.counters = UdpCounters()
        self._socket = _bind(host, port)
        self.local = Endpoint("udp", host, self._socket.getsockname()[1])
        loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, remote: Endpoint) -> None:
        """Send one datagram to a numeric address; raises OSError when the system refuses.

        A full socket buffer drops the datagram: that is what networks do, and SIP repeats what matters.
        """
        try:
            self._socket.sendto(data, (remote.host, remote.port))
        except BlockingIOError:
            self.counters.send_blocked += 1

    def close(self) -> None:
        """Stop listening and give the port back."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        taken = self._read_batch()
        now = self._loop.time()
        if now > self._window_ends:
            self._window_ends = now + GATHER_SECONDS
            self._window_taken = 0
        self._window_taken += taken
        if self._window_taken >= MANY and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_later(GATHER_SECONDS, self._take_gathered)

    def _take_gathered(self) -> None:
        """What has come since the last time; back to taking each at once where that is little."""
        if self._socket.fileno() < 0:
            return
        taken = self._gather(self._read_batch)
        if self._socket.fileno() < 0:
            return
        if taken == BATCH:
            self._loop.call_soon(self._take_gathered)
        elif taken >= MANY:
            self._loop.call_later(GATHER_SECONDS, self._take_gathered)
        else:
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _read_batch(self) -> int:
        for taken in range(BATCH):
            if self._socket.fileno() < 0:
                return taken
            try:
                length, address = self._socket.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return taken
            except OSError:
                # an ICMP error about an earlier datagram: the socket is as good as before
                self.counters.receive_errors += 1
                return taken
            self._receive(bytes(self._view[:length]), Endpoint("udp", address[0], address[1]), self.local)
        return BATCH


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        if family == socket.AF_INET6:
            # IPv4 has listeners of its own, with addresses that a peer knows
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except OSError:  # no privilege, or not Linux: the kernel gives what its limit allows
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        udp.bind((host, port))
    except OSError as error:
        udp.close()
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"cannot listen on udp {shown}: {error.strerror or error}") from error
    return udp
