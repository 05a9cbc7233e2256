"""Plans: chosen, changed in mid-period, renewed, not paid; periods by the account's time zone (contract §15)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.billing.periods import following, period_of, share
from engine.billing.prices import PlanPrice
from engine.errors import Conflict, PaymentRequired, ValidationFailed
from engine.store.billing_accounts import billing_account, put_billing_account
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_metering import Metered
from tests.engine.opened import START, opened

CAIRO = ZoneInfo("Africa/Cairo")
BERLIN = ZoneInfo("Europe/Berlin")
# 30.0000 for 300 minutes, which makes 1.0000 and 10 minutes a day of a month with thirty
MEDIUM = PlanPrice("medium", "Medium", 300_000, 300, 100, 3)


def at(*parts: int, zone: ZoneInfo | None = None) -> datetime:
    return datetime(*parts, tzinfo=zone or UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("since", "moment", "zone", "start", "end"),
    [
        # midnight of 1 March in Cairo is 22:00 of the day before in UTC
        (
            at(2026, 2, 1, zone=CAIRO), at(2026, 2, 28, 21, 59), CAIRO,
            at(2026, 1, 31, 22), at(2026, 2, 28, 22),
        ),
        # the last Sunday of March: the period is an hour shorter in UTC, and ends at the same time of day
        (
            at(2026, 3, 10, 9, zone=BERLIN), at(2026, 3, 20), BERLIN,
            at(2026, 3, 10, 8), at(2026, 4, 10, 7),
        ),
        # an anchor in the hour that does not exist on 29 March
        (
            at(2026, 1, 29, 2, 30, zone=BERLIN), at(2026, 3, 29, 12), BERLIN,
            at(2026, 3, 29, 1, 30), at(2026, 4, 29, 0, 30),
        ),
        # a leap day: 29 February of 2028 and 28 February of 2029
        (at(2028, 2, 29, zone=CAIRO), at(2029, 2, 28, 12), CAIRO, at(2029, 2, 27, 22), at(2029, 3, 28, 22)),
    ],
)  # fmt: skip
def test_a_period_is_a_month_on_the_wall_clock_of_the_account(
    since: datetime, moment: datetime, zone: ZoneInfo, start: datetime, end: datetime
) -> None:
    assert period_of(since, moment, zone) == (start, end)


def test_each_period_follows_the_one_before_through_years_of_months() -> None:
    for zone in (UTC, CAIRO, BERLIN):
        since = at(2027, 10, 31, 0, 30).astimezone(zone)
        end = period_of(since, since, zone)[1]
        for _ in range(36):
            start, later = following(since, end, zone)
            assert (start, later) == (end, period_of(since, end, zone)[1])
            assert timedelta(days=27) < later - start < timedelta(days=32)
            end = later


def test_a_share_is_by_days_and_the_day_of_the_change_counts() -> None:
    start, end = at(2026, 6, 23, 10), at(2026, 7, 23, 10)
    # 30 days: all of them on the first, 10 on 13 July, one on the last
    assert share(30_000, start, end, start) == 30_000
    assert share(30_000, start, end, at(2026, 7, 13, 23, 59)) == 10_000
    assert share(30_000, start, end, at(2026, 7, 23, 9)) == 1_000
    # 28 and 29 days: 14 of 28 are a half; of 29, 14 are 144 827.58, which is 144 828
    assert share(300_000, at(2026, 2, 1), at(2026, 3, 1), at(2026, 2, 15)) == 150_000
    assert share(300_000, at(2028, 2, 1), at(2028, 3, 1), at(2028, 2, 16)) == 144_828


@pytest.fixture
async def metered(tmp_path: Path) -> AsyncIterator[Metered]:
    async with opened(tmp_path, charging=True) as engine:
        made = Metered(engine)
        await made.billing.import_prices(replace(BOOK, plans=(*BOOK.plans, MEDIUM)))
        yield made
        await made.records.close()


async def plan_id(metered: Metered, code: str) -> str:
    return next(plan.id for plan in await metered.billing.plans.offered() if plan.code == code)


async def choose(metered: Metered, code: str) -> int:
    change = await metered.billing.plans.choose(metered.engine.workspace_id, await plan_id(metered, code))
    return change.charged


async def test_the_first_plan_begins_at_once_and_costs_its_month(metered: Metered) -> None:
    with pytest.raises(PaymentRequired):
        await choose(metered, "small")
    assert (await metered.billing.overview(metered.engine.workspace_id)).plan is None
    await metered.pay_in(190_000)
    assert await choose(metered, "small") == 190_000
    shown = await metered.billing.overview(metered.engine.workspace_id)
    assert (shown.minutes_included, shown.period_start, shown.period_end) == (2, START, at(2026, 7, 23, 10, 31))
    (transaction, _) = (await metered.billing.transactions(metered.engine.workspace_id, 1, 10)).items
    assert (transaction.type, transaction.amount, transaction.description) == ("plan", -190_000, "Plan Small")


async def test_a_dearer_plan_begins_at_once_for_the_days_that_are_left(metered: Metered) -> None:
    await metered.pay_in(190_000 + 36_666)
    await choose(metered, "small")
    # 20 days later 10 of 30 days are left: (30.0000 - 19.0000) / 3 = 3.66666…, halves up 3.6667
    metered.engine.clock.advance(days=20)
    with pytest.raises(PaymentRequired):
        await choose(metered, "medium")
    await metered.pay_in(1)
    assert await choose(metered, "medium") == 36_667
    shown = await metered.billing.overview(metered.engine.workspace_id)
    # 2 minutes and a third of the 298 more: 2 + 99.33
    assert (shown.plan is not None and shown.plan.code, shown.minutes_included) == ("medium", 101)
    assert await metered.wallet() == (0, 0)
    # the next month has all of it
    await metered.pay_in(300_000)
    metered.engine.clock.advance(days=10)
    await metered.billing.plans.renew_due(metered.engine.clock())
    assert (await metered.billing.overview(metered.engine.workspace_id)).minutes_included == 300
    assert await metered.wallet() == (0, 0)


async def test_a_cheaper_plan_begins_with_the_next_period_unless_it_is_taken_back(metered: Metered) -> None:
    await metered.pay_in(300_000 + 190_000)
    await choose(metered, "medium")
    choice = await metered.billing.plans.choose(metered.engine.workspace_id, await plan_id(metered, "small"))
    assert (choice.charged, choice.next_plan is not None and choice.next_plan.code) == (0, "small")
    assert (await metered.billing.overview(metered.engine.workspace_id)).minutes_included == 300
    # choosing the one there is takes it back
    assert await choose(metered, "medium") == 0
    await choose(metered, "small")
    metered.engine.clock.advance(days=30)
    await metered.billing.plans.renew_due(metered.engine.clock())
    shown = await metered.billing.overview(metered.engine.workspace_id)
    assert (shown.plan is not None and shown.plan.code, shown.minutes_included) == ("small", 2)
    assert await metered.wallet() == (0, 0)


async def test_a_fee_that_nobody_pays_leaves_no_minutes_until_it_is_paid(metered: Metered) -> None:
    await metered.pay_in(190_000 + 100_000)
    await choose(metered, "small")
    clock = metered.engine.clock
    clock.advance(days=30)
    await metered.billing.plans.renew_due(clock())
    shown = await metered.billing.overview(metered.engine.workspace_id)
    assert (shown.minutes_included, shown.wallet.wallet.balance) == (0, 100_000)
    # a minute now costs the overage rate
    new = metered.call(await a_number(metered.engine, "byo"))
    await metered.begin(new)
    assert await metered.end(new, 60) == 120
    await metered.pay_in(100_000)
    await metered.billing.plans.renew_due(clock.advance(days=1))
    shown = await metered.billing.overview(metered.engine.workspace_id)
    # 10.0000 - 0.0120 + 10.0000 - 19.0000
    assert (shown.minutes_included, shown.wallet.wallet.balance) == (2, 9_880)
    # and once only
    await metered.billing.plans.renew_due(clock.advance(days=1))
    assert await metered.wallet() == (9_880, 0)


async def test_periods_that_were_missed_are_made_up_for(metered: Metered) -> None:
    await metered.pay_in(4 * 190_000)
    await choose(metered, "small")
    # 23 June to 30 September: July, August and September have begun
    metered.engine.clock.now = at(2026, 9, 30)
    await metered.billing.plans.renew_due(metered.engine.clock())
    assert await metered.wallet() == (0, 0)
    transactions = (await metered.billing.transactions(metered.engine.workspace_id, 1, 10)).items
    assert [one.created_at.date().isoformat() for one in transactions[:3]] == ["2026-09-23", "2026-08-23", "2026-07-23"]


async def test_a_call_across_the_end_of_a_period_counts_where_it_ends(metered: Metered) -> None:
    await metered.pay_in(2 * 190_000)
    await choose(metered, "small")
    number = await a_number(metered.engine, "byo")
    used = metered.call(number)
    await metered.begin(used)
    assert await metered.end(used, 120) == 0
    # begun a minute before the period ends, ended a minute after: the new period's two minutes
    metered.engine.clock.now = at(2026, 7, 23, 10, 30)
    late = metered.call(number)
    await metered.begin(late)
    assert await metered.end(late, 120) == 0
    metered.engine.clock.now = at(2026, 7, 23, 10, 32)
    assert (await metered.billing.overview(metered.engine.workspace_id)).minutes_used == 2
    assert await metered.wallet() == (0, 0)


async def test_a_plan_bounds_the_workspaces_of_its_account(metered: Metered) -> None:
    engine = metered.engine
    await metered.pay_in(190_000 + 300_000)
    await choose(metered, "small")
    first = engine.first
    assert first.owner_password is not None
    owner = await engine.sessions.check_password(first.owner_email, first.owner_password)
    with pytest.raises(Conflict, match="The plan Small allows 1 workspace"):
        await engine.workspaces.create(owner, engine.workspace_id, "Second")
    await choose(metered, "medium")
    await engine.workspaces.create(owner, engine.workspace_id, "Second")
    with pytest.raises(Conflict, match="The plan Small allows 1 workspace"):
        await choose(metered, "small")


async def test_the_time_zone_of_an_account_counts_from_its_next_period(metered: Metered) -> None:
    account_id = (await metered.billing.overview(metered.engine.workspace_id)).account_id

    async def to_cairo(connection: object) -> None:
        account = await billing_account(connection, account_id)  # type: ignore[arg-type]
        assert account is not None
        await put_billing_account(connection, replace(account, timezone="Africa/Cairo"))  # type: ignore[arg-type]

    await metered.pay_in(10 * 190_000)
    await metered.engine.store.write(to_cairo)
    # 01:00 of 1 November in Cairo, where summer ended on 29 October: UTC+2
    metered.engine.clock.now = at(2026, 10, 31, 23)
    await choose(metered, "small")
    shown = await metered.billing.overview(metered.engine.workspace_id)
    # 01:00 of 1 December there
    assert (shown.period_start, shown.period_end) == (at(2026, 10, 31, 23), at(2026, 11, 30, 23))
    # summer begins on the last Friday of April: 01:00 of 1 May is 22:00
    metered.engine.clock.now = at(2027, 4, 30, 22)
    shown = await metered.billing.overview(metered.engine.workspace_id)
    assert shown.period_start == at(2027, 4, 30, 22)


async def test_only_a_plan_on_offer_can_be_chosen(metered: Metered) -> None:
    with pytest.raises(ValidationFailed, match="planId must be a plan on offer"):
        await metered.billing.plans.choose(metered.engine.workspace_id, "x")
