"""Invoices: one for each period, every charge on exactly one, numbered without gaps (contract §15.2)."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.billing.invoice_pdf import render
from engine.billing.invoices import Invoices, InvoiceTerms
from engine.store import Store
from engine.store.billing_accounts import billing_account, put_billing_account
from engine.store.invoices import Invoice, InvoiceLine
from tests.api.client import Api, error
from tests.engine.billing.book import BOOK, a_number
from tests.engine.billing.test_metering import Metered
from tests.engine.opened import START, database_url, opened

SELLER = {
    "name": "Carrier Ltd",
    "address": "1 Main Street\nLondon",
    "taxId": "GB123",
    "email": "billing@carrier.example",
}


class Invoicing(Metered):
    """As `Metered`, with money and a calendar for invoices."""

    async def invoices(self) -> list[Any]:
        await self.engine.invoices.run(self.engine.clock())
        return list((await self.engine.invoices.page(self.engine.workspace_id, 1, 100)).items)

    async def talk(self, number_id: str, seconds: int) -> int:
        new = self.call(number_id)
        await self.begin(new)
        return await self.end(new, seconds)


@pytest.fixture
async def invoicing(tmp_path: Path) -> AsyncIterator[Invoicing]:
    async with opened(tmp_path, charging=True, terms=InvoiceTerms(SELLER, "R-", "Reverse charge.")) as engine:
        made = Invoicing(engine)
        await made.billing.import_prices(BOOK)
        await made.pay_in(10_000_000)
        yield made
        await made.records.close()


async def test_an_invoice_has_what_was_charged_in_its_period(invoicing: Invoicing) -> None:
    engine = invoicing.engine
    plan = next(plan for plan in await invoicing.billing.plans.offered() if plan.code == "small")
    await invoicing.billing.plans.choose(engine.workspace_id, plan.id)
    rental = await a_number(engine, "rental")
    own = await a_number(engine, "byo", "+97142345679")
    await invoicing.talk(rental, 61)  # two minutes: 0.0900
    await invoicing.talk(rental, 30)  # one: 0.0450
    await invoicing.talk(own, 180)  # three, of which two are the plan's: 0.0120
    assert await invoicing.invoices() == []
    engine.clock.advance(days=29)
    await invoicing.talk(rental, 60)  # 0.0450, in the period still
    engine.clock.advance(days=2)
    await invoicing.billing.plans.renew_due(engine.clock())
    (invoice,) = await invoicing.invoices()
    assert (invoice.number, invoice.period_start, invoice.period_end) == ("R-000001", START, START + timedelta(days=30))
    assert [(line.kind, line.description, line.quantity, line.billed_s, line.amount) for line in invoice.lines] == [
        ("plan", "Plan Small", 1, None, 190_000),
        ("call", "Calls on +97142345678", 3, 240, 1_800),
        ("call", "Calls on +97142345679", 1, 180, 120),
    ]
    # 19.0000 + 0.1800 + 0.0120
    assert (invoice.total, invoice.currency, invoice.status) == (191_920, "USD", "paid")
    assert invoice.seller == SELLER
    # and nothing of it once more; the next one has the fee of its own period
    assert len(await invoicing.invoices()) == 1
    engine.clock.advance(days=30)
    second = (await invoicing.invoices())[0]
    assert (second.number, [line.amount for line in second.lines]) == ("R-000002", [190_000])


async def test_every_charge_is_on_exactly_one_invoice_whenever_it_was_posted(invoicing: Invoicing) -> None:
    engine = invoicing.engine
    number = await a_number(engine, "rental")
    charged = 0
    late = invoicing.call(number)
    await invoicing.begin(late)
    for _ in range(8):
        charged += await invoicing.talk(number, 60)
        engine.clock.advance(days=11)
        await invoicing.invoices()
    # a call of the first period whose end is stored only now, as after a crash
    charged += await invoicing.end(late, 120)
    engine.clock.advance(days=60)
    invoices = await invoicing.invoices()
    assert charged == 8 * 450 + 900
    assert sum(invoice.total for invoice in invoices) == charged
    assert sum(line.quantity for invoice in invoices for line in invoice.lines) == 9


async def test_numbers_have_no_gaps_with_two_processes(invoicing: Invoicing) -> None:
    engine = invoicing.engine
    number = await a_number(engine, "rental")
    for _ in range(4):
        await invoicing.talk(number, 60)
        engine.clock.advance(days=31)
    store = await Store.open(database_url(engine.path))
    second = Invoices(store, InvoiceTerms(SELLER, "R-"), engine.clock)
    await asyncio.gather(*(each.run(engine.clock()) for each in (engine.invoices, second) * 3))
    await store.close()
    invoices = await invoicing.invoices()
    assert [(invoice.seq, invoice.total) for invoice in invoices] == [(4, 450), (3, 450), (2, 450), (1, 450)]


async def test_periods_are_those_of_the_accounts_time_zone(invoicing: Invoicing) -> None:
    engine = invoicing.engine
    account_id = (await invoicing.billing.overview(engine.workspace_id)).account_id

    async def move(connection: Any) -> None:
        account = await billing_account(connection, account_id)
        assert account is not None
        # everything before midnight of 1 July in Cairo is invoiced
        midnight = datetime(2026, 6, 30, 21, tzinfo=UTC)
        moved = replace(account, timezone="Africa/Cairo", invoiced_until=midnight, customer={"name": "Kunde"})
        await put_billing_account(connection, moved)

    await engine.store.write(move)
    number = await a_number(engine, "rental")
    # across midnight in UTC, and ended on 23 July at 13:30 in Cairo: a minute before the period ends there
    engine.clock.now = datetime(2026, 7, 23, 10, 29, tzinfo=UTC)
    await invoicing.talk(number, 60)
    engine.clock.now = datetime(2026, 7, 23, 10, 31, tzinfo=UTC)
    (invoice,) = await invoicing.invoices()
    assert (invoice.timezone, invoice.customer, invoice.total) == ("Africa/Cairo", {"name": "Kunde"}, 450)
    assert invoice.period_end == datetime(2026, 7, 23, 10, 31, tzinfo=UTC)


async def test_invoices_over_http_as_json_and_pdf(invoicing: Invoicing) -> None:
    engine = invoicing.engine
    await invoicing.talk(await a_number(engine, "rental"), 61)
    engine.clock.advance(days=31)
    await invoicing.invoices()
    api = Api(engine)
    (listed,) = (await api.get("/v1/billing/invoices")).body["data"]
    one = (await api.get(f"/v1/billing/invoices/{listed['id']}")).body
    assert one == listed
    assert (one["number"], one["total"], one["status"], one["seller"]["name"]) == (
        "R-000001",
        "0.0900",
        "paid",
        "Carrier Ltd",
    )
    assert one["lines"] == [
        {
            "type": "call",
            "description": "Calls on +97142345678",
            "quantity": 1,
            "minutes": 2,
            "amount": "0.0900",
        }
    ]
    pdf = await api.get(f"/v1/billing/invoices/{listed['id']}/pdf")
    assert (pdf.status, pdf.headers["content-type"]) == (200, "application/pdf")
    assert (await api.get(f"/v1/billing/invoices/{listed['id']}/pdf")).content == pdf.content
    shown = text_of(pdf.content)
    for wanted in ("R-000001", "Carrier Ltd", "GB123", "Calls on +97142345678", "0.0900", "Reverse charge."):
        assert wanted in shown, wanted
    unknown = await api.get("/v1/billing/invoices/00000000-0000-4000-8000-000000000000")
    assert tuple(unknown) == (404, error(404, "Not Found", "Invoice not found"))
    assert (await api.get("/v1/billing/invoices", key=await api.key_of("developer"))).status == 403


def text_of(pdf: bytes) -> str:
    """The texts that a PDF shows, from its content streams."""
    shown = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        shown += [part.decode("latin-1") for part in re.findall(rb"\(((?:[^()\\]|\\.)*)\) ?Tj", content)]
    return "\n".join(shown)


def test_names_in_other_letters_are_shown_as_far_as_the_font_can() -> None:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    lines = tuple(InvoiceLine("call", f"Calls on +9714234{index:04d}", 1, 60, 450) for index in range(80))
    invoice = Invoice(
        "i", 1, "acc_1", "R-1", moment, moment, 36_000, "USD", "paid", "UTC",
        {"name": "Müller & Söhne"}, {"name": "شركة Łódź"}, lines, moment,
    )  # fmt: skip
    pdf = render(invoice, None, None)
    shown = text_of(pdf)
    assert "Müller & Söhne" in shown
    assert "????" in shown
    assert "Lódz" in shown or "?ódz" in shown
    # eighty lines do not fit on one page, and all of them are there
    assert shown.count("Calls on") == 80
    assert pdf.count(b"/Type /Page\n") >= 2
    assert pdf.startswith(b"%PDF-")
