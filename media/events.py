"""What a media session tells its owner: plain values, delivered on the asyncio thread in the order things happened.

Times are those of the monotonic clock, in seconds, when the packet arrived at the machine; comparable with
`asyncio`'s `loop.time()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from media.kernel.playlist import Playback, PlaybackResult
    from media.session import MediaSession


@dataclass(frozen=True, slots=True)
class DigitStarted:
    """A key went down: "0" to "9", "*", "#", "A" to "D". Exactly once for each press; `inband`: heard as tones."""

    session: MediaSession
    key: str
    at: float
    inband: bool = False


@dataclass(frozen=True, slots=True)
class DigitEnded:
    """A key was let go after so many ms, or its last packets were lost."""

    session: MediaSession
    key: str
    duration_ms: int
    at: float


@dataclass(frozen=True, slots=True)
class ItemEnded:
    """An item of the session's queue is over."""

    session: MediaSession
    playback: Playback
    result: PlaybackResult


@dataclass(frozen=True, slots=True)
class Latched:
    """Packets are accepted from this source from now on, and sent there."""

    session: MediaSession
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The first packet that was accepted since the session was started."""

    session: MediaSession
    at: float


@dataclass(frozen=True, slots=True)
class MediaTimeout:
    """Nothing was received for `media.timeout_seconds`, outside hold (contract §14.1). Told once per silence."""

    session: MediaSession
    at: float


@dataclass(frozen=True, slots=True)
class RtcpBye:
    """The far end says in RTCP that its stream is over."""

    session: MediaSession
    at: float


@dataclass(frozen=True, slots=True)
class DigitsSent:
    """Digits given to `send_digits` have been sent: all of them, or they could not be."""

    session: MediaSession
    digits: str
    complete: bool


@dataclass(frozen=True, slots=True)
class MediaUnsecured:
    """No secure media came about with a browser: `reason` says what of ICE or DTLS has failed."""

    session: MediaSession
    reason: str


MediaEvent: TypeAlias = (
    DigitStarted | DigitEnded | ItemEnded | Latched | FirstPacket | MediaTimeout | RtcpBye | DigitsSent | MediaUnsecured
)
