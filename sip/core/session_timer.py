"""Session timers (RFC 4028): a call whose peer has vanished ends although no BYE ever comes.

Which interval holds and who refreshes is settled by each INVITE or UPDATE and its 2xx; `answer_terms` is our word as
server, `agreed_terms` reads the peer's when we are the client. A SessionTimer exists only for calls that settled on
one. Where the peer allows UPDATE it refreshes with that, without SDP, else with a re-INVITE that repeats our last SDP;
neither is shown to the application unless the peer's session has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sip.core.events import Failed
from sip.core.inspection import Refusal
from sip.core.update import refresh_target
from sip.errors import SipParseError
from sip.fields import parse_number
from sip.grammar import get_param, parse_params
from sip.message import Request, Response
from sip.transaction.transaction import ClientTransaction, Failure

if TYPE_CHECKING:
    from sip.core.call import Call
    from sip.core.config import UserAgentConfig
    from sip.core.sending import SentAck
    from sip.transaction.timers import TimerEntry

LEAST_INTERVAL: Final = 90
"""RFC 4028 §5: seconds; no interval may be shorter, and a message without Min-SE means this."""

LONGEST_MARGIN: Final = 32
"""RFC 4028 §10: seconds before the expiry at which the side that waits for refreshes sends BYE, at most."""

RETRY_SECONDS: Final = 10.0
"""How soon a refresh is tried again that could not be sent or was refused for the moment."""

INTERVALS_TRIED: Final = 3
"""422 responses followed in a row: each hop on the way may have a larger minimum (RFC 4028 §7.3)."""

EXPIRED_REASON: Final = 'SIP;cause=408;text="Session timer expired"'

SESSION_REFRESHES: Final = frozenset({"INVITE", "UPDATE"})
"""Methods whose 2xx starts a new session interval (RFC 4028 §3)."""

_LARGEST: Final = 2**32 - 1

Refresher = Literal["uac", "uas"]


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of Session-Expires (RFC 4028 §4): seconds, and who of the transaction's two sides refreshes."""

    seconds: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, value: str) -> SessionExpires:
        """Parse a value; an unknown refresher counts as none. Raises SipParseError."""
        number, semicolon, rest = value.partition(";")
        params = parse_params(semicolon + rest, "Session-Expires")
        refresher = (get_param(params, "refresher") or "").lower()
        seconds = parse_number(number.strip(" \t"), "Session-Expires", _LARGEST)
        if refresher == "uac":
            return cls(seconds, "uac")
        return cls(seconds, "uas" if refresher == "uas" else None)

    def __str__(self) -> str:
        return str(self.seconds) if self.refresher is None else f"{self.seconds};refresher={self.refresher}"


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What a 2xx settles. `required`: the client has to know of the timer, as it is the one who refreshes (§9)."""

    expires: SessionExpires
    required: bool = False

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields of the 2xx."""
        fields = (("Session-Expires", str(self.expires)),)
        return (("Require", "timer"), *fields) if self.required else fields


def minimum_interval(message: Request | Response) -> int:
    """Min-SE in seconds (§5), 90 where it is absent; raises SipParseError when it is malformed."""
    value = message.headers.get("Min-SE")
    if value is None:
        return LEAST_INTERVAL
    return max(LEAST_INTERVAL, parse_number(value.partition(";")[0].strip(" \t"), "Min-SE", _LARGEST))


def inspect_session_expires(request: Request, min_se: int) -> Refusal | None:
    """§9: an interval below ours is refused with 422, to clients that know what it means.

    Raises SipParseError for a malformed Session-Expires or Min-SE.
    """
    minimum_interval(request)
    value = request.headers.get("Session-Expires")
    if value is None or SessionExpires.parse(value).seconds >= min_se or not _knows_timers(request):
        return None
    return Refusal(422, (("Min-SE", str(min_se)),))


def answer_terms(request: Request, config: UserAgentConfig, *, peer_refreshes: bool = False) -> SessionTerms | None:
    """What our 2xx to an INVITE or UPDATE says (§9, table 2); None: the session has no timer.

    A client that names no refresher leaves the choice to us: we refresh ourselves, or the roles stay as they are when
    `peer_refreshes` already. Raises SipParseError for malformed fields.
    """
    value = request.headers.get("Session-Expires")
    supported = _knows_timers(request)
    if value is None:
        if not supported:
            return None
        seconds, refresher = max(config.session_expires, minimum_interval(request)), None
    else:
        asked = SessionExpires.parse(value)
        if asked.seconds < config.min_se:
            return None  # a proxy's wish for a client without timers, which a 422 would tell nothing
        # §9: it may be reduced, but not below the Min-SE of the request; it is never increased
        seconds = min(asked.seconds, max(config.session_expires, minimum_interval(request)))
        refresher = asked.refresher
    if not supported:
        return SessionTerms(SessionExpires(seconds, "uas"))
    if refresher is None:
        refresher = "uac" if peer_refreshes else "uas"
    return SessionTerms(SessionExpires(seconds, refresher), required=refresher == "uac")


def agreed_terms(response: Response) -> SessionExpires | None:
    """What a 2xx to our INVITE or UPDATE says; None: the session has no timer, or none any more (§7.2).

    A server that forgets to say who refreshes leaves it to us. One that goes below the least interval is not followed
    there.
    """
    value = response.headers.get("Session-Expires")
    if value is None:
        return None
    try:
        said = SessionExpires.parse(value)
    except SipParseError:
        return None
    return SessionExpires(max(said.seconds, LEAST_INTERVAL), said.refresher or "uac")


def raised_proposal(request: Request, response: Response) -> int | None:
    """Write the interval that a 422 asks for into the copy of a request (§7.3), and return the new minimum in seconds.

    None, and nothing is written, when the 422 asks for no more than was offered.
    """
    value = request.headers.get("Session-Expires")
    if value is None or "Min-SE" not in response.headers:
        return None
    try:
        offered = SessionExpires.parse(value)
        least = minimum_interval(response)
    except SipParseError:
        return None
    if least <= offered.seconds:
        return None
    propose(request, least, least, offered.refresher)
    return least


def proposal_headers(seconds: int, least: int, refresher: Refresher | None = None) -> tuple[tuple[str, str], ...]:
    """Session-Expires for an INVITE or UPDATE, and Min-SE where it differs from what its absence means (§7.1)."""
    expires = ("Session-Expires", str(SessionExpires(max(seconds, least), refresher)))
    return (expires, ("Min-SE", str(least))) if least > LEAST_INTERVAL else (expires,)


def propose(request: Request, seconds: int, least: int, refresher: Refresher | None) -> None:
    """Write the same into a request, in the place of what is there."""
    for name, value in proposal_headers(seconds, least, refresher):
        request.headers.set(name, value)


def is_refresh(request: Request, session: bytes | None) -> bool:
    """Whether a re-INVITE comes from the side that refreshes and repeats the SDP that it sent last (§7.4).

    A session whose version is the same is the same octet for octet (RFC 3264 §8). The version in the o= line alone is
    not believed: there are peers that change the session and leave it.
    """
    value = request.headers.get("Session-Expires")
    if value is None or not request.body or request.body != session:
        return False
    return SessionExpires.parse(value).refresher != "uas"


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
        elif call._may_refresh:
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
        remote, flow = call._sender.dialog_hop(dialog, call.flow)
        if body:
            call._offers.send(body)
        self._transaction = call._sender.send_request(request, flow, remote, self, contact=call._contact, body=body)
        if method == "INVITE":
            call._offers.transaction = (
                self._transaction
            )  # a re-INVITE of the peer is glare from here on (RFC 3261 §14.2)
        return None

    def _refresh_method(self) -> Literal["UPDATE", "INVITE"]:
        """§7.4: UPDATE without SDP disturbs nothing, so it is preferred where the peer allows it."""
        if self._update_refused:
            return "INVITE"
        allowed = {method.strip(" \t") for line in self._call._peer_allow for method in line.split(",")}
        return "UPDATE" if "UPDATE" in allowed else "INVITE"

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
        again = None if call.ended else call._amended(transaction.request, response)
        if again is None:
            return False
        self._transaction = call._sender.send_again(again, call.flow, transaction.remote, self)
        if transaction is call._offer_out:
            call._offers.transaction = self._transaction
        return True

    def _take_answer(self, request: Request, response: Response) -> None:
        call = self._call
        if request.method == "INVITE":
            self._ack = call._send_ack(request, response)
        else:
            refresh_target(call, call.dialog, response)
        call._refreshed(response)

    def _finish(self, transaction: ClientTransaction) -> None:
        self._transaction = None
        if self._call._offer_out is transaction:
            self._call._offers.transaction = None


def _knows_timers(request: Request) -> bool:
    return "timer" in request.supported or "timer" in request.require
