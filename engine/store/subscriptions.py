"""Queries about accounts' plans, their periods and the minutes used in them (contract §15)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.prices import Plan
from engine.store.billing_tables import account_plans, plan_usage, plans, reservations
from engine.store.prepared import RowStatement
from engine.store.times import from_ms, to_ms


@dataclass(frozen=True, slots=True)
class Subscription:
    """The plan of an account.

    Periods count from `since`; the one from `period_start` to `period_end` is the last that was begun, and `paid` says
    whether its fee was. `next_plan_id` is the plan that it goes over to at the end.
    """

    account_id: str
    plan: Plan
    since: datetime
    period_start: datetime
    period_end: datetime
    paid: bool
    next_plan_id: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed seconds of a period, those of them that the plan paid for, and those that the period includes where these
    are not the plan's."""

    used_s: int
    taken_s: int
    included_s: int | None


async def subscriptions_of(
    connection: AsyncConnection, account_ids: Collection[str], *, lock: bool = False
) -> dict[str, Subscription]:
    """The plans of these accounts; `lock` keeps others from counting minutes until the transaction ends."""
    query = (
        select(plans, account_plans)
        .join(account_plans, account_plans.c.plan_id == plans.c.id)
        .where(account_plans.c.account_id.in_(account_ids))
        # Everybody locks in this order, so that nobody waits for whoever waits for him
        .order_by(account_plans.c.account_id)
    )
    rows = await connection.execute(query.with_for_update(of=account_plans) if lock else query)
    return {row.account_id: _subscription(row) for row in rows}


async def subscription_of(connection: AsyncConnection, account_id: str, *, lock: bool = False) -> Subscription | None:
    """The plan of an account, as `subscriptions_of`."""
    return (await subscriptions_of(connection, [account_id], lock=lock)).get(account_id)


async def put_subscription(connection: AsyncConnection, subscription: Subscription) -> None:
    """Stores the plan of an account in place of the one before."""
    values = {
        "plan_id": subscription.plan.id,
        "since": to_ms(subscription.since),
        "period_start": to_ms(subscription.period_start),
        "period_end": to_ms(subscription.period_end),
        "paid": subscription.paid,
        "next_plan_id": subscription.next_plan_id,
    }
    changed = await connection.execute(
        update(account_plans).where(account_plans.c.account_id == subscription.account_id).values(values)
    )
    if not changed.rowcount:
        await connection.execute(insert(account_plans).values(account_id=subscription.account_id, **values))


async def accounts_due(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Accounts whose period has ended, or whose fee is not paid."""
    due = (account_plans.c.period_end <= to_ms(now)) | ~account_plans.c.paid
    query = select(account_plans.c.account_id).where(due).order_by(account_plans.c.account_id).limit(limit)
    return list((await connection.execute(query)).scalars())


async def usage_of(connection: AsyncConnection, account_id: str, period_start: datetime) -> Usage:
    """What was used of a period."""
    return (await usages_of(connection, {account_id: period_start}))[account_id]


async def usages_of(connection: AsyncConnection, periods: Mapping[str, datetime]) -> dict[str, Usage]:
    """What was used of a period by each of these accounts."""
    found = {account_id: Usage(0, 0, None) for account_id in periods}
    starts = {account_id: to_ms(start) for account_id, start in periods.items()}
    query = select(plan_usage).where(
        plan_usage.c.account_id.in_(list(starts)), plan_usage.c.period_start.in_(set(starts.values()))
    )
    for row in await connection.execute(query):
        if starts[row.account_id] == row.period_start:
            found[row.account_id] = Usage(row.used_s, row.taken_s, row.included_s)
    return found


async def include_seconds(connection: AsyncConnection, account_id: str, period_start: datetime, seconds: int) -> None:
    """Sets what a period includes instead of what its plan says."""
    await _put_usage(connection, account_id, period_start, {"included_s": seconds})


async def set_used(
    connection: AsyncConnection, account_id: str, period_start: datetime, *, used_s: int, taken_s: int
) -> None:
    """Sets what was used of a period; under the lock of the plan."""
    await _put_usage(connection, account_id, period_start, {"used_s": used_s, "taken_s": taken_s})


async def _put_usage(
    connection: AsyncConnection, account_id: str, period_start: datetime, values: Mapping[str, int]
) -> None:
    start = to_ms(period_start)
    changed = await connection.execute(
        update(plan_usage)
        .where(plan_usage.c.account_id == account_id, plan_usage.c.period_start == start)
        .values(**values)
    )
    if not changed.rowcount:
        await connection.execute(
            insert(plan_usage).values(**{"account_id": account_id, "period_start": start, "used_s": 0, **values})
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a running call has of its account: money, and seconds of the plan of the period from `period_start` on.

    For a telephone that a call has dialled, `call_id` is the leg's id and `dialled_by` the call's.
    """

    call_id: str
    account_id: str
    amount: int
    plan_s: int
    period_start: datetime | None
    created_at: datetime
    dialled_by: str | None = None


DELETE_RESERVATION: Final = RowStatement(
    45, delete(reservations).where(reservations.c.call_id == bindparam("reserved_call"))
)
"""Gives back what a call has reserved: parameter `reserved_call`."""


async def reservations_of(connection: AsyncConnection, call_ids: Collection[str]) -> dict[str, Reservation]:
    """What these calls and the telephones that they have dialled have reserved, by the id of the call or the leg."""
    theirs = reservations.c.call_id.in_(call_ids) | reservations.c.dialled_by.in_(call_ids)
    rows = await connection.execute(select(reservations).where(theirs))
    return {row.call_id: _reservation(row) for row in rows}


async def put_reservation(connection: AsyncConnection, reservation: Reservation) -> None:
    """Stores what a call has reserved in place of what it had; under the lock of the wallet."""
    await connection.execute(delete(reservations).where(reservations.c.call_id == reservation.call_id))
    await connection.execute(
        insert(reservations).values(
            call_id=reservation.call_id,
            account_id=reservation.account_id,
            amount=reservation.amount,
            plan_s=reservation.plan_s,
            period_start=None if reservation.period_start is None else to_ms(reservation.period_start),
            created_at=to_ms(reservation.created_at),
            dialled_by=reservation.dialled_by,
        )
    )


async def delete_reservation(connection: AsyncConnection, call_id: str) -> None:
    """Gives back what a call, the telephones that it has dialled, or one telephone has reserved."""
    theirs = (reservations.c.call_id == call_id) | (reservations.c.dialled_by == call_id)
    await connection.execute(delete(reservations).where(theirs))


async def reserved_money(connection: AsyncConnection, account_id: str) -> int:
    """What the running calls of an account have reserved of its wallet."""
    query = select(func.coalesce(func.sum(reservations.c.amount), 0)).where(reservations.c.account_id == account_id)
    return int((await connection.execute(query)).scalar_one())


async def reserved_seconds(connection: AsyncConnection, periods: Mapping[str, datetime]) -> dict[str, int]:
    """How many seconds of a period's plan the running calls of each of these accounts have reserved."""
    starts = {account_id: to_ms(start) for account_id, start in periods.items()}
    rows = await connection.execute(
        select(reservations.c.account_id, reservations.c.period_start, func.sum(reservations.c.plan_s).label("plan_s"))
        .where(reservations.c.account_id.in_(list(starts)))
        .group_by(reservations.c.account_id, reservations.c.period_start)
    )
    found = dict.fromkeys(periods, 0)
    for row in rows:
        if row.period_start == starts[row.account_id]:
            found[row.account_id] = int(row.plan_s)
    return found


async def reserving_calls(connection: AsyncConnection, before: datetime, limit: int) -> list[str]:
    """Calls that have reserved something, for themselves or for a telephone, since before that moment."""
    call = func.coalesce(reservations.c.dialled_by, reservations.c.call_id)
    query = select(call).distinct().where(reservations.c.created_at < to_ms(before)).limit(limit)
    return list((await connection.execute(query)).scalars())


def plan_of(row: Row[Any]) -> Plan:
    """A plan from a row that begins with its columns."""
    return Plan(
        id=row.id,
        code=row.code,
        name=row.name,
        monthly_price=row.monthly_price,
        included_minutes=row.included_minutes,
        overage_per_minute=row.overage_per_minute,
        max_workspaces=row.max_workspaces,
        currency=row.currency,
    )


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        account_id=row.account_id,
        plan=plan_of(row),
        since=from_ms(row.since),
        period_start=from_ms(row.period_start),
        period_end=from_ms(row.period_end),
        paid=row.paid,
        next_plan_id=row.next_plan_id,
    )


def _reservation(row: Row[Any]) -> Reservation:
    return Reservation(
        call_id=row.call_id,
        account_id=row.account_id,
        amount=row.amount,
        plan_s=row.plan_s,
        period_start=None if row.period_start is None else from_ms(row.period_start),
        created_at=from_ms(row.created_at),
        dialled_by=row.dialled_by,
    )
