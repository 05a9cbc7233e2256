"""Offer and answer inside one dialog (RFC 3264), whichever of INVITE, PRACK, UPDATE and ACK carries them: RFC 3261
§13.2.1 and §14, RFC 3262 §5, RFC 3311 §5.

Each dialog has one exchange at a time. The table says what may follow what; the responders are what an application is
given to answer an offer with. SDP itself is not looked at here.
"""

from __future__ import annotations

import secrets
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sip.dialog import Dialog
from sip.errors import LocalProtocolError
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sip.core.call import Call
    from sip.transaction.timers import TimerEntry

GLARE_RETRIES = 5
"""How often an offer that met another one (491, or 500 with Retry-After) is made again before it counts as refused."""

RETRY_AFTER_LIMIT = 10
"""Seconds of a Retry-After that an offer is still held for: the most that §14.2 lets a peer ask."""


class Exchange(Enum):
    """Whose offer is waiting for its answer."""

    IDLE = "idle"
    LOCAL = "local offer out"
    REMOTE = "remote offer in"


class Step(Enum):
    """What moves an exchange on."""

    OFFER_SENT = "offer sent"
    OFFER_RECEIVED = "offer received"
    ANSWER_SENT = "answer sent"
    ANSWER_RECEIVED = "answer received"
    REFUSED = "refused"  # by whoever was to answer; the session stays as it was (RFC 3264 §8)


# What has no row cannot happen: RFC 3264 §4 forbids a new offer before the last one is answered or refused
TABLE = {
    (Exchange.IDLE, Step.OFFER_SENT): Exchange.LOCAL,
    (Exchange.IDLE, Step.OFFER_RECEIVED): Exchange.REMOTE,
    (Exchange.LOCAL, Step.ANSWER_RECEIVED): Exchange.IDLE,
    (Exchange.LOCAL, Step.REFUSED): Exchange.IDLE,
    (Exchange.REMOTE, Step.ANSWER_SENT): Exchange.IDLE,
    (Exchange.REMOTE, Step.REFUSED): Exchange.IDLE,
}


class Responder(Protocol):
    """What waits for the application's answer, see events.OfferResponder."""

    def accept(self, body: bytes) -> None:
        """Answer with this SDP."""

    def reject(self, status: int = 488, reason: str | None = None) -> None:
        """Refuse."""


class Offers:
    """The exchange of one dialog, and the messages that it hangs on.

    `responder` is an offer of the peer that the application has not answered, or its re-INVITE without one;
    `transaction` a re-INVITE or UPDATE of ours without final response; `prack` a PRACK of ours without one. `wanted` is
    an offer of ours that waits: for `retry` to be due, or for the message that is in its way.
    """

    __slots__ = (
        "attempts",
        "dialog",
        "established",
        "local",
        "prack",
        "remote",
        "responder",
        "retry",
        "sent",
        "state",
        "transaction",
        "wanted",
    )

    def __init__(self, dialog: Dialog | None) -> None:
        self.dialog = dialog
        self.state = Exchange.IDLE
        self.established = False  # whether an answer has been given, one way or the other
        self.remote: bytes | None = None  # the latest SDP of the peer
        self.local: bytes | None = None  # ours that holds
        self.sent = b""  # our offer that waits for its answer
        self.responder: Responder | None = None
        self.transaction: ClientTransaction | None = None
        self.prack: ClientTransaction | None = None
        self.wanted: tuple[str, bytes] | None = None  # method and SDP
        self.retry: TimerEntry | None = None
        self.attempts = 0

    @property
    def is_free(self) -> bool:
        """Whether neither side has an offer or a request that may carry one under way."""
        return self.state is Exchange.IDLE and self.responder is None and self.transaction is None

    def take(self, step: Step) -> None:
        """Move on; raises LocalProtocolError for what RFC 3264 §4 forbids."""
        state = TABLE.get((self.state, step))
        if state is None:
            raise LocalProtocolError(f"{step.value} in a dialog with {self.state.value}")
        self.state = state
        if step is Step.ANSWER_SENT or step is Step.ANSWER_RECEIVED:
            self.established = True

    def send(self, body: bytes) -> None:
        """Our offer leaves. Raises LocalProtocolError for what RFC 3264 §4 forbids."""
        self.take(Step.OFFER_SENT)
        self.sent = body

    def answer(self, body: bytes) -> None:
        """Our answer leaves. Raises LocalProtocolError for what RFC 3264 §4 forbids."""
        self.take(Step.ANSWER_SENT)
        self.local = body

    def settle(self, body: bytes | None) -> None:
        """The answer of the peer to our offer came; None: it came without SDP, and the session stays as it was."""
        self.take(Step.REFUSED if body is None else Step.ANSWER_RECEIVED)
        if body is not None:
            self.remote = body
            self.local = self.sent

    def refuse(self) -> None:
        """The offer under way, if any, has come to nothing."""
        if self.state is not Exchange.IDLE:
            self.take(Step.REFUSED)


def retry_delay(response: Response, *, owns_call_id: bool) -> float | None:
    """Seconds until an offer that met another one is made again; None when the response says something else.

    §14.1: after a 491, who made the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms. A 500 has
    the time in Retry-After (§14.2; RFC 3311 §5.2).
    """
    if response.status == 491:
        return (210 + secrets.randbelow(191)) / 100 if owns_call_id else secrets.randbelow(201) / 100
    if response.status == 500:
        value = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
        if value.isascii() and value.isdigit() and len(value) <= 2 and int(value) <= RETRY_AFTER_LIMIT:
            return float(value)
    return None


class ReinviteResponder:
    """Answers one re-INVITE, see events.OfferResponder."""

    __slots__ = ("_call", "_request", "transaction")

    def __init__(self, call: Call, request: Request, transaction: ServerTransaction) -> None:
        self._call = call
        self._request = request
        self.transaction = transaction

    def accept(self, body: bytes) -> None:
        """Answer 200 with this SDP and take over the peer's Contact."""
        call = self._call
        if call._offer_in is not self:
            return
        call._offers.responder = None
        if call.dialog is not None and call._accept(self._request, self.transaction, body):
            call.dialog.refresh_target(self._request)
        else:
            call._offers.refuse()
        call._core.wake()

    def reject(self, status: int = 488, reason: str | None = None) -> None:
        """Refuse the offer with a final status."""
        call = self._call
        if call._offer_in is not self:
            return
        check_refusal(status)
        call._offers.responder = None
        call._offers.refuse()
        self.transaction.respond(call._sender.response(self._request, status, reason))
        call._exchange_over(call._offers)
        call._core.wake()


class RequestResponder:
    """Answers the offer in an UPDATE or a PRACK in the final response to it (RFC 3311 §5.2, RFC 3262 §5)."""

    __slots__ = ("_call", "_offers", "_request", "_transaction")

    def __init__(self, call: Call, offers: Offers, request: Request, transaction: ServerTransaction) -> None:
        self._call = call
        self._offers = offers
        self._request = request
        self._transaction = transaction

    def accept(self, body: bytes) -> None:
        """Answer 200 with this SDP; an UPDATE's Contact is taken over."""
        call, offers = self._call, self._offers
        if offers.responder is not self or offers.dialog is None:
            return
        offers.responder = None
        if body:
            offers.answer(body)
        else:
            offers.refuse()
        updates = self._request.method == "UPDATE"
        settles = updates and call._has_session(offers)
        terms = call._answer_terms(self._request) if settles else None
        response = call._sender.response(
            self._request,
            200,
            contact=call._contact if updates else None,
            headers=() if terms is None else terms.headers(),
        )
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        self._transaction.respond(response)
        if updates:
            offers.dialog.refresh_target(self._request)
        if settles:
            call._settle(self._request, terms)
        call._exchange_over(offers)
        call._core.wake()

    def reject(self, status: int = 488, reason: str | None = None) -> None:
        """Refuse; the session goes on as it was (RFC 3311 §5.2)."""
        call, offers = self._call, self._offers
        if offers.responder is not self:
            return
        check_refusal(status)
        offers.responder = None
        offers.refuse()
        self._transaction.respond(call._sender.response(self._request, status, reason))
        call._exchange_over(offers)
        call._core.wake()


class AckResponder:
    """Answers the offer in the 2xx to a re-INVITE of ours that carried none, in its ACK (§14.1)."""

    __slots__ = ("_call", "_invite")

    def __init__(self, call: Call, invite: Request) -> None:
        self._call = call
        self._invite = invite

    def accept(self, body: bytes) -> None:
        """Send the ACK with this SDP."""
        if self._acknowledge(body):
            self._call._exchange_over(self._call._offers)

    def reject(self, status: int = 488, reason: str | None = None) -> None:
        """There is no refusal in an ACK: it leaves without SDP, and the call ends (§13.2.2.4)."""
        check_refusal(status)
        if self._acknowledge(b""):
            self._call.hangup()

    def _acknowledge(self, body: bytes) -> bool:
        call = self._call
        if call._offer_in is not self or call.dialog is None:
            return False
        call._offers.responder = None
        if body:
            call._offers.answer(body)
        else:
            call._offers.refuse()
        call._reinvite_ack = call._sender.send_ack(call.dialog, call.flow, self._invite, body)
        call._core.wake()
        return True


def check_refusal(status: int) -> None:
    """Raise LocalProtocolError for a status that refuses nothing."""
    if not 300 <= status <= 699:
        raise LocalProtocolError(f"an offer is not refused with {status}")
