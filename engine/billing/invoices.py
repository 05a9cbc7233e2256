"""Invoices: what an account was charged in each of its periods, made once the period is over (contract §15.2).

Everything on an invoice is paid already, from the wallet. Adjustments are on none: they are the operator's corrections
of the wallet, as top-ups are payments into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.periods import period_of
from engine.billing.rental_desk import account_of
from engine.errors import NotFound
from engine.ids import new_uuid
from engine.model import Page
from engine.store import Store, subscriptions
from engine.store import invoices as queries
from engine.store.billing_accounts import BillingAccount, account_ids, billing_account, put_billing_account
from engine.store.invoices import Charged, Invoice
from engine.store.ledger import wallet_of

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InvoiceTerms:
    """What is on every invoice: the seller, what numbers begin with, a last sentence, and a font for the PDF."""

    seller: Mapping[str, str] = field(default_factory=dict)
    prefix: str = "INV-"
    note: str | None = None
    font: Path | None = None


class Invoices:
    """The invoices of every account."""

    def __init__(
        self,
        store: Store,
        terms: InvoiceTerms | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._terms = terms or InvoiceTerms()
        self._clock = clock

    async def page(self, workspace_id: str, page: int, limit: int) -> Page[Invoice]:
        """A page of the invoices of a workspace's account, the newest first."""

        async def read(connection: AsyncConnection) -> Page[Invoice]:
            account_id = await account_of(connection, workspace_id)
            return await queries.page_of_invoices(connection, account_id, page, limit)

        return await self._store.read(read)

    async def get(self, workspace_id: str, invoice_id: str) -> Invoice:
        """One invoice. Raises NotFound."""

        async def read(connection: AsyncConnection) -> Invoice | None:
            return await queries.get_invoice(connection, await account_of(connection, workspace_id), invoice_id)

        invoice = await self._store.read(read)
        if invoice is None:
            raise NotFound("Invoice not found")
        return invoice

    async def pdf(self, invoice: Invoice) -> bytes:
        """An invoice as a PDF file, the same octets each time."""
        from engine.billing.invoice_pdf import render

        return await asyncio.to_thread(render, invoice, self._terms.note, self._terms.font)

    async def run(self, now: datetime) -> int:
        """Makes the invoices of the periods that are over at `now`; how many there were."""
        made = 0
        for account_id in await self._store.read(account_ids):
            made += await self._bring_up(account_id, now)
        return made

    async def _bring_up(self, account_id: str, now: datetime) -> int:
        async def ends(connection: AsyncConnection) -> datetime | None:
            account = await billing_account(connection, account_id)
            return None if account is None else (await self._open(connection, account))[1]

        end = await self._store.read(ends)
        if end is None or end > now:
            return 0

        async def work(connection: AsyncConnection) -> int:
            account = await billing_account(connection, account_id, lock=True)
            made = 0
            while account is not None:
                start, end = await self._open(connection, account)
                if end > now:
                    break
                made += await self._make(connection, account, start, end, now)
                seq = await queries.last_seq(connection, account_id)
                account = replace(account, invoiced_until=end, invoiced_seq=seq)
                await put_billing_account(connection, account)
            return made

        return await self._store.write(work)

    async def _open(self, connection: AsyncConnection, account: BillingAccount) -> tuple[datetime, datetime]:
        """From when to when the next invoice is."""
        start = account.invoiced_until or account.created_at
        subscription = await subscriptions.subscription_of(connection, account.account_id)
        anchor = account.created_at if subscription is None else subscription.since
        _, end = period_of(anchor, start, account.zone)
        # Until the first plan the months of the account are its periods
        return start, anchor if start < anchor else end

    async def _make(
        self, connection: AsyncConnection, account: BillingAccount, start: datetime, end: datetime, now: datetime
    ) -> int:
        charged = Charged(account.account_id, start, end, account.invoiced_seq)
        lines = await queries.single_charges(connection, charged)
        lines += await queries.call_charges(connection, charged)
        if not lines:
            return 0
        seq = await queries.next_seq(connection)
        invoice = Invoice(
            id=new_uuid(),
            seq=seq,
            account_id=account.account_id,
            number=f"{self._terms.prefix}{seq:06d}",
            period_start=start,
            period_end=end,
            total=sum(line.amount for line in lines),
            currency=(await wallet_of(connection, account.account_id)).currency,
            status="paid",
            timezone=account.timezone,
            seller=dict(self._terms.seller),
            customer={"name": account.name, **account.customer},
            lines=tuple(lines),
            issued_at=now,
        )
        await queries.insert_invoice(connection, invoice)
        logger.info("invoice.made", number=invoice.number, account=account.account_id)
        return 1
