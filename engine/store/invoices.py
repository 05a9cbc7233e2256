"""Queries about invoices and what goes on them (contract §15.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Page
from engine.store.billing_tables import invoices, ledger_transactions
from engine.store.json_text import dump_json, load_json
from engine.store.tables import call_legs, calls, meta, numbers
from engine.store.times import from_ms, to_ms

INVOICES_NAME: Final = "invoices"

LineKind = Literal["plan", "rental", "call", "refund"]
LINE_KINDS: Final[tuple[LineKind, ...]] = ("plan", "rental", "call", "refund")


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A line: what, how much of it, what it costs in ten-thousandths; a refund is below 0.

    `billed_s` are the billed seconds of calls.
    """

    kind: LineKind
    description: str
    quantity: int
    billed_s: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What an account was charged in a period; `seq` counts all invoices of the server without gaps."""

    id: str
    seq: int
    account_id: str
    number: str
    period_start: datetime
    period_end: datetime
    total: int
    currency: str
    status: Literal["paid"]
    timezone: str
    seller: Mapping[str, str]
    customer: Mapping[str, str]
    lines: tuple[InvoiceLine, ...]
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Charged:
    """Which of an account's charges are meant.

    Those of before `end` that were not invoiced: of `start` or later, or posted after the invoice before was made,
    whose last row of the ledger is `after_seq`.
    """

    account_id: str
    start: datetime
    end: datetime
    after_seq: int

    @property
    def condition(self) -> ColumnElement[bool]:
        """As a condition on rows of the ledger."""
        table = ledger_transactions.c
        new = (table.created_at >= to_ms(self.start)) | (table.seq > self.after_seq)
        return (table.account_id == self.account_id) & (table.created_at < to_ms(self.end)) & new


async def single_charges(connection: AsyncConnection, charged: Charged) -> list[InvoiceLine]:
    """The charges that are a line each: plans, rentals, refunds, in the order in which they were posted."""
    kinds = [kind for kind in LINE_KINDS if kind != "call"]
    rows = await connection.execute(
        select(ledger_transactions)
        .where(charged.condition, ledger_transactions.c.cause.in_(kinds))
        .order_by(ledger_transactions.c.seq)
    )
    found = [InvoiceLine(row.cause, row.description, 1, None, -row.amount) for row in rows]
    return sorted(found, key=lambda line: LINE_KINDS.index(line.kind))


async def call_charges(connection: AsyncConnection, charged: Charged) -> list[InvoiceLine]:
    """The charges for calls and for telephones that calls have dialled, a line for each number."""
    number = func.coalesce(numbers.c.e164, "").label("number")
    billed_s = func.coalesce(call_legs.c.billed_s, calls.c.billed_s)
    rows = await connection.execute(
        select(number, func.count(), func.sum(billed_s), func.sum(ledger_transactions.c.amount))
        .select_from(ledger_transactions)
        .outerjoin(call_legs, call_legs.c.id == ledger_transactions.c.cause_id)
        .outerjoin(calls, calls.c.id == ledger_transactions.c.call_id)
        .outerjoin(numbers, numbers.c.id == func.coalesce(call_legs.c.number_id, calls.c.number_id))
        .where(charged.condition, ledger_transactions.c.cause == "call")
        .group_by(number)
        .order_by(number)
    )
    return [
        InvoiceLine("call", f"Calls on {e164}" if e164 else "Calls", count, int(billed or 0), -int(amount))
        for e164, count, billed, amount in rows
    ]


async def last_seq(connection: AsyncConnection, account_id: str) -> int:
    """The last row of the ledger about an account; 0 without one."""
    query = select(func.max(ledger_transactions.c.seq)).where(ledger_transactions.c.account_id == account_id)
    return (await connection.execute(query)).scalar() or 0


async def next_seq(connection: AsyncConnection) -> int:
    """The next number of an invoice; used up only if the transaction is committed, which others wait for."""
    moved = await connection.execute(
        update(meta).where(meta.c.name == INVOICES_NAME).values(number=meta.c.number + 1).returning(meta.c.number)
    )
    number = moved.scalar()
    if number is not None:
        return int(number)
    await connection.execute(insert(meta).values(name=INVOICES_NAME, number=1))
    return 1


async def insert_invoice(connection: AsyncConnection, invoice: Invoice) -> None:
    """Stores an invoice; a second one of the same period of an account violates a constraint."""
    lines = [[one.kind, one.description, one.quantity, one.billed_s, one.amount] for one in invoice.lines]
    await connection.execute(
        insert(invoices).values(
            id=invoice.id,
            seq=invoice.seq,
            account_id=invoice.account_id,
            number=invoice.number,
            period_start=to_ms(invoice.period_start),
            period_end=to_ms(invoice.period_end),
            total=invoice.total,
            currency=invoice.currency,
            status=invoice.status,
            timezone=invoice.timezone,
            seller=dump_json(invoice.seller),
            customer=dump_json(invoice.customer),
            lines=dump_json(lines),
            issued_at=to_ms(invoice.issued_at),
        )
    )


async def get_invoice(connection: AsyncConnection, account_id: str, invoice_id: str) -> Invoice | None:
    """One invoice of an account."""
    query = select(invoices).where(invoices.c.id == invoice_id, invoices.c.account_id == account_id)
    row = (await connection.execute(query)).first()
    return None if row is None else _invoice(row)


async def page_of_invoices(connection: AsyncConnection, account_id: str, page: int, limit: int) -> Page[Invoice]:
    """A page of an account's invoices, the newest first."""
    mine = invoices.c.account_id == account_id
    total = (await connection.execute(select(func.count()).select_from(invoices).where(mine))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(invoices).where(mine).order_by(invoices.c.seq.desc()).limit(limit).offset((page - 1) * limit)
    )
    return Page(tuple(map(_invoice, rows)), page, limit, total)


def _invoice(row: Row[Any]) -> Invoice:
    return Invoice(
        id=row.id,
        seq=row.seq,
        account_id=row.account_id,
        number=row.number,
        period_start=from_ms(row.period_start),
        period_end=from_ms(row.period_end),
        total=row.total,
        currency=row.currency,
        status=row.status,
        timezone=row.timezone,
        seller=load_json(row.seller),
        customer=load_json(row.customer),
        lines=tuple(InvoiceLine(*line) for line in load_json(row.lines)),
        issued_at=from_ms(row.issued_at),
    )
