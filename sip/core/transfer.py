"""Transfer inside a call: REFER both ways, the subscription that comes with it, NOTIFY with message/sipfrag (RFC 3515,
RFC 3420, RFC 6665; without the subscription: RFC 4488).

The implicit subscription lives no longer than the call: when the dialog ends, so do the NOTIFYs (RFC 5057 would let
them outlive it, but who has sent BYE seldom listens).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sip.core.events import ReferAccepted, ReferEnded, ReferFailed, ReferProgress, Referred
from sip.core.retry import with_credentials
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr, parse_number
from sip.grammar import find_control, get_param, is_token, parse_params, split_list
from sip.headers import Headers
from sip.message import Request, Response
from sip.reasons import reason_phrase
from sip.replaces import Replaces, headers_from_uri
from sip.transaction.transaction import ClientTransaction, Failure, ServerTransaction
from sip.uri import SipUri, Uri

if TYPE_CHECKING:
    from sip.core.call import Call
    from sip.transaction.timers import TimerEntry

EVENT: Final = "refer"
SIPFRAG: Final = "message/sipfrag"

REFERS: Final = 8
"""REFERs of the peer in one call that are undecided or still reported on; one more is told to come later."""

DECISION_SECONDS: Final = 10.0
"""How long the application may think about a REFER before it is declined; the peer repeats it for 32 s at most."""

SUBSCRIPTION_SECONDS: Final = 180
"""Life of the subscription that a REFER of the peer makes: as long as proxies let a call ring (RFC 3261 §16.6)."""

LONGEST_SUBSCRIPTION: Final = 3600
"""Seconds for which a subscription of ours is believed without a word of the peer, whatever it says."""

PHRASE_CHARS: Final = 128
"""Longest reason phrase taken from a sipfrag."""

_match_status_line = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: ([^\x00-\x1f\x7f]*))?\r?(?:\n|$)", re.IGNORECASE).match


def parse_event(value: str | None) -> tuple[str, str | None]:
    """Package in lower case and `id` of an Event value (RFC 6665 §8.2.1). Raises SipParseError."""
    package, semicolon, rest = (value or "").partition(";")
    package = package.strip(" \t").lower()
    if not is_token(package):
        raise SipParseError("Malformed event", field="Event")
    return package, get_param(parse_params(semicolon + rest, "Event"), "id")


def parse_sipfrag(body: bytes) -> tuple[int, str] | None:
    """Status and phrase from the start line of a message/sipfrag (RFC 3420 §2); None when it begins otherwise."""
    found = _match_status_line(body)
    if found is None:
        return None
    return int(found[1]), (found[2] or b"").decode(errors="replace").strip()[:PHRASE_CHARS]


def read_refer(request: Request) -> tuple[Uri, str, Replaces | None, NameAddr | None]:
    """What a REFER asks for: target, method, the dialog to replace, and who refers (RFC 3515 §2.1, RFC 3892 §2).

    The target keeps no header but those that a call made to it takes over. Raises SipParseError unless there is exactly
    one well-formed Refer-To.
    """
    values = request.headers.get_all("Refer-To")
    if len(values) != 1 or len(split_list(values[0], "Refer-To")) != 1:
        raise SipParseError("Not exactly one value", field="Refer-To")
    target: Uri = NameAddr.parse(values[0], "Refer-To").uri
    method, replaces = "INVITE", None
    if isinstance(target, SipUri):
        method = target.param("method") or "INVITE"
        for name, text in target.headers:
            if name.lower() == "replaces":
                replaces = Replaces.parse(text)
        target = target.replace(headers=headers_from_uri(target)).without_params("method")
    referred_by = None
    value = request.headers.get("Referred-By")
    if value is not None:
        referred_by = NameAddr.parse(value, "Referred-By")
    return target, method, replaces, referred_by


class Transfers:
    """The REFERs of one call, those of the peer and ours; made when there is the first of them."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.incoming: list[IncomingRefer] = []
        self.outgoing: OutgoingRefer | None = None
        self._referred = False  # the first subscription needs no id (RFC 3515 §2.4.6)

    def receive_refer(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        """A REFER inside the dialog: Referred, unless it is malformed or one too many."""
        sender = self.call._sender
        if len(self.incoming) >= REFERS:
            sender.reply(request, source, local, 500, headers=(("Retry-After", str(int(DECISION_SECONDS))),))
            return
        target, method, replaces, referred_by = read_refer(request)
        wanted = (request.headers.get("Refer-Sub") or "true").partition(";")[0].strip(" \t").lower() != "false"
        event = f"{EVENT};id={request.cseq.number}" if self._referred else EVENT
        self._referred = True
        refer = IncomingRefer(self, request, sender.serve(request, source, local), event, wanted=wanted)
        self.incoming.append(refer)
        self.call._emit(Referred(target, method, replaces, referred_by, refer))

    def receive_notify(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        """A NOTIFY inside the dialog (RFC 6665 §4.1.3): for our REFER, or refused."""
        sender = self.call._sender
        refer = self.outgoing
        package, identifier = parse_event(request.headers.get("Event"))
        if package != EVENT:
            sender.reply(request, source, local, 489, headers=(("Allow-Events", EVENT),))
        elif refer is None or not refer.is_meant(identifier):
            sender.reply(request, source, local, 481)
        else:
            sender.reply(request, source, local, 200)
            refer.notified(request)

    def close(self) -> None:
        """The call is over: what is undecided is declined, nothing is reported any more."""
        for refer in tuple(self.incoming):
            refer.reject(487)
            refer.end()
        if self.outgoing is not None:
            self.outgoing.stop()
            self.outgoing = None


class IncomingRefer:
    """One REFER of the peer, see events.ReferResponder: decided once, then reported on."""

    def __init__(
        self, transfers: Transfers, request: Request, transaction: ServerTransaction, event: str, *, wanted: bool
    ) -> None:
        self._transfers = transfers
        self._call = transfers.call
        self._request: Request | None = request  # until it is decided
        self._server = transaction
        self._event = event
        self._wanted = wanted  # RFC 4488: whether the peer wants to hear of it
        self._timers = self._call._sender.layer.timers
        self._timer: TimerEntry | None = self._timers.schedule(DECISION_SECONDS, self._undecided)
        self._expires_at = 0.0
        self._latest = (100, reason_phrase(100))
        self._client: ClientTransaction | None = None  # the NOTIFY on its way
        self._next: tuple[int, str, str] | None = None  # status, phrase, Subscription-State reason or nothing
        self._over = False  # the last NOTIFY is on its way, or nothing more is to be said

    def accept(self) -> None:
        """Answer 202; a NOTIFY of 100 follows at once (RFC 3515 §2.4.4)."""
        request, self._request = self._request, None
        if request is None:
            return
        call = self._call
        headers = () if self._wanted else (("Refer-Sub", "false"),)
        self._server.respond(
            call._sender.response(request, 202, to_tag=call.local_tag, contact=call._contact, headers=headers)
        )
        self._cancel_timer()
        if self._wanted:
            self._expires_at = call._core.clock() + SUBSCRIPTION_SECONDS
            self._timer = self._timers.schedule(SUBSCRIPTION_SECONDS, self._expire)
            self._report(*self._latest, "")
        else:
            self.end()
        call._core.wake()

    def reject(self, status: int = 603, reason: str | None = None) -> None:
        """Refuse with a final status from 300 to 699."""
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"a REFER is not refused with {status}")
        request, self._request = self._request, None
        if request is None:
            return
        self._server.respond(self._call._sender.response(request, status, reason, to_tag=self._call.local_tag))
        self.end()
        self._call._core.wake()

    def notify(self, status: int, reason: str | None = None, *, final: bool = False) -> None:
        """Report how far the referred call has come; a final status, or `final`, ends the subscription (RFC 3515
        §2.4.5).

        No effect before `accept`, after the end, and where the peer wants no reports. Raises LocalProtocolError for
        what is no status line.
        """
        phrase = reason_phrase(status) if reason is None else reason
        if not 100 <= status <= 699 or find_control(phrase):
            raise LocalProtocolError(f"not a status line: {status!r} {phrase!r}")
        if self._request is None and not self._over:
            self._report(status, phrase, "noresource" if final or status >= 200 else "")

    def end(self) -> None:
        """Nothing more is to be said."""
        self._over = True
        self._next = None
        self._cancel_timer()
        if self in self._transfers.incoming:
            self._transfers.incoming.remove(self)

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to a NOTIFY. Whoever refuses one has no subscription any more (RFC 6665 §4.2.2)."""
        if transaction is not self._client or response.status < 200:
            return
        self._client = None
        call = self._call
        again = None if call.ended else with_credentials(call, transaction.request, response)
        if again is not None:
            self._client = call._sender.send_again(again, transaction, self)
        elif response.status >= 300 or (self._over and self._next is None):
            self.end()
        elif self._next is not None:
            self._send(*self._next)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: a NOTIFY went unanswered, which ends the subscription (RFC 6665 §4.2.2)."""
        if transaction is self._client:
            self._client = None
            self.end()

    def _report(self, status: int, phrase: str, over: str) -> None:
        """Send a NOTIFY, or keep it until the one on its way is answered: two could overtake each other. A later one
        takes the place of one that waits."""
        self._latest = (status, phrase)
        self._over = bool(over)
        if self._over:
            self._cancel_timer()
        if self._client is None:
            self._send(status, phrase, over)
        else:
            self._next = (status, phrase, over)

    def _send(self, status: int, phrase: str, over: str) -> None:
        self._next = None
        call = self._call
        if call.ended or call.dialog is None:
            self.end()
            return
        request = call.dialog.request("NOTIFY")
        left = max(0, round(self._expires_at - call._core.clock()))
        request.headers.add("Event", self._event)
        request.headers.add("Subscription-State", f"terminated;reason={over}" if over else f"active;expires={left}")
        self._client = call._sender.send_in_dialog(
            call.dialog,
            call.flow,
            request,
            self,
            contact=call._contact,
            content_type=f"{SIPFRAG};version=2.0",
            body=f"SIP/2.0 {status} {phrase}\r\n".encode(),
        )
        call._core.wake()

    def _undecided(self, _argument: object) -> None:
        self._timer = None
        self.reject()

    def _expire(self, _argument: object) -> None:
        self._timer = None
        self._report(*self._latest, "timeout")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None


class OutgoingRefer:
    """A REFER of ours, and the subscription that the peer's 2xx makes."""

    def __init__(
        self, transfers: Transfers, target: Uri, replaces: Replaces | None, referred_by: NameAddr | None
    ) -> None:
        """Sends the REFER. Raises LocalProtocolError for values that cannot be written."""
        self._transfers = transfers
        self._call = transfers.call
        self._accepted = False
        self._timer: TimerEntry | None = None
        if replaces is not None:
            if not isinstance(target, SipUri):
                raise LocalProtocolError("only a SIP URI can carry Replaces")
            target = target.replace(headers=(*target.headers, ("Replaces", str(replaces))))
        call = self._call
        assert call.dialog is not None
        fields = Headers((("Refer-To", str(NameAddr(None, target))),))
        if referred_by is not None:
            fields.add("Referred-By", str(referred_by))
        request = call.dialog.request("REFER")  # after all that may be wrong: it takes a CSeq number
        for name, value in fields:
            request.headers.add(name, value)
        self._client = call._sender.send_in_dialog(call.dialog, call.flow, request, self, contact=call._contact)

    def is_meant(self, identifier: str | None) -> bool:
        """Whether a NOTIFY with this Event id is about this REFER (RFC 3515 §2.4.6)."""
        return identifier is None or identifier == str(self._client.request.cseq.number)

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: a response to the REFER."""
        call = self._call
        if transaction is not self._client or response.status < 200 or call.ended:
            return
        if response.status >= 300:
            again = with_credentials(call, transaction.request, response)
            if again is not None:
                self._client = call._sender.send_again(again, transaction, self)
                return
            self._end(ReferFailed(response.status, response.reason))
            if response.status == 481:
                call._lost("gone")
            return
        call._challenges_answered = 0
        self._accept()
        if (response.headers.get("Refer-Sub") or "").strip(" \t").lower() == "false":
            self._end(ReferEnded("no_subscription"))  # RFC 4488 §4: there will be no NOTIFY

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no final response to the REFER."""
        if transaction is self._client and not self._accepted:
            self._end(ReferFailed(None, failure))

    def notified(self, request: Request) -> None:
        """A NOTIFY about this REFER, which may overtake the 2xx (RFC 6665 §4.1.2.4)."""
        self._accept()
        said = parse_sipfrag(request.body) if request.content_type == SIPFRAG else None
        if said is not None:
            self._call._emit(ReferProgress(*said))
        state, semicolon, rest = (request.headers.get("Subscription-State") or "active").partition(";")
        try:
            params = parse_params(semicolon + rest, "Subscription-State")
        except SipParseError:
            params = ()
        if state.strip(" \t").lower() == "terminated":
            self._end(ReferEnded(get_param(params, "reason") or "noresource"))
            return
        if said is not None and said[0] >= 200:
            # RFC 3515 §2.4.5: it had to terminate with this. linphone leaves a failure active and says nothing more
            self._end(ReferEnded("noresource"))
            return
        try:
            expires = parse_number(get_param(params, "expires") or "", "Subscription-State", 2**32 - 1)
        except SipParseError:
            expires = SUBSCRIPTION_SECONDS
        self._wait(min(expires, LONGEST_SUBSCRIPTION))

    def stop(self) -> None:
        """No timer any more."""
        if self._timer is not None:
            self._call._sender.layer.timers.cancel(self._timer)
            self._timer = None

    def _accept(self) -> None:
        if self._accepted:
            return
        self._accepted = True
        self._call._emit(ReferAccepted())
        # RFC 6665 §4.1.2.4, timer N: the first NOTIFY comes within 64*T1 or not at all
        self._wait(64 * self._call._sender.layer.timer_config.t1)

    def _wait(self, seconds: float) -> None:
        self.stop()
        self._timer = self._call._sender.layer.timers.schedule(seconds, self._silent)

    def _silent(self, _argument: object) -> None:
        self._timer = None
        self._end(ReferEnded("timeout"))

    def _end(self, event: ReferFailed | ReferEnded) -> None:
        self.stop()
        if self._transfers.outgoing is self:
            self._transfers.outgoing = None
            self._call._emit(event)
