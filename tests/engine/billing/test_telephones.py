"""The telephones that calls dial: what each costs beside its call, and that nothing of it is lost (contract §15.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.billing.charging import CallCharges
from engine.billing.metering import Telephone
from engine.ids import new_uuid
from engine.model import CallOutcome, NewCall
from engine.records import CallRecords
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_invoices import Invoicing
from tests.engine.opened import opened


class Dialling(Invoicing):
    """As `Invoicing`, with telephones."""

    def telephone(self, call: NewCall, number_id: str, to: str = "+442071838750") -> Telephone:
        return Telephone(new_uuid(), call.id, call.workspace_id, number_id, to)

    async def dial(self, telephone: Telephone, call: NewCall, seconds: int | None) -> None:
        """It answers ten seconds into the call and hangs up after so many seconds, None for not before the call."""
        answered = call.created_at + timedelta(seconds=10)
        self.metering.answered(telephone, answered)
        if seconds is not None:
            self.metering.hung_up(telephone, answered + timedelta(seconds=seconds), seconds)

    async def posted(self) -> list[tuple[int, str]]:
        page = await self.billing.transactions(self.engine.workspace_id, 1, 100)
        return [(one.amount, one.description.partition(" to ")[2]) for one in reversed(page.items) if one.call_id]

    async def usage(self) -> dict[str, tuple[int, int, int]]:
        rows = await self.billing.usage(self.engine.workspace_id, None, self.engine.clock(), "number")
        return {row.key: (row.calls, row.billed_s, row.cost) for row in rows}


@pytest.fixture
async def dialling(tmp_path: Path) -> AsyncIterator[Dialling]:
    async with opened(tmp_path, charging=True) as engine:
        made = Dialling(engine)
        await made.billing.import_prices(BOOK)
        yield made
        await made.records.close()


async def test_each_telephone_is_a_charge_of_its_own_and_part_of_the_calls_cost(dialling: Dialling) -> None:
    rental = await a_number(dialling.engine, "rental")
    own = await a_number(dialling.engine, "byo", "+97142345679")
    await dialling.pay_in(1_000_000)
    plan = next(plan for plan in await dialling.billing.plans.offered() if plan.code == "small")
    await dialling.billing.plans.choose(dialling.engine.workspace_id, plan.id)
    call = dialling.call(own, direction="inbound", to="+97142345679")
    await dialling.begin(call)
    await dialling.dial(dialling.telephone(call, rental), call, 61)
    await dialling.dial(dialling.telephone(call, own), call, 30)
    # The call: 119 s, two minutes, which are the plan's. +44 from a rental: 2 · 0.0300. The plan is used up: 0.0120
    assert await dialling.end(call, 119) == 720
    assert sorted(await dialling.posted()) == [
        (-600, "+97142345679, dialled +442071838750"),
        (-120, "+97142345679, dialled +442071838750"),
    ]
    assert (await dialling.billing.overview(dialling.engine.workspace_id)).minutes_used == 3
    stored = await dialling.records.get(dialling.engine.workspace_id, call.id)
    assert (stored.cost, stored.billed_s) == (720, 120)
    # One call; its two minutes and the one of a telephone over the own number, two over the rented one
    dialling.engine.clock.advance(minutes=3)
    expected = {"+97142345679": (1, 180, 120), "+97142345678": (0, 120, 600)}
    assert await dialling.usage() == expected
    # the same once the quarter of the hour is over, which is then read added up
    dialling.engine.clock.advance(minutes=30)
    assert await dialling.usage() == expected
    dialling.engine.clock.advance(days=31)
    (invoice,) = await dialling.invoices()
    assert [(line.description, line.quantity, line.billed_s, line.amount) for line in invoice.lines] == [
        ("Plan Small", 1, None, 190_000),
        ("Calls on +97142345678", 1, 120, 600),
        ("Calls on +97142345679", 1, 60, 120),
    ]


async def test_without_charging_telephones_are_rated_and_shown_and_not_posted(dialling: Dialling) -> None:
    store = dialling.engine.store
    records = CallRecords(store, dialling.engine.outbox, CallCharges(store, enabled=False))
    rental = await a_number(dialling.engine, "rental")
    call = dialling.call(rental, direction="inbound")
    await records.create(call)
    # a caller who was never answered himself has one that was: somebody was to confirm the call with a key
    await dialling.dial(dialling.telephone(call, rental), call, 7)
    end = call.created_at + timedelta(seconds=20)
    await records.finish(call.id, CallOutcome("canceled", "caller", "canceled", end, telephones=True))
    assert (await records.get(dialling.engine.workspace_id, call.id)).cost == 300
    assert await dialling.posted() == []
    dialling.engine.clock.advance(hours=1)
    assert await dialling.usage() == {"+97142345678": (0, 60, 300)}
    await records.close()


async def test_a_telephone_that_a_crash_left_open_is_paid_for_until_the_end_of_its_call(dialling: Dialling) -> None:
    rental = await a_number(dialling.engine, "rental")
    await dialling.pay_in(10_000)
    call = dialling.call(rental, direction="inbound")
    telephone = dialling.telephone(call, rental)
    assert await dialling.metering.admit(telephone) == "reserved"
    assert await dialling.metering.admit(dialling.telephone(call, rental)) == "reserved"
    assert await dialling.wallet() == (10_000, 600)
    await dialling.begin(call)
    await dialling.dial(telephone, call, None)
    # the call's row is open: what its telephones have reserved is not swept
    assert await dialling.metering.sweep(dialling.engine.clock.advance(minutes=10)) == 0
    assert await dialling.wallet() == (10_000, 600)
    # ten seconds rang, 80 were talked
    assert await dialling.end(call, 90) == 600
    assert await dialling.wallet() == (9_400, 0)
    assert await dialling.metering.sweep(dialling.engine.clock()) == 0
    # a second end changes nothing
    await dialling.records.finish(call.id, CallOutcome("answered", "caller", "normal", dialling.engine.clock()))
    assert await dialling.posted() == [(-600, f"{call.to}, dialled +442071838750")]


async def test_a_crash_between_admission_and_call_gives_back_what_telephones_reserved(dialling: Dialling) -> None:
    rental = await a_number(dialling.engine, "rental")
    await dialling.pay_in(300)
    call = dialling.call(rental, direction="inbound")
    assert await dialling.metering.admit(dialling.telephone(call, rental)) == "reserved"
    assert await dialling.metering.sweep(dialling.engine.clock.advance(minutes=6)) == 1
    assert await dialling.wallet() == (300, 0)


async def test_a_call_and_its_telephones_share_the_plan_and_never_reserve_a_minute_twice(dialling: Dialling) -> None:
    own = await a_number(dialling.engine, "byo")
    await dialling.pay_in(190_000 + 120)
    plan = next(plan for plan in await dialling.billing.plans.offered() if plan.code == "small")
    await dialling.billing.plans.choose(dialling.engine.workspace_id, plan.id)
    call = replace(dialling.call(own), direction="inbound")
    first, second = dialling.telephone(call, own), dialling.telephone(call, own)
    assert await dialling.metering.admit(call) == "reserved"  # the plan's first minute
    assert await dialling.metering.admit(first) == "reserved"  # its second
    assert await dialling.wallet() == (120, 0)
    assert await dialling.metering.admit(second) == "reserved"
    assert await dialling.wallet() == (120, 120)
    dialling.metering.unanswered(second)
    await dialling.begin(call)
    await dialling.dial(first, call, 20)
    assert await dialling.end(call, 60) == 0
    assert await dialling.wallet() == (120, 0)
    assert (await dialling.billing.check()).unbalanced == []
