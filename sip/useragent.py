"""The SIP user agent on asyncio: moves bytes between the sockets and the core, runs its timer, delivers its events.

All protocol is in `sip.core`. A barrier stands around each datagram, each timer and each callback of the application,
so that what goes wrong for one call is logged and disturbs no other.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence

from sip.binding import BindingChange
from sip.core.agent import CallReceived, Notice, UserAgentCore
from sip.core.authentication import Challengeable
from sip.core.call import Call, EventsWaiting
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
from sip.endpoint import Endpoint
from sip.errors import LocalProtocolError, SipError
from sip.fields import NameAddr
from sip.registrar import Registrar
from sip.transaction.layer import Datagram, TransactionCounters
from sip.transport.addresses import LocalAddresses, is_numeric
from sip.transport.connection import Connections, StreamCounters
from sip.transport.resolver import Dns, Resolver
from sip.transport.streams import Connector, StreamListener
from sip.transport.tls import client_context, server_context
from sip.transport.udp import UdpCounters, UdpListener
from sip.transport.websocket import WebSocketListener
from sip.uri import SipUri

log = logging.getLogger(__name__)

WAITING_DATAGRAMS = 1024
"""Datagrams that may wait for the look-up of a name at once; what comes beyond is dropped, as a network would."""

LOGGED_ADDRESSES = 1024
"""Addresses of which a fault is remembered as logged."""

PUMP_ROUNDS = 16
"""How often the events of one turn may cause others at once before the event loop gets its turn."""


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
        self._core = UserAgentCore(
            config,
            clock=clock,
            local_address_for=self.local_address_for,
            on_wake=self._wake,
            on_ban=_log_ban,
            on_fault=self._log_fault,
            is_trusted=is_trusted,
            on_message=on_message,
            locate=self._locate,
        )
        self._logged: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._listeners: dict[Endpoint, UdpListener] = {}
        self._stream_listeners: list[StreamListener | WebSocketListener] = []
        self._connections: Connections | None = None
        self._connector: Connector | None = None
        self._client_context: ssl.SSLContext | None = None
        self._resolver: Resolver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._driving = False  # inside the core or its events: what they cause is taken care of before we return
        self._pump_scheduled = False
        self._look_ups: set[asyncio.Task[None]] = set()

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
        return tuple(listener.counters for listener in self._listeners.values())

    @property
    def calls(self) -> int:
        """Calls in progress."""
        return self._core.calls

    @property
    def stream_counters(self) -> StreamCounters:
        """Counters of the connections."""
        return StreamCounters() if self._connections is None else self._connections.counters

    @property
    def connections(self) -> int:
        """Open connections, of both directions."""
        return 0 if self._connections is None else len(self._connections)

    async def start(self) -> None:
        """Bind every listener; raises OSError that names the address when one cannot be bound, with none left open."""
        self._loop = asyncio.get_running_loop()
        self._connections = Connections(self._loop, self._connection_lost)
        self._connector = Connector(
            self._connections, self.config.limits, self._receive, self._outgoing_context, self._fail_later
        )
        try:
            for host, port in self.config.udp:
                listener = UdpListener(self._loop, host, port, self._receive)
                self._listeners[listener.local] = listener
                self._add_listener(listener.local)
            await self._start_streams(self._connections)
        except OSError:
            await self.close()
            raise
        self._core.sender.is_connected = lambda remote: (
            self._connections is not None and self._connections.find(remote) is not None
        )
        self._add_client_only()
        families = {socket.AF_INET6 if ":" in local.host else socket.AF_INET for local in self._core.sender.listeners}
        self._resolver = Resolver(self._clock, frozenset(families), self._core.sender.transports, self._dns)

    async def _start_streams(self, connections: Connections) -> None:
        config = self.config
        context = server_context(config.tls_files) if config.tls or config.wss else None
        for transport, addresses in (("tcp", config.tcp), ("tls", config.tls), ("ws", config.ws), ("wss", config.wss)):
            kind = StreamListener if transport in {"tcp", "tls"} else WebSocketListener
            secure = context if transport in {"tls", "wss"} else None
            for address in addresses:
                listener = await kind.open(connections, transport, address, config.limits, self._receive, secure)
                self._stream_listeners.append(listener)
                self._add_listener(listener.local)

    def _add_listener(self, local: Endpoint) -> None:
        self._core.sender.add_listener(local)
        self.bound.setdefault(local.transport, []).append((local.host, local.port))

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

    def _outgoing_context(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = client_context(self.config.tls_files)
        return self._client_context

    async def close(self) -> None:
        """Send what is waiting and give the ports back. Calls are not hung up: that is for whoever made or took
        them."""
        if self._running and not self._driving:
            self._pump()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._look_ups:
            task.cancel()
        if self._look_ups:
            await asyncio.gather(*self._look_ups, return_exceptions=True)
        if self._connector is not None:
            await self._connector.close()
        for stream_listener in self._stream_listeners:
            stream_listener.close()
        if self._connections is not None:
            self._connections.close()
        for listener in self._listeners.values():
            listener.close()
        self._stream_listeners.clear()
        self._listeners.clear()
        self.bound.clear()

    @property
    def _running(self) -> bool:
        return bool(self.bound)

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
        if is_numeric(remote.host):
            call.start(remote)
        elif next_hop is not None:
            # An outbound proxy is a host and a port, not a domain
            self._look_up(self._resolve_call(call, target.replace(host=remote.host, port=remote.port), remote))
        else:
            self._look_up(self._resolve_call(call, first, remote))
        return call

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

    def _locate(self, target: SipUri, found: Callable[[Sequence[Endpoint]], None]) -> None:
        """Find the addresses of a URI's server for what the core sends by itself; `found` is called in any case."""
        hop = self._core.sender.hop(target)
        if is_numeric(hop.host):
            found([hop])
        else:
            self._look_up(self._resolve_target(target, hop, found))

    async def _resolve_target(self, target: SipUri, hop: Endpoint, found: Callable[[Sequence[Endpoint]], None]) -> None:
        assert self._resolver is not None
        candidates = await self._resolver.locate(target, hop)
        try:
            found(candidates)
        except Exception:
            self._core.statistics.failures += 1
            log.exception("request to %s not sent", hop)

    def _receive(self, data: bytes, source: Endpoint, local: Endpoint) -> None:
        self._driving = True
        try:
            if not self._core.receive_datagram(data, source, local):
                return  # nothing has happened
        except Exception:
            self._core.statistics.failures += 1
            log.exception("datagram from %s dropped", source)
        finally:
            self._driving = False
        self._pump()

    def _wake(self) -> None:
        """A call was acted upon outside of the core's own doings: send and deliver soon, but not inside that very
        call."""
        if not self._driving:
            self._schedule_pump()

    def _schedule_pump(self) -> None:
        if self._pump_scheduled or self._loop is None:
            return
        self._pump_scheduled = True
        self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_scheduled = False
        if not self._running:
            return
        self._driving = True
        try:
            for _ in range(PUMP_ROUNDS):
                output, events, notices = self._core.data_to_send(), self._core.events(), self._core.notices()
                if not output and not events and not notices:
                    break
                for datagram in output:
                    self._send(datagram)
                for call, event in events:
                    self._deliver(call, event)
                for notice in notices:
                    self._tell(notice)
            else:
                self._schedule_pump()
        finally:
            self._driving = False
        self._set_timer()

    def _send(self, datagram: Datagram) -> None:
        remote = datagram.remote
        if not is_numeric(remote.host):
            if len(self._look_ups) < WAITING_DATAGRAMS:
                self._look_up(self._resolve_datagram(datagram))
            return
        try:
            if remote.reliable:
                assert self._connector is not None
                self._connector.send(datagram)
                return
            listener = self._listeners.get(datagram.local)
            if listener is None:
                raise OSError("the listener is closed")  # noqa: TRY301
            listener.send(datagram.data, remote)
        except (OSError, OverflowError) as error:
            self._fail(datagram, str(error))

    def _fail_later(self, datagram: Datagram, reason: str) -> None:
        """A datagram that waited for a connection cannot be sent."""
        self._fail(datagram, reason)
        self._pump()

    def _connection_lost(self, remote: Endpoint, local: Endpoint) -> None:
        """A connection has ended: bindings over it are gone with it. Calls find out when they send."""
        try:
            self._core.connection_lost(remote, local)
        except Exception:
            self._core.statistics.failures += 1
            log.exception("the end of the connection with %s not handled", remote)
        self._schedule_pump()

    def _fail(self, datagram: Datagram, reason: str) -> None:
        """Tell the core that a datagram cannot be sent."""
        if self._is_news("send", datagram.remote.host):
            log.warning("cannot send to %s: %s; further failures are only counted", datagram.remote, reason)
        try:
            self._core.transport_failed(datagram)
        except Exception:
            self._core.statistics.failures += 1
            log.exception("transport error for %s not handled", datagram.remote)

    def _deliver(self, call: Call, event: CallEvent | CallReceived | EventsWaiting) -> None:
        try:
            if isinstance(event, CallReceived):
                assert isinstance(call, IncomingCall)
                self._on_call(call)
            else:
                call.deliver(event)
        except Exception:
            self._core.statistics.failures += 1
            log.exception("call %s ended: its handler failed on %s", call.call_id, type(event).__name__)
            self._end_failed(call)

    def _tell(self, notice: Notice) -> None:
        callback, argument = notice
        try:
            callback(argument)
        except Exception:
            self._core.statistics.failures += 1
            log.exception("a callback failed on %s", type(argument).__name__)
            if isinstance(argument, RegisterRequest):
                argument.reject(500)  # no effect where it was answered before the failure

    def _end_failed(self, call: Call) -> None:
        try:
            if isinstance(call, IncomingCall) and not call.answered:
                call.reject(500)
            else:
                call.hangup()
        except SipError:
            log.exception("call %s could not be ended", call.call_id)

    def _set_timer(self) -> None:
        due = self._core.next_timeout()
        if due is None or self._loop is None:
            return
        if self._timer is not None:
            if self._timer_due <= due:
                return  # it fires first, finds nothing and is set again: cheaper than to move it each time
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        self._driving = True
        try:
            while True:
                try:
                    self._core.handle_timeout()
                    break
                except Exception:
                    self._core.statistics.failures += 1
                    log.exception("a timer failed")
        finally:
            self._driving = False
        self._pump()

    def _log_fault(self, source: Endpoint, reason: str) -> None:
        if self._is_news("fault", source.host):
            log.info("malformed message from %s: %s; further ones from there are only counted", source, reason)

    def _is_news(self, kind: str, host: str) -> bool:
        """Whether this was not logged of this address before: who sends rubbish once sends a lot of it."""
        if (kind, host) in self._logged:
            return False
        self._logged[kind, host] = None
        if len(self._logged) > LOGGED_ADDRESSES:
            self._logged.popitem(last=False)
        return True

    def _look_up(self, work: Coroutine[None, None, None]) -> None:
        assert self._loop is not None
        task = self._loop.create_task(work)
        self._look_ups.add(task)
        task.add_done_callback(self._look_ups.discard)

    async def _resolve_call(self, call: OutgoingCall, target: SipUri, hop: Endpoint) -> None:
        assert self._resolver is not None
        candidates = await self._resolver.locate(target, hop)
        if not candidates:
            call.fail(f"{hop.host} cannot be resolved")
            return
        call.start(*candidates)

    async def _resolve_datagram(self, datagram: Datagram) -> None:
        assert self._resolver is not None
        remote = datagram.remote
        address = await self._resolver.resolve(remote.host)
        if address is None:
            self._fail(datagram, "the name has no address")
        else:
            self._send(datagram._replace(remote=Endpoint(remote.transport, address, remote.port, remote.name)))
        self._pump()


def _log_ban(host: str, seconds: float) -> None:
    # One line per ban, of a form that fail2ban and people can read
    log.warning("authentication failed too often: source=%s ignored for %d s", host, seconds)
