"""The user agent core: datagrams and the passing of time in, datagrams and call events out (RFC 3261 §8, §9, §12.2.2).

No sockets and no asyncio, in the manner of h11. Whoever drives a core keeps this contract: it calls `receive_datagram`
for what arrives and `handle_timeout` when the clock has reached `next_timeout`; after each of these, and whenever
`on_wake` was called because a call was acted upon, it takes `events` and `notices`, delivers them, sends
`data_to_send`, and looks at `next_timeout` again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sip.admission import CHALLENGE_COST, REFUSAL_COST, Admission
from sip.binding import BindingChange
from sip.core.authentication import Challengeable
from sip.core.call import Call
from sip.core.config import AUTH_FAILURE_WINDOW, UserAgentConfig
from sip.core.delivery import EventsWaiting
from sip.core.events import CallEvent
from sip.core.incoming import IncomingCall
from sip.core.inspection import ACCEPT, ALLOW_EVENTS, ALLOWED_METHODS, SUPPORTED
from sip.core.keepalive import KeepAlive
from sip.core.messaging import MessageReceived
from sip.core.outgoing import OutgoingCall
from sip.core.placing import compose_invite
from sip.core.reception import Reception
from sip.core.redirect import FOLLOWED_REDIRECTS
from sip.core.registering import RegisterRequest, RegisterService
from sip.core.sending import Sender
from sip.core.session_terms import proposal_headers
from sip.core.statistics import Statistics
from sip.core.unavailable import UnavailablePeers
from sip.defence import Defence
from sip.dialog import Dialog, DialogKey
from sip.digest import Credentials, DigestAuthenticator, DigestOutcome, DigestResult
from sip.endpoint import Endpoint
from sip.fields import NameAddr
from sip.message import Request, Response, is_keepalive
from sip.registrar import Registrar
from sip.transaction.layer import Datagram, TransactionLayer
from sip.transaction.table import Event
from sip.transaction.transaction import ClientTransaction
from sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class CallReceived:
    """A new incoming call that has passed the checks of the protocol; the first event of each."""


UNREACHABLE_SECONDS = 30
"""How long an address that a message could not be sent to comes after all others."""

Located: TypeAlias = Callable[[Sequence[Endpoint]], None]
"""Takes the addresses that a URI was resolved to, in the order in which they are to be tried."""

CoreEvent: TypeAlias = tuple[Call, CallEvent | CallReceived | EventsWaiting]

Notice: TypeAlias = tuple[Callable[[Any], None], Any]
"""A callback of the application outside of any call, with what it is to be told."""


class UserAgentCore:
    """Any number of calls over any number of listeners.

    `clock` returns seconds that only grow. `local_address_for` maps a peer's address to ours on the way to it. Nothing
    here raises for what a peer sent; an exception from `receive_datagram` or `handle_timeout` is a bug, after which the
    core goes on.
    """

    def __init__(
        self,
        config: UserAgentConfig,
        *,
        clock: Callable[[], float],
        local_address_for: Callable[[str], str],
        on_wake: Callable[[], None] = lambda: None,
        on_ban: Callable[[str, float], None] = lambda _host, _seconds: None,
        on_fault: Callable[[Endpoint, str], None] = lambda _source, _reason: None,
        is_trusted: Callable[[str], bool] = lambda _host: False,
        on_message: Callable[[MessageReceived], None] | None = None,
        locate: Callable[[SipUri, Located], None] | None = None,
    ) -> None:
        """`is_trusted(host)` tells addresses that may send as much as they like, such as those of carriers.

        `on_message` takes MESSAGEs; without it they are refused. `locate(uri, located)` finds the addresses of a URI
        that a call is redirected to and calls `located` with them, at once or later, with none when there are none;
        without it names are left to whoever sends the datagrams.

        `on_ban(host, seconds)` and `on_fault(source, reason)` are there to be logged: an address that is ignored
        from now on, and a message that did not parse."""
        self.config = config
        self.clock = clock
        self.wake = on_wake
        self.draining = False
        self.statistics = Statistics()
        self.layer = TransactionLayer(config.timers, clock)
        self.sender = Sender(config, self.layer, self.statistics, local_address_for)
        self.unavailable = UnavailablePeers()
        self.locate = locate or self._locate
        self.sender.locate = self._locate_and_wake
        self._on_message = on_message
        self.methods = ALLOWED_METHODS if on_message is None else (*ALLOWED_METHODS, "MESSAGE")
        self.sender.allow = ", ".join(self.methods)
        self.defence = Defence(
            limit=config.auth_failures,
            window=AUTH_FAILURE_WINDOW,
            ban_seconds=config.ban_seconds,
            sources=config.tracked_sources,
            on_ban=on_ban,
        )
        self.admission = Admission(
            self.defence,
            rate=config.source_rate,
            burst=config.source_burst,
            sources=config.tracked_sources,
            is_trusted=is_trusted,
        )
        self.sender.may_answer = self._may_answer
        self.digest = DigestAuthenticator(
            config.domain or config.advertised_address or "voylo",
            secrets.token_bytes(32),
            config.nonce_seconds,
            config.digest_algorithms,
        )
        self.keep_alive = KeepAlive(self.layer)
        self.registering: RegisterService | None = None
        self.connection_users: set[Callable[[Endpoint, Endpoint], None]] = set()
        self._session_proposal = proposal_headers(config.session_expires, config.min_se)
        self._events: list[CoreEvent] = []
        self._notices: list[Notice] = []
        self._calls: set[Call] = set()
        self._dialogs: dict[DialogKey, tuple[Call, Dialog]] = {}
        self._reception = Reception(self, on_fault)

    @property
    def calls(self) -> int:
        """Calls that have not ended, and those whose BYE is on its way."""
        return len(self._calls)

    @property
    def dialogs(self) -> int:
        """Dialogs that requests are matched against."""
        return len(self._dialogs)

    def receive_datagram(self, data: bytes, source: Endpoint, local: Endpoint) -> bool:
        """Handle one datagram that came from `source` to the listener `local`; False when it was dropped unread."""
        if not self.admission.admits(source.host, self.clock()):
            self.statistics.banned, self.statistics.throttled = self.defence.dropped, self.admission.throttled
            return False
        if not is_keepalive(data):
            self._reception.receive(data, source, local)
        return True

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, on the clock; None when nothing waits."""
        return self.layer.timers.next_deadline()

    def handle_timeout(self) -> None:
        """Run every timer that is due. After an exception the timer at fault is gone, and the others are still there to
        be run."""
        while (due := self.layer.timers.pop_due()) is not None:
            callback, argument = due
            callback(argument)

    @property
    def has_output(self) -> bool:
        """Whether there is anything to send, to deliver or to tell."""
        return bool(self.layer.output or self._events or self._notices)

    def data_to_send(self) -> list[Datagram]:
        """Take what is to be sent, in order."""
        output = self.layer.output
        if output:
            self.layer.output = []
            self.statistics.messages_sent += len(output)
        return output

    def events(self) -> list[CoreEvent]:
        """Take what has happened, in order. A CallReceived introduces a new call; all others go to `Call.deliver`."""
        events = self._events
        if events:
            self._events = []
        return events

    def notices(self) -> list[Notice]:
        """Take what the application is to be told outside of calls, in order: call each with its argument."""
        notices = self._notices
        if notices:
            self._notices = []
        return notices

    def notify(self, callback: Callable[[Any], None], argument: object) -> None:
        """Queue a notice."""
        self._notices.append((callback, argument))
        self.wake()

    def connection_lost(self, remote: Endpoint, local: Endpoint) -> None:
        """A connection has ended: bindings over it are gone, registrations of ours that used it are made again."""
        if self.registering is not None:
            self.registering.connection_lost(remote, local)
        for user in tuple(self.connection_users):
            user(remote, local)

    def serve_registrations(
        self,
        on_register: Callable[[RegisterRequest], None],
        on_change: Callable[[BindingChange], None] | None = None,
        registrar: Registrar | None = None,
    ) -> Registrar:
        """Answer REGISTER from now on, 405 until then: `on_register` authenticates, the registrar returned does the
        rest, `on_change` hears what becomes of bindings."""
        if registrar is None:
            registrar = Registrar()
        self.registering = RegisterService(self, registrar, on_register, on_change)
        return registrar

    def end_registrations(self, aor_key: str) -> None:
        """Remove all bindings of an account."""
        if self.registering is not None:
            self.registering.remove_all(aor_key)

    def transport_failed(self, datagram: Datagram) -> None:
        """A datagram of ours could not be sent (§17.1.4, §17.2.4)."""
        self.statistics.send_errors += 1
        if isinstance(datagram.transaction, ClientTransaction):
            self.sender.unreachable.note(datagram.remote, UNREACHABLE_SECONDS, self.clock())
        if datagram.transaction is not None:
            datagram.transaction.handle(Event.TRANSPORT_ERROR)

    def place_call(
        self,
        target: SipUri,
        *,
        from_: NameAddr,
        to: NameAddr | None = None,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: Sequence[tuple[str, str]] = (),
        credentials: Credentials | None = None,
        follow_redirects: int = FOLLOWED_REDIRECTS,
    ) -> OutgoingCall:
        """Make a call; it is sent by `OutgoingCall.start`, once its next hop has an address.

        Of the header fields in the target URI it takes over those of a transfer: Replaces and Referred-By. At most
        `follow_redirects` addresses of 3xx responses are tried; 0: none. Challenges of other hosts than that of
        `target` are not answered.

        Raises LocalProtocolError for header fields that the protocol writes itself, and for text that cannot be a
        header value.
        """
        request = compose_invite(
            target,
            from_=from_,
            to=to,
            body=body,
            content_type=content_type,
            headers=headers,
            session_proposal=self._session_proposal,
        )
        call = OutgoingCall(self, request, credentials, follow_redirects)
        self._calls.add(call)
        self.statistics.calls_placed += 1
        return call

    def check_credentials(
        self,
        asking: Challengeable,
        realm: str | None,
        lookup: Credentials | Callable[[str], Credentials | None],
        *,
        proxy: bool = False,
    ) -> DigestResult:
        """Check the credentials in a request, INVITE or other (§22.1); a wrong one counts against its source.

        With `proxy` they are those of Proxy-Authorization, and its `challenge` will answer 407 instead of 401.
        """
        asking.proxy_challenge = proxy
        request = asking.request
        result = self.digest.verify(
            request.headers.get_all("Proxy-Authorization" if proxy else "Authorization"),
            request.method,
            realm,
            asking.source.host,
            self.clock(),
            lookup,
            str(request.uri),
        )
        if result.ok:
            self.admission.trust(asking.source.host, self.clock())
        elif result.outcome is DigestOutcome.BAD:
            self.report_authentication_failure(asking.source)
        return result

    def report_authentication_failure(self, source: Endpoint) -> None:
        """Count a failed authentication of an address; after too many of them it is ignored for a while (contract
        §14.1)."""
        self.defence.record_failure(source.host, self.clock())

    def challenges(self, asking: Challengeable, realm: str | None, *, stale: bool) -> list[tuple[str, str]]:
        """The header fields that ask whoever sent a request for credentials."""
        name = "Proxy-Authenticate" if asking.proxy_challenge else "WWW-Authenticate"
        agent = asking.request.headers.get("User-Agent")
        values = self.digest.challenge(
            realm,
            asking.source.host,
            self.clock(),
            stale=stale,
            user_agent=agent,
            browser=asking.source.transport in {"ws", "wss"},
        )
        return [(name, value) for value in values]

    def emit(self, call: Call, event: CallEvent | EventsWaiting) -> None:
        """Queue an event of a call."""
        self._events.append((call, event))
        self.wake()

    def introduce(self, call: IncomingCall) -> None:
        """A new incoming call has passed the checks of the protocol."""
        self._calls.add(call)
        self.remember_dialog(call.dialog, call)
        self.statistics.calls_received += 1
        self._events.append((call, CallReceived()))

    def find_dialog(self, key: DialogKey) -> tuple[Call, Dialog] | None:
        """The call that a dialog belongs to, and the dialog."""
        return self._dialogs.get(key)

    def remember_dialog(self, dialog: Dialog, call: Call) -> None:
        """Let requests in this dialog find the call."""
        self._dialogs[dialog.key] = (call, dialog)

    def forget_dialog(self, dialog: Dialog) -> None:
        """Requests in this dialog are answered 481 from now on."""
        self._dialogs.pop(dialog.key, None)

    def forget_call(self, call: Call) -> None:
        """A call has ended for good."""
        self._calls.discard(call)
        if call.dialog is not None:
            self.forget_dialog(call.dialog)

    def refuse(
        self,
        request: Request,
        source: Endpoint,
        local: Endpoint,
        status: int,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Refuse the request that is being handled without keeping anything of it."""
        self.sender.refuse(request, source, local, status, reason, size=self._reception.size, headers=headers)

    def answer_options(self, request: Request, source: Endpoint, local: Endpoint) -> None:
        """Tell what we can do (§11.2)."""
        allow = self.sender.allow if self.registering is None else f"{self.sender.allow}, REGISTER"
        headers = (
            ("Allow", allow),
            ("Accept", ACCEPT),
            ("Accept-Encoding", "identity"),
            ("Supported", SUPPORTED),
            ("Allow-Events", ALLOW_EVENTS),
        )
        self.sender.answer_unasked(request, source, local, 200, size=self._reception.size, headers=headers)

    def take_message(self, request: Request, source: Endpoint, local: Endpoint, call: Call | None = None) -> None:
        """Answer a MESSAGE and hand it over (RFC 3428 §7)."""
        assert self._on_message is not None  # else it is not among our methods
        self.sender.reply(request, source, local, 200, to_tag=None if call is None else call.local_tag)
        self.notify(self._on_message, MessageReceived(request, source, call))

    def _locate_and_wake(self, uri: SipUri, located: Located) -> None:
        """Find addresses for a request of a dialog, which is sent outside of the core's own doings."""

        def found(remotes: Sequence[Endpoint]) -> None:
            located(remotes)
            self.wake()

        self.locate(uri, found)

    def _locate(self, uri: SipUri, located: Located) -> None:
        located((self.sender.hop(uri),))

    def _may_answer(self, response: Response, host: str) -> bool:
        """Charge an answer that nobody has authenticated for to its asker; False when it is not to be sent."""
        now = self.clock()
        if response.status in {401, 407}:
            self.admission.charge(host, CHALLENGE_COST, now)
            return True
        if response.status >= 300:
            self.admission.charge(host, REFUSAL_COST, now)
        if self.config.silent and not self.admission.knows(host, now):
            self.statistics.silenced += 1
            return False
        return True
