"""What incoming and outgoing calls share once there is a dialog: its requests both ways, offers, and the end (RFC 3261
§12–§15).

A call acts on its user agent core, never on a socket. Its methods may be called at any time: what no longer makes sense
because the other side was faster (an answer after its CANCEL) does nothing, what could never make sense raises
LocalProtocolError.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sip.core.answer import UnacknowledgedAnswer
from sip.core.events import CallEvent, Failed, HungUp, Info, Offer, OfferAnswered, OfferRejected, RemoteHangup, Replaced
from sip.core.inspection import session_description
from sip.core.sending import UNATTENDED, Flow, SentAck
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
from sip.dialog import Dialog, DialogState, contact_uri
from sip.digest import Credentials
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipParseError
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

OVERLAP_RETRY_SECONDS = 10
"""§14.2: the Retry-After of a 500 to an overlapping INVITE is chosen between 0 and this."""

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
        self._unacknowledged: UnacknowledgedAnswer | None = None
        self._answer_expected = False  # the 2xx that waits for its ACK carried our offer
        self._offer_in: ReinviteResponder | None = None
        self._offer_out: ClientTransaction | None = None
        self._reinvite_ack: SentAck | None = None
        self._bye: ClientTransaction | None = None
        self._challenges_answered = 0
        self._local_session: bytes | None = None  # the SDP that holds, ours and the peer's
        self._remote_session: bytes | None = None
        self._peer_allow: tuple[str, ...] = ()  # lines of its Allow
        self._session_timer: SessionTimer | None = None
        self._least_interval = max(LEAST_INTERVAL, core.config.min_se)
        self._intervals_raised = 0
        self._transfers: Transfers | None = None
        self._waiting_offer: bytes | None = None  # to be sent when a refresh of ours is over

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
        if self._offer_in is not None:
            self._offer_in.reject(487)  # §15.1.2: pending requests are still answered
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
        """Send a re-INVITE with this SDP; OfferAnswered or OfferRejected tells what came of it (§14.1).

        Raises LocalProtocolError unless the call is confirmed and no other offer is under way in either direction.
        """
        if self.ended:
            return
        timer = self._session_timer
        if timer is not None and timer.refreshing and self._waiting_offer is None:
            self._waiting_offer = body  # the application knows nothing of the refresh, so it need not care
            return
        if self.state is not CallState.CONFIRMED or self._offer_out is not None or self._offer_in is not None:
            raise LocalProtocolError("a re-INVITE can be sent in a confirmed call without another offer under way")
        assert self.dialog is not None
        request = self.dialog.request("INVITE")
        if timer is not None:
            timer.propose(request)
        remote, flow = self._sender.dialog_hop(self.dialog, self.flow)
        self._offer_out = self._sender.send_request(request, flow, remote, self, contact=self._contact, body=body)
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

    def _send_waiting_offer(self) -> None:
        """A refresh of ours is over: send the offer that came up meanwhile."""
        body, self._waiting_offer = self._waiting_offer, None
        if body is not None and not self.ended:
            self.reinvite(body)

    @property
    def _may_offer(self) -> bool:
        """Whether nothing stands in the way of a re-INVITE (§14.1; RFC 5407 §3.1)."""
        return self.state is CallState.CONFIRMED and not (self._offer_out or self._offer_in or self._unacknowledged)

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

    def _session_answered(self, response: Response, offer: bytes, *, refresh: bool = False) -> None:
        """A 2xx to a re-INVITE of ours: what holds from now on. A refresh that changes nothing is not told."""
        body = response_session(response)
        unchanged = refresh and body == self._remote_session
        self._challenges_answered = self._intervals_raised = 0
        self._settle(response)
        self._local_session = offer
        self._remote_session = body
        if not unchanged:
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
        elif request.method in {"REFER", "NOTIFY"}:
            self._receive_transfer(request, source, local)
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
            retry = str(secrets.randbelow(OVERLAP_RETRY_SECONDS + 1))
            self._sender.reply(request, source, local, 500, headers=(("Retry-After", retry),))
            return
        if self._offer_out is not None or self._unacknowledged is not None or self.state is CallState.ANSWERED:
            # §14.2: glare. An answer of ours without its ACK is a transaction under way as well (RFC 5407 §3.1).
            self._sender.reply(request, source, local, 491)
            return
        if "Contact" in request.headers:
            contact_uri(request)  # one that cannot be used is refused here, not when the offer is accepted
        transaction = self._sender.serve(request, source, local, self)
        self._offer_in = ReinviteResponder(self, request, transaction)
        if self._is_refresh(request):
            assert self._local_session is not None
            self._offer_in.accept(self._local_session)
            return
        self._emit(Offer(session_description(request) or b"", self._offer_in))

    def _is_refresh(self, request: Request) -> bool:
        """Whether a re-INVITE only refreshes (RFC 4028 §7.4): then our last SDP is the answer again, unless it was an
        offer with keys to choose from (RFC 4568 §5.1.2)."""
        ours = self._local_session
        return is_refresh(request, self._remote_session) and bool(ours) and b"a=crypto:" not in (ours or b"")

    def receive_cancel(self, transaction: ServerTransaction, _cancel: Request) -> None:
        """A CANCEL for an INVITE of this call that has no final response yet; its own 200 has been sent (§9.2)."""
        if self._offer_in is not None and self._offer_in.transaction is transaction:
            self._offer_in.reject(487)

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
        self._local_session = body
        self._remote_session = session_description(request)
        self._answer_expected = self._remote_session is None
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
        answer = session_description(ack)
        if self._answer_expected:
            self._remote_session = answer
        self._acknowledged(answer)
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
        if self._offer_in is not None and self._offer_in.transaction is transaction:
            self._offer_in = None

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to a request inside the dialog."""
        if transaction is self._bye:
            self._bye_answered(transaction, response)
        elif transaction.request.method == "INVITE":
            self._reinvite_answered(transaction, response)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: a request inside the dialog got no final response."""
        if transaction is self._bye:
            self._close(HungUp(None))
        elif transaction is self._offer_out:
            self._offer_out = None
            self._emit(OfferRejected(None, failure))
            self._lost(failure)

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
        if response.status < 300:
            self._offer_out = None
            self._reinvite_ack = self._send_ack(transaction.request, response)
            self._session_answered(response, transaction.request.body)
            return
        retry = self._amended(transaction.request, response)
        if retry is not None:
            self._offer_out = self._sender.send_again(retry, self.flow, transaction.remote, self)
            return
        self._offer_out = None
        self._emit(OfferRejected(response.status, response.reason))
        if response.status in _DIALOG_IS_GONE:
            self._lost("gone")

    def _send_ack(self, invite: Request, response: Response, body: bytes = b"") -> SentAck:
        """Acknowledge a 2xx inside the dialog (§13.2.2.4), refreshing the remote target first (§12.2.1.2)."""
        assert self.dialog is not None
        self._refresh_target(response)
        return self._sender.send_ack(self.dialog, self.flow, invite, body)

    def _refresh_target(self, response: Response) -> None:
        try:
            if self.dialog is not None:
                self.dialog.refresh_target(response)
        except SipParseError:
            self._sender.statistics.parse_errors += 1  # keep the target that worked

    def _amended(self, request: Request, response: Response) -> Request | None:
        """The request again, with what the response asks for: credentials, or a longer session interval (RFC 4028
        §7.3). None when that is no use."""
        if response.status != 422:
            return self._with_credentials(request, response)
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

    def _with_credentials(self, request: Request, response: Response) -> Request | None:
        """The request again, with an answer to the challenge in the response; None when there is none to give
        (§22.2)."""
        if self._credentials is None or response.status not in {401, 407}:
            return None
        if self._challenges_answered >= CHALLENGES_ANSWERED:
            return None
        self._challenges_answered += 1
        again = self._sender.answer_challenge(request, response, self._credentials)
        if again is not None and self.dialog is not None:
            self.dialog.local_sequence = max(self.dialog.local_sequence, again.cseq.number)
        return again

    def _lost(self, failure: str) -> None:
        """The peer does not know the dialog, or cannot be reached: end it, with a BYE for whatever is left
        (§12.2.1.2)."""
        if self.ended:
            return
        self._say_bye()
        self._close(Failed("transport" if failure == "transport" else "gone"))


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
        call._offer_in = None
        if call.dialog is not None and call._accept(self._request, self.transaction, body):
            call.dialog.refresh_target(self._request)
        call._core.wake()

    def reject(self, status: int = 488, reason: str | None = None) -> None:
        """Refuse the offer with a final status."""
        call = self._call
        if call._offer_in is not self:
            return
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"an offer is not refused with {status}")
        call._offer_in = None
        self.transaction.respond(call._sender.response(self._request, status, reason))
        call._core.wake()


def response_session(response: Response) -> bytes | None:
    """The SDP of a response; None when its body is empty or something else."""
    if not response.body or response.content_type not in {None, "application/sdp"}:
        return None
    return response.body
