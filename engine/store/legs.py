"""Statements and queries about the telephones that calls have dialled (contract §15.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.prepared import Parameters, RowStatement
from engine.store.tables import call_legs
from engine.store.times import from_ms, to_ms

INSERT_LEG: Final = RowStatement(35, insert(call_legs))
"""A telephone has answered: parameters of `leg_values`."""

SET_LEG_ENDED: Final = RowStatement(
    36,
    update(call_legs)
    .where(call_legs.c.id == bindparam("leg"), call_legs.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), duration_s=bindparam("seconds")),
)
"""It has hung up: parameters `leg`, `at` (milliseconds), `seconds`."""

SET_LEG_RATED: Final = RowStatement(
    46,
    update(call_legs)
    .where(call_legs.c.id == bindparam("leg"))
    .values(billed_s=bindparam("new_billed_s"), cost=bindparam("new_cost")),
)
"""What it costs: parameters `leg`, `new_billed_s`, `new_cost`."""


@dataclass(frozen=True, slots=True)
class AnsweredLeg:
    """A telephone that answered; `duration_s` is None while nobody has hung up."""

    id: str
    call_id: str
    number_id: str
    to: str
    answered_at: datetime
    duration_s: int | None


def leg_values(leg_id: str, call_id: str, number_id: str, to: str, answered_at: datetime) -> Parameters:
    """The columns of a telephone that has just answered."""
    return {
        "id": leg_id,
        "call_id": call_id,
        "number_id": number_id,
        "to_number": to,
        "answered_at": to_ms(answered_at),
        "ended_at": None,
        "duration_s": None,
        "billed_s": None,
        "cost": None,
    }


async def legs_of(connection: AsyncConnection, call_ids: Collection[str]) -> dict[str, list[AnsweredLeg]]:
    """The telephones that these calls have dialled, by call, in the order of their answers."""
    query = select(call_legs).where(call_legs.c.call_id.in_(call_ids)).order_by(call_legs.c.answered_at, call_legs.c.id)
    found: dict[str, list[AnsweredLeg]] = {}
    for row in await connection.execute(query):
        leg = AnsweredLeg(row.id, row.call_id, row.number_id, row.to_number, from_ms(row.answered_at), row.duration_s)
        found.setdefault(leg.call_id, []).append(leg)
    return found
