"""Real calls with charging on: metered, told and cut when the wallet is empty, refused with 402, over numbers of one's
own carrier and rented ones, with the telephones that they dial (contract §15.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.money import parse_money
from engine.billing.prices import CountryPrices, Kyc, PlanPrice, PriceBook
from engine.calls.metered import MeterTiming
from engine.store.config import record_change
from engine.store.tables import numbers
from sip import Credentials
from tests.api.client import error
from tests.support.callee import Callee, callees
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import Phone, a_phone
from tests.support.shared_engine import MANY_REQUESTS, forget_calls

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "+15550100"
RENTED = "+97142345678"
# Nothing included, 0.0120 a minute; no fee. On rented numbers 0.0450 a minute in the country, 0.1900 abroad; free to
# rent, so that wallets here hold what their test says.
BOOK = PriceBook(
    "USD",
    60,
    (PlanPrice("metered", "Metered", 0, 0, 120, None),),
    (CountryPrices("AE", "United Arab Emirates", 0, 0, 450, 1900, {}, Kyc()),),
)
QUICK = MeterTiming(minute=1.0, grace=4.0, warning=3.5)
SILENCE = '<Response><Play digits="1"/><Pause length="60"/></Response>'


class Charged:
    """An engine that charges, a carrier that is called over every number, and a wallet."""

    def __init__(self, engine: TestEngine, account_id: str, carrier: Callee) -> None:
        self.engine = engine
        self.carrier = carrier
        self._account_id = account_id

    async def pay_in(self, amount: int) -> None:
        await self.engine.process.billing.adjust(self._account_id, amount, "paid")

    async def wallet(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self.engine.client.get("/v1/billing/wallet")).json()
        return body

    async def balance(self) -> int:
        return parse_money((await self.wallet())["balance"])

    async def answers(self, xml: str, *, number: str = OWN) -> None:
        """The number's calls get this document."""
        application = await self.engine.application(xmlTemplate=xml)
        await self.route(number, {"kind": "application", "id": application["id"]})

    async def route(self, number: str, destination: dict[str, Any] | None) -> None:
        listed = (await self.engine.client.get("/v1/numbers")).json()["data"]
        (found,) = [each for each in listed if each["e164"] == number]
        changed = await self.engine.client.patch(f"/v1/numbers/{found['id']}", json={"destination": destination})
        assert changed.status_code == 200, changed.text

    async def posted(self, call_id: str) -> list[tuple[str, str, str]]:
        """What the ledger has about a call, in the order of posting."""
        listed = (await self.engine.client.get("/v1/billing/wallet/transactions?limit=100")).json()["data"]
        mine = [one for one in listed if one["callId"] == call_id]
        return [(one["type"], one["amount"], one["description"]) for one in reversed(mine)]

    async def usage(self, number: str) -> tuple[int, int, int]:
        """Calls, minutes and cost of a number, of all calls of this module."""
        rows = (await self.engine.client.get("/v1/billing/usage?groupBy=number")).json()["rows"]
        found = [row for row in rows if row["key"] == number]
        return next(((row["calls"], row["minutes"], parse_money(row["cost"])) for row in found), (0, 0, 0))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def charging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Charged]:
    async with callees(1) as (carrier,):
        host, port = carrier.address
        rentals = {"carrier_uri": f"sip:{host}:{port};transport=udp", "carrier_source_ips": ["127.0.0.1/32"]}
        path = tmp_path_factory.mktemp("data")
        async with running_engine(path, billing={"enabled": True}, rentals=rentals, limits=MANY_REQUESTS) as engine:
            process = engine.process
            for taker in (process.incoming, process.outgoing):
                taker._services = replace(taker._services, meter_timing=QUICK)
            account_id = (await engine.client.get("/v1/billing")).json()["accountId"]
            await process.billing.import_prices(BOOK)
            await process.billing.plans.assign(account_id, "metered")
            await engine.number(OWN, None, sip={"allowedSourceIps": ["127.0.0.0/8"], "outbound": carrier.carrier})
            rented = await engine.post("/v1/rentals", {"country": "AE", "channels": 10, "kyc": {"fields": {}}})
            await process.rental_review.approve(rented["id"], RENTED)
            yield Charged(engine, account_id, carrier)


@pytest_asyncio.fixture(loop_scope="module")
async def charged(charging: Charged) -> AsyncIterator[Charged]:
    """The engine with an empty wallet and a carrier that answers with 880 Hz."""
    await charging.pay_in(-(await charging.balance())) if await charging.balance() else None
    charging.carrier.calls.clear()
    charging.carrier.on_call = lambda call: call.answer(880)
    yield charging
    await forget_calls(charging.engine)


async def test_a_call_whose_wallet_is_used_up_is_told_and_cut(charged: Charged, phone: Phone) -> None:
    # two minutes, which QUICK counts as seconds
    await charged.pay_in(240)
    await charged.answers(SILENCE)
    call = phone.call(OWN, charged.engine.sip)
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


async def test_money_that_comes_in_time_lets_the_call_go_on(charged: Charged, phone: Phone) -> None:
    await charged.pay_in(120)
    await charged.answers('<Response><Play digits="1"/><Pause length="6"/></Response>')
    call = phone.call(OWN, charged.engine.sip)
    await call.answered()
    await charged.pay_in(100_000)
    await call.hung_up()
    assert (await charged.engine.ended_call())["hangupCause"] == "normal"


async def test_the_warning_interrupts_a_prompt_which_then_begins_anew(charged: Charged, phone: Phone) -> None:
    await charged.pay_in(120)
    await charged.answers('<Response><Play digits="1"/><Say loop="0">Music</Say></Response>')
    call = phone.call(OWN, charged.engine.sip)
    await call.answered()
    await call.hung_up()
    # the endless prompt did not end by the warning, nor the call with it
    assert (await charged.engine.ended_call())["hangupCause"] == "insufficient_funds"


async def test_every_way_in_over_an_own_number_gets_402_and_a_record_when_the_wallet_is_empty(
    charged: Charged, phone: Phone
) -> None:
    async def refused() -> dict[str, Any]:
        record = await charged.engine.ended_call()
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("rejected", "insufficient_funds", 402)
        assert (record["hangupBy"], record["cost"]) == ("platform", "0.0000")
        await forget_calls(charged.engine)
        return record

    await charged.answers("<Response><Hangup/></Response>")
    assert (await phone.call(OWN, charged.engine.sip).rejected()).status == 402
    assert (await refused())["direction"] == "inbound"

    host, port = charged.carrier.address
    destination = {"label": "PBX", "uri": f"sip:{host}:{port};transport=udp"}
    trunk = await charged.engine.post("/v1/trunks/inbound", {"name": "Office", "destinations": [destination]})
    await charged.route(OWN, {"kind": "trunk", "id": trunk["id"]})
    assert (await phone.call(OWN, charged.engine.sip).rejected()).status == 402
    assert (await refused())["destinationKind"] == "trunk"

    made = await charged.engine.post("/v1/trunks/outbound", {"name": "PBX"})
    credentials = Credentials(made["sip"]["username"], made["sip"]["password"])
    call = phone.call("+201091447677", charged.engine.sip, from_=OWN, credentials=credentials)
    assert (await call.rejected()).status == 402
    assert (await refused())["trunkId"] == made["id"]
    assert charged.carrier.calls == []


async def test_a_call_out_is_refused_with_402_and_leaves_no_trace_until_there_is_money(charged: Charged) -> None:
    engine = charged.engine
    application = await engine.application(xmlTemplate="<Response><Pause length='1'/></Response>")
    body = {"from": OWN, "to": "+15550199", "applicationId": application["id"]}
    key = {"Idempotency-Key": "k"}
    refused = await engine.client.post("/v1/calls", json=body, headers=key)
    no_money = error(402, "Payment Required", "The wallet does not cover a minute of this call")
    assert (refused.status_code, refused.json()) == (402, no_money)
    assert await engine.calls() == []
    await charged.pay_in(120)
    assert (await engine.client.post("/v1/calls", json=body, headers=key)).status_code == 202
    # the last cent is taken
    assert (await engine.client.post("/v1/calls", json=body)).status_code == 402
    record = await engine.ended_call()
    assert (record["outcome"], record["cost"]) == ("answered", "0.0120")
    assert await charged.wallet() == {
        "balance": "0.0000",
        "reserved": "0.0000",
        "currency": "USD",
        "lowBalanceThreshold": None,
    }


async def test_a_rented_number_takes_as_many_calls_as_it_has_channels_from_its_carrier_alone(
    charged: Charged, phone: Phone
) -> None:
    """Contract §14.2: rentals only from the carrier's addresses; all channels in use is 486."""
    engine = charged.engine
    (rental,) = (await engine.client.get("/v1/rentals")).json()["data"]
    path = f"/v1/rentals/{rental['id']}"
    assert (await engine.client.patch(path, json={"channels": 1})).status_code == 200
    await charged.answers(SILENCE, number=RENTED)
    for trunk in (await engine.client.get("/v1/trunks/outbound")).json()["data"]:
        # One open to any address would have strangers challenged
        assert (await engine.client.delete(f"/v1/trunks/outbound/{trunk['id']}")).status_code == 204
    async with a_phone("127.0.0.2") as stranger:
        assert (await stranger.call(RENTED, engine.sip).rejected()).status == 403
    assert await engine.calls() == []
    first = phone.call(RENTED, engine.sip)
    await first.answered()
    assert (await phone.call(RENTED, engine.sip).rejected()).status == 486
    await charged.pay_in(10_000)
    application = await engine.application(xmlTemplate=SILENCE)
    body = {"from": RENTED, "to": "+201091447677", "applicationId": application["id"]}
    busy = error(429, "Too Many Requests", f"All 1 channels of {RENTED} are in use")
    answer = await engine.client.post("/v1/calls", json=body)
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, busy, "1")
    first.outgoing.hangup()
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("busy", "channel_limit", 486)
    await forget_calls(engine)
    # while nobody pays for it
    await set_status(engine, "suspended")
    try:
        assert (await phone.call(RENTED, engine.sip).rejected()).status == 403
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("rejected", "rejected", 403)
        silent = "This number cannot call out: it is not active, or outbound is switched off"
        answer = await engine.client.post("/v1/calls", json=body)
        assert (answer.status_code, answer.json()) == (403, error(403, "Forbidden", silent))
    finally:
        await set_status(engine, "active")
    assert (await engine.client.patch(path, json={"channels": 10})).status_code == 200


async def set_status(engine: TestEngine, status: str) -> None:
    """What the calendar does to a rented number."""

    async def work(connection: AsyncConnection) -> None:
        row = numbers.c.e164 == RENTED
        await connection.execute(update(numbers).where(row).values(status=status))
        number_id = (await connection.execute(select(numbers.c.id).where(row))).scalar_one()
        await record_change(connection, "number", number_id)

    await engine.process.store.write(work)
    await engine.process.directory.refresh()


async def test_a_rented_number_takes_calls_for_nothing_and_calls_out_at_its_rate(
    charged: Charged, phone: Phone
) -> None:
    engine = charged.engine
    await charged.answers('<Response><Play digits="1"/><Pause length="1"/></Response>', number=RENTED)
    # the wallet is empty
    call = phone.call(RENTED, engine.sip)
    await call.answered()
    await call.hung_up()
    record = await engine.ended_call()
    assert (record["outcome"], record["direction"], record["cost"]) == ("answered", "inbound", "0.0000")
    assert await charged.posted(record["id"]) == []

    await charged.pay_in(1899)
    async with Flow({}) as flow:
        xml = f'<Response><Play>{flow.url("/tone-440.wav")}</Play><Pause length="1"/></Response>'
        application = await engine.application(xmlTemplate=xml)
        body = {"from": RENTED, "to": "+201091447677", "applicationId": application["id"]}
        assert (await engine.client.post("/v1/calls", json=body)).status_code == 402
        await charged.pay_in(1)
        placed = await engine.client.post("/v1/calls", json=body)
        assert placed.status_code == 202, placed.text
        rung = await charged.carrier.call()
        assert (await charged.wallet())["reserved"] == "0.1900"
        await rung.hears(440)
        await rung.hung_up()
    record = await engine.ended_call()
    # abroad for a number of the Emirates: one minute at 0.1900
    assert (record["outcome"], record["billedS"], record["cost"]) == ("answered", 60, "0.1900")
    assert await charged.posted(record["id"]) == [
        ("call", "-0.1900", f"Call {record['publicId']} from {RENTED} to +201091447677")
    ]
    assert await charged.balance() == 0


async def test_a_telephone_that_a_call_dials_is_reserved_for_and_charged_with_the_call(
    charged: Charged, phone: Phone
) -> None:
    engine, before = charged.engine, await charged.usage(RENTED)
    await charged.pay_in(1_000)
    await charged.answers("<Response><Dial><Number>+97142340000</Number></Dial></Response>", number=RENTED)
    call = phone.call(RENTED, engine.sip)
    await call.answered()
    call.say(440)
    rung = await charged.carrier.call()
    await rung.hears(440)
    await call.hears(880)
    # the call itself costs nothing, a minute of the telephone 0.0450; QUICK may have begun the second
    assert (await charged.wallet())["reserved"] in {"0.0450", "0.0900"}
    # what the call has cost is charged at its end
    assert await charged.balance() == 1_000
    rung.incoming.hangup()
    await call.hung_up()
    record = await engine.ended_call()
    assert (record["direction"], record["billedS"], record["cost"]) == ("inbound", 60, "0.0450")
    said = f"Call {record['publicId']} from +15550123 to {RENTED}, dialled +97142340000"
    assert await charged.posted(record["id"]) == [("call", "-0.0450", said)]
    assert await charged.wallet() == {
        "balance": "0.0550",
        "reserved": "0.0000",
        "currency": "USD",
        "lowBalanceThreshold": None,
    }
    # one call more, and two minutes: its own and the telephone's
    after = await charged.usage(RENTED)
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 2, 450]


async def test_a_call_and_its_telephone_over_an_own_number_cost_a_minute_each(charged: Charged, phone: Phone) -> None:
    await charged.pay_in(240)
    await charged.answers("<Response><Dial>+15550177</Dial></Response>")
    charged.carrier.on_call = lambda call: call.incoming.ring()
    call = phone.call(OWN, charged.engine.sip)
    await call.answered()
    rung = await charged.carrier.call()
    assert (await charged.wallet())["reserved"] == "0.0240"
    # one that does not answer costs nothing, and gives back what was reserved for it at once
    rung.incoming.reject(486)
    await call.hung_up()
    record = await charged.engine.ended_call()
    assert record["cost"] == ("0.0120" if record["durationS"] else "0.0000")
    assert await charged.wallet() | {"balance": ""} == {
        "balance": "",
        "reserved": "0.0000",
        "currency": "USD",
        "lowBalanceThreshold": None,
    }
    await forget_calls(charged.engine)

    await charged.pay_in(240)
    before = await charged.balance()
    charged.carrier.calls.clear()
    charged.carrier.on_call = lambda call: call.answer(880)
    call = phone.call(OWN, charged.engine.sip)
    await call.hears(880, at_least=0.8)
    call.outgoing.hangup()
    record = await charged.engine.ended_call()
    assert record["cost"] == "0.0240"
    assert [amount for _, amount, _ in await charged.posted(record["id"])] == ["-0.0120", "-0.0120"]
    assert await charged.balance() == before - 240


async def test_a_telephone_whose_money_is_used_up_ends_the_call_after_a_warning(charged: Charged, phone: Phone) -> None:
    # one minute of the telephone at 0.0450
    await charged.pay_in(450)
    charged.carrier.on_call = lambda call: call.answer()
    await charged.answers("<Response><Dial>+97142340000</Dial></Response>", number=RENTED)
    call = phone.call(RENTED, charged.engine.sip)
    await call.answered()
    rung = await charged.carrier.call()
    await call.hung_up()
    await rung.hung_up()
    record = await charged.engine.ended_call()
    assert (record["hangupBy"], record["hangupCause"]) == ("platform", "insufficient_funds")
    # a second that was paid and four of grace
    assert 4.5 <= record["durationS"] <= 7
    # the telephone is silent: what the caller heard is the warning, after the ringing
    assert np.abs(call.heard[-8000 * 4 :].astype(int)).max() > 1000
    assert record["cost"] == "0.0450"
    assert (await charged.wallet())["reserved"] == "0.0000"


async def test_a_telephone_that_cannot_be_paid_is_not_rung(charged: Charged, phone: Phone) -> None:
    async with Flow({"/done": "<Response><Hangup/></Response>"}) as flow:
        await charged.pay_in(449)
        dial = f'<Response><Dial action="{flow.url("/done")}">+97142340000</Dial></Response>'
        await charged.answers(dial, number=RENTED)
        call = phone.call(RENTED, charged.engine.sip)
        done = await flow.wait_for("/done")
        assert (done.form["DialStatus"], done.form["DialHangupCause"]) == ("failed", "insufficient_funds")
        await call.hung_up()
        assert charged.carrier.calls == []
        record = await charged.engine.ended_call()
        assert (record["outcome"], record["cost"]) == ("answered", "0.0000")
