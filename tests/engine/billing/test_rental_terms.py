"""Months of rentals on a clock that the test moves: renewed, suspended, released, kept (contract §15.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.billing.kyc import NewDocument
from engine.billing.rental_desk import RentalDesk
from engine.billing.rental_terms import RentalTerms
from engine.billing.rentals import RentalOrder
from engine.errors import Conflict
from engine.store import Store
from engine.store.rentals import Rental
from tests.engine.billing.book import BOOK
from tests.engine.opened import Opened, database_url, opened

NUMBER = "+97142345678"
# 6.0000 + 2 · 12.0000
MONTH = 300_000
PASSPORT = NewDocument("passport", "passport.pdf", "application/pdf", b"%PDF-1.4")


class Renting:
    """A live rental of two channels, whose first month began at START and is paid; nothing else is in the wallet."""

    def __init__(self, engine: Opened, rental: Rental) -> None:
        self.engine = engine
        self.rental = rental

    async def pay_in(self, amount: int) -> None:
        await self.engine.billing.adjust(self.rental.account_id, amount, "paid")

    async def later(self, **by: float) -> tuple[str, str, int]:
        """What rental, number and wallet are so much later."""
        await self.engine.rental_terms.run(self.engine.clock.advance(**by))
        rental = await self.engine.rentals.get(self.engine.workspace_id, self.rental.id)
        number = self.engine.directory.lookup(NUMBER)
        assert number is not None
        balance = (await self.engine.billing.wallet(self.engine.workspace_id)).wallet.balance
        return rental.status, number.status, balance


@pytest.fixture
async def renting(tmp_path: Path) -> AsyncIterator[Renting]:
    async with opened(tmp_path, charging=True) as engine:
        await engine.billing.import_prices(BOOK)
        account_id = (await engine.billing.overview(engine.workspace_id)).account_id
        await engine.billing.adjust(account_id, MONTH, "paid")
        order = RentalOrder("AE", 2, None, {"companyName": "Example Ltd"}, [PASSPORT])
        rental = await engine.rentals.order(engine.workspace_id, order)
        yield Renting(engine, await engine.rental_review.approve(rental.id, NUMBER))


async def test_a_month_is_paid_when_it_begins_and_once_by_two_processes(renting: Renting) -> None:
    engine = renting.engine
    await renting.pay_in(MONTH)
    assert await renting.later(days=29) == ("active", "active", MONTH)
    store = await Store.open(database_url(engine.path))
    second = RentalTerms(RentalDesk(store, engine.outbox, engine.directory, enabled=True))
    now = engine.clock.advance(days=1)
    await asyncio.gather(*(terms.run(now) for terms in (engine.rental_terms, second) * 3))
    await store.close()
    assert await renting.later() == ("active", "active", 0)
    transactions = (await engine.billing.transactions(engine.workspace_id, 1, 10)).items
    assert (transactions[0].type, transactions[0].description) == ("rental", f"Number {NUMBER}, 2 channels")
    rental = await engine.rentals.get(engine.workspace_id, renting.rental.id)
    assert rental.period_end is not None
    assert rental.period_end.date().isoformat() == "2026-08-23"


async def test_while_the_wallet_stays_empty_the_number_is_suspended_and_goes_in_the_end(renting: Renting) -> None:
    # 30 days are paid; three more are forgiven
    assert await renting.later(days=32, hours=23) == ("active", "active", 0)
    assert await renting.later(hours=1) == ("active", "suspended", 0)
    await renting.pay_in(MONTH - 1)
    assert await renting.later(days=26, hours=23) == ("active", "suspended", MONTH - 1)
    # thirty days after the month that nobody paid for has begun
    assert await renting.later(hours=1) == ("canceled", "released", MONTH - 1)
    await renting.pay_in(MONTH)
    assert await renting.later(days=1) == ("canceled", "released", 2 * MONTH - 1)
    assert (await renting.engine.billing.overview(renting.engine.workspace_id)).rentals == 0
    with pytest.raises(Conflict, match="gone"):
        await renting.engine.rentals.resume(renting.engine.workspace_id, renting.rental.id)


async def test_money_that_comes_late_brings_a_suspended_number_back(renting: Renting) -> None:
    assert (await renting.later(days=34))[1] == "suspended"
    await renting.pay_in(MONTH)
    assert await renting.later(hours=1) == ("active", "active", 0)
    rental = await renting.engine.rentals.get(renting.engine.workspace_id, renting.rental.id)
    # the month that was late, not one from the day of the payment
    assert rental.period_end is not None
    assert rental.period_end.date().isoformat() == "2026-08-23"


async def test_what_was_given_up_goes_at_the_end_of_the_paid_month_and_not_before(renting: Renting) -> None:
    await renting.pay_in(MONTH)
    await renting.engine.rentals.cancel(renting.engine.workspace_id, renting.rental.id)
    assert await renting.later(days=29, hours=23) == ("canceled", "active", MONTH)
    assert await renting.later(hours=1) == ("canceled", "released", MONTH)


async def test_what_was_given_up_and_kept_after_all_is_renewed(renting: Renting) -> None:
    await renting.pay_in(MONTH)
    engine = renting.engine
    await engine.rentals.cancel(engine.workspace_id, renting.rental.id)
    engine.clock.advance(days=20)
    await engine.rentals.resume(engine.workspace_id, renting.rental.id)
    assert await renting.later(days=10) == ("active", "active", 0)
    with pytest.raises(Conflict):
        await engine.rentals.resume(engine.workspace_id, renting.rental.id)


async def test_a_released_number_can_be_rented_again(renting: Renting) -> None:
    engine = renting.engine
    await engine.rentals.cancel(engine.workspace_id, renting.rental.id)
    await renting.later(days=30)
    await renting.pay_in(MONTH)
    order = RentalOrder("AE", 2, None, {"companyName": "Other Ltd"}, [PASSPORT])
    second = await engine.rentals.order(engine.workspace_id, order)
    approved = await engine.rental_review.approve(second.id, NUMBER)
    assert approved.number_id != renting.rental.number_id
    number = engine.directory.lookup(NUMBER)
    assert number is not None
    assert (number.status, number.rental_id) == ("active", second.id)


async def test_months_that_were_missed_are_paid_one_by_one(renting: Renting) -> None:
    await renting.pay_in(3 * MONTH)
    # begun on 23 July, August and September
    assert await renting.later(days=100) == ("active", "active", 0)
    rental = await renting.engine.rentals.get(renting.engine.workspace_id, renting.rental.id)
    assert rental.period_end is not None
    assert rental.period_end - renting.engine.clock() < timedelta(days=31)
