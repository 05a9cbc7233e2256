"""What running calls reserve, and who gets the last cent (contract §15.1)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.billing.accounts import Billing
from engine.billing.charging import CallCharges
from engine.billing.metering import Metering
from engine.errors import PaymentRequired
from engine.model import CallOutcome, NewCall
from engine.outbox import Outbox
from engine.records import CallRecords
from engine.store import Store
from tests.api.test_event_schemas import problems
from tests.engine.billing.book import BOOK, a_number
from tests.engine.opened import Opened, a_call, database_url, opened


class Metered:
    """An engine that charges; the wallet begins empty."""

    def __init__(self, engine: Opened, store: Store | None = None) -> None:
        self.engine = engine
        self.store = store or engine.store
        self.billing = Billing(self.store, engine.clock, outbox=engine.outbox, enabled=True)
        charges = CallCharges(self.store, enabled=True)
        self.records = CallRecords(self.store, engine.outbox, charges)
        self.metering = Metering(self.store, charges, engine.outbox, engine.clock)

    async def pay_in(self, amount: int) -> None:
        account_id = (await self.billing.overview(self.engine.workspace_id)).account_id
        await self.billing.adjust(account_id, amount, "paid")

    def call(self, number_id: str, **values: object) -> NewCall:
        """A call to a number of the same country: 0.0450 a minute on a rental."""
        members = {"direction": "outbound", "number_id": number_id, "to": "+97142340000"} | values
        return a_call(self.engine.workspace_id, self.engine.clock(), **members)  # type: ignore[arg-type]

    async def begin(self, new: NewCall) -> None:
        await self.records.create(new)
        await self.records.answered(new.id, new.created_at)

    async def end(self, new: NewCall, seconds: int) -> int:
        """What the call cost."""
        end = new.created_at + timedelta(seconds=seconds)
        await self.records.finish(new.id, CallOutcome("answered", "caller", "normal", end))
        return (await self.records.get(self.engine.workspace_id, new.id)).cost

    async def wallet(self) -> tuple[int, int]:
        """Balance and what is reserved of it."""
        shown = await self.billing.wallet(self.engine.workspace_id)
        return shown.wallet.balance, shown.reserved


@pytest.fixture
async def metered(tmp_path: Path) -> AsyncIterator[Metered]:
    async with opened(tmp_path) as engine:
        made = Metered(engine)
        await made.billing.import_prices(BOOK)
        yield made
        await made.records.close()


async def test_a_call_reserves_a_minute_at_its_start_and_one_more_each_minute(metered: Metered) -> None:
    await metered.pay_in(1_000)
    new = metered.call(await a_number(metered.engine, "rental"))
    assert await metered.metering.admit(new) == "reserved"
    await metered.begin(new)
    assert await metered.wallet() == (1_000, 450)
    assert await metered.metering.reserve(new, 2) == "reserved"
    assert await metered.wallet() == (1_000, 900)
    # the third minute would make 0.1350 of 0.1000; what is reserved stays
    assert await metered.metering.reserve(new, 3) == "refused"
    assert await metered.wallet() == (1_000, 900)
    # 61 s are two minutes, which is what was reserved
    assert await metered.end(new, 61) == 900
    assert await metered.wallet() == (100, 0)


async def test_the_last_cent_is_given_to_one_of_many_calls_of_two_processes(metered: Metered) -> None:
    await metered.pay_in(3 * 450 + 449)
    number = await a_number(metered.engine, "rental")
    second_store = await Store.open(database_url(metered.engine.path))
    second = Metered(metered.engine, second_store)
    calls = [metered.call(number) for _ in range(20)]
    answers = await asyncio.gather(
        *((metered, second)[index % 2].metering.admit(new) for index, new in enumerate(calls)), return_exceptions=True
    )
    assert sum(answer == "reserved" for answer in answers) == 3
    assert sum(isinstance(answer, PaymentRequired) for answer in answers) == 17
    assert await metered.wallet() == (1_799, 1_350)
    await second_store.close()


async def test_a_call_that_is_never_answered_gives_back_what_it_reserved(metered: Metered) -> None:
    await metered.pay_in(450)
    new = metered.call(await a_number(metered.engine, "rental"))
    await metered.metering.admit(new)
    await metered.records.create(new)
    await metered.records.finish(new.id, CallOutcome("busy", "callee", "busy", new.created_at))
    assert await metered.wallet() == (450, 0)


async def test_plan_minutes_are_reserved_before_money_and_never_twice(metered: Metered) -> None:
    # two minutes for 19.0000, then 0.0120 a minute
    await metered.pay_in(190_000 + 120)
    plan = next(plan for plan in await metered.billing.plans.offered() if plan.code == "small")
    await metered.billing.plans.choose(metered.engine.workspace_id, plan.id)
    number = await a_number(metered.engine, "byo")
    first, second, third, fourth = (metered.call(number) for _ in range(4))
    for new in (first, second, third):
        assert await metered.metering.admit(new) == "reserved"
        await metered.begin(new)
    # the plan's two minutes went to the first two calls, the third has the last 0.0120
    assert await metered.wallet() == (120, 120)
    with pytest.raises(PaymentRequired):
        await metered.metering.admit(fourth)
    # the third ends first and pays for its own minute, though the plan's two are not used up yet
    assert await metered.end(third, 60) == 120
    assert await metered.end(first, 60) == 0
    assert await metered.end(second, 60) == 0
    assert await metered.wallet() == (0, 0)


async def test_what_costs_nothing_reserves_nothing(metered: Metered) -> None:
    rental = await a_number(metered.engine, "rental")
    own = await a_number(metered.engine, "byo", "+97142345679")
    assert await metered.metering.admit(metered.call(rental, direction="inbound")) == "free"
    assert await metered.metering.admit(metered.call(rental, to="sip:agent@provider.example")) == "free"
    # no plan
    assert await metered.metering.admit(metered.call(own)) == "free"
    assert await metered.wallet() == (0, 0)


async def test_without_charging_nothing_is_refused(metered: Metered) -> None:
    store = metered.engine.store
    metering = Metering(store, CallCharges(store, enabled=False), Outbox(), metered.engine.clock)
    assert await metering.admit(metered.call(await a_number(metered.engine, "rental"))) == "free"


async def test_what_a_crash_left_reserved_is_given_back_and_running_calls_keep_theirs(metered: Metered) -> None:
    await metered.pay_in(900)
    number = await a_number(metered.engine, "rental")
    lost, running = metered.call(number), metered.call(number)
    await metered.metering.admit(lost)
    await metered.metering.admit(running)
    await metered.begin(running)
    assert await metered.metering.sweep(metered.engine.clock.advance(minutes=4)) == 0
    assert await metered.metering.sweep(metered.engine.clock.advance(minutes=2)) == 1
    assert await metered.wallet() == (900, 450)


async def test_a_low_wallet_is_told_once_in_every_workspace_until_it_was_full_again(metered: Metered) -> None:
    engine = metered.engine
    await metered.pay_in(1_000)
    await metered.billing.set_threshold(engine.workspace_id, 600)
    number = await a_number(engine, "rental")

    async def told() -> list[str]:
        query = text("SELECT payload FROM call_events WHERE type = 'wallet.low' ORDER BY seq")
        rows = await engine.store.read(lambda connection: connection.execute(query))
        payloads = [json.loads(row.payload) for row in rows]
        assert [problem for payload in payloads for problem in problems("wallet.low", payload)] == []
        return [payload["data"]["balance"] for payload in payloads]

    for _ in range(2):
        new = metered.call(number)
        await metered.begin(new)
        await metered.end(new, 60)
    # 0.1000 - 0.0450 = 0.0550, which is below 0.0600; the second call, which leaves 0.0100, is not told of again
    assert await told() == ["0.0550"]
    await metered.pay_in(1_000)
    new = metered.call(number)
    await metered.begin(new)
    # 0.1100 - 2 · 0.0450
    await metered.end(new, 61)
    assert await told() == ["0.0550", "0.0200"]
    await metered.billing.set_threshold(engine.workspace_id, None)
    assert not (await metered.billing.wallet(engine.workspace_id)).wallet.low
