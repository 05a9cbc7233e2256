"""What incoming and outgoing calls share once there is a dialog: its requests both ways, offers, and the end (RFC 3261
§12–§15).

A call acts on its user agent core, never on a socket. Its methods may be called at any time: what no longer makes sense
because the other side was faster (an answer after its CANCEL) does nothing, what could never make sense raises
LocalProtocolError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sip.core.answer import UnacknowledgedAnswer
from sip.core.events import CallEvent, Failed, HungUp, Info, Offer, OfferAnswered, OfferRejected, RemoteHangup, Replaced
from sip.core.inspection import session_description
from sip.core.offers import (
    GLARE_RETRIES,
    AckResponder,
    Exchange,
    Offers,
    ReinviteResponder,
    Responder,
    Step,
    retry_delay,
)
from sip.core.sending import UNATTENDED, Flow, LateAnswer, SentAck
from sip.core.session_timer import (
    INTERVALS_TRIED,
    LEAST_INTERVAL,
    SessionTerms,
    SessionTimer,
    agreed_terms,
    answer_terms,
    is_refresh,
    raised_proposal,
)
from sip.core.transfer import OutgoingRefer, Transfers
from sip.core.update import overlap_headers, receive_update, refresh_target, send_update, update_answered
from sip.dialog import Dialog, DialogState, contact_uri
from sip.digest import Credentials, DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.fields import NameAddr
from sip.headers import Headers
from sip.message import Request, Response
from sip.replaces import Replaces
from sip.transaction.transaction import ClientTransaction, Failure, ServerTransaction
from sip.uri import Uri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore

PENDING_EVENTS = 64
"""Events kept for a call whose `on_event` is not set; what comes beyond is dropped."""

CHALLENGES_ANSWERED = 3
"""401 and 407 responses answered in a row: a proxy's, the server's, and one stale nonce."""

# §12.2.1.2: these responses to a request in a dialog say that there is no such dialog any more
_DIALOG_IS_GONE = frozenset({408, 481})


class CallState(Enum):
    """How far a call has come, the same for both directions."""

    PROCEEDING = "proceeding"
    EARLY = "early"  # ringing, or early media
    ANSWERED = "answered"  # there is a 2xx, its ACK is missing
    CONFIRMED = "confirmed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class EventsWaiting:
    """Not an event: asks for the delivery of those that were kept while nobody listened."""


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
        self._on_event: Callable[[CallEvent], None] | None = None
        self._waiting: list[CallEvent] = []
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
        self._peer_allow: tuple[str, ...] = ()  # lines of its Allow
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
        return self._on_event

    @on_event.setter
    def on_event(self, callback: Callable[[CallEvent], None] | None) -> None:
        self._on_event = callback
        if callback is not None and self._waiting:
            self._core.emit(self, EventsWaiting())

    def deliver(self, event: CallEvent | EventsWaiting) -> None:
        """Hand an event to `on_event`, after those that were kept; or keep it until there is one.

        For whoever drives the core. What `on_event` raises comes out here.
        """
        waiting = self._waiting
        # The terminal event is the last one, and never the one too many
        if not isinstance(event, EventsWaiting) and (len(waiting) < PENDING_EVENTS or self._closed):
            waiting.append(event)
        while waiting and self._on_event is not None:
            self._on_event(waiting.pop(0))

    @property
    def flow(self) -> Flow:
        """Our side of the path to the peer; there is none before an outgoing call has started."""
        assert self._flow is not None
        return self._flow

    def _take_flow(self, flow: Flow) -> None:
        self._flow = flow
        self._contact = flow.contact(self._contact_user)

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
        self._close_offers(self._offers)
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
        self._offer(self._offers, "INVITE", body)

    def update(self, body: bytes = b"", *, fork: str | None = None) -> None:
        """Send UPDATE with this SDP, or without one to tell the peer our address again; OfferAnswered or OfferRejected
        tells what came of the offer (RFC 3311 §5.1). `fork` names the early dialog, where there are several.

        Raises LocalProtocolError where there is no dialog, another offer is under way, or the first offer has had no
        answer yet that is sure to arrive: one in a reliable provisional response.
        """
        if self.ended:
            return
        offers = self._offers_for(fork)
        if offers is None or offers.dialog is None:
            raise LocalProtocolError("no such dialog")
        if body and not offers.established:
            raise LocalProtocolError("the first offer has no answer yet")
        self._offer(offers, "UPDATE", body)

    def _offer(self, offers: Offers, method: str, body: bytes) -> None:
        """Send an offer, or keep it for when what is in its way is over."""
        if offers.wanted is not None:
            offers.wanted = (method, body)  # the application has changed its mind
            return
        refreshing = offers is self._offers and self._session_timer is not None and self._session_timer.refreshing
        if not offers.is_free and not refreshing:
            raise LocalProtocolError("another offer is under way")
        if refreshing or self._is_held_up(offers):
            # The application knows nothing of a refresh, so it need not care
            offers.wanted = (method, body)
        elif method == "UPDATE":
            send_update(self, offers, body)
        else:
            self._send_reinvite(body)

    def _is_held_up(self, offers: Offers) -> bool:
        """Whether an offer has to wait for an ACK or a PRACK: a request that overtakes it would have it refused as out
        of order (§12.2.2; RFC 5407 §3.1)."""
        return offers.prack is not None or self._unacknowledged is not None

    def _exchange_over(self, offers: Offers) -> None:
        """Something that an offer of ours may have waited for is over."""
        if offers.wanted is None or offers.retry is not None or self.ended:
            return
        if not offers.is_free or self._is_held_up(offers):
            return
        (method, body), offers.wanted = offers.wanted, None
        self._offer(offers, method, body)

    def _retry_offer_after(self, offers: Offers, method: str, body: bytes, response: Response) -> bool:
        """Have an offer made again that met another one; False when the response is none that asks for it (§14.1)."""
        delay = retry_delay(response, owns_call_id=self._owns_call_id)
        if delay is None or offers.attempts >= GLARE_RETRIES or self.ended:
            return False
        offers.attempts += 1
        offers.wanted = (method, body)
        offers.retry = self._sender.layer.timers.schedule(delay, self._retry_due, offers)
        return True

    def _retry_due(self, offers: Offers) -> None:
        offers.retry = None
        self._exchange_over(offers)

    def _close_offers(self, offers: Offers) -> None:
        """A dialog is over: its pending requests are still answered (§15.1.2), and nothing waits any more."""
        if offers.retry is not None:
            self._sender.layer.timers.cancel(offers.retry)
        offers.retry = offers.wanted = None
        if offers.responder is not None:
            offers.responder.reject(487)
        for transaction in (offers.transaction, offers.prack):
            if transaction is not None:
                transaction.user = UNATTENDED
        if offers.transaction is not None and offers.transaction.request.method == "INVITE":
            assert offers.dialog is not None
            offers.transaction.user = LateAnswer(self._sender, offers.dialog, self.flow)
        offers.transaction = offers.prack = None

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

    def _send_reinvite(self, body: bytes) -> None:
        assert self.dialog is not None
        self._reinvite_ack = None
        if body:
            self._offers.send(body)
        remote, flow = self._sender.dialog_hop(self.dialog, self.flow)
        request = self.dialog.request("INVITE")
        if self._session_timer is not None:
            self._session_timer.propose(request)
        self._offers.transaction = self._sender.send_request(
            request, flow, remote, self, contact=self._contact, body=body
        )
        self._core.wake()

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

    @property
    def _may_refresh(self) -> bool:
        """Whether nothing stands in the way of a re-INVITE (§14.1; RFC 5407 §3.1)."""
        offers = self._offers
        free = offers.is_free and offers.wanted is None and not self._is_held_up(offers)
        return free and self.state is CallState.CONFIRMED

    def _has_session(self, offers: Offers) -> bool:
        """Whether the exchange is that of an answered call: a session timer belongs to the session (RFC 4028 §3)."""
        return offers is self._offers and self.state in {CallState.ANSWERED, CallState.CONFIRMED}

    def _settle(self, message: Request | Response, terms: SessionTerms | None = None) -> None:
        """What an INVITE or UPDATE and its 2xx settle beside SDP: what the peer allows, and the session timer (RFC 4028
        §7.2, §9). `message` is the peer's; a request goes with the terms of our 2xx."""
        self._peer_allow = message.headers.lines("Allow") or self._peer_allow
        if isinstance(message, Response):
            expires, ours = agreed_terms(message), "uac"
        else:
            expires, ours = None if terms is None else terms.expires, "uas"
        if expires is None:
            if self._session_timer is not None:
                self._session_timer.stop()
            return
        if self._session_timer is None:
            self._session_timer = SessionTimer(self)
        self._session_timer.arm(expires.seconds, we_refresh=expires.refresher == ours)

    def _answer_terms(self, request: Request) -> SessionTerms | None:
        """The session timer that our 2xx to an INVITE or UPDATE settles on."""
        timer = self._session_timer
        return answer_terms(request, self._core.config, peer_refreshes=timer is not None and not timer.we_refresh)

    def _refreshed(self, response: Response) -> None:
        """A 2xx to a refresh of ours. One that changes nothing is not told."""
        body, before = response_session(response), self._offers.remote
        self._challenges_answered = self._intervals_raised = 0
        if self._offers.state is Exchange.LOCAL:
            self._offers.settle(body)
        self._settle(response)
        if body is not None and body != before:
            self._emit(OfferAnswered(body))

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
        core = self._core
        if self._closed or (self.ended and request.method != "BYE"):
            core.refuse(request, source, local, 481)
            return
        if not dialog.accepts_sequence(request.cseq.number):
            self._sender.reply(request, source, local, 500)  # §12.2.2: out of order
            return
        if request.method == "BYE":
            self._receive_bye(request, source, local)
        elif request.method == "INVITE":
            self._receive_reinvite(request, source, local)
        elif request.method == "INFO":
            self._receive_info(request, source, local)
        elif request.method == "PRACK":
            self._receive_prack(request, source, local)
        elif request.method == "UPDATE":
            offers = next((offers for offers in self._all_offers() if offers.dialog is dialog), None)
            if offers is None:
                self._sender.reply(request, source, local, 481)
            else:
                receive_update(self, offers, request, source, local)
        elif request.method in {"REFER", "NOTIFY"}:
            self._receive_transfer(request, source, local)
        elif request.method == "MESSAGE":
            core.take_message(request, source, local, self)
        else:
            core.answer_options(request, source, local)

    def _receive_bye(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        self._sender.reply(request, source, local, 200)
        if self._bye is not None:
            self._bye.discard()  # both sides hung up: the peer may be gone before it answers ours
            self._bye = None
        self._close(RemoteHangup(request.headers.get("Reason")))

    def _receive_info(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        if "Info-Package" in request.headers:
            self._sender.reply(request, source, local, 469, headers=(("Recv-Info", ""),))  # RFC 6086 §4.2.2
            return
        self._sender.reply(request, source, local, 200)
        self._emit(Info(request.content_type, request.body))

    def _receive_prack(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        self._sender.reply(request, source, local, 481)  # RFC 3262 §3: it matches no response of ours

    def _receive_transfer(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        if self._transfers is None:
            self._transfers = Transfers(self)
        if request.method == "NOTIFY":
            self._transfers.receive_notify(request, source, local)
        elif self.state in {CallState.ANSWERED, CallState.CONFIRMED}:
            self._transfers.receive_refer(request, source, local)
        else:
            self._sender.reply(request, source, local, 403)  # there is nobody yet to be sent elsewhere

    def _receive_reinvite(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        if self._offer_in is not None or self.state in {CallState.PROCEEDING, CallState.EARLY}:
            # §14.2: an INVITE while another one of the peer is unanswered
            self._sender.reply(request, source, local, 500, headers=overlap_headers())
            return
        if self._offer_out is not None or self._unacknowledged is not None or self.state is CallState.ANSWERED:
            # §14.2: glare. An answer of ours without its ACK is a transaction under way as well (RFC 5407 §3.1).
            self._sender.reply(request, source, local, 491)
            return
        if "Contact" in request.headers:
            contact_uri(request)  # one that cannot be used is refused here, not when the offer is accepted
        transaction = self._sender.serve(request, source, local, self)
        body = session_description(request)
        refresh = self._is_refresh(request)
        if body is not None:
            self._offers.take(Step.OFFER_RECEIVED)
            self._offers.remote = body
        responder = ReinviteResponder(self, request, transaction)
        self._offers.responder = responder
        if refresh:
            assert self._local_session is not None
            responder.accept(self._local_session)
            return
        self._emit(Offer(body or b"", responder))

    def _is_refresh(self, request: Request) -> bool:
        """Whether a re-INVITE only refreshes (RFC 4028 §7.4): then our last SDP is the answer again, unless it was an
        offer with keys to choose from (RFC 4568 §5.1.2)."""
        ours = self._local_session
        return is_refresh(request, self._offers.remote) and bool(ours) and b"a=crypto:" not in (ours or b"")

    def receive_cancel(self, transaction: ServerTransaction, _cancel: Request) -> None:
        """A CANCEL for an INVITE of this call that has no final response yet; its own 200 has been sent (§9.2)."""
        responder = self._offers.responder
        if isinstance(responder, ReinviteResponder) and responder.transaction is transaction:
            responder.reject(487)

    def _accept(
        self, request: Request, transaction: ServerTransaction, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> bool:
        """Answer an INVITE of the peer with 200; False when it was answered otherwise before."""
        terms = self._answer_terms(request)
        if terms is not None:
            headers = (*headers, *terms.headers())
        response = self._sender.response(request, 200, to_tag=self.local_tag, contact=self._contact, headers=headers)
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        if not transaction.respond(response):
            return False
        self._answer_expected = session_description(request) is None
        offers = self._offers
        if body and offers.state is Exchange.REMOTE:
            offers.answer(body)
        elif body and offers.state is Exchange.IDLE and self._answer_expected:
            offers.send(body)
        elif offers.transaction is None and offers.responder is None:
            offers.refuse()
        self._settle(request, terms)
        self._unacknowledged = UnacknowledgedAnswer(
            self._sender.layer,
            bytes(response),
            transaction.remote,
            transaction.local,
            request.cseq.number,
            self._ack_missing,
        )
        return True

    @property
    def local_tag(self) -> str | None:
        """Our tag in the dialog, once there is one."""
        return None if self.dialog is None else self.dialog.local_tag

    def ack_received(self, transaction: ServerTransaction, ack: Request) -> None:
        """ServerUser: an ACK that has the branch of its INVITE, as RFC 2543 peers send it."""
        self.receive_ack(ack)

    def receive_ack(self, ack: Request) -> None:
        """An ACK inside this call's dialog."""
        pending = self._unacknowledged
        if pending is None or ack.cseq.number != pending.sequence:
            return  # the ACK to a repeated 2xx, or to an INVITE of long ago
        pending.acknowledge()
        self._unacknowledged = None
        body = session_description(ack)
        if self._offers.state is Exchange.LOCAL and self._answer_expected and self._offers.transaction is None:
            self._offers.settle(body)
        self._acknowledged(body)
        self._exchange_over(self._offers)
        if self._hangup_wanted and not self._closed:
            self._say_bye()

    def _acknowledged(self, body: bytes | None) -> None:
        """The ACK to our latest 2xx came."""
        if self._answer_expected:
            self._emit(OfferAnswered(body))

    def _ack_missing(self) -> None:
        """No ACK for 64*T1: the session is terminated with a BYE (§13.3.1.4)."""
        self._unacknowledged = None
        self._say_bye()
        self._close(Failed("no_ack"))

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
            self._reinvite_answered(transaction, response)
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
        retry = self._with_credentials(transaction.request, response)
        if retry is not None:
            self._bye = self._sender.send_again(retry, self.flow, transaction.remote, self)
            return
        self._close(HungUp(response.status))

    def _reinvite_answered(self, transaction: ClientTransaction, response: Response) -> None:
        if response.status < 200:
            return
        if transaction is not self._offer_out:
            if response.status < 300 and self._reinvite_ack is not None:
                self._sender.send_ack_again(self._reinvite_ack)  # our ACK was lost
            return
        offers = self._offers
        if response.status < 300:
            offers.transaction = None
            self._challenges_answered = self._intervals_raised = offers.attempts = 0
            self._reinvite_accepted(transaction.request, response)
            return
        retry = self._amended(transaction.request, response)
        if retry is not None:
            offers.transaction = self._sender.send_again(retry, self.flow, transaction.remote, self)
            return
        offers.transaction = None
        offers.refuse()
        if self._retry_offer_after(offers, "INVITE", transaction.request.body, response):
            return
        self._emit(OfferRejected(response.status, response.reason))
        self._exchange_failed(offers, response)

    def _reinvite_accepted(self, invite: Request, response: Response) -> None:
        """A 2xx to a re-INVITE of ours: it has the answer, or the offer where we made none."""
        body = response_session(response)
        self._settle(response)
        if invite.body or body is None:
            self._reinvite_ack = self._send_ack(invite, response)
            if invite.body:
                self._offers.settle(body)
            self._emit(OfferAnswered(body))
            return
        refresh_target(self, self.dialog, response)
        self._offers.take(Step.OFFER_RECEIVED)
        self._offers.remote = body
        responder = AckResponder(self, invite)
        self._offers.responder = responder
        self._emit(Offer(body, responder))

    def _exchange_failed(self, offers: Offers, response: Response) -> None:
        """An offer or refresh of ours was refused; some refusals say that there is no call any more (§12.2.1.2)."""
        if response.status in _DIALOG_IS_GONE and offers is self._offers and self.state is CallState.CONFIRMED:
            self._lost("gone")

    def _send_ack(self, invite: Request, response: Response, body: bytes = b"") -> SentAck:
        """Acknowledge a 2xx inside the dialog (§13.2.2.4), refreshing the remote target first (§12.2.1.2)."""
        assert self.dialog is not None
        refresh_target(self, self.dialog, response)
        return self._sender.send_ack(self.dialog, self.flow, invite, body)

    def _amended(self, request: Request, response: Response, dialog: Dialog | None = None) -> Request | None:
        """The request again, with what the response asks for: credentials, or a longer session interval (RFC 4028
        §7.3). None when that is no use."""
        if response.status != 422:
            return self._with_credentials(request, response, dialog)
        if self._intervals_raised >= INTERVALS_TRIED:
            return None
        again = Request(request.method, request.uri, request.headers.copy(), request.body)
        least = raised_proposal(again, response)
        if least is None:
            return None
        self._intervals_raised += 1
        self._least_interval = least
        again.headers.remove("Via")
        again.headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
        if self.dialog is not None:
            self.dialog.local_sequence = max(self.dialog.local_sequence, again.cseq.number)
        return again

    def _with_credentials(self, request: Request, response: Response, dialog: Dialog | None = None) -> Request | None:
        """The request again, with an answer to the challenge in the response; None when there is none to give
        (§22.2)."""
        if self._credentials is None or response.status not in {401, 407}:
            return None
        if self._challenges_answered >= CHALLENGES_ANSWERED:
            return None
        self._challenges_answered += 1
        if self._digest is None or not ("Authorization" in request.headers or "Proxy-Authorization" in request.headers):
            self._digest = DigestSession(self._credentials)
        again = self._sender.answer_challenge(request, response, self._digest)
        dialog = dialog or self.dialog
        if again is not None and dialog is not None:
            dialog.local_sequence = max(dialog.local_sequence + 1, again.cseq.number)
            again.headers.set("CSeq", f"{dialog.local_sequence} {again.method}")
        return again

    def _lost(self, failure: str) -> None:
        """The peer does not know the dialog, or cannot be reached: end it, with a BYE for whatever is left
        (§12.2.1.2)."""
        if self.ended:
            return
        self._say_bye()
        self._close(Failed("transport" if failure == "transport" else "gone"))


def response_session(response: Response) -> bytes | None:
    """The SDP of a response; None when its body is empty or something else."""
    if not response.body or response.content_type not in {None, "application/sdp"}:
        return None
    return response.body
