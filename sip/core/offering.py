"""When an offer of ours leaves: at once, after the ACK or PRACK that it must not overtake (RFC 5407 §3.1), or after a
glare when it is time to make it again (RFC 3261 §14.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.core.offers import Offers
from sip.core.reinvite import send_reinvite
from sip.core.sending import LateAnswer
from sip.core.update import send_update
from sip.errors import LocalProtocolError
from sip.transaction.transaction import UNATTENDED

if TYPE_CHECKING:
    from sip.core.call import Call


def make_offer(call: Call, offers: Offers, method: str, body: bytes) -> None:
    """Send an offer, or keep it for when what is in its way is over."""
    if offers.wanted is not None:
        offers.wanted = (method, body)  # the application has changed its mind
        return
    refreshing = offers is call._offers and call._session_timer is not None and call._session_timer.refreshing
    if not offers.is_free and not refreshing:
        raise LocalProtocolError("another offer is under way")
    if refreshing or call._is_held_up(offers):
        # The application knows nothing of a refresh, so it need not care
        offers.wanted = (method, body)
    elif method == "UPDATE":
        send_update(call, offers, body)
    else:
        send_reinvite(call, body)


def exchange_over(call: Call, offers: Offers) -> None:
    """Something that an offer of ours may have waited for is over."""
    if offers.wanted is None or offers.retry is not None or call.ended:
        return
    if not offers.is_free or call._is_held_up(offers):
        return
    (method, body), offers.wanted = offers.wanted, None
    make_offer(call, offers, method, body)


def close_offers(call: Call, offers: Offers) -> None:
    """A dialog is over: its pending requests are still answered (§15.1.2), and nothing waits any more."""
    if offers.retry is not None:
        call._sender.layer.timers.cancel(offers.retry)
    offers.retry = offers.wanted = None
    if offers.responder is not None:
        offers.responder.reject(487)
    for transaction in (offers.transaction, offers.prack):
        if transaction is not None:
            transaction.user = UNATTENDED
    if offers.transaction is not None and offers.transaction.request.method == "INVITE":
        assert offers.dialog is not None
        offers.transaction.user = LateAnswer(call._sender, offers.dialog, call.flow)
    offers.transaction = offers.prack = None
