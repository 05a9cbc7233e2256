"""A real call of a running engine is charged, with `billing.enabled` as the configuration says (contract §15.1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.billing.accounts import Billing
from engine.billing.prices import PlanPrice, PriceBook
from engine.store import Store
from tests.support.engine import LOOPBACK
from tests.support.phone import a_phone
from tests.support.process import voylo_serve

NUMBER = "+15550100"
TOKEN = "an-admin-token-of-32-characters."
# Nothing included: every begun minute costs 0.0120.
BOOK = PriceBook("USD", 60, (PlanPrice("metered", "Metered", 0, 0, 120, None),), ())


@pytest.mark.parametrize(("enabled", "balance"), [("true", "9.9880"), ("false", "10.0000")])
async def test_a_real_call_costs_its_minute_and_is_charged_when_billing_is_on(
    tmp_path: Path, enabled: str, balance: str
) -> None:
    data = tmp_path / "data"
    settings = {"VOYLO_BILLING__ENABLED": enabled, "VOYLO_SECURITY__ADMIN_TOKEN": TOKEN}
    async with a_phone() as phone, voylo_serve(data, **settings) as engine, engine.client() as client:
        account_id = (await client.get("/v1/billing")).json()["accountId"]
        store = await Store.open(f"sqlite+aiosqlite:///{data / 'voylo.db'}")
        await Billing(store).import_prices(BOOK)
        await Billing(store).plans.assign(account_id, "metered")
        await store.close()
        adjusted = await client.post(
            f"/v1/admin/accounts/{account_id}/wallet/adjust",
            json={"amount": "10", "note": "Start"},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert adjusted.status_code == 200, adjusted.text
        xml = '<Response><Say loop="0">This call goes on until somebody ends it.</Say></Response>'
        application = (await client.post("/v1/applications", json={"name": "test", "xmlTemplate": xml})).json()
        body = {
            "e164": NUMBER,
            "destination": {"kind": "application", "id": application["id"]},
            "sip": {"allowedSourceIps": LOOPBACK},
        }
        assert (await client.post("/v1/numbers/import", json=body)).status_code == 201
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        # Less than half a second rounds down to no call at all.
        await asyncio.sleep(1)
        call.outgoing.hangup()
        async with asyncio.timeout(10):
            while (record := (await client.get("/v1/calls")).json()[0])["pending"]:
                await asyncio.sleep(0.02)
        assert (record["billedS"], record["cost"], record["currency"]) == (60, "0.0120", "USD")
        shown = (await client.get("/v1/billing")).json()
        assert (shown["wallet"]["balance"], shown["minutesUsed"]) == (balance, 1)
