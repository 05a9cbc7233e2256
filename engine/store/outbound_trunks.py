"""Queries about outbound trunks. Their SIP passwords pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import OutboundTrunk, Page, RoutingRule
from engine.store.config import record_change
from engine.store.json_text import dump_json, load_json
from engine.store.tables import outbound_trunks
from engine.store.times import from_ms, to_ms


async def insert_trunk(connection: AsyncConnection, trunk: OutboundTrunk) -> None:
    """Stores a new trunk; the same username twice on a server violates a constraint."""
    await connection.execute(insert(outbound_trunks).values(_values(trunk)))
    await record_change(connection, "outbound_trunk", trunk.id)


async def get_trunk(
    connection: AsyncConnection, workspace_id: str, trunk_id: str, *, lock: bool = False
) -> OutboundTrunk | None:
    """One trunk of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = select(outbound_trunks).where(
        outbound_trunks.c.id == trunk_id, outbound_trunks.c.workspace_id == workspace_id
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _trunk(row)


async def update_trunk(connection: AsyncConnection, trunk: OutboundTrunk) -> None:
    """Stores every value of an existing trunk."""
    await connection.execute(update(outbound_trunks).where(outbound_trunks.c.id == trunk.id).values(_values(trunk)))
    await record_change(connection, "outbound_trunk", trunk.id)


async def delete_trunk(connection: AsyncConnection, workspace_id: str, trunk_id: str) -> bool:
    """Deletes a trunk; false when the workspace has none with this id."""
    found = await connection.execute(
        delete(outbound_trunks).where(outbound_trunks.c.id == trunk_id, outbound_trunks.c.workspace_id == workspace_id)
    )
    if found.rowcount == 0:
        return False
    await record_change(connection, "outbound_trunk", trunk_id)
    return True


async def page_of_trunks(
    connection: AsyncConnection, workspace_id: str, page: int, limit: int, search: str | None
) -> Page[OutboundTrunk]:
    """A page, newest first; `search` is a substring of the name in any case."""
    condition = outbound_trunks.c.workspace_id == workspace_id
    if search:
        condition = and_(condition, outbound_trunks.c.search_text.contains(search.casefold(), autoescape=True))
    total = (await connection.execute(select(func.count()).select_from(outbound_trunks).where(condition))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(outbound_trunks)
        .where(condition)
        .order_by(outbound_trunks.c.created_at.desc(), outbound_trunks.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(_trunk(row) for row in rows), page, limit, total)


async def trunks_of(connection: AsyncConnection, workspace_id: str) -> list[OutboundTrunk]:
    """Every trunk of a workspace, newest first."""
    query = select(outbound_trunks).where(outbound_trunks.c.workspace_id == workspace_id)
    rows = await connection.execute(query.order_by(outbound_trunks.c.created_at.desc(), outbound_trunks.c.id.desc()))
    return [_trunk(row) for row in rows]


async def load_trunks(connection: AsyncConnection, ids: Iterable[str] | None) -> list[OutboundTrunk]:
    """The trunks with these ids, or all of the server."""
    query = select(outbound_trunks)
    if ids is not None:
        query = query.where(outbound_trunks.c.id.in_(list(ids)))
    return [_trunk(row) for row in await connection.execute(query)]


def _values(trunk: OutboundTrunk) -> dict[str, object]:
    return {
        "id": trunk.id,
        "workspace_id": trunk.workspace_id,
        "name": trunk.name,
        "search_text": trunk.name.casefold(),
        "enabled": trunk.enabled,
        "username": trunk.username,
        "password": trunk.password,
        "allowed_source_ips": dump_json([str(network) for network in trunk.allowed_source_ips]),
        "allowed_number_ids": dump_json(trunk.allowed_number_ids),
        "default_number_id": trunk.default_number_id,
        "routing_rules": dump_json(
            [{"prefix": rule.prefix, "number_id": rule.number_id} for rule in trunk.routing_rules]
        ),
        "max_channels": trunk.max_channels,
        "record": trunk.record,
        "created_at": to_ms(trunk.created_at),
        "updated_at": to_ms(trunk.updated_at),
    }


def _trunk(row: Row[Any]) -> OutboundTrunk:
    return OutboundTrunk(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        enabled=row.enabled,
        username=row.username,
        password=row.password,
        allowed_source_ips=tuple(ip_network(text) for text in load_json(row.allowed_source_ips)),
        allowed_number_ids=tuple(load_json(row.allowed_number_ids)),
        default_number_id=row.default_number_id,
        routing_rules=tuple(RoutingRule(**rule) for rule in load_json(row.routing_rules)),
        max_channels=row.max_channels,
        record=row.record,
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )
