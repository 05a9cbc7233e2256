"""WebSocket connections to the outside (RFC 6455), for the streams of calls: connect, guard, bounded sending.

Handshake and framing are the websockets library's, without its own tasks: a connection costs no task, and a message
costs one call. Messages in one frame, which nearly all are, are taken out before the library sees them: it would take
as long as everything else that is done for them. The guard on addresses is that of every URL a customer names
(`engine.http`). Redirects are not followed, proxies are not used, messages are not compressed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, InvalidStatus, InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from engine.http import USER_AGENT, Resolver, is_public_address
from engine.websocket_frames import masks, scan_frame, write_frame
from voyloml import HttpFailure

CONNECT_SECONDS: Final = 3.0
OPEN_SECONDS: Final = 10.0
"""To connect to one address, and for names, addresses, TLS and the handshake together (contract §11.4)."""

_OWN_CODES: Final = 3000
_END_OF_HEADERS: Final = b"\r\n\r\n"
_HANDSHAKE_BYTES: Final = 64 << 10
"""Beyond this the library is to refuse the answer to the handshake."""

MESSAGE_BYTES: Final = 1 << 20
"""The longest message that is taken; a longer one ends the connection (1009)."""

SEND_BYTES: Final = 64 << 10
"""What may wait for a peer that does not read; a message beyond is refused."""

URGENT_BYTES: Final = 2 * SEND_BYTES
"""The same for messages that matter more than those of every 20 ms."""

PING_SECONDS: Final = 20.0
"""How often the peer is asked whether it is there; without a word until the next time it is not."""

CLOSE_SECONDS: Final = 5.0
"""How long a peer has to close its end as well."""

_MASKS: Final = masks()

# Its own words about each connection; what matters is said by whoever owns the stream.
_quiet = logging.getLogger("engine.websocket.library")
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended: the code and reason of RFC 6455 §7.1.5; 1006 where it broke off."""

    code: int
    reason: str

    @property
    def in_order(self) -> bool:
        """Whether either side closed it rather than failed; codes of an application's own (§7.4.2) say nothing bad."""
        ordinary = {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD}
        return self.code in ordinary or self.code >= _OWN_CODES


class WebSocket(asyncio.Protocol):
    """One connection. What comes waits until `listen`; everything is called on the asyncio thread and nothing waits."""

    def __init__(self, uri: WebSocketURI, headers: Mapping[str, str], connections: set[WebSocket]) -> None:
        self._connections = connections
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._headers = headers
        self._protocol = ClientProtocol(uri, max_size=MESSAGE_BYTES, logger=_quiet)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []  # of a message in several frames
        self._rest = bytearray()  # of a frame, or of the handshake, that is not whole
        self._needed = 0
        self._is_text = False
        self._paused = False
        self._heard = True
        self._early: list[tuple[bytes, bool]] = []
        self._on_message: Callable[[bytes, bool], None] = lambda message, is_text: self._early.append(
            (message, is_text)
        )
        self._take_text: Callable[[bytes, int, int], bool] | None = None
        self._on_closed: Callable[[Closed], None] | None = None
        self._closed: Closed | None = None
        self._timer: asyncio.TimerHandle | None = None

    def listen(
        self,
        on_message: Callable[[bytes, bool], None],
        on_closed: Callable[[Closed], None],
        take_text: Callable[[bytes, int, int], bool] | None = None,
    ) -> None:
        """Take messages from now on, each whole and with whether it is text, and be told once of the end.

        `take_text` is shown text in one frame before, where it lies: octets, and where in them. What it does not want
        (False) is a message like any other.
        """
        self._on_message, self._on_closed, self._take_text = on_message, on_closed, take_text
        early, self._early = self._early, []
        for message, is_text in early:
            on_message(message, is_text)
        if self._closed is not None:
            on_closed(self._closed)
        else:
            self.resume()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection, TLS included, is there."""
        # uvloop's transports are none by their type.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # What waits in the system is as stale as what waits here.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        request = self._protocol.connect()
        request.headers["User-Agent"] = USER_AGENT
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """asyncio: octets have come."""
        self._heard = True
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at = self._shake_hands(data) if self._protocol.state is State.CONNECTING else 0
        end = at
        while at < len(data) and self._protocol.state is State.OPEN:
            end, first, is_text = scan_frame(data, at, MESSAGE_BYTES)
            if end > len(data):
                break
            if is_text is None or self._parts:
                self._give(data[at:end])
            elif self._closed is None and not (is_text and self._take_text and self._take_text(data, first, end)):
                self._on_message(data[first:end], is_text)
            at = end
        if at == len(data):
            return
        if self._protocol.state in {State.OPEN, State.CONNECTING}:
            self._rest += data[at:]
            self._needed = max(end - at, len(self._rest) + 1)
        else:
            self._give(data[at:])

    def eof_received(self) -> bool | None:
        """asyncio: the peer sends no more."""
        if self._rest:
            self._give(bytes(self._rest))
        self._protocol.receive_eof()
        self._flush()
        self._look_for_the_end()
        return None

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the connection has ended."""
        self._connections.discard(self)
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_eof()
        if self._timer is not None:
            self._timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(HttpFailure("connect", f"the connection ended: {error or 'no answer'}"))
        self._end(Closed(CloseCode.ABNORMAL_CLOSURE, str(error) if error else "the connection broke off"))

    def send_text(self, message: bytes, *, urgent: bool = False) -> bool:
        """Send one message of UTF-8. False, and nothing sent, where the peer does not read, or the end has come."""
        return self._send(Opcode.TEXT, message, urgent=urgent)

    def send_binary(self, message: bytes) -> bool:
        """The same with a message of octets."""
        return self._send(Opcode.BINARY, message, urgent=False)

    def pause(self) -> None:
        """Read no further: what the peer sends waits on its side."""
        if self._transport is not None and not self._paused and self._closed is None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on after `pause`."""
        if self._transport is not None and self._paused:
            self._paused = False
            self._heard = True
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """End the connection in good order; the peer has CLOSE_SECONDS to do the same. Safe at any time."""
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            self._abort_soon()
            return
        self._flush()
        self._end(Closed(code, reason))
        self._abort_soon()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def send_frame(self, write: Callable[..., bytes], *arguments: object) -> bool:
        """The same with a message whose whole frame is written by a function of some arguments and a mask."""
        transport = self._transport
        if transport is None or not self._takes(transport, SEND_BYTES):
            return False
        transport.write(write(*arguments, next(_MASKS)))
        return True

    def _send(self, opcode: Opcode, message: bytes, *, urgent: bool) -> bool:
        transport = self._transport
        if transport is None or not self._takes(transport, URGENT_BYTES if urgent else SEND_BYTES):
            return False
        # Past the library, to which a whole message is nothing to remember; its frame would take twice as long.
        transport.write(write_frame(opcode, message))
        return True

    def _takes(self, transport: asyncio.Transport, limit: int) -> bool:
        """Whether the connection is open and less than so many octets wait for its peer."""
        return (
            self._protocol.state is State.OPEN
            and transport.get_write_buffer_size() < limit
            and not transport.is_closing()
        )

    def _answered(self) -> None:
        error = self._protocol.handshake_exc
        if error is None:
            # Until somebody listens.
            self.pause()
            self._timer = asyncio.get_running_loop().call_later(PING_SECONDS, self._ask)
            if not self.opened.done():
                self.opened.set_result(None)
        elif not self.opened.done():
            status = error.response.status_code if isinstance(error, InvalidStatus) else None
            message = f"the answer to the handshake was {status}" if status else f"no WebSocket: {error}"
            self.opened.set_exception(HttpFailure("protocol", message))

    def _take(self, frame: Frame) -> None:
        """A frame, whose order in its message and size the library has checked."""
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT} or self._closed is not None:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        if frame.fin and not self._parts:
            self._on_message(bytes(frame.data), self._is_text)
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            self._on_message(message, self._is_text)

    def _shake_hands(self, data: bytes) -> int:
        """Take the answer to the handshake once it is there; returns how much of what came was that."""
        end = data.find(_END_OF_HEADERS)
        if end < 0 and len(data) < _HANDSHAKE_BYTES:
            return 0
        end = len(data) if end < 0 else end + len(_END_OF_HEADERS)
        self._give(data[:end])
        return end

    def _give(self, data: bytes) -> None:
        """Let the library make something of octets: the handshake, and every frame that is not a whole message."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            elif isinstance(event, Response):
                self._answered()
        self._flush()
        self._look_for_the_end()

    def _flush(self) -> None:
        """Write what the library has to say."""
        for data in self._protocol.data_to_send():
            if self._transport is None or self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _look_for_the_end(self) -> None:
        if self._protocol.close_expected():
            self._abort_soon()
        received, fault = self._protocol.close_rcvd, self._protocol.parser_exc
        if received is not None:
            self._end(Closed(received.code, received.reason))
        elif isinstance(fault, EOFError):
            self._end(Closed(CloseCode.ABNORMAL_CLOSURE, "the connection broke off"))
        elif fault is not None:
            said = self._protocol.close_sent
            self._end(Closed(said.code if said else CloseCode.PROTOCOL_ERROR, str(fault)))

    def _end(self, closed: Closed) -> None:
        if self._closed is not None:
            return
        self._closed = closed
        # Its own end of the connection is to be seen.
        self.resume()
        if self._on_closed is not None:
            self._on_closed(closed)

    def _abort_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def _ask(self) -> None:
        """Look whether the peer is there; one that is kept waiting itself is not blamed for its silence."""
        if not self._heard and not self._paused:
            self.abort()
            return
        self._heard = False
        try:
            self._protocol.send_ping(b"voylo")
        except InvalidState:
            return
        self._flush()
        self._timer = asyncio.get_running_loop().call_later(PING_SECONDS, self._ask)


class WebSocketClient:
    """Opens connections. `allow_private` is contract §22.2 `security.allow_private_callbacks`."""

    def __init__(self, *, allow_private: bool, tls: ssl.SSLContext | None = None) -> None:
        self._allow_private = allow_private
        self._tls = ssl.create_default_context() if tls is None else tls
        self._resolver = Resolver()
        self._connections: set[WebSocket] = set()

    async def connect(self, url: str, headers: Mapping[str, str]) -> WebSocket:
        """A connection that is open. Raises HttpFailure with kind `blocked`, `dns`, `connect`, `timeout` or
        `protocol`."""
        try:
            uri = parse_uri(url)
        except (InvalidURI, ValueError) as error:
            raise HttpFailure("protocol", f"bad URL: {error}") from None
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await self._open(uri, headers)
        except TimeoutError:
            raise HttpFailure("timeout", f"{uri.host}: no WebSocket within {OPEN_SECONDS:g} s") from None

    async def close(self) -> None:
        """Ends every connection that has not ended yet, and lets go of the threads for names."""
        for connection in tuple(self._connections):
            connection.abort()
        await self._resolver.close()

    async def _open(self, uri: WebSocketURI, headers: Mapping[str, str]) -> WebSocket:
        failure: HttpFailure | None = None
        for address in await self._addresses(uri):
            try:
                connection = await self._connect(uri, address, headers)
            except HttpFailure as error:
                failure = error
                continue
            try:
                await connection.opened
            except BaseException:
                connection.abort()
                raise
            return connection
        assert failure is not None
        raise failure

    async def _addresses(self, uri: WebSocketURI) -> list[str]:
        """Where a name may be called, in the system's order."""
        try:
            found = await self._resolver.resolve(uri.host, uri.port)
        except OSError as error:
            raise HttpFailure("dns", f"{uri.host} does not resolve: {error}") from None
        addresses = list(dict.fromkeys(result["host"] for result in found))
        allowed = [address for address in addresses if self._allow_private or is_public_address(address)]
        if not allowed:
            raise HttpFailure("blocked", f"{uri.host} is at an address that this server does not call")
        return allowed

    async def _connect(self, uri: WebSocketURI, address: str, headers: Mapping[str, str]) -> WebSocket:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: WebSocket(uri, headers, self._connections),
                    address,
                    uri.port,
                    ssl=self._tls if uri.secure else None,
                    server_hostname=uri.host if uri.secure else None,
                )
        except TimeoutError:
            raise HttpFailure("connect", f"{uri.host}: no connection within {CONNECT_SECONDS:g} s") from None
        except OSError as error:
            raise HttpFailure("connect", f"cannot connect to {uri.host}: {error}") from None
        return connection
