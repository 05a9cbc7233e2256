"""Queries about numbers. The passwords of their SIP configuration pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Number, NumberKind, NumberSip, NumberStatus, Page, Route, RouteKind, SipAuth, SipOutbound
from engine.store.config import record_change
from engine.store.json_text import dump_json, load_json
from engine.store.tables import numbers
from engine.store.times import from_ms, to_ms


async def insert_number(connection: AsyncConnection, number: Number) -> None:
    """Stores a new number; the same E.164 number twice on a server violates a constraint."""
    await connection.execute(insert(numbers).values(_values(number)))
    await record_change(connection, "number", number.id)


async def get_number(
    connection: AsyncConnection, workspace_id: str, number_id: str, *, lock: bool = False
) -> Number | None:
    """One number of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = select(numbers).where(numbers.c.id == number_id, numbers.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _number(row)


async def e164_taken(connection: AsyncConnection, e164: str) -> bool:
    """Whether the number exists anywhere on this server."""
    return (await connection.execute(select(numbers.c.id).where(numbers.c.e164 == e164))).first() is not None


async def number_with(connection: AsyncConnection, e164: str) -> Number | None:
    """The number of any workspace, held until the transaction ends."""
    row = (await connection.execute(select(numbers).where(numbers.c.e164 == e164).with_for_update())).first()
    return None if row is None else _number(row)


async def numbers_among(connection: AsyncConnection, workspace_id: str, ids: Iterable[str]) -> frozenset[str]:
    """Which of these ids are numbers of the workspace."""
    query = select(numbers.c.id).where(numbers.c.workspace_id == workspace_id, numbers.c.id.in_(list(ids)))
    return frozenset((await connection.execute(query)).scalars())


async def update_number(connection: AsyncConnection, number: Number) -> None:
    """Stores every value of an existing number."""
    await connection.execute(update(numbers).where(numbers.c.id == number.id).values(_values(number)))
    await record_change(connection, "number", number.id)


async def delete_number(connection: AsyncConnection, number_id: str) -> None:
    """Deletes a number."""
    await connection.execute(delete(numbers).where(numbers.c.id == number_id))
    await record_change(connection, "number", number_id)


async def page_of_numbers(
    connection: AsyncConnection,
    workspace_id: str,
    page: int,
    limit: int,
    search: str | None,
    kind: NumberKind | None,
    status: NumberStatus | None,
) -> Page[Number]:
    """A page, newest first; `search` is a substring of the label in any case."""
    conditions: list[ColumnElement[bool]] = [numbers.c.workspace_id == workspace_id]
    if search:
        conditions.append(numbers.c.search_text.contains(search.casefold(), autoescape=True))
    if kind is not None:
        conditions.append(numbers.c.kind == kind)
    if status is not None:
        conditions.append(numbers.c.status == status)
    total = (await connection.execute(select(func.count()).select_from(numbers).where(*conditions))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(numbers)
        .where(*conditions)
        .order_by(numbers.c.created_at.desc(), numbers.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(_number(row) for row in rows), page, limit, total)


async def load_numbers(connection: AsyncConnection, ids: Iterable[str] | None) -> list[Number]:
    """The numbers with these ids, or all of the server."""
    query = select(numbers)
    if ids is not None:
        query = query.where(numbers.c.id.in_(list(ids)))
    return [_number(row) for row in await connection.execute(query)]


def _values(number: Number) -> dict[str, object]:
    return {
        "id": number.id,
        "workspace_id": number.workspace_id,
        "e164": number.e164,
        "label": number.label,
        "search_text": (number.label or "").casefold(),
        "kind": number.kind,
        "country": number.country,
        "status": number.status,
        "inbound_enabled": number.inbound_enabled,
        "outbound_enabled": number.outbound_enabled,
        "destination_kind": None if number.destination is None else number.destination.kind,
        "destination_id": None if number.destination is None else number.destination.id,
        "channels": number.channels,
        "rental_id": number.rental_id,
        "sip": None if number.sip is None else dump_json(_sip_values(number.sip)),
        "created_at": to_ms(number.created_at),
        "updated_at": to_ms(number.updated_at),
    }


def _sip_values(sip: NumberSip) -> dict[str, object]:
    auth, outbound = sip.auth, sip.outbound
    return {
        "allowed_source_ips": [str(network) for network in sip.allowed_source_ips],
        "auth": None if auth is None else {"username": auth.username, "password": auth.password},
        "outbound": None
        if outbound is None
        else {
            "host": outbound.host,
            "port": outbound.port,
            "transport": outbound.transport,
            "username": outbound.username,
            "password": outbound.password,
            "register": outbound.register,
            "from_domain": outbound.from_domain,
            "media_encryption": outbound.media_encryption,
            "codecs": outbound.codecs,
            "custom_headers": outbound.custom_headers,
            "outbound_proxy": outbound.outbound_proxy,
        },
    }


def _number(row: Row[Any]) -> Number:
    return Number(
        id=row.id,
        workspace_id=row.workspace_id,
        e164=row.e164,
        label=row.label,
        kind=cast(NumberKind, row.kind),
        country=row.country,
        status=cast(NumberStatus, row.status),
        inbound_enabled=row.inbound_enabled,
        outbound_enabled=row.outbound_enabled,
        destination=None
        if row.destination_kind is None
        else Route(cast(RouteKind, row.destination_kind), row.destination_id),
        channels=row.channels,
        rental_id=row.rental_id,
        sip=None if row.sip is None else _sip(load_json(row.sip)),
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )


def _sip(values: dict[str, Any]) -> NumberSip:
    auth, outbound = values["auth"], values["outbound"]
    return NumberSip(
        allowed_source_ips=tuple(ip_network(text) for text in values["allowed_source_ips"]),
        auth=None if auth is None else SipAuth(**auth),
        outbound=None if outbound is None else SipOutbound(**(outbound | {"codecs": tuple(outbound["codecs"])})),
    )
