"""A re-INVITE inside a confirmed dialog, both ways (RFC 3261 §14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.core.call_state import CallState
from sip.core.events import Offer, OfferAnswered, OfferRejected
from sip.core.inspection import session_description
from sip.core.offers import Step
from sip.core.responders import AckResponder, ReinviteResponder
from sip.core.retry import amended, retry_offer_after
from sip.core.session_terms import is_refresh
from sip.core.session_timer import settle
from sip.core.update import overlap_headers
from sip.dialog import contact_uri
from sip.endpoint import Endpoint
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.core.call import Call


def send_reinvite(call: Call, body: bytes) -> None:
    """Send a re-INVITE with an offer, or without one to have the peer make it (§14.1)."""
    assert call.dialog is not None
    call._reinvite_ack = None
    if body:
        call._offers.send(body)
    request = call.dialog.request("INVITE")
    if call._session_timer is not None:
        call._session_timer.propose(request)
    call._offers.transaction = call._sender.send_in_dialog(
        call.dialog, call.flow, request, call, contact=call._contact, body=body
    )
    call._core.wake()


def receive_reinvite(call: Call, request: Request, source: Endpoint, local: Endpoint) -> None:
    """A re-INVITE of the peer: refused while another one is under way, else for the application to answer (§14.2)."""
    if call._offer_in is not None or call.state in {CallState.PROCEEDING, CallState.EARLY}:
        # §14.2: an INVITE while another one of the peer is unanswered
        call._sender.reply(request, source, local, 500, headers=overlap_headers())
        return
    if call._offer_out is not None or call._unacknowledged is not None or call.state is CallState.ANSWERED:
        # §14.2: glare. An answer of ours without its ACK is a transaction under way as well (RFC 5407 §3.1).
        call._sender.reply(request, source, local, 491)
        return
    if "Contact" in request.headers:
        contact_uri(request)  # one that cannot be used is refused here, not when the offer is accepted
    transaction = call._sender.serve(request, source, local, call)
    body = session_description(request)
    refresh = _is_refresh(call, request)
    if body is not None:
        call._offers.take(Step.OFFER_RECEIVED)
        call._offers.remote = body
    responder = ReinviteResponder(call, request, transaction)
    call._offers.responder = responder
    if refresh:
        assert call._local_session is not None
        responder.accept(call._local_session)
        return
    call._emit(Offer(body or b"", responder))


def _is_refresh(call: Call, request: Request) -> bool:
    """Whether a re-INVITE only refreshes (RFC 4028 §7.4): then our last SDP is the answer again, unless it was an
    offer with keys to choose from (RFC 4568 §5.1.2)."""
    ours = call._local_session
    return is_refresh(request, call._offers.remote) and bool(ours) and b"a=crypto:" not in (ours or b"")


def reinvite_answered(call: Call, transaction: ClientTransaction, response: Response) -> None:
    """A response to a re-INVITE of ours; 408 and 481 end the call."""
    if response.status < 200:
        return
    if transaction is not call._offer_out:
        if response.status < 300 and call._reinvite_ack is not None:
            call._sender.send_ack_again(call._reinvite_ack)  # our ACK was lost
        return
    offers = call._offers
    if response.status < 300:
        offers.transaction = None
        call._challenges_answered = call._intervals_raised = offers.attempts = 0
        _reinvite_accepted(call, transaction.request, response)
        return
    retry = amended(call, transaction.request, response)
    if retry is not None:
        offers.transaction = call._sender.send_again(retry, transaction, call)
        return
    offers.transaction = None
    offers.refuse()
    if retry_offer_after(call, offers, "INVITE", transaction.request.body, response):
        return
    call._emit(OfferRejected(response.status, response.reason))
    call._exchange_failed(offers, response)


def _reinvite_accepted(call: Call, invite: Request, response: Response) -> None:
    """A 2xx to a re-INVITE of ours: it has the answer, or the offer where we made none."""
    body = session_description(response)
    settle(call, response)
    if invite.body or body is None:
        call._reinvite_ack = call._send_ack(invite, response)
        if invite.body:
            call._offers.settle(body)
        call._emit(OfferAnswered(body))
        return
    call._refresh_target(call.dialog, response)
    call._offers.take(Step.OFFER_RECEIVED)
    call._offers.remote = body
    responder = AckResponder(call, invite)
    call._offers.responder = responder
    call._emit(Offer(body, responder))
