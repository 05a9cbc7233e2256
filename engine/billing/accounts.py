"""Billing as the API and the operator see it: wallet, top-ups, plans, usage (contract §15.2).

Callers name a workspace; everything belongs to its account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.notices import tell_of_low
from engine.billing.payments import ManualSettlement, PaymentAdapter
from engine.billing.periods import period_of
from engine.billing.plans import Plans
from engine.billing.prices import Plan, PriceBook
from engine.billing.renewal import included_seconds
from engine.errors import Conflict, NotFound
from engine.idempotency import Keep, no_key
from engine.ids import new_uuid, parse_uuid
from engine.model import Page
from engine.outbox import Outbox, StoredEvent
from engine.store import Store, ledger, run_rows, subscriptions
from engine.store import billing as queries
from engine.store.billing import TopUp
from engine.store.billing_accounts import billing_account
from engine.store.ledger import Discrepancy, Posting, Transaction, Wallet
from engine.store.usage import GroupBy, UsageRow, usage_report

T = TypeVar("T")

PENDING_SHOWN: Final = 1000
"""Top-ups that the operator's list shows at once."""


@dataclass(frozen=True, slots=True)
class WalletShown:
    """A wallet and what running calls have reserved of it."""

    wallet: Wallet
    reserved: int


@dataclass(frozen=True, slots=True)
class StartedTopUp:
    """A new top-up, and where it can be paid; None when the operator sees to that."""

    topup: TopUp
    payment_url: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """An account's billing at a moment; amounts in ten-thousandths, `minutes_used` begun minutes of the period."""

    account_id: str
    plan: Plan | None
    period_start: datetime
    period_end: datetime
    minutes_included: int
    minutes_used: int
    wallet: WalletShown
    rentals: int
    rentals_monthly: int


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What is wrong with the ledger; nothing in a sound one."""

    unbalanced: Sequence[str]
    wallets: Sequence[Discrepancy]


class Billing:
    """The billing of every account."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        outbox: Outbox | None = None,
        enabled: bool = False,
        payments: PaymentAdapter | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._outbox = outbox or Outbox()
        self._payments = payments or ManualSettlement()
        self.plans = Plans(store, self._outbox, enabled=enabled, clock=clock)

    async def overview(self, workspace_id: str) -> Overview:
        """Plan, period and wallet. An account without a plan has the months since it was made as its periods."""
        now = self._clock()

        async def read(connection: AsyncConnection) -> Overview:
            return await _overview(connection, await _account(connection, workspace_id), now)

        shown = await self._store.read(read)
        if shown.period_end <= now:
            # Nobody has begun the next period yet
            await self.plans.bring_up(shown.account_id, now)
            shown = await self._store.read(read)
        return shown

    async def wallet(self, workspace_id: str) -> WalletShown:
        """The wallet of a workspace's account."""

        async def read(connection: AsyncConnection) -> WalletShown:
            return await _wallet_shown(connection, await _account(connection, workspace_id))

        return await self._store.read(read)

    async def set_threshold(self, workspace_id: str, threshold: int | None) -> WalletShown:
        """Sets below which balance `wallet.low` is told; None for never."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> tuple[WalletShown, list[StoredEvent]]:
            account_id = await _account(connection, workspace_id)
            wallet = await ledger.wallet_of(connection, account_id, lock=True)
            changed = await ledger.set_threshold(connection, wallet, threshold)
            low = [changed] if changed.low and not wallet.low else []
            told = await tell_of_low(connection, self._outbox, low, now)
            return await _wallet_shown(connection, account_id), told

        return await self._committed(work)

    async def _committed(self, work: Callable[[AsyncConnection], Awaitable[tuple[T, list[StoredEvent]]]]) -> T:
        result, told = await self._store.write(work)
        for event in told:
            self._outbox.wake(event)
        return result

    async def _post(self, connection: AsyncConnection, posting: Posting) -> tuple[ledger.Posted, list[StoredEvent]]:
        posted = await ledger.post(connection, posting)
        low = [] if posted.low is None else [posted.low]
        return posted, await tell_of_low(connection, self._outbox, low, posting.at)

    async def transactions(self, workspace_id: str, page: int, limit: int) -> Page[Transaction]:
        """A page of what changed the wallet, the last first."""

        async def read(connection: AsyncConnection) -> Page[Transaction]:
            account_id = await _account(connection, workspace_id)
            return await ledger.page_of_transactions(connection, account_id, page, limit)

        return await self._store.read(read)

    async def usage(
        self, workspace_id: str, start: datetime | None, end: datetime | None, group_by: GroupBy
    ) -> Sequence[UsageRow]:
        """Answered calls of the account by key, days being those of its time zone; from the start of its period to now
        unless the bounds are given."""
        if start is None:
            start = (await self.overview(workspace_id)).period_start
        since, until = start, end or self._clock()

        async def read(connection: AsyncConnection) -> Sequence[UsageRow]:
            account_id = await _account(connection, workspace_id)
            account = await billing_account(connection, account_id)
            assert account is not None, "a workspace belongs to an account"
            return await usage_report(connection, account_id, since, until, group_by, account.zone)

        return await self._store.read(read)

    async def top_up(self, workspace_id: str, amount: int, keep: Keep[StartedTopUp] = no_key) -> StartedTopUp:
        """A top-up of `amount` ten-thousandths, which waits for somebody to settle it."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> StartedTopUp:
            account_id = await _account(connection, workspace_id)
            wallet = await ledger.wallet_of(connection, account_id, lock=True)
            topup = TopUp(new_uuid(), account_id, amount, wallet.currency, "pending", now, None)
            await queries.insert_topup(connection, topup)
            started = StartedTopUp(topup, self._payments.begin(topup))
            await run_rows(connection, keep(started))
            return started

        return await self._store.write(work)

    async def pending_topups(self) -> Sequence[TopUp]:
        """The top-ups of every account that wait, the oldest first."""
        return await self._store.read(lambda connection: queries.pending_topups(connection, PENDING_SHOWN))

    async def settle(self, topup_id: str, reference: str | None = None) -> Transaction:
        """Puts the money of a top-up into the wallet, once however often it is called. Raises NotFound.

        `reference` is that of the payment, for the customer to see.
        """
        now = self._clock()
        wanted = parse_uuid(topup_id)

        async def work(connection: AsyncConnection) -> tuple[Transaction, list[StoredEvent]]:
            topup = await queries.get_topup(connection, wanted) if wanted is not None else None
            if topup is None:
                raise NotFound("Top-up not found")
            description = "Top-up" if reference is None else f"Top-up, {reference}"
            posted, told = await self._post(
                connection, Posting(topup.account_id, "topup", topup.id, topup.amount, description, now)
            )
            if posted.new:
                await queries.settle_topup(connection, topup.id, now)
            return posted.transaction, told

        return await self._committed(work)

    async def adjust(self, account_id: str, amount: int, note: str) -> Transaction:
        """Adds to a wallet, or takes from it below 0, by the operator's decision. Raises NotFound."""
        now, cause_id = self._clock(), new_uuid()

        async def work(connection: AsyncConnection) -> tuple[Transaction, list[StoredEvent]]:
            if await queries.account_since(connection, account_id) is None:
                raise NotFound("Account not found")
            posted, told = await self._post(connection, Posting(account_id, "adjustment", cause_id, amount, note, now))
            return posted.transaction, told

        return await self._committed(work)

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


async def _wallet_shown(connection: AsyncConnection, account_id: str) -> WalletShown:
    wallet = await ledger.wallet_of(connection, account_id)
    return WalletShown(wallet, await subscriptions.reserved_money(connection, account_id))


async def _overview(connection: AsyncConnection, account_id: str, now: datetime) -> Overview:
    account = await billing_account(connection, account_id)
    assert account is not None, "a workspace belongs to an account"
    subscription = await subscriptions.subscription_of(connection, account_id)
    included = used = 0
    if subscription is None:
        start, end = period_of(account.created_at, now, account.zone)
    else:
        start, end = subscription.period_start, subscription.period_end
        usage = await subscriptions.usage_of(connection, account_id, start)
        used, included = usage.used_s, included_seconds(subscription, usage)
    count, monthly = await queries.rented(connection, account_id)
    return Overview(
        account_id=account_id,
        plan=None if subscription is None else subscription.plan,
        period_start=start,
        period_end=end,
        minutes_included=included // 60,
        minutes_used=-(-used // 60),
        wallet=await _wallet_shown(connection, account_id),
        rentals=count,
        rentals_monthly=monthly,
    )
