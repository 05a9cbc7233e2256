"""The SIP user agent on asyncio, which is what other rooms use. All protocol is in `sip.core`; `driver` drives it."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

from sip.binding import BindingChange
from sip.core.agent import Located, UserAgentCore
from sip.core.authentication import Challengeable
from sip.core.config import UserAgentConfig
from sip.core.events import CallEvent
from sip.core.incoming import IncomingCall
from sip.core.messaging import MessageReceived
from sip.core.outgoing import OutgoingCall
from sip.core.probe import DEFAULT_INTERVAL, HealthChange, HealthProbe
from sip.core.redirect import FOLLOWED_REDIRECTS
from sip.core.registering import RegisterRequest
from sip.core.registration import Registration, RegistrationSettings
from sip.core.registration_state import RegistrationState
from sip.core.routing import same_family
from sip.core.statistics import Statistics
from sip.digest import Credentials, DigestAuthenticator, DigestResult
from sip.driver import Driver
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError
from sip.fields import NameAddr
from sip.registrar import Registrar
from sip.transaction.layer import TransactionCounters
from sip.transport.addresses import LocalAddresses
from sip.transport.connection import StreamCounters
from sip.transport.lookups import LookUps
from sip.transport.resolver import Dns, Resolver
from sip.transport.sockets import Sockets
from sip.transport.udp import UdpCounters
from sip.uri import SipUri

log = logging.getLogger(__name__)


class UserAgent:
    """Places and receives calls over UDP, TCP, TLS and WebSocket.

    Create it, `start` it inside a running event loop, `close` it in the end. `on_call` is called in the event loop for
    each new call that has passed the protocol's checks; it takes the call by setting `call.on_event` and answers or
    rejects it then or later. `is_trusted` tells of an address whether it may send as much as it likes
    (`UserAgentConfig.source_rate`). `on_message` takes MESSAGEs (RFC 3428), which are refused without it. `dns` is
    asked instead of the system's servers; `clock` returns seconds that only grow; both are for tests.
    """

    def __init__(
        self,
        config: UserAgentConfig,
        on_call: Callable[[IncomingCall], None],
        *,
        is_trusted: Callable[[str], bool] = lambda _host: False,
        on_message: Callable[[MessageReceived], None] | None = None,
        dns: Dns | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.bound: dict[str, list[tuple[str, int]]] = {}
        self._on_call = on_call
        self._dns = dns
        self._clock = clock
        self._addresses = LocalAddresses(clock)
        self._driver = Driver(self._take_call, clock)
        self._core = UserAgentCore(
            config,
            clock=clock,
            local_address_for=self.local_address_for,
            on_wake=self._driver.wake,
            on_ban=_log_ban,
            on_fault=self._driver.log_fault,
            is_trusted=is_trusted,
            on_message=on_message,
            locate=self._locate,
        )
        self._driver.core = self._core
        self._sockets: Sockets | None = None

    @property
    def draining(self) -> bool:
        """Whether new calls get 503 with Retry-After; calls in progress go on (contract §22.4)."""
        return self._core.draining

    @draining.setter
    def draining(self, value: bool) -> None:
        self._core.draining = value

    @property
    def digest(self) -> DigestAuthenticator:
        """Makes and checks challenges for incoming calls."""
        return self._core.digest

    @property
    def statistics(self) -> Statistics:
        """Counters of messages and calls."""
        return self._core.statistics

    @property
    def transaction_counters(self) -> TransactionCounters:
        """Counters of transactions and retransmissions."""
        return self._core.layer.counters

    @property
    def udp_counters(self) -> tuple[UdpCounters, ...]:
        """Counters of the sockets, in the order of the listeners."""
        return () if self._sockets is None else self._sockets.udp_counters

    @property
    def calls(self) -> int:
        """Calls in progress."""
        return self._core.calls

    @property
    def stream_counters(self) -> StreamCounters:
        """Counters of the connections."""
        return StreamCounters() if self._sockets is None else self._sockets.connections.counters

    @property
    def connections(self) -> int:
        """Open connections, of both directions."""
        return 0 if self._sockets is None else len(self._sockets.connections)

    async def start(self) -> None:
        """Bind every listener; raises OSError that names the address when one cannot be bound, with none left open."""
        driver = self._driver
        sockets = Sockets(self.config, driver.receive, driver.gather, driver.connection_lost, driver.fail_later)
        await sockets.open()
        self._sockets = sockets
        sender = self._core.sender
        for local in sockets.listening:
            sender.add_listener(local)
            self.bound.setdefault(local.transport, []).append((local.host, local.port))
        sender.is_connected = sockets.is_connected
        self._add_client_only()
        families = {socket.AF_INET6 if ":" in local.host else socket.AF_INET for local in sender.listeners}
        resolver = Resolver(self._clock, frozenset(families), sender.transports, self._dns)
        self._driver.start(sockets, LookUps(resolver))

    def _add_client_only(self) -> None:
        """Let requests leave over TCP and TLS without a listener for them.

        Via and Contact name the address of another listener then; the peer reaches us over the connection.
        """
        sender = self._core.sender
        present = sender.listeners
        for transport in ("tcp", "tls"):
            if transport not in sender.transports:
                for local in present:
                    sender.add_listener(Endpoint(transport, local.host, local.port))

    async def close(self) -> None:
        """Send what is waiting and give the ports back. Calls are not hung up: that is for whoever made or took
        them."""
        await self._driver.stop()
        if self._sockets is not None:
            await self._sockets.close()
        self.bound.clear()

    @property
    def _running(self) -> bool:
        return bool(self.bound)

    def _take_call(self, call: IncomingCall) -> None:
        self._on_call(call)

    def reload_certificates(self) -> None:
        """Show the certificate that is in the files from now on, and trust the authorities in them, on new connections.

        Raises OSError that names the file, with nothing changed, when one cannot be used.
        """
        if self._sockets is not None:
            self._sockets.reload_certificates()

    def local_address_for(self, remote_host: str) -> str:
        """Our address as a peer can reach it, for SDP: the advertised one, else what the routing table says."""
        advertised = self.config.advertised_address
        if advertised is not None and same_family(advertised, remote_host):
            return advertised
        return self._addresses.address_for(remote_host)

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
        next_hop: Endpoint | tuple[str, int] | None = None,
        routes: Sequence[NameAddr] = (),
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> OutgoingCall:
        """Send an INVITE to `target`, by way of `next_hop` where that is given, (host, port) over UDP; its fate
        arrives at `on_event`. `routes` are put before it as Route; a `BindingTarget` gives all three.

        No event is delivered before this returns. Raises LocalProtocolError for header fields that the protocol writes
        itself, for text that cannot be a header value, and when the user agent is not running.
        """
        if not self._running:
            raise LocalProtocolError("the user agent is not running")
        call = self._core.place_call(
            target,
            from_=from_,
            to=to,
            body=body,
            content_type=content_type,
            headers=(*headers, *(("Route", str(route)) for route in routes)),
            credentials=credentials,
            follow_redirects=follow_redirects,
        )
        call.on_event = on_event
        if isinstance(next_hop, tuple):
            next_hop = Endpoint("udp", *next_hop)
        first = routes[0].uri if routes and isinstance(routes[0].uri, SipUri) else target
        remote = next_hop or self._core.sender.hop(first)
        if next_hop is not None:
            # An outbound proxy is a host and a port, not a domain
            first = target.replace(host=remote.host, port=remote.port)
        self._driver.find(first, remote, lambda candidates: self._start(call, remote, candidates))
        return call

    def _start(self, call: OutgoingCall, hop: Endpoint, candidates: Sequence[Endpoint]) -> None:
        if candidates:
            call.start(*candidates)
        else:
            call.fail(f"{hop.host} cannot be resolved")

    def check_credentials(
        self,
        asking: Challengeable,
        realm: str | None,
        lookup: Credentials | Callable[[str], Credentials | None],
        *,
        proxy: bool = False,
    ) -> DigestResult:
        """Check the credentials of an incoming call or of a REGISTER, see `UserAgentCore.check_credentials`."""
        return self._core.check_credentials(asking, realm, lookup, proxy=proxy)

    def report_authentication_failure(self, source: Endpoint) -> None:
        """Count a failed authentication of an address that was found out elsewhere."""
        self._core.report_authentication_failure(source)

    def serve_registrations(
        self,
        on_register: Callable[[RegisterRequest], None],
        on_change: Callable[[BindingChange], None] | None = None,
        registrar: Registrar | None = None,
    ) -> Registrar:
        """Answer REGISTER from now on, see `UserAgentCore.serve_registrations`. `on_register` is called in the event
        loop and has to challenge, accept or reject then or later."""
        return self._core.serve_registrations(on_register, on_change, registrar)

    def end_registrations(self, aor_key: str) -> None:
        """Remove what is registered for an account that may register no more; calls go on."""
        self._core.end_registrations(aor_key)

    def register(self, settings: RegistrationSettings, on_state: Callable[[RegistrationState], None]) -> Registration:
        """Register at a carrier and stay so until `Registration.stop`; `on_state` is called in the event loop.

        Raises LocalProtocolError for settings that cannot be written, and when the user agent is not running.
        """
        if not self._running:
            raise LocalProtocolError("the user agent is not running")
        registration = Registration(self._core, settings, self._locate, on_state)
        registration.start()
        return registration

    def probe(
        self,
        target: SipUri,
        on_change: Callable[[HealthChange], None],
        *,
        interval: float = DEFAULT_INTERVAL,
        credentials: Credentials | None = None,
        at_once: bool = False,
    ) -> HealthProbe:
        """Ask a peer for a sign of life every `interval` seconds (10 to 300) until `HealthProbe.stop`.

        Raises LocalProtocolError for another interval, and when the user agent is not running.
        """
        if not self._running:
            raise LocalProtocolError("the user agent is not running")
        probe = HealthProbe(self._core, target, self._locate, on_change, interval=interval, credentials=credentials)
        probe.start(at_once=at_once)
        return probe

    def _locate(self, target: SipUri, located: Located) -> None:
        """Find the addresses of a URI's server for what the core sends by itself; `located` is called in any case."""
        self._driver.find(target, self._core.sender.hop(target), located)


def _log_ban(host: str, seconds: float) -> None:
    # One line per ban, of a form that fail2ban and people can read
    log.warning("authentication failed too often: source=%s ignored for %d s", host, seconds)
