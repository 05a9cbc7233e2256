"""The leg of a caller who called us: its SIP dialog and, from the answer on, its audio.

The leg turns the SIP offer and answer into media parameters and reports what happens on either side through callbacks.
It decides nothing about the call.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.calls.audio_leg import AudioLeg, LegSettings, check_address, speaks_dtls, tell_nobody
from media import MediaEvent, MediaPlane
from sip import IncomingCall, UserAgent
from sip.sdp import OfferAgreement, agree_offer, demands_dtls, make_offer, parse_sdp, write_answer

__all__ = ["InboundLeg", "LegSettings"]


class InboundLeg(AudioLeg):
    """The leg of a caller who called us.

    Raises SipParseError at construction when the offer cannot be read, SdpRejected when it has nothing in common with
    us. `on_media` gets the events of the audio session once there is one.
    """

    def __init__(
        self,
        incoming: IncomingCall,
        user_agent: UserAgent,
        plane: MediaPlane,
        settings: LegSettings,
        on_media: Callable[[MediaEvent], None],
    ) -> None:
        super().__init__(plane, settings, on_media)
        self.incoming = incoming
        self._user_agent = user_agent
        self._agreement: OfferAgreement | None = None
        if incoming.offer:
            self._offer = parse_sdp(incoming.offer)
            if demands_dtls(self._offer):
                self._use_dtls()
            self._agreement = agree_offer(self._offer, self._describe("127.0.0.1", 9))
            check_address(self._agreement.audio)
        elif speaks_dtls(incoming.source.transport):
            self._use_dtls()

    @property
    def call_id(self) -> str:
        """The Call-ID of the leg, for logs."""
        return self.incoming.call_id

    @property
    def sip(self) -> IncomingCall:
        """The SIP call, whichever kind of leg this is."""
        return self.incoming

    @property
    def offered(self) -> bool:
        """Whether the INVITE carried an offer; without one there is no early media."""
        return self._agreement is not None

    def open_early_media(self) -> None:
        """Opens the audio and sends 183 with our SDP; does nothing when the audio is open.

        Raises media.PortsExhausted, or SdpRejected when no audio can be sent where the peer wants it; no response is
        sent then.
        """
        if self.has_audio or not self.offered:
            return
        self.incoming.progress(self._open())

    def answer(self) -> None:
        """Opens the audio, sends 200 with our SDP and starts sending; does nothing when already answered.

        After an INVITE without an offer the 200 carries ours, and sound starts with the answer in the ACK. Raises
        media.PortsExhausted, or SdpRejected when no audio can be sent where the peer wants it; no response is sent
        then.
        """
        if self.answered:
            return
        # What early media was agreed on is the answer (RFC 3261 §13.2.1)
        if self.has_audio and self._sent is not None:
            sent = bytes(self._sent)
            if self.negotiated is not None:
                # From here on silence counts (contract §14.1), whatever was or was not heard before.
                self._start(self.negotiated)
        else:
            sent = self._open()
        self.answered = True
        self.incoming.answer(sent)

    def part(self) -> None:
        """See `AudioLeg`."""
        super().part()
        self.incoming.on_event = tell_nobody

    def _open(self) -> bytes:
        address = self._user_agent.local_address_for(self.incoming.source.host)
        advertised = self._settings.media_address or address
        source = self.incoming.source.host
        remote = None
        if self._agreement is not None:
            audio = self._agreement.audio
            checked = audio.dtls is not None and audio.dtls.checked
            remote = None if checked else (audio.remote_address, audio.remote_port)
        self._session = self._plane.open(self.incoming.local.host, self._on_media, remote=remote, seen_from=source)
        self._local = self._describe(advertised, self._session.local[1])
        self._answer_checks()
        if self._offer is None or self._agreement is None:
            self._sent = make_offer(self._local)
        else:
            self._sent = write_answer(self._offer, self._agreement, self._local)
            self.negotiated = self._agreement.audio
            self._start(self.negotiated)
        return bytes(self._sent)

    def hangup(self, sip_code: int) -> None:
        """Sends BYE, or the final response `sip_code` to a caller who was not answered."""
        if self.answered:
            self.incoming.hangup()
        else:
            self.incoming.reject(sip_code)
