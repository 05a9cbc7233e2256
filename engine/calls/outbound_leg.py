"""The leg of a party whom we call: the INVITE with our offer, what comes of it, and the audio from the answer on.

It decides nothing about the call: `on_event` gets what the far end does, after the leg has taken note of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from engine.calls.audio_leg import MISCELLANEOUS, AudioLeg, LegSettings, speaks_dtls, tell_nobody
from media import MediaEvent, MediaPlane, SessionStatistics
from sip import (
    FOLLOWED_REDIRECTS,
    Answered,
    CallEvent,
    Credentials,
    Endpoint,
    Failed,
    HungUp,
    NameAddr,
    Offer,
    OutgoingCall,
    Progress,
    Rejected,
    RemoteHangup,
    SipParseError,
    SipUri,
    UserAgent,
)
from sip.sdp import SdpRejected, accept_answer, make_offer, parse_sdp

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call and how: the Request-URI, who calls, what is sent along, and what answers a challenge.

    `next_hop` and `routes` lead to a registered contact, `routes` alone through the proxies that a carrier's registrar
    names; without them the URI is located as RFC 3263 says. So many addresses that 3xx responses give are called as
    `redirects` says; with 0 a 3xx is a refusal.
    """

    uri: SipUri
    from_: NameAddr
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    next_hop: Endpoint | None = None
    routes: tuple[NameAddr, ...] = ()
    redirects: int = FOLLOWED_REDIRECTS

    @property
    def host(self) -> str:
        """Where the INVITE is sent to: an address or a name."""
        if self.next_hop is not None:
            return self.next_hop.host
        first = self.routes[0].uri if self.routes else self.uri
        return first.host if isinstance(first, SipUri) else self.uri.host

    @property
    def browser(self) -> bool:
        """Whether it is reached over a WebSocket, and so takes no audio but by DTLS-SRTP."""
        hop = self.next_hop.transport if self.next_hop is not None else ""
        return speaks_dtls(hop) or speaks_dtls(self.uri.transport or "")


class OutboundLeg(AudioLeg):
    """A party that is rung, and spoken to once it has answered.

    `answered` is true once the far end has answered with audio that both sides can speak, `over` once the leg has
    ended. When it answers with something else the leg is hung up, and `place`'s `on_unusable` is told.
    """

    def __init__(
        self,
        user_agent: UserAgent,
        plane: MediaPlane,
        settings: LegSettings,
        on_media: Callable[[MediaEvent], None],
    ) -> None:
        super().__init__(plane, settings, on_media)
        self.over = False
        self._user_agent = user_agent
        self._on_event: Callable[[CallEvent], None] = lambda _event: None
        self._on_unusable: Callable[[str], None] = lambda _reason: None
        self._early_media = False
        self._early_answer: bytes | None = None
        self._call: OutgoingCall | None = None

    @property
    def call_id(self) -> str:
        """The Call-ID of the leg, for logs; empty before the INVITE."""
        return "" if self._call is None else self._call.call_id

    @property
    def outgoing(self) -> OutgoingCall:
        """The SIP call. Raises RuntimeError before `place`."""
        if self._call is None:
            raise RuntimeError("the leg has not been placed")
        return self._call

    @property
    def sip(self) -> OutgoingCall:
        """The SIP call, whichever kind of leg this is."""
        return self.outgoing

    def place(
        self,
        destination: Destination,
        on_event: Callable[[CallEvent], None],
        on_unusable: Callable[[str], None],
        *,
        early_media: bool = False,
    ) -> None:
        """Sends the INVITE with our offer. Nothing is told before this returns.

        `on_unusable` is told in place of `Answered` when the answer holds no audio that we can use; the leg is hung up
        by then. With `early_media` the audio runs from the first response with SDP on, as `negotiated` then shows.
        Raises media.PortsExhausted, and LocalProtocolError for text that cannot be sent.
        """
        self._on_event, self._on_unusable, self._early_media = on_event, on_unusable, early_media
        advertised = self._settings.media_address or self._user_agent.local_address_for(destination.host)
        self._session = self._plane.open(self._listening_host(advertised), self._on_media)
        if destination.browser:
            self._use_dtls()
        self._local = self._describe(advertised, self._session.local[1])
        self._answer_checks()
        self._sent = make_offer(self._local)
        self._call = self._user_agent.place_call(
            destination.uri,
            from_=destination.from_,
            body=bytes(self._sent),
            headers=destination.headers,
            credentials=destination.credentials,
            next_hop=destination.next_hop,
            routes=destination.routes,
            follow_redirects=destination.redirects,
            on_event=self._take,
        )

    def answer(self) -> None:
        """Nothing is left to do: a party that we call answers by itself."""

    def hangup(self, sip_code: int = 0) -> None:
        """Ends the leg, with CANCEL before its answer and BYE after it; does nothing when it is over."""
        self.over = True
        if self._call is not None:
            self._call.hangup()

    async def close(self) -> SessionStatistics | None:
        """Hangs up and releases the audio; returns its statistics."""
        self.hangup()
        return await super().close()

    def part(self) -> None:
        """See `AudioLeg`."""
        super().part()
        self._on_event = self._on_unusable = tell_nobody
        if self._call is not None:
            self._call.on_event = tell_nobody

    def _listening_host(self, advertised: str) -> str:
        """The address to listen at: that of a SIP listener of the same family, else every one."""
        ipv6 = ":" in advertised
        hosts = [host for bound in self._user_agent.bound.values() for host, _ in bound]
        return next((host for host in hosts if (":" in host) == ipv6), "::" if ipv6 else "0.0.0.0")

    def _take(self, event: CallEvent) -> None:
        if isinstance(event, Answered) and not self.answered:
            try:
                # The answer may have come in a reliable provisional response, and not again (RFC 3262 §5).
                self._agree(event.body or self._early_answer)
            except (SdpRejected, SipParseError) as error:
                log.warning("sip.unusable_answer", call_id=self.call_id, reason=str(error))
                self.hangup()
                self._on_unusable(str(error))
                return
            self.answered = True
        elif isinstance(event, Progress) and event.body:
            self._early_answer = event.body
            self._hear_early(event.body)
        elif isinstance(event, Offer):
            self.renegotiate(event)
            return
        elif isinstance(event, Rejected | RemoteHangup | Failed | HungUp):
            self.over = True
        self._on_event(event)

    def _hear_early(self, body: bytes) -> None:
        """Takes early media; what cannot be used of it is left to the answer."""
        if not self._early_media or self.answered:
            return
        try:
            self._agree(body)
        except (SdpRejected, SipParseError) as error:
            log.info("sip.unusable_early_media", call_id=self.call_id, reason=str(error))

    def _agree(self, body: bytes | None) -> None:
        assert self._sent is not None
        assert self._local is not None
        if not body:
            raise SdpRejected("the answer to the call has no SDP", warning=MISCELLANEOUS)
        negotiated = accept_answer(self._sent, parse_sdp(body), self._local)
        self._start(negotiated)
        self.negotiated = negotiated


def header_lines(headers: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Header fields written as `X-Name=Value`, as VoyloML has them; what has no name is left out."""
    pairs = (line.partition("=") for line in headers)
    return tuple((name.strip(), value.strip()) for name, separator, value in pairs if separator and name.strip())
