"""What is changed of billing over HTTP: plans, the wallet's threshold, top-ups (contract §15.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.billing.accounts import Billing
from engine.billing.payments import PaymentPage
from tests.api.client import ADMIN_TOKEN, Api, error, invalid
from tests.engine.billing.book import BOOK
from tests.engine.opened import opened

START, END = "2026-06-23T10:31:00.000Z", "2026-07-23T10:31:00.000Z"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An engine that charges, with a price book and an empty wallet."""
    async with opened(tmp_path, charging=True) as engine:
        await engine.billing.import_prices(BOOK)
        yield Api(engine)


async def account_of(api: Api) -> str:
    account_id: str = (await api.get("/v1/billing")).body["accountId"]
    return account_id


async def pay_in(api: Api, amount: int) -> None:
    await api.engine.billing.adjust(await account_of(api), amount, "paid")


async def plans(api: Api) -> dict[str, Any]:
    return {plan["code"]: plan for plan in (await api.get("/v1/plans")).body}


async def test_a_plan_is_chosen_upgraded_by_days_and_downgraded_at_the_end(api: Api) -> None:
    offered = await plans(api)
    # 19.0000 are asked for, and nothing is there
    refused = await api.post("/v1/billing/plan", {"planId": offered["small"]["id"]})
    message = "The plan costs 19.0000 now, and the wallet has 0.0000"
    assert tuple(refused) == (402, error(402, "Payment Required", message))
    assert (await api.get("/v1/billing")).body["plan"] is None

    await pay_in(api, 2_000_000)
    chosen = await api.post("/v1/billing/plan", {"planId": offered["small"]["id"]})
    account_id = await account_of(api)
    wallet = {"balance": "181.0000", "reserved": "0.0000", "currency": "USD"}
    billing = {
        "accountId": account_id,
        "plan": offered["small"],
        "periodStart": START,
        "periodEnd": END,
        "minutesIncluded": 2,
        "minutesUsed": 0,
        "wallet": wallet,
        "rentals": {"count": 0, "monthlyTotal": "0.0000"},
    }
    assert tuple(chosen) == (200, billing | {"charged": "19.0000", "nextPlan": None})
    assert (await api.get("/v1/billing")).body == billing

    # 20 of the 30 days are left on 3 July: (99 - 19) · 20 / 30 = 53.3333
    api.engine.clock.advance(days=10)
    dearer = await api.post("/v1/billing/plan", {"planId": offered["large"]["id"]})
    assert dearer.status == 200
    assert (dearer.body["charged"], dearer.body["plan"]["code"]) == ("53.3333", "large")
    assert dearer.body["wallet"]["balance"] == "127.6667"
    assert (dearer.body["periodStart"], dearer.body["periodEnd"]) == (START, END)

    cheaper = await api.post("/v1/billing/plan", {"planId": offered["small"]["id"]})
    assert (cheaper.status, cheaper.body["charged"]) == (200, "0.0000")
    assert (cheaper.body["plan"]["code"], cheaper.body["nextPlan"]) == ("large", offered["small"])
    # the next period is the cheaper plan's, and paid: 127.6667 - 19
    api.engine.clock.advance(days=20)
    after = (await api.get("/v1/billing")).body
    assert (after["plan"]["code"], after["wallet"]["balance"], after["periodStart"]) == ("small", "108.6667", END)
    listed = (await api.get("/v1/billing/wallet/transactions")).body["data"]
    assert [(one["type"], one["amount"]) for one in listed] == [
        ("plan", "-19.0000"),
        ("plan", "-53.3333"),
        ("plan", "-19.0000"),
        ("adjustment", "200.0000"),
    ]


async def test_what_is_no_plan_on_offer_is_refused(api: Api) -> None:
    path = "/v1/billing/plan"
    assert tuple(await api.post(path, {"planId": UNKNOWN})) == (400, invalid(planId="must be a plan on offer"))
    assert tuple(await api.post(path, {"planId": "small"})) == (400, invalid(planId="must be a UUID"))
    assert tuple(await api.post(path, {})) == (400, invalid(planId="is required"))
    assert (await api.get(f"/v1/plans/{UNKNOWN}")).status == 404
    small = (await plans(api))["small"]["id"]
    for role in ("admin", "developer", "viewer"):
        assert (await api.post(path, {"planId": small}, key=await api.key_of(role))).status == 403
    # as the billing role it is money that is missing
    assert (await api.post(path, {"planId": small}, key=await api.key_of("billing"))).status == 402


async def test_a_plan_for_fewer_workspaces_than_there_are_is_a_conflict(api: Api) -> None:
    await pay_in(api, 1_000_000)
    await api.engine.other_workspace()
    answer = await api.post("/v1/billing/plan", {"planId": (await plans(api))["small"]["id"]})
    assert tuple(answer) == (409, error(409, "Conflict", "The plan Small allows 1 workspace"))
    assert (await api.get("/v1/billing/wallet")).body["balance"] == "100.0000"


async def test_the_threshold_of_a_low_balance_is_set_read_and_taken_away(api: Api) -> None:
    path = "/v1/billing/wallet"
    shown = {"balance": "0.0000", "reserved": "0.0000", "currency": "USD", "lowBalanceThreshold": None}
    assert tuple(await api.get(path)) == (200, shown)
    changed = await api.patch(path, {"lowBalanceThreshold": "12.5"})
    assert tuple(changed) == (200, shown | {"lowBalanceThreshold": "12.5000"})
    # a body without it changes nothing
    assert (await api.patch(path, {})).body["lowBalanceThreshold"] == "12.5000"
    for wrong in ("-1", "1.00001", 5, "much"):
        answer = await api.patch(path, {"lowBalanceThreshold": wrong})
        assert (answer.status, list(answer.body["details"])) == (400, ["lowBalanceThreshold"]), wrong
    assert (await api.patch(path, {"lowBalanceThreshold": None}, key=await api.key_of("viewer"))).status == 403
    assert tuple(await api.patch(path, {"lowBalanceThreshold": None})) == (200, shown)


async def test_a_topup_shows_where_it_is_paid_and_is_settled_over_http_once(api: Api) -> None:
    engine = api.engine
    page = PaymentPage("https://pay.example/{id}?amount={amount}&in={currency}")
    paying = Billing(engine.store, engine.clock, outbox=engine.outbox, enabled=True, payments=page)
    engine.billing = paying
    api = Api(engine)
    asked = await api.post("/v1/billing/wallet/topups", {"amount": "25"})
    topup_id = asked.body["id"]
    assert tuple(asked) == (
        201,
        {
            "id": topup_id,
            "amount": "25.0000",
            "currency": "USD",
            "status": "pending",
            "paymentUrl": f"https://pay.example/{topup_id}?amount=25.0000&in=USD",
        },
    )
    assert (await api.get("/v1/billing/wallet")).body["balance"] == "0.0000"
    path = f"/v1/admin/topups/{topup_id}/settle"
    assert (await api.post(path, {"reference": "pay_4711"})).status == 401
    first = await api.post(path, {"reference": "pay_4711"}, key=ADMIN_TOKEN)
    transaction = {
        "id": first.body["id"],
        "type": "topup",
        "amount": "25.0000",
        "balanceAfter": "25.0000",
        "currency": "USD",
        "description": "Top-up, pay_4711",
        "callId": None,
        "rentalId": None,
        "createdAt": START,
    }
    assert tuple(first) == (200, transaction)
    # the provider's webhook comes a second time
    assert tuple(await api.post(path, {"reference": "pay_4712"}, key=ADMIN_TOKEN)) == (200, transaction)
    assert (await api.get("/v1/billing/wallet/transactions")).body["data"] == [transaction]
    unknown = await api.post(f"/v1/admin/topups/{UNKNOWN}/settle", {}, key=ADMIN_TOKEN)
    assert tuple(unknown) == (404, error(404, "Not Found", "Top-up not found"))


async def test_pages_of_invoices_and_transactions_that_are_none_are_refused(api: Api) -> None:
    for path in ("/v1/billing/invoices", "/v1/billing/wallet/transactions", "/v1/rentals"):
        assert (await api.get(path)).body["data"] == []
        for query in ("page=0", "page=x", "limit=0"):
            answer = await api.get(f"{path}?{query}")
            assert (answer.status, list(answer.body["details"])) == (400, [query.partition("=")[0]]), (path, query)
    assert (await api.get(f"/v1/billing/invoices/{UNKNOWN}")).status == 404
    assert (await api.get(f"/v1/billing/invoices/{UNKNOWN}/pdf")).status == 404
    assert (await api.get("/v1/billing/usage", key=await api.key_of("developer"))).status == 403
