"""One stream of a call's audio over a WebSocket that is open (contract §10.8): what goes out, and what comes back.
A stream may outlive its connection and go on with another.

Nothing here waits and nothing grows: frames that a slow peer does not take are dropped and counted, and of a peer that
sends faster than its sound is heard no more is read until there is room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import structlog

from engine.calls.stream_messages import (
    BadMessage,
    Clear,
    Mark,
    Media,
    Messages,
    StreamFormat,
    Track,
    head_of_media,
    read_message,
)
from engine.websocket import Closed, WebSocket
from media import FRAME_SAMPLES, RING_SECONDS, LiveSource, MediaSession, UlawAudio

logger = structlog.get_logger(__name__)

FRAME_MS: Final = 20
BUFFER_SECONDS: Final = 120
"""What may be waiting to be heard before the peer's messages are left with it (`limits.stream_buffer_seconds`)."""

MARKS: Final = 1024
"""Marks whose audio is still to be sent; further ones are ignored."""

KEPT: Final = MARKS + 32
"""Marks and keys that wait for the next connection."""

RESUME_SECONDS: Final = 0.25
"""How often it is looked whether there is room again."""

EndedBy: TypeAlias = Literal["peer", "engine", "error"]
_Frame = npt.NDArray[np.int16]
_SILENCE: _Frame = np.zeros(FRAME_SAMPLES, np.int16)


@dataclass(frozen=True, slots=True)
class StreamSetup:
    """What a stream is, as its first message says. `bidirectional`: the call hears what comes back."""

    sid: str
    call_sid: str
    account_sid: str
    tracks: tuple[Track, ...]
    bidirectional: bool
    form: StreamFormat
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a stream ended, how many connections it has had after the first, and what did not go through: frames of
    20 ms, and messages that were not understood."""

    by: EndedBy
    closed: Closed
    seconds: float
    reconnects: int
    frames_sent: int
    frames_dropped: int
    ignored: int
    first_ignored: str | None


def _gives_up(_closed: Closed, _seconds: float) -> bool:
    return False


class AudioStream:
    """A stream under way; voyloml's `Streaming`. `on_end` is called once, whoever ends it.

    `on_break` is told of a connection that broke off, and for how many seconds it was open. Where it returns True the
    stream goes on without a connection until `use` or `give_up`: what the call hears of it is silence, audio is
    dropped, and marks and keys are kept for the next connection.
    """

    def __init__(
        self,
        session: MediaSession,
        socket: WebSocket,
        setup: StreamSetup,
        on_end: Callable[[StreamEnd], None],
        *,
        buffer_seconds: float = BUFFER_SECONDS,
        on_break: Callable[[Closed, float], bool] = _gives_up,
    ) -> None:
        self.setup = setup
        self._on_end = on_end
        self._on_break = on_break
        self._buffer_seconds = buffer_seconds
        self._audio = setup.form.audio()
        self._ulaw = self._audio if isinstance(self._audio, UlawAudio) else None
        # What the peer writes before its audio, once that is known. With less room than the kernel takes at once each
        # message is looked at.
        self._head: bytes | None = None
        self._learns_head = self._ulaw is not None and buffer_seconds >= RING_SECONDS
        self._began = time.monotonic()
        self._first_tick: int | None = None
        self._chunks = dict.fromkeys(setup.tracks, 0)
        self._held: tuple[int, _Frame] | None = None
        self._sent = self._dropped = self._ignored = self._marks = 0
        self._first_ignored: str | None = None
        self._ended = asyncio.Event()
        self._resume: asyncio.TimerHandle | None = None
        self._source: LiveSource | None = session.open_source() if setup.bidirectional else None
        self._reconnects = 0
        self._broken = False
        self._kept: list[Callable[[Messages], bytes]] = []
        self._begin(socket)
        self._end_taps: tuple[Callable[[], None], ...] = self._tap(session)
        socket.listen(self._take, self._closed, self._take_media)

    def _begin(self, socket: WebSocket) -> None:
        """Say on a connection what the stream is."""
        setup = self.setup
        self._socket = socket
        self._opened = time.monotonic()
        self._messages = Messages(setup.sid, setup.call_sid, setup.account_sid)
        socket.send_text(self._messages.connected(), urgent=True)
        start = self._messages.start(setup.tracks, setup.form, setup.parameters, self._reconnects)
        socket.send_text(start, urgent=True)

    def use(self, socket: WebSocket) -> None:
        """Go on over another connection; one that comes after the end is closed."""
        if self._ended.is_set():
            socket.close()
            return
        self._reconnects += 1
        self._broken = False
        self._begin(socket)
        kept, self._kept = self._kept, []
        for message in kept:
            socket.send_text(message(self._messages), urgent=True)
        socket.listen(self._take, self._closed, self._take_media)

    def give_up(self, closed: Closed) -> None:
        """There is no other connection: the stream ends as one that has broken off."""
        self._finish("error", closed)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    async def closed(self) -> None:
        """Returns when the socket has closed."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Closes it; nothing is sent, heard or told after."""
        self.end()

    def end(self) -> None:
        """The same, at once. Safe at any time."""
        if self._ended.is_set():
            return
        self._socket.send_text(self._messages.stop(), urgent=True)
        self._finish("engine", Closed(1000, ""))
        self._socket.close()

    def press(self, key: str) -> None:
        """The caller has pressed a key."""
        self._say(lambda messages: messages.dtmf(key))

    def _say(self, message: Callable[[Messages], bytes]) -> None:
        """Send a message that is to arrive: over the next connection where there is none."""
        if self._ended.is_set():
            return
        if not self._broken:
            self._socket.send_text(message(self._messages), urgent=True)
        elif len(self._kept) < KEPT:
            self._kept.append(message)

    def _tap(self, session: MediaSession) -> tuple[Callable[[], None], ...]:
        setup = self.setup
        if setup.form.channels == 2:
            return session.listen(self._hold), session.listen(self._send_pair, sent=True)
        ends = []
        if "inbound" in setup.tracks:
            ends.append(session.listen(lambda frame, tick: self._send("inbound", frame, tick)))
        if "outbound" in setup.tracks:
            ends.append(session.listen(lambda frame, tick: self._send("outbound", frame, tick), sent=True))
        return tuple(ends)

    def _hold(self, frame: _Frame, tick: int) -> None:
        """What was received waits for what is sent in the same tick, which always comes."""
        self._held = (tick, frame)

    def _send_pair(self, frame: _Frame, tick: int) -> None:
        held, self._held = self._held, None
        received = held[1] if held is not None and held[0] == tick else _SILENCE
        self._send("inbound", np.stack((received, frame), axis=1), tick)

    def _send(self, track: Track, frame: _Frame, tick: int) -> None:
        if self._first_tick is None:
            self._first_tick = tick
        if self._ulaw is None:
            taken = self._socket.send_binary(self._audio.encode(frame))
        else:
            chunk = self._chunks[track] = self._chunks[track] + 1
            milliseconds = max(tick - self._first_tick, 0) * FRAME_MS
            head = self._messages.media(track, chunk, milliseconds)
            taken = self._socket.send_frame(self._ulaw.encode_message, head, frame)
        if taken:
            self._sent += 1
        else:
            self._dropped += 1

    def _take_media(self, data: bytes, first: int, end: int) -> bool:
        """Take a message that is the one before with other audio, as nearly all are, in one go."""
        head, source = self._head, self._source
        return head is not None and source is not None and source.write_message(data, first, end, head)

    def _take(self, message: bytes, is_text: bool) -> None:
        if self._source is None or self._ended.is_set():
            # A fork plays nothing back, whatever comes.
            return
        try:
            self._obey(read_message(message) if is_text else self._read_binary(message), self._source)
            if is_text and self._learns_head:
                self._head = head_of_media(message) or self._head
        except BadMessage as error:
            self._ignored += 1
            self._first_ignored = self._first_ignored or str(error)

    def _read_binary(self, message: bytes) -> Media:
        if not self.setup.form.raw:
            raise BadMessage("audio in binary messages was not asked for")
        return Media(message)

    def _obey(self, order: Media | Mark | Clear, source: LiveSource) -> None:
        match order:
            case Media(octets):
                self._play(octets, source)
            case Mark(name):
                if self._marks >= MARKS:
                    raise BadMessage(f"more than {MARKS} marks are waiting")
                self._marks += 1
                source.mark(lambda: self._reached(name))
            case Clear():
                source.clear()

    def _play(self, octets: bytes, source: LiveSource) -> None:
        source.write(self._audio.decode(octets))
        if source.seconds > self._buffer_seconds and self._resume is None:
            self._socket.pause()
            self._look_for_room()

    def _look_for_room(self) -> None:
        if self._source is None or self._ended.is_set():
            return
        if self._source.seconds <= self._buffer_seconds:
            self._resume = None
            self._socket.resume()
        else:
            self._resume = asyncio.get_running_loop().call_later(RESUME_SECONDS, self._look_for_room)

    def _reached(self, name: str) -> None:
        self._marks -= 1
        self._say(lambda messages: messages.mark(name))

    def _closed(self, closed: Closed) -> None:
        if closed.in_order:
            self._finish("peer", closed)
        elif not self._ended.is_set() and self._on_break(closed, time.monotonic() - self._opened):
            self._lose()
        else:
            self._finish("error", closed)

    def _lose(self) -> None:
        """Be without a connection: what its peer had said and was not heard is left out."""
        self._broken = True
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        if self._source is not None:
            self._source.clear()

    def _finish(self, by: EndedBy, closed: Closed) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        for end in self._end_taps:
            end()
        if self._resume is not None:
            self._resume.cancel()
        if self._source is not None:
            self._source.close()
        self._on_end(
            StreamEnd(
                by,
                closed,
                time.monotonic() - self._began,
                self._reconnects,
                self._sent,
                self._dropped,
                self._ignored,
                self._first_ignored,
            )
        )
