"""Session timers (RFC 4028): a call whose peer has vanished ends although no BYE ever comes.

A SessionTimer exists only for calls that settled on an interval, see `session_terms`. Where the peer allows UPDATE it
refreshes with that, without SDP, else with a re-INVITE that repeats our last SDP; neither is shown to the application
unless the peer's session has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from sip.core.call_state import CallState
from sip.core.events import Failed, OfferAnswered
from sip.core.inspection import session_description
from sip.core.offers import Exchange, Offers
from sip.core.retry import amended
from sip.core.session_terms import SessionTerms, agreed_terms, answer_terms, propose
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction, Failure

if TYPE_CHECKING:
    from sip.core.call import Call
    from sip.core.sending import SentAck
    from sip.transaction.timers import TimerEntry

LONGEST_MARGIN: Final = 32
"""RFC 4028 §10: seconds before the expiry at which the side that waits for refreshes sends BYE, at most."""

RETRY_SECONDS: Final = 10.0
"""How soon a refresh is tried again that could not be sent or was refused for the moment."""

EXPIRED_REASON: Final = 'SIP;cause=408;text="Session timer expired"'


class SessionTimer:
    """The timer of one call: refreshes at half the interval where that is up to us, ends the call where no refresh came
    in time (§10)."""

    __slots__ = (
        "_ack",
        "_call",
        "_deadline",
        "_entry",
        "_transaction",
        "_update_refused",
        "interval",
        "we_refresh",
    )

    def __init__(self, call: Call) -> None:
        self._call = call
        self.interval = 0
        self.we_refresh = False
        self._deadline = 0.0
        self._entry: TimerEntry | None = None
        self._transaction: ClientTransaction | None = None
        self._ack: SentAck | None = None
        self._update_refused = False

    @property
    def refreshing(self) -> bool:
        """Whether a refresh of ours is on its way."""
        return self._transaction is not None

    def arm(self, interval: int, *, we_refresh: bool) -> None:
        """Start a session interval of so many seconds: an INVITE or UPDATE was answered with a 2xx."""
        self.interval = interval
        self.we_refresh = we_refresh
        # §10: the BYE comes before the proxies on the way forget the call
        self._deadline = self._now() + interval - min(LONGEST_MARGIN, interval / 3)
        self._schedule(interval / 2 if we_refresh else self._deadline - self._now())

    def stop(self) -> None:
        """The session has no timer any more."""
        if self._entry is not None:
            self._call._sender.layer.timers.cancel(self._entry)
            self._entry = None

    def propose(self, request: Request) -> None:
        """Write the running interval into an INVITE or UPDATE of ours, roles as they are (§7.4)."""
        propose(request, self.interval, self._call._least_interval, "uac" if self.we_refresh else "uas")

    def _now(self) -> float:
        return self._call._core.clock()

    def _schedule(self, delay: float) -> None:
        self.stop()
        self._entry = self._call._sender.layer.timers.schedule(delay, self._due)

    def _due(self, _argument: object) -> None:
        self._entry = None
        call = self._call
        if call.ended:
            return
        if self._now() >= self._deadline:
            call._hangup_reason = EXPIRED_REASON
            call._say_bye()
            call._close(Failed("session_expired"))
        elif _may_refresh(call):
            self._refresh()
        else:
            self._try_later()  # the exchange under way is a refresh as well, and will arm the timer anew

    def _try_later(self) -> None:
        left = self._deadline - self._now()
        self._schedule(min(left, max(RETRY_SECONDS, left / 2)))

    def _refresh(self) -> None:
        call = self._call
        dialog = call.dialog
        assert dialog is not None
        method = self._refresh_method()
        body = b"" if method == "UPDATE" else call._local_session
        if body is None:
            return self._try_later()  # nothing was ever agreed on: there is no session to refresh
        request = dialog.request(method)
        self.propose(request)
        if body:
            call._offers.send(body)
        self._transaction = call._sender.send_in_dialog(
            dialog, call.flow, request, self, contact=call._contact, body=body
        )
        if method == "INVITE":
            call._offers.transaction = (
                self._transaction
            )  # a re-INVITE of the peer is glare from here on (RFC 3261 §14.2)
        return None

    def _refresh_method(self) -> Literal["UPDATE", "INVITE"]:
        """§7.4: UPDATE without SDP disturbs nothing, so it is preferred where the peer allows it."""
        if self._update_refused:
            return "INVITE"
        return "UPDATE" if self._call._offers.allows_update else "INVITE"

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to a refresh."""
        call = self._call
        if transaction is not self._transaction:
            if 200 <= response.status < 300 and self._ack is not None:
                call._sender.send_ack_again(self._ack)  # our ACK was lost
            return
        if response.status < 200 or self._sent_again(transaction, response):
            return
        self._finish(transaction)
        if response.status < 300:
            self._take_answer(transaction.request, response)
            call._exchange_over(call._offers)
            return
        if transaction.request.body:
            call._offers.refuse()
        if response.status in {408, 481}:
            call._lost("gone")  # §10
        elif transaction.request.method == "UPDATE" and response.status in {405, 501}:
            self._update_refused = True
            self._schedule(0.0)
        elif not call.ended:
            self._try_later()
        call._exchange_over(call._offers)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no final response to a refresh, which ends the call (§10)."""
        if transaction is self._transaction:
            self._finish(transaction)
            if transaction.request.body:
                self._call._offers.refuse()
            self._call._lost(failure)

    def _sent_again(self, transaction: ClientTransaction, response: Response) -> bool:
        """Whether the refresh was sent again, with credentials or with the interval that a 422 asked for."""
        call = self._call
        again = None if call.ended else amended(call, transaction.request, response)
        if again is None:
            return False
        self._transaction = call._sender.send_again(again, transaction, self)
        if transaction is call._offer_out:
            call._offers.transaction = self._transaction
        return True

    def _take_answer(self, request: Request, response: Response) -> None:
        call = self._call
        if request.method == "INVITE":
            self._ack = call._send_ack(request, response)
        else:
            call._refresh_target(call.dialog, response)
        _refreshed(call, response)

    def _finish(self, transaction: ClientTransaction) -> None:
        self._transaction = None
        if self._call._offer_out is transaction:
            self._call._offers.transaction = None


def settle(call: Call, message: Request | Response, terms: SessionTerms | None = None) -> None:
    """What an INVITE or UPDATE and its 2xx settle beside SDP: what the peer allows, and the session timer (RFC 4028
    §7.2, §9). `message` is the peer's; a request goes with the terms of our 2xx."""
    call._offers.peer_allow = message.headers.lines("Allow") or call._offers.peer_allow
    if isinstance(message, Response):
        expires, ours = agreed_terms(message), "uac"
    else:
        expires, ours = None if terms is None else terms.expires, "uas"
    if expires is None:
        if call._session_timer is not None:
            call._session_timer.stop()
        return
    if call._session_timer is None:
        call._session_timer = SessionTimer(call)
    call._session_timer.arm(expires.seconds, we_refresh=expires.refresher == ours)


def our_terms(call: Call, request: Request) -> SessionTerms | None:
    """The session timer that our 2xx to an INVITE or UPDATE settles on."""
    timer = call._session_timer
    return answer_terms(request, call._core.config, peer_refreshes=timer is not None and not timer.we_refresh)


def _refreshed(call: Call, response: Response) -> None:
    """A 2xx to a refresh of ours. One that changes nothing is not told."""
    body, before = session_description(response), call._offers.remote
    call._challenges_answered = call._intervals_raised = 0
    if call._offers.state is Exchange.LOCAL:
        call._offers.settle(body)
    settle(call, response)
    if body is not None and body != before:
        call._emit(OfferAnswered(body))


def _may_refresh(call: Call) -> bool:
    """Whether nothing stands in the way of a re-INVITE (§14.1; RFC 5407 §3.1)."""
    offers = call._offers
    free = offers.is_free and offers.wanted is None and not call._is_held_up(offers)
    return free and call.state is CallState.CONFIRMED


def has_session(call: Call, offers: Offers) -> bool:
    """Whether the exchange is that of an answered call: a session timer belongs to the session (RFC 4028 §3)."""
    return offers is call._offers and call.state in {CallState.ANSWERED, CallState.CONFIRMED}
