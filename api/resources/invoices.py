"""`/v1/billing/invoices` (contract §15.2)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from api.file_answer import FilePart, part_of
from api.operation import ApiRequest, Operation
from api.schemas.common import Envelope, PageQuery, pagination
from api.schemas.invoice import InvoiceOut


async def list_invoices(request: ApiRequest) -> Envelope[InvoiceOut]:
    """A page of invoices."""
    query = request.query(PageQuery)
    page = await request.services.invoices.page(request.workspace_id, query.page, query.limit)
    data = [InvoiceOut.of(invoice) for invoice in page.items]
    return Envelope[InvoiceOut](data=data, pagination=pagination(page))


async def get_invoice(request: ApiRequest) -> InvoiceOut:
    """One invoice."""
    return InvoiceOut.of(await request.services.invoices.get(request.workspace_id, request.path["id"]))


async def get_invoice_pdf(request: ApiRequest) -> FilePart:
    """One invoice as a PDF file."""
    invoices = request.services.invoices
    data = await invoices.pdf(await invoices.get(request.workspace_id, request.path["id"]))
    return part_of(io.BytesIO(data), request.range)


_TAG: Final = "Billing"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/billing/invoices",
        "listInvoices",
        "List invoices",
        _TAG,
        list_invoices,
        access="billing",
        description="One for each period of the account in which something was charged, the newest first.",
        query=PageQuery,
        out=Envelope[InvoiceOut],
    ),
    Operation(
        "GET",
        "/v1/billing/invoices/{id}",
        "getInvoice",
        "Get an invoice",
        _TAG,
        get_invoice,
        access="billing",
        path_parameters={"id": "uuid"},
        out=InvoiceOut,
    ),
    Operation(
        "GET",
        "/v1/billing/invoices/{id}/pdf",
        "getInvoicePdf",
        "Get an invoice as PDF",
        _TAG,
        get_invoice_pdf,
        access="billing",
        path_parameters={"id": "uuid"},
        out=bytes,
        media_type="application/pdf",
        example="%PDF-1.3 …",
        file=True,
    ),
)
