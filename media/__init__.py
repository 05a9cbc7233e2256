"""Audio: RTP, DTMF, prompts and what will grow from there. Knows nothing of SIP or calls, and imports no other room.

`MediaPlane` opens a `MediaSession` for each leg of a call; `PromptAudio` is what it plays.
"""

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
from media.kernel.playlist import Playback, PlaybackResult
from media.kernel.ports import PortsExhausted
from media.kernel.statistics import PlaneStatistics, SessionStatistics
from media.kernel.stream import StreamError, StreamParameters
from media.plane import MediaConfig, MediaPlane
from media.prompt import PromptAudio
from media.session import MediaSession

__all__ = [
    "DigitEnded",
    "DigitStarted",
    "DigitsSent",
    "FirstPacket",
    "ItemEnded",
    "Latched",
    "MediaConfig",
    "MediaEvent",
    "MediaPlane",
    "MediaSession",
    "MediaTimeout",
    "PlaneStatistics",
    "Playback",
    "PlaybackResult",
    "PortsExhausted",
    "PromptAudio",
    "RtcpBye",
    "SessionStatistics",
    "StreamError",
    "StreamParameters",
]
