"""One call's media as the engine sees it: where to send, what to play, which keys came, how well it went.

Everything here is a command written to the kernel or an event read from it; nothing blocks and nothing touches audio.
A session that has been closed takes every call and does nothing, so that a hang-up races with nobody.
"""

import asyncio
import base64
import logging
import os
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from media.events import (
    DigitEnded,
    DigitsSent,
    DigitStarted,
    FirstPacket,
    ItemEnded,
    Latched,
    MediaEvent,
    MediaTimeout,
    RtcpBye,
)
from media.kernel import constants as c
from media.kernel.addresses import address_text, ip_address
from media.kernel.core import MediaCore
from media.kernel.keys import Keyring, SrtpError
from media.kernel.libopus import OpusMemory, OpusSending
from media.kernel.lodging import Address, AddressTaken, Lodging
from media.kernel.once import Once
from media.kernel.playlist import Playback, PlaybackResult, Playlist, key_mask, tell_nobody
from media.kernel.statistics import SessionStatistics, read_session
from media.kernel.stream import OPUS, StreamError, StreamParameters, sent_from, start_arguments
from media.kernel.tape import TapeReader, Tapes
from media.live import LiveSource
from media.prompt import PromptAudio
from media.room import Room

_log = logging.getLogger(__name__)

TapListener: TypeAlias = Callable[[npt.NDArray[np.int16]], None]
TrackListener: TypeAlias = Callable[[npt.NDArray[np.int16], int], None]

# Digits of one call of send_digits, pauses included.
DIGITS_LIMIT = 512
LOOPS_LIMIT = 1_000_000
PAUSE_LIMIT_MS = 86_400_000
GROUP_LIMIT = 2**31 - 1

_KEY_LIMIT_MS = 5000
# A canonical name of 16 octets, as two words of a command.
_CNAME = struct.Struct("=2q")

_SYMBOLS = {symbol: code for code, symbol in enumerate(c.KEYS)} | {"w": c.PAUSE_HALF, "W": c.PAUSE_FULL}


@dataclass(slots=True)
class _Digits:
    """Digits on their way: what is left to give to the kernel, in pieces it takes at once."""

    text: str
    left: bytes
    given: int
    duration_ms: int
    gap_ms: int
    sent: asyncio.Future[bool]


class MediaSession:
    """One leg's place on a pair of sockets and what happens there. Made by `MediaPlane.open`; ends with `close`.

    `local` is the bound address and RTP port; RTCP is on the next one. Other sessions may share them, where there are
    few ports. Events go to the function given to `open`.
    """

    def __init__(
        self,
        core: MediaCore,
        slot: int,
        generation: int,
        lodging: Lodging,
        on_event: Callable[[MediaEvent], None],
        on_closed: Callable[["MediaSession"], None],
        timeout_seconds: float,
    ) -> None:
        self.local: Address = lodging.pair.local
        self.slot = slot
        self.generation = generation
        self.parameters: StreamParameters | None = None
        self._version = ip_address(self.local[0]).version
        self._core = core
        self._row: Any = core.sessions[slot]
        self._lodging = lodging
        self._heard_far: MediaSession | None = None
        self._on_event = on_event
        self._on_closed = on_closed
        self._playlist = Playlist(slot, generation, core.push, self._playback_ended)
        self._tapes = Tapes(slot, generation, self._row["taped"], core.push)
        self._digits: deque[_Digits] = deque()
        self._digits_busy = False
        self._room: Room | None = None
        self._listeners: tuple[tuple[TrackListener, ...], ...] = ((), ())
        self._end_tap: Callable[[], None] = lambda: None
        self._source: LiveSource | None = None
        self._source_start = 0
        self._groups = 0
        self._keyring = Keyring()
        self._opus = OpusMemory()
        self._closing: Once[SessionStatistics] | None = None
        lodging.on_seat = lambda seated: self._command(c.COMMAND_SEAT, int(seated))
        rtp, rtcp = lodging.pair.sockets
        random = os.urandom(22)
        # RFC 3550 §5.1: sequence number, timestamp and SSRC begin at random. The sequence number in its lower half: it
        # does not wrap before an SRTP receiver has heard the first packets (RFC 3711 §3.3.1).
        core.push(
            [
                (
                    c.COMMAND_OPEN,
                    slot,
                    generation,
                    rtp.fileno(),
                    rtcp.fileno(),
                    int.from_bytes(random[:4]),
                    int.from_bytes(random[4:6]) & 0x7FFF,
                    int.from_bytes(random[6:10]),
                    int(timeout_seconds * c.NANOSECONDS),
                    # RFC 7022 §4.2: a short-term persistent name is 96 random bits in base64.
                    *_CNAME.unpack(base64.b64encode(random[10:])),
                    lodging.pair.index,
                    int(lodging.seated),
                )
            ]
        )

    def __repr__(self) -> str:
        return f"<MediaSession {self.local[0]}:{self.local[1]}>"

    @property
    def core(self) -> MediaCore:
        """The kernel thread that serves the session."""
        return self._core

    @property
    def lodging(self) -> Lodging:
        """The session's place on its sockets."""
        return self._lodging

    @property
    def closed(self) -> bool:
        """Whether `close` was called, or the media plane has ended."""
        return self._closing is not None

    def _command(self, kind: int, *arguments: int) -> None:
        if not self.closed:
            self._core.push([(kind, self.slot, self.generation, *arguments)])

    def start(self, parameters: StreamParameters) -> None:
        """Send and receive as negotiated; also for every later change. Raises StreamError.

        What plays goes on through a change, in the other codec where it changes. A remote address that is new is
        waited for as at the first start, an old one keeps the source that was found. Keys that are new rotate: ours at
        once, the far end's old one is taken for two seconds more.
        """
        arguments = start_arguments(parameters, self._version)
        if self.closed:
            return
        remote = sent_from(parameters)
        try:
            self._lodging.check(remote)
            contexts = self._keyring.use(parameters.srtp)
        except AddressTaken as error:
            raise StreamError(f"remote_address: {error}") from error
        except SrtpError as error:
            raise StreamError(f"srtp: {error}") from error
        opus = (parameters.opus or OpusSending()) if parameters.codec == OPUS else None
        states = self._opus.use(opus)
        self.parameters = parameters
        # In one step, so that no frame goes out half changed, and the first one carries what was queued before.
        self._core.push(
            [
                *self._playlist.use_codec(parameters.inner_codec, opus),
                *([] if states is None else [(c.COMMAND_OPUS, self.slot, self.generation, *states)]),
                (c.COMMAND_INBAND, self.slot, self.generation, int(parameters.inband_keys)),
                (c.COMMAND_START, self.slot, self.generation, *arguments, *contexts),
                *self._playlist.take_waiting(),
            ]
        )
        self._lodging.signal(remote)
        self._feed_digits()

    async def prepare(self, audio: PromptAudio) -> None:
        """Encode audio for the session's codec before it is played, on another thread where that takes long."""
        if self.parameters is None:
            return
        if self.parameters.codec == OPUS:
            opus = self.parameters.opus or OpusSending()
            if audio.can_keep_packets(opus):
                await asyncio.to_thread(audio.keep_packets, opus)
        elif audio.slow_to_encode(self.parameters.inner_codec):
            await asyncio.to_thread(audio.encoded, self.parameters.inner_codec)

    def play(self, audio: PromptAudio, *, loops: int = 1, stop_keys: str = "", group: int = 0) -> Playback:
        """Queue audio after everything queued before, without a gap; `loops` 0 repeats until stopped.

        One of `stop_keys`, received while it plays, ends the whole queue and whatever else comes of the same group
        (see `new_group`); group 0 is no group. Raises ValueError for loops out of range or what is no key.
        """
        if not 0 <= loops <= LOOPS_LIMIT:
            raise ValueError(f"loops: {loops} is not from 0 to {LOOPS_LIMIT}")
        return self._queue(audio, 0, loops, stop_keys, group)

    def play_silence(self, milliseconds: int, *, stop_keys: str = "", group: int = 0) -> Playback:
        """Queue a pause of exactly so many ms. Raises ValueError where it is negative or over a day, or as `play`."""
        if not 0 <= milliseconds <= PAUSE_LIMIT_MS:
            raise ValueError(f"a pause of {milliseconds} ms is not from 0 to {PAUSE_LIMIT_MS}")
        return self._queue(None, milliseconds * c.SAMPLES_PER_MS, 1, stop_keys, group)

    def _queue(self, audio: PromptAudio | None, length: int, loops: int, stop_keys: str, group: int) -> Playback:
        keys = key_mask(stop_keys)
        if not 0 <= group <= GROUP_LIMIT:
            raise ValueError(f"group: {group} does not come from new_group")
        if self.closed:
            playback = Playback(0, audio, length, loops, keys, group)
            playback.end(PlaybackResult("stopped", None, 0))
            return playback
        return self._playlist.add(audio, length, loops, keys, group)

    def new_group(self) -> int:
        """Return a group for items that one key press shall end together, also those that are queued after it."""
        self._groups += 1
        return self._groups

    def stop(self, group: int | None = None) -> None:
        """End the queue, or one group of it, with the next tick."""
        if not self.closed:
            self._playlist.stop(group)

    def send_digits(
        self, digits: str, *, duration_ms: int = c.DIGIT_DEFAULT_MS, gap_ms: int = c.GAP_DEFAULT_MS
    ) -> "asyncio.Future[bool]":
        """Send keys as telephone events, as tones where none were negotiated, `w` and `W` as pauses of 0.5 and 1 s.

        They follow those given before.

        The result is whether all were sent: not where sending is off.
        A key lasts from 100 ms to 5 s, a gap from 60 ms to 5 s, both rounded up to whole ticks. What plays is not
        heard meanwhile but goes on. Raises ValueError for what is no key.
        """
        text = "".join(digit if digit in "wW" else digit.upper() for digit in digits)
        unknown = next((digit for digit in text if digit not in _SYMBOLS), None)
        if unknown is not None:
            raise ValueError(f"{unknown!r} is not a key of a telephone")
        if len(text) > DIGITS_LIMIT:
            raise ValueError(f"{len(text)} digits are more than {DIGITS_LIMIT}")
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.closed or not text:
            sent.set_result(not text)
            return sent
        duration = min(max(_whole_ticks(duration_ms), c.DIGIT_MIN_MS), _KEY_LIMIT_MS)
        gap = min(max(_whole_ticks(gap_ms), c.GAP_MIN_MS), _KEY_LIMIT_MS)
        symbols = bytes(_SYMBOLS[digit] for digit in text)
        self._digits.append(_Digits(text, symbols, 0, duration, gap, sent))
        self._feed_digits()
        return sent

    def _feed_digits(self) -> None:
        if self._digits_busy or not self._digits or self.parameters is None:
            return
        self._digits_busy = True
        digits = self._digits[0]
        piece, digits.left = digits.left[: c.DIGITS_MAX], digits.left[c.DIGITS_MAX :]
        digits.given = len(piece)
        # The duration field holds 16 bits (RFC 4733 §2.3.5); a longer key would need segments.
        longest = c.EVENT_SEGMENT * 1000 // self.parameters.dtmf_clock // c.TICK_MS * c.TICK_MS
        words = np.frombuffer(piece.ljust(c.DIGITS_MAX, b"\0"), np.int64).tolist()
        self._command(c.COMMAND_DIGITS, 0, len(piece), min(digits.duration_ms, longest), digits.gap_ms, *words)

    def tap(self, listener: TapListener | None) -> None:
        """Give what is received to a listener, in place of the one before; None ends that. See also `listen`.

        It gets `(160,) int16` at 8 kHz every 20 ms in playout order.

        Where nothing is heard the frames are silence; while receiving is off there are none.
        """
        self._end_tap()
        self._end_tap = (lambda: None) if listener is None else self.listen(lambda frame, _: listener(frame))

    def listen(self, listener: TrackListener, *, sent: bool = False) -> Callable[[], None]:
        """Give what is received, or what is sent, to one more listener; returns what ends it, once or more often.

        It gets `(160,) int16` at 8 kHz and the number of the frame's tick of 20 ms, by which frames of both directions
        belong together and missing ones are known. Of what is received there are none while receiving is off.
        """
        track = c.TRACK_SENT if sent else c.TRACK_RECEIVED
        self._set_listeners(track, (*self._listeners[track], listener))

        def end() -> None:
            self._set_listeners(track, tuple(other for other in self._listeners[track] if other is not listener))

        return end

    def _set_listeners(self, track: int, listeners: tuple[TrackListener, ...]) -> None:
        before = self._listeners
        self._listeners = tuple(listeners if place == track else kept for place, kept in enumerate(before))
        if bool(listeners) != bool(before[track]):
            self._command(c.COMMAND_TAP, sum(1 << place for place, kept in enumerate(self._listeners) if kept))

    def open_source(self) -> LiveSource:
        """Return a live source that is heard behind what the queue plays, until it is closed; one at a time.

        Raises RuntimeError where one is open.
        """
        if self._source is not None:
            raise RuntimeError("the session has a live source")
        self._command(c.COMMAND_LIVE, 1, self._source_start)
        self._source = LiveSource(self._row, self._source_start, self._is_open, self._close_source)
        return self._source

    def _is_open(self) -> bool:
        return not self.closed and bool(self._row["generation"] == self.generation)

    def _close_source(self, source: LiveSource) -> None:
        self._source = None
        self._source_start = source.tail
        self._command(c.COMMAND_LIVE, 0, source.tail)

    def tape(self) -> TapeReader:
        """Keep what is received and what is sent from the next tick on, side by side, for whoever takes it in time.

        From the first start on there is a frame of both for each 20 ms, silence where there was none; before, and after
        `close`, there are none.
        """
        return self._tapes.open()

    def hear(self, other: "MediaSession | None") -> None:
        """Send what another session of the same plane receives, from the next tick on; None ends it.

        As it is where both speak the same codec. What is queued to be played goes first.
        """
        self._unhear()
        if other is None or other.closed:
            self._command(c.COMMAND_HEAR, -1, 0, 0)
            return
        far = other._core is not self._core
        if far and not self.closed:
            self._heard_far = other
            other._command(c.COMMAND_HEARD, 1)
        self._command(c.COMMAND_HEAR, other.slot, other.generation, int(far))

    def _unhear(self) -> None:
        """Whoever is heard on another thread is told that it is not any more."""
        if self._heard_far is not None:
            self._heard_far._command(c.COMMAND_HEARD, -1)
            self._heard_far = None

    def join(self, room: Room, *, muted: bool = False, deaf: bool = False) -> None:
        """Be in a room of the same plane, and in no other: hear all of its members but itself, and be heard by them.

        Nobody else is heard any more. What is queued to be played goes first. Once in the room, says anew whether it
        is muted (not heard) or deaf (hears nothing).
        """
        if self.closed or room.closed:
            return
        self._unhear()
        if self._room is not room:
            self._forget_room()
            self._room = room
            room.entered(self)
        flags = c.ROOM_MUTED * muted | c.ROOM_DEAF * deaf
        self._command(c.COMMAND_JOIN, room.row_on(self._core), room.generation, flags)

    def leave(self) -> None:
        """Be in no room. Safe at any time."""
        if self._room is not None:
            self._forget_room()
            self._command(c.COMMAND_LEAVE)

    def _forget_room(self) -> None:
        if self._room is not None:
            self._room.left(self)
            self._room = None

    @property
    def speaking_level(self) -> int:
        """How loud this session speaks in its room (see `Room.levels`); 0 outside of one, and muted."""
        return int(self._row["room_level"]) if self._room is not None else 0

    def statistics(self) -> SessionStatistics:
        """Return what has been measured so far; of a closed session, what was measured to its end."""
        if self._closing is not None and self._closing.done:
            return self._closing.result()
        return read_session(self._row, self.generation)

    async def close(self) -> SessionStatistics:
        """End everything and give back the ports; returns the final statistics. May be called again."""
        if self._closing is None:
            self._forget_room()
            self._unhear()
            self._command(c.COMMAND_CLOSE)
            self._closing = Once()
        return await self._closing.wait()

    def abandon(self) -> None:
        """End without the kernel, which does not run any more."""
        if self._closing is None:
            self._closing = Once()
        if not self._closing.done:
            self._finish()

    def _finish(self) -> None:
        assert self._closing is not None
        items = [] if self._playlist.empty else self._row["items"].tolist()
        self._playlist.close({item[c.ITEM_ID]: item[c.ITEM_PLAYED] for item in items})
        for digits in self._digits:
            _resolve(digits.sent, False)
        self._digits.clear()
        self._listeners = ((), ())
        self._tapes.release()
        if self._source is not None:
            self._source.close()
        self._forget_room()
        self._keyring.close()
        self._opus.release()
        statistics = read_session(self._row, self.generation)
        self._lodging.end()
        self._lodging.on_seat = self._on_event = tell_nobody
        self._on_closed(self)
        self._closing.settle(statistics)

    def _tell(self, event: MediaEvent) -> None:
        if self.closed:
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the owner of %r failed on %s", self, type(event).__name__)

    def take_frame(self, track: int, tick: int, samples: npt.NDArray[np.int16]) -> None:
        """Give a frame to its listeners; called by the plane."""
        if self.closed:
            return
        for listener in self._listeners[track]:
            try:
                listener(samples, tick)
            except Exception:
                _log.exception("the listener of %r failed", self)

    def take_event(self, event: list[int]) -> None:
        """Use an event of the kernel's about this session; called by the plane."""
        kind, _, _, when, first, second, third, _ = event
        if kind == c.EVENT_CLOSED:
            if self._closing is not None and not self._closing.done:
                self._finish()
        elif kind == c.EVENT_ITEM_ENDED:
            self._playlist.ended(first, second, third)
        elif kind == c.EVENT_DIGIT_STARTED:
            self._playlist.key_down()
            self._tell(DigitStarted(self, c.KEYS[first], when / c.NANOSECONDS, inband=bool(second)))
        elif kind == c.EVENT_DIGIT_ENDED:
            self._tell(DigitEnded(self, c.KEYS[first], second, when / c.NANOSECONDS))
        elif kind == c.EVENT_LATCHED:
            source = address_text(first, second, third)
            self._lodging.found(source)
            self._tell(Latched(self, source))
        elif kind == c.EVENT_FIRST_PACKET:
            self._tell(FirstPacket(self, when / c.NANOSECONDS))
        elif kind == c.EVENT_MEDIA_TIMEOUT:
            self._tell(MediaTimeout(self, when / c.NANOSECONDS))
        elif kind == c.EVENT_BYE:
            self._tell(RtcpBye(self, when / c.NANOSECONDS))
        elif kind == c.EVENT_TAPE_ENDED:
            self._tapes.ended(first)
        elif kind == c.EVENT_LIVE_REACHED:
            if self._source is not None:
                self._source.reached(first)
        elif kind == c.EVENT_KEYS_DROPPED:
            self._keyring.drop(first, second)
        elif kind == c.EVENT_DIGITS_SENT:
            self._piece_sent(second)

    def _piece_sent(self, count: int) -> None:
        self._digits_busy = False
        if not self._digits:
            return
        digits = self._digits[0]
        complete = count == digits.given
        if digits.left and complete:
            self._feed_digits()
            return
        self._digits.popleft()
        _resolve(digits.sent, complete)
        self._tell(DigitsSent(self, digits.text, complete))
        self._feed_digits()

    def _playback_ended(self, playback: Playback, result: PlaybackResult) -> None:
        self._tell(ItemEnded(self, playback, result))


def _whole_ticks(milliseconds: int) -> int:
    return -(-milliseconds // c.TICK_MS) * c.TICK_MS


def _resolve(future: "asyncio.Future[bool]", value: bool) -> None:
    # Whoever waited may have been cancelled, and its future with it.
    if not future.done():
        future.set_result(value)
