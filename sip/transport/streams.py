"""SIP over TCP and TLS (RFC 3261 §18): connections that are made when there is something to send.

Messages for a connection that is being made wait for it in order, within a bound.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from sip.endpoint import Endpoint
from sip.limits import MessageLimits
from sip.transaction.layer import Datagram
from sip.transport.connection import Connections, Receiver, StreamConnection, connection_key

CONNECT_SECONDS = 5.0
WAITING_MESSAGES = 256
"""Messages that may wait for one connection to be made."""

CONNECTING = 256
"""Connections being made at once."""

KEEPALIVE_IDLE_SECONDS = 60


@dataclass(slots=True)
class _Pending:
    """A connection in the making and what waits for it."""

    task: asyncio.Task[None]
    waiting: list[Datagram] = field(default_factory=list)


class Connector:
    """Sends over the connection to a peer, making it when there is none. What fails is reported to `on_failure`."""

    def __init__(
        self,
        connections: Connections,
        limits: MessageLimits,
        receive: Receiver,
        context: Callable[[], ssl.SSLContext],
        on_failure: Callable[[Datagram, str], None],
    ) -> None:
        self._connections = connections
        self._limits = limits
        self._receive = receive
        self._context = context
        self._on_failure = on_failure
        self._pending: dict[tuple[Endpoint, str | None], _Pending] = {}

    def send(self, datagram: Datagram) -> None:
        """Send one message to a numeric address. Raises OSError when that is impossible at once."""
        remote = datagram.remote
        if self._send_over(remote, datagram.data):
            return
        if remote.fallback is not None:
            remote = remote.fallback
            if self._send_over(remote, datagram.data):
                return
        if remote.transport not in {"tcp", "tls"}:
            raise OSError("a browser is reached over its own connection only, and that has ended")
        pending = self._pending.get(connection_key(remote))
        if pending is None:
            if len(self._pending) >= CONNECTING:
                raise OSError("too many connections are being made")
            task = self._connections.loop.create_task(self._connect(remote, datagram.local))
            pending = self._pending[connection_key(remote)] = _Pending(task)
        if len(pending.waiting) >= WAITING_MESSAGES:
            raise OSError("too many messages wait for the connection")
        pending.waiting.append(datagram)

    def _send_over(self, remote: Endpoint, data: bytes) -> bool:
        """Send over the connection to this end; False when there is none, or it has just ended."""
        connection = self._connections.find(remote)
        if connection is None:
            return False
        try:
            connection.send(data)
        except ConnectionResetError:
            return False
        return True

    async def close(self) -> None:
        """Give up the connections that are being made."""
        tasks = [pending.task for pending in self._pending.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        self._pending.clear()

    async def _connect(self, remote: Endpoint, local: Endpoint) -> None:
        try:
            reason = await self._try(remote, local)
        except asyncio.CancelledError:
            self._pending.pop(connection_key(remote), None)
            raise
        pending = self._pending.pop(connection_key(remote))
        for datagram in pending.waiting:
            connection = self._connections.find(remote)
            try:
                if connection is None:
                    raise OSError(reason or "the connection has ended")  # noqa: TRY301
                connection.send(datagram.data)
            except OSError as error:
                self._on_failure(datagram, str(error))

    async def _try(self, remote: Endpoint, local: Endpoint) -> str | None:
        """Make a connection; the reason when it cannot be had."""
        secure = remote.transport == "tls"
        loop = self._connections.loop
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: StreamConnection(self._connections, local, self._limits, self._receive, name=remote.name),
                    remote.host,
                    remote.port,
                    ssl=self._context() if secure else None,
                    server_hostname=(remote.name or remote.host) if secure else None,
                )
        except TimeoutError:
            return f"no connection within {CONNECT_SECONDS:g} s"
        except (OSError, ssl.CertificateError) as error:
            return str(error) or type(error).__name__
        keep_alive(connection)
        return None


def keep_alive(connection: StreamConnection) -> None:
    """Have the system notice a peer that is gone without a word."""
    transport = connection._transport
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
