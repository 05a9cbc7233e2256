"""The `m=` sections that we write: an audio line offered, one that answers, and lines refused (RFC 3264 §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sip.sdp.audio import LocalAudio, NegotiatedAudio
from sip.sdp.codecs import EVENTS, TELEPHONE_EVENT, Codec, find
from sip.sdp.description import Attribute, MediaDescription
from sip.sdp.keying import MediaEncryption, offered_cryptos
from sip.sdp.rejection import INCOMPATIBLE_TRANSPORT, SdpRejected

AUDIO: Final = "audio"
MIN_PTIME_MS: Final = 10
MAX_PTIME_MS: Final = 60
_MAX_PTIME: Final = str(MAX_PTIME_MS)

_MID: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")


def offered_line(local: LocalAudio, codecs: Sequence[Codec], live: MediaDescription | None) -> MediaDescription:
    """Our audio line in an offer; `live` is the line as it stands in the session, None for a new one.

    A line in use keeps its profile and our keys: a hold or a refresh changes nothing of the encryption, and is no
    occasion for a phone to stumble. Raises `SdpRejected` where encryption is required and cannot be served.
    """
    protocol, cryptos = _transport(local, live)
    return _line(
        local,
        protocol,
        codecs,
        local.ptime,
        local.direction,
        rtcp_mux=local.rtcp_mux,
        rtcp_rsize=local.rtcp_rsize,
        mid=live.value("mid") if live is not None else None,
        cryptos=cryptos,
    )


def answering_line(medium: MediaDescription, agreed: NegotiatedAudio, local: LocalAudio) -> MediaDescription:
    """Our answer to the audio line that was taken, in its profile and under its payload types."""
    codec = agreed.codec
    ours = find(local.codecs, codec)
    codecs = [Codec(codec.name, codec.clock_rate, codec.payload_type, codec.channels, ours.fmtp if ours else None)]
    if agreed.dtmf_receive_pt is not None:
        codecs.append(Codec(TELEPHONE_EVENT, agreed.dtmf_clock, agreed.dtmf_receive_pt, fmtp=EVENTS))
    return _line(
        local,
        medium.protocol,
        codecs,
        agreed.ptime,
        agreed.direction,
        rtcp_mux=agreed.rtcp_mux,
        rtcp_rsize=agreed.rtcp_rsize,
        mid=medium.value("mid"),
        cryptos=(str(agreed.srtp.attribute),) if agreed.srtp is not None else (),
    )


def refused_line(medium: MediaDescription) -> MediaDescription:
    """A line with port 0 in the place of one that is not for us."""
    # One format stands for all: the grammar wants one, and nobody reads it (RFC 3264 §6).
    return MediaDescription(medium.kind, 0, medium.protocol, medium.formats[:1] or ("0",))


def _transport(local: LocalAudio, live: MediaDescription | None) -> tuple[str, tuple[str, ...]]:
    required = local.media_encryption is MediaEncryption.REQUIRED
    if live is not None and (live.has("crypto") or not required):
        return live.protocol, live.crypto
    if required and not local.srtp:
        raise SdpRejected("encrypted media is required", warning=INCOMPATIBLE_TRANSPORT)
    if local.media_encryption is MediaEncryption.DISABLED or not local.srtp:
        return "RTP/AVP", ()
    return ("RTP/SAVP" if required else "RTP/AVP"), tuple(map(str, offered_cryptos(local.srtp)))


def _line(
    local: LocalAudio,
    protocol: str,
    codecs: Sequence[Codec],
    ptime: int,
    direction: str,
    *,
    rtcp_mux: bool,
    rtcp_rsize: bool,
    mid: str | None,
    cryptos: tuple[str, ...],
) -> MediaDescription:
    attributes: list[Attribute] = []
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels != 1 else ""
        attributes.append(("rtpmap", f"{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}"))
        if codec.fmtp:
            attributes.append(("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    attributes += [("ptime", str(ptime)), ("maxptime", _MAX_PTIME), (direction, None)]
    if rtcp_mux:
        attributes.append(("rtcp-mux", None))
    if rtcp_rsize:
        attributes.append(("rtcp-rsize", None))
    # RFC 5888 §9.1: a label is repeated by who knows what labels are; one that is no token names nothing.
    if mid is not None and _MID.fullmatch(mid):
        attributes.append(("mid", mid))
    attributes += [("crypto", value) for value in cryptos]
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaDescription(AUDIO, local.port, protocol, formats, attributes=tuple(attributes))
