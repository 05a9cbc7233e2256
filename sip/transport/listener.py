"""A listening socket for TCP, TLS or WebSocket: who connects is counted at once, and given a connection once TLS is
done."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from sip.endpoint import Endpoint
from sip.transport import connection as bounds
from sip.transport.connection import Connection, Connections

log = logging.getLogger(__name__)

BACKLOG = 512

PAUSE_SECONDS = 0.5
"""How long nothing is accepted after the system has refused, which it does when there are no descriptors left."""

Maker = Callable[[Endpoint, str], Connection]
"""Makes the connection for a listener and the address that it was admitted for."""


class Listener:
    """`local` has the port that the kernel chose where port 0 was asked for. `context` may be replaced at any time;
    connections that are there keep theirs."""

    def __init__(
        self,
        connections: Connections,
        transport: str,
        address: tuple[str, int],
        make: Maker,
        context: ssl.SSLContext | None,
    ) -> None:
        """Bind and listen; raises OSError with the address in its message."""
        self.context = context
        self._connections = connections
        self._make = make
        self._socket = listening_socket(transport, *address)
        self._socket.listen(BACKLOG)
        self.local = Endpoint(transport, address[0], self._socket.getsockname()[1])
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = connections.loop.create_task(self._accept())

    async def close(self) -> None:
        """Accept no more."""
        tasks = [self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def _accept(self) -> None:
        loop = self._connections.loop
        while True:
            try:
                accepted, address = await loop.sock_accept(self._socket)
            except OSError as error:
                log.warning("no connection accepted on %s: %s", self.local, error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            host = address[0]
            if not self._connections.admit(host):
                accepted.close()
                continue
            task = loop.create_task(self._take(accepted, host))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _take(self, accepted: socket.socket, host: str) -> None:
        connection = self._make(self.local, host)
        context = self.context
        try:
            await self._connections.loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=bounds.HANDSHAKE_SECONDS if context is not None else None,
            )
        except OSError:
            self._connections.counters.unfinished += 1
            connection.release()
        except asyncio.CancelledError:
            connection.release()
            raise


def listening_socket(transport: str, host: str, port: int) -> socket.socket:
    """A bound TCP socket; raises OSError with the address in its message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(error.errno, f"cannot listen on {transport} {shown}: {error.strerror or error}") from error
    return listening
