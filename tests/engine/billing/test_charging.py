"""Charging in the transaction that closes a call (contract §15.1), over a real store."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.billing.accounts import Billing
from engine.billing.charging import CallCharges, Charged
from engine.errors import Conflict
from engine.model import Call, CallOutcome
from engine.outbox import Outbox
from engine.records import CallRecords
from engine.store import Store, ledger
from engine.store.ledger import Posting, Transaction
from tests.engine.billing.book import BOOK, a_number
from tests.engine.opened import START, Opened, a_call, database_url, opened


class Priced:
    """An engine with a price book, whose calls are charged."""

    def __init__(self, engine: Opened, *, enabled: bool = True) -> None:
        self.engine = engine
        self.billing = Billing(engine.store, engine.clock)
        self.records = CallRecords(engine.store, Outbox(), CallCharges(engine.store, enabled=enabled))

    async def account(self) -> str:
        return (await self.billing.overview(self.engine.workspace_id)).account_id

    async def subscribe(self, code: str) -> None:
        await self.billing.plans.assign(await self.account(), code)

    async def call(self, number_id: str | None, seconds: float, *, to: str = "+97142340000", **values: Any) -> Call:
        """The record of a call that lasted so long."""
        new = a_call(self.engine.workspace_id, values.pop("at", START), number_id=number_id, to=to, **values)
        await self.records.create(new)
        await self.records.answered(new.id, new.created_at)
        end = new.created_at + timedelta(seconds=seconds)
        await self.records.finish(new.id, CallOutcome("answered", "caller", "normal", end))
        return await self.records.get(self.engine.workspace_id, new.id)

    async def balance(self) -> int:
        return (await self.billing.wallet(self.engine.workspace_id)).wallet.balance

    async def used(self) -> int:
        return (await self.billing.overview(self.engine.workspace_id)).minutes_used

    async def transactions(self) -> tuple[Transaction, ...]:
        return (await self.billing.transactions(self.engine.workspace_id, 1, 100)).items


@pytest.fixture
async def priced(tmp_path: Path) -> AsyncIterator[Priced]:
    async with opened(tmp_path) as engine:
        made = Priced(engine)
        await made.billing.import_prices(BOOK)
        yield made


@pytest.mark.parametrize(
    ("to", "cost"),
    [
        ("+97142340000", 900),  # no prefix of its own, same country code: 2 · 0.0450
        ("+201091447677", 3800),  # another country code: 2 · 0.1900
        ("+971501234567", 1400),  # +97150: 2 · 0.0700
        ("+442071838750", 600),  # +44: 2 · 0.0300
        ("+447911123456", 1600),  # +447, longer than +44: 2 · 0.0800
        ("sip:agent@provider.example", 0),  # no number, no rate
    ],
)
async def test_an_outbound_call_on_a_rental_is_charged_by_the_longest_prefix(
    priced: Priced, to: str, cost: int
) -> None:
    number = await a_number(priced.engine, "rental")
    call = await priced.call(number, 61, to=to, direction="outbound")
    assert (call.billed_s, call.cost, call.currency) == (120, cost, "USD")
    assert await priced.balance() == -cost
    posted = await priced.transactions()
    assert [(one.type, one.amount, one.call_id) for one in posted] == ([("call", -cost, call.id)] if cost else [])


async def test_the_terminal_event_tells_the_cost_that_was_posted(priced: Priced) -> None:
    number = await a_number(priced.engine, "rental")
    call = await priced.call(number, 60, direction="outbound")
    payloads = await priced.engine.store.read(
        lambda connection: connection.execute(
            text("SELECT payload FROM call_events WHERE type = 'call.completed' AND call_id = :id"), {"id": call.id}
        )
    )
    (payload,) = [json.loads(row.payload) for row in payloads]
    assert payload["cost"] == "0.0450"


async def test_an_inbound_call_on_a_rental_and_an_unanswered_call_cost_nothing(priced: Priced) -> None:
    number = await a_number(priced.engine, "rental")
    assert (await priced.call(number, 600)).cost == 0
    new = a_call(priced.engine.workspace_id, direction="outbound", number_id=number)
    await priced.records.create(new)
    await priced.records.finish(new.id, CallOutcome("busy", "callee", "busy", START))
    assert (await priced.records.get(priced.engine.workspace_id, new.id)).cost == 0
    assert await priced.transactions() == ()


async def test_calls_on_own_numbers_use_the_plan_and_then_the_wallet(priced: Priced) -> None:
    number = await a_number(priced.engine, "byo")
    await priced.subscribe("small")
    assert (await priced.call(number, 30)).cost == 0  # the first of two minutes
    assert await priced.used() == 1
    # two minutes, of which one is in the plan: 0.0120
    assert (await priced.call(number, 90, direction="outbound")).cost == 120
    assert (await priced.call(number, 1)).cost == 120  # one minute, none left
    assert (await priced.used(), await priced.balance()) == (4, -240)
    # a month later the fee of 19.0000 is due, which nobody can pay: no minutes, two at 0.0120
    later = START + timedelta(days=31)
    assert (await priced.call(number, 120, at=later)).cost == 240
    assert (await priced.used(), await priced.balance()) == (2, -480)
    # one month more, with money: the fee is paid and there are two minutes again. 20.0000 - 0.0480 - 19.0000
    await priced.billing.adjust(await priced.account(), 200_000, "paid")
    assert (await priced.call(number, 120, at=later + timedelta(days=31))).cost == 0
    priced.engine.clock.advance(days=62)
    assert (await priced.used(), await priced.balance()) == (2, 9_520)


async def test_without_a_plan_calls_on_own_numbers_are_free(priced: Priced) -> None:
    assert (await priced.call(await a_number(priced.engine, "byo"), 600)).cost == 0
    assert (await priced.call(None, 600)).cost == 0
    assert await priced.transactions() == ()


async def test_with_billing_off_costs_are_shown_and_nothing_is_charged(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        priced = Priced(engine, enabled=False)
        await priced.billing.import_prices(BOOK)
        await priced.subscribe("small")
        rental = await a_number(engine, "rental")
        own = await a_number(engine, "byo", "+97142345679")
        assert (await priced.call(rental, 61, direction="outbound")).cost == 900
        assert (await priced.call(own, 180)).cost == 120
        assert (await priced.used(), await priced.balance()) == (3, 0)
        assert await priced.transactions() == ()


async def test_a_price_book_that_is_imported_later_counts_soon(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        priced, now = Priced(engine), 0.0
        priced.records = CallRecords(engine.store, Outbox(), CallCharges(engine.store, enabled=True, clock=lambda: now))
        number = await a_number(engine, "rental")
        assert (await priced.call(number, 61, direction="outbound")).cost == 0
        await priced.billing.import_prices(BOOK)
        now = 2.0
        assert (await priced.call(number, 61, direction="outbound")).cost == 900


async def test_a_call_that_is_finished_by_many_is_charged_once(priced: Priced) -> None:
    engine = priced.engine
    number = await a_number(engine, "rental")
    new = a_call(engine.workspace_id, direction="outbound", number_id=number, to="+97142340000")
    await priced.records.create(new)
    await priced.records.answered(new.id, START)
    outcome = CallOutcome("answered", "caller", "normal", START + timedelta(seconds=61))
    store = await Store.open(database_url(engine.path))
    many = [
        CallRecords(where, Outbox(), CallCharges(where, enabled=True))
        for where in (engine.store, store)
        for _ in "1234"
    ]
    await asyncio.gather(*(records.finish(new.id, outcome) for records in many))
    await priced.records.finish(new.id, outcome)
    await store.close()
    assert (await priced.balance(), len(await priced.transactions())) == (-900, 1)


class _CrashingCharges(CallCharges):
    crash = True

    async def charge(self, connection: Any, ended: Sequence[Call]) -> Charged:
        priced = await super().charge(connection, ended)
        if self.crash:
            raise Conflict("crash after the charge")
        return priced


async def test_a_failure_after_the_charge_leaves_call_plan_and_wallet_as_they_were(priced: Priced) -> None:
    engine = priced.engine
    await priced.subscribe("small")
    number = await a_number(engine, "byo")
    charges = _CrashingCharges(engine.store, enabled=True)
    records = CallRecords(engine.store, Outbox(), charges)
    new = a_call(engine.workspace_id, number_id=number)
    await records.create(new)
    await records.answered(new.id, START)
    outcome = CallOutcome("answered", "caller", "normal", START + timedelta(seconds=180))
    with pytest.raises(Conflict):
        await records.finish(new.id, outcome)
    assert (await records.get(engine.workspace_id, new.id)).pending
    assert (await priced.used(), await priced.balance()) == (0, 0)
    charges.crash = False
    await records.finish(new.id, outcome)
    # three minutes of which two are in the plan
    assert (await priced.used(), await priced.balance()) == (3, -120)


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["byo", "rental"]),
        st.sampled_from(["inbound", "outbound"]),
        st.integers(0, 400),
        st.booleans(),
        st.sampled_from(["+97142340000", "+447911123456", "+201091447677"]),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS)
def test_after_any_calls_crashes_and_replays_the_wallet_is_what_the_calls_cost(calls: list[Any]) -> None:
    async def run(path: Path) -> None:
        async with opened(path) as engine:
            priced = Priced(engine)
            await priced.billing.import_prices(BOOK)
            await priced.subscribe("small")
            numbers = {
                "byo": await a_number(engine, "byo"),
                "rental": await a_number(engine, "rental", "+97142345679"),
            }
            charges = _CrashingCharges(engine.store, enabled=True)
            priced.records = CallRecords(engine.store, Outbox(), charges)
            costs = minutes = 0
            for kind, direction, seconds, crashes, to in calls:
                new = a_call(engine.workspace_id, direction=direction, number_id=numbers[kind], to=to)
                await priced.records.create(new)
                await priced.records.answered(new.id, START)
                outcome = CallOutcome("answered", "caller", "normal", START + timedelta(seconds=seconds))
                charges.crash = crashes
                if crashes and seconds:
                    with pytest.raises(Conflict):
                        await priced.records.finish(new.id, outcome)
                charges.crash = False
                await priced.records.finish(new.id, outcome)
                await CallRecords(engine.store, Outbox(), charges).finish(new.id, outcome)
                call = await priced.records.get(engine.workspace_id, new.id)
                costs += call.cost
                minutes += -(-seconds // 60) if kind == "byo" else 0
            assert (await priced.balance(), await priced.used()) == (-costs, minutes)
            check = await priced.billing.check()
            assert (check.unbalanced, check.wallets) == ([], [])
            await priced.records.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_a_call_is_charged_once_when_its_cause_stands_in_the_ledger_already(priced: Priced) -> None:
    engine = priced.engine
    number = await a_number(engine, "rental")
    new = a_call(engine.workspace_id, direction="outbound", number_id=number, to="+97142340000")
    await priced.records.create(new)
    await priced.records.answered(new.id, START)
    before = Posting(await priced.account(), "call", new.id, -900, "before", START)
    await engine.store.write(lambda connection: ledger.post(connection, before))
    await priced.records.finish(new.id, CallOutcome("answered", "caller", "normal", START + timedelta(seconds=61)))
    assert (await priced.balance(), len(await priced.transactions())) == (-900, 1)
