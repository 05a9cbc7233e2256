"""`/v1/billing`, `/v1/plans` and the operator's wallets (contract §15.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.billing import (
    BillingOut,
    PlanChangeOut,
    PlanChoice,
    PlanOut,
    TopUpCreate,
    TopUpOut,
    TransactionOut,
    TransactionQuery,
    UsageLine,
    UsageOut,
    UsageQuery,
    WalletAdjust,
    WalletOut,
    WalletUpdate,
)
from api.schemas.common import Envelope, envelope


async def get_billing(request: ApiRequest) -> BillingOut:
    """Plan, period and wallet."""
    return BillingOut.of(await request.services.billing.overview(request.workspace_id))


async def get_wallet(request: ApiRequest) -> WalletOut:
    """The wallet."""
    return WalletOut.of(await request.services.billing.wallet(request.workspace_id))


async def update_wallet(request: ApiRequest) -> WalletOut:
    """Sets the threshold."""
    body = request.body(WalletUpdate)
    billing = request.services.billing
    if "low_balance_threshold" not in body.given():
        return WalletOut.of(await billing.wallet(request.workspace_id))
    return WalletOut.of(await billing.set_threshold(request.workspace_id, body.low_balance_threshold))


async def choose_plan(request: ApiRequest) -> PlanChangeOut:
    """Goes over to another plan."""
    billing = request.services.billing
    change = await billing.plans.choose(request.workspace_id, request.body(PlanChoice).plan_id)
    return PlanChangeOut.after(change, await billing.overview(request.workspace_id))


async def create_topup(request: ApiRequest) -> TopUpOut:
    """Asks for a top-up."""
    body = request.body(TopUpCreate)
    billing = request.services.billing
    return TopUpOut.of(await billing.top_up(request.workspace_id, body.amount, request.keep(TopUpOut.of)))


async def list_transactions(request: ApiRequest) -> Envelope[TransactionOut]:
    """A page of what changed the wallet."""
    query = request.query(TransactionQuery)
    page = await request.services.billing.transactions(request.workspace_id, query.page, query.limit)
    return envelope(TransactionOut, page)


async def get_usage(request: ApiRequest) -> UsageOut:
    """Calls, minutes and cost by day, workspace or number."""
    query = request.query(UsageQuery)
    billing = request.services.billing
    rows = await billing.usage(request.workspace_id, query.from_, query.to, query.group_by)
    currency = (await billing.wallet(request.workspace_id)).wallet.currency
    return UsageOut(rows=[UsageLine.of(row) for row in rows], currency=currency)


async def list_plans(request: ApiRequest) -> list[PlanOut]:
    """The plans on offer."""
    return [PlanOut.model_validate(plan) for plan in await request.services.billing.plans.offered()]


async def get_plan(request: ApiRequest) -> PlanOut:
    """One plan."""
    return PlanOut.model_validate(await request.services.billing.plans.get(request.path["id"]))


async def adjust_wallet(request: ApiRequest) -> TransactionOut:
    """Changes a wallet by the operator's decision."""
    body = request.body(WalletAdjust)
    transaction = await request.services.billing.adjust(request.path["id"], body.amount, body.note)
    return TransactionOut.model_validate(transaction)


_TAG: Final = "Billing"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/billing",
        "getBilling",
        "Plan, minutes and wallet",
        _TAG,
        get_billing,
        access="billing",
        description="Of the account, which all of its workspaces share.",
        out=BillingOut,
    ),
    Operation(
        "POST",
        "/v1/billing/plan",
        "choosePlan",
        "Go over to another plan",
        _TAG,
        choose_plan,
        access="change_billing",
        description=(
            "The first plan and a dearer one begin at once and are charged for what is left of the period, by days; "
            "a cheaper one begins with the next period."
        ),
        body=PlanChoice,
        out=PlanChangeOut,
        errors=(402, 409),
    ),
    Operation(
        "GET",
        "/v1/billing/wallet",
        "getWallet",
        "Get the wallet",
        _TAG,
        get_wallet,
        access="billing",
        out=WalletOut,
    ),
    Operation(
        "PATCH",
        "/v1/billing/wallet",
        "updateWallet",
        "Be told of a low balance",
        _TAG,
        update_wallet,
        access="change_billing",
        description="The event `wallet.low` comes each time the balance falls below the threshold.",
        body=WalletUpdate,
        out=WalletOut,
    ),
    Operation(
        "POST",
        "/v1/billing/wallet/topups",
        "createTopUp",
        "Top up the wallet",
        _TAG,
        create_topup,
        access="change_billing",
        status=201,
        description="Stays `pending`, and the balance as it is, until the operator has the money and settles it.",
        body=TopUpCreate,
        out=TopUpOut,
    ),
    Operation(
        "GET",
        "/v1/billing/wallet/transactions",
        "listTransactions",
        "List what changed the wallet",
        _TAG,
        list_transactions,
        access="billing",
        description="The last first.",
        query=TransactionQuery,
        out=Envelope[TransactionOut],
    ),
    Operation(
        "GET",
        "/v1/billing/usage",
        "getUsage",
        "Calls, minutes and cost",
        _TAG,
        get_usage,
        access="billing",
        description="Answered calls of all workspaces of the account by the time they came in.",
        query=UsageQuery,
        out=UsageOut,
    ),
    Operation(
        "GET",
        "/v1/plans",
        "listPlans",
        "List plans",
        _TAG,
        list_plans,
        description="Those on offer, the cheapest first.",
        out=list[PlanOut],
    ),
    Operation(
        "GET",
        "/v1/plans/{id}",
        "getPlan",
        "Get a plan",
        _TAG,
        get_plan,
        path_parameters={"id": "uuid"},
        out=PlanOut,
    ),
    Operation(
        "POST",
        "/v1/admin/accounts/{id}/wallet/adjust",
        "adjustWallet",
        "Adjust a wallet",
        "Operator",
        adjust_wallet,
        access="operator",
        description="For the operator, with `security.admin_token` as bearer token; each request counts.",
        path_parameters={"id": "account"},
        body=WalletAdjust,
        out=TransactionOut,
    ),
)
