"""Real calls with charging on: metered, told and cut when the wallet is empty, refused with 402 (contract §15.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.billing.prices import PlanPrice, PriceBook
from engine.calls.metered import MeterTiming
from tests.support.callee import a_callee
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import a_phone

NUMBER = "+15550100"
# Nothing included, 0.0120 a minute; no fee.
BOOK = PriceBook("USD", 60, (PlanPrice("metered", "Metered", 0, 0, 120, None),), ())
QUICK = MeterTiming(minute=1.0, grace=4.0, warning=3.5)


class _Charged:
    """An engine that charges, with a number on the plan."""

    def __init__(self, engine: TestEngine, account_id: str) -> None:
        self.engine = engine
        self.account_id = account_id

    async def pay_in(self, amount: int) -> None:
        await self.engine.process.billing.adjust(self.account_id, amount, "paid")

    async def wallet(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self.engine.client.get("/v1/billing/wallet")).json()
        return body


@asynccontextmanager
async def charging(path: Path) -> AsyncIterator[_Charged]:
    async with running_engine(path, billing={"enabled": True}) as engine:
        process = engine.process
        for taker in (process.incoming, process.outgoing):
            taker._services = replace(taker._services, meter_timing=QUICK)
        account_id = (await engine.client.get("/v1/billing")).json()["accountId"]
        await process.billing.import_prices(BOOK)
        await process.billing.plans.assign(account_id, "metered")
        yield _Charged(engine, account_id)


async def test_a_call_whose_wallet_is_used_up_is_told_and_cut(tmp_path: Path) -> None:
    async with charging(tmp_path) as charged, a_phone() as phone:
        # two minutes, which QUICK counts as seconds
        await charged.pay_in(240)
        xml = '<Response><Play digits="1"/><Pause length="60"/></Response>'
        application = await charged.engine.application(xmlTemplate=xml)
        await charged.engine.number(NUMBER, application)
        call = phone.call(NUMBER, charged.engine.sip)
        await call.answered()
        assert (await charged.wallet())["reserved"] == "0.0120"
        await call.hung_up()
        record = await charged.engine.ended_call()
        assert (record["hangupBy"], record["hangupCause"], record["outcome"]) == (
            "platform",
            "insufficient_funds",
            "answered",
        )
        # two paid seconds and four of grace
        assert 5.5 <= record["durationS"] <= 7
        # nothing but the warning was said in this call of silence
        assert np.abs(call.heard.astype(int)).max() > 1000
        assert (await charged.wallet())["balance"] == "0.0120"  # one real minute of two
        assert (await charged.wallet())["reserved"] == "0.0000"


async def test_money_that_comes_in_time_lets_the_call_go_on(tmp_path: Path) -> None:
    async with charging(tmp_path) as charged, a_phone() as phone:
        await charged.pay_in(120)
        xml = '<Response><Play digits="1"/><Pause length="7"/></Response>'
        application = await charged.engine.application(xmlTemplate=xml)
        await charged.engine.number(NUMBER, application)
        call = phone.call(NUMBER, charged.engine.sip)
        await call.answered()
        await charged.pay_in(100_000)
        await call.hung_up()
        assert (await charged.engine.ended_call())["hangupCause"] == "normal"


async def test_a_caller_to_an_empty_wallet_gets_402_and_a_record(tmp_path: Path) -> None:
    async with charging(tmp_path) as charged, a_phone() as phone:
        application = await charged.engine.application(xmlTemplate="<Response><Hangup/></Response>")
        await charged.engine.number(NUMBER, application)
        call = phone.call(NUMBER, charged.engine.sip)
        assert (await call.rejected()).status == 402
        record = await charged.engine.ended_call()
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("rejected", "insufficient_funds", 402)


async def test_a_call_out_is_refused_with_402_and_leaves_no_trace_until_there_is_money(tmp_path: Path) -> None:
    async with charging(tmp_path) as charged, a_callee() as callee:
        engine = charged.engine
        callee.on_call = lambda call: call.answer()
        application = await engine.application(xmlTemplate="<Response><Pause length='1'/></Response>")
        await engine.number(NUMBER, application, sip={"outbound": callee.carrier})
        body = {"from": NUMBER, "to": "+15550199", "applicationId": application["id"]}
        refused = await engine.client.post("/v1/calls", json=body, headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()["error"]) == (402, "Payment Required")
        assert await engine.calls() == []
        await charged.pay_in(120)
        placed = await engine.client.post("/v1/calls", json=body, headers={"Idempotency-Key": "k"})
        assert placed.status_code == 202
        # the last cent is taken
        assert (await engine.client.post("/v1/calls", json=body)).status_code == 402
        record = await engine.ended_call()
        assert (record["outcome"], record["cost"]) == ("answered", "0.0120")
        assert (await charged.wallet()) == {
            "balance": "0.0000",
            "reserved": "0.0000",
            "currency": "USD",
            "lowBalanceThreshold": None,
        }


async def test_the_warning_interrupts_a_prompt_which_then_begins_anew(tmp_path: Path) -> None:
    async with charging(tmp_path) as charged, a_phone() as phone:
        await charged.pay_in(120)
        xml = '<Response><Play digits="1"/><Say loop="0">Music</Say></Response>'
        application = await charged.engine.application(xmlTemplate=xml)
        await charged.engine.number(NUMBER, application)
        call = phone.call(NUMBER, charged.engine.sip)
        await call.answered()
        await call.hung_up()
        record = await charged.engine.ended_call()
        # the endless prompt did not end by the warning, nor the call with it
        assert record["hangupCause"] == "insufficient_funds"
