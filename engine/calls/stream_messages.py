"""The messages of a stream (contract §10.8): Twilio's Media Streams in JSON, or audio as it is in binary messages.

Text messages are the same in both; only audio differs, which in the raw dialect is a binary message of 20 ms. Nothing
here touches a socket or a call.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from media import L16_RATES, L16Audio, StreamAudio, UlawAudio

FORMAT_PARAMETER: Final = "contentType"
"""The `<Parameter>` that chooses the audio; without it, µ-law in JSON."""

NAME_CHARS: Final = 1024
"""Of the name of a mark, which is sent back."""

Track: TypeAlias = Literal["inbound", "outbound"]

_MULAW: Final = re.compile(r"audio/x-mulaw(?:\s*;\s*rate=8000)?", re.IGNORECASE)
_L16: Final = re.compile(r"audio/(?:x-)?l16\s*;\s*rate=(\d{1,6})", re.IGNORECASE)


# Media as nearly every program writes it: recognised at once, where all of JSON would take three times as long.
_PLAIN_MEDIA: Final = re.compile(
    rb'\{"event": ?"media", ?(?:"streamSid": ?"[\w-]*", ?)?"media": ?\{"payload": ?"([A-Za-z0-9+/=]*)"\}\}'
)


class BadFormat(ValueError):
    """The parameter that chooses the audio is wrong; the message says what would be right."""


class BadMessage(ValueError):
    """A message of the peer's that is not understood, and why."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How audio lies in messages. `raw`: in binary ones, and with two channels where both tracks are sent."""

    encoding: str
    rate: int
    channels: int
    raw: bool

    def audio(self) -> StreamAudio:
        """What encodes and decodes for one stream."""
        return L16Audio(self.rate, self.channels) if self.raw else UlawAudio()


def stream_format(parameters: Mapping[str, str], tracks: tuple[Track, ...]) -> StreamFormat:
    """The format that the parameters of a stream ask for. Raises BadFormat."""
    wanted = parameters.get(FORMAT_PARAMETER)
    if wanted is None or _MULAW.fullmatch(wanted.strip()):
        return StreamFormat("audio/x-mulaw", 8000, 1, raw=False)
    match = _L16.fullmatch(wanted.strip())
    if match is None or int(match[1]) not in L16_RATES:
        rates = ", ".join(f"audio/l16;rate={rate}" for rate in L16_RATES)
        raise BadFormat(f"{FORMAT_PARAMETER} must be audio/x-mulaw or one of {rates}, not {wanted[:64]!r}")
    return StreamFormat("audio/l16", int(match[1]), len(tracks), raw=True)


class Messages:
    """Writes what the engine sends on one stream; each message after the first has the next sequence number."""

    def __init__(self, stream_sid: str, call_sid: str, account_sid: str) -> None:
        self._sid = stream_sid
        self._call = {"accountSid": account_sid, "callSid": call_sid}
        self._sequence = 0
        self._media = (
            f'{{"event":"media","sequenceNumber":"%d","streamSid":"{stream_sid}",'
            '"media":{"track":"%s","chunk":"%d","timestamp":"%d","payload":"'
        )

    def connected(self) -> bytes:
        """The first message."""
        return _json({"event": "connected"})

    def start(
        self, tracks: tuple[Track, ...], form: StreamFormat, parameters: Mapping[str, str], reconnect: int = 0
    ) -> bytes:
        """The second: what this stream is, and which connection of it after the first."""
        media_format = {"encoding": form.encoding, "sampleRate": form.rate, "channels": form.channels}
        start: dict[str, object] = {
            "streamSid": self._sid,
            **self._call,
            "tracks": list(tracks),
            "mediaFormat": media_format,
            "customParameters": dict(parameters),
        }
        if reconnect:
            start["reconnect"] = reconnect
        return self._event("start", start)

    def media(self, track: Track, chunk: int, milliseconds: int) -> bytes:
        """20 ms of audio, up to where it stands in base64; `MESSAGE_ENDING` follows. `chunk` counts from 1,
        `milliseconds` from the start of the stream."""
        self._sequence += 1
        return (self._media % (self._sequence, track, chunk, milliseconds)).encode("ascii")

    def dtmf(self, key: str) -> bytes:
        """A key of the caller's."""
        return self._event("dtmf", {"track": "inbound_track", "digit": key})

    def mark(self, name: str) -> bytes:
        """The audio before a mark was sent, or cleared."""
        return self._event("mark", {"name": name})

    def stop(self) -> bytes:
        """The last message."""
        return self._event("stop", self._call)

    def _event(self, event: str, body: Mapping[str, object]) -> bytes:
        self._sequence += 1
        return _json({"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._sid, event: body})


@dataclass(frozen=True, slots=True)
class Media:
    """Audio to be played, as it lies in messages."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """To be sent back once everything before it was played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Whatever is not played yet is not to be played."""


def read_message(message: bytes) -> Media | Mark | Clear:
    """A text message of the peer's. Raises BadMessage."""
    plain = _PLAIN_MEDIA.fullmatch(message)
    if plain is not None:
        return Media(_base64(plain[1]))
    try:
        # Decoded here: of octets json would first look which Unicode they are.
        content = json.loads(message.decode())
    except (ValueError, RecursionError):
        raise BadMessage("it is not JSON") from None
    if not isinstance(content, dict):
        raise BadMessage("it is not an object")
    match content.get("event"):
        case "media":
            return _read_media(content.get("media"))
        case "mark":
            return _read_mark(content.get("mark"))
        case "clear":
            return Clear()
        case event:
            raise BadMessage(f"event {str(event)[:64]!r} is none of media, mark and clear")


def head_of_media(message: bytes) -> bytes | None:
    """What stands before the audio, where a message is media as nearly every program writes it: the next one of the
    same program has the same there."""
    plain = _PLAIN_MEDIA.fullmatch(message)
    return None if plain is None else message[: plain.start(1)]


def _read_media(body: object) -> Media:
    payload = body.get("payload") if isinstance(body, dict) else None
    if not isinstance(payload, str):
        raise BadMessage("media.payload is no text")
    return Media(_base64(payload))


def _base64(payload: str | bytes) -> bytes:
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadMessage("media.payload is not base64") from None


def _read_mark(body: object) -> Mark:
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or len(name) > NAME_CHARS:
        raise BadMessage(f"mark.name is no text of at most {NAME_CHARS} characters")
    return Mark(name)


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")
