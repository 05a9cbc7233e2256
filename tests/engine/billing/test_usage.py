"""Usage reports: days of the account's time zone, also where clocks change, and bounds to the millisecond (§15.2)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.model import CallOutcome
from engine.store.billing_accounts import billing_account, put_billing_account
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_metering import Metered
from tests.engine.opened import opened


@pytest.fixture
async def used(tmp_path: Path) -> AsyncIterator[Metered]:
    async with opened(tmp_path, charging=True) as engine:
        made = Metered(engine)
        await made.billing.import_prices(BOOK)
        yield made
        await made.records.close()


async def live_in(used: Metered, zone: str) -> None:
    account_id = (await used.billing.overview(used.engine.workspace_id)).account_id

    async def move(connection: object) -> None:
        account = await billing_account(connection, account_id)  # type: ignore[arg-type]
        assert account is not None
        await put_billing_account(connection, replace(account, timezone=zone))  # type: ignore[arg-type]

    await used.engine.store.write(move)


async def talk(used: Metered, number_id: str, at: datetime, seconds: int = 60) -> None:
    new = replace(used.call(number_id), created_at=at)
    await used.begin(new)
    await used.records.finish(
        new.id, CallOutcome("answered", "caller", "normal", at + timedelta(seconds=seconds), duration_seconds=seconds)
    )


async def days(used: Metered, start: datetime, end: datetime) -> dict[str, int]:
    rows = await used.billing.usage(used.engine.workspace_id, start, end, "day")
    return {row.key: row.calls for row in rows}


# zone, moment of a call in UTC, the day that it is there
DAYS = [
    # midnight in Karachi is 19:00 UTC, in Kathmandu (+5:45) 18:15
    ("Asia/Karachi", datetime(2026, 6, 23, 18, 59, 59, tzinfo=UTC), "2026-06-23"),
    ("Asia/Karachi", datetime(2026, 6, 23, 19, 0, tzinfo=UTC), "2026-06-24"),
    ("Asia/Kathmandu", datetime(2026, 6, 23, 18, 14, 59, tzinfo=UTC), "2026-06-23"),
    ("Asia/Kathmandu", datetime(2026, 6, 23, 18, 15, tzinfo=UTC), "2026-06-24"),
    # Berlin goes to summer time on 28 March 2027: that day is from 23:00 to 22:00 UTC, 23 hours
    ("Europe/Berlin", datetime(2027, 3, 27, 22, 59, 59, tzinfo=UTC), "2027-03-27"),
    ("Europe/Berlin", datetime(2027, 3, 27, 23, 0, tzinfo=UTC), "2027-03-28"),
    ("Europe/Berlin", datetime(2027, 3, 28, 21, 59, 59, tzinfo=UTC), "2027-03-28"),
    ("Europe/Berlin", datetime(2027, 3, 28, 22, 0, tzinfo=UTC), "2027-03-29"),
    # and back on 31 October: from 22:00 to 23:00 UTC, 25 hours
    ("Europe/Berlin", datetime(2027, 10, 30, 21, 59, 59, tzinfo=UTC), "2027-10-30"),
    ("Europe/Berlin", datetime(2027, 10, 30, 22, 0, tzinfo=UTC), "2027-10-31"),
    ("Europe/Berlin", datetime(2027, 10, 31, 22, 59, 59, tzinfo=UTC), "2027-10-31"),
    ("Europe/Berlin", datetime(2027, 10, 31, 23, 0, tzinfo=UTC), "2027-11-01"),
    # Cairo has no midnight on 30 April 2027, its clocks go from 00:00 to 01:00: 22:00 UTC begins the day
    ("Africa/Cairo", datetime(2027, 4, 29, 21, 59, 59, tzinfo=UTC), "2027-04-29"),
    ("Africa/Cairo", datetime(2027, 4, 29, 22, 0, tzinfo=UTC), "2027-04-30"),
    # and midnight twice in the night to 29 October: the hour from 23:00 is had twice, and is the 28th both times
    ("Africa/Cairo", datetime(2027, 10, 28, 20, 30, tzinfo=UTC), "2027-10-28"),
    ("Africa/Cairo", datetime(2027, 10, 28, 21, 59, 59, tzinfo=UTC), "2027-10-28"),
    ("Africa/Cairo", datetime(2027, 10, 28, 22, 0, tzinfo=UTC), "2027-10-29"),
]


async def test_a_call_counts_into_the_day_that_it_is_where_the_account_is(used: Metered) -> None:
    number = await a_number(used.engine, "rental")
    for _, at, _ in DAYS:
        await talk(used, number, at)
    for zone in {zone for zone, _, _ in DAYS}:
        await live_in(used, zone)
        for _, at, day in (one for one in DAYS if one[0] == zone):
            # as part of whole quarters, and alone
            found = await days(used, at - timedelta(minutes=40), at + timedelta(minutes=40))
            assert day in found, (zone, at, found)
            assert await days(used, at, at + timedelta(seconds=1)) == {day: 1}, (zone, at)


async def test_bounds_within_a_quarter_of_an_hour_count_to_the_millisecond(used: Metered) -> None:
    number = await a_number(used.engine, "rental")
    chance = random.Random(7)
    start = datetime(2026, 6, 23, 8, tzinfo=UTC)
    moments = sorted(start + timedelta(milliseconds=chance.randrange(3_600_000)) for _ in range(60))
    await asyncio.gather(*(talk(used, number, at) for at in moments))
    for _ in range(40):
        begin, end = sorted(chance.choices(moments, k=2))
        meant = [at for at in moments if begin <= at < end]
        for key in ("day", "workspace", "number"):
            rows = await used.billing.usage(used.engine.workspace_id, begin, end, key)  # type: ignore[arg-type]
            assert sum(row.calls for row in rows) == len(meant)
            assert sum(row.cost for row in rows) == 450 * len(meant)


async def test_calls_are_added_up_where_there_is_no_price_book_and_running_ones_are_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        made = Metered(engine)
        number = await a_number(engine, "byo")
        at = datetime(2026, 6, 23, 23, 59, tzinfo=UTC)
        await talk(made, number, at, 61)
        await made.begin(replace(made.call(number), created_at=at))
        busy = replace(made.call(number), created_at=at)
        await made.records.create(busy)
        await made.records.finish(busy.id, CallOutcome("busy", "callee", "busy", at))
        for span in (timedelta(seconds=1), timedelta(hours=1)):
            rows = await made.billing.usage(engine.workspace_id, at, at + span, "day")
            assert [(row.key, row.calls, row.billed_s, row.cost) for row in rows] == [("2026-06-23", 1, 120, 0)]
        await made.records.close()


def test_the_zones_of_these_days_are_as_the_comments_say() -> None:
    for zone, at, day in DAYS:
        assert at.astimezone(ZoneInfo(zone)).date().isoformat() == day
