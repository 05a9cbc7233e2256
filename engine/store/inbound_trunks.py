"""Queries about inbound trunks. The passwords of their destinations pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Failover, HealthChecks, InboundDestination, InboundTrunk, Page
from engine.store.config import record_change
from engine.store.json_text import dump_json, load_json
from engine.store.pages import page_of
from engine.store.tables import applications, inbound_trunks, numbers
from engine.store.times import from_ms, to_ms

_APPLICATION: Final = (
    select(applications.c.id)
    .where(applications.c.inbound_trunk_id == inbound_trunks.c.id)
    .scalar_subquery()
    .label("application_id")
)
_TRUNKS: Final = select(inbound_trunks, _APPLICATION)


async def insert_trunk(connection: AsyncConnection, trunk: InboundTrunk) -> None:
    """Stores a new trunk."""
    await connection.execute(insert(inbound_trunks).values(_values(trunk)))
    await record_change(connection, "inbound_trunk", trunk.id)


async def get_trunk(
    connection: AsyncConnection, workspace_id: str, trunk_id: str, *, lock: bool = False
) -> InboundTrunk | None:
    """One trunk of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = _TRUNKS.where(inbound_trunks.c.id == trunk_id, inbound_trunks.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _trunk(row)


async def update_trunk(connection: AsyncConnection, trunk: InboundTrunk) -> None:
    """Stores every value of an existing trunk."""
    await connection.execute(update(inbound_trunks).where(inbound_trunks.c.id == trunk.id).values(_values(trunk)))
    await record_change(connection, "inbound_trunk", trunk.id)


async def has_numbers(connection: AsyncConnection, trunk_id: str) -> bool:
    """Whether a number points at the trunk."""
    query = select(numbers.c.id).where(numbers.c.destination_kind == "trunk", numbers.c.destination_id == trunk_id)
    return (await connection.execute(query.limit(1))).first() is not None


async def delete_trunk(connection: AsyncConnection, trunk: InboundTrunk) -> None:
    """Deletes a trunk; the application that hangs on it stays, without it."""
    if trunk.application_id is not None:
        await connection.execute(
            update(applications).where(applications.c.id == trunk.application_id).values(inbound_trunk_id=None)
        )
        await record_change(connection, "application", trunk.application_id)
    await connection.execute(delete(inbound_trunks).where(inbound_trunks.c.id == trunk.id))
    await record_change(connection, "inbound_trunk", trunk.id)


async def page_of_trunks(
    connection: AsyncConnection, workspace_id: str, page: int, limit: int, search: str | None
) -> Page[InboundTrunk]:
    """A page, newest first; `search` is a substring of the name in any case."""
    conditions: list[ColumnElement[bool]] = [inbound_trunks.c.workspace_id == workspace_id]
    if search:
        conditions.append(inbound_trunks.c.search_text.contains(search.casefold(), autoescape=True))
    return await page_of(connection, inbound_trunks, conditions, page, limit, _trunk, _TRUNKS)


async def load_trunks(connection: AsyncConnection, ids: Iterable[str] | None) -> list[InboundTrunk]:
    """The trunks with these ids, or all of the server."""
    query = _TRUNKS if ids is None else _TRUNKS.where(inbound_trunks.c.id.in_(list(ids)))
    return [_trunk(row) for row in await connection.execute(query)]


async def trunks_of(connection: AsyncConnection, workspace_id: str) -> list[InboundTrunk]:
    """Every trunk of a workspace, newest first."""
    query = _TRUNKS.where(inbound_trunks.c.workspace_id == workspace_id)
    rows = await connection.execute(query.order_by(inbound_trunks.c.created_at.desc(), inbound_trunks.c.id.desc()))
    return [_trunk(row) for row in rows]


def _values(trunk: InboundTrunk) -> dict[str, object]:
    return {
        "id": trunk.id,
        "workspace_id": trunk.workspace_id,
        "name": trunk.name,
        "search_text": trunk.name.casefold(),
        "enabled": trunk.enabled,
        "destinations": dump_json([asdict(destination) for destination in trunk.destinations]),
        "failover": dump_json(asdict(trunk.failover)),
        "health_enabled": trunk.health.enabled,
        "health_interval_s": trunk.health.interval_s,
        "record": trunk.record,
        "created_at": to_ms(trunk.created_at),
        "updated_at": to_ms(trunk.updated_at),
    }


def _trunk(row: Row[Any]) -> InboundTrunk:
    return InboundTrunk(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        enabled=row.enabled,
        destinations=tuple(InboundDestination(**values) for values in load_json(row.destinations)),
        failover=Failover(**load_json(row.failover)),
        health=HealthChecks(row.health_enabled, row.health_interval_s),
        application_id=row.application_id,
        record=row.record,
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )
