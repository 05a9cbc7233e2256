"""What tells caches that the configuration (`Kind`) has changed: a version in `meta`, and a list of changes.

Every write to one of them calls `record_change` in its transaction. A cache, in this process or another, keeps the
version it has seen and asks for what came after. The version row is locked by the update, so versions become visible
in their order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import bindparam, delete, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.database import Store
from engine.store.prepared import PreparedQuery
from engine.store.tables import config_changes, meta

Kind = Literal["application", "number", "key", "agent", "outbound_trunk", "inbound_trunk", "webhook"]

VERSION_NAME: Final = "config_version"
CHANGES_KEPT: Final = 10_000
"""Changes that stay listed; a cache further behind loads everything again."""

_PRUNE_EVERY: Final = 256

_BUMP: Final = update(meta).where(meta.c.name == VERSION_NAME).values(number=meta.c.number + 1).returning(meta.c.number)
_LOCK: Final = update(meta).where(meta.c.name == VERSION_NAME).values(number=meta.c.number)
_VERSION: Final = PreparedQuery(
    select(meta.c.number).where(meta.c.name == literal_column(f"'{VERSION_NAME}'")), at_once=True
)
_SINCE: Final = (
    select(config_changes.c.version, config_changes.c.kind, config_changes.c.entity_id)
    .where(config_changes.c.version > bindparam("version"))
    .order_by(config_changes.c.version)
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed up to `version`: pairs of kind and id, or everything when `complete` is false."""

    version: int
    entries: frozenset[tuple[str, str]]
    complete: bool

    def ids(self, kind: Kind) -> list[str]:
        """The changed entities of one kind."""
        return [entity_id for changed, entity_id in self.entries if changed == kind]


async def record_change(connection: AsyncConnection, kind: Kind, entity_id: str) -> None:
    """Makes a new version in which this entity was created, changed or deleted."""
    version = (await connection.execute(_BUMP)).scalar_one()
    await connection.execute(insert(config_changes).values(version=version, kind=kind, entity_id=entity_id))
    if version % _PRUNE_EVERY == 0:
        await connection.execute(delete(config_changes).where(config_changes.c.version <= version - CHANGES_KEPT))


async def config_version(store: Store) -> int:
    """The current version."""
    ((version,),) = await store.fetch(_VERSION, {})
    return int(version)


async def lock_config(connection: AsyncConnection) -> None:
    """Holds off every other change to the configuration until the end of this transaction."""
    await connection.execute(_LOCK)


async def changes_since(store: Store, version: int) -> Changes:
    """What changed after `version`."""
    newest = await config_version(store)
    if newest == version:
        return Changes(version, frozenset(), complete=True)
    rows = await store.read(lambda connection: _listed(connection, version))
    if not rows:
        return Changes(newest, frozenset(), complete=False)
    entries = frozenset((row.kind, row.entity_id) for row in rows)
    return Changes(rows[-1].version, entries, complete=len(rows) == rows[-1].version - version)


async def _listed(connection: AsyncConnection, version: int) -> Sequence[Any]:
    return (await connection.execute(_SINCE, {"version": version})).all()


class ConfigFollower:
    """Keeps a cache in step with the store.

    `load` takes over the entities named by a Changes, or everything for None. It is never run twice at a time.
    """

    def __init__(self, store: Store, load: Callable[[Changes | None], Awaitable[None]]) -> None:
        self._store = store
        self._load = load
        self._lock = asyncio.Lock()
        self._version: int | None = None
        self._asked = 0
        self._served = 0
        self._fresh_at = float("-inf")

    @property
    def age(self) -> float:
        """Seconds since the cache was last known to be in step; infinite before the first time."""
        return time.monotonic() - self._fresh_at

    async def refresh(self) -> None:
        """Takes over every change that was committed before this call. Raises what the store or `load` raises."""
        self._asked += 1
        asked = self._asked
        async with self._lock:
            if self._served >= asked:
                return  # one that began after this call has done it
            serving, began = self._asked, time.monotonic()
            await self._catch_up()
            self._served, self._fresh_at = serving, began

    async def _catch_up(self) -> None:
        if self._version is None:
            # The version first: what changes while everything is loaded is then loaded once more, never missed.
            version = await config_version(self._store)
            await self._load(None)
            self._version = version
            return
        changes = await changes_since(self._store, self._version)
        if changes.version == self._version:
            return
        await self._load(changes if changes.complete else None)
        self._version = changes.version
