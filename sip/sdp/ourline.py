"""The `m=` sections that we write: an audio line offered, one that answers, and lines refused (RFC 3264 §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sip.sdp.audio import LocalAudio, NegotiatedAudio
from sip.sdp.codecs import EVENTS, TELEPHONE_EVENT, Codec, find
from sip.sdp.description import Attribute, MediaDescription
from sip.sdp.dtls import DTLS_PROTOCOLS
from sip.sdp.dtls_srtp import ACTIVE, ACTPASS, OFFERED_MID, OFFERED_PROTOCOL, PASSIVE, dtls_attributes
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
    protocol, keying = _transport(local, live)
    secured = protocol.upper() in DTLS_PROTOCOLS
    mid = OFFERED_MID if secured else None
    return _line(
        local,
        protocol,
        codecs,
        local.ptime,
        local.direction,
        rtcp_mux=local.rtcp_mux or secured,
        rtcp_rsize=local.rtcp_rsize,
        mid=live.value("mid") or mid if live is not None else mid,
        keying=keying,
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
        keying=_agreed_keying(agreed, local),
    )


def refused_line(medium: MediaDescription) -> MediaDescription:
    """A line with port 0 in the place of one that is not for us."""
    # One format stands for all: the grammar wants one, and nobody reads it (RFC 3264 §6).
    return MediaDescription(medium.kind, 0, medium.protocol, medium.formats[:1] or ("0",))


def _agreed_keying(agreed: NegotiatedAudio, local: LocalAudio) -> Sequence[Attribute]:
    if agreed.srtp is not None:
        return _crypto_lines([str(agreed.srtp.attribute)])
    if agreed.dtls is None or local.dtls is None:
        return ()
    setup = ACTIVE if agreed.dtls.active else PASSIVE
    return dtls_attributes(local.dtls, setup, ice=agreed.dtls.ice is not None)


def _transport(local: LocalAudio, live: MediaDescription | None) -> tuple[str, Sequence[Attribute]]:
    """The profile of our line in an offer, and the lines that its keys come by."""
    required = local.media_encryption is MediaEncryption.REQUIRED
    by_dtls = local.offers_dtls if live is None else live.protocol.upper() in DTLS_PROTOCOLS
    if by_dtls:
        if local.dtls is None:
            raise SdpRejected("DTLS-SRTP is not spoken", warning=INCOMPATIBLE_TRANSPORT)
        protocol = OFFERED_PROTOCOL if live is None else live.protocol
        return protocol, dtls_attributes(local.dtls, ACTPASS, ice=live is None or live.has("ice-ufrag"))
    if live is not None and (live.has("crypto") or not required):
        return live.protocol, _crypto_lines(live.crypto)
    if required and not local.srtp:
        raise SdpRejected("encrypted media is required", warning=INCOMPATIBLE_TRANSPORT)
    if local.media_encryption is MediaEncryption.DISABLED or not local.srtp:
        return "RTP/AVP", ()
    return ("RTP/SAVP" if required else "RTP/AVP"), _crypto_lines(map(str, offered_cryptos(local.srtp)))


def _crypto_lines(values: Iterable[str]) -> Sequence[Attribute]:
    return [("crypto", value) for value in values]


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
    keying: Sequence[Attribute],
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
    attributes += keying
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaDescription(AUDIO, local.port, protocol, formats, attributes=tuple(attributes))
