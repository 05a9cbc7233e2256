"""Outbound trunks of a workspace: SIP accounts with which a customer's systems call out (contract §9.2).

Values arrive checked for shape; here are the checks that need what is stored. Only `create` and `rotate_credentials`
know a password in clear, every other method leaves it encrypted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import NotFound
from engine.idempotency import Keep, no_key
from engine.ids import new_password, new_trunk_username, new_uuid
from engine.model import Network, OutboundTrunk, Page, RoutingRule
from engine.sealing import seal_trunk
from engine.secrets import SecretBox
from engine.sip_accounts import SipAccountDirectory, SipCredentials
from engine.store import Store, run_rows
from engine.store import outbound_trunks as queries
from engine.store.numbers import numbers_among

DEFAULT_CHANNELS: Final = 10


class TrunkChanges(TypedDict, total=False):
    """Members of a trunk to change; a list replaces the one before."""

    name: str
    enabled: bool
    allowed_source_ips: tuple[Network, ...]
    allowed_number_ids: tuple[str, ...]
    default_number_id: str | None
    routing_rules: tuple[RoutingRule, ...]
    max_channels: int
    record: bool


@dataclass(frozen=True, slots=True)
class NewOutboundTrunk:
    """What a trunk is created from; `max_channels` is the number of simultaneous calls."""

    name: str
    enabled: bool = True
    allowed_source_ips: tuple[Network, ...] = ()
    allowed_number_ids: tuple[str, ...] = ()
    default_number_id: str | None = None
    routing_rules: tuple[RoutingRule, ...] = ()
    max_channels: int = DEFAULT_CHANNELS
    record: bool = False


class OutboundTrunks:
    """The outbound trunks of every workspace; each method acts within the one it is given."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        accounts: SipAccountDirectory,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._accounts = accounts
        self._clock = clock

    async def create(
        self, workspace_id: str, new: NewOutboundTrunk, keep: Keep[OutboundTrunk] = no_key
    ) -> OutboundTrunk:
        """A new trunk with a generated username and password, the password in clear here."""
        now = self._clock()
        trunk = OutboundTrunk(
            id=new_uuid(),
            workspace_id=workspace_id,
            name=new.name,
            enabled=new.enabled,
            username=new_trunk_username(),
            password=new_password(),
            allowed_source_ips=new.allowed_source_ips,
            allowed_number_ids=new.allowed_number_ids,
            default_number_id=new.default_number_id,
            routing_rules=new.routing_rules,
            max_channels=new.max_channels,
            record=new.record,
            created_at=now,
            updated_at=now,
        )
        sealed = seal_trunk(self._secrets, trunk)

        async def work(connection: AsyncConnection) -> None:
            await queries.insert_trunk(connection, sealed)
            await run_rows(connection, keep(trunk))

        await self._store.write(work)
        await self._accounts.refresh()
        return trunk

    async def get(self, workspace_id: str, trunk_id: str) -> OutboundTrunk:
        """One trunk. Raises NotFound when this workspace has none with the id."""
        trunk = await self._store.read(lambda connection: queries.get_trunk(connection, workspace_id, trunk_id))
        if trunk is None:
            raise NotFound("Outbound trunk not found")
        return trunk

    async def page(self, workspace_id: str, page: int, limit: int, search: str | None = None) -> Page[OutboundTrunk]:
        """A page of trunks, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_trunks(connection, workspace_id, page, limit, search)
        )

    async def every(self, workspace_id: str) -> list[OutboundTrunk]:
        """Every trunk of a workspace, newest first."""
        return await self._store.read(lambda connection: queries.trunks_of(connection, workspace_id))

    async def update(self, workspace_id: str, trunk_id: str, changes: TrunkChanges) -> OutboundTrunk:
        """Changes the members that are given. Raises NotFound."""
        return await self._change(workspace_id, trunk_id, lambda current: replace(current, **changes))

    async def rotate_credentials(self, workspace_id: str, trunk_id: str) -> SipCredentials:
        """A new password, in use at once; who is registered with the old one is not any more. Raises NotFound."""
        password = new_password()
        trunk = await self._change(
            workspace_id,
            trunk_id,
            lambda current: seal_trunk(self._secrets, replace(current, password=password)),
        )
        return SipCredentials(trunk.username, password)

    async def delete(self, workspace_id: str, trunk_id: str) -> None:
        """Deletes a trunk and ends its registrations. Raises NotFound."""
        if not await self._store.write(lambda connection: queries.delete_trunk(connection, workspace_id, trunk_id)):
            raise NotFound("Outbound trunk not found")
        await self._accounts.refresh()

    async def foreign_numbers(self, workspace_id: str, number_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that are no numbers of the workspace."""
        wanted = frozenset(number_ids)
        if not wanted:
            return wanted
        return wanted - await self._store.read(lambda connection: numbers_among(connection, workspace_id, wanted))

    async def _change(
        self, workspace_id: str, trunk_id: str, change: Callable[[OutboundTrunk], OutboundTrunk]
    ) -> OutboundTrunk:
        async def work(connection: AsyncConnection) -> OutboundTrunk:
            current = await queries.get_trunk(connection, workspace_id, trunk_id, lock=True)
            if current is None:
                raise NotFound("Outbound trunk not found")
            changed = replace(change(current), updated_at=self._clock())
            await queries.update_trunk(connection, changed)
            return changed

        trunk = await self._store.write(work)
        await self._accounts.refresh()
        return trunk
