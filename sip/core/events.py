"""What a call tells the one who handles it: small immutable values, in the order in which things happened.

The terminal events are Rejected (an outgoing call that was never answered), Cancelled (an incoming one that was not),
RemoteHangup, HungUp and Failed; nothing follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from sip.fields import NameAddr
from sip.headers import Headers
from sip.identity import Reason, parse_reasons
from sip.message import Response
from sip.replaces import Replaces
from sip.uri import SipUri, Uri


class OfferResponder(Protocol):
    """How an offer within a call is answered: once, by one of the two methods. After the end of the call both do
    nothing."""

    def accept(self, body: bytes) -> None:
        """Answer 200 with this SDP: the answer, or our offer when the Offer's body was empty."""

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse; the session goes on as it was (RFC 3264 §8). `headers`, such as Warning, go into the response where
        there is one; raises LocalProtocolError for text that cannot be a header value."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Outgoing call: a provisional response other than 100. `body` is its SDP (early media), if any.

    `fork` tells the early dialogs of one INVITE apart: the To tag of whoever sent it. With status 199 (RFC 6228) that
    one is over, and the call goes on with the others.
    """

    status: int
    reason: str
    body: bytes | None
    headers: Headers
    fork: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """Outgoing call: the 2xx. It is acknowledged already, unless it carries the offer: then `acknowledge` is due.

    `body` is the SDP that holds. Where the early dialog `fork` has had its answer in a reliable provisional response or
    a later exchange, that is the one, whatever the 2xx repeats (RFC 3262 §5).
    """

    response: Response
    body: bytes | None
    fork: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Outgoing call: it will not be answered. `status` is None without a final response; terminal.

    After our own cancel: 487, or cause "timeout" where the peer never confirmed it. `retry_after`: seconds after which
    the peer may be asked again, where it says so (RFC 3261 §20.33). An address that has answered 503 with a Retry-After
    is not called before: without another one the call is rejected with 503 at once, and with what is left of it.
    """

    status: int | None
    reason: str
    cause: Literal["response", "timeout", "transport"]
    headers: Headers
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Redirected:
    """Outgoing call: a 3xx said where else to call, and that is done now (RFC 3261 §8.1.3.4)."""

    target: SipUri


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Incoming call: the ACK to our 200 came. `body` is its SDP, the answer where our 200 carried the offer."""

    body: bytes | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Incoming call: the caller gave up before it was answered; 487 has been sent. `reason` is its Reason header.
    Terminal."""

    reason: str | None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons as values; what does not parse is left out."""
        return parse_reasons(self.reason)


@dataclass(frozen=True, slots=True)
class RemoteHangup:
    """The peer sent BYE, answered 200. `reason` is its Reason header (RFC 3326). Terminal."""

    reason: str | None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons as values; what does not parse is left out."""
        return parse_reasons(self.reason)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of the peer, in a re-INVITE, an UPDATE, a PRACK, or a response to an INVITE of ours that carried none.

    `body` is its SDP, empty when a re-INVITE asks us to make the offer. `fork` is the early dialog, see Progress; None
    once the call is answered, and in incoming calls.
    """

    body: bytes
    respond: OfferResponder
    fork: str | None = None


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """The peer's answer to what `reinvite` or `update` sent, or to our offer in a 200 or a reliable provisional
    response. `fork` as in Offer."""

    body: bytes | None
    fork: str | None = None


@dataclass(frozen=True, slots=True)
class OfferRejected:
    """The offer that `reinvite` or `update` sent was refused; the session goes on as it was. `status` None: no
    response at all."""

    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO of the peer (RFC 6086), answered 200 already: DTMF of some phones."""

    content_type: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class AsideAnswered:
    """What came of an INFO or MESSAGE of ours: the final status, None where there was no answer."""

    method: str
    status: int | None


class ReferResponder(Protocol):
    """How a REFER of the peer is answered: once, by `accept` or `reject`; then reported on. After the end of the call
    nothing has an effect. Without a decision within 10 s it is declined."""

    def accept(self) -> None:
        """Answer 202; the peer is told 100 at once."""

    def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Refuse with a final status."""

    def notify(self, status: int, reason: str | None = None, *, final: bool = False) -> None:
        """Report how far the referred call has come; a final status ends the reports."""


@dataclass(frozen=True, slots=True)
class Referred:
    """The peer asks us to call somebody (RFC 3515): a transfer. `target` can be given to `place_call` as it is; with
    `replaces` the call takes the place of another one there (RFC 3891)."""

    target: Uri
    method: str
    replaces: Replaces | None
    referred_by: NameAddr | None
    respond: ReferResponder


@dataclass(frozen=True, slots=True)
class ReferAccepted:
    """The peer will do what our `refer` asks for."""


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """How far the call has come that the peer makes for us: status and reason phrase of its latest response."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReferFailed:
    """The peer refused our `refer`; `status` None: it did not answer."""

    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ReferEnded:
    """Nothing more will be heard of our `refer`: `noresource` after its final status, `timeout`, `no_subscription`, or
    another reason that the peer gave (RFC 6665 §4.1.3)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """An incoming call with this Call-ID was answered in the place of this one (RFC 3891), which is hung up now; the
    terminal event follows."""

    by: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The final response to our BYE, or None when none came. Terminal, after `hangup` of an answered call."""

    status: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The call ended through a failure of signalling: no ACK ever came, no PRACK (RFC 3262 §3; 504 has been sent), no
    refresh of the session in time (RFC 4028 §10), or the peer denies that the call exists. Terminal."""

    cause: Literal["no_ack", "no_prack", "gone", "transport", "session_expired"]


CallEvent: TypeAlias = (
    Progress
    | Answered
    | Redirected
    | Rejected
    | Confirmed
    | Cancelled
    | RemoteHangup
    | Offer
    | OfferAnswered
    | OfferRejected
    | Info
    | AsideAnswered
    | Referred
    | ReferAccepted
    | ReferProgress
    | ReferFailed
    | ReferEnded
    | Replaced
    | HungUp
    | Failed
)
