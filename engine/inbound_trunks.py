"""Inbound trunks of a workspace: ordered SIP destinations with failover (contract §9.1).

Values arrive checked for shape; here are the checks that need what is stored. Passwords of destinations stay encrypted.
Who is reachable is known elsewhere: `DestinationHealthLookup` is how the API asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.directory import NumberDirectory
from engine.errors import Conflict, FieldError, NotFound, ValidationFailed
from engine.idempotency import Keep, no_key
from engine.ids import new_uuid
from engine.model import DestinationHealth, Failover, HealthChecks, InboundDestination, InboundTrunk, Page
from engine.sealing import seal_destination
from engine.secrets import SecretBox
from engine.store import Store, run_rows
from engine.store import inbound_trunks as queries

DestinationHealthLookup = Callable[[str], DestinationHealth | None]
"""What is known of the destination with this id; None before it was first probed."""


def never_probed(destination_id: str) -> None:
    """The lookup of an engine that probes nothing."""


DestinationValues = Mapping[str, Any]
"""Members of an InboundDestination; `id` only for one that the trunk has, whose password then stays unless given."""


@dataclass(frozen=True, slots=True)
class NewInboundTrunk:
    """What a trunk is created from."""

    name: str
    destinations: Sequence[DestinationValues]
    enabled: bool = True
    failover: Failover = field(default_factory=Failover)
    health: HealthChecks = field(default_factory=HealthChecks)
    record: bool = False


class InboundTrunkChanges(TypedDict, total=False):
    """Members of a trunk to change; `failover` and `health` are members of theirs, `destinations` is the whole list."""

    name: str
    enabled: bool
    destinations: Sequence[DestinationValues]
    failover: Mapping[str, Any]
    health: Mapping[str, Any]
    record: bool


class InboundTrunks:
    """The inbound trunks of every workspace; each method acts within the one it is given."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        directory: NumberDirectory,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._directory = directory
        self._clock = clock

    async def create(self, workspace_id: str, new: NewInboundTrunk, keep: Keep[InboundTrunk] = no_key) -> InboundTrunk:
        """A new trunk. Raises ValidationFailed for incomplete credentials."""
        now = self._clock()
        trunk_id = new_uuid()
        trunk = InboundTrunk(
            id=trunk_id,
            workspace_id=workspace_id,
            name=new.name,
            enabled=new.enabled,
            destinations=self._destinations(trunk_id, new.destinations, ()),
            failover=new.failover,
            health=new.health,
            application_id=None,
            record=new.record,
            created_at=now,
            updated_at=now,
        )

        async def work(connection: AsyncConnection) -> None:
            await queries.insert_trunk(connection, trunk)
            await run_rows(connection, keep(trunk))

        await self._store.write(work)
        await self._directory.refresh()
        return trunk

    async def get(self, workspace_id: str, trunk_id: str) -> InboundTrunk:
        """One trunk. Raises NotFound when this workspace has none with the id."""
        trunk = await self._store.read(lambda connection: queries.get_trunk(connection, workspace_id, trunk_id))
        if trunk is None:
            raise NotFound("Inbound trunk not found")
        return trunk

    async def exists(self, workspace_id: str, trunk_id: str) -> bool:
        """Whether this workspace has the trunk."""
        return (
            await self._store.read(lambda connection: queries.get_trunk(connection, workspace_id, trunk_id))
        ) is not None

    async def page(self, workspace_id: str, page: int, limit: int, search: str | None = None) -> Page[InboundTrunk]:
        """A page of trunks, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_trunks(connection, workspace_id, page, limit, search)
        )

    async def every(self, workspace_id: str) -> list[InboundTrunk]:
        """Every trunk of a workspace, newest first."""
        return await self._store.read(lambda connection: queries.trunks_of(connection, workspace_id))

    async def update(self, workspace_id: str, trunk_id: str, changes: InboundTrunkChanges) -> InboundTrunk:
        """Changes the members that are given. Raises NotFound, and ValidationFailed for incomplete credentials."""
        values: dict[str, Any] = dict(changes)

        async def work(connection: AsyncConnection) -> InboundTrunk:
            current = await queries.get_trunk(connection, workspace_id, trunk_id, lock=True)
            if current is None:
                raise NotFound("Inbound trunk not found")
            changed = dict(values)
            if "destinations" in changed:
                changed["destinations"] = self._destinations(trunk_id, changed["destinations"], current.destinations)
            for name in ("failover", "health"):
                if name in changed:
                    changed[name] = replace(getattr(current, name), **changed[name])
            trunk = replace(current, **changed, updated_at=self._clock())
            await queries.update_trunk(connection, trunk)
            return trunk

        trunk = await self._store.write(work)
        await self._directory.refresh()
        return trunk

    async def delete(self, workspace_id: str, trunk_id: str) -> None:
        """Deletes a trunk; an application on it is taken off. Raises NotFound, Conflict while a number points at it."""

        async def work(connection: AsyncConnection) -> None:
            trunk = await queries.get_trunk(connection, workspace_id, trunk_id, lock=True)
            if trunk is None:
                raise NotFound("Inbound trunk not found")
            if await queries.has_numbers(connection, trunk_id):
                raise Conflict("A number points at this trunk")
            await queries.delete_trunk(connection, trunk)

        await self._store.write(work)
        await self._directory.refresh()

    def _destinations(
        self, trunk_id: str, given: Sequence[DestinationValues], current: Sequence[InboundDestination]
    ) -> tuple[InboundDestination, ...]:
        """The destinations as they are stored. Raises ValidationFailed, with every field."""
        known = {destination.id: destination for destination in current}
        errors: list[FieldError] = []
        made: list[InboundDestination] = []
        for index, values in enumerate(given):
            path = f"destinations.{index}"
            before = None if values.get("id") is None else known.pop(values["id"], None)
            if values.get("id") is not None and before is None:
                errors.append(FieldError(f"{path}.id", "must be a destination of this trunk, once"))
                continue
            destination = InboundDestination(
                **({"id": new_uuid()} | {k: v for k, v in values.items() if v is not None})
            )
            if destination.username is None:
                if destination.password is not None:
                    errors.append(FieldError(f"{path}.username", "is required with password"))
                    continue
                made.append(destination)
            elif destination.password is not None:
                made.append(seal_destination(self._secrets, trunk_id, destination))
            elif before is not None and before.password is not None:
                made.append(replace(destination, password=before.password))
            else:
                errors.append(FieldError(f"{path}.password", "is required with username"))
        if errors:
            raise ValidationFailed(errors)
        return tuple(made)
