"""What a call costs (contract §15.1). Every figure is worked out by hand in the comment beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.billing.money import billable_seconds, parse_money, price_of
from engine.billing.periods import period_of
from engine.billing.prices import prefixes_of
from engine.billing.rating import Allowance, Rated, rate_call
from engine.model import money


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("12.5", 125_000), ("0.0450", 450), ("-3.0001", -30_001), ("999999999.9999", 9_999_999_999_999)],
)
def test_money_is_read_without_a_float(text: str, amount: int) -> None:
    assert parse_money(text) == amount
    assert parse_money(money(amount)) == amount


@pytest.mark.parametrize("text", ["", "1.", ".5", "1,5", "1.00001", "+1", "1e3", " 1", "1000000000", "٣", "--1", "NaN"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal"):
        parse_money(text)


@pytest.mark.parametrize(
    ("answered", "increment", "billed"), [(0, 60, 0), (1, 60, 60), (60, 60, 60), (61, 60, 120), (61, 6, 66), (7, 1, 7)]
)
def test_answered_seconds_are_billed_in_whole_increments(answered: int, increment: int, billed: int) -> None:
    assert billable_seconds(answered, increment) == billed


@pytest.mark.parametrize(
    ("per_minute", "seconds", "price"),
    [
        (450, 120, 900),  # 0.0450 a minute, two minutes: 0.0900
        (450, 66, 495),  # 450 · 66 / 60 = 495 exactly
        (455, 6, 46),  # 45.5, a half, goes up
        (454, 6, 45),  # 45.4 goes down
        (1, 29, 0),  # 0.483 goes down
        (1, 30, 1),  # 0.5 goes up
        (0, 3600, 0),
    ],
)
def test_a_price_is_rounded_to_the_nearest_ten_thousandth(per_minute: int, seconds: int, price: int) -> None:
    assert price_of(per_minute, seconds) == price


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_a_price_is_never_more_than_half_a_ten_thousandth_off(per_minute: int, seconds: int) -> None:
    assert -60 < 2 * (60 * price_of(per_minute, seconds) - per_minute * seconds) <= 60


def test_inbound_on_a_rental_costs_nothing_per_minute() -> None:
    assert rate_call("rental", "inbound", 61, 60, Allowance(6000, 120), 450) == Rated(120, 0)


def test_outbound_on_a_rental_is_charged_by_the_minute_and_leaves_the_plan_alone() -> None:
    # 61 s are two minutes; 2 · 0.0450 = 0.0900
    assert rate_call("rental", "outbound", 61, 60, Allowance(6000, 120), 450) == Rated(120, 900)
    assert rate_call("rental", "outbound", 61, 60, None, None) == Rated(120, 0)


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize(
    ("left", "cost"),
    [
        (180, 0),  # three minutes left for a call of three
        (179, 2),  # one second beyond: 0.0120 / 60 = 0.0002
        (60, 240),  # two minutes beyond: 2 · 0.0120
        (0, 360),  # all three beyond
        (-600, 360),  # the plan was used up long before
    ],
)
def test_calls_on_own_numbers_use_the_plan_first(direction: str, left: int, cost: int) -> None:
    rated = rate_call("byo", direction, 125, 60, Allowance(left, 120), 9999)  # type: ignore[arg-type]
    assert rated == Rated(180, cost, plan_s=180)


def test_without_a_plan_or_a_number_a_call_is_free() -> None:
    assert rate_call("byo", "outbound", 60, 60, None, 450) == Rated(60, 0)
    assert rate_call(None, "outbound", 60, 60, Allowance(0, 120), 450) == Rated(60, 0)


def test_the_prefixes_of_a_number_begin_with_the_longest() -> None:
    assert prefixes_of("+442") == ["+442", "+44", "+4"]


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("since", "moment", "start", "end"),
    [
        (at(2026, 6, 23, 10), at(2026, 6, 23, 10), at(2026, 6, 23, 10), at(2026, 7, 23, 10)),
        (at(2026, 6, 23, 10), at(2026, 7, 23, 9, 59), at(2026, 6, 23, 10), at(2026, 7, 23, 10)),
        (at(2026, 6, 23, 10), at(2026, 7, 23, 10), at(2026, 7, 23, 10), at(2026, 8, 23, 10)),
        # the 31st in a month of 28, in one of 29, and back on the 31st
        (at(2026, 1, 31), at(2026, 2, 28), at(2026, 2, 28), at(2026, 3, 31)),
        (at(2028, 1, 31), at(2028, 2, 29), at(2028, 2, 29), at(2028, 3, 31)),
        (at(2026, 1, 31), at(2026, 3, 30), at(2026, 2, 28), at(2026, 3, 31)),
        (at(2024, 2, 29), at(2025, 2, 28), at(2025, 2, 28), at(2025, 3, 29)),
        (at(2026, 12, 15), at(2027, 1, 14), at(2026, 12, 15), at(2027, 1, 15)),
        # a call that began before the plan
        (at(2026, 6, 23), at(2026, 6, 1), at(2026, 6, 23), at(2026, 7, 23)),
    ],
)
def test_a_period_is_a_month_from_the_day_of_the_plan(
    since: datetime, moment: datetime, start: datetime, end: datetime
) -> None:
    assert period_of(since, moment) == (start, end)
