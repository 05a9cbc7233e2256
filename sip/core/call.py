"""What incoming and outgoing calls share once there is a dialog: its requests both ways, offers, and the end (RFC 3261
§12–§15).

A call acts on its user agent core, never on a socket. Its methods may be called at any time: what no longer makes sense
because the other side was faster (an answer after its CANCEL) does nothing, what could never make sense raises
LocalProtocolError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from sip.core.answer import UnacknowledgedAnswer, receive_ack
from sip.core.asides import Aside
from sip.core.call_state import CallState
from sip.core.delivery import Delivery, EventsWaiting
from sip.core.events import CallEvent, Failed, HungUp, OfferAnswered, OfferRejected, RemoteHangup, Replaced
from sip.core.flows import Flow
from sip.core.in_dialog import receive_in_dialog
from sip.core.offering import close_offers, exchange_over, make_offer
from sip.core.offers import Offers, Responder
from sip.core.reinvite import reinvite_answered
from sip.core.responders import ReinviteResponder
from sip.core.retry import with_credentials
from sip.core.sending import SentAck
from sip.core.session_terms import LEAST_INTERVAL
from sip.core.session_timer import SessionTimer
from sip.core.transfer import OutgoingRefer, Transfers
from sip.core.update import update_answered
from sip.dialog import Dialog, DialogState
from sip.digest import Credentials, DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import Request, Response
from sip.replaces import Replaces
from sip.transaction.transaction import UNATTENDED, ClientTransaction, Failure, ServerTransaction
from sip.uri import Uri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore

# §12.2.1.2: these responses to a request in a dialog say that there is no such dialog any more
_DIALOG_IS_GONE = frozenset({408, 481})


class Call(ABC):
    """One call. `state` and `ended` may be read at any time; what happens arrives at `on_event`."""

    def __init__(self, core: UserAgentCore, call_id: str, contact_user: str | None) -> None:
        self.call_id = call_id
        self.state = CallState.PROCEEDING
        self.dialog: Dialog | None = None
        self._contact_user = contact_user
        self._flow: Flow | None = None
        self._contact = ""
        self._core = core
        self._sender = core.sender
        self._delivery = Delivery()
        self._closed = False  # the terminal event was delivered
        self._hangup_reason: str | None = None
        self._hangup_wanted = False
        self._credentials: Credentials | None = None
        self._digest: DigestSession | None = None  # the challenges to the request that is being tried
        self._unacknowledged: UnacknowledgedAnswer | None = None
        self._answer_expected = False  # the 2xx that waits for its ACK carried our offer
        self._offers = Offers(None)
        self._owns_call_id = False
        self._reinvite_ack: SentAck | None = None
        self._bye: ClientTransaction | None = None
        self._challenges_answered = 0
        self._session_timer: SessionTimer | None = None
        self._least_interval = max(LEAST_INTERVAL, core.config.min_se)
        self._intervals_raised = 0
        self._transfers: Transfers | None = None

    @property
    def ended(self) -> bool:
        """Whether the call is over, or its end was asked for."""
        return self.state is CallState.ENDED

    @property
    def on_event(self) -> Callable[[CallEvent], None] | None:
        """Who hears of the call's events; those from before it is set are kept and delivered soon after."""
        return self._delivery.listener

    @on_event.setter
    def on_event(self, callback: Callable[[CallEvent], None] | None) -> None:
        self._delivery.listener = callback
        if callback is not None and self._delivery.pending:
            self._core.emit(self, EventsWaiting())

    def deliver(self, event: CallEvent | EventsWaiting) -> None:
        """Hand an event to `on_event`: for whoever drives the core. What `on_event` raises comes out here."""
        self._delivery.deliver(event, terminal=self._closed)

    @property
    def flow(self) -> Flow:
        """Our side of the path to the peer; there is none before an outgoing call has started."""
        assert self._flow is not None
        return self._flow

    def _take_flow(self, flow: Flow, *, secure: bool) -> None:
        self._flow = flow
        self._contact = flow.contact(self._contact_user, secure=secure)

    def _emit(self, event: CallEvent) -> None:
        if not self._closed:
            self._core.emit(self, event)

    def _close(self, event: CallEvent) -> None:
        """End the call with its terminal event; only the first one counts."""
        if self._closed:
            return
        self._closed = True
        self.state = CallState.ENDED
        if self._unacknowledged is not None:
            self._unacknowledged.acknowledge()
            self._unacknowledged = None
        if self._session_timer is not None:
            self._session_timer.stop()
        if self._transfers is not None:
            self._transfers.close()
        close_offers(self, self._offers)
        if self._bye is not None:
            self._bye.user = UNATTENDED  # it stays to absorb late answers, and must not keep the call in memory
            self._bye = None
        if self.dialog is not None:
            self.dialog.state = DialogState.TERMINATED
        self._core.forget_call(self)
        self._core.emit(self, event)

    @abstractmethod
    def hangup(self, *, reason: str | None = None) -> None:
        """End the call, whatever its state. `reason` is the value of a Reason header (RFC 3326), such as
        `Q.850;cause=16`."""

    def reinvite(self, body: bytes) -> None:
        """Send a re-INVITE with this SDP, or without one to have the peer make the offer; OfferAnswered, Offer or
        OfferRejected tells what came of it (§14.1).

        One that meets an offer of the peer is made again by itself after a while; an offer made meanwhile takes its
        place. Raises LocalProtocolError unless the call is confirmed and no other offer is under way in either
        direction.
        """
        if self.ended:
            return
        if self.state is not CallState.CONFIRMED:
            raise LocalProtocolError("a re-INVITE can be sent in a confirmed call")
        make_offer(self, self._offers, "INVITE", body)

    def update(self, body: bytes = b"", *, fork: str | None = None) -> None:
        """Send UPDATE with this SDP, or without one to tell the peer our address again; OfferAnswered or OfferRejected
        tells what came of the offer (RFC 3311 §5.1). `fork` names the early dialog, where there are several. An offer
        to a peer that does not allow UPDATE goes into a re-INVITE, where the call is confirmed.

        Raises LocalProtocolError where there is no dialog, another offer is under way, the peer does not allow UPDATE,
        or the first offer has had no answer yet that is sure to arrive: one in a reliable provisional response.
        """
        if self.ended:
            return
        offers = self._offers_for(fork)
        if offers is None or offers.dialog is None:
            raise LocalProtocolError("no such dialog")
        if body and not offers.established:
            raise LocalProtocolError("the first offer has no answer yet")
        if offers.allows_update:
            make_offer(self, offers, "UPDATE", body)
        elif body and self.state is CallState.CONFIRMED:
            make_offer(self, offers, "INVITE", body)
        else:
            raise LocalProtocolError("the peer does not allow UPDATE")

    def _is_held_up(self, offers: Offers) -> bool:
        """Whether an offer has to wait for an ACK or a PRACK: a request that overtakes it would have it refused as out
        of order (§12.2.2; RFC 5407 §3.1)."""
        return offers.prack is not None or self._unacknowledged is not None

    def _exchange_over(self, offers: Offers) -> None:
        """Something that an offer of ours may have waited for is over."""
        exchange_over(self, offers)

    @property
    def _offer_in(self) -> Responder | None:
        return self._offers.responder

    @property
    def _offer_out(self) -> ClientTransaction | None:
        return self._offers.transaction

    def _offers_for(self, fork: str | None) -> Offers | None:
        """The exchange of the dialog that the application means."""
        return self._offers if fork is None else None

    def _all_offers(self) -> Sequence[Offers]:
        return (self._offers,)

    def _fork_of(self, offers: Offers) -> str | None:
        """How the application is told which early dialog an exchange belongs to."""
        return None

    def refer(self, target: Uri, *, replaces: Replaces | None = None, referred_by: NameAddr | None = None) -> None:
        """Ask the peer to call `target` (RFC 3515), in the place of the call that `replaces` names there (RFC 3891).

        ReferAccepted or ReferFailed tells what came of it, then ReferProgress and ReferEnded. Raises LocalProtocolError
        unless the call is confirmed and no other REFER of ours is under way.
        """
        if self.ended:
            return
        transfers = self._transfers or Transfers(self)
        if self.state is not CallState.CONFIRMED or transfers.outgoing is not None:
            raise LocalProtocolError("a REFER can be sent in a confirmed call, one at a time")
        self._transfers = transfers
        transfers.outgoing = OutgoingRefer(transfers, target, replaces, referred_by)
        self._core.wake()

    def aside(self, method: Literal["INFO", "MESSAGE"], content_type: str, body: bytes) -> None:
        """Tell the peer something that changes nothing in the call; AsideAnswered says what came of it.

        Raises LocalProtocolError unless the call is confirmed.
        """
        if self.ended:
            return
        if self.state is not CallState.CONFIRMED:
            raise LocalProtocolError(f"{method} can be sent in a confirmed call")
        Aside(self).send(method, content_type, body)
        self._core.wake()

    @property
    def replaces_value(self) -> Replaces | None:
        """What names this call to its peer in an INVITE that takes its place; None without a dialog with two tags."""
        dialog = self.dialog
        if dialog is None or not dialog.remote_tag or self.ended:
            return None
        return Replaces(self.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag)

    def replaced_by(self, call: Call) -> None:
        """Another call was answered in the place of this one: end it (RFC 3891 §3)."""
        if not self.ended:
            self._emit(Replaced(call.call_id))
            self.hangup()

    @property
    def _local_session(self) -> bytes | None:
        """Our SDP that holds."""
        return self._offers.local

    def _take_reason(self, reason: str | None) -> tuple[tuple[str, str], ...]:
        """Keep the reason for the request or response that ends the call, and return it as header fields.

        Raises LocalProtocolError, before anything has happened, for text that cannot be a header value.
        """
        fields = (("Reason", reason),) if reason is not None else ()
        Headers(fields)
        self._hangup_reason = reason
        return fields

    def _say_bye(self) -> None:
        """Send BYE; the call counts as ended, and closes with the final response."""
        assert self.dialog is not None
        self.state = CallState.ENDED
        headers = (("Reason", self._hangup_reason),) if self._hangup_reason is not None else ()
        self._bye = self._sender.send_bye(self.dialog, self.flow, headers, self)
        self._core.wake()

    def receive_request(self, dialog: Dialog, request: Request, source: Endpoint, local: Endpoint) -> None:
        """A request inside a dialog of this call, other than ACK and CANCEL, that matched no transaction."""
        receive_in_dialog(self, dialog, request, source, local)

    def _receive_bye(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        self._sender.reply(request, source, local, 200)
        if self._bye is not None:
            self._bye.discard()  # both sides hung up: the peer may be gone before it answers ours
            self._bye = None
        self._close(RemoteHangup(request.headers.get("Reason")))

    def _receive_prack(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        self._sender.reply(request, source, local, 481)  # RFC 3262 §3: it matches no response of ours

    def receive_cancel(self, transaction: ServerTransaction, _cancel: Request) -> None:
        """A CANCEL for an INVITE of this call that has no final response yet; its own 200 has been sent (§9.2)."""
        responder = self._offers.responder
        if isinstance(responder, ReinviteResponder) and responder.transaction is transaction:
            responder.reject(487)

    @property
    def local_tag(self) -> str | None:
        """Our tag in the dialog, once there is one."""
        return None if self.dialog is None else self.dialog.local_tag

    def ack_received(self, transaction: ServerTransaction, ack: Request) -> None:
        """ServerUser: an ACK that has the branch of its INVITE, as RFC 2543 peers send it."""
        self.receive_ack(ack)

    def receive_ack(self, ack: Request) -> None:
        """An ACK inside this call's dialog."""
        receive_ack(self, ack)

    def _acknowledged(self, body: bytes | None) -> None:
        """The ACK to our latest 2xx came."""
        if self._answer_expected:
            self._emit(OfferAnswered(body))

    def response_failed(self, transaction: ServerTransaction, failure: Failure) -> None:
        """ServerUser: a response was not acknowledged or could not be sent; a re-INVITE is over then, the call is
        not."""
        responder = self._offers.responder
        if isinstance(responder, ReinviteResponder) and responder.transaction is transaction:
            self._offers.responder = None
            self._offers.refuse()
            self._exchange_over(self._offers)

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to a request inside the dialog."""
        if transaction is self._bye:
            self._bye_answered(transaction, response)
        elif transaction.request.method == "INVITE":
            reinvite_answered(self, transaction, response)
        elif transaction.request.method == "UPDATE":
            offers = self._offers_with(transaction)
            if offers is not None:
                update_answered(self, offers, transaction, response)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: a request inside the dialog got no final response."""
        if transaction is self._bye:
            self._close(HungUp(None))
        elif (offers := self._offers_with(transaction)) is not None:
            offers.transaction = None
            offers.refuse()
            self._emit(OfferRejected(None, failure))
            if offers is self._offers and self.state is CallState.CONFIRMED:
                self._lost(failure)

    def _offers_with(self, transaction: ClientTransaction) -> Offers | None:
        return next((offers for offers in self._all_offers() if offers.transaction is transaction), None)

    def _bye_answered(self, transaction: ClientTransaction, response: Response) -> None:
        if response.status < 200:
            return
        retry = with_credentials(self, transaction.request, response)
        if retry is not None:
            self._bye = self._sender.send_again(retry, transaction, self)
            return
        self._close(HungUp(response.status))

    def _exchange_failed(self, offers: Offers, response: Response) -> None:
        """An offer or refresh of ours was refused; some refusals say that there is no call any more (§12.2.1.2)."""
        if response.status in _DIALOG_IS_GONE and offers is self._offers and self.state is CallState.CONFIRMED:
            self._lost("gone")

    def _send_ack(self, invite: Request, response: Response, body: bytes = b"") -> SentAck:
        """Acknowledge a 2xx inside the dialog (§13.2.2.4), refreshing the remote target first (§12.2.1.2)."""
        assert self.dialog is not None
        self._refresh_target(self.dialog, response)
        return self._sender.send_ack(self.dialog, self.flow, invite, body)

    def _credentials_for(self, response: Response) -> Credentials | None:
        """The credentials to answer a challenge with; None when it is none of those they were given for."""
        return self._credentials

    def _refresh_target(self, dialog: Dialog | None, message: Request | Response) -> None:
        """Take over the Contact of a 2xx of the peer; one that cannot be used leaves the target that worked
        (§12.2.1.2)."""
        if dialog is None:
            return
        try:
            dialog.refresh_target(message)
        except SipParseError:
            self._sender.statistics.parse_errors += 1

    def _lost(self, failure: str) -> None:
        """The peer does not know the dialog, or cannot be reached: end it, with a BYE for whatever is left
        (§12.2.1.2)."""
        if self.ended:
            return
        self._say_bye()
        self._close(Failed("transport" if failure == "transport" else "gone"))
