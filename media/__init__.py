"""Audio: RTP, DTMF, prompts and what will grow from there. Knows nothing of SIP or calls, and imports no other room.

`MediaPlane` opens a `MediaSession` for each leg of a call; `PromptAudio` is what it plays. Names are loaded when they
are first used: the child processes of this package need neither the kernel nor its compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from media.decode import AudioDecoder, AudioError, AudioLimits
    from media.events import (
        DigitEnded,
        DigitsSent,
        DigitStarted,
        FirstPacket,
        ItemEnded,
        Latched,
        MediaEvent,
        MediaTimeout,
        MediaUnsecured,
        RtcpBye,
    )
    from media.kernel.keys import SRTP_SUITES, SrtpParameters
    from media.kernel.libopus import OpusSending
    from media.kernel.lodging import CROWDED, WIDE_OCTETS, widen
    from media.kernel.playlist import Playback, PlaybackResult
    from media.kernel.ports import PortsExhausted
    from media.kernel.statistics import PlaneStatistics, SessionStatistics
    from media.kernel.stream import SPOKEN_CODECS, StreamError, StreamParameters
    from media.kernel.uring import try_uring
    from media.library import PromptLibrary, Stored
    from media.live import RING_SECONDS, LiveSource
    from media.machine import detect
    from media.plane import MediaConfig, MediaPlane
    from media.prompt import PromptAudio
    from media.recording import SessionRecording
    from media.room import Room
    from media.session import MediaSession
    from media.speech import (
        ActivityDetectors,
        EmbeddedSpeech,
        HibariSpeech,
        Manner,
        NoRecogniser,
        NoSpeech,
        Partial,
        Recogniser,
        RecogniserUnavailable,
        SpeechEngine,
        SpeechLimits,
        SpeechListener,
        SpeechUnavailable,
        SpokenPieces,
        Understood,
        Voice,
        grammar_recogniser,
        vosk_recogniser,
    )
    from media.stream_audio import FRAME_SAMPLES, L16_RATES, L16Audio, StreamAudio, UlawAudio
    from media.tones import beep, entry_tone, exit_tone, ringback
    from media.two_way_recording import TwoWayRecording
    from media.wav_file import RecordedFile, finish_left_behind
    from media.webrtc.certificate import our_certificate
    from media.webrtc.dtls import PeerFingerprint
    from media.webrtc.ice import IceCredentials
    from media.webrtc.link import FarEnd, WebRtcLink

_HOMES = {
    "media.decode": ("AudioDecoder", "AudioError", "AudioLimits"),
    "media.events": (
        "DigitEnded",
        "DigitStarted",
        "DigitsSent",
        "FirstPacket",
        "ItemEnded",
        "Latched",
        "MediaEvent",
        "MediaTimeout",
        "MediaUnsecured",
        "RtcpBye",
    ),
    "media.kernel.keys": ("SRTP_SUITES", "SrtpParameters"),
    "media.kernel.libopus": ("OpusSending",),
    "media.kernel.playlist": ("Playback", "PlaybackResult"),
    "media.kernel.lodging": ("CROWDED", "WIDE_OCTETS", "widen"),
    "media.kernel.ports": ("PortsExhausted",),
    "media.kernel.statistics": ("PlaneStatistics", "SessionStatistics"),
    "media.kernel.stream": ("SPOKEN_CODECS", "StreamError", "StreamParameters"),
    "media.kernel.uring": ("try_uring",),
    "media.library": ("PromptLibrary", "Stored"),
    "media.machine": ("detect",),
    "media.live": ("RING_SECONDS", "LiveSource"),
    "media.plane": ("MediaConfig", "MediaPlane"),
    "media.prompt": ("PromptAudio",),
    "media.recording": ("SessionRecording",),
    "media.room": ("Room",),
    "media.stream_audio": ("FRAME_SAMPLES", "L16_RATES", "L16Audio", "StreamAudio", "UlawAudio"),
    "media.tones": ("beep", "entry_tone", "exit_tone", "ringback"),
    "media.session": ("MediaSession",),
    "media.two_way_recording": ("TwoWayRecording",),
    "media.wav_file": ("RecordedFile", "finish_left_behind"),
    "media.webrtc.certificate": ("our_certificate",),
    "media.webrtc.dtls": ("PeerFingerprint",),
    "media.webrtc.ice": ("IceCredentials",),
    "media.webrtc.link": ("FarEnd", "WebRtcLink"),
    "media.speech": (
        "ActivityDetectors",
        "EmbeddedSpeech",
        "HibariSpeech",
        "Manner",
        "NoRecogniser",
        "NoSpeech",
        "Partial",
        "Recogniser",
        "RecogniserUnavailable",
        "SpeechEngine",
        "SpeechLimits",
        "SpeechListener",
        "SpeechUnavailable",
        "SpokenPieces",
        "Understood",
        "Voice",
        "grammar_recogniser",
        "vosk_recogniser",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CROWDED",
    "FRAME_SAMPLES",
    "L16_RATES",
    "RING_SECONDS",
    "SPOKEN_CODECS",
    "SRTP_SUITES",
    "WIDE_OCTETS",
    "ActivityDetectors",
    "AudioDecoder",
    "AudioError",
    "AudioLimits",
    "DigitEnded",
    "DigitStarted",
    "DigitsSent",
    "EmbeddedSpeech",
    "FarEnd",
    "FirstPacket",
    "HibariSpeech",
    "IceCredentials",
    "ItemEnded",
    "L16Audio",
    "Latched",
    "LiveSource",
    "Manner",
    "MediaConfig",
    "MediaEvent",
    "MediaPlane",
    "MediaSession",
    "MediaTimeout",
    "MediaUnsecured",
    "NoRecogniser",
    "NoSpeech",
    "OpusSending",
    "Partial",
    "PeerFingerprint",
    "PlaneStatistics",
    "Playback",
    "PlaybackResult",
    "PortsExhausted",
    "PromptAudio",
    "PromptLibrary",
    "Recogniser",
    "RecogniserUnavailable",
    "RecordedFile",
    "Room",
    "RtcpBye",
    "SessionRecording",
    "SessionStatistics",
    "SpeechEngine",
    "SpeechLimits",
    "SpeechListener",
    "SpeechUnavailable",
    "SpokenPieces",
    "SrtpParameters",
    "Stored",
    "StreamAudio",
    "StreamError",
    "StreamParameters",
    "TwoWayRecording",
    "UlawAudio",
    "Understood",
    "Voice",
    "WebRtcLink",
    "beep",
    "detect",
    "entry_tone",
    "exit_tone",
    "finish_left_behind",
    "grammar_recogniser",
    "our_certificate",
    "ringback",
    "try_uring",
    "vosk_recogniser",
    "widen",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'media' has no attribute {name!r}")
    return getattr(import_module(home), name)
