"""Plans as an account chooses them: at once and pro rata when the new one costs more, else at the end of the period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.notices import tell_of_low
from engine.billing.periods import period_of, share
from engine.billing.prices import Plan
from engine.billing.renewal import fee, included_seconds, renew, spendable
from engine.errors import Conflict, NotFound, PaymentRequired, ValidationFailed
from engine.model import money
from engine.outbox import Outbox, StoredEvent
from engine.store import Store, subscriptions
from engine.store import billing as queries
from engine.store.billing_accounts import BillingAccount, billing_account
from engine.store.ledger import Wallet, post
from engine.store.subscriptions import Subscription
from engine.store.times import to_ms
from engine.store.workspaces import count_of_account

logger = structlog.get_logger(__name__)

ACCOUNTS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What came of a choice: the fee that was charged, and the plan from the next period on when it is another."""

    charged: int
    next_plan: Plan | None


class Plans:
    """The plans of every account. `enabled` says whether anything is charged and refused."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox | None = None,
        *,
        enabled: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.enabled = enabled
        self._store = store
        self._outbox = outbox or Outbox()
        self._clock = clock

    async def offered(self) -> Sequence[Plan]:
        """The plans on offer, the cheapest first."""
        return await self._store.read(queries.offered_plans)

    async def get(self, plan_id: str) -> Plan:
        """One plan on offer. Raises NotFound."""
        plan = await self._store.read(lambda connection: queries.get_plan(connection, plan_id))
        if plan is None:
            raise NotFound("Plan not found")
        return plan

    async def choose(self, workspace_id: str, plan_id: str) -> PlanChange:
        """Puts a workspace's account on a plan on offer.

        The first plan and a dearer one begin at once, for the rest of the period by days; another begins with the next
        period. Choosing the plan that there is takes back what was chosen for the next one.

        Raises ValidationFailed for a plan that is not on offer, Conflict when the account has more workspaces than it
        allows, PaymentRequired when the wallet does not cover the fee.
        """
        now = self._clock()

        async def work(connection: AsyncConnection) -> tuple[PlanChange, list[StoredEvent]]:
            account = await self._account_of(connection, workspace_id)
            plan = await queries.get_plan(connection, plan_id)
            if plan is None:
                raise ValidationFailed.of("planId", "must be a plan on offer")
            await self._check_workspaces(connection, account.account_id, plan)
            current = await subscriptions.subscription_of(connection, account.account_id, lock=True)
            low: list[Wallet] = []
            if current is None:
                start, end = period_of(now, now, account.zone)
                begun = Subscription(account.account_id, plan, now, start, end, paid=True, next_plan_id=None)
                change = PlanChange(await self._charge(connection, begun, plan.monthly_price, now, low), None)
                await subscriptions.put_subscription(connection, begun)
            else:
                renewed = await renew(connection, current, now, charged=self.enabled)
                low += renewed.low
                change = await self._change(connection, renewed.subscription, plan, now, account, low)
            return change, await tell_of_low(connection, self._outbox, low, now)

        change, told = await self._store.write(work)
        for event in told:
            self._outbox.wake(event)
        return change

    async def _change(
        self,
        connection: AsyncConnection,
        current: Subscription,
        plan: Plan,
        now: datetime,
        account: BillingAccount,
        low: list[Wallet],
    ) -> PlanChange:
        if plan.id == current.plan.id:
            await subscriptions.put_subscription(connection, replace(current, next_plan_id=None))
            return PlanChange(0, None)
        if plan.monthly_price <= current.plan.monthly_price:
            await subscriptions.put_subscription(connection, replace(current, next_plan_id=plan.id))
            return PlanChange(0, plan)
        start, end = current.period_start, current.period_end
        changed = replace(current, plan=plan, paid=True, next_plan_id=None)
        if current.paid:
            due = share(plan.monthly_price - current.plan.monthly_price, start, end, now, account.zone)
            usage = await subscriptions.usage_of(connection, current.account_id, start)
            included = included_seconds(current, usage)
            more = plan.included_minutes * 60 - current.plan.included_minutes * 60
            included += share(more, start, end, now, account.zone) if more > 0 else more
            await subscriptions.include_seconds(connection, current.account_id, start, max(0, included))
        else:
            due = plan.monthly_price
        charged = await self._charge(connection, changed, due, now, low, f":{plan.id}:{to_ms(now)}")
        await subscriptions.put_subscription(connection, changed)
        return PlanChange(charged, None)

    async def _charge(
        self,
        connection: AsyncConnection,
        subscription: Subscription,
        due: int,
        now: datetime,
        low: list[Wallet],
        change: str = "",
    ) -> int:
        if not self.enabled or not due:
            return 0
        available = await spendable(connection, subscription.account_id)
        if available < due:
            raise PaymentRequired(f"The plan costs {money(due)} now, and the wallet has {money(max(0, available))}")
        posted = await post(connection, fee(subscription, due, now, change))
        if posted.low is not None:
            low.append(posted.low)
        return due

    async def assign(self, account_id: str, code: str) -> Plan:
        """Puts an account on a plan as the operator decides, without a fee. Raises NotFound, ValidationFailed."""
        now = self._clock()

        async def work(connection: AsyncConnection) -> Plan:
            account = await billing_account(connection, account_id)
            if account is None:
                raise NotFound("Account not found")
            plan = await queries.get_plan_by_code(connection, code)
            if plan is None:
                raise ValidationFailed.of("plan", "is not in the price book")
            current = await subscriptions.subscription_of(connection, account_id, lock=True)
            if current is None:
                start, end = period_of(now, now, account.zone)
                current = Subscription(account_id, plan, now, start, end, paid=True, next_plan_id=None)
            else:
                current = (await renew(connection, current, now, charged=self.enabled)).subscription
            await subscriptions.put_subscription(connection, replace(current, plan=plan, paid=True, next_plan_id=None))
            return plan

        return await self._store.write(work)

    async def check_another_workspace(self, connection: AsyncConnection, account_id: str) -> None:
        """Raises Conflict when the account's plan allows no workspace more; in the transaction that makes one."""
        if not self.enabled:
            return
        current = await subscriptions.subscription_of(connection, account_id, lock=True)
        if current is not None:
            await self._check_workspaces(connection, account_id, current.plan, more=1)

    async def _check_workspaces(
        self, connection: AsyncConnection, account_id: str, plan: Plan, *, more: int = 0
    ) -> None:
        most = plan.max_workspaces
        if self.enabled and most is not None and await count_of_account(connection, account_id) + more > most:
            raise Conflict(f"The plan {plan.name} allows {most} workspace{'' if most == 1 else 's'}")

    async def renew_due(self, now: datetime) -> int:
        """Begins the periods that have begun by `now`, and asks for unpaid fees; how many accounts were looked at."""
        due = await self._store.read(lambda connection: subscriptions.accounts_due(connection, now, ACCOUNTS_AT_ONCE))
        for account_id in due:
            await self.bring_up(account_id, now)
        return len(due)

    async def bring_up(self, account_id: str, now: datetime) -> None:
        """Begins every period of an account that has begun by `now`, and tries to pay for the last."""

        async def work(connection: AsyncConnection) -> list[StoredEvent]:
            current = await subscriptions.subscription_of(connection, account_id, lock=True)
            if current is None:
                return []
            renewed = await renew(connection, current, now, charged=self.enabled)
            return await tell_of_low(connection, self._outbox, renewed.low, now)

        for event in await self._store.write(work):
            self._outbox.wake(event)

    async def _account_of(self, connection: AsyncConnection, workspace_id: str) -> BillingAccount:
        account_id = await queries.account_of(connection, workspace_id)
        account = None if account_id is None else await billing_account(connection, account_id)
        if account is None:
            raise NotFound("Workspace not found")
        return account
