"""An outgoing call: the client side of an INVITE (RFC 3261 §13.2), with its forks, challenges and CANCEL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.events import Answered, CallEvent, Progress, Redirected, Rejected
from sip.core.forks import FORKS, Forks
from sip.core.inspection import session_description
from sip.core.offers import Exchange, Offers, Step
from sip.core.prack import prack_answered, prack_over, reliable_progress
from sip.core.redirect import Redirects, is_redirection
from sip.core.reliable import Fork, reliable_sequence
from sip.core.retry import amended
from sip.core.routing import target_wants_sips
from sip.core.sending import SentAck
from sip.core.session_timer import settle
from sip.core.unavailable import parse_retry_after
from sip.dialog import Dialog
from sip.digest import Credentials
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.headers import Headers
from sip.message import Request, Response
from sip.transaction.table import Event, State
from sip.transaction.transaction import UNATTENDED, ClientTransaction, Failure, cancel_for
from sip.uri import SipUri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore

_UNANSWERED = frozenset({CallState.PROCEEDING, CallState.EARLY})
_CANCELLED = "Request Terminated"


class OutgoingCall(Call):
    """A call that we make. Nothing is sent before `start`, which is given the addresses that the target was resolved
    to."""

    def __init__(
        self,
        core: UserAgentCore,
        request: Request,
        credentials: Credentials | None,
        follow_redirects: int,
    ) -> None:
        caller = request.from_.uri
        super().__init__(core, request.call_id, caller.user if isinstance(caller, SipUri) else None)
        self.request = request
        self._credentials = credentials
        self._invite: ClientTransaction | None = None
        self._candidates: list[Endpoint] = []  # not tried yet
        self._early = Forks(self)
        self._owns_call_id = True
        self._follow_redirects = follow_redirects
        self._redirects: Redirects | None = None
        self._home = request.uri.host.lower() if isinstance(request.uri, SipUri) else ""  # who the credentials are for
        self._strayed = False  # redirected to another host
        self._pause = 0.0  # seconds for which an address that was passed over wants no calls
        self._ack: SentAck | None = None
        self._forks: dict[str | None, SentAck] = {}
        self._cancel_sent = False

    def start(self, *remotes: Endpoint) -> None:
        """Send the INVITE to the first of these addresses. No effect on a call that was cancelled in the meantime.

        The next one is tried where one cannot be reached, says nothing at all or answers 503 (RFC 3263 §4.3).
        """
        if self.ended:
            return
        self._candidates = self._sender.in_order(remotes)
        if self._try_next() or self._try_next_target():
            return
        if self._pause > 0:
            self._close(Rejected(503, "Service Unavailable", "response", Headers(), math.ceil(self._pause)))
            self._core.wake()
        else:
            self.fail("no listener for any of its addresses" if remotes else "no address")

    def _try_next(self) -> bool:
        """Send the INVITE to the next address that a listener of ours can reach; False when there is none left."""
        while self._candidates:
            remote = self._candidates.pop(0)
            pause = self._core.unavailable.remaining(remote, self._core.clock())
            if pause > 0:
                self._pause = pause
                continue
            try:
                flow = self._sender.flow_to(remote)
            except LocalProtocolError:
                continue
            self._early.restart()
            self._take_flow(flow, secure=target_wants_sips(self.request))
            self.state = CallState.PROCEEDING
            template = self.request
            self._invite = self._sender.send_request(
                Request(template.method, template.uri, template.headers.copy(), template.body),
                flow,
                remote,
                self,
                contact=self._contact,
                content_type=template.content_type,
                body=template.body,
            )
            self._core.wake()
            return True
        return False

    def _try_next_target(self) -> bool:
        """Send the INVITE to the next address that a 3xx gave, with the same Call-ID and a new CSeq (§8.1.3.4); False
        when there is none left."""
        target = None if self._redirects is None else self._redirects.next()
        if target is None:
            return False
        headers = self.request.headers.copy()
        last = self.request if self._invite is None else self._invite.request
        headers.set("CSeq", f"{last.cseq.number + 1} INVITE")
        self.request = Request("INVITE", target, headers, self.request.body)
        self._strayed = target.host.lower() != self._home
        self._invite = None
        self._candidates = []
        self._challenges_answered = 0
        self._early.restart()
        self.state = CallState.PROCEEDING
        self._emit(Redirected(target))
        route = next(iter(self.request.route), None)  # an outbound proxy stays in between (§8.1.2)
        hop = route.uri if route is not None and isinstance(route.uri, SipUri) else target
        self._core.locate(hop, lambda remotes: self.start(*remotes))
        return True

    def fail(self, reason: str) -> None:
        """End the call before anything was sent: its target has no address."""
        if not self.ended:
            self._close(Rejected(None, reason, "transport", Headers()))
            self._core.wake()

    def cancel(self, *, reason: str | None = None) -> None:
        """Give up an unanswered call: CANCEL as soon as the peer has been heard (§9.1). `Rejected` tells the end of it.

        A 2xx that crosses the CANCEL is acknowledged and followed by BYE. An answered call is hung up.
        """
        if self.state not in _UNANSWERED:
            self.hangup(reason=reason)
            return
        if self._hangup_wanted:
            return
        self._take_reason(reason)
        self._hangup_wanted = True
        if self._invite is None:
            self._close(Rejected(487, _CANCELLED, "response", Headers()))
        elif self._invite.state is State.PROCEEDING:
            self._send_cancel(self._invite)
        else:
            self._invite.user = self  # no other address is tried any more
        self._core.wake()

    def hangup(self, *, reason: str | None = None) -> None:
        """End the call: CANCEL before the answer, BYE after it. Idempotent."""
        if self.state in _UNANSWERED:
            self.cancel(reason=reason)
            return
        if self.ended:
            return
        self._take_reason(reason)
        if self.state is CallState.ANSWERED:
            self.acknowledge(b"")  # §13.2.2.4: even an answer that leads nowhere is acknowledged
        self._say_bye()

    def acknowledge(self, body: bytes) -> None:
        """Send the ACK with our answer to the offer in the 2xx, where the INVITE carried none. No effect at any other
        time."""
        if self.state is not CallState.ANSWERED or self.dialog is None or self._invite is None:
            return
        self._ack = self._sender.send_ack(self.dialog, self.flow, self._invite.request, body)
        self.state = CallState.CONFIRMED
        if self._offers.state is Exchange.REMOTE and self._offers.responder is None:
            if body:
                self._offers.answer(body)
            else:
                self._offers.refuse()
        self._core.wake()

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to the INVITE, its CANCEL, or a request inside the dialog."""
        if transaction is not self._invite:
            if transaction.request.method == "PRACK":
                prack_answered(self, transaction, response)
            else:
                super().response_received(transaction, response)
            return
        if transaction.local != self.flow.local:
            # Too long for a datagram, it went over TCP: the dialog stays on that connection
            self._flow = self._sender.flow_on(transaction.local, transaction.remote)
        if response.status < 200:
            self._progress(transaction, response)
        elif response.status < 300:
            self._success(transaction, response)
        else:
            self._failure(transaction, response)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no final response to the INVITE, or to a request inside the dialog."""
        if transaction is not self._invite:
            if transaction.request.method == "PRACK":
                prack_over(self, transaction)
            else:
                super().request_failed(transaction, failure)
            return
        if not self._hangup_wanted:
            if self.state is CallState.PROCEEDING and self._try_next():
                return
            if self._try_next_target():
                return
        reason = "No response" if failure == "timeout" else "Cannot be reached"
        self._close(Rejected(None, reason, failure, Headers()))

    def _credentials_for(self, response: Response) -> Credentials | None:
        """A 3xx may send the call to anybody, who must not be given a hash of the password by claiming the realm: after
        one to another host, only the outbound proxy in between is answered."""
        if self._strayed and (response.status != 407 or not self.request.route):
            return None
        return self._credentials

    def _progress(self, transaction: ClientTransaction, response: Response) -> None:
        if self._hangup_wanted:
            self._send_cancel(transaction)
            return
        if response.status == 100:
            return
        tag = response.to.tag
        if self._early.has_ended(tag):
            return
        self.state = CallState.EARLY
        fork = self._early.of(transaction, response)
        body = session_description(response)
        if fork is not None:
            fork.offers.peer_allow = response.headers.lines("Allow") or fork.offers.peer_allow
        sequence = None if fork is None else reliable_sequence(response)
        if fork is None or sequence is None:
            if fork is not None and body is not None and fork.offers.state is Exchange.LOCAL:
                fork.offers.remote = body  # a foretaste: the answer is the one that is sure to come (§13.2.1)
            self._emit(Progress(response.status, response.reason, body, response.headers, tag))
        elif fork.is_next(sequence):
            reliable_progress(self, fork, sequence, response, body)
        else:
            return
        if response.status == 199 and fork is not None:
            self._early.end(fork)  # RFC 6228 §4

    def _all_offers(self) -> Sequence[Offers]:
        if not self._early:
            return (self._offers,)
        return (self._offers, *(fork.offers for fork in self._early))

    def _offers_for(self, fork: str | None) -> Offers | None:
        if self.dialog is not None:
            return self._offers if fork in {None, self.dialog.remote_tag} else None
        if fork is None and len(self._early) == 1:
            return next(iter(self._early)).offers
        early = None if fork is None else self._early.get(fork)
        return None if early is None else early.offers

    def _fork_of(self, offers: Offers) -> str | None:
        return None if offers is self._offers or offers.dialog is None else offers.dialog.remote_tag

    def end_fork(self, fork: str) -> None:
        """Send BYE in one early dialog and go on with the others (§15). No effect once it is over or the call is
        answered."""
        early = self._early.get(fork)
        if early is None:
            return
        self._sender.send_bye(early.dialog, self.flow, (), UNATTENDED)
        self._early.end(early)
        self._core.wake()

    def _success(self, transaction: ClientTransaction, response: Response) -> None:
        tag = response.to.tag
        if self.dialog is None and not self._closed and not self._hangup_wanted and not self._early.has_ended(tag):
            self._answered(transaction, response)
        elif self.dialog is not None and self.dialog.remote_tag == tag:
            if self._ack is not None:
                self._sender.send_ack_again(self._ack)  # §13.2.2.4: the 2xx is repeated because our ACK was lost
        else:
            self._refuse_answer(transaction, response)
            if self.dialog is None:
                self._close(Rejected(487, _CANCELLED, "response", Headers()))

    def _answered(self, transaction: ClientTransaction, response: Response) -> None:
        dialog = Dialog.from_response(transaction.request, response)  # §13.2.2.4: routes come from the 2xx
        request = transaction.request
        early = self._early.take(dialog.remote_tag or "")
        if early is None:
            early = Fork(dialog, offered=bool(request.body))
        else:
            dialog.remote_sequence = early.dialog.remote_sequence
            dialog.local_sequence = max(dialog.local_sequence, early.dialog.local_sequence)
        self._early.clear()
        offers = self._offers = early.offers
        offers.dialog = self.dialog = dialog
        body = session_description(response)
        offered_before = offers.established or offers.responder is not None
        if offered_before:
            body = offers.remote  # RFC 3262 §5: what came reliably before is what holds
        elif request.body:
            body = body or offers.remote
            offers.settle(body)
        elif body is not None:
            offers.take(Step.OFFER_RECEIVED)
            offers.remote = body
        self._challenges_answered = self._intervals_raised = 0
        self._core.remember_dialog(dialog, self)
        self.state = CallState.ANSWERED
        if request.body:
            offers.local = offers.local or request.body
        settle(self, response)
        if request.body or offered_before:
            self.acknowledge(b"")
        self._emit(Answered(response, body, dialog.remote_tag))
        self._exchange_over(offers)

    def _refuse_answer(self, transaction: ClientTransaction, response: Response) -> None:
        """Acknowledge a 2xx that nobody wants, from another fork or after our CANCEL, and end its dialog
        (§13.2.2.4)."""
        tag = response.to.tag
        known = self._forks.get(tag)
        if known is not None:
            self._sender.send_ack_again(known)
            return
        if len(self._forks) >= FORKS:
            return
        dialog = Dialog.from_response(transaction.request, response)
        self._forks[tag] = self._sender.send_ack(dialog, self.flow, transaction.request)
        headers = (("Reason", self._hangup_reason),) if self._hangup_reason is not None else ()
        self._sender.send_bye(dialog, self.flow, headers, UNATTENDED)

    def _failure(self, transaction: ClientTransaction, response: Response) -> None:
        retry = None if self._hangup_wanted else amended(self, transaction.request, response)
        if retry is not None:
            self._early.clear()
            self._invite = self._sender.send_again(retry, transaction, self)
            return
        retry_after = parse_retry_after(response.headers)
        if response.status == 503 and retry_after:
            self._core.unavailable.note(transaction.remote, retry_after, self._core.clock())
        if not self._hangup_wanted and self._goes_on(response):
            return
        self._close(Rejected(response.status, response.reason, "response", response.headers, retry_after))

    def _goes_on(self, response: Response) -> bool:
        """Whether another address is tried after a final response: the next one of the same target (RFC 3263 §4.3),
        those of a redirection, or what an earlier one left over. A 6xx is the last word (§21.6)."""
        if response.status == 503 and self._try_next():
            return True
        if is_redirection(response.status) and isinstance(self.request.uri, SipUri):
            if self._redirects is None:
                self._redirects = Redirects(self.request.uri, self._follow_redirects)
            self._redirects.learn(response)
        return response.status < 600 and self._try_next_target()

    def _send_cancel(self, invite: ClientTransaction) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        cancel = cancel_for(invite.request)
        if self._hangup_reason is not None:
            cancel.headers.add("Reason", self._hangup_reason)
        self._sender.layer.send_request(cancel, invite.remote, invite.local, self)
        invite.start_timer(Event.TIMER_B)  # §9.1: without a final response in 64*T1 the INVITE counts as cancelled

    def _close(self, event: CallEvent) -> None:
        self._early.clear()
        super()._close(event)
