"""Queries about rentals and their documents (contract §15.2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.kyc import StoredFile
from engine.billing.rental_states import RentalStatus
from engine.model import Page
from engine.store.billing_tables import rental_documents, rentals
from engine.store.json_text import dump_json, load_json
from engine.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none

LIVE: Final = ("active", "canceled")


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a rental; its file has the document's id."""

    id: str
    name: str
    filename: str
    content_type: str
    size_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rental:
    """A number that is rented, or on its way to be.

    Prices are of a month and in force for the period. `paid` is what the first month has cost while it may be refunded.
    Periods count from `anchor`, when the number went live.
    """

    id: str
    account_id: str
    workspace_id: str
    country: str
    area_code: str | None
    channels: int
    status: RentalStatus
    did_price: int
    channel_price: int
    paid: int
    fields: Mapping[str, str]
    note: str | None
    number_id: str | None
    e164: str | None
    anchor: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    released_at: datetime | None
    created_at: datetime
    updated_at: datetime
    documents: tuple[Document, ...] = ()

    @property
    def monthly(self) -> int:
        """What a month costs."""
        return self.did_price + self.channel_price * self.channels


async def insert_rental(connection: AsyncConnection, rental: Rental) -> None:
    """Stores a new rental."""
    await connection.execute(insert(rentals).values(_values(rental)))


async def update_rental(connection: AsyncConnection, rental: Rental) -> None:
    """Stores every value of a rental but its documents."""
    await connection.execute(update(rentals).where(rentals.c.id == rental.id).values(_values(rental)))


async def get_rental(
    connection: AsyncConnection, rental_id: str, workspace_id: str | None = None, *, lock: bool = False
) -> Rental | None:
    """One rental with its documents, of this workspace or of any; `lock` holds it until the transaction ends."""
    query = select(rentals).where(rentals.c.id == rental_id)
    if workspace_id is not None:
        query = query.where(rentals.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        return None
    return (await _with_documents(connection, [_rental(row)]))[0]


async def page_of_rentals(
    connection: AsyncConnection,
    page: int,
    limit: int,
    workspace_id: str | None = None,
    status: RentalStatus | None = None,
) -> Page[Rental]:
    """A page, newest first, of one workspace or of all."""
    conditions: list[ColumnElement[bool]] = []
    if workspace_id is not None:
        conditions.append(rentals.c.workspace_id == workspace_id)
    if status is not None:
        conditions.append(rentals.c.status == status)
    total = (await connection.execute(select(func.count()).select_from(rentals).where(*conditions))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(rentals)
        .where(*conditions)
        .order_by(rentals.c.created_at.desc(), rentals.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    found = await _with_documents(connection, [_rental(row) for row in rows])
    return Page(tuple(found), page, limit, total)


async def rentals_due(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Rentals whose period has ended, the longest ago first."""
    query = (
        select(rentals.c.id)
        .where(rentals.c.period_end <= to_ms(now), rentals.c.released_at.is_(None), rentals.c.status.in_(LIVE))
        .order_by(rentals.c.period_end, rentals.c.id)
        .limit(limit)
    )
    return list((await connection.execute(query)).scalars())


async def has_open_rentals(connection: AsyncConnection, workspace_id: str) -> bool:
    """Whether a workspace has a rental that is neither refused nor given up, or whose number is still there."""
    ended = rentals.c.status.in_(("rejected", "canceled")) & (
        rentals.c.released_at.is_not(None) | rentals.c.number_id.is_(None)
    )
    query = select(rentals.c.id).where(rentals.c.workspace_id == workspace_id, ~ended).limit(1)
    return (await connection.execute(query)).first() is not None


async def put_documents(
    connection: AsyncConnection, rental_id: str, stored: Sequence[StoredFile], at: datetime
) -> list[str]:
    """Stores documents in place of those with the same names; the ids of these."""
    names = [one.document.name for one in stored]
    same = (rental_documents.c.rental_id == rental_id) & rental_documents.c.name.in_(names)
    replaced = list((await connection.execute(select(rental_documents.c.id).where(same))).scalars())
    await connection.execute(delete(rental_documents).where(same))
    for one in stored:
        await connection.execute(
            insert(rental_documents).values(
                id=one.id,
                rental_id=rental_id,
                name=one.document.name,
                filename=one.document.filename,
                content_type=one.document.content_type,
                size_bytes=len(one.document.data),
                sha256=one.sha256,
                created_at=to_ms(at),
            )
        )
    return replaced


async def documents_of(connection: AsyncConnection, rental_ids: Collection[str]) -> dict[str, list[Document]]:
    """The documents of these rentals, by name."""
    found: dict[str, list[Document]] = {rental_id: [] for rental_id in rental_ids}
    query = select(rental_documents).where(rental_documents.c.rental_id.in_(rental_ids))
    for row in await connection.execute(query.order_by(rental_documents.c.name)):
        found[row.rental_id].append(
            Document(row.id, row.name, row.filename, row.content_type, row.size_bytes, from_ms(row.created_at))
        )
    return found


async def _with_documents(connection: AsyncConnection, found: Sequence[Rental]) -> list[Rental]:
    documents = await documents_of(connection, [rental.id for rental in found])
    return [replace(rental, documents=tuple(documents[rental.id])) for rental in found]


def _values(rental: Rental) -> dict[str, object]:
    return {
        "id": rental.id,
        "account_id": rental.account_id,
        "workspace_id": rental.workspace_id,
        "country": rental.country,
        "area_code": rental.area_code,
        "channels": rental.channels,
        "status": rental.status,
        "did_price": rental.did_price,
        "channel_price": rental.channel_price,
        "paid": rental.paid,
        "fields": dump_json(rental.fields),
        "note": rental.note,
        "number_id": rental.number_id,
        "e164": rental.e164,
        "anchor": to_ms_or_none(rental.anchor),
        "period_start": to_ms_or_none(rental.period_start),
        "period_end": to_ms_or_none(rental.period_end),
        "released_at": to_ms_or_none(rental.released_at),
        "created_at": to_ms(rental.created_at),
        "updated_at": to_ms(rental.updated_at),
    }


def _rental(row: Row[Any]) -> Rental:
    return Rental(
        id=row.id,
        account_id=row.account_id,
        workspace_id=row.workspace_id,
        country=row.country,
        area_code=row.area_code,
        channels=row.channels,
        status=row.status,
        did_price=row.did_price,
        channel_price=row.channel_price,
        paid=row.paid,
        fields=load_json(row.fields),
        note=row.note,
        number_id=row.number_id,
        e164=row.e164,
        anchor=from_ms_or_none(row.anchor),
        period_start=from_ms_or_none(row.period_start),
        period_end=from_ms_or_none(row.period_end),
        released_at=from_ms_or_none(row.released_at),
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )
