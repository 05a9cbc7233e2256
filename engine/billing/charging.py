"""Charging at the end of a call: its cost, the plan's minutes and the ledger, in the transaction that closes the call.

With `billing.enabled=false` costs are computed, shown and counted into the plan, and nothing is posted (§15.1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.periods import period_of
from engine.billing.prices import country_code, prefixes_of
from engine.billing.rating import Allowance, rate_call
from engine.model import Call
from engine.phone import country_of
from engine.store import Store
from engine.store import billing as queries
from engine.store.billing import BilledNumber
from engine.store.ledger import Posting, post, wallet_of

BOOK_SECONDS: Final = 2.0
"""How long it may take until the first price book that is imported beside a running engine counts."""


class CallCharges:
    """What calls cost. Where there is no price book, calls are free and closed without looking anything up."""

    def __init__(self, store: Store, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._enabled = enabled
        self._clock = clock
        self._has_book = False
        self._looked_at: float | None = None

    async def applies_to(self, ended: Call) -> bool:
        """Whether the end of this call must be rated: it was answered, and there is a price book."""
        if not ended.duration_s:
            return False
        if not self._has_book and (self._looked_at is None or self._clock() - self._looked_at >= BOOK_SECONDS):
            self._has_book = await self._store.read(queries.increment_of_book) is not None
            self._looked_at = self._clock()
        return self._has_book

    async def charge(self, connection: AsyncConnection, ended: Call) -> Call:
        """The call with its cost and billed seconds, the plan's minutes counted and the cost posted.

        Runs in the transaction that closes the call. A call that was charged before is not charged again.
        """
        increment = await queries.increment_of_book(connection)
        account_id = await queries.account_of(connection, ended.workspace_id)
        if increment is None or account_id is None or ended.ended_at is None:
            return ended
        number = await queries.billed_number(connection, ended.number_id) if ended.number_id is not None else None
        per_minute, allowance, period_start = None, None, None
        if number is not None and number.kind == "byo":
            subscription = await queries.subscription_of(connection, account_id, lock=True)
            if subscription is not None:
                period_start, _ = period_of(subscription.since, ended.ended_at)
                used = await queries.used_seconds(connection, account_id, period_start)
                left = subscription.plan.included_minutes * 60 - used
                allowance = Allowance(left, subscription.plan.overage_per_minute)
        elif number is not None and ended.direction == "outbound":
            per_minute = await rate_for(connection, number, ended.to)
        kind = None if number is None else number.kind
        rated = rate_call(kind, ended.direction, ended.duration_s or 0, increment, allowance, per_minute)
        if rated.plan_s and period_start is not None:
            await queries.add_seconds(connection, account_id, period_start, rated.plan_s)
        currency = (await wallet_of(connection, account_id)).currency
        priced = replace(ended, billed_s=rated.billed_s, cost=rated.cost, currency=currency)
        if self._enabled and rated.cost:
            await post(connection, _posting(priced, account_id))
        return priced


async def rate_for(connection: AsyncConnection, number: BilledNumber, to: str) -> int | None:
    """The rate per minute from a rented number to `to`; None where the price book has none, and for SIP URIs.

    The longest prefix of the number's country wins; without one it is the local rate inside the number's country code
    and the international rate outside it.
    """
    country = number.country or country_of(number.e164)
    if country is None or not to.startswith("+"):
        return None
    own = await queries.prefix_rate(connection, country, prefixes_of(to))
    if own is not None:
        return own
    rates = await queries.country_rates(connection, country)
    if rates is None:
        return None
    local, international = rates
    code = country_code(number.e164)
    return local if code is not None and country_code(to) == code else international


def _posting(call: Call, account_id: str) -> Posting:
    assert call.ended_at is not None
    return Posting(
        account_id=account_id,
        cause="call",
        cause_id=call.id,
        amount=-call.cost,
        description=f"Call {call.public_id} from {call.from_} to {call.to}",
        at=call.ended_at,
        call_id=call.id,
    )
