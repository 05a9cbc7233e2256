"""Bodies of `/v1/billing/invoices` (contract §15.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.billing import Currency, MoneyOut
from api.schemas.common import Output
from api.schemas.fields import Timestamp, UuidOut
from engine.store.invoices import Invoice


class InvoiceLineOut(Output):
    """A line; `minutes` are those of calls, refunds are below 0."""

    type: Literal["plan", "rental", "call", "refund"]
    description: str
    quantity: int
    minutes: int | None
    amount: MoneyOut


class InvoiceOut(Output):
    """What the account was charged in a period; everything on it is paid from the wallet."""

    id: UuidOut
    number: str = Field(examples=["INV-000042"])
    period_start: Timestamp
    period_end: Timestamp
    total: MoneyOut
    currency: Currency
    status: Literal["paid"]
    seller: dict[str, str]
    customer: dict[str, str]
    lines: list[InvoiceLineOut]
    issued_at: Timestamp

    @classmethod
    def of(cls, invoice: Invoice) -> InvoiceOut:
        """The object of an invoice."""
        lines = [
            InvoiceLineOut(
                type=line.kind,
                description=line.description,
                quantity=line.quantity,
                minutes=None if line.billed_s is None else -(-line.billed_s // 60),
                amount=line.amount,
            )
            for line in invoice.lines
        ]
        return cls(
            id=invoice.id,
            number=invoice.number,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            total=invoice.total,
            currency=invoice.currency,
            status=invoice.status,
            seller=dict(invoice.seller),
            customer=dict(invoice.customer),
            lines=lines,
            issued_at=invoice.issued_at,
        )
