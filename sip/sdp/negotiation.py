"""Offer and answer for one audio stream (RFC 3264): what to send, what was agreed, what is refused and why.

Of the offered codecs the answerer takes the first in its own order of preference and answers with that one alone, so
that the codec does not change during a call. Other media are refused with port 0. SRTP, ICE and BUNDLE are not spoken
here: a secure profile is refused, the attributes of the others are ignored as RFC 3264 §6 asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sip.errors import SipError
from sip.sdp.address import is_unicast, is_unspecified
from sip.sdp.codecs import COMFORT_NOISE, EVENTS, TELEPHONE_EVENT, Codec, codecs_of, find, numbered
from sip.sdp.description import (
    INACTIVE,
    RECVONLY,
    SENDONLY,
    SENDRECV,
    Attribute,
    Connection,
    MediaDescription,
    Origin,
    SessionDescription,
    address_type_of,
)

AUDIO: Final = "audio"
PLAIN_PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF"})

# Warning codes of RFC 3261 §20.43
INCOMPATIBLE_ADDRESS: Final = 301
INCOMPATIBLE_TRANSPORT: Final = 302
MEDIA_TYPE_UNAVAILABLE: Final = 304
INCOMPATIBLE_FORMAT: Final = 305

MIN_PTIME_MS: Final = 10
MAX_PTIME_MS: Final = 60

_HIGHEST_PORT: Final = 65535
_SENDS: Final = frozenset({SENDRECV, SENDONLY})
_RECEIVES: Final = frozenset({SENDRECV, RECVONLY})


class SdpRejected(SipError):
    """A description is well formed and there is no agreement on it.

    `status` is the answer to an INVITE that carried it (RFC 3261 §13.3.1.3), `reason` says why in a few words free of
    anything the peer wrote, `warning` is the warn-code for a Warning header (RFC 3261 §20.43).
    """

    def __init__(self, reason: str, *, warning: int, status: int = 488) -> None:
        super().__init__(reason)
        self.reason = reason
        self.warning = warning
        self.status = status


@dataclass(frozen=True, slots=True)
class LocalAudio:
    """Our side of an audio stream.

    `codecs` are in order of preference, `ptime` is in ms, `direction` is what we would like. `rtcp_mux` says that the
    session can take RTP and RTCP on one port. `session_version` is used where there is no previous description.
    """

    address: str
    port: int
    codecs: tuple[Codec, ...]
    telephone_event: bool = True
    ptime: int = 20
    direction: str = SENDRECV
    rtcp_mux: bool = False
    session_id: int = field(kw_only=True)
    session_version: int = field(default=1, kw_only=True)


@dataclass(frozen=True, slots=True)
class NegotiatedAudio:
    """What both sides agreed on, as the media session needs it.

    `remote_address` may be a host name; with `0.0.0.0` or `::` nothing may be sent. `codec` has the payload type that
    we send. `receive_codecs` are all formats the peer may send, with the payload types it uses; the first of them is
    that of `codec`. `remote_rtcp` is None when the peer has no place for RTCP. `dtmf_clock` is the clock of
    telephone-event in Hz, `ptime` the packet time to send in ms (10 to 60, a multiple of 10). `comfort_noise_pt` is the
    payload type on which the peer, unasked, may send comfort noise. `direction` is ours.
    """

    remote_address: str
    remote_port: int
    remote_rtcp: tuple[str, int] | None
    rtcp_mux: bool
    codec: Codec
    receive_payload_type: int
    dtmf_send_pt: int | None
    dtmf_receive_pt: int | None
    dtmf_clock: int
    ptime: int
    direction: str
    comfort_noise_pt: int | None
    protocol: str
    receive_codecs: tuple[Codec, ...] = ()

    @property
    def sends(self) -> bool:
        """Whether we may send audio."""
        return self.direction in _SENDS

    @property
    def receives(self) -> bool:
        """Whether the peer may send audio."""
        return self.direction in _RECEIVES

    @property
    def held(self) -> bool:
        """Whether our audio is not wanted, as on a call put on hold (RFC 3264 §8.4)."""
        return not self.sends


def make_offer(local: LocalAudio, *, previous: SessionDescription | None = None) -> SessionDescription:
    """An offer of one audio stream (RFC 3264 §5), for an INVITE of ours or in the 200 to an INVITE without SDP.

    `previous` is the last description we sent in the same session: the media lines keep their places and the payload
    types their meaning, lines other than our audio stay refused, and the version of the `o=` line rises by one if
    anything differs (RFC 3264 §8).
    """
    before = previous.media if previous is not None else ()
    place = _our_place(before)
    in_use = codecs_of(before[place]) if place is not None else ()
    codecs = numbered(local.codecs, telephone_event=local.telephone_event, in_use=in_use)
    audio = _our_medium(local.port, "RTP/AVP", codecs, local.ptime, local.direction, rtcp_mux=local.rtcp_mux)
    media = [audio if n == place else _refused(medium) for n, medium in enumerate(before)]
    if place is None:
        media.append(audio)
    return _description(local, tuple(media), "0 0", previous)


def answer_offer(
    offer: SessionDescription, local: LocalAudio, *, previous: SessionDescription | None = None
) -> tuple[SessionDescription, NegotiatedAudio]:
    """The answer to an offer, and what it settles (RFC 3264 §6).

    The first audio line we can speak is taken; every other line is refused with port 0 in its place. Payload types are
    those of the offer. `previous` as in `make_offer`. Raises `SdpRejected` when no line can be taken.
    """
    agreed: NegotiatedAudio | None = None
    refusal: SdpRejected | None = None
    media = []
    for medium in offer.media:
        found = None if agreed is not None or medium.kind != AUDIO else _agree(offer, medium, local)
        if isinstance(found, NegotiatedAudio):
            agreed = found
            media.append(_answering_medium(medium, agreed, local))
            continue
        refusal = refusal or found
        media.append(_refused(medium))
    if agreed is None:
        raise refusal or SdpRejected("no audio offered", warning=MEDIA_TYPE_UNAVAILABLE)
    return _description(local, tuple(media), offer.timing, previous), agreed


def accept_answer(offer: SessionDescription, answer: SessionDescription, local: LocalAudio) -> NegotiatedAudio:
    """What the answer to our `offer` settles (RFC 3264 §7). Raises `SdpRejected` when it leaves no audio.

    The peer's first format that we offered is the one we send, under the answer's payload type; what we receive comes
    under the payload types of our offer.
    """
    place = _our_place(offer.media)
    if place is None:
        raise SdpRejected("no audio offered", warning=MEDIA_TYPE_UNAVAILABLE)
    medium = answer.media[place] if place < len(answer.media) else None
    if medium is None or medium.kind != AUDIO:
        raise SdpRejected("no audio answered", warning=MEDIA_TYPE_UNAVAILABLE)
    found = _agree(answer, medium, local, offered=offer.media[place])
    if isinstance(found, SdpRejected):
        raise found
    return found


@dataclass(frozen=True, slots=True)
class _Formats:
    """The formats in use: `codec` and `event` as we send them, `receives` and `received_event` as they come."""

    codec: Codec
    receives: tuple[Codec, ...]
    event: Codec | None
    received_event: Codec | None


def _agree(
    remote: SessionDescription,
    medium: MediaDescription,
    local: LocalAudio,
    *,
    offered: MediaDescription | None = None,
) -> NegotiatedAudio | SdpRejected:
    """What a peer's audio line settles: an offer to us, or with `offered` the answer to that line of ours."""
    if medium.port == 0:
        return SdpRejected("the audio stream is refused", warning=MEDIA_TYPE_UNAVAILABLE)
    if medium.protocol.upper() not in PLAIN_PROTOCOLS:
        return SdpRejected("unsupported media transport", warning=INCOMPATIBLE_TRANSPORT)
    connection = remote.connection_for(medium)
    if connection is None or not is_unicast(connection.address):
        return SdpRejected("no unicast address for audio", warning=INCOMPATIBLE_ADDRESS)

    if offered is None:
        theirs = codecs_of(medium)
        formats = _formats_from_offer(theirs, local)
        mux = medium.rtcp_mux and local.rtcp_mux
        wanted = local.direction
    else:
        ours = codecs_of(offered)
        theirs = codecs_of(medium, {c.payload_type: c for c in ours if c.payload_type is not None})
        formats = _formats_from_answer(theirs, ours)
        mux = medium.rtcp_mux and offered.rtcp_mux
        wanted = offered.direction or SENDRECV
    if formats is None:
        return SdpRejected("no codec in common", warning=INCOMPATIBLE_FORMAT)

    codec = formats.codec
    received = formats.receives[0].payload_type
    assert received is not None
    noise = find(theirs, Codec(COMFORT_NOISE, codec.clock_rate))
    return NegotiatedAudio(
        remote_address=connection.address,
        remote_port=medium.port,
        remote_rtcp=_rtcp_address(medium, connection.address, mux=mux),
        rtcp_mux=mux,
        codec=codec,
        receive_payload_type=received,
        dtmf_send_pt=formats.event.payload_type if formats.event is not None else None,
        dtmf_receive_pt=formats.received_event.payload_type if formats.received_event is not None else None,
        dtmf_clock=formats.event.clock_rate if formats.event is not None else codec.clock_rate,
        ptime=_packet_time(medium, local.ptime),
        direction=_our_direction(wanted, remote.direction_for(medium), connection.address),
        comfort_noise_pt=noise.payload_type if noise is not None else None,
        protocol=medium.protocol,
        receive_codecs=formats.receives,
    )


def _formats_from_offer(theirs: Sequence[Codec], local: LocalAudio) -> _Formats | None:
    for wanted in local.codecs:
        found = find(theirs, wanted)
        if found is None:
            continue
        codec = Codec(wanted.name, wanted.clock_rate, found.payload_type, wanted.channels, found.fmtp)
        event = _telephone_event(theirs, codec.clock_rate) if local.telephone_event else None
        return _Formats(codec, (codec,), event, event)
    return None


def _formats_from_answer(theirs: Sequence[Codec], ours: Sequence[Codec]) -> _Formats | None:
    pairs = [(their, our) for their in theirs if (our := find(ours, their)) is not None]
    audio = [(their, our) for their, our in pairs if our.name != TELEPHONE_EVENT]
    if not audio:
        return None
    their, our = audio[0]
    codec = Codec(our.name, our.clock_rate, their.payload_type, our.channels, their.fmtp)
    event = _telephone_event([their for their, _ in pairs], codec.clock_rate)
    received_event = find(ours, event) if event is not None else None
    return _Formats(codec, tuple(our for _, our in audio), event, received_event)


def _telephone_event(codecs: Sequence[Codec], clock_rate: int) -> Codec | None:
    """The telephone-event of the codec's clock rate; the peer's first one where it has only others.

    Phones that offer Opus with telephone-event/8000 alone mean it to be used with its own clock.
    """
    events = [codec for codec in codecs if codec.name.lower() == TELEPHONE_EVENT]
    return next((event for event in events if event.clock_rate == clock_rate), events[0] if events else None)


def _rtcp_address(medium: MediaDescription, address: str, *, mux: bool) -> tuple[str, int] | None:
    if mux:
        return address, medium.port
    stated = medium.rtcp
    if stated is None:
        return (address, medium.port + 1) if medium.port < _HIGHEST_PORT else None
    if stated.port == 0 or (stated.address is not None and not is_unicast(stated.address)):
        return None
    return stated.address or address, stated.port


def _packet_time(medium: MediaDescription, preferred: int) -> int:
    wanted = min(medium.ptime or preferred, medium.maxptime or MAX_PTIME_MS)
    return max(MIN_PTIME_MS, min(MAX_PTIME_MS, wanted - wanted % 10))


def _our_direction(wanted: str, theirs: str, address: str) -> str:
    """Our direction: what we want, less what the peer's leaves out (RFC 3264 §6.1); no sending to 0.0.0.0 (§8.4)."""
    sends = wanted in _SENDS and theirs in _RECEIVES and not is_unspecified(address)
    receives = wanted in _RECEIVES and theirs in _SENDS
    if sends:
        return SENDRECV if receives else SENDONLY
    return RECVONLY if receives else INACTIVE


def _answering_medium(medium: MediaDescription, agreed: NegotiatedAudio, local: LocalAudio) -> MediaDescription:
    ours = find(local.codecs, agreed.codec)
    codec = agreed.codec
    codecs = [Codec(codec.name, codec.clock_rate, codec.payload_type, codec.channels, ours.fmtp if ours else None)]
    if agreed.dtmf_receive_pt is not None:
        codecs.append(Codec(TELEPHONE_EVENT, agreed.dtmf_clock, agreed.dtmf_receive_pt, fmtp=EVENTS))
    return _our_medium(local.port, medium.protocol, codecs, agreed.ptime, agreed.direction, rtcp_mux=agreed.rtcp_mux)


def _our_medium(
    port: int, protocol: str, codecs: Sequence[Codec], ptime: int, direction: str, *, rtcp_mux: bool
) -> MediaDescription:
    attributes: list[Attribute] = []
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels != 1 else ""
        attributes.append(("rtpmap", f"{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}"))
        if codec.fmtp:
            attributes.append(("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    attributes += [("ptime", str(ptime)), (direction, None)]
    if rtcp_mux:
        attributes.append(("rtcp-mux", None))
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaDescription(AUDIO, port, protocol, formats, attributes=tuple(attributes))


def _refused(medium: MediaDescription) -> MediaDescription:
    # One format stands for all: the grammar wants one, and nobody reads it (RFC 3264 §6).
    return MediaDescription(medium.kind, 0, medium.protocol, medium.formats[:1] or ("0",))


def _our_place(media: Sequence[MediaDescription]) -> int | None:
    """The index of the audio line in use in a description of ours; of a refused one where none is."""
    places = [n for n, medium in enumerate(media) if medium.kind == AUDIO]
    return next((n for n in places if media[n].port), places[0] if places else None)


def _description(
    local: LocalAudio, media: tuple[MediaDescription, ...], timing: str, previous: SessionDescription | None
) -> SessionDescription:
    """The description around our media lines, its version one above `previous` if it differs (RFC 3264 §8)."""
    if previous is not None:
        origin = previous.origin
    else:
        origin = Origin(
            "-", str(local.session_id), str(local.session_version), local.address, address_type_of(local.address)
        )
    description = SessionDescription(origin, media, timing=timing, connection=Connection.to(local.address))
    if previous is None or description == previous:
        return description
    return replace(description, origin=replace(origin, session_version=str(int(origin.session_version) + 1)))
