"""Plan periods: each follows the one before, on the plan that was chosen for it, and its fee is paid from the wallet.

A fee that the wallet does not cover is asked for again until the period is over; while it is not paid the period
includes no minutes, and calls cost the plan's overage rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.periods import following
from engine.store import billing as queries
from engine.store import subscriptions
from engine.store.billing_accounts import billing_account
from engine.store.ledger import Posting, Wallet, post, wallet_of
from engine.store.subscriptions import Subscription, Usage
from engine.store.times import to_ms


@dataclass(slots=True)
class Renewed:
    """A subscription as it stands, and the wallets that became low."""

    subscription: Subscription
    low: list[Wallet] = field(default_factory=list)


async def renew(connection: AsyncConnection, current: Subscription, at: datetime, *, charged: bool) -> Renewed:
    """Begins every period that has begun by `at`, and tries to pay for the last. The plan's row is locked.

    Without `charged` nothing is to be paid.
    """
    renewed = Renewed(current)
    if current.period_end <= at:
        account = await billing_account(connection, current.account_id)
        assert account is not None, "a plan belongs to an account"
        while renewed.subscription.period_end <= at:
            await _begin_next(connection, renewed, account.zone, charged=charged)
    if not renewed.subscription.paid:
        await _pay(connection, renewed, at, charged=charged)
    if renewed.subscription != current:
        await subscriptions.put_subscription(connection, renewed.subscription)
    return renewed


async def _begin_next(connection: AsyncConnection, renewed: Renewed, zone: tzinfo, *, charged: bool) -> None:
    current = renewed.subscription
    plan = current.plan
    if current.next_plan_id is not None:
        plan = await queries.any_plan(connection, current.next_plan_id) or plan
    start, end = following(current.since, current.period_end, zone)
    renewed.subscription = replace(
        current, plan=plan, period_start=start, period_end=end, paid=False, next_plan_id=None
    )
    await _pay(connection, renewed, start, charged=charged)


async def _pay(connection: AsyncConnection, renewed: Renewed, at: datetime, *, charged: bool) -> None:
    current = renewed.subscription
    price = current.plan.monthly_price
    if charged and price:
        if await spendable(connection, current.account_id) < price:
            return
        posted = await post(connection, fee(current, price, at))
        if posted.low is not None:
            renewed.low.append(posted.low)
    renewed.subscription = replace(current, paid=True)


def fee(subscription: Subscription, amount: int, at: datetime, change: str = "") -> Posting:
    """The fee of the period that a subscription is in; `change` is apart for each change of plan in it."""
    return Posting(
        account_id=subscription.account_id,
        cause="plan",
        cause_id=f"{subscription.account_id}:{to_ms(subscription.period_start)}{change}",
        amount=-amount,
        description=f"Plan {subscription.plan.name}",
        at=at,
    )


async def spendable(connection: AsyncConnection, account_id: str) -> int:
    """What is in an account's wallet and not reserved; the wallet is locked from here on."""
    wallet = await wallet_of(connection, account_id, lock=True)
    return wallet.balance - await subscriptions.reserved_money(connection, account_id)


def included_seconds(subscription: Subscription, usage: Usage) -> int:
    """The seconds that the period of a subscription includes: none until its fee is paid."""
    if not subscription.paid:
        return 0
    return subscription.plan.included_minutes * 60 if usage.included_s is None else usage.included_s
