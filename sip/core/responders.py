"""What an application answers an offer of the peer with, by the message that carries the answer (RFC 3261 §14.2,
RFC 3262 §5, RFC 3311 §5.2). See events.OfferResponder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.core.answer import accept
from sip.core.offers import Offers
from sip.core.session_timer import has_session, our_terms, settle
from sip.errors import LocalProtocolError
from sip.message import Request
from sip.transaction.transaction import ServerTransaction

if TYPE_CHECKING:
    from sip.core.call import Call


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
        if call.dialog is not None and accept(call, self._request, self.transaction, body):
            call.dialog.refresh_target(self._request)
        else:
            call._offers.refuse()
        call._core.wake()

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse the offer with a final status."""
        call = self._call
        if call._offer_in is not self:
            return
        check_refusal(status)
        response = call._sender.response(self._request, status, reason, headers=headers)
        call._offers.responder = None
        call._offers.refuse()
        self.transaction.respond(response)
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
        settles = updates and has_session(call, offers)
        terms = our_terms(call, self._request) if settles else None
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
            settle(call, self._request, terms)
        call._exchange_over(offers)
        call._core.wake()

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse; the session goes on as it was (RFC 3311 §5.2)."""
        call, offers = self._call, self._offers
        if offers.responder is not self:
            return
        check_refusal(status)
        response = call._sender.response(self._request, status, reason, headers=headers)
        offers.responder = None
        offers.refuse()
        self._transaction.respond(response)
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

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
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
