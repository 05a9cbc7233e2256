"""The audio of one party of a call: what was offered and agreed on, and the session that carries it.

Both kinds of leg are made of this, that of a caller (`leg`) and that of a party whom we call (`outbound_leg`).
"""

from __future__ import annotations

import functools
import ipaddress
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from media import (
    SRTP_SUITES,
    MediaEvent,
    MediaPlane,
    MediaSession,
    OpusSending,
    SessionStatistics,
    SrtpParameters,
    StreamError,
    StreamParameters,
)
from sip import Confirmed, IncomingCall, Offer, OfferAnswered, OutgoingCall, SipParseError
from sip.sdp import (
    OPUS,
    SUITES,
    Codec,
    LocalAudio,
    MediaEncryption,
    NegotiatedAudio,
    SdpRejected,
    SessionDescription,
    SrtpKeys,
    accept_answer,
    agree_offer,
    make_offer,
    opus_parameters,
    parse_sdp,
    same_session,
    write_answer,
)

if TYPE_CHECKING:
    from engine.calls.browser_audio import BrowserAudio

log = structlog.get_logger(__name__)

# Warning codes of RFC 3261 §20.43
INCOMPATIBLE_ADDRESS = 301
MISCELLANEOUS = 399

# What we like to receive (RFC 7587 §6.1): the media plane hears 4 kHz, and uses copies of what was lost.
_OPUS_OFFERED = replace(OPUS, fmtp="maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1")

# In the order in which we offer them; of an offer the peer's order counts (RFC 4568 §5.1.2).
_SUITES = tuple(suite for suite in SUITES if suite.name in SRTP_SUITES)


@dataclass(frozen=True, slots=True)
class LegSettings:
    """What every leg of the engine offers: codecs in order of preference, and the address for SDP.

    `media_address` overrides the address in SDP (contract §22.2 `media.advertised_address`); None follows the address
    that SIP advertises to the peer. `media_encryption` is that of the number (contract §14.1).
    """

    codecs: tuple[Codec, ...]
    media_address: str | None = None
    media_encryption: MediaEncryption = MediaEncryption.DISABLED


class AudioLeg(ABC):
    """The audio half of a leg. `on_media` gets the events of the audio session once there is one."""

    def __init__(self, plane: MediaPlane, settings: LegSettings, on_media: Callable[[MediaEvent], None]) -> None:
        self._plane = plane
        self._settings = settings
        self._on_media = on_media
        self._session: MediaSession | None = None
        self._offer: SessionDescription | None = None
        self._sent: SessionDescription | None = None
        self._local: LocalAudio | None = None
        self._browser: BrowserAudio | None = None
        self._session_id = secrets.randbits(31)
        self.answered = False
        self.negotiated: NegotiatedAudio | None = None

    @property
    def session(self) -> MediaSession:
        """The audio session. Raises RuntimeError while there is none."""
        if self._session is None:
            raise RuntimeError("the leg has no audio yet")
        return self._session

    @property
    def has_audio(self) -> bool:
        """Whether there is an audio session: from early media or the answer on."""
        return self._session is not None

    @property
    def held(self) -> bool:
        """Whether the far end has put us on hold: it need not send anything then."""
        return self.negotiated is not None and self.negotiated.held

    @property
    @abstractmethod
    def call_id(self) -> str:
        """The Call-ID of the leg, for logs."""

    @property
    @abstractmethod
    def sip(self) -> IncomingCall | OutgoingCall:
        """The SIP call, whichever kind of leg this is."""

    @abstractmethod
    def answer(self) -> None:
        """Answers a caller; see the kinds of leg."""

    @abstractmethod
    def hangup(self, sip_code: int) -> None:
        """Ends the leg's dialog; an unanswered caller gets the final response `sip_code`."""

    def confirmed(self, event: Confirmed | OfferAnswered) -> None:
        """The ACK came; its body is the answer when the offer was ours. Raises SdpRejected or SipParseError."""
        if self.negotiated is not None or self._sent is None or self._local is None:
            return
        if not event.body:
            raise SdpRejected("the ACK carries no answer to our offer", warning=MISCELLANEOUS)
        negotiated = accept_answer(self._sent, parse_sdp(event.body), self._local)
        self._start(negotiated)
        self.negotiated = negotiated

    def renegotiate(self, event: Offer) -> None:
        """Answers a re-INVITE; one that cannot be met gets 488 and leaves the session as it was (RFC 3261 §14.2)."""
        if self._session is None or self._local is None:
            event.respond.reject(488)
            return
        if not event.body:
            self._sent = make_offer(self._local, previous=self._sent)
            self.negotiated = self._offer = None
            event.respond.accept(bytes(self._sent))
            return
        try:
            offer = parse_sdp(event.body)
            if self._sent is not None and self._offer is not None and same_session(self._offer, offer):
                event.respond.accept(bytes(self._sent))  # a refresh: nothing is agreed on anew
                return
            local, negotiated, sent = self._answer_again(offer, self._local)
            self._start(negotiated)
        except (SdpRejected, SipParseError) as error:
            log.info("sip.reinvite_refused", call_id=self.call_id, reason=str(error))
            warnings = () if isinstance(error, SipParseError) else (error.warning_header(self._local.address),)
            event.respond.reject(488, headers=warnings)
            return
        self._offer, self._sent, self._local, self.negotiated = offer, sent, local, negotiated
        event.respond.accept(bytes(sent))

    def _answer_again(
        self, offer: SessionDescription, local: LocalAudio
    ) -> tuple[LocalAudio, NegotiatedAudio, SessionDescription]:
        agreement = agree_offer(offer, local, in_force=self.negotiated)
        dtls = agreement.audio.dtls
        if self._browser is not None and dtls is not None:
            local = self._browser.renewed(self.negotiated.dtls if self.negotiated is not None else None, dtls, local)
        return local, agreement.audio, write_answer(offer, agreement, local, previous=self._sent)

    def _start(self, audio: NegotiatedAudio) -> None:
        parameters = stream_parameters(audio)
        if (audio.dtls is None) is not (self._browser is None):
            raise SdpRejected("DTLS-SRTP is for a whole call or for none of it", warning=MISCELLANEOUS)
        try:
            if self._browser is None or audio.dtls is None:
                self.session.start(parameters)
            else:
                self._browser.connect(audio.dtls, parameters)
        except StreamError as error:
            raise SdpRejected(str(error), warning=INCOMPATIBLE_ADDRESS) from None

    def _answer_checks(self) -> None:
        """A browser may check its way to us as soon as it has our SDP. Raises media.PortsExhausted."""
        if self._browser is not None:
            self._browser.open(self.session)

    def _use_dtls(self) -> None:
        """The far end is a browser: DTLS-SRTP and ICE are offered and answered from here on."""
        if self._browser is None:
            # OpenSSL and what ICE is read with take a quarter of a second: not for who has no browsers.
            from engine.calls.browser_audio import BrowserAudio

            self._browser = BrowserAudio(self._on_media)

    async def close(self) -> SessionStatistics | None:
        """Releases the audio and returns its statistics, None when there was none."""
        if self._browser is not None:
            self._browser.close()
        if self._session is None:
            return None
        return await self._session.close()

    def part(self) -> None:
        """Tells nobody anything any more, and so holds nobody in memory; the leg is closed."""
        self._on_media = tell_nobody

    def _describe(self, address: str, port: int) -> LocalAudio:
        return LocalAudio(
            address=address,
            port=port,
            codecs=tuple(map(_with_parameters, self._settings.codecs)),
            media_encryption=self._settings.media_encryption,
            srtp=_SUITES,
            dtls=self._browser.local(address, port) if self._browser is not None else None,
            offers_dtls=self._browser is not None,
            session_id=self._session_id,
            session_version=1,
        )


def tell_nobody(_event: object) -> None:
    """Takes what still happens on a leg whose call is over."""


def speaks_dtls(transport: str) -> bool:
    """Whether who is reached over this SIP transport is a browser, which takes no audio but by DTLS-SRTP."""
    return transport.lower() in {"ws", "wss"}


@functools.lru_cache(maxsize=1024)
def is_ip_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 literal."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_address(audio: NegotiatedAudio) -> None:
    """Raises SdpRejected when the far end gave a host name for its address: nothing is looked up for a peer's sake."""
    if not is_ip_address(audio.remote_address):
        raise SdpRejected("the media address must be an IP address", warning=INCOMPATIBLE_ADDRESS)


def stream_parameters(audio: NegotiatedAudio) -> StreamParameters:
    """The media plane's view of a negotiated audio stream. Raises as `check_address`."""
    check_address(audio)
    return StreamParameters(
        remote_address=audio.remote_address,
        remote_port=audio.remote_port,
        codec=audio.codec.name,
        payload_type=audio.codec.payload_type or 0,
        receive_payload_type=audio.receive_payload_type,
        dtmf_send_pt=audio.dtmf_send_pt,
        dtmf_receive_pt=audio.dtmf_receive_pt,
        dtmf_clock=audio.dtmf_clock,
        ptime=audio.ptime,
        send=audio.sends,
        receive=audio.receives,
        rtcp_address=audio.remote_rtcp,
        rtcp_mux=audio.rtcp_mux,
        srtp=_srtp_parameters(audio.srtp) if audio.srtp is not None else None,
        opus=_opus_sending(audio.codec) if audio.codec.name == OPUS.name else None,
        # Contract §14.1: only where nothing else was negotiated.
        inband_keys=audio.dtmf_receive_pt is None,
    )


def _with_parameters(codec: Codec) -> Codec:
    return _OPUS_OFFERED if codec is OPUS or codec == OPUS else codec


def _opus_sending(codec: Codec) -> OpusSending:
    wanted = opus_parameters(codec.fmtp)
    return OpusSending(wanted.inband_fec, wanted.max_average_bitrate, wanted.constant_bitrate)


def _srtp_parameters(keys: SrtpKeys) -> SrtpParameters:
    mki = keys.receive.mki
    return SrtpParameters(
        suite=keys.suite.name,
        send_key=keys.send.key_salt,
        receive_key=keys.receive.key_salt,
        receive_mki_octets=mki.octets if mki is not None else 0,
    )
