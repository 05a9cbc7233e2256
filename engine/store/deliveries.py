"""Statements and queries about deliveries. What every event and every attempt runs is prepared.

`next_attempt_at` is also what an attempt is claimed by: its result counts only while that has not changed, so that a
re-sending during an attempt is not lost in its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Delivery, DeliveryStatus, Page, TargetKind
from engine.store.database import Store
from engine.store.json_text import load_json
from engine.store.pages import page_of
from engine.store.prepared import PreparedQuery, RowStatement
from engine.store.tables import call_events, deliveries
from engine.store.times import from_ms, from_ms_or_none

INSERT_DELIVERY: Final = RowStatement(55, insert(deliveries))
"""A new delivery: every column."""

SET_ATTEMPTED: Final = RowStatement(
    70,
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("delivery"),
        deliveries.c.status == literal_column("'pending'"),
        deliveries.c.next_attempt_at == bindparam("claimed"),
    )
    .values(
        status=bindparam("new_status"),
        attempts=bindparam("new_attempts"),
        response_status=bindparam("new_response_status"),
        last_error=bindparam("new_last_error"),
        next_attempt_at=bindparam("new_next_attempt_at"),
        delivered_at=bindparam("new_delivered_at"),
        target_url=bindparam("new_target_url"),
        request_headers=bindparam("new_request_headers"),
        response_body=bindparam("new_response_body"),
        payload=bindparam("new_payload"),
    ),
)
"""What an attempt came to: parameters `delivery`, `claimed` (its `next_attempt_at`), and the new values."""

_PENDING: Final = deliveries.c.status == literal_column("'pending'")
_DUE: Final = PreparedQuery(
    select(
        deliveries.c.id,
        deliveries.c.event_id,
        deliveries.c.event_type,
        deliveries.c.attempts,
        deliveries.c.next_attempt_at,
        deliveries.c.target_url,
        call_events.c.payload,
        deliveries.c.call_id,
    )
    .join(call_events, call_events.c.id == deliveries.c.event_id)
    .where(deliveries.c.target_id == bindparam("target"), _PENDING, deliveries.c.next_attempt_at <= bindparam("now"))
    .order_by(deliveries.c.next_attempt_at)
    .limit(bindparam("most"))
    # Written out: SQLite's dialect would add a parameter of its own.
    .offset(literal_column("0"))
)
_NEXT: Final = PreparedQuery(
    select(func.min(deliveries.c.next_attempt_at)).where(deliveries.c.target_id == bindparam("target"), _PENDING)
)


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery to be attempted; `payload` is the body of its event as stored, `next_attempt_at` in milliseconds."""

    id: str
    event_id: str
    event_type: str
    attempts: int
    next_attempt_at: int
    target_url: str
    payload: str
    call_id: str | None = None


async def due_deliveries(store: Store, target_id: str, now: int, limit: int) -> list[DueDelivery]:
    """Deliveries to a target that are due at `now` (milliseconds), the longest waiting first."""
    rows = await store.fetch(_DUE, {"target": target_id, "now": now, "most": limit})
    return [DueDelivery(*row) for row in rows]


async def next_attempt_at(store: Store, target_id: str) -> int | None:
    """When the next delivery to a target is due, in milliseconds; None when nothing waits."""
    ((at,),) = await store.fetch(_NEXT, {"target": target_id})
    return None if at is None else int(at)


async def waiting_targets(connection: AsyncConnection) -> list[tuple[TargetKind, str]]:
    """Every target that something waits for."""
    rows = await connection.execute(select(deliveries.c.target_kind, deliveries.c.target_id).where(_PENDING).distinct())
    return [(cast(TargetKind, row.target_kind), row.target_id) for row in rows]


async def count_waiting(connection: AsyncConnection) -> int:
    """How many deliveries wait."""
    return int((await connection.execute(select(func.count()).select_from(deliveries).where(_PENDING))).scalar_one())


async def page_of_deliveries(
    connection: AsyncConnection,
    target_id: str,
    page: int,
    limit: int,
    status: DeliveryStatus | None,
    event_type: str | None,
) -> Page[Delivery]:
    """A page of the deliveries to a target, newest first."""
    conditions: list[ColumnElement[bool]] = [deliveries.c.target_id == target_id]
    if status is not None:
        conditions.append(deliveries.c.status == status)
    if event_type is not None:
        conditions.append(deliveries.c.event_type == event_type)
    return await page_of(connection, deliveries, conditions, page, limit, _delivery)


async def get_delivery(connection: AsyncConnection, target_id: str, delivery_id: str) -> Delivery | None:
    """One delivery to a target, with its payload."""
    query = (
        select(deliveries, func.coalesce(deliveries.c.payload, call_events.c.payload).label("sent"))
        .outerjoin(call_events, call_events.c.id == deliveries.c.event_id)
        .where(deliveries.c.id == delivery_id, deliveries.c.target_id == target_id)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else _delivery(row, row.sent)


async def send_again(connection: AsyncConnection, target_id: str, delivery_id: str, now: int) -> bool:
    """Makes a delivery pending anew, due at `now` (milliseconds); false when the target has none with this id."""
    found = await connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.target_id == target_id)
        .values(status="pending", attempts=0, next_attempt_at=now, delivered_at=None)
    )
    return found.rowcount > 0


async def stop_pending(connection: AsyncConnection, target_id: str, reason: str) -> None:
    """Ends what waits for a target, as failed for this reason."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.target_id == target_id, _PENDING)
        .values(status="failed", last_error=reason)
    )


async def prune(connection: AsyncConnection, before: int, limit: int) -> int:
    """Deletes up to `limit` deliveries, and events without a call, from before that time (ms); how many."""
    old = select(deliveries.c.id).where(deliveries.c.created_at < before).limit(limit)
    gone = (await connection.execute(delete(deliveries).where(deliveries.c.id.in_(old)))).rowcount
    events = (
        select(call_events.c.seq)
        .where(and_(call_events.c.call_id.is_(None), call_events.c.created_at < before))
        .limit(limit)
    )
    return gone + (await connection.execute(delete(call_events).where(call_events.c.seq.in_(events)))).rowcount


def _delivery(row: Row[Any], payload: str | None = None) -> Delivery:
    return Delivery(
        id=row.id,
        event_type=row.event_type,
        event_id=row.event_id,
        call_id=row.call_id,
        status=cast(DeliveryStatus, row.status),
        attempts=row.attempts,
        response_status=row.response_status,
        last_error=row.last_error,
        next_attempt_at=from_ms(row.next_attempt_at),
        created_at=from_ms(row.created_at),
        delivered_at=from_ms_or_none(row.delivered_at),
        target_url=row.target_url,
        request_headers=load_json(row.request_headers),
        response_body=row.response_body,
        payload=None if payload is None else load_json(payload),
    )
