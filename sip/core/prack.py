"""PRACK for the reliable provisional responses to an INVITE of ours, and the offers and answers in both (RFC 3262 §4,
§5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.core.events import Offer, Progress
from sip.core.offers import Exchange, Offers, Step
from sip.core.reliable import Fork
from sip.core.responders import check_refusal
from sip.core.retry import with_credentials
from sip.dialog import DialogState
from sip.message import Response
from sip.transaction.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.core.outgoing import OutgoingCall


def reliable_progress(call: OutgoingCall, fork: Fork, sequence: int, response: Response, body: bytes | None) -> None:
    """Acknowledge a reliable provisional response; what its SDP is depends on who is to speak (RFC 3262 §5)."""
    offers = fork.offers
    rack = f"{sequence} {response.cseq}"
    offer = body if body is not None and offers.state is Exchange.IDLE and not offers.established else None
    if body is not None and offers.state is Exchange.LOCAL and not offers.established:
        offers.settle(body)
    told = None if offer is not None else body
    call._emit(Progress(response.status, response.reason, told, response.headers, fork.dialog.remote_tag))
    if offer is None:
        send_prack(call, fork.offers, rack, b"")
        return
    offers.take(Step.OFFER_RECEIVED)
    offers.remote = offer
    responder = PrackResponder(call, offers, rack)
    offers.responder = responder
    call._emit(Offer(offer, responder, fork.dialog.remote_tag))


def send_prack(call: OutgoingCall, offers: Offers, rack: str, body: bytes) -> None:
    """Acknowledge a reliable provisional response."""
    dialog = offers.dialog
    if dialog is None or dialog.state is DialogState.TERMINATED:
        return
    request = dialog.request("PRACK")
    request.headers.add("RAck", rack)
    offers.prack = call._sender.send_in_dialog(dialog, call.flow, request, call, body=body)
    call._core.wake()


def prack_answered(call: OutgoingCall, transaction: ClientTransaction, response: Response) -> None:
    """A response to a PRACK of ours."""
    if response.status < 200:
        return
    offers = next((offers for offers in call._all_offers() if offers.prack is transaction), None)
    retry = None
    if offers is not None:
        retry = with_credentials(call, transaction.request, response, offers.dialog)
    if offers is not None and retry is not None:
        offers.prack = call._sender.send_again(retry, transaction, call)
        return
    prack_over(call, transaction)


def prack_over(call: OutgoingCall, transaction: ClientTransaction) -> None:
    """Acknowledged or not: what becomes of the call is for the final response of the INVITE to say."""
    for offers in call._all_offers():
        if offers.prack is transaction:
            offers.prack = None
            call._exchange_over(offers)


class PrackResponder:
    """Answers the offer in a reliable provisional response in its PRACK (RFC 3262 §5)."""

    __slots__ = ("_call", "_offers", "_rack")

    def __init__(self, call: OutgoingCall, offers: Offers, rack: str) -> None:
        self._call = call
        self._offers = offers
        self._rack = rack

    def accept(self, body: bytes) -> None:
        """Send the PRACK with this SDP."""
        offers = self._offers
        if offers.responder is not self:
            return
        offers.responder = None
        if body:
            offers.answer(body)
        else:
            offers.refuse()
        send_prack(self._call, offers, self._rack, body)

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """There is no refusal in a PRACK: it leaves without SDP, and the call is given up (RFC 3262 §5)."""
        check_refusal(status)
        if self._offers.responder is not self:
            return
        self.accept(b"")
        dialog = self._offers.dialog
        if not self._call.ended and dialog is not None and dialog.state is not DialogState.TERMINATED:
            self._call.hangup()
