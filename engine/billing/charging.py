"""Charging at the end of calls: cost, plan minutes and ledger, in the transaction that closes the calls.

Calls that end together are charged together: what is read, is read once for all of them, and what they change is
written in one go. With `billing.enabled=false` costs are computed, shown and counted into the plan, and nothing is
posted (§15.1).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.rating import Allowance, Rated, rate_call
from engine.billing.renewal import included_seconds, renew
from engine.billing.tariffs import TariffCache, Tariffs
from engine.model import Call, Direction
from engine.store import Row, Store, legs, subscriptions
from engine.store import billing as queries
from engine.store.billing import BilledNumber
from engine.store.ledger import Posting, Wallet, post, post_new, wallets_of
from engine.store.legs import SET_LEG_RATED, AnsweredLeg
from engine.store.prepared import execute_rows
from engine.store.subscriptions import DELETE_RESERVATION, Reservation, Subscription
from engine.store.usage import Usage, call_usage, usage_rows

_SECOND: Final = timedelta(seconds=1)
_HALF_SECOND: Final = timedelta(milliseconds=500)

BOOK_SECONDS: Final = 2.0
"""How long it may take until the first price book that is imported beside a running engine counts."""


@dataclass(frozen=True, slots=True)
class Charged:
    """Calls with their costs and billed seconds, the wallets that became low by them, and what is to be stored of them
    beside their own rows."""

    calls: list[Call]
    low: list[Wallet]
    rows: list[Row]


class _Traffic(NamedTuple):
    """Seconds over a number, of a call itself or of a telephone that it has dialled, and the id of either."""

    id: str
    number_id: str | None
    direction: Direction
    to: str
    seconds: int


@dataclass(frozen=True, slots=True)
class _Priced:
    """A call with the cost of everything in it, its own part, and that of each telephone."""

    call: Call
    own: Rated
    telephones: list[tuple[AnsweredLeg, Rated]]


@dataclass(slots=True)
class _Minutes:
    """A period of a plan while calls are counted into it: seconds used, taken from those included, and reserved of
    these by running calls."""

    subscription: Subscription
    used_s: int
    taken_s: int
    included_s: int
    reserved_s: int

    def left_for(self, reservation: Reservation | None) -> int:
        """Seconds left for a call, which are its own and those of nobody."""
        return self.included_s - self.taken_s - self.reserved_s + self.own(reservation)

    def own(self, reservation: Reservation | None) -> int:
        """What a call has reserved of this period."""
        if reservation is None or reservation.period_start != self.subscription.period_start:
            return 0
        return reservation.plan_s


@dataclass(slots=True)
class _Batch:
    """What is known of the calls that are charged together."""

    tariffs: Tariffs
    accounts: dict[str, str]
    numbers: dict[str, BilledNumber]
    reservations: dict[str, Reservation]
    wallets: dict[str, Wallet]
    telephones: dict[str, list[AnsweredLeg]]
    minutes: dict[str, _Minutes] = field(default_factory=dict)
    low: list[Wallet] = field(default_factory=list)


class CallCharges:
    """What calls cost. Where there is no price book, calls are free and closed without looking anything up."""

    def __init__(self, store: Store, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self.tariffs = TariffCache()
        self._store = store
        self._clock = clock
        self._has_book = False
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()
        self._accounts: dict[str, str] = {}

    async def applies_to(self, ended: Call, *, telephones: bool = False) -> bool:
        """Whether the end of this call must be rated: it was answered, or `telephones` that it dialled were, or it may
        have reserved something, and there is a price book."""
        if not ended.duration_s and not telephones and not self.enabled:
            return False
        return await self.has_book()

    async def has_book(self) -> bool:
        """Whether there is a price book, as far as was seen in the last moments."""
        if self._has_book:
            return True
        async with self._looking:  # of calls that end together, one looks
            if not self._has_book and (self._looked_at is None or self._clock() - self._looked_at >= BOOK_SECONDS):
                self._has_book = await self._store.read(queries.book_version) is not None
                self._looked_at = self._clock()
        return self._has_book

    async def charge(self, connection: AsyncConnection, ended: Sequence[Call]) -> Charged:
        """Counts the calls into their plans, posts their costs, and gives back what they had reserved.

        Runs in the transaction that closes them. Of several calls none may have been charged before; of a single one
        that was, the cost is not posted again.
        """
        tariffs = await self.tariffs.current(connection)
        if tariffs is None:
            return Charged(list(ended), [], usage_rows(call_usage(call) for call in ended if call.answered_at))
        batch = await self._look_up(connection, tariffs, ended)
        priced = [_price(batch, call) for call in ended]
        for minutes in batch.minutes.values():
            start = minutes.subscription.period_start
            await subscriptions.set_used(
                connection,
                minutes.subscription.account_id,
                start,
                used_s=minutes.used_s,
                taken_s=minutes.taken_s,
            )
        gone = [{"reserved_call": call_id} for call_id in batch.reservations]
        if gone:
            await execute_rows(connection, DELETE_RESERVATION, gone)
        if self.enabled:
            await self._post(connection, batch, priced)
        rows: list[Row] = [
            (SET_LEG_RATED, {"leg": leg.id, "new_billed_s": rated.billed_s, "new_cost": rated.cost})
            for each in priced
            for leg, rated in each.telephones
        ]
        rows += usage_rows(usage for each in priced for usage in _usage(each))
        return Charged([each.call for each in priced], batch.low, rows)

    async def _look_up(self, connection: AsyncConnection, tariffs: Tariffs, ended: Sequence[Call]) -> _Batch:
        accounts = await self._accounts_of(connection, {call.workspace_id for call in ended})
        ids = [call.id for call in ended]
        telephones = await legs.legs_of(connection, ids)
        used = {call.number_id for call in ended if call.number_id}
        used |= {leg.number_id for each in telephones.values() for leg in each}
        numbers = await queries.billed_numbers(connection, used)
        reservations: dict[str, Reservation] = {}
        if self.enabled:
            reservations = await subscriptions.reservations_of(connection, ids)
        batch = _Batch(tariffs, accounts, numbers, reservations, {}, telephones)
        await self._open_periods(connection, batch, ended)
        batch.wallets = await wallets_of(connection, set(accounts.values()), lock=self.enabled)
        return batch

    async def _accounts_of(self, connection: AsyncConnection, workspace_ids: Collection[str]) -> dict[str, str]:
        # A workspace never goes to another account
        unknown = [workspace_id for workspace_id in workspace_ids if workspace_id not in self._accounts]
        if unknown:
            self._accounts |= await queries.accounts_of(connection, unknown)
        return {workspace_id: self._accounts[workspace_id] for workspace_id in workspace_ids}

    async def _open_periods(self, connection: AsyncConnection, batch: _Batch, ended: Sequence[Call]) -> None:
        until: dict[str, datetime] = {}
        for call in ended:
            traffic = (_own(call), *_of_telephones(batch, call))
            if any(each.seconds and _is_byo(batch, each) for each in traffic):
                account_id, at = batch.accounts[call.workspace_id], _ended_at(call)
                until[account_id] = max(at, until.get(account_id, at))
        if not until:
            return
        found = await subscriptions.subscriptions_of(connection, until.keys(), lock=True)
        for account_id, subscription in found.items():
            if subscription.period_end <= until[account_id]:
                renewed = await renew(connection, subscription, until[account_id], charged=self.enabled)
                found[account_id] = renewed.subscription
                batch.low += renewed.low
        periods = {account_id: one.period_start for account_id, one in found.items()}
        if not periods:
            return
        usages = await subscriptions.usages_of(connection, periods)
        reserved = await subscriptions.reserved_seconds(connection, periods) if self.enabled else {}
        for account_id, subscription in found.items():
            usage = usages[account_id]
            included = included_seconds(subscription, usage)
            batch.minutes[account_id] = _Minutes(
                subscription, usage.used_s, usage.taken_s, included, reserved.get(account_id, 0)
            )

    async def _post(self, connection: AsyncConnection, batch: _Batch, priced: Sequence[_Priced]) -> None:
        postings = [posting for each in priced for posting in _postings(each, batch.accounts[each.call.workspace_id])]
        if len(priced) == 1:
            for posting in postings:
                posted = await post(connection, posting)
                batch.low += [] if posted.low is None else [posted.low]
            return
        # The renewal of a plan may have paid its fee since the wallets were read: they are read after it
        for _, low in await post_new(connection, batch.wallets, postings):
            batch.low += [] if low is None else [low]


def _price(batch: _Batch, call: Call) -> _Priced:
    account_id = batch.accounts[call.workspace_id]
    own = _rate(batch, account_id, _own(call))
    answered = batch.telephones.get(call.id, ())
    telephones = [
        (leg, _rate(batch, account_id, traffic))
        for leg, traffic in zip(answered, _of_telephones(batch, call), strict=True)
    ]
    cost = own.cost + sum(rated.cost for _, rated in telephones)
    currency = batch.wallets[account_id].currency
    return _Priced(call.changed(billed_s=own.billed_s, cost=cost, currency=currency), own, telephones)


def _rate(batch: _Batch, account_id: str, traffic: _Traffic) -> Rated:
    number = batch.numbers.get(traffic.number_id or "")
    reservation = batch.reservations.get(traffic.id)
    minutes = batch.minutes.get(account_id) if traffic.seconds and _is_byo(batch, traffic) else None
    allowance = None
    if minutes is not None:
        left = minutes.left_for(reservation)
        allowance = Allowance(left, minutes.subscription.plan.overage_per_minute)
    per_minute = None
    if number is not None and number.kind == "rental" and traffic.direction == "outbound":
        per_minute = batch.tariffs.rate(number, traffic.to)
    kind = None if number is None else number.kind
    increment = batch.tariffs.increment_s
    rated = rate_call(kind, traffic.direction, traffic.seconds, increment, allowance, per_minute)
    if minutes is not None:
        minutes.used_s += rated.plan_s
        minutes.taken_s += min(rated.plan_s, max(0, minutes.left_for(reservation)))
        minutes.reserved_s -= minutes.own(reservation)
    return rated


def _own(call: Call) -> _Traffic:
    return _Traffic(call.id, call.number_id, call.direction, call.to, call.duration_s or 0)


def _of_telephones(batch: _Batch, call: Call) -> list[_Traffic]:
    """What of the call's telephones is rated; one that is not known to have hung up did so with the call."""
    found: list[_Traffic] = []
    for leg in batch.telephones.get(call.id, ()):
        seconds = leg.duration_s
        if seconds is None:
            seconds = max(0, (_ended_at(call) - leg.answered_at + _HALF_SECOND) // _SECOND)
        found.append(_Traffic(leg.id, leg.number_id, "outbound", leg.to, seconds))
    return found


def _is_byo(batch: _Batch, traffic: _Traffic) -> bool:
    number = batch.numbers.get(traffic.number_id or "")
    return number is not None and number.kind == "byo"


def _ended_at(call: Call) -> datetime:
    assert call.ended_at is not None
    return call.ended_at


def _usage(priced: _Priced) -> Iterator[Usage]:
    call = priced.call
    if call.answered_at is not None:
        yield call_usage(call, priced.own.cost)
    for leg, rated in priced.telephones:
        yield Usage(call.workspace_id, call.created_at, leg.number_id, 0, rated.billed_s, rated.cost)


def _postings(priced: _Priced, account_id: str) -> Iterator[Posting]:
    call = priced.call
    at, shown = _ended_at(call), f"Call {call.public_id} from {call.from_} to {call.to}"
    if priced.own.cost:
        yield Posting(account_id, "call", call.id, -priced.own.cost, shown, at, call_id=call.id)
    for leg, rated in priced.telephones:
        if rated.cost:
            said = f"{shown}, dialled {leg.to}"
            yield Posting(account_id, "call", leg.id, -rated.cost, said, at, call_id=call.id)
