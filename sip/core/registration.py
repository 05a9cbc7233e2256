"""A registration of ours at a carrier's registrar: made, refreshed at half its time, made again after failures, removed
in the end (RFC 3261 §10.2; RFC 5626 §4 where the registrar takes part; contract §14.3)."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip.core.exchange import Exchange, ExchangeResult
from sip.core.flows import Flow
from sip.core.probe import Locate
from sip.core.registration_state import (
    MIN_REFRESH,
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationState,
    Unregistered,
    granted_expires,
    min_expires_of,
    retry_after_of,
    retry_delay,
)
from sip.dialog import MAX_FORWARDS, first_cseq, new_tag
from sip.digest import Credentials, DigestSession
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipParseError
from sip.fields import NameAddr, parse_addresses
from sip.grammar import find_control
from sip.headers import Headers
from sip.message import Request, Response
from sip.uri import SipUri

if TYPE_CHECKING:
    from sip.core.agent import UserAgentCore
    from sip.transaction.timers import TimerEntry

WANTED_EXPIRES: Final = 3600
"""Contract §14.3."""

MAX_MIN_EXPIRES: Final = 7 * 86400
"""Longest Min-Expires that is followed; a registrar that wants more is not understood."""

UNREGISTER_SECONDS: Final = 4.0
"""How long `stop` waits for the registrar."""

RECONNECT_SECONDS: Final = 2.0
"""A lost connection is followed by a new REGISTER within this time, at random: others lost theirs with us."""


@dataclass(frozen=True, slots=True)
class RegistrationSettings:
    """Where and as whom to register. `registrar` is the Request-URI: a domain without user part.

    `instance` is a URN (RFC 5626 §4.1), which lets the registrar know us again after our address has changed, and with
    `reg_id` one flow from another.
    """

    registrar: SipUri
    aor: SipUri
    credentials: Credentials | None = None
    contact_user: str | None = None  # None: that of the aor
    display: str | None = None
    expires: int = WANTED_EXPIRES  # seconds wanted
    outbound_proxies: tuple[SipUri, ...] = ()  # in the order in which the request passes them
    instance: str | None = None
    reg_id: int = 1


class Registration:
    """Keeps one number registered until `stop`. `on_state` hears of each state, `state` is the latest."""

    def __init__(
        self,
        core: UserAgentCore,
        settings: RegistrationSettings,
        locate: Locate,
        on_state: Callable[[RegistrationState], None],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`jitter` gives numbers from 0 to 1. Raises LocalProtocolError for settings that cannot be written."""
        self._core = core
        self.settings = settings
        self._locate = locate
        self._on_state = on_state
        self._jitter = jitter
        self._digest = DigestSession(settings.credentials) if settings.credentials is not None else None
        self._call_id = secrets.token_hex(16)  # §10.2.4: one for all, with a rising CSeq
        self._sequence = first_cseq()
        self._tag = new_tag()
        self._expires = settings.expires
        self._outbound = settings.instance is not None
        self._exchange: Exchange | None = None
        self._timer: TimerEntry | None = None
        self._failures = 0
        self._remote: Endpoint | None = None
        self._kept: tuple[Endpoint, Endpoint] | None = None  # the flow that is kept open through a NAT
        self._asked = False  # whether the registrar may know us
        self._bound: SipUri | None = None  # the contact that it has bound
        self._known = False  # whether it knows us by our instance
        self._stopping = False
        self.state: RegistrationState = Registering()
        self._registrar = settings.registrar.replace(user=None, password=None, headers=()).without_params("method")
        self._check()

    def start(self) -> None:
        """Register, and stay so."""
        self._core.connection_users.add(self._connection_lost)
        self._become(Registering())
        self._register()

    def refresh(self) -> None:
        """Register again at once: an address of ours has changed, or the network is back."""
        if not self._stopping and self._exchange is None:
            self._register()

    def stop(self) -> None:
        """Remove the binding and end: Unregistered follows, after UNREGISTER_SECONDS at the latest. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        self._core.connection_users.discard(self._connection_lost)
        self._cancel_timer()
        self._release()
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        if not self._asked:
            self._become(Unregistered(confirmed=True))
            return
        timers = self._core.layer.timers
        self._timer = timers.schedule(UNREGISTER_SECONDS, lambda _argument: self._unregistered(confirmed=False))
        exchange = Exchange(self._core, lambda flow: self._compose(flow, 0), self._removed, digest=self._digest)
        self._exchange = exchange
        if self._remote is not None:
            exchange.start([self._remote])
        else:
            self._locate(self._next_hop, exchange.start)

    @property
    def _next_hop(self) -> SipUri:
        proxies = self.settings.outbound_proxies
        return proxies[0] if proxies else self._registrar

    def _check(self) -> None:
        """Compose once what will be composed in a timer, where nobody could be told of a fault."""
        settings = self.settings
        names = (settings.instance or "", settings.credentials.username if settings.credentials else "")
        if any(find_control(name) for name in names) or settings.expires <= 0:
            raise LocalProtocolError("a registration that cannot be written")
        self._compose(Flow(Endpoint("udp", "192.0.2.1", 5060), "192.0.2.1"), settings.expires)
        str(self._next_hop)

    def _register(self) -> None:
        self._cancel_timer()
        expires = self._expires
        exchange = Exchange(self._core, lambda flow: self._compose(flow, expires), self._answered, digest=self._digest)
        self._exchange = exchange
        self._locate(self._next_hop, exchange.start)

    def _compose(self, flow: Flow, expires: int) -> Request:
        settings = self.settings
        self._sequence += 1
        us = NameAddr(settings.display, settings.aor.replace(headers=()))
        fields = Headers(
            (
                *(("Route", str(NameAddr(None, _loose(proxy)))) for proxy in settings.outbound_proxies),
                ("Max-Forwards", MAX_FORWARDS),
                ("From", str(us.with_tag(self._tag))),
                ("To", str(us)),
                ("Call-ID", self._call_id),
                ("CSeq", f"{self._sequence} REGISTER"),
                *(("Contact", value) for value in self._contacts(flow, expires)),
                ("Expires", str(expires)),
                ("Supported", "path, outbound" if self._outbound else "path"),
            )
        )
        return Request("REGISTER", self._registrar, fields)

    def _contacts(self, flow: Flow, expires: int) -> list[str]:
        """Our contact; and with expires=0 the one of before, where our address has changed (§10.2.2). A registrar that
        takes part in RFC 5626 replaces it by itself."""
        contact = self._contact(flow)
        values = [str(contact.with_params(expires=str(expires)))]
        before = self._bound
        if before is not None and not self._known and not before.equivalent(contact.uri):
            values.append(str(NameAddr(None, before).with_params(expires="0")))
        return values

    def _contact(self, flow: Flow) -> NameAddr:
        settings = self.settings
        user = settings.aor.user if settings.contact_user is None else settings.contact_user
        contact = NameAddr.parse(flow.contact(user, secure=settings.registrar.scheme == "sips"), "Contact")
        if settings.instance is not None:
            contact = contact.with_params(**{"+sip.instance": f'"<{settings.instance}>"'})
            if self._outbound:
                contact = contact.with_params(**{"reg-id": str(settings.reg_id)})
        return contact

    def _answered(self, result: ExchangeResult) -> None:
        self._exchange = None
        response = result.response
        if response is None:
            # Silence does not tell whether the request arrived.
            self._asked |= result.request is not None
            self._fail(None, "Cannot be reached" if result.failure != "timeout" else "No response", None)
        elif response.status < 300:
            self._accepted(result, response)
        elif response.status == 423 and self._raise_expires(response):
            self._register()
        elif response.status == 439 and self._outbound:
            self._outbound = False  # RFC 5626 §4.2.1: the proxies on the way cannot do it
            self._register()
        else:
            self._fail(response.status, response.reason, retry_after_of(response))

    def _raise_expires(self, response: Response) -> bool:
        """§10.2.8; False where the registrar names nothing longer than what we asked for."""
        shortest = min_expires_of(response)
        if shortest is None or not self._expires < shortest <= MAX_MIN_EXPIRES:
            return False
        self._expires = shortest
        return True

    def _accepted(self, result: ExchangeResult, response: Response) -> None:
        assert result.flow is not None
        assert result.remote is not None
        ours = self._contact(result.flow)
        assert isinstance(ours.uri, SipUri)
        expires = granted_expires(response, ours, self._expires)
        if not expires:
            self._fail(response.status, "Not Bound", None)
            return
        self._asked = True
        self._bound = ours.uri
        self._failures = 0
        self._remote = result.remote
        self._known = self._outbound and "outbound" in {tag.lower() for tag in response.require}
        self._keep_open(result.flow, result.remote, response)
        self._wait(max(MIN_REFRESH, expires / 2), self._due)
        self._become(
            Registered(
                expires_at=self._core.clock() + expires,
                expires=expires,
                registrar=result.remote,
                contact=ours.uri,
                service_route=_addresses(response, "Service-Route"),
                path=_addresses(response, "Path"),
                outbound=self._known,
            )
        )

    def _fail(self, status: int | None, reason: str, retry_after: int | None) -> None:
        self._failures += 1
        delay = retry_delay(status, retry_after, self._failures, self._jitter())
        self._wait(delay, self._due)
        self._become(RegistrationFailed(status, reason, self._core.clock() + delay))

    def _due(self, _argument: object) -> None:
        self._timer = None
        if isinstance(self.state, RegistrationFailed):
            self._become(Registering())
        self._register()

    def _connection_lost(self, remote: Endpoint, _local: Endpoint) -> None:
        """RFC 5626 §4.4: the flow has failed. A try that is on its way hears of it by itself."""
        if remote != self._remote or not isinstance(self.state, Registered) or self._exchange is not None:
            return
        self._become(Registering())
        self._wait(RECONNECT_SECONDS * self._jitter(), self._due)

    def _removed(self, result: ExchangeResult) -> None:
        self._exchange = None
        self._unregistered(confirmed=result.response is not None and result.response.status < 300)

    def _unregistered(self, *, confirmed: bool) -> None:
        self._cancel_timer()
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        if not isinstance(self.state, Unregistered):
            self._become(Unregistered(confirmed))

    def _keep_open(self, flow: Flow, remote: Endpoint, response: Response) -> None:
        """Behind a NAT, which shows in the address that our request arrived from, the way back has to be kept open; and
        wherever the registrar relies on it (RFC 5626 §4.4)."""
        self._release()
        via = response.top_via
        seen = (via.received or via.host, via.rport or via.port)
        if self._known or seen != (flow.host, flow.local.port):
            self._kept = (remote, flow.local)
            self._core.keep_alive.hold(*self._kept)

    def _release(self) -> None:
        if self._kept is not None:
            self._core.keep_alive.release(*self._kept)
            self._kept = None

    def _wait(self, seconds: float, then: Callable[[object], None]) -> None:
        self._cancel_timer()
        self._timer = self._core.layer.timers.schedule(seconds, then)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._core.layer.timers.cancel(self._timer)
            self._timer = None

    def _become(self, state: RegistrationState) -> None:
        self.state = state
        self._core.notify(self._on_state, state)


def _loose(proxy: SipUri) -> SipUri:
    return proxy if proxy.has_param("lr") else proxy.with_params(lr=None)


def _addresses(response: Response, field: str) -> tuple[NameAddr, ...]:
    """The values of a route-like field; none when they do not parse, since what they are for is optional."""
    try:
        return tuple(parse_addresses(response.headers.get_all(field), field))
    except SipParseError:
        return ()
