"""Agents and outbound trunks in memory, so that authenticating a SIP request waits for no query (contract §14.4, §17).

Kept fresh like the numbers (`engine.directory`). Who is registered is known elsewhere: `RegistrationLookup` is how the
API asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import structlog

from engine.model import Agent, Network, OutboundTrunk, is_within
from engine.polling import ConfigPolling
from engine.sealing import unseal_agent, unseal_trunk
from engine.secrets import SecretBox, SecretUnreadable
from engine.store import Store
from engine.store.agents import load_agents
from engine.store.config import Changes, ConfigFollower
from engine.store.outbound_trunks import load_trunks
from engine.trusted_sources import TrustedSources
from engine.widget_credentials import owner_of, temporary_password

logger = structlog.get_logger(__name__)

AccountKind = Literal["agent", "trunk"]


@dataclass(frozen=True, slots=True)
class SipAccount:
    """Who may register and call out under a username; `id` is that of the agent or trunk."""

    kind: AccountKind
    id: str
    workspace_id: str
    username: str
    password: str = field(repr=False)
    enabled: bool = True
    allowed_source_ips: tuple[Network, ...] = ()

    def allows_source(self, address: str | IPv4Address | IPv6Address) -> bool:
        """Whether a request may come from there; without allowed sources from anywhere (contract §9.2)."""
        return not self.allowed_source_ips or is_within(self.allowed_source_ips, address)


@dataclass(frozen=True, slots=True)
class SipCredentials:
    """What a phone or a PBX is set up with; the password in clear."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountRegistration:
    """A registration in force: its contact URI, where it came from, until when it lasts (contract §9.2)."""

    contact: str
    source_ip: str
    expires_at: datetime


RegistrationLookup = Callable[[str], AccountRegistration | None]
"""The registration of the agent or trunk with this id."""


def nobody_registered(account_id: str) -> None:
    """The lookup of an engine without a registrar."""


@dataclass(frozen=True, slots=True)
class CarrierRegistration:
    """How far a number has come that registers with its carrier: until when it is registered, or what the last try met,
    a final response or none (`sip_code` None), and when the next one is due."""

    state: Literal["registering", "registered", "failed"]
    expires_at: datetime | None = None
    sip_code: int | None = None
    reason: str | None = None
    retry_at: datetime | None = None


CarrierRegistrationLookup = Callable[[str], CarrierRegistration | None]
"""The registration of the number with this id; None for one that does not register."""


def no_carrier(number_id: str) -> None:
    """The lookup of an engine that registers nowhere."""


def _no_websocket() -> None:
    """An engine without SIP over WebSocket."""


@dataclass(frozen=True, slots=True)
class SipDomain:
    """Where accounts register: `host` is also the realm of challenges (contract §22.2 `sip.domain`); `websocket` gives
    the URI for SIP over WebSocket, where there is some."""

    host: Callable[[], str]
    port: Callable[[], int]
    websocket: Callable[[], str | None] = _no_websocket

    def uri(self, username: str) -> str:
        """The SIP URI of an account, an IPv6 host in brackets. The port is not part of an address of record."""
        host = self.host()
        return f"sip:{username}@[{host}]" if ":" in host else f"sip:{username}@{host}"


AccountWatcher = Callable[[SipAccount, SipAccount | None], None]
"""Takes an account as it was, and as it is; None where it is gone."""


def _watched_by_nobody(before: SipAccount, after: SipAccount | None) -> None:
    """Nobody registers."""


class SipAccountDirectory:
    """`start` loads everything and keeps it fresh; the look-ups are plain dictionary accesses."""

    def __init__(self, store: Store, secrets: SecretBox, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds of the epoch."""
        self._clock = clock
        self._store = store
        self._secrets = secrets
        self._follower = ConfigFollower(store, self._load)
        self._polling = ConfigPolling(self._follower, "SIP accounts")
        self._by_username: dict[str, SipAccount] = {}
        self._agents: dict[str, Agent] = {}
        self._trunks: dict[str, OutboundTrunk] = {}
        self._sources = TrustedSources(self._networks)
        self._callers: frozenset[Network] = frozenset()
        self._anywhere = False
        self._on_change: AccountWatcher = _watched_by_nobody

    def watch(self, on_change: AccountWatcher) -> None:
        """Have `on_change` called when an account that was there before the change has another password, other allowed
        sources, is disabled or gone."""
        self._on_change = on_change

    def trusts(self, host: str) -> bool:
        """Whether an enabled trunk names this address as its own, and not half the world."""
        return self._sources.trusts(host)

    def has_trunk_at(self, host: str) -> bool:
        """Whether an enabled trunk may call from this address: it names it, or no address at all (contract §9.2)."""
        return self._anywhere or is_within(self._callers, host)

    def lookup(self, username: str) -> SipAccount | None:
        """The account with this username in just this case, of whatever workspace, disabled ones included."""
        return self._by_username.get(username)

    def authenticating(self, username: str) -> SipAccount | None:
        """As `lookup`; an agent also under temporary credentials of its widget that hold, which are then the username
        and the password of what is returned."""
        account = self.lookup(username)
        if account is not None:
            return account
        owner = self.lookup(owner_of(username, self._clock()) or "")
        if owner is None or owner.kind != "agent":
            return None
        return replace(owner, username=username, password=temporary_password(username, owner.password))

    def agent(self, agent_id: str) -> Agent | None:
        """The agent with this id, of whatever workspace."""
        return self._agents.get(agent_id)

    def trunk(self, trunk_id: str) -> OutboundTrunk | None:
        """The outbound trunk with this id, of whatever workspace."""
        return self._trunks.get(trunk_id)

    async def start(self) -> None:
        """Loads everything and begins to poll for changes. Raises Unavailable when the database does not answer."""
        await self._follower.refresh()
        self._polling.start()

    async def close(self) -> None:
        """Stops polling."""
        await self._polling.close()

    async def refresh(self) -> None:
        """Takes over every change that was committed before this call."""
        await self._follower.refresh()

    async def _load(self, changes: Changes | None) -> None:
        agent_ids = None if changes is None else changes.ids("agent")
        trunk_ids = None if changes is None else changes.ids("outbound_trunk")
        if agent_ids == [] and trunk_ids == []:
            return
        agents = await self._store.read(lambda connection: load_agents(connection, agent_ids))
        trunks = await self._store.read(lambda connection: load_trunks(connection, trunk_ids))
        before = {account.id: account for account in self._by_username.values()}
        self._drop(agent_ids, trunk_ids)
        self._sources.forget()
        for agent in agents:
            self._add_agent(agent)
        for trunk in trunks:
            self._add_trunk(trunk)
        self._callers = frozenset(self._networks())
        self._anywhere = any(trunk.enabled and not trunk.allowed_source_ips for trunk in self._trunks.values())
        after = {account.id: account for account in self._by_username.values()}
        for account_id, account in before.items():
            if after.get(account_id) != account:
                self._on_change(account, after.get(account_id))

    def _networks(self) -> Iterator[Network]:
        for trunk in self._trunks.values():
            if trunk.enabled:
                yield from trunk.allowed_source_ips

    def _drop(self, agent_ids: list[str] | None, trunk_ids: list[str] | None) -> None:
        if agent_ids is None or trunk_ids is None:
            self._by_username.clear()
            self._agents.clear()
            self._trunks.clear()
            return
        gone: list[Agent | OutboundTrunk | None] = [
            *(self._agents.pop(agent_id, None) for agent_id in agent_ids),
            *(self._trunks.pop(trunk_id, None) for trunk_id in trunk_ids),
        ]
        for account in gone:
            if account is not None:
                self._by_username.pop(account.username, None)

    def _add_agent(self, sealed: Agent) -> None:
        try:
            agent = unseal_agent(self._secrets, sealed)
        except SecretUnreadable as error:
            logger.error("directory.secret_unreadable", agent=sealed.id, reason=error.message)  # noqa: TRY400
            return
        self._agents[agent.id] = agent
        self._by_username[agent.username] = SipAccount(
            "agent", agent.id, agent.workspace_id, agent.username, agent.password
        )

    def _add_trunk(self, sealed: OutboundTrunk) -> None:
        try:
            trunk = unseal_trunk(self._secrets, sealed)
        except SecretUnreadable as error:
            logger.error("directory.secret_unreadable", trunk=sealed.id, reason=error.message)  # noqa: TRY400
            return
        self._trunks[trunk.id] = trunk
        self._by_username[trunk.username] = SipAccount(
            "trunk",
            trunk.id,
            trunk.workspace_id,
            trunk.username,
            trunk.password,
            trunk.enabled,
            trunk.allowed_source_ips,
        )
