"""What the calendar does to rentals: renewed each month, suspended while nobody pays, released in the end (§15.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from engine.billing import rental_states
from engine.billing.periods import following
from engine.billing.rental_desk import RentalDesk, Visit
from engine.store import billing as prices
from engine.store import rentals as queries
from engine.store.billing_accounts import billing_account
from engine.store.rentals import Rental
from engine.store.times import to_ms

logger = structlog.get_logger(__name__)

SUSPENDED_AFTER: Final = timedelta(days=3)
"""How long a number works on after a month that nobody paid for has begun."""

RELEASED_AFTER: Final = timedelta(days=30)
"""How long after that beginning the number goes for good."""

RENTALS_AT_ONCE: Final = 500


class RentalTerms:
    """Brings rentals up to a moment. Every step is a transaction of its own, and done once by whoever comes first."""

    def __init__(self, desk: RentalDesk) -> None:
        self._desk = desk

    async def run(self, now: datetime) -> int:
        """Does what is due at `now`; how many rentals were looked at."""
        due = await self._desk.store.read(lambda connection: queries.rentals_due(connection, now, RENTALS_AT_ONCE))
        for rental_id in due:
            await self._bring_up(rental_id, now)
        return len(due)

    async def _bring_up(self, rental_id: str, now: datetime) -> None:
        async def work(visit: Visit) -> None:
            connection = visit.connection
            rental = await queries.get_rental(connection, rental_id, lock=True)
            if rental is None or rental.released_at is not None or rental.period_end is None:
                return
            while rental.status == "active" and _end(rental) <= now:
                renewed = await self._renew(visit, rental)
                if renewed is None:
                    break
                rental = renewed
            if _end(rental) <= now:
                rental = await self._overdue(visit, rental, now)
            else:
                await visit.set_number(rental, status="active", at=now)
            await queries.update_rental(connection, rental)

        await self._desk.commit(work)

    async def _renew(self, visit: Visit, rental: Rental) -> Rental | None:
        connection = visit.connection
        """The rental in its next month; None when the wallet does not cover it."""
        country = await prices.country_prices(connection, rental.country)
        if country is not None:
            rental = replace(rental, did_price=country.did_price, channel_price=country.channel_price)
        account = await billing_account(connection, rental.account_id)
        assert account is not None, "a rental belongs to an account"
        assert rental.anchor is not None
        start, end = following(rental.anchor, _end(rental), account.zone)
        what = f"Number {rental.e164}, {rental.channels} channel{'' if rental.channels == 1 else 's'}"
        if not await visit.charge(rental, rental.monthly, str(to_ms(start)), what, start):
            return None
        return replace(rental, period_start=start, period_end=end)

    async def _overdue(self, visit: Visit, rental: Rental, now: datetime) -> Rental:
        """A month has begun that nobody pays for: because it was given up, or for want of money."""
        for_good = rental.status == "canceled" or now - _end(rental) >= RELEASED_AFTER
        if for_good:
            if rental.status != "canceled":
                rental = replace(rental, status=rental_states.after(rental.status, "cancel"))
            await visit.set_number(rental, status="released", at=now)
            logger.info("rental.released", rental=rental.id, number=rental.e164)
            return replace(rental, released_at=now, updated_at=now)
        if now - _end(rental) >= SUSPENDED_AFTER:
            await visit.set_number(rental, status="suspended", at=now)
        return rental


def _end(rental: Rental) -> datetime:
    assert rental.period_end is not None, "a live rental has a period"
    return rental.period_end
