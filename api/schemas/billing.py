"""Bodies of `/v1/billing`, `/v1/plans` and the operator's wallets (contract §15.2). Amounts are decimal texts."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer, WithJsonSchema

from api.schemas.common import Input, Output, PageQuery, PageSize
from api.schemas.fields import Moment, TextRule, Timestamp, Uuid, UuidOut
from engine.billing.accounts import Overview, StartedTopUp
from engine.billing.accounts import WalletShown as AccountWallet
from engine.billing.money import AMOUNT_PATTERN, parse_money
from engine.billing.plans import PlanChange
from engine.model import money
from engine.store.usage import GroupBy, UsageRow

DEFAULT_TRANSACTIONS: Final = 50

MoneyOut = Annotated[
    int,
    PlainSerializer(money, return_type=str, when_used="always"),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{4}$", "examples": ["12.5000"]}),
]
"""Ten-thousandths in an answer, as a decimal text."""

PositiveMoney = Annotated[
    int,
    TextRule(
        'must be an amount above 0 as text, with at most four decimals, such as "25.0000"',
        14,
        1,
        pattern=rf"^(?=[0-9.]*[1-9]){AMOUNT_PATTERN}$",
        convert=parse_money,
        extra={"examples": ["25.0000"]},
    ),
]
NotNegativeMoney = Annotated[
    int,
    TextRule(
        'must be an amount as text, with at most four decimals, such as "5.0000"',
        14,
        1,
        pattern=rf"^{AMOUNT_PATTERN}$",
        convert=parse_money,
        extra={"examples": ["5.0000"]},
    ),
]
SignedMoney = Annotated[
    int,
    TextRule(
        'must be an amount other than 0 as text, with at most four decimals, such as "-3.5000"',
        15,
        1,
        pattern=rf"^-?(?=[0-9.]*[1-9]){AMOUNT_PATTERN}$",
        convert=parse_money,
        extra={"examples": ["-3.5000"]},
    ),
]
Note = Annotated[
    str,
    TextRule("must be 1 to 500 characters, no control characters", 500, 1, pattern=r"^[^\u0000-\u001f\u007f]+$"),
]
Reference = Annotated[
    str,
    TextRule("must be 1 to 120 characters, no control characters", 120, 1, pattern=r"^[^\u0000-\u001f\u007f]+$"),
]
Currency = Annotated[str, Field(examples=["USD"])]


class TopUpCreate(Input):
    """How much to pay in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "25.0000"}]})

    amount: PositiveMoney


class WalletAdjust(Input):
    """What to add to a wallet, or to take from it below 0, and why; the customer sees the note."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "-3.5000", "note": "Bank fee of 2 June"}]})

    amount: SignedMoney
    note: Note


class TransactionQuery(PageQuery):
    """Parameters of the list of transactions."""

    limit: PageSize = Field(DEFAULT_TRANSACTIONS, description="Larger values than 100 count as that")


class UsageQuery(Input):
    """Parameters of a usage report."""

    from_: Moment | None = Field(None, alias="from", description="Inclusive; the start of the period by default")
    to: Moment | None = Field(None, description="Exclusive; now by default")
    group_by: GroupBy = Field("day", description="Days are those of the account's time zone")


class PlanOut(Output):
    """A plan; `maxWorkspaces` null is no bound."""

    id: UuidOut
    code: str = Field(examples=["starter"])
    name: str = Field(examples=["Starter"])
    monthly_price: MoneyOut
    included_minutes: int
    overage_per_minute: MoneyOut
    max_workspaces: int | None
    currency: Currency


class WalletShown(Output):
    """What is in the wallet."""

    balance: MoneyOut
    reserved: MoneyOut
    currency: Currency


class WalletOut(WalletShown):
    """The wallet of the account."""

    low_balance_threshold: MoneyOut | None

    @classmethod
    def of(cls, shown: AccountWallet) -> WalletOut:
        """The object of a wallet."""
        wallet = shown.wallet
        return cls(
            balance=wallet.balance,
            reserved=shown.reserved,
            currency=wallet.currency,
            low_balance_threshold=wallet.low_threshold,
        )


class RentalsShown(Output):
    """How many numbers are rented, and what they cost a month."""

    count: int
    monthly_total: MoneyOut


class BillingOut(Output):
    """An account's billing in its current period, a month in its time zone."""

    account_id: str = Field(examples=["acc_0a1b2c3d4e5f"])
    plan: PlanOut | None
    period_start: Timestamp
    period_end: Timestamp
    minutes_included: int
    minutes_used: int
    wallet: WalletShown
    rentals: RentalsShown

    @classmethod
    def of(cls, shown: Overview) -> BillingOut:
        """The object of an account's billing."""
        return cls(
            account_id=shown.account_id,
            plan=None if shown.plan is None else PlanOut.model_validate(shown.plan),
            period_start=shown.period_start,
            period_end=shown.period_end,
            minutes_included=shown.minutes_included,
            minutes_used=shown.minutes_used,
            wallet=WalletShown(
                balance=shown.wallet.wallet.balance,
                reserved=shown.wallet.reserved,
                currency=shown.wallet.wallet.currency,
            ),
            rentals=RentalsShown(count=shown.rentals, monthly_total=shown.rentals_monthly),
        )


class PlanChoice(Input):
    """The plan to go over to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"planId": "7d444840-9dc0-41d1-b245-5ffdce74fad2"}]})

    plan_id: Uuid


class PlanChangeOut(BillingOut):
    """The account's billing after a choice of plan; `nextPlan` is that of the next period, null for the same."""

    charged: MoneyOut
    next_plan: PlanOut | None

    @classmethod
    def after(cls, change: PlanChange, shown: Overview) -> PlanChangeOut:
        """The answer to a choice."""
        plan = None if change.next_plan is None else PlanOut.model_validate(change.next_plan)
        return cls(**dict(BillingOut.of(shown)), charged=change.charged, next_plan=plan)


class WalletUpdate(Input):
    """What to change of the wallet; null is no threshold."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lowBalanceThreshold": "10.0000"}]})

    low_balance_threshold: NotNegativeMoney | None = None


class TopUpSettlement(Input):
    """How it was paid; the customer sees the reference."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reference": "pay_4711"}]})

    reference: Reference | None = None


class TopUpOut(Output):
    """A top-up; the money is in the wallet once it is `settled`, which `paymentUrl` is for if there is one."""

    id: UuidOut
    amount: MoneyOut
    currency: Currency
    status: Literal["pending", "settled"]
    payment_url: str | None

    @classmethod
    def of(cls, started: StartedTopUp) -> TopUpOut:
        """The object of a new top-up."""
        topup = started.topup
        return cls(
            id=topup.id,
            amount=topup.amount,
            currency=topup.currency,
            status=topup.status,
            payment_url=started.payment_url,
        )


class TransactionOut(Output):
    """A change of the wallet; charges are below 0."""

    id: UuidOut
    type: Literal["topup", "call", "rental", "plan", "refund", "adjustment"]
    amount: MoneyOut
    balance_after: MoneyOut
    currency: Currency
    description: str
    call_id: UuidOut | None
    rental_id: UuidOut | None
    created_at: Timestamp


class UsageLine(Output):
    """Answered calls of one day, workspace or number; the key of calls over no number is empty."""

    key: str = Field(examples=["2026-06-23"])
    calls: int
    minutes: int
    cost: MoneyOut

    @classmethod
    def of(cls, row: UsageRow) -> UsageLine:
        """A line of the report, its minutes begun."""
        return cls(key=row.key, calls=row.calls, minutes=-(-row.billed_s // 60), cost=row.cost)


class UsageOut(Output):
    """A usage report of the account."""

    rows: list[UsageLine]
    currency: Currency
