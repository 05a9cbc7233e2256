"""`/v1/billing`, `/v1/plans` and the operator's wallets (contract §15.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.billing.charging import CallCharges
from engine.model import CallOutcome
from engine.outbox import Outbox
from engine.records import CallRecords
from tests.api.client import ADMIN_TOKEN, Api, error, invalid
from tests.engine.billing.book import BOOK, a_number
from tests.engine.opened import START, a_call

AT = "2026-06-23T10:31:00.000Z"
EMPTY = {"balance": "0.0000", "reserved": "0.0000", "currency": "USD"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def account_of(api: Api) -> str:
    account_id: str = (await api.get("/v1/billing")).body["accountId"]
    return account_id


async def adjust(api: Api, amount: Any, note: Any = "Goodwill", **options: Any) -> Any:
    path = f"/v1/admin/accounts/{await account_of(api)}/wallet/adjust"
    return await api.post(path, {"amount": amount, "note": note}, **({"key": ADMIN_TOKEN} | options))


async def charged_call(api: Api, number_id: str, seconds: int, **values: Any) -> str:
    """The id of a call that ended and was charged."""
    engine = api.engine
    records = CallRecords(engine.store, Outbox(), CallCharges(engine.store, enabled=True))
    values = {"workspace_id": engine.workspace_id, "at": START, "direction": "outbound"} | values
    new = a_call(number_id=number_id, to="+97142340000", **values)
    await records.create(new)
    await records.answered(new.id, new.created_at)
    end = new.created_at + timedelta(seconds=seconds)
    await records.finish(new.id, CallOutcome("answered", "caller", "normal", end))
    await records.close()
    return new.id


async def test_an_account_without_a_plan_has_an_empty_wallet(api: Api) -> None:
    answer = await api.get("/v1/billing")
    account_id = (await api.get("/v1/workspaces")).body[0]["accountId"]
    assert tuple(answer) == (
        200,
        {
            "accountId": account_id,
            "plan": None,
            "periodStart": AT,
            "periodEnd": "2026-07-23T10:31:00.000Z",
            "minutesIncluded": 0,
            "minutesUsed": 0,
            "wallet": EMPTY,
            "rentals": {"count": 0, "monthlyTotal": "0.0000"},
        },
    )
    assert tuple(await api.get("/v1/billing/wallet")) == (200, EMPTY | {"lowBalanceThreshold": None})
    assert (await api.get("/v1/plans")).body == []


async def test_plan_minutes_rentals_and_wallet_are_those_of_the_whole_account(api: Api) -> None:
    await api.engine.billing.import_prices(BOOK)
    await api.engine.billing.plans.assign(await account_of(api), "small")
    rental = await a_number(api.engine, "rental")
    own = await a_number(api.engine, "byo", "+97142345679")
    await charged_call(api, rental, 61)  # 2 · 0.0450 = 0.0900
    await charged_call(api, own, 180)  # three minutes, one beyond the plan's two: 0.0120
    other, other_key = await api.engine.other_workspace()
    third = await a_number(api.engine, "byo", "+97142345680", other)
    await charged_call(api, third, 1, workspace_id=other)  # one more beyond: 0.0120
    body = (await api.get("/v1/billing")).body
    assert (body["plan"]["code"], body["minutesIncluded"], body["minutesUsed"]) == ("small", 2, 4)
    # 0.0900 + 0.0120 + 0.0120
    assert body["wallet"]["balance"] == "-0.1140"
    # one number with two channels: 6.0000 + 2 · 12.0000
    assert body["rentals"] == {"count": 1, "monthlyTotal": "30.0000"}
    assert (await api.get("/v1/billing", key=other_key)).body == body


async def test_plans_are_shown_the_cheapest_first(api: Api) -> None:
    await api.engine.billing.import_prices(BOOK)
    plans = (await api.get("/v1/plans")).body
    assert [plan["code"] for plan in plans] == ["small", "large"]
    assert plans[0] == {
        "id": plans[0]["id"],
        "code": "small",
        "name": "Small",
        "monthlyPrice": "19.0000",
        "includedMinutes": 2,
        "overagePerMinute": "0.0120",
        "maxWorkspaces": 1,
        "currency": "USD",
    }
    assert tuple(await api.get(f"/v1/plans/{plans[1]['id']}")) == (200, plans[1])
    assert plans[1]["maxWorkspaces"] is None
    assert tuple(await api.get(f"/v1/plans/{UNKNOWN}")) == (404, error(404, "Not Found", "Plan not found"))
    assert tuple(await api.get("/v1/plans/x")) == (400, invalid(id="must be a UUID"))
    await api.engine.billing.import_prices(BOOK)
    assert (await api.get("/v1/plans")).body == plans


async def test_a_topup_is_in_the_wallet_once_it_is_settled_and_once_only(api: Api) -> None:
    answer = await api.post("/v1/billing/wallet/topups", {"amount": "25"})
    topup_id = answer.body["id"]
    assert tuple(answer) == (
        201,
        {"id": topup_id, "amount": "25.0000", "currency": "USD", "status": "pending", "paymentUrl": None},
    )
    assert (await api.get("/v1/billing/wallet")).body["balance"] == "0.0000"
    assert [waiting.id for waiting in await api.engine.billing.pending_topups()] == [topup_id]
    for _ in range(2):
        await api.engine.billing.settle(topup_id)
    assert (await api.get("/v1/billing/wallet")).body["balance"] == "25.0000"
    assert await api.engine.billing.pending_topups() == []
    (transaction,) = (await api.get("/v1/billing/wallet/transactions")).body["data"]
    assert (transaction["type"], transaction["amount"], transaction["description"]) == ("topup", "25.0000", "Top-up")


TOP_UP_RULE = 'must be an amount above 0 as text, with at most four decimals, such as "25.0000"'


@pytest.mark.parametrize("amount", ["0", "0.0000", "-1", "1.00001", "1e3", "", "1000000000", "25,0", "٣"])
async def test_a_topup_of_no_proper_amount_is_refused(api: Api, amount: str) -> None:
    answer = await api.post("/v1/billing/wallet/topups", {"amount": amount})
    assert tuple(answer) == (400, invalid(amount=TOP_UP_RULE))


async def test_a_number_is_no_amount(api: Api) -> None:
    assert tuple(await api.post("/v1/billing/wallet/topups", {"amount": 25.5})) == (
        400,
        invalid(amount="must be a string"),
    )
    assert tuple(await api.post("/v1/billing/wallet/topups", {})) == (400, invalid(amount="is required"))


async def test_transactions_are_listed_the_last_first_with_the_balance_after_each(api: Api) -> None:
    await api.engine.billing.import_prices(BOOK)
    await adjust(api, "10.0000")
    rental = await a_number(api.engine, "rental")
    call_id = await charged_call(api, rental, 60)
    answer = await api.get("/v1/billing/wallet/transactions")
    assert answer.body["pagination"] == {"page": 1, "limit": 50, "totalItems": 2, "totalPages": 1}
    first = answer.body["data"][0]
    assert first == {
        "id": first["id"],
        "type": "call",
        "amount": "-0.0450",
        "balanceAfter": "9.9550",
        "currency": "USD",
        "description": first["description"],
        "callId": call_id,
        "rentalId": None,
        "createdAt": "2026-06-23T10:32:00.000Z",
    }
    assert first["description"].endswith("from +2004446 to +97142340000")
    assert answer.body["data"][1]["balanceAfter"] == "10.0000"
    second = (await api.get("/v1/billing/wallet/transactions?page=2&limit=1")).body
    assert second["data"] == answer.body["data"][1:]
    assert (await api.get("/v1/billing/wallet/transactions?page=3&limit=1")).body["data"] == []


async def test_usage_is_summed_by_day_workspace_and_number(api: Api) -> None:
    await api.engine.billing.import_prices(BOOK)
    rental = await a_number(api.engine, "rental")
    await charged_call(api, rental, 61)  # 2 min, 0.0900
    await charged_call(api, rental, 30, at=START + timedelta(days=1))  # 1 min, 0.0450
    other, _ = await api.engine.other_workspace()
    second = await a_number(api.engine, "rental", "+97142345679", other)
    await charged_call(api, second, 60, workspace_id=other)  # 1 min, 0.0450
    api.engine.clock.advance(days=2)
    days = await api.get("/v1/billing/usage")
    assert days.body == {
        "rows": [
            {"key": "2026-06-23", "calls": 2, "minutes": 3, "cost": "0.1350"},
            {"key": "2026-06-24", "calls": 1, "minutes": 1, "cost": "0.0450"},
        ],
        "currency": "USD",
    }
    rows = (await api.get("/v1/billing/usage?groupBy=workspace")).body["rows"]
    assert {(row["key"], row["calls"], row["cost"]) for row in rows} == {
        (api.engine.workspace_id, 2, "0.1350"),
        (other, 1, "0.0450"),
    }
    rows = (await api.get("/v1/billing/usage?groupBy=number")).body["rows"]
    assert [(row["key"], row["minutes"]) for row in rows] == [("+97142345678", 3), ("+97142345679", 1)]
    bounds = "from=2026-06-24T00:00:00Z&to=2026-06-25T00:00:00Z"
    rows = (await api.get(f"/v1/billing/usage?{bounds}")).body["rows"]
    assert [row["key"] for row in rows] == ["2026-06-24"]
    # `to` is exclusive, `from` inclusive
    assert (await api.get(f"/v1/billing/usage?to={AT}")).body["rows"] == []
    assert (await api.get("/v1/billing/usage?from=yesterday")).status == 400
    assert (await api.get("/v1/billing/usage?groupBy=hour")).status == 400


async def test_the_operator_adjusts_a_wallet(api: Api) -> None:
    answer = await adjust(api, "-3.5", "Bank fee")
    assert answer.status == 200
    assert (answer.body["type"], answer.body["amount"], answer.body["balanceAfter"], answer.body["description"]) == (
        "adjustment",
        "-3.5000",
        "-3.5000",
        "Bank fee",
    )
    assert (await adjust(api, "10.0000")).body["balanceAfter"] == "6.5000"
    assert (await api.get("/v1/billing/wallet")).body["balance"] == "6.5000"


async def test_an_adjustment_of_nothing_or_without_a_reason_is_refused(api: Api) -> None:
    rule = 'must be an amount other than 0 as text, with at most four decimals, such as "-3.5000"'
    note = "must be 1 to 500 characters, no control characters"
    assert tuple(await adjust(api, "-0", "")) == (400, invalid(amount=rule, note=note))
    path = "/v1/admin/accounts/acc_000000000000/wallet/adjust"
    answer = await api.post(path, {"amount": "1", "note": "x"}, key=ADMIN_TOKEN)
    assert tuple(answer) == (404, error(404, "Not Found", "Account not found"))


async def test_only_the_admin_token_opens_the_operators_side(api: Api) -> None:
    required = (401, error(401, "Unauthorized", "The operator's admin token is required"))
    wrong = (401, error(401, "Unauthorized", "The admin token is not valid"))
    assert tuple(await adjust(api, "1", key=None)) == required
    assert tuple(await adjust(api, "1", key=api.key)) == wrong
    assert tuple(await adjust(api, "1", key=ADMIN_TOKEN + "x")) == wrong
    assert tuple(await adjust(api, "1", **await api.session())) == required
    assert (await api.get("/v1/billing", key=ADMIN_TOKEN)).status == 401
    without = Api(api.engine, admin_token=None)
    for key in (ADMIN_TOKEN, "None", api.key):
        assert tuple(await adjust(without, "1", key=key)) == required
    assert (await api.get("/v1/billing/wallet/transactions")).body["data"] == []
