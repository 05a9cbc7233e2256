"""What running calls reserve of their account: a minute at the start, and one more each minute (contract §15.1).

The telephones that a call dials reserve by themselves, each over the number that it is dialled over.

A reservation is a row of the store, so that processes that share one share its last cent as well. It is given back in
the transaction that closes the call and charges for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.charging import CallCharges
from engine.billing.money import billable_seconds, price_of
from engine.billing.notices import tell_of_low
from engine.billing.renewal import included_seconds, renew
from engine.billing.tariffs import Tariffs
from engine.errors import EngineError, PaymentRequired
from engine.model import Direction, NewCall
from engine.outbox import Outbox, StoredEvent
from engine.store import Row, Store, legs, subscriptions
from engine.store import billing as queries
from engine.store.billing import BilledNumber
from engine.store.calls import unfinished_among
from engine.store.ledger import wallet_of
from engine.store.subscriptions import Reservation
from engine.store.times import to_ms

logger = structlog.get_logger(__name__)

Answer = Literal["free", "reserved", "refused"]
"""Whether a call goes on: because it costs nothing however long it lasts, because it is paid for, or not at all."""

LEFT_BEHIND: Final = timedelta(minutes=5)
"""A reservation this old whose call is not running was left behind by a crash."""

SWEPT_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Telephone:
    """A telephone that a call dials over a number of the workspace (contract §15.1)."""

    id: str
    call_id: str
    workspace_id: str
    number_id: str
    to: str

    @property
    def direction(self) -> Direction:
        """It is called, whichever way the call itself went."""
        return "outbound"


Traffic = NewCall | Telephone
"""What reserves and is rated, over its `number_id`."""


@dataclass(frozen=True, slots=True)
class _Need:
    """What a call must have reserved: money, and seconds of a period of the plan."""

    amount: int
    plan_s: int = 0
    period_start: datetime | None = None


class Metering:
    """Reserves for calls. Does nothing unless charging is switched on and there is a price book."""

    def __init__(
        self,
        store: Store,
        charges: CallCharges,
        outbox: Outbox | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._charges = charges
        self._outbox = outbox or Outbox()
        self._clock = clock

    async def applies(self) -> bool:
        """Whether calls reserve anything at all."""
        return self._charges.enabled and await self._charges.has_book()

    async def admit(self, new: Traffic) -> Answer:
        """Reserves the first minute of a call. Raises PaymentRequired when the account cannot pay for it."""
        if not await self.applies():
            return "free"
        answer = await self.reserve(new, 1)
        if answer == "refused":
            raise PaymentRequired("The wallet does not cover a minute of this call")
        return answer

    async def reserve(self, new: Traffic, minutes: int) -> Answer:
        """Reserves so many minutes of a call altogether; what it has reserved stays when it cannot have more."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> tuple[Answer, list[StoredEvent]]:
            return await self._reserve(connection, new, minutes, now)

        answer, told = await self._store.write(work)
        for event in told:
            self._outbox.wake(event)
        return answer

    async def release(self, call_id: str) -> None:
        """Gives back what a call has reserved that was never made."""
        await self._store.write(lambda connection: subscriptions.delete_reservation(connection, call_id))

    def answered(self, telephone: Telephone, at: datetime) -> None:
        """A telephone that a call has dialled is answered: it is charged for with the call."""
        values = legs.leg_values(telephone.id, telephone.call_id, telephone.number_id, telephone.to, at)
        self._store_soon([(legs.INSERT_LEG, values)])

    def hung_up(self, telephone: Telephone, at: datetime, seconds: int) -> None:
        """It has hung up after so many seconds; what it has reserved stays until the call has paid for it."""
        values = {"leg": telephone.id, "at": to_ms(at), "seconds": seconds}
        self._store_soon([(legs.SET_LEG_ENDED, values)])

    def unanswered(self, telephone: Telephone) -> None:
        """It was not reached, and gives back what was reserved for it."""
        self._store_soon([(subscriptions.DELETE_RESERVATION, {"reserved_call": telephone.id})])

    def _store_soon(self, rows: Sequence[Row]) -> None:
        try:
            stored = self._store.write_rows(rows)
        except EngineError as error:
            logger.warning("call.leg_not_stored", reason=error.message)
            return
        stored.add_done_callback(_report)

    async def sweep(self, now: datetime) -> int:
        """Gives back what calls have reserved that are not running any more; of how many calls."""

        async def work(connection: AsyncConnection) -> int:
            old = await subscriptions.reserving_calls(connection, now - LEFT_BEHIND, SWEPT_AT_ONCE)
            running = await unfinished_among(connection, old)
            gone = [call_id for call_id in old if call_id not in running]
            for call_id in gone:
                await subscriptions.delete_reservation(connection, call_id)
            return len(gone)

        return await self._store.write(work)

    async def _reserve(
        self, connection: AsyncConnection, new: Traffic, minutes: int, now: datetime
    ) -> tuple[Answer, list[StoredEvent]]:
        tariffs = await self._charges.tariffs.current(connection)
        account_id = await queries.account_of(connection, new.workspace_id)
        if tariffs is None or account_id is None or new.number_id is None:
            return "free", []
        number = (await queries.billed_numbers(connection, [new.number_id])).get(new.number_id)
        if number is None:
            return "free", []
        own = (await subscriptions.reservations_of(connection, [new.id])).get(new.id)
        told: list[StoredEvent] = []
        seconds = billable_seconds(minutes * 60, tariffs.increment_s)
        if number.kind == "byo":
            need = await self._plan_need(connection, account_id, own, seconds, now, told)
        else:
            need = _rate_need(tariffs, number, new, seconds)
        if need is None:
            return "free", told
        dialled_by = new.call_id if isinstance(new, Telephone) else None
        wallet = await wallet_of(connection, account_id, lock=True)
        reserved = await subscriptions.reserved_money(connection, account_id)
        more = need.amount - (0 if own is None else own.amount)
        if more > 0 and more > wallet.balance - reserved:
            return "refused", told
        await subscriptions.put_reservation(
            connection,
            Reservation(new.id, account_id, need.amount, need.plan_s, need.period_start, now, dialled_by),
        )
        return "reserved", told

    async def _plan_need(
        self,
        connection: AsyncConnection,
        account_id: str,
        own: Reservation | None,
        seconds: int,
        now: datetime,
        told: list[StoredEvent],
    ) -> _Need | None:
        subscription = await subscriptions.subscription_of(connection, account_id, lock=True)
        if subscription is None:
            return None
        if subscription.period_end <= now:
            renewed = await renew(connection, subscription, now, charged=True)
            subscription = renewed.subscription
            told += await tell_of_low(connection, self._outbox, renewed.low, now)
        start = subscription.period_start
        usage = await subscriptions.usage_of(connection, account_id, start)
        reserved = (await subscriptions.reserved_seconds(connection, {account_id: start}))[account_id]
        mine = own.plan_s if own is not None and own.period_start == start else 0
        left = included_seconds(subscription, usage) - usage.taken_s - reserved + mine
        plan_s = min(seconds, max(0, left))
        return _Need(price_of(subscription.plan.overage_per_minute, seconds - plan_s), plan_s, start)


def _rate_need(tariffs: Tariffs, number: BilledNumber, new: Traffic, seconds: int) -> _Need | None:
    per_minute = tariffs.rate(number, new.to) if new.direction == "outbound" else None
    return _Need(price_of(per_minute, seconds)) if per_minute else None


def _report(stored: asyncio.Future[None]) -> None:
    if not stored.cancelled() and (error := stored.exception()) is not None:
        logger.error("call.leg_not_stored", reason=str(error))
