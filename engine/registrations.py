"""Who is registered: agents and outbound trunks with us, our numbers with their carriers (contract §14.3, §14.4, §17).

The SIP room keeps bindings and repeats registrations; here is who may, and what the rest of the engine sees of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from engine.ids import instance_urn
from engine.model import GeneralEventType, Number
from engine.monitor import Monitor
from engine.number_registrations import NumberRegistrations
from engine.refusals import RefusalLog
from engine.sip_accounts import AccountRegistration, CarrierRegistration, SipAccount, SipAccountDirectory, SipDomain
from sip import (
    Binding,
    BindingChange,
    Credentials,
    DigestOutcome,
    NameAddr,
    Registered,
    RegisterRequest,
    Registrar,
    Registration,
    RegistrationFailed,
    RegistrationSettings,
    RegistrationState,
    SipUri,
    UserAgent,
)

logger = structlog.get_logger(__name__)

_CHALLENGED = frozenset({DigestOutcome.MISSING, DigestOutcome.STALE, DigestOutcome.REPLAYED, DigestOutcome.UNSUPPORTED})


class AccountRegistrations:
    """Agents and outbound trunks registering with us. `bind` it to the user agent before that starts."""

    def __init__(
        self,
        accounts: SipAccountDirectory,
        domain: SipDomain,
        refusals: RefusalLog,
        clock: Callable[[], float] = time.monotonic,
        monitor: Monitor | None = None,
    ) -> None:
        """`clock` is that of the user agent; `monitor` is told of trunks."""
        self._clock = clock
        self._monitor = monitor
        self._registered_trunks: set[str] = set()
        self._accounts = accounts
        self._domain = domain
        self._refusals = refusals
        self._registrar: Registrar
        self._user_agent: UserAgent

    def bind(self, user_agent: UserAgent) -> None:
        """The user agent whose REGISTERs arrive here."""
        self._user_agent = user_agent
        self._registrar = user_agent.serve_registrations(self.arrived, self.changed)
        self._accounts.watch(self._account_changed)

    def registration(self, account_id: str) -> AccountRegistration | None:
        """The best registration of the agent or trunk with this id (contract §9.2, §17)."""
        now = self._clock()
        bindings = self._registrar.bindings(account_id, now)
        if not bindings:
            return None
        best = bindings[0]
        left = best.expires_at - now
        return AccountRegistration(
            str(best.contact), best.source.host, datetime.now(UTC) + timedelta(seconds=max(left, 0.0))
        )

    def bindings(self, account_id: str) -> tuple[Binding, ...]:
        """Where the agent or trunk with this id can be reached, the best first."""
        return self._registrar.bindings(account_id, self._clock())

    def arrived(self, asking: RegisterRequest) -> None:
        """One REGISTER; every path ends in an answer.

        An unknown user is challenged like a known one, so that nobody learns which names exist.
        """
        username = asking.aor.user or ""
        account = self._accounts.authenticating(username)
        realm = self._domain.host()
        source = asking.source.host
        result = asking.check_credentials(realm, lambda name: self._credentials(name, username, account))
        if result.outcome in _CHALLENGED:
            asking.challenge(realm, stale=result.stale)
        elif result.outcome is DigestOutcome.MALFORMED:
            self._refusals.refused("register.malformed_credentials", source, user=username[:64])
            asking.reject(400)
        elif not result.ok or account is None:
            self._refusals.refused("register.bad_credentials", source, user=username[:64], result=result.outcome.value)
            asking.reject(403)
        elif not account.enabled or not account.allows_source(source):
            self._refusals.refused("register.foreign_address", source, user=username[:64], enabled=account.enabled)
            asking.reject(403)
        else:
            asking.accept(account.id)

    def _credentials(self, name: str, username: str, account: SipAccount | None) -> Credentials | None:
        """Those of the account that registers: under its own name, or with temporary ones under the agent's."""
        if account is None:
            return None
        shown = account if name == username else self._accounts.authenticating(name)
        return Credentials(name, shown.password) if shown is not None and shown.id == account.id else None

    def _account_changed(self, before: SipAccount, after: SipAccount | None) -> None:
        """Who could not register any more as it is registered is not registered any more."""
        bindings = self.bindings(before.id)
        if after is not None and after.enabled and after.password == before.password:
            bindings = tuple(it for it in bindings if not after.allows_source(it.source.host))
        if bindings:
            self._user_agent.end_registrations(before.id)

    def changed(self, change: BindingChange) -> None:
        """What became of a binding."""
        binding = change.binding
        log = logger.bind(account=binding.aor, contact=str(binding.contact)[:256], source=binding.source.host)
        if change.kind == "bound":
            log.info("register.bound", transport=binding.source.transport)
        elif change.kind == "unbound":
            log.info("register.unbound", reason=change.reason)
        self._tell(change)

    def _tell(self, change: BindingChange) -> None:
        """A trunk that registers with its first contact, or has lost its last one."""
        trunk_id, binding = change.binding.aor, change.binding
        trunk = self._accounts.trunk(trunk_id)
        registered = bool(self._registrar.bindings(trunk_id, self._clock()))
        if registered == (trunk_id in self._registered_trunks):
            return
        if registered and trunk is not None:
            self._registered_trunks.add(trunk_id)
        else:
            self._registered_trunks.discard(trunk_id)
        if trunk is None or self._monitor is None:
            return  # an agent, or a trunk that is deleted
        event: GeneralEventType = "trunk.registered" if registered else "trunk.unregistered"
        host = binding.source.host
        message = f"{trunk.name} {'registered from' if registered else 'is no more registered from'} {host}"
        further = {"trunk_id": trunk_id, "name": trunk.name, "contact": str(binding.contact), "source_ip": host}
        self._monitor.happened(event, trunk.workspace_id, trunk_id, message, further)


class CarrierRegistrations:
    """The numbers that register with their carrier (contract §14.3): started, changed and ended as numbers are."""

    def __init__(self, numbers: NumberRegistrations, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is that of the user agent."""
        self._numbers = numbers
        self._clock = clock
        self._running: dict[str, Registration] = {}
        self._states: dict[str, RegistrationState] = {}
        self._registered: dict[str, Registered] = {}
        self._user_agent: UserAgent

    def start(self, user_agent: UserAgent) -> None:
        """Register every number that wants it, from now on. The user agent is running."""
        self._user_agent = user_agent
        self._numbers.watch(self._watch)

    def state(self, number_id: str) -> RegistrationState | None:
        """How far the registration of a number has come; None for one that has none."""
        return self._states.get(number_id)

    def service_route(self, number_id: str) -> tuple[NameAddr, ...]:
        """The Route of calls through a number (RFC 3608 §6.1): what its registrar named last, for as long as that
        registration lasts, even where a refresh has failed since. Empty where it named nothing that can be called."""
        registered = self._registered.get(number_id)
        if registered is None or registered.expires_at <= self._clock():
            return ()
        route = registered.service_route
        return route if all(isinstance(hop.uri, SipUri) for hop in route) else ()

    def shown(self, number_id: str) -> CarrierRegistration | None:
        """The registration of a number as its owner sees it; None for one that does not register."""
        if number_id not in self._running:
            return None
        match self._states.get(number_id):
            case Registered(expires_at=expires_at):
                return CarrierRegistration("registered", expires_at=self._moment(expires_at))
            case RegistrationFailed(status=status, reason=reason, retry_at=retry_at):
                return CarrierRegistration("failed", sip_code=status, reason=reason, retry_at=self._moment(retry_at))
            case _:
                return CarrierRegistration("registering")

    def _moment(self, at: float) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=at - self._clock())

    def stop(self) -> None:
        """Unregister every number, as far as that still goes out."""
        for registration in self._running.values():
            registration.stop()
        self._running.clear()
        self._states.clear()
        self._registered.clear()

    def _watch(self, number_id: str, number: Number | None) -> None:
        running = self._running.pop(number_id, None)
        if running is not None:
            running.stop()
            self._states.pop(number_id, None)
            self._registered.pop(number_id, None)
        settings = None if number is None else registration_settings(number)
        if number is None or settings is None:
            return
        e164 = number.e164

        def on_state(state: RegistrationState) -> None:
            # One of before, under other settings, may still tell of its end
            if self._running.get(number_id) is registration:
                self._states[number_id] = state
                if isinstance(state, Registered):
                    self._registered[number_id] = state
            if isinstance(state, Registered):
                logger.info("carrier.registered", number=e164, registrar=str(settings.registrar))
            elif isinstance(state, RegistrationFailed):
                logger.warning(
                    "carrier.not_registered", number=e164, registrar=str(settings.registrar), status=state.status,
                    reason=state.reason,
                )  # fmt: skip

        registration = self._user_agent.register(settings, on_state)
        self._running[number_id] = registration


def registration_settings(number: Number) -> RegistrationSettings | None:
    """What a number registers with; None where its `sip.outbound` lacks a user name to register."""
    outbound = None if number.sip is None else number.sip.outbound
    if outbound is None:
        return None
    user = outbound.username or number.e164
    params = (("transport", outbound.transport),)
    registrar = SipUri("sip", None, host=outbound.host, port=outbound.port, params=params)
    aor = SipUri("sip", user, host=outbound.from_domain or outbound.host)
    credentials = None
    if outbound.username is not None and outbound.password is not None:
        credentials = Credentials(outbound.username, outbound.password)
    return RegistrationSettings(
        registrar=registrar,
        aor=aor,
        contact_user=number.e164,
        credentials=credentials,
        outbound_proxies=() if outbound.outbound_proxy is None else (SipUri.parse(outbound.outbound_proxy),),
        instance=instance_urn(number.id),
    )
