"""UPDATE inside a dialog, early or confirmed (RFC 3311): a new offer or a new target without waiting for the INVITE."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sip.core.events import Offer, OfferAnswered, OfferRejected
from sip.core.inspection import session_description
from sip.core.offers import Exchange, Offers, Step
from sip.core.responders import RequestResponder
from sip.core.retry import amended, retry_offer_after
from sip.core.session_timer import has_session, our_terms, settle
from sip.dialog import contact_uri
from sip.endpoint import Endpoint
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.core.call import Call

OVERLAP_RETRY_SECONDS = 10
"""§5.2, RFC 3261 §14.2: the Retry-After of a 500 to an overlapping offer is chosen between 0 and this."""


def send_update(call: Call, offers: Offers, body: bytes) -> None:
    """Send UPDATE in the dialog of `offers` (§5.1)."""
    dialog = offers.dialog
    assert dialog is not None
    if body:
        offers.send(body)
    request = dialog.request("UPDATE")
    if call._session_timer is not None and has_session(call, offers):
        call._session_timer.propose(request)
    offers.transaction = call._sender.send_in_dialog(dialog, call.flow, request, call, contact=call._contact, body=body)
    call._core.wake()


def receive_update(call: Call, offers: Offers, request: Request, source: Endpoint, local: Endpoint) -> None:
    """Answer an UPDATE of the peer, or have the application answer its offer (§5.2)."""
    sender = call._sender
    if "Contact" in request.headers:
        contact_uri(request)  # one that cannot be used is refused here, not when the offer is accepted
    body = session_description(request)
    unanswered = offers.responder is not None or offers.state is Exchange.REMOTE
    if unanswered and (body is not None or isinstance(offers.responder, RequestResponder)):
        sender.reply(request, source, local, 500, headers=overlap_headers())
        return
    if body is None:
        dialog = offers.dialog
        assert dialog is not None
        dialog.refresh_target(request)
        transaction = sender.serve(request, source, local)
        terms = our_terms(call, request) if has_session(call, offers) else None
        headers = () if terms is None else terms.headers()
        transaction.respond(sender.response(request, 200, contact=call._contact, headers=headers))
        if has_session(call, offers):
            settle(call, request, terms)
        return
    if offers.state is Exchange.LOCAL or offers.transaction is not None:
        sender.reply(request, source, local, 491)
        return
    if not offers.established:
        # §5.1 does not let a peer offer here: its INVITE carried no offer, and ours is still to come
        sender.reply(request, source, local, 500, headers=overlap_headers())
        return
    offers.take(Step.OFFER_RECEIVED)
    offers.remote = body
    responder = RequestResponder(call, offers, request, sender.serve(request, source, local))
    offers.responder = responder
    call._emit(Offer(body, responder, call._fork_of(offers)))


def update_answered(call: Call, offers: Offers, transaction: ClientTransaction, response: Response) -> None:
    """A response to an UPDATE of ours (§5.1); 408 and 481 end a confirmed call."""
    if response.status < 200:
        return
    offered = bool(transaction.request.body)
    if response.status < 300:
        offers.transaction = None
        offers.attempts = 0
        call._challenges_answered = call._intervals_raised = 0
        call._refresh_target(offers.dialog, response)
        if has_session(call, offers):
            settle(call, response)
        if offered:
            body = session_description(response)
            offers.settle(body)
            call._emit(OfferAnswered(body, call._fork_of(offers)))
        call._exchange_over(offers)
        return
    retry = amended(call, transaction.request, response, offers.dialog)
    if retry is not None:
        offers.transaction = call._sender.send_again(retry, transaction, call)
        return
    offers.transaction = None
    offers.refuse()
    if retry_offer_after(call, offers, "UPDATE", transaction.request.body, response):
        return
    if offered:
        call._emit(OfferRejected(response.status, response.reason))
    call._exchange_failed(offers, response)


def overlap_headers() -> tuple[tuple[str, str], ...]:
    """The Retry-After of a 500 to an offer that came before the last one was answered."""
    return (("Retry-After", str(secrets.randbelow(OVERLAP_RETRY_SECONDS + 1))),)
