"""Codecs as offer and answer name them: static payload types (RFC 3551 §6), `a=rtpmap`, `a=fmtp`.

Only names and numbers; encoding and decoding is the media room's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sip.sdp.description import Attribute, MediaDescription, RtpMap

TELEPHONE_EVENT: Final = "telephone-event"
COMFORT_NOISE: Final = "CN"


@dataclass(frozen=True, slots=True)
class Codec:
    """One RTP payload format.

    `clock_rate` is that of the RTP timestamp in Hz, as SDP writes it (8000 for G.722, RFC 3551 §4.5.2).
    `payload_type` None means: a static one does not exist, a dynamic one is not yet chosen.
    """

    name: str
    clock_rate: int
    payload_type: int | None = None
    channels: int = 1
    fmtp: str | None = None


PCMU: Final = Codec("PCMU", 8000, 0)
PCMA: Final = Codec("PCMA", 8000, 8)
G722: Final = Codec("G722", 8000, 9)
OPUS: Final = Codec("opus", 48000, None, 2)

BY_NAME: Final = {codec.name.lower(): codec for codec in (PCMU, PCMA, G722, OPUS)}

# Those of RFC 3551 table 4 that mean something here.
STATIC_PAYLOAD_TYPES: Final = {
    0: RtpMap("PCMU", 8000),
    8: RtpMap("PCMA", 8000),
    9: RtpMap("G722", 8000),
    13: RtpMap(COMFORT_NOISE, 8000),
}

# With the marker bit these would read as RTCP packet types 200 to 204 (RFC 3551 table 4, RFC 5761 §4).
_RTCP_LOOKALIKES: Final = range(72, 77)
_DYNAMIC: Final = range(96, 128)
_USUAL_TELEPHONE_EVENT: Final = 101
_DESCRIBING: Final = frozenset({"rtpmap", "fmtp"})
EVENTS: Final = "0-15"  # the sixteen keys (RFC 4733 §3.2)


def codecs_named(names: Iterable[str]) -> tuple[Codec, ...]:
    """Codecs for configured names, in that order, each once. Raises `ValueError` that names the unknown one."""
    chosen: dict[Codec, None] = {}
    for name in names:
        codec = BY_NAME.get(name.lower())
        if codec is None:
            raise ValueError(f"unknown codec {name!r}: known are {', '.join(c.name for c in BY_NAME.values())}")
        chosen[codec] = None
    return tuple(chosen)


def codecs_of(media: MediaDescription, known: dict[int, Codec] | None = None) -> tuple[Codec, ...]:
    """The formats of an RTP medium in the peer's order of preference, each with its payload type and parameters.

    Formats that are not payload types, or that nothing maps, are left out. `known` names payload types which need no
    mapping of their own: in an answer, those of the offer (some phones repeat no rtpmap).
    """
    if known is None:
        # Phones of one make write the same again and again.
        described = tuple(attribute for attribute in media.attributes if attribute[0] in _DESCRIBING)
        return _codecs_described(media.formats, described)
    return _codecs(media, known)


@functools.lru_cache(maxsize=512)
def _codecs_described(formats: tuple[str, ...], attributes: tuple[Attribute, ...]) -> tuple[Codec, ...]:
    return _codecs(MediaDescription("audio", 0, "RTP/AVP", formats, attributes=attributes), None)


def _codecs(media: MediaDescription, known: dict[int, Codec] | None) -> tuple[Codec, ...]:
    maps = media.rtpmaps
    fmtps = media.fmtps
    codecs: list[Codec] = []
    seen: set[int] = set()
    for text in media.formats:
        if not (text.isascii() and text.isdigit() and len(text) <= 3):
            continue
        payload_type = int(text)
        if payload_type > 127 or payload_type in seen or payload_type in _RTCP_LOOKALIKES:
            continue
        seen.add(payload_type)
        rtpmap = maps.get(payload_type)
        if rtpmap is not None:
            codec = Codec(rtpmap.encoding, rtpmap.clock_rate, payload_type, _channels(rtpmap), fmtps.get(text))
        elif known is not None and payload_type in known:
            codec = replace(known[payload_type], fmtp=fmtps.get(text))
        elif payload_type in STATIC_PAYLOAD_TYPES:
            static = STATIC_PAYLOAD_TYPES[payload_type]
            codec = Codec(static.encoding, static.clock_rate, payload_type, static.channels, fmtps.get(text))
        else:
            continue
        codecs.append(codec)
    return tuple(codecs)


def numbered(codecs: Iterable[Codec], *, telephone_event: bool, in_use: Sequence[Codec] = ()) -> tuple[Codec, ...]:
    """The codecs with payload types for an offer: static ones kept, free dynamic ones given to the others.

    With `telephone_event` one of it follows for each clock rate among them (RFC 4733 §2.4.1), 101 going to the first.
    Dynamic numbers `in_use` in the session keep their meaning and get no other (RFC 3264 §8.3.2).
    """
    wanted = list(codecs)
    if telephone_event:
        rates = dict.fromkeys(codec.clock_rate for codec in wanted)
        wanted += [Codec(TELEPHONE_EVENT, rate, fmtp=EVENTS) for rate in rates]
    used = {codec.payload_type for codec in (*wanted, *in_use)}
    free = [n for n in _DYNAMIC if n not in used and n != _USUAL_TELEPHONE_EVENT]
    usual = [] if _USUAL_TELEPHONE_EVENT in used else [_USUAL_TELEPHONE_EVENT]
    out = []
    for codec in wanted:
        kept = codec if codec.payload_type is not None else find(in_use, codec)
        if kept is not None:
            out.append(replace(codec, payload_type=kept.payload_type))
            continue
        pool = usual if usual and codec.name == TELEPHONE_EVENT else free
        out.append(replace(codec, payload_type=pool.pop(0)))
    return tuple(out)


def find(codecs: Iterable[Codec], wanted: Codec) -> Codec | None:
    """The first of `codecs` that is the same format as `wanted`, under whatever payload type and parameters.

    Names compare without case (RFC 4855 §3).
    """
    name = wanted.name.lower()
    for codec in codecs:
        if codec.clock_rate == wanted.clock_rate and codec.channels == wanted.channels and codec.name.lower() == name:
            return codec
    return None


def _channels(rtpmap: RtpMap) -> int:
    # Opus is always written with two channels (RFC 7587 §7); phones that leave them out mean the same format.
    return 2 if rtpmap.encoding.lower() == "opus" else rtpmap.channels
