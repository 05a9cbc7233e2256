"""SIP over WebSocket (RFC 7118), for browsers: one message a frame, the subprotocol `sip` demanded.

Handshake and framing are the websockets library's, without its own tasks. Connections only come in: a browser cannot be
called but over its own.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from sip.endpoint import Endpoint
from sip.limits import MessageLimits
from sip.transport import connection as bounds
from sip.transport.connection import Connection, Connections, Receiver

SUBPROTOCOL = Subprotocol("sip")

PING_SECONDS = 30.0
"""How often a browser is asked whether it is there; without a word until the next time it is not."""

# Its own words about each connection; what matters is counted here.
_quiet = logging.getLogger("sip.transport.websocket.library")
_quiet.setLevel(logging.CRITICAL)


class WebSocketConnection(Connection):
    """One browser. It counts as open once the WebSocket handshake is done."""

    def __init__(
        self, connections: Connections, local: Endpoint, limits: MessageLimits, receive: Receiver, *, source: str
    ) -> None:
        super().__init__(connections, local, source)
        self._receive = receive
        self._protocol = ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=limits.message_bytes, logger=_quiet)
        self._is_open = False
        self._asked = False  # a ping is out, and nothing has come since
        self._parts: list[bytes] = []  # of a message in several frames
        self._is_text = False

    def _opened(self) -> None:
        self._schedule(bounds.HANDSHAKE_SECONDS)

    def data_received(self, data: bytes) -> None:
        """asyncio: octets have come."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            self._asked = False
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()

    def eof_received(self) -> bool | None:
        """asyncio: the browser sends no more; so do we."""
        self._protocol.receive_eof()
        self._flush()
        self._end()
        return None

    def send(self, data: bytes) -> None:
        """Send one message. Raises OSError when the connection has ended or the browser does not read."""
        self._writable()
        try:
            # RFC 7118 §5: text frames where the message is UTF-8, which ours are
            if _is_text(data):
                self._protocol.send_text(data)
            else:
                self._protocol.send_binary(data)
        except InvalidState:
            raise ConnectionResetError("the connection has ended") from None
        self._flush()

    def close(self) -> None:
        """End the connection, with a farewell where there is one to say it to."""
        if self._is_open:
            with suppress(InvalidState):  # it was said before
                self._protocol.send_close(CloseCode.GOING_AWAY)
            self._flush()
        self._end()

    def _answer(self, request: Request) -> None:
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        if response.status_code == 101:
            self._is_open = True
            self._connections.counters.accepted += 1
            self._connections.add(self)
            self._schedule(PING_SECONDS)

    def _take(self, frame: Frame) -> None:
        """A frame, whose order in its message and size the library has checked."""
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if frame.opcode is not Opcode.CONT:
                self._is_text = frame.opcode is Opcode.TEXT
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                self._message(message)

    def _message(self, message: bytes) -> None:
        if self._is_text and not _is_text(message):
            self._protocol.fail(CloseCode.INVALID_DATA)
            return
        self._heard = True
        self._receive(message, self.remote, self.local)

    def _flush(self) -> None:
        """Write what the library has to say, and end the connection when it says so."""
        protocol = self._protocol
        over = protocol.close_expected() or protocol.handshake_exc is not None
        data = b"".join(protocol.data_to_send())
        if data and not self._write(data):
            return
        if over:
            self._end()

    def _tick(self) -> None:
        if not self._is_open:
            self._connections.counters.unfinished += 1
            self._end()
        elif self._asked:
            self._connections.counters.idle += 1
            self._abort()
        elif not self._heard and self._connections.loop.time() - self._last_heard >= bounds.IDLE_SECONDS:
            self._drop_idle()
        else:
            self._asked = True
            try:
                self._protocol.send_ping(secrets.token_bytes(4))
            except InvalidState:
                self._end()
            self._flush()
            self._schedule(PING_SECONDS)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
