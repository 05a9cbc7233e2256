"""SIP over WebSocket (RFC 7118), for browsers: one message a frame, the subprotocol `sip` demanded.

The framing is the websockets library's. Connections only come in: a browser cannot be called but over its own.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sip.endpoint import Endpoint
from sip.limits import MessageLimits
from sip.transport.connection import OUTPUT_BYTES, Connection, Connections, Receiver
from sip.transport.streams import HANDSHAKE_SECONDS, listening_socket

SUBPROTOCOL = Subprotocol("sip")
PING_SECONDS = 30.0
WAITING_MESSAGES = 256
"""Messages that may wait for a browser to read; beyond, its connection is dropped."""

# Its own words about each connection; what matters is counted here.
_quiet = logging.getLogger("sip.transport.websocket.library")
_quiet.setLevel(logging.CRITICAL)


class WebSocketConnection(Connection):
    """One browser."""

    def __init__(self, connections: Connections, socket: ServerConnection, local: Endpoint) -> None:
        peer = socket.remote_address
        self.remote = Endpoint(local.transport, peer[0], peer[1])
        self.local = local
        self._connections = connections
        self._socket = socket
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MESSAGES)
        self._waiting_bytes = 0

    async def run(self, receive: Receiver) -> None:
        """Carry messages both ways until the connection ends."""
        writer = self._connections.loop.create_task(self._write())
        try:
            async for frame in self._socket:
                data = frame.encode() if isinstance(frame, str) else frame
                receive(data, self.remote, self.local)
        except ConnectionClosed:
            pass  # however it ended, it has
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def send(self, data: bytes) -> None:
        """Send one message. Raises OSError when the browser does not read."""
        if self._waiting.full() or self._waiting_bytes > OUTPUT_BYTES:
            self._connections.counters.slow += 1
            self.close()
            raise ConnectionAbortedError("the peer does not read")
        self._waiting_bytes += len(data)
        self._waiting.put_nowait(data)

    def close(self) -> None:
        """End the connection without a farewell."""
        self._socket.transport.abort()

    async def _write(self) -> None:
        while True:
            data = await self._waiting.get()
            self._waiting_bytes -= len(data)
            # RFC 7118 §5: text frames where the message is UTF-8, which ours are
            await self._socket.send(data.decode("utf-8", "replace") if _is_text(data) else data)


class WebSocketListener:
    """One listening socket for `ws` or `wss`."""

    def __init__(self, server: Server, local: Endpoint) -> None:
        self.local = local
        self._server = server

    @classmethod
    async def open(
        cls,
        connections: Connections,
        transport: str,
        address: tuple[str, int],
        limits: MessageLimits,
        receive: Receiver,
        context: ssl.SSLContext | None,
    ) -> WebSocketListener:
        """Bind and listen; raises OSError with the address in its message."""
        listening = listening_socket(transport, *address)
        local = Endpoint(transport, address[0], listening.getsockname()[1])

        async def handle(socket: ServerConnection) -> None:
            if not connections.admits(socket.remote_address[0]):
                return
            connection = WebSocketConnection(connections, socket, local)
            connections.counters.accepted += 1
            connections.add(connection)
            try:
                await connection.run(receive)
            finally:
                connections.remove(connection)

        server = await serve(
            handle,
            sock=listening,
            ssl=context,
            subprotocols=[SUBPROTOCOL],
            max_size=limits.message_bytes,
            max_queue=16,
            open_timeout=HANDSHAKE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=1,
            compression=None,
            server_header=None,
            logger=_quiet,
        )
        return cls(server, local)

    def close(self) -> None:
        """Accept no more, and end the connections that came over it."""
        self._server.close()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
