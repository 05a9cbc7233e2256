"""What the connections of every stream transport have in common: who may have one, how many, and when one is dropped.

A connection hands whole messages up and takes whole messages down. It never waits for its peer: one that does not read
what was sent, within a bound, is dropped. One that comes in counts from the moment it is accepted, before its TLS.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sip.endpoint import Endpoint
from sip.limits import MessageLimits
from sip.stream import PING, PONG, MessageStream, Taken

OUTPUT_BYTES = 1024 * 1024
"""What may wait for a peer to read it; beyond, the connection is dropped."""

CONNECTIONS = 10_000
CONNECTIONS_PER_SOURCE = 500
"""Incoming connections at once, altogether and from one address, those in their handshake included."""

HANDSHAKE_SECONDS = 10.0
"""What a TLS handshake may take, and then a WebSocket handshake."""

FIRST_MESSAGE_SECONDS = 20.0
"""An incoming connection that has said nothing sensible by then is dropped."""

IDLE_SECONDS = 900.0
"""A connection on which nothing has come for so long is dropped; phones ping far more often (RFC 5626 §4.4.1)."""

CLOSING_SECONDS = 5.0
"""What was written before a connection ends may take so long to be read; then it is lost."""

PING_SECONDS = 90.0
"""How often we ping on the connections that we made, so that a NAT keeps them (RFC 5626 §4.4.1)."""

PONG_SECONDS = 10.0
"""Who has answered a ping and then says nothing for so long after one is gone (RFC 5626 §4.4.1)."""

Receiver = Callable[[bytes, Endpoint, Endpoint], None]


@dataclass(slots=True)
class StreamCounters:
    """What happened to connections. Refused ones came while there were too many."""

    accepted: int = 0
    connected: int = 0
    refused: int = 0
    unfinished: int = 0  # handshakes that came to nothing
    broken: int = 0  # framing was lost
    slow: int = 0  # did not read what we sent
    idle: int = 0
    gone: int = 0  # did not answer a ping, having answered one before


class Connections:
    """Every open connection, by its other end, and who has those that came in."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Endpoint, Endpoint], None]) -> None:
        self.loop = loop
        self.counters = StreamCounters()
        self._on_lost = on_lost
        self._open: dict[tuple[Endpoint, str | None], Connection] = {}
        self._all: set[Connection] = set()
        self._sources: Counter[str] = Counter()
        self._admitted = 0

    def __len__(self) -> int:
        return len(self._open)

    def find(self, remote: Endpoint) -> Connection | None:
        """The open connection to this end; over TLS one whose certificate was checked for the same name."""
        return self._open.get(connection_key(remote))

    def admit(self, host: str) -> bool:
        """Count a connection that was accepted from this address, until `release`; False when it is one too many."""
        if self._admitted >= CONNECTIONS or self._sources.get(host, 0) >= CONNECTIONS_PER_SOURCE:
            self.counters.refused += 1
            return False
        self._admitted += 1
        self._sources[host] += 1
        return True

    def release(self, host: str) -> None:
        """A connection that was admitted has ended."""
        self._admitted -= 1
        self._sources[host] -= 1
        if not self._sources[host]:
            del self._sources[host]

    def attend(self, connection: Connection) -> None:
        """A connection has a transport, and may be in its handshake."""
        self._all.add(connection)

    def add(self, connection: Connection) -> None:
        """A connection is open."""
        self._open[connection_key(connection.remote)] = connection

    def remove(self, connection: Connection) -> None:
        """A connection has ended."""
        self._all.discard(connection)
        key = connection_key(connection.remote)
        if self._open.get(key) is connection:
            del self._open[key]
            self._on_lost(connection.remote, connection.local)

    def close(self) -> None:
        """End every connection."""
        for connection in tuple(self._all):
            connection.close()


def connection_key(remote: Endpoint) -> tuple[Endpoint, str | None]:
    """What tells connections apart: their other end, and over TLS the name that its certificate stands for."""
    return remote, remote.name if remote.transport == "tls" else None


class Connection(asyncio.Protocol, ABC):
    """One connection: `remote` is the other end, `local` the listener that it counts as one of.

    `source` is the address that it was admitted for; None where we connect.
    """

    remote: Endpoint

    def __init__(self, connections: Connections, local: Endpoint, source: str | None, name: str | None = None) -> None:
        """`name` is what the peer's certificate is checked for, where we connect."""
        self.local = local
        self._connections = connections
        self._source = source
        self._outgoing = source is None
        self._name = name
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        self._heard = False  # a message
        self._last_heard = 0.0

    @abstractmethod
    def _opened(self) -> None:
        """The transport is there."""

    @abstractmethod
    def _tick(self) -> None:
        """What was scheduled is due."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send one message. Raises OSError when the connection has ended or its peer does not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there, its TLS included."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        if peer is None:  # gone already
            transport.abort()  # type: ignore[attr-defined]
            return
        self.remote = Endpoint(self.local.transport, peer[0], peer[1], self._name)
        transport.set_write_buffer_limits(OUTPUT_BYTES)  # type: ignore[attr-defined]
        self._last_heard = self._connections.loop.time()
        self._connections.attend(self)
        self._opened()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self.release()
        if hasattr(self, "remote"):
            self._connections.remove(self)

    def release(self) -> None:
        """The connection counts no more. For who accepted it, where it never came about."""
        source, self._source = self._source, None
        if source is not None:
            self._connections.release(source)

    def close(self) -> None:
        """End the connection; what was written before still goes out where the peer reads it within a moment."""
        self._end()

    def _end(self) -> None:
        if self._transport is None or self._ending:
            return
        self._schedule(CLOSING_SECONDS)
        self._ending = True
        self._transport.close()

    def _abort(self) -> None:
        """End the connection at once; what its peer has not read is lost."""
        self._ending = True
        if self._transport is not None:
            self._transport.abort()

    def _writable(self) -> asyncio.Transport:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection has ended")
        if transport.get_write_buffer_size() > OUTPUT_BYTES:
            self._connections.counters.slow += 1
            self._abort()
            raise ConnectionAbortedError("the peer does not read")
        return transport

    def _write(self, data: bytes) -> bool:
        """Write what is no message; False when the connection has ended or its peer does not read."""
        try:
            self._writable().write(data)
        except OSError:
            return False
        return True

    def _schedule(self, seconds: float) -> None:
        """Have `_tick` called then, and not at the time that was set before. No effect on a connection that ends."""
        if self._ending:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._connections.loop.call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._ending:
            self._abort()
        else:
            self._tick()

    def _drop_idle(self) -> None:
        self._connections.counters.idle += 1
        self.close()


class StreamConnection(Connection):
    """A connection over TCP or TLS, of either direction."""

    def __init__(
        self,
        connections: Connections,
        local: Endpoint,
        limits: MessageLimits,
        receive: Receiver,
        *,
        source: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(connections, local, source, name)
        self._receive = receive
        self._stream = MessageStream(limits)
        self._asked_at: float | None = None  # when a ping of ours went out, while nothing has come since
        self._answers_pings = False  # many servers do not

    def _opened(self) -> None:
        if self._outgoing:
            self._connections.counters.connected += 1
        else:
            self._connections.counters.accepted += 1
        self._connections.add(self)
        self._schedule(PING_SECONDS if self._outgoing else FIRST_MESSAGE_SECONDS)

    def data_received(self, data: bytes) -> None:
        """asyncio: octets have come."""
        if self._connections.find(self.remote) is not self:
            return
        self._last_heard = self._connections.loop.time()
        taken = self._stream.feed(data)
        if self._asked_at is not None:
            self._answered(taken)
        if taken.pings and not self._write(PONG * taken.pings):
            return
        for message in taken.messages:
            self._heard = True
            self._receive(message, self.remote, self.local)
        if self._stream.broken:
            self._connections.counters.broken += 1
            self.close()

    def eof_received(self) -> bool | None:
        """asyncio: the peer sends no more; so do we."""
        self._end()
        return None

    def send(self, data: bytes) -> None:
        """Send one message. Raises OSError when the connection has ended or its peer does not read."""
        self._writable().write(data)

    def _tick(self) -> None:
        silent = self._connections.loop.time() - self._last_heard
        if silent >= IDLE_SECONDS or not (self._heard or self._outgoing):
            self._drop_idle()
        elif not self._outgoing:
            self._schedule(IDLE_SECONDS - silent)
        elif self._asked_at is not None and self._answers_pings:
            self._connections.counters.gone += 1
            self._abort()
        elif self._write(PING):
            self._asked_at = self._connections.loop.time()
            self._schedule(PONG_SECONDS if self._answers_pings else PING_SECONDS)

    def _answered(self, taken: Taken) -> None:
        """Something has come after a ping of ours. Whatever it is, the peer is there."""
        asked_at, self._asked_at = self._asked_at, None
        in_time = asked_at is not None and self._last_heard - asked_at <= PONG_SECONDS
        if in_time and not taken.messages and self._stream.take_pong():
            self._answers_pings = True
        if self._answers_pings:
            self._schedule(PING_SECONDS)
