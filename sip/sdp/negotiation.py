"""Offer and answer for one audio stream (RFC 3264): what to send, what was agreed, what is refused and why.

Of the offered codecs the answerer takes the first in its own order of preference and answers with that one alone, so
that the codec does not change during a call. Other media are refused with port 0. BUNDLE is not spoken: its group is
left out, so that each line stands for itself (RFC 9143 §7.3), and the `a=mid` of the line taken is repeated. ICE is
spoken beside DTLS-SRTP alone, as lite agent; elsewhere its lines are passed over (RFC 8839 §4.2.5), unless they are the
only way to the peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sip.sdp.address import is_unicast, is_unspecified
from sip.sdp.audio import RECEIVES, SENDS, LocalAudio, NegotiatedAudio
from sip.sdp.codecs import COMFORT_NOISE, OPUS, TELEPHONE_EVENT, Codec, codecs_of, find, numbered
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
from sip.sdp.dtls import DTLS_PROTOCOLS
from sip.sdp.dtls_srtp import agree_dtls
from sip.sdp.formats import KEYS, opus_parameters, telephone_events
from sip.sdp.ice import demands_ice
from sip.sdp.keying import (
    PLAIN_PROTOCOLS,
    SECURE_PROTOCOLS,
    MediaEncryption,
    SrtpKeys,
    keys_from_answer,
    keys_from_offer,
)
from sip.sdp.ourline import AUDIO, MAX_PTIME_MS, MIN_PTIME_MS, answering_line, offered_line, refused_line
from sip.sdp.rejection import (
    INCOMPATIBLE_ADDRESS,
    INCOMPATIBLE_FORMAT,
    INCOMPATIBLE_TRANSPORT,
    MEDIA_TYPE_UNAVAILABLE,
    SdpRejected,
)

_HIGHEST_PORT: Final = 65535


def make_offer(local: LocalAudio, *, previous: SessionDescription | None = None) -> SessionDescription:
    """An offer of one audio stream (RFC 3264 §5), for an INVITE of ours or in the 200 to an INVITE without SDP.

    `previous` is the last description we sent in the same session: the media lines keep their places and the payload
    types their meaning, our audio its profile and our SRTP keys, lines other than our audio stay refused, and the
    version of the `o=` line rises by one if anything differs (RFC 3264 §8). Raises `SdpRejected` where encryption is
    required and the media session cannot serve it.
    """
    before = previous.media if previous is not None else ()
    place = _our_place(before)
    in_use = codecs_of(before[place]) if place is not None else ()
    codecs = numbered(local.codecs, telephone_event=local.telephone_event, in_use=in_use)
    live = before[place] if place is not None and before[place].port else None
    audio = offered_line(local, codecs, live)
    media = [audio if n == place else refused_line(medium) for n, medium in enumerate(before)]
    if place is None:
        media.append(audio)
    return _description(local, tuple(media), "0 0", previous)


@dataclass(frozen=True, slots=True)
class OfferAgreement:
    """What can be agreed on an offer: `audio`, on the media line with the index `place`."""

    place: int
    audio: NegotiatedAudio


def agree_offer(
    offer: SessionDescription, local: LocalAudio, *, in_force: NegotiatedAudio | None = None
) -> OfferAgreement:
    """What an offer leaves for us, before anything is opened for it: neither address nor port of `local` count.

    The first audio line we can speak is taken. `in_force` is what was agreed before in the session, whose SRTP key of
    ours stays while the peer's does. Raises `SdpRejected` when no line can be taken.
    """
    refusal: SdpRejected | None = None
    for place, medium in enumerate(offer.media):
        if medium.kind == AUDIO:
            try:
                return OfferAgreement(place, _agree(offer, place, local, in_force=in_force))
            except SdpRejected as error:
                refusal = refusal or error
    raise refusal or SdpRejected("no audio offered", warning=MEDIA_TYPE_UNAVAILABLE)


def write_answer(
    offer: SessionDescription,
    agreement: OfferAgreement,
    local: LocalAudio,
    *,
    previous: SessionDescription | None = None,
) -> SessionDescription:
    """The answer that says what was agreed; every other line is refused with port 0 in its place (RFC 3264 §6).

    Payload types are those of the offer. `previous` as in `make_offer`.
    """
    media = tuple(
        answering_line(medium, agreement.audio, local) if place == agreement.place else refused_line(medium)
        for place, medium in enumerate(offer.media)
    )
    return _description(local, media, offer.timing, previous)


def answer_offer(
    offer: SessionDescription,
    local: LocalAudio,
    *,
    previous: SessionDescription | None = None,
    in_force: NegotiatedAudio | None = None,
) -> tuple[SessionDescription, NegotiatedAudio]:
    """The answer to an offer, and what it settles: `agree_offer` and `write_answer` in one step."""
    agreement = agree_offer(offer, local, in_force=in_force)
    return write_answer(offer, agreement, local, previous=previous), agreement.audio


def accept_answer(offer: SessionDescription, answer: SessionDescription, local: LocalAudio) -> NegotiatedAudio:
    """What the answer to our `offer` settles (RFC 3264 §7). Raises `SdpRejected` when it leaves no audio.

    The peer's first format that we offered is the one we send, under the answer's payload type; what we receive comes
    under the payload types of our offer. An answer with another number of lines than the offer breaks RFC 3264 §6; it
    is taken where it has one audio line in use, so that there is no doubt which is meant. A direction that the offer
    does not leave room for (`sendrecv` to our `sendonly`) counts only as far as it fits.
    """
    place = _our_place(offer.media)
    if place is None:
        raise SdpRejected("no audio offered", warning=MEDIA_TYPE_UNAVAILABLE)
    answered = place
    if len(answer.media) != len(offer.media):
        in_use = [n for n, medium in enumerate(answer.media) if medium.kind == AUDIO and medium.port]
        if len(in_use) != 1:
            raise SdpRejected("an answer with another number of lines", warning=MEDIA_TYPE_UNAVAILABLE)
        (answered,) = in_use
    if answer.media[answered].kind != AUDIO:
        raise SdpRejected("no audio answered", warning=MEDIA_TYPE_UNAVAILABLE, medium=answered + 1)
    return _agree(answer, answered, local, offered=offer.media[place])


def same_session(before: SessionDescription, after: SessionDescription) -> bool:
    """Whether an offer only refreshes what the peer said before: `o=` unchanged, and all that bears on media (§8).

    RFC 3264 §8 forbids to change a description without its version. Phones that do it all the same, mostly to hold a
    call, are not taken at their word: their offer is a new one.
    """
    return (
        before.origin == after.origin
        and before.media == after.media
        and before.connection == after.connection
        and before.attributes == after.attributes
    )


@dataclass(frozen=True, slots=True)
class _Formats:
    """The formats in use: `codec` and `event` as we send them, `receives` and `received_event` as they come."""

    codec: Codec
    receives: tuple[Codec, ...]
    event: Codec | None
    received_event: Codec | None


def _agree(
    remote: SessionDescription,
    place: int,
    local: LocalAudio,
    *,
    offered: MediaDescription | None = None,
    in_force: NegotiatedAudio | None = None,
) -> NegotiatedAudio:
    """What a peer's audio line settles: an offer to us, or with `offered` the answer to that line of ours.

    Raises SdpRejected.
    """
    medium = remote.media[place]
    number = place + 1
    if medium.port == 0:
        raise SdpRejected("the audio stream is refused", warning=MEDIA_TYPE_UNAVAILABLE, medium=number)
    dtls = None
    keys = None
    if local.dtls is not None and medium.protocol.upper() in DTLS_PROTOCOLS:
        before = in_force.dtls if in_force is not None else None
        dtls = agree_dtls(remote, medium, number, answered=offered is not None, in_force=before)
    else:
        keys = _keys(medium, local, number, offered, in_force.srtp if in_force is not None else None)
    checked = dtls is not None and dtls.checked
    connection = remote.connection_for(medium)
    if connection is None or not is_unicast(connection.address):
        raise SdpRejected("no unicast address for audio", warning=INCOMPATIBLE_ADDRESS, medium=number)
    nowhere = dtls is not None and is_unspecified(connection.address) and in_force is None
    if not checked and (nowhere or demands_ice(remote, medium)):
        raise SdpRejected("no way to the media but ICE", warning=INCOMPATIBLE_TRANSPORT, medium=number)

    if offered is None:
        theirs = codecs_of(medium)
        formats = _formats_from_offer(theirs, local)
        mux = (local.rtcp_mux or dtls is not None) and medium.rtcp_mux
        rsize = local.rtcp_rsize and medium.rtcp_rsize
        wanted = local.direction
    else:
        ours = codecs_of(offered)
        theirs = codecs_of(medium, {c.payload_type: c for c in ours if c.payload_type is not None})
        formats = _formats_from_answer(theirs, ours)
        mux = offered.rtcp_mux and medium.rtcp_mux
        rsize = offered.rtcp_rsize and medium.rtcp_rsize
        wanted = offered.direction or SENDRECV
    if formats is None:
        raise SdpRejected("no codec in common", warning=INCOMPATIBLE_FORMAT, medium=number)

    codec = formats.codec
    received = formats.receives[0].payload_type
    assert received is not None
    event = formats.event
    noise = find(theirs, Codec(COMFORT_NOISE, codec.clock_rate))
    return NegotiatedAudio(
        remote_address=connection.address,
        remote_port=medium.port,
        remote_rtcp=_rtcp_address(medium, connection.address, mux=mux),
        rtcp_mux=mux,
        codec=codec,
        receive_payload_type=received,
        dtmf_send_pt=event.payload_type if event is not None else None,
        dtmf_receive_pt=formats.received_event.payload_type if formats.received_event is not None else None,
        dtmf_clock=event.clock_rate if event is not None else codec.clock_rate,
        ptime=_packet_time(medium, codec, local.ptime),
        direction=_our_direction(wanted, remote.direction_for(medium), None if checked else connection.address),
        comfort_noise_pt=noise.payload_type if noise is not None else None,
        protocol=medium.protocol,
        receive_codecs=formats.receives,
        dtmf_events=telephone_events(event.fmtp) if event is not None else KEYS,
        rtcp_rsize=rsize,
        srtp=keys,
        dtls=dtls,
    )


def _keys(
    medium: MediaDescription,
    local: LocalAudio,
    number: int,
    offered: MediaDescription | None,
    in_force: SrtpKeys | None,
) -> SrtpKeys | None:
    """The SRTP keys of a line, None for plain RTP. Raises SdpRejected where its profile or our policy forbid that."""
    protocol = medium.protocol.upper()
    secure = protocol not in PLAIN_PROTOCOLS
    if secure and protocol not in SECURE_PROTOCOLS:
        reason = "DTLS-SRTP is not spoken" if protocol in DTLS_PROTOCOLS else "unsupported media transport"
        raise SdpRejected(reason, warning=INCOMPATIBLE_TRANSPORT, medium=number)
    keys = None
    claimed = secure
    if offered is not None and offered.has("crypto"):
        # A key that does not fit is an encrypted stream that we could not read, no word for plain RTP (RFC 4568 §7.1.3)
        claimed = secure or medium.has("crypto")
        keys = keys_from_answer(medium, offered)
    elif offered is None and local.srtp:
        keys = keys_from_offer(medium, local.srtp, in_force)
    if keys is None and claimed:
        raise SdpRejected("no usable SRTP key", warning=INCOMPATIBLE_TRANSPORT, medium=number)
    if keys is None and local.media_encryption is MediaEncryption.REQUIRED:
        raise SdpRejected("encrypted media is required", warning=INCOMPATIBLE_TRANSPORT, medium=number)
    return keys


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


def _packet_time(medium: MediaDescription, codec: Codec, preferred: int) -> int:
    wanted = medium.ptime or preferred
    if codec.name == OPUS.name:
        wanted = max(wanted, opus_parameters(codec.fmtp).min_ptime or 0)
    wanted = min(wanted, medium.maxptime or MAX_PTIME_MS)
    return max(MIN_PTIME_MS, min(MAX_PTIME_MS, wanted - wanted % 10))


def _our_direction(wanted: str, theirs: str, address: str | None) -> str:
    """Our direction: what we want, less what the peer's leaves out (RFC 3264 §6.1); no sending to 0.0.0.0 (§8.4).

    `address` is None where ICE finds it.
    """
    sends = wanted in SENDS and theirs in RECEIVES and not (address is not None and is_unspecified(address))
    receives = wanted in RECEIVES and theirs in SENDS
    if sends:
        return SENDRECV if receives else SENDONLY
    return RECVONLY if receives else INACTIVE


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
    lite: tuple[Attribute, ...] = (("ice-lite", None),) if any(line.has("ice-ufrag") for line in media) else ()
    description = SessionDescription(
        origin, media, timing=timing, connection=Connection.to(local.address), attributes=lite
    )
    if previous is None or description == previous:
        return description
    return replace(description, origin=replace(origin, session_version=str(int(origin.session_version) + 1)))
