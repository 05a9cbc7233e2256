"""Usage added up as calls end, and the reports that read it (contract §15.2).

Calls are added up by the quarter of an hour in which they were made, as the clocks of all time zones differ from UTC by
whole quarters. A report adds the quarters, and single calls only where it begins or ends within one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, literal, select, text, union_all
from sqlalchemy import Row as DatabaseRow
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Call
from engine.store.prepared import RowStatement
from engine.store.tables import call_legs, calls, numbers, usage_totals, workspaces
from engine.store.times import from_ms, to_ms
from engine.store.writer import Row

GroupBy = Literal["day", "workspace", "number"]

SLOT_MS: Final = 900_000

_Part = Select[Any] | CompoundSelect[Any]

ADD_USAGE: Final = RowStatement(
    47,
    text(
        "INSERT INTO usage_totals (workspace_id, slot, number_id, calls, billed_s, cost)"
        " VALUES (:workspace_id, :slot, :number_id, :calls, :billed_s, :cost)"
        " ON CONFLICT (workspace_id, slot, number_id) DO UPDATE SET calls = usage_totals.calls + excluded.calls,"
        " billed_s = usage_totals.billed_s + excluded.billed_s, cost = usage_totals.cost + excluded.cost"
    ),
)
"""More usage of a number in a quarter: rows of `usage_rows`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call adds: as a call over a number, or as a telephone that it has dialled over one, which is no call."""

    workspace_id: str
    created_at: datetime
    number_id: str | None
    calls: int
    billed_s: int
    cost: int


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A line of a usage report: answered calls, billed seconds, and what they cost in ten-thousandths.

    The key is a day as `2026-06-23`, the id of a workspace, or a number, empty for calls over none.
    """

    key: str
    calls: int
    billed_s: int
    cost: int


def call_usage(call: Call, own_cost: int = 0) -> Usage:
    """What an answered call adds by itself, without its telephones."""
    return Usage(call.workspace_id, call.created_at, call.number_id, 1, call.billed_s or 0, own_cost)


def usage_rows(usages: Iterable[Usage]) -> list[Row]:
    """Rows that add these, one for each number and quarter, in an order that all writers keep."""
    sums: dict[tuple[str, int, str], list[int]] = {}
    for usage in usages:
        created = to_ms(usage.created_at)
        key = (usage.workspace_id, created - created % SLOT_MS, usage.number_id or "")
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += usage.calls
        total[1] += usage.billed_s
        total[2] += usage.cost
    names = ("workspace_id", "slot", "number_id", "calls", "billed_s", "cost")
    return [(ADD_USAGE, dict(zip(names, (*key, *total), strict=True))) for key, total in sorted(sums.items())]


async def usage_report(
    connection: AsyncConnection,
    account_id: str,
    start: datetime,
    end: datetime,
    group_by: GroupBy,
    zone: tzinfo = UTC,
) -> list[UsageRow]:
    """Answered calls of an account's workspaces that were made from `start` (inclusive) to `end` (exclusive), by key.

    Days are those of `zone`.
    """
    mine = await connection.execute(select(workspaces.c.id).where(workspaces.c.account_id == account_id))
    ids = list(mine.scalars())
    begin, until = to_ms(start), to_ms(end)
    first, last = -(-begin // SLOT_MS) * SLOT_MS, until // SLOT_MS * SLOT_MS
    whole = first < last
    parts: list[_Part] = [_quarters(ids, first, last)] if whole else []
    bounds = [(begin, first), (last, until)] if whole else [(begin, until)]
    parts += [_single(ids, *each) for each in bounds if each[0] < each[1]]
    rows: list[DatabaseRow[Any]] = []
    for part in parts:
        rows += await connection.execute(_grouped(part, group_by))
    if group_by == "day":
        return _sum(zip(_days([row.key for row in rows], zone), rows, strict=True))
    if group_by == "workspace":
        return _sum((row.key, row) for row in rows)
    query = select(numbers.c.id, numbers.c.e164).where(numbers.c.workspace_id.in_(ids))
    e164 = {row.id: row.e164 for row in await connection.execute(query)}
    return _sum((e164.get(row.key, ""), row) for row in rows)


def _quarters(workspace_ids: Sequence[str], first: int, last: int) -> Select[Any]:
    table = usage_totals.c
    return select(usage_totals).where(table.workspace_id.in_(workspace_ids), table.slot >= first, table.slot < last)


def _single(workspace_ids: Sequence[str], begin: int, end: int) -> CompoundSelect[Any]:
    """The calls of a part of a quarter as rows like its sums. A call's cost is with those of its telephones, which
    count for the numbers that they were dialled over."""
    slot = (calls.c.created_at - calls.c.created_at % literal(SLOT_MS)).label("slot")
    meant = (
        calls.c.workspace_id.in_(workspace_ids)
        & (calls.c.created_at >= begin)
        & (calls.c.created_at < end)
        & calls.c.ended_at.is_not(None)
    )
    answered = calls.c.answered_at.is_not(None)
    none, over = literal(0), func.coalesce(calls.c.number_id, "")
    dialled = call_legs.join(calls, calls.c.id == call_legs.c.call_id)
    rated = call_legs.c.cost.is_not(None)
    return union_all(
        select(
            calls.c.workspace_id,
            slot,
            over.label("number_id"),
            literal(1).label("calls"),
            func.coalesce(calls.c.billed_s, 0).label("billed_s"),
            calls.c.cost,
        ).where(meant, answered),
        select(calls.c.workspace_id, slot, over, none, none, -call_legs.c.cost)
        .select_from(dialled)
        .where(meant, answered, rated),
        select(calls.c.workspace_id, slot, call_legs.c.number_id, none, call_legs.c.billed_s, call_legs.c.cost)
        .select_from(dialled)
        .where(meant, rated),
    )


def _grouped(part: _Part, group_by: GroupBy) -> Select[Any]:
    rows = part.subquery()
    keys: dict[GroupBy, ColumnElement[Any]] = {
        "day": rows.c.slot,
        "workspace": rows.c.workspace_id,
        "number": rows.c.number_id,
    }
    key = keys[group_by].label("key")
    return select(
        key, func.sum(rows.c.calls).label("calls"), func.sum(rows.c.billed_s), func.sum(rows.c.cost)
    ).group_by(key)


def _days(slots: Sequence[int], zone: tzinfo) -> Iterator[str]:
    """The day of the zone in which each slot begins; looked up once for a stretch of slots of the same day."""
    day, begin, end = "", 0, 0
    for slot in slots:
        if not begin <= slot < end:
            local = from_ms(slot).astimezone(zone)
            midnight = datetime.combine(local.date(), time(), zone)
            # Across a change of clocks the difference of two times of one zone is that of the clocks' hands
            begin = to_ms(midnight.astimezone(UTC))
            end = to_ms(datetime.combine(local.date() + timedelta(days=1), time(), zone).astimezone(UTC))
            day = local.date().isoformat()
        yield day


def _sum(keyed: Iterable[tuple[str, DatabaseRow[Any]]]) -> list[UsageRow]:
    sums: dict[str, list[int]] = {}
    for key, row in keyed:
        total = sums.setdefault(key, [0, 0, 0])
        for index in range(3):
            total[index] += int(row[index + 1])
    return [UsageRow(key, count, billed, cost) for key, (count, billed, cost) in sorted(sums.items())]
