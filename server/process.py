"""The running engine: builds every room from the configuration, starts them in order and stops them in the reverse one.

Start: store, leftovers of a crash closed, audio, SIP, HTTP. Stop (contract §22.4): no new calls, the running ones
finish or are hung up, their records are written, then everything closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from api import ApiServices, create_app
from engine.accounts import Accounts, BootstrapResult
from engine.agents import Agents
from engine.applications import Applications, language_limits
from engine.billing.accounts import Billing
from engine.billing.calendar import BillingCalendar
from engine.billing.charging import CallCharges
from engine.billing.invoices import Invoices
from engine.billing.kyc import DocumentFiles
from engine.billing.metering import Metering
from engine.billing.rental_desk import RentalDesk
from engine.billing.rental_review import RentalReview
from engine.billing.rental_terms import RentalTerms
from engine.billing.rentals import Rentals
from engine.calls import (
    CallingOut,
    CallQueues,
    CallServices,
    ConferenceRooms,
    IncomingCalls,
    OutgoingCalls,
    PromptSources,
    Switchboard,
)
from engine.calls.listening import Hearing
from engine.calls.status_callback import StatusCallbacks
from engine.deliveries import Deliveries
from engine.delivery_sender import DeliverySender
from engine.destination_health import DestinationProbes
from engine.directory import NumberDirectory
from engine.errors import EngineError
from engine.http import OutboundHttp
from engine.idempotency import IdempotentRequests
from engine.inbound_trunks import InboundTrunks
from engine.members import Members
from engine.metrics import Metric
from engine.monitor import CallLoad, Monitor
from engine.numbers import Numbers
from engine.outbound_trunks import OutboundTrunks
from engine.outbox import Outbox
from engine.prompts import PromptFiles
from engine.recording_files import RecordingFiles
from engine.recordings import Recordings
from engine.records import CallRecords
from engine.refusals import RefusalLog
from engine.registrations import AccountRegistrations, CarrierRegistrations
from engine.secrets import SecretBox
from engine.sessions import Sessions
from engine.sip_accounts import SipAccountDirectory, SipDomain
from engine.store import Store
from engine.webhook_directory import WebhookDirectory
from engine.webhooks import Webhooks
from engine.websocket import WebSocketClient
from engine.widget_sessions import WidgetSessions
from engine.workspaces import Workspaces
from media import MediaPlane, SpeechUnavailable
from server import room_settings
from server.bootstrap import bootstrap_settings, print_first_start
from server.config import Config
from server.data_lock import DataLock
from server.embedded_http import EmbeddedHttpServer
from server.logs import configure_logging, effective_format
from server.metrics import engine_metrics
from server.reloading import reload_on_hangup
from sip import UserAgent

logger = structlog.get_logger(__name__)

OPEN_FILES = 65_536
BYE_SECONDS = 2.0
DEFAULT_SIP_PORT = 5060
CLOSE_SECONDS = 10.0

COLLECTION_THRESHOLDS = (8_000, 1, 2_000)
"""Of Python's garbage collector. The memory of a call is free when it ends, without it: there is next to nothing
to find. With more, collections are fewer and longer, and everything but the audio waits meanwhile (docs/performance.md
has figures). The third generation, which is all that is alive, is collected as seldom as can be."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the engine listens; `sip` maps a transport to host:port."""

    http: str
    sip: dict[str, str]


class EngineProcess:
    """One engine. `start`, then `stop`; every room is an attribute for those who embed it or test it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.draining = False
        self._exit = contextlib.AsyncExitStack()
        self.bound: Bound
        self.first_start: BootstrapResult | None = None
        self._http_port = config.http.bind.port

    async def start(self) -> Bound:
        """Starts every room; returns where SIP and HTTP listen. Raises OSError when an address is taken."""
        try:
            return await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def _start(self) -> Bound:
        config = self.config
        raise_open_files()
        config.storage.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._exit.callback(DataLock.take(config.storage.data_dir).release)
        secrets = SecretBox.open(config.storage.data_dir)
        self.store = await Store.open(config.database_url)
        self._exit.push_async_callback(_within_limits, self.store.close)
        await self._open_records(secrets)
        await self._open_media()
        self._build_calls()
        await self._open_sip()
        await self._open_http()
        # What waits has links to recordings: only from here on can anybody follow them.
        await self.delivery_sender.start()
        self.bound = Bound(
            http=config.http.base_url(self._http_port),
            sip={name: join_address(addresses[0]) for name, addresses in self.user_agent.bound.items() if addresses},
        )
        # Not collected before: a full collection takes longer than anything else here, and finds next to nothing.
        gc.freeze()
        return self.bound

    async def _open_records(self, secrets: SecretBox) -> None:
        self.limits = room_settings.engine_limits(self.config)
        self.idempotent = IdempotentRequests(self.store, secrets, self.limits.idempotency_hours)
        self.accounts = Accounts(self.store)
        self.first_start = await self.accounts.bootstrap(bootstrap_settings())
        self.sessions = Sessions(self.store, self.accounts)
        self.members = Members(self.store, self.accounts, self.sessions)
        self.recordings = Recordings(
            self.store, self.config.storage.data_dir, lambda: self.config.http.base_url(self._http_port)
        )
        self.directory = NumberDirectory(self.store, secrets, room_settings.rental_carrier(self.config))
        await self.directory.start()
        self._exit.push_async_callback(self.directory.close)
        self.applications = Applications(self.store, secrets, self.directory, self.limits)
        self.numbers = Numbers(self.store, secrets, self.directory, realm=self.realm)
        self.inbound_trunks = InboundTrunks(self.store, secrets, self.directory)
        self.sip_accounts = SipAccountDirectory(self.store, secrets)
        await self.sip_accounts.start()
        self._exit.push_async_callback(self.sip_accounts.close)
        self.agents = Agents(self.store, secrets, self.sip_accounts)
        self.widget_sessions = WidgetSessions(self.store, self.agents, self.sip_accounts, self.directory)
        self.outbound_trunks = OutboundTrunks(self.store, secrets, self.sip_accounts)
        self.webhook_directory = WebhookDirectory(self.store, secrets, self.directory.application)
        await self.webhook_directory.start()
        self._exit.push_async_callback(self.webhook_directory.close)
        self.outbox = Outbox(self.webhook_directory.told_of)
        self.webhooks = Webhooks(self.store, secrets, self.webhook_directory, self.outbox, self.limits.webhooks)
        self.deliveries = Deliveries(self.store, self.webhook_directory, self.outbox)
        self.monitor = Monitor(self.store, self.outbox)
        enabled = self.config.billing.enabled
        self.billing = Billing(
            self.store, outbox=self.outbox, enabled=enabled, payments=room_settings.payments(self.config)
        )
        self.workspaces = Workspaces(self.store, self.accounts, recordings=self.recordings, plans=self.billing.plans)
        charges = CallCharges(self.store, enabled=enabled)
        self.metering = Metering(self.store, charges, self.outbox)
        desk = RentalDesk(self.store, self.outbox, self.directory, enabled=enabled)
        documents = DocumentFiles(self.config.storage.data_dir)
        self.rentals = Rentals(desk, documents)
        self.rental_review = RentalReview(desk, documents)
        self.invoices = Invoices(self.store, room_settings.invoice_terms(self.config))
        self.calendar = BillingCalendar(self.billing.plans, RentalTerms(desk), self.invoices, self.metering)
        self.records = CallRecords(self.store, self.outbox, charges)
        self._exit.push_async_callback(_within_limits, self.records.close)
        self.recording_files = RecordingFiles(self.recordings, self.records)
        finished = await self.recording_files.finish_parts(datetime.now(UTC))
        if finished:
            logger.warning("recordings.finished_after_crash", recordings=finished)
        closed = await self.records.close_orphans(datetime.now(UTC))
        if closed:
            logger.warning("calls.closed_after_crash", calls=closed)
        await self._open_deliveries()
        self.calendar.start()
        self._exit.push_async_callback(self.calendar.close)

    async def _open_deliveries(self) -> None:
        # Apart from the clients of calls, and without a bound on connections: each target has its own.
        self.delivery_client = OutboundHttp(room_settings.delivery_http_config(self.config))
        await self.delivery_client.start()
        self._exit.push_async_callback(self.delivery_client.close)
        self.delivery_sender = DeliverySender(
            self.store,
            self.webhook_directory,
            self.delivery_client.beginning,
            room_settings.sender_settings(self.config),
            recording_url=self.recordings.payload_link,
        )
        self.outbox.on_commit = self.delivery_sender.wake
        self._exit.push_async_callback(_within_limits, self.delivery_sender.close)

    async def _open_media(self) -> None:
        config = self.config
        self.http_client = OutboundHttp(room_settings.http_config(config))
        await self.http_client.start()
        self._exit.push_async_callback(self.http_client.close)
        # Apart, so that prompts from slow servers take no connection from the documents.
        self.prompt_client = OutboundHttp(room_settings.http_config(config))
        await self.prompt_client.start()
        self._exit.push_async_callback(self.prompt_client.close)
        self.stream_client = WebSocketClient(allow_private=config.security.allow_private_callbacks)
        self._exit.push_async_callback(self.stream_client.close)
        self.decoder = room_settings.audio_decoder(config)
        self._exit.push_async_callback(self.decoder.close)
        self.speech = room_settings.speech_engine(config, self.decoder, room_settings.speech_cache(config))
        self._exit.push_async_callback(self.speech.close)
        recogniser = room_settings.recogniser(config)
        self._exit.push_async_callback(recogniser.close)
        self.hearing = Hearing(recogniser)
        # In the background: nobody waits for speech at the start, and the first caller does not wait for its process.
        self._warming = asyncio.create_task(self._warm_speech(), name="speech")
        self.plane = MediaPlane(room_settings.media_config(config))
        await self.plane.start()
        self._exit.push_async_callback(self.plane.close)
        logger.info("media.started", priority=self.plane.realtime, datagrams=self.plane.datagrams)
        if config.sip.ws is not None or config.sip.wss is not None:
            from engine.calls.browser_audio import prepare_for_browsers

            prepare_for_browsers()

    async def _warm_speech(self) -> None:
        try:
            await self.speech.start()
        except SpeechUnavailable as error:
            logger.warning("speech.unavailable", reason=str(error), hint="voylo doctor")

    def _build_calls(self) -> None:
        config = self.config
        files = PromptFiles(
            self.prompt_client,
            self.decoder.decode,
            max_bytes=config.limits.audio_bytes,
            fetch_seconds=config.limits.audio_seconds,
        )
        self.switchboard = Switchboard()
        legs = room_settings.leg_settings(config)
        self.calling = CallingOut(self.directory, self.sip_accounts, self.plane, legs, self.realm)
        callbacks = StatusCallbacks(self.http_client)
        self.conferences = ConferenceRooms(self.plane, callbacks, config.limits.conference_members)
        self.queues = CallQueues()
        services = CallServices(
            records=self.records,
            sources=PromptSources(files, self.speech),
            exchange=self.http_client,
            language=language_limits(self.limits),
            call_seconds=config.limits.call_seconds,
            calling=self.calling,
            recordings=self.recordings,
            recording_files=self.recording_files,
            callbacks=callbacks,
            hearing=self.hearing,
            conferences=self.conferences,
            queues=self.queues,
            streams=room_settings.stream_services(config, self.stream_client),
            metering=self.metering,
        )
        self.incoming = IncomingCalls(
            self.directory, self.sip_accounts, self.switchboard, self.plane, legs, services, realm=self.realm
        )
        self.outgoing = OutgoingCalls(
            self.store,
            self.directory,
            self.switchboard,
            self.plane,
            legs,
            services,
            self.limits,
            realm=self.realm,
        )

    async def _open_sip(self) -> None:
        self.user_agent = UserAgent(
            room_settings.user_agent_config(self.config), self.incoming.arrived, is_trusted=self._is_trusted
        )
        self.incoming.bind(self.user_agent)
        self.outgoing.bind(self.user_agent)
        self.sip_domain = SipDomain(host=self.realm, port=self.sip_port, websocket=self.sip_websocket)
        self.account_registrations = AccountRegistrations(
            self.sip_accounts, self.sip_domain, RefusalLog(time.monotonic, self._is_trusted), monitor=self.monitor
        )
        self.account_registrations.bind(self.user_agent)
        self.carrier_registrations = CarrierRegistrations(self.directory.registrations)
        self.calling.bind(
            self.user_agent, self.account_registrations.bindings, self.carrier_registrations.service_route
        )
        await self.user_agent.start()
        self._exit.push_async_callback(self.user_agent.close)
        self.carrier_registrations.start(self.user_agent)
        self._exit.callback(self.carrier_registrations.stop)
        self.destination_probes = DestinationProbes(self.directory.inbound_trunks, self.monitor)
        self.destination_probes.start(self.user_agent)
        self._exit.callback(self.destination_probes.stop)
        self.calling.is_down = self.destination_probes.is_down

    def _is_trusted(self, host: str) -> bool:
        """Whether the configuration names an address as that of a carrier or of an outbound trunk."""
        return self.directory.trusts(host) or self.sip_accounts.trusts(host)

    async def _open_http(self) -> None:
        bind = self.config.http.bind
        sock = listening_socket(bind.host, bind.port)
        self._http_port = sock.getsockname()[1]
        app = create_app(
            ApiServices(
                accounts=self.accounts,
                sessions=self.sessions,
                members=self.members,
                workspaces=self.workspaces,
                applications=self.applications,
                numbers=self.numbers,
                agents=self.agents,
                widget_sessions=self.widget_sessions,
                inbound_trunks=self.inbound_trunks,
                outbound_trunks=self.outbound_trunks,
                records=self.records,
                recordings=self.recordings,
                webhooks=self.webhooks,
                deliveries=self.deliveries,
                monitor=self.monitor,
                billing=self.billing,
                idempotent=self.idempotent,
                rentals=self.rentals,
                rental_review=self.rental_review,
                invoices=self.invoices,
                admin_token=self._admin_token(),
                call_load=self.call_load,
                metrics=self.metrics,
                outgoing=self.outgoing,
                sip_domain=self.sip_domain,
                registration=self.account_registrations.registration,
                carrier_registration=self.carrier_registrations.shown,
                destination_health=self.destination_probes.health,
                ready=self.ready,
                draining=lambda: self.draining,
                limits=self.limits,
                require_workspace_header=self.config.security.require_workspace_header,
                public_url=self.config.http.base_url(self._http_port),
                tts_available=self.config.speech.tts != "none",
            )
        )
        self._exit.push_async_callback(EmbeddedHttpServer(app, sock).stop)

    def _admin_token(self) -> str | None:
        token = self.config.security.admin_token
        return None if token is None else token.get_secret_value()

    def call_load(self, workspace_id: str) -> CallLoad:
        """The calls of a workspace; each takes one channel, that of its caller."""
        calls = self.switchboard.calls_of(workspace_id)
        return CallLoad(active=calls, channels=calls)

    def metrics(self) -> Iterable[Metric]:
        """The engine's numbers at this moment."""
        return engine_metrics(self.switchboard, self.delivery_sender, self.user_agent, self.plane)

    def on_stop(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Runs `callback` when the engine stops, before its rooms close."""
        self._exit.push_async_callback(callback)

    def loopback_sip(self) -> tuple[str, int]:
        """Host and port at which a peer on this machine reaches SIP over UDP. Raises RuntimeError without one."""
        listeners = self.user_agent.bound.get("udp")
        if not listeners:
            raise RuntimeError("sip.udp is off")
        host, port = listeners[0]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port

    def realm(self) -> str:
        """Realm of digest challenges (contract §22.2 `sip.domain`)."""
        sip = self.config.sip
        if sip.domain is not None:
            return sip.domain
        if sip.advertised_address is not None:
            return sip.advertised_address
        if sip.udp is not None and not sip.udp.is_wildcard:
            return sip.udp.host
        return default_address()

    def sip_port(self) -> int:
        """Port at which phones reach SIP: that of UDP, else of the first transport; 5060 when there is none."""
        bound = self.user_agent.bound
        listeners = bound.get("udp") or next((found for found in bound.values() if found), None)
        return listeners[0][1] if listeners else DEFAULT_SIP_PORT

    def sip_websocket(self) -> str | None:
        """The URI of SIP over WebSocket, secure where there is a choice; None when neither listens."""
        for scheme in ("wss", "ws"):
            for listener in self.user_agent.bound.get(scheme, ())[:1]:
                return f"{scheme}://{join_address((self.realm(), listener[1]))}"
        return None

    async def ready(self) -> bool:
        """True when the database answers, SIP listens and the media kernel runs (contract §18 `/readyz`)."""
        up = bool(self.user_agent.bound) and self.plane.running
        return up and not self.draining and await self.store.alive()

    async def stop(self, drain_seconds: float) -> None:
        """Refuses new calls, lets the running ones finish for `drain_seconds`, hangs up the rest, closes everything."""
        self.draining = True
        if hasattr(self, "user_agent"):
            self.user_agent.draining = True
            await self.switchboard.drain(drain_seconds)
            await self._await_byes()
        await self._exit.aclose()
        gc.unfreeze()

    async def _await_byes(self) -> None:
        # A BYE that the network loses is sent again as long as the user agent lives.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BYE_SECONDS):
                while self.user_agent.calls:  # noqa: ASYNC110 - a few looks, once in the life of the process
                    await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[EngineProcess]:
    """An engine for the length of a `async with` block; its calls are hung up at the end. For tests and embedding."""
    process = EngineProcess(config)
    await process.start()
    try:
        yield process
    finally:
        await process.stop(0)


async def serve(config: Config, *, demo: bool) -> int:
    """Runs the engine until SIGINT or SIGTERM; a second one skips the wait for calls. Returns the exit status."""
    configure_logging(config.log, mask=config.security.mask_logged_headers, for_good=True)
    as_json = effective_format(config.log) == "json"
    process = EngineProcess(config)
    stop = _StopSignals()
    try:
        bound = await process.start()
    except room_settings.SettingError as error:
        logger.error("start.failed", reason=str(error))  # noqa: TRY400
        return 2
    except OSError as error:
        logger.error("start.failed", reason=str(error), hint="voylo doctor says what to change")  # noqa: TRY400
        return 1
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    gc.enable()
    if process.first_start is not None:
        print_first_start(process.first_start, bound.http, as_json=as_json)
    reload_on_hangup(process.user_agent.reload_certificates)
    print_ready(bound, as_json=as_json)
    demonstration = asyncio.create_task(_demonstrate(process)) if demo else None
    try:
        await stop.wait_for(1)
        if demonstration is not None:
            demonstration.cancel()
        logger.info("stop.draining", calls=len(process.switchboard), seconds=config.limits.drain_seconds)
        stopping = asyncio.create_task(process.stop(config.limits.drain_seconds))
        again = asyncio.create_task(stop.wait_for(2))
        await asyncio.wait({stopping, again}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            await process.switchboard.hang_up_all()
        again.cancel()
        await stopping
    finally:
        await process.stop(0)
    return 0


async def _within_limits(close: Callable[[], Awaitable[None]]) -> None:
    """Closes a part that may hang or fail with its disk; the stop goes on without it."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await close()
    except (TimeoutError, EngineError) as error:
        logger.error("stop.store_not_closed", reason=str(error) or f"not within {CLOSE_SECONDS:g} s")  # noqa: TRY400


async def _demonstrate(process: EngineProcess) -> None:
    from server.demo import run_demo

    try:
        await run_demo(process)
    except Exception:
        # The demo shows the engine; it must not take it down.
        logger.exception("demo.failed")


class _StopSignals:
    """Counts SIGINT and SIGTERM from now on, so that two in quick succession are two."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._received)

    def _received(self) -> None:
        self._count += 1
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        """Returns once so many signals have come."""
        while self._count < count:
            self._changed.clear()
            await self._changed.wait()


def print_ready(bound: Bound, *, as_json: bool) -> None:
    """The one line which says that SIP and HTTP accept work (contract §22.3)."""
    if as_json:
        print(json.dumps({"event": "ready", "http": bound.http, "sip": bound.sip}), flush=True)
        return
    listeners = "  ".join(f"sip/{transport} {address}" for transport, address in bound.sip.items())
    print(f"ready  http {bound.http}  {listeners}", flush=True)


def join_address(address: tuple[str, int]) -> str:
    """host:port, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"http.bind {join_address((host, port))}: {error.strerror}") from None
    return sock


def default_address() -> str:
    """The address of this machine that the routing table would use towards the outside; 127.0.0.1 when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def raise_open_files() -> None:
    """Raises the soft limit on open files as far as allowed: each call holds two sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


__all__ = ["Bound", "EngineProcess", "running", "serve"]
