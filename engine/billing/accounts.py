"""Billing as the API and the operator see it: wallet, top-ups, plans, usage (contract §15.2).

Callers name a workspace; everything belongs to its account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.periods import period_of
from engine.billing.prices import Plan, PriceBook
from engine.errors import Conflict, NotFound, ValidationFailed
from engine.ids import new_uuid, parse_uuid
from engine.model import Page
from engine.store import Store, ledger
from engine.store import billing as queries
from engine.store.billing import GroupBy, TopUp, UsageRow
from engine.store.ledger import Discrepancy, Posting, Transaction, Wallet

PENDING_SHOWN: Final = 1000
"""Top-ups that the operator's list shows at once."""


@dataclass(frozen=True, slots=True)
class Overview:
    """An account's billing at a moment; amounts in ten-thousandths, `minutes_used` begun minutes of the period."""

    account_id: str
    plan: Plan | None
    period_start: datetime
    period_end: datetime
    minutes_used: int
    wallet: Wallet
    rentals: int
    rentals_monthly: int


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What is wrong with the ledger; nothing in a sound one."""

    unbalanced: Sequence[str]
    wallets: Sequence[Discrepancy]


class Billing:
    """The billing of every account."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    async def overview(self, workspace_id: str) -> Overview:
        """Plan, period and wallet. An account without a plan has the months since it was made as its periods."""
        now = self._clock()

        async def read(connection: AsyncConnection) -> Overview:
            account_id = await _account(connection, workspace_id)
            subscription = await queries.subscription_of(connection, account_id)
            if subscription is None:
                since = await queries.account_since(connection, account_id)
            else:
                since = subscription.since
            start, end = period_of(since or now, now)
            count, monthly = await queries.rented(connection, account_id)
            return Overview(
                account_id=account_id,
                plan=None if subscription is None else subscription.plan,
                period_start=start,
                period_end=end,
                minutes_used=-(-await queries.used_seconds(connection, account_id, start) // 60),
                wallet=await ledger.wallet_of(connection, account_id),
                rentals=count,
                rentals_monthly=monthly,
            )

        return await self._store.read(read)

    async def wallet(self, workspace_id: str) -> Wallet:
        """The wallet of a workspace's account."""

        async def read(connection: AsyncConnection) -> Wallet:
            return await ledger.wallet_of(connection, await _account(connection, workspace_id))

        return await self._store.read(read)

    async def transactions(self, workspace_id: str, page: int, limit: int) -> Page[Transaction]:
        """A page of what changed the wallet, the last first."""

        async def read(connection: AsyncConnection) -> Page[Transaction]:
            account_id = await _account(connection, workspace_id)
            return await ledger.page_of_transactions(connection, account_id, page, limit)

        return await self._store.read(read)

    async def plans(self) -> Sequence[Plan]:
        """The plans on offer, the cheapest first."""
        return await self._store.read(queries.offered_plans)

    async def plan(self, plan_id: str) -> Plan:
        """One plan on offer. Raises NotFound."""
        plan = await self._store.read(lambda connection: queries.get_plan(connection, plan_id))
        if plan is None:
            raise NotFound("Plan not found")
        return plan

    async def usage(
        self, workspace_id: str, start: datetime | None, end: datetime | None, group_by: GroupBy
    ) -> Sequence[UsageRow]:
        """Answered calls of the account by key; from the start of its period to now unless the bounds are given."""
        if start is None:
            start = (await self.overview(workspace_id)).period_start
        since, until = start, end or self._clock()

        async def read(connection: AsyncConnection) -> Sequence[UsageRow]:
            account_id = await _account(connection, workspace_id)
            return await queries.usage_report(connection, account_id, since, until, group_by)

        return await self._store.read(read)

    async def top_up(self, workspace_id: str, amount: int) -> TopUp:
        """A top-up of `amount` ten-thousandths, which waits for somebody to settle it."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> TopUp:
            account_id = await _account(connection, workspace_id)
            wallet = await ledger.wallet_of(connection, account_id, lock=True)
            topup = TopUp(new_uuid(), account_id, amount, wallet.currency, "pending", now, None)
            await queries.insert_topup(connection, topup)
            return topup

        return await self._store.write(work)

    async def pending_topups(self) -> Sequence[TopUp]:
        """The top-ups of every account that wait, the oldest first."""
        return await self._store.read(lambda connection: queries.pending_topups(connection, PENDING_SHOWN))

    async def settle(self, topup_id: str) -> Transaction:
        """Puts the money of a top-up into the wallet, once however often it is called. Raises NotFound."""
        now = self._clock()
        wanted = parse_uuid(topup_id)

        async def work(connection: AsyncConnection) -> Transaction:
            topup = await queries.get_topup(connection, wanted) if wanted is not None else None
            if topup is None:
                raise NotFound("Top-up not found")
            posting = Posting(topup.account_id, "topup", topup.id, topup.amount, "Top-up", now)
            transaction, new = await ledger.post(connection, posting)
            if new:
                await queries.settle_topup(connection, topup.id, now)
            return transaction

        return await self._store.write(work)

    async def adjust(self, account_id: str, amount: int, note: str) -> Transaction:
        """Adds to a wallet, or takes from it below 0, by the operator's decision. Raises NotFound."""
        now, cause_id = self._clock(), new_uuid()

        async def work(connection: AsyncConnection) -> Transaction:
            if await queries.account_since(connection, account_id) is None:
                raise NotFound("Account not found")
            posting = Posting(account_id, "adjustment", cause_id, amount, note, now)
            transaction, _ = await ledger.post(connection, posting)
            return transaction

        return await self._store.write(work)

    async def assign_plan(self, account_id: str, code: str) -> Plan:
        """Puts an account on a plan as the operator decides, without a fee. Raises NotFound, ValidationFailed."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> Plan:
            if await queries.account_since(connection, account_id) is None:
                raise NotFound("Account not found")
            plan = await queries.get_plan_by_code(connection, code)
            if plan is None:
                raise ValidationFailed.of("plan", "is not in the price book")
            await queries.set_plan(connection, account_id, plan.id, now)
            return plan

        return await self._store.write(work)

    async def import_prices(self, book: PriceBook) -> None:
        """Stores a price book in place of the one before. Raises Conflict when wallets are in another currency."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> None:
            if await queries.foreign_wallets(connection, book.currency):
                raise Conflict(f"there are wallets in another currency than {book.currency}")
            await queries.replace_book(connection, book, now)

        await self._store.write(work)

    async def check(self) -> LedgerCheck:
        """Recomputes every transaction and wallet from the entries of the ledger."""
        return LedgerCheck(
            unbalanced=await self._store.read(ledger.unbalanced_transactions),
            wallets=await self._store.read(ledger.wrong_wallets),
        )


async def _account(connection: AsyncConnection, workspace_id: str) -> str:
    account_id = await queries.account_of(connection, workspace_id)
    if account_id is None:
        raise NotFound("Workspace not found")
    return account_id
