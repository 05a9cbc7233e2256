"""An incoming call: the server side of an INVITE outside any dialog (RFC 3261 §13.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.core.answer import accept
from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.events import CallEvent, Cancelled, Confirmed, Failed, Offer, OfferAnswered, RemoteHangup
from sip.core.flows import Flow
from sip.core.inspection import session_description
from sip.core.offering import close_offers
from sip.core.offers import Exchange, Offers, Step
from sip.core.reliable import OPTION, ReliableResponses
from sip.core.responders import RequestResponder
from sip.core.routing import caller_wants_sips
from sip.dialog import Dialog, DialogState
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.headers import Headers
from sip.message import Request, Response
from sip.transaction.transaction import Failure, ServerTransaction
from sip.uri import SipUri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore
    from sip.transaction.timers import TimerEntry

PROVISIONAL_REFRESH_SECONDS = 60.0
"""§13.3.1.1: how often a call that rings on is said to ring on."""

RELIABLE_REFRESH_SECONDS = 150.0
"""§13.3.1.1: how often, where it is said reliably."""

_UNANSWERED = frozenset({CallState.PROCEEDING, CallState.EARLY})


class IncomingCall(Call):
    """A call that somebody makes to us. A 100 leaves by itself within 200 ms; all else is up to whoever is given the
    call."""

    def __init__(
        self,
        core: UserAgentCore,
        flow: Flow,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        local_tag: str,
        size: int,
    ) -> None:
        """Raises SipParseError when the INVITE cannot make a dialog."""
        super().__init__(core, request.call_id, request.uri.user if isinstance(request.uri, SipUri) else None)
        self._take_flow(flow, secure=caller_wants_sips(request))
        self.request = request
        self.source = source
        self.local = local
        self.dialog: Dialog = Dialog.from_request(request, local_tag)
        self.request_size = size  # bytes of the datagram, the measure for what may be answered unasked
        self.replaces: Call | None = None  # the call that this one asks to take the place of (RFC 3891)
        self.proxy_challenge = False  # whether a challenge is that of a proxy: 407 instead of 401
        self.transaction: ServerTransaction = self._sender.serve(request, source, local, self)
        self._confirmed = False
        self._offers = Offers(self.dialog)
        self._offers.peer_allow = request.headers.lines("Allow")
        if (offer := session_description(request)) is not None:
            self._offers.take(Step.OFFER_RECEIVED)
            self._offers.remote = offer
        self._reliable: ReliableResponses | None = None
        self._withheld: tuple[bytes, Sequence[tuple[str, str]]] | None = None  # the answer that waits for a PRACK
        self._early_session = b""  # our SDP in a provisional response that nobody acknowledges
        self._latest: Response | None = None  # the provisional response to repeat
        self._refresh: TimerEntry | None = None
        self._expiry: TimerEntry | None = None
        if request.expires is not None:
            self._expiry = self._sender.layer.timers.schedule(request.expires, self._expire)

    @property
    def offer(self) -> bytes | None:
        """The SDP of the INVITE; None when it carries none and the answer has to make the offer."""
        return session_description(self.request)

    @property
    def answered(self) -> bool:
        """Whether a final response was given, whatever it was."""
        return self.state not in _UNANSWERED

    def ring(self, headers: Sequence[tuple[str, str]] = (), *, reliable: bool = False) -> None:
        """Send 180, reliably where the caller requires it, or with `reliable` where it can (RFC 3262 §3). No effect on
        a call that is answered or over.

        Not sent where the caller requires reliability and its INVITE carries no offer: the first reliable response has
        to make one (RFC 3262 §5), which is for `progress`.
        """
        self._provisional(180, b"", headers, reliable=reliable)

    def progress(self, body: bytes, headers: Sequence[tuple[str, str]] = (), *, reliable: bool = True) -> None:
        """Send 183 with SDP: early media; reliably where the caller requires it, or can and `reliable` is not switched
        off. No effect on a call that is answered or over.

        Where the INVITE carries no offer, `body` makes it: OfferAnswered tells the answer in the PRACK. To a caller
        without reliable responses the 183 goes without SDP then, and `answer` makes the offer (RFC 3262 §5).
        """
        self._provisional(183, body, headers, reliable=reliable)

    def _provisional(self, status: int, body: bytes, headers: Sequence[tuple[str, str]], *, reliable: bool) -> None:
        if self.state not in _UNANSWERED or self._withheld is not None:
            return
        required = OPTION in (tag.lower() for tag in self.request.require)
        reliable = required or (reliable and OPTION in self.request.supported)
        offers = self._offers
        if offers.established or offers.state is Exchange.LOCAL:
            body = b""  # said already, and to be said once (RFC 3261 §13.2.1)
        elif offers.state is Exchange.IDLE and not reliable:
            body = b""  # an offer that may get lost is none
        elif offers.state is Exchange.IDLE and not body:
            if required:
                return
            reliable = False
        if reliable and body:
            if offers.state is Exchange.REMOTE:
                offers.answer(body)
            else:
                offers.send(body)
        elif body:
            self._early_session = body
        response = self._sender.response(
            self.request, status, to_tag=self.dialog.local_tag, contact=self._contact, headers=headers
        )
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        self._latest = (
            self._sender.response(
                self.request, status, to_tag=self.dialog.local_tag, contact=self._contact, headers=headers
            )
            if reliable
            else response
        )
        self.state = CallState.EARLY
        if reliable:
            if self._reliable is None:
                self._reliable = ReliableResponses(self.transaction, self._prack_missing)
            self._reliable.send(response)
        else:
            self.transaction.respond(response)
        self._schedule_refresh(reliable=reliable)
        self._core.wake()

    def _schedule_refresh(self, *, reliable: bool) -> None:
        timers = self._sender.layer.timers
        if self._refresh is not None:
            timers.cancel(self._refresh)
        delay = RELIABLE_REFRESH_SECONDS if reliable else PROVISIONAL_REFRESH_SECONDS
        self._refresh = timers.schedule(delay, self._repeat_provisional, reliable)

    def _repeat_provisional(self, reliable: bool) -> None:
        """§13.3.1.1: without a word for three minutes, a proxy on the way would cancel the call."""
        if self.state is not CallState.EARLY or self._latest is None:
            return
        if reliable and self._reliable is not None:
            again = self._latest  # with an RSeq of its own; without SDP, which was acknowledged
            self._reliable.send(Response(again.status, again.reason, again.headers.copy()))
        else:
            self.transaction.respond(self._latest)
        self._schedule_refresh(reliable=reliable)

    def _prack_missing(self) -> None:
        """RFC 3262 §3: no PRACK for 64*T1 is a failure of the INVITE."""
        self.transaction.respond(self._sender.response(self.request, 504, to_tag=self.dialog.local_tag))
        self._close(Failed("no_prack"))

    def _receive_prack(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        reliable = self._reliable
        acknowledged = None if reliable is None else reliable.acknowledge(request)
        if reliable is None or acknowledged is None:
            self._sender.reply(request, source, local, 481)
            return
        offers, body = self._offers, session_description(request)
        if offers.state is Exchange.LOCAL and acknowledged.body:
            self._sender.reply(request, source, local, 200)
            offers.settle(body)
            self._emit(OfferAnswered(body))
        elif body is None:
            self._sender.reply(request, source, local, 200)
        elif not offers.is_free:
            self._sender.reply(request, source, local, 491)
        else:
            # RFC 3262 §5: the exchange before is over, the PRACK makes the next offer
            offers.take(Step.OFFER_RECEIVED)
            offers.remote = body
            responder = RequestResponder(self, offers, request, self._sender.serve(request, source, local))
            offers.responder = responder
            self._emit(Offer(body, responder))
        reliable.send_next()
        self._exchange_over(offers)

    def _is_held_up(self, offers: Offers) -> bool:
        return super()._is_held_up(offers) or (self._reliable is not None and self._reliable.holds_session)

    def _exchange_over(self, offers: Offers) -> None:
        if self._withheld is None:
            super()._exchange_over(offers)
        elif not self._must_withhold() and self.state in _UNANSWERED:
            (body, headers), self._withheld = self._withheld, None
            self._answer(body, headers)

    def _must_withhold(self) -> bool:
        """Whether a 2xx has to wait: for the PRACK to a response with SDP (RFC 3262 §3), or for our answer to an offer
        that came since."""
        return self._offers.responder is not None or (self._reliable is not None and self._reliable.holds_session)

    def _expire(self, _argument: object) -> None:
        """§13.3.1: the time that the caller gave the invitation is over."""
        if self.state in _UNANSWERED:
            self.transaction.respond(self._sender.response(self.request, 487, to_tag=self.dialog.local_tag))
            self._close(Cancelled(None))

    def _end_ringing(self) -> None:
        """No provisional response is due any more."""
        self._latest = None
        if self._reliable is not None:
            self._reliable.finish()
        for entry in (self._refresh, self._expiry):
            if entry is not None:
                self._sender.layer.timers.cancel(entry)
        self._refresh = self._expiry = None

    def answer(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send 200 with this SDP and repeat it until the ACK comes: then Confirmed, else after 64*T1 Failed("no_ack")
        and a BYE. It waits for the PRACK to a provisional response with SDP (RFC 3262 §3); the 200 then carries no SDP.
        The call that this one `replaces` is hung up.

        No effect on a call that is over; LocalProtocolError when it was answered before.
        """
        if self.ended:
            return
        if self.state not in _UNANSWERED or self._withheld is not None:
            raise LocalProtocolError("the call is answered already")
        if self._reliable is not None:
            self._reliable.drop_plain()
        if self._must_withhold():
            Headers(headers)  # what cannot be sent is refused at once
            self._withheld = (body, tuple(headers))
            return
        self._answer(body, headers)

    def _answer(self, body: bytes, headers: Sequence[tuple[str, str]]) -> None:
        if self._offers.established:
            body = b""  # the answer is sure to have arrived (RFC 3261 §13.2.1)
        elif not body and self._offers.state is Exchange.REMOTE:
            body = self._early_session
        if accept(self, self.request, self.transaction, body, headers):
            self.state = CallState.ANSWERED
            self.dialog.state = DialogState.CONFIRMED
            self._end_ringing()
            if self.replaces is not None:
                self.replaces.replaced_by(self)
                self.replaces = None
        self._core.wake()

    def reject(
        self,
        status: int,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        *,
        stateless: bool = False,
    ) -> None:
        """Refuse with a final status from 300 to 699. No effect on a call that is over; LocalProtocolError on an
        answered one.

        With `stateless` nothing is kept or repeated: when the response is lost, the INVITE comes again as a new call
        and is refused again. That is for callers who have not shown who they are; a flood of them then costs neither
        memory nor answers in number. It is not for what is counted: a wrong password would count again each time.
        """
        if self.ended:
            return
        if self.state not in _UNANSWERED:
            raise LocalProtocolError("the call is answered already")
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"a call is not refused with {status}")
        response = self._sender.response(self.request, status, reason, to_tag=self.dialog.local_tag, headers=headers)
        # A client that has heard a 1xx repeats its INVITE no more: from then on the repeating is ours
        if stateless and not self.transaction.provisional_sent:
            self.transaction.discard()
            self._sender.send_unasked(response, self.request_size, self.transaction.remote, self.transaction.local)
        else:
            self.transaction.respond(response)
        self._end_quietly()
        self._core.wake()

    def challenge(self, realm: str, *, stale: bool = False) -> None:
        """Ask for credentials: 401, or 407 when the credentials were looked for as those of a proxy. Nothing is kept
        (§8.2.7)."""
        if self.state not in _UNANSWERED:
            return
        status = 407 if self.proxy_challenge else 401
        self.reject(status, headers=self._core.challenges(self, realm, stale=stale), stateless=True)

    def hangup(self, *, reason: str | None = None) -> None:
        """End the call: BYE once it is confirmed, 480 when it was not answered. Idempotent."""
        if self.ended or self._hangup_wanted:
            return
        headers = self._take_reason(reason)
        if self.state in _UNANSWERED:
            self.reject(480, headers=headers)
            return
        if self._unacknowledged is not None and self.state is CallState.ANSWERED:
            # §15: the callee sends no BYE before the ACK; it follows then, or when none comes
            self._hangup_wanted = True
            return
        self._say_bye()

    def response_failed(self, transaction: ServerTransaction, failure: Failure) -> None:
        """ServerUser: when nothing can be sent to the caller, an unanswered call is over (§17.2.4)."""
        super().response_failed(transaction, failure)
        if transaction is self.transaction and failure == "transport" and self.state in _UNANSWERED:
            self._close(Failed("transport"))

    def receive_cancel(self, transaction: ServerTransaction, cancel: Request) -> None:
        """The caller gives up (§9.2): 487, unless a final response has crossed the CANCEL."""
        if transaction is not self.transaction:
            super().receive_cancel(transaction, cancel)
            return
        if self.state not in _UNANSWERED:
            return
        self.transaction.respond(self._sender.response(self.request, 487, to_tag=self.dialog.local_tag))
        self._close(Cancelled(cancel.headers.get("Reason")))

    def _receive_bye(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        if self.state in _UNANSWERED:
            # §15: the caller may end an early dialog with BYE; the INVITE is still to be answered (§15.1.2)
            self._sender.reply(request, source, local, 200)
            self.transaction.respond(self._sender.response(self.request, 487, to_tag=self.dialog.local_tag))
            self._close(RemoteHangup(request.headers.get("Reason")))
        else:
            super()._receive_bye(request, source, local)

    def _acknowledged(self, body: bytes | None) -> None:
        if self._confirmed:
            super()._acknowledged(body)
            return
        self._confirmed = True
        self.state = CallState.CONFIRMED
        self._emit(Confirmed(body))

    def _close(self, event: CallEvent) -> None:
        self._let_go()
        super()._close(event)

    def _end_quietly(self) -> None:
        """The application ended the call itself before it was answered: there is nothing to tell it."""
        self._let_go()
        close_offers(self, self._offers)
        self._closed = True
        self.state = CallState.ENDED
        self.dialog.state = DialogState.TERMINATED
        self._core.forget_call(self)

    def _let_go(self) -> None:
        """The transaction stays for half a minute to absorb what comes late; it must not keep the call in memory."""
        self._end_ringing()
        self.replaces = None
        self.transaction.user = None
