"""`Stream` on a live call: voyloml's `Streams` (contract §10.8).

A stream is connected once and never again unless its document asks for it (`stream_reconnect`): when its socket closes
a bidirectional one is over, and the document goes on. Whatever its peer does, only this stream is touched by it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from engine.calls.audio_stream import BUFFER_SECONDS, AudioStream, StreamEnd, StreamSetup
from engine.calls.status_callback import StatusCallbacks
from engine.calls.stream_messages import BadFormat, Track, stream_format
from engine.calls.stream_reconnect import BadReconnect, Reconnection, reconnects
from engine.ids import new_stream_id
from engine.websocket import Closed, WebSocket, WebSocketClient
from voyloml import HttpFailure, sign, told
from voyloml.capabilities import StreamFailed, Streaming, StreamOrder
from voyloml.signature import HEADER as SIGNATURE

if TYPE_CHECKING:
    from engine.calls.call import Call

logger = structlog.get_logger(__name__)

STREAMS: Final = 4
"""Streams of one call at the same time (`limits.streams_per_call`)."""

_TRACKS: Final[dict[str, tuple[Track, ...]]] = {
    "inbound": ("inbound",),
    "outbound": ("outbound",),
    "both": ("inbound", "outbound"),
}


@dataclass(frozen=True, slots=True)
class StreamServices:
    """What the streams of every call need: the client, and what an operator may set."""

    client: WebSocketClient
    buffer_seconds: float = BUFFER_SECONDS
    per_call: int = STREAMS


class CallStreams:
    """The streams of one call."""

    def __init__(self, call: Call, services: StreamServices, callbacks: StatusCallbacks) -> None:
        self._call = call
        self._services = services
        self._callbacks = callbacks
        self._told: asyncio.Task[None] | None = None
        self._running: list[AudioStream] = []

    async def stream(self, order: StreamOrder) -> Streaming:
        """Opens the socket; returns once audio flows. Raises StreamFailed, which the status callback is told too."""
        sid = new_stream_id()
        try:
            return await self._open(sid, order)
        except StreamFailed as error:
            self._tell(order, sid, "stream-error", str(error))
            raise

    def press(self, key: str) -> None:
        """The caller has pressed a key."""
        for stream in self._running:
            stream.press(key)

    def close(self) -> None:
        """Ends every stream; the sockets close by themselves."""
        for stream in tuple(self._running):
            stream.end()

    async def _open(self, sid: str, order: StreamOrder) -> AudioStream:
        call, tracks = self._call, _TRACKS[order.track]
        if len(self._running) >= self._services.per_call:
            raise StreamFailed(f"a call has at most {self._services.per_call} streams at a time")
        try:
            form = stream_format(order.parameters, tracks)
            limit = reconnects(order.parameters)
        except (BadFormat, BadReconnect) as error:
            raise StreamFailed(str(error)) from None
        try:
            socket = await self._connect(order)
        except HttpFailure as failure:
            raise StreamFailed(failure.message) from None
        setup = StreamSetup(
            sid=sid,
            call_sid=call.new.public_id,
            account_sid=call.new.workspace_id,
            tracks=tracks,
            bidirectional=order.bidirectional,
            form=form,
            parameters=order.parameters,
        )
        self._tell(order, sid, "stream-started")
        again = Reconnection(limit, lambda: self._connect(order), lambda: self._say_reconnected(order, sid))

        def ended(end: StreamEnd) -> None:
            again.stop()
            if again.stream in self._running:
                self._running.remove(again.stream)
            self._say_end(order, sid, end)

        def broke(closed: Closed, open_seconds: float) -> bool:
            goes_on = again.begin(open_seconds)
            if goes_on:
                self._say_broken(order, sid, closed)
            return goes_on

        stream = again.stream = AudioStream(
            call.leg.session, socket, setup, ended, buffer_seconds=self._services.buffer_seconds, on_break=broke
        )
        if not stream.over:
            self._running.append(stream)
        return stream

    async def _connect(self, order: StreamOrder) -> WebSocket:
        call = self._call
        signature = sign(call.application.signing_secret, b"", int(call.now().timestamp()))
        return await self._services.client.connect(order.url, {SIGNATURE: signature})

    def _say_broken(self, order: StreamOrder, sid: str, closed: Closed) -> None:
        facts = {"streamSid": sid, "name": order.name, "code": closed.code, "reason": closed.reason}
        self._call.log("stream_broken", facts)
        self._tell(order, sid, "stream-error", _reason(closed))

    def _say_reconnected(self, order: StreamOrder, sid: str) -> None:
        self._call.log("stream_reconnected", {"streamSid": sid, "name": order.name})
        self._tell(order, sid, "stream-started")

    def _say_end(self, order: StreamOrder, sid: str, end: StreamEnd) -> None:
        if end.frames_dropped:
            logger.warning(
                "stream.frames_dropped",
                call=self._call.new.public_id,
                stream=sid,
                dropped=end.frames_dropped,
                sent=end.frames_sent,
            )
        self._call.log(
            "stream_ended",
            {
                "streamSid": sid,
                "name": order.name,
                "by": end.by,
                "code": end.closed.code,
                "reason": end.closed.reason,
                "seconds": round(end.seconds, 3),
                "reconnects": end.reconnects,
                "framesSent": end.frames_sent,
                "framesDropped": end.frames_dropped,
                "messagesIgnored": end.ignored,
                "firstIgnored": end.first_ignored,
            },
        )
        if end.by == "error":
            self._tell(order, sid, "stream-error", _reason(end.closed))
        self._tell(order, sid, "stream-stopped")

    def _tell(self, order: StreamOrder, sid: str, event: str, error: str | None = None) -> None:
        if order.status_callback is None:
            return
        facts = told.of_stream(sid, event, self._call.now(), order.name, error)
        # In the order of the events, also where an answer takes long.
        self._told = self._callbacks.tell(self._call, "stream", order.status_callback, facts, after=self._told)


def _reason(closed: Closed) -> str:
    return closed.reason or f"closed with {closed.code}"
