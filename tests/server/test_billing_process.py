"""A real call of a running engine is charged, with `billing.enabled` as the configuration says (contract §15.1)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.billing.accounts import Billing
from engine.billing.prices import PlanPrice, PriceBook
from engine.store import Store
from tests.support.callee import a_callee
from tests.support.engine import LOOPBACK
from tests.support.phone import a_phone
from tests.support.process import environment, voylo_serve

NUMBER = "+15550100"
TOKEN = "an-admin-token-of-32-characters."
# Nothing included: every begun minute costs 0.0120.
BOOK = PriceBook("USD", 60, (PlanPrice("metered", "Metered", 0, 0, 120, None),), ())


async def test_a_real_call_shows_its_cost_and_is_not_charged_while_billing_is_off(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = {"VOYLO_SECURITY__ADMIN_TOKEN": TOKEN}
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
        assert (shown["wallet"]["balance"], shown["minutesUsed"]) == ("10.0000", 1)


async def test_a_call_and_its_telephone_that_a_killed_engine_left_are_charged_once_by_the_next(tmp_path: Path) -> None:
    data, settings = tmp_path / "data", {"VOYLO_BILLING__ENABLED": "true"}
    async with a_phone() as phone, a_callee() as callee:
        callee.on_call = lambda rung: rung.answer(880)
        async with voylo_serve(data, **settings) as engine, engine.client() as client:
            account_id = (await client.get("/v1/billing")).json()["accountId"]
            store = await Store.open(f"sqlite+aiosqlite:///{data / 'voylo.db'}")
            billing = Billing(store, enabled=True)
            await billing.import_prices(BOOK)
            await billing.plans.assign(account_id, "metered")
            await billing.adjust(account_id, 10_000, "Start")
            await store.close()
            document = {"name": "test", "xmlTemplate": "<Response><Dial>+15550177</Dial></Response>"}
            application = (await client.post("/v1/applications", json=document)).json()
            body = {
                "e164": NUMBER,
                "destination": {"kind": "application", "id": application["id"]},
                "sip": {"allowedSourceIps": LOOPBACK, "outbound": callee.carrier},
            }
            assert (await client.post("/v1/numbers/import", json=body)).status_code == 201
            # no engine takes the first book of all for longer than two seconds for none
            await asyncio.sleep(2)
            call = phone.call(NUMBER, engine.sip)
            await call.hears(880)
            # a minute of the call and one of its telephone
            assert (await client.get("/v1/billing/wallet")).json()["reserved"] == "0.0240"
            # the engine writes every five seconds that its calls are running: what it is sure of is charged
            await asyncio.sleep(6)
            engine.process.kill()
            await engine.process.wait()
        async with voylo_serve(data, **settings) as engine, engine.client() as client:
            (record,) = (await client.get("/v1/calls")).json()
            assert (record["outcome"], record["hangupCause"]) == ("answered", "network_error")
            assert (record["billedS"], record["cost"]) == (60, "0.0240")
            listed = (await client.get("/v1/billing/wallet/transactions")).json()["data"]
            assert [one["amount"] for one in listed if one["callId"] == record["id"]] == ["-0.0120", "-0.0120"]
            wallet = (await client.get("/v1/billing/wallet")).json()
            assert (wallet["balance"], wallet["reserved"]) == ("0.9760", "0.0000")
        check = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", "admin", "ledger", "check"),
            env=environment(data),
            stdout=asyncio.subprocess.PIPE,
        )
        assert (await check.communicate())[0] == b"the ledger is sound\n"
        assert check.returncode == 0
