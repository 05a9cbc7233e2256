"""`Stream` on a live call: voyloml's `Streams` (contract §10.8).

A stream is connected once and never again: when its socket closes a bidirectional one is over, and the document goes
on. Whatever its peer does, only this stream is touched by it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from engine.calls.audio_stream import BUFFER_SECONDS, AudioStream, StreamEnd, StreamSetup
from engine.calls.status_callback import StatusCallbacks
from engine.calls.stream_messages import BadFormat, Track, stream_format
from engine.ids import new_stream_id
from engine.websocket import WebSocketClient
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
        except BadFormat as error:
            raise StreamFailed(str(error)) from None
        timestamp = int(call.now().timestamp())
        try:
            socket = await self._services.client.connect(
                order.url, {SIGNATURE: sign(call.application.signing_secret, b"", timestamp)}
            )
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
        stream: AudioStream | None = None

        def ended(end: StreamEnd) -> None:
            if stream in self._running:
                self._running.remove(stream)
            self._say_end(order, sid, end)

        stream = AudioStream(call.leg.session, socket, setup, ended, buffer_seconds=self._services.buffer_seconds)
        if not stream.over:
            self._running.append(stream)
        return stream

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
                "framesSent": end.frames_sent,
                "framesDropped": end.frames_dropped,
                "messagesIgnored": end.ignored,
                "firstIgnored": end.first_ignored,
            },
        )
        if end.by == "error":
            self._tell(order, sid, "stream-error", end.closed.reason or f"closed with {end.closed.code}")
        self._tell(order, sid, "stream-stopped")

    def _tell(self, order: StreamOrder, sid: str, event: str, error: str | None = None) -> None:
        if order.status_callback is None:
            return
        facts = told.of_stream(sid, event, self._call.now(), order.name, error)
        # In the order of the events, also where an answer takes long.
        self._told = self._callbacks.tell(self._call, "stream", order.status_callback, facts, after=self._told)
