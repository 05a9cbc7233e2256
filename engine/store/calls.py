"""Statements and queries about calls, their events and their log.

The statements that every call runs are prepared rows, ranked in the order of a call's life, so that a transaction may
hold any mixture of them (`engine.store.writer`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, bindparam, func, insert, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.leg_media import LegMedia
from engine.model import (
    AttemptResult,
    Call,
    CallLogEntry,
    Direction,
    Outcome,
    Page,
    RoutingAttempt,
)
from engine.store.database import Store
from engine.store.json_text import dump_json, load_json
from engine.store.prepared import PreparedQuery, RowStatement
from engine.store.tables import call_events, call_log, calls
from engine.store.times import from_ms, from_ms_or_none, to_ms, to_ms_or_none

START_DELAY_MS: Final = 3_600_000
"""A call starts no earlier than it is created, and no more than this later: what ties a filter on the start to the
index on the creation."""

INSERT_CALL: Final = RowStatement(10, insert(calls))
"""A new call: parameters of `call_values`."""

SET_RINGING: Final = RowStatement(
    20,
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.status == literal_column("'dialing'"))
    .values(status=literal_column("'ringing'")),
)
"""The far end rings: parameter `call`."""

SET_ANSWERED: Final = RowStatement(
    30,
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.ended_at.is_(None))
    .values(status=literal_column("'answered'"), answered_at=bindparam("at")),
)
"""The call was answered: parameters `call`, `at` (milliseconds)."""

_END_COLUMNS: Final = (
    "status",
    "outcome",
    "hangup_by",
    "hangup_cause",
    "sip_code",
    "answered_by",
    "answered_at",
    "ended_at",
    "ring_s",
    "duration_s",
    "billed_s",
    "cost",
    "currency",
    "routing_attempts",
    "media",
)
SET_ENDED: Final = RowStatement(
    40,
    update(calls)
    .where(calls.c.id == bindparam("call"), calls.c.ended_at.is_(None))
    .values({name: bindparam(f"new_{name}") for name in _END_COLUMNS}),
)
"""The call ended: parameters of `end_values`."""

INSERT_EVENT: Final = RowStatement(50, insert(call_events))
"""A domain event: `id`, `workspace_id`, `type`, `call_id`, `payload` (JSON text), `created_at` (milliseconds)."""

INSERT_LOG: Final = RowStatement(60, insert(call_log))
"""A chunk of a call's log: `call_id`, `entries` (JSON text, an array of entries)."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; None does not narrow. Times are exclusive bounds of the start."""

    direction: Direction | None = None
    outcome: Outcome | None = None
    from_: str | None = None
    to: str | None = None
    application_id: str | None = None
    number_id: str | None = None
    trunk_id: str | None = None
    pending: bool | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None


def call_values(call: Call) -> dict[str, object]:
    """The columns of a call."""
    return {
        "id": call.id,
        "public_id": call.public_id,
        "workspace_id": call.workspace_id,
        "direction": call.direction,
        "from_number": call.from_,
        "to_number": call.to,
        "status": call.status,
        "number_id": call.number_id,
        "application_id": call.application_id,
        "trunk_id": call.trunk_id,
        "destination_kind": call.destination_kind,
        "destination_id": call.destination_id,
        "variables": dump_json(call.variables) if call.variables else "{}",
        "started_at": to_ms(call.started_at),
        "answered_at": to_ms_or_none(call.answered_at),
        "created_at": to_ms(call.created_at),
        "ended_at": to_ms_or_none(call.ended_at),
        "outcome": call.outcome,
        "hangup_by": call.hangup_by,
        "hangup_cause": call.hangup_cause,
        "sip_code": call.sip_code,
        "answered_by": call.answered_by,
        "ring_s": call.ring_s,
        "duration_s": call.duration_s,
        "billed_s": call.billed_s,
        "cost": call.cost,
        "currency": call.currency,
        "routing_attempts": _attempt_values(call.routing_attempts),
        "media": _media_values(call.media),
    }


def end_values(call: Call) -> dict[str, object]:
    """The parameters of SET_ENDED for a call that has ended."""
    return {
        "call": call.id,
        "new_status": call.status,
        "new_outcome": call.outcome,
        "new_hangup_by": call.hangup_by,
        "new_hangup_cause": call.hangup_cause,
        "new_sip_code": call.sip_code,
        "new_answered_by": call.answered_by,
        "new_answered_at": to_ms_or_none(call.answered_at),
        "new_ended_at": to_ms_or_none(call.ended_at),
        "new_ring_s": call.ring_s,
        "new_duration_s": call.duration_s,
        "new_billed_s": call.billed_s,
        "new_cost": call.cost,
        "new_currency": call.currency,
        "new_routing_attempts": _attempt_values(call.routing_attempts),
        "new_media": _media_values(call.media),
    }


_GET_BY_ID: Final = PreparedQuery(select(calls).where(calls.c.id == bindparam("call")), at_once=True)
_GET_BY_PUBLIC_ID: Final = PreparedQuery(select(calls).where(calls.c.public_id == bindparam("call")), at_once=True)


async def get_call(store: Store, workspace_id: str | None, call_id: str, *, public: bool) -> Call | None:
    """One call by its public or internal id, of this workspace, or of any for None."""
    rows = await store.fetch(_GET_BY_PUBLIC_ID if public else _GET_BY_ID, {"call": call_id})
    if not rows:
        return None
    call = _call(rows[0])
    return call if workspace_id is None or call.workspace_id == workspace_id else None


async def list_calls(
    connection: AsyncConnection, workspace_id: str, narrow: CallFilter, before: Call | None, limit: int
) -> list[Call]:
    """Calls, newest first, that come after `before` in that order."""
    query = select(calls).where(*_conditions(workspace_id, narrow))
    if before is not None:
        position = (to_ms(before.created_at), before.id)
        query = query.where(tuple_(calls.c.created_at, calls.c.id) < tuple_(*position))
    rows = await connection.execute(query.order_by(calls.c.created_at.desc(), calls.c.id.desc()).limit(limit))
    return [_call(row) for row in rows]


async def page_of_calls(
    connection: AsyncConnection, workspace_id: str, narrow: CallFilter, page: int, limit: int
) -> Page[Call]:
    """A numbered page of calls, newest first."""
    conditions = _conditions(workspace_id, narrow)
    total = (await connection.execute(select(func.count()).select_from(calls).where(*conditions))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(calls)
        .where(*conditions)
        .order_by(calls.c.created_at.desc(), calls.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(_call(row) for row in rows), page, limit, total)


async def unfinished_calls(connection: AsyncConnection, limit: int) -> list[Call]:
    """Calls of every workspace that have not ended."""
    return [
        _call(row) for row in await connection.execute(select(calls).where(calls.c.ended_at.is_(None)).limit(limit))
    ]


async def unfinished_among(connection: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Which of these calls have not ended."""
    query = select(calls.c.id).where(calls.c.id.in_(ids), calls.c.ended_at.is_(None))
    return set((await connection.execute(query)).scalars())


async def log_of_call(connection: AsyncConnection, call_id: str) -> list[CallLogEntry]:
    """The log of a call in the order in which it was written."""
    rows = await connection.execute(
        select(call_log.c.entries).where(call_log.c.call_id == call_id).order_by(call_log.c.seq)
    )
    return [
        CallLogEntry(at=from_ms(entry["at"]), type=entry["type"], data=entry["data"])
        for row in rows
        for entry in load_json(row.entries)
    ]


async def events_of_call(connection: AsyncConnection, call_id: str) -> list[dict[str, Any]]:
    """The payloads of a call's domain events, in their order."""
    rows = await connection.execute(
        select(call_events.c.payload).where(call_events.c.call_id == call_id).order_by(call_events.c.seq)
    )
    return [load_json(row.payload) for row in rows]


def _conditions(workspace_id: str, narrow: CallFilter) -> list[ColumnElement[bool]]:
    equal: Mapping[Any, object] = {
        calls.c.direction: narrow.direction,
        calls.c.outcome: narrow.outcome,
        calls.c.from_number: narrow.from_,
        calls.c.to_number: narrow.to,
        calls.c.application_id: narrow.application_id,
        calls.c.number_id: narrow.number_id,
        calls.c.trunk_id: narrow.trunk_id,
    }
    conditions: list[ColumnElement[bool]] = [calls.c.workspace_id == workspace_id]
    conditions += [column == value for column, value in equal.items() if value is not None]
    if narrow.pending is not None:
        conditions.append(calls.c.ended_at.is_(None) if narrow.pending else calls.c.ended_at.is_not(None))
    if narrow.started_after is not None:
        after = to_ms(narrow.started_after)
        conditions += [calls.c.started_at > after, calls.c.created_at > after - START_DELAY_MS]
    if narrow.started_before is not None:
        before = to_ms(narrow.started_before)
        conditions += [calls.c.started_at < before, calls.c.created_at < before]
    return conditions


def _media_values(media: Sequence[LegMedia]) -> str | None:
    return dump_json([leg.members() for leg in media]) if media else None


def _attempt_values(attempts: Sequence[RoutingAttempt]) -> str:
    if not attempts:
        return "[]"
    return dump_json(
        [
            {
                "order": attempt.order,
                "destination_id": attempt.destination_id,
                "label": attempt.label,
                "uri": attempt.uri,
                "started_at": to_ms(attempt.started_at),
                "ended_at": to_ms_or_none(attempt.ended_at),
                "setup_ms": attempt.setup_ms,
                "sip_code": attempt.sip_code,
                "result": attempt.result,
            }
            for attempt in attempts
        ]
    )


def _attempts(text: str) -> tuple[RoutingAttempt, ...]:
    if text == "[]":
        return ()
    return tuple(
        RoutingAttempt(
            order=values["order"],
            destination_id=values["destination_id"],
            label=values["label"],
            uri=values["uri"],
            started_at=from_ms(values["started_at"]),
            ended_at=from_ms_or_none(values["ended_at"]),
            setup_ms=values["setup_ms"],
            sip_code=values["sip_code"],
            result=cast(AttemptResult, values["result"]),
        )
        for values in load_json(text)
    )


_COLUMNS: Final = tuple(column.name for column in calls.columns)


def _call(row: Sequence[Any]) -> Call:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Call(
        id=values["id"],
        public_id=values["public_id"],
        workspace_id=values["workspace_id"],
        direction=values["direction"],
        from_=values["from_number"],
        to=values["to_number"],
        status=values["status"],
        number_id=values["number_id"],
        application_id=values["application_id"],
        trunk_id=values["trunk_id"],
        destination_kind=values["destination_kind"],
        destination_id=values["destination_id"],
        variables={} if values["variables"] == "{}" else load_json(values["variables"]),
        created_at=from_ms(values["created_at"]),
        started_at=from_ms(values["started_at"]),
        answered_at=from_ms_or_none(values["answered_at"]),
        ended_at=from_ms_or_none(values["ended_at"]),
        outcome=values["outcome"],
        hangup_by=values["hangup_by"],
        hangup_cause=values["hangup_cause"],
        sip_code=values["sip_code"],
        answered_by=values["answered_by"],
        ring_s=values["ring_s"],
        duration_s=values["duration_s"],
        billed_s=values["billed_s"],
        cost=values["cost"],
        currency=values["currency"],
        routing_attempts=_attempts(values["routing_attempts"]),
        media=() if values["media"] is None else tuple(LegMedia(**leg) for leg in load_json(values["media"])),
    )
