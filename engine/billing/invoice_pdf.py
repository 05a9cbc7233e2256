"""An invoice as a page or more of PDF: both parties, number and dates, lines, total."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from fpdf import FPDF, XPos, YPos

from engine.model import money
from engine.store.invoices import Invoice, InvoiceLine

BUILT_IN: Final = "Helvetica"
OWN: Final = "Own"
PARTY_KEYS: Final = ("name", "address", "taxId", "email")
HEADINGS: Final = ("Description", "Quantity", "Minutes", "Amount")
# Millimetres, of the 170 between the margins
WIDTHS: Final = (98, 22, 22, 28)
MARGIN: Final = 20
HEIGHT: Final = 6


class _Page(FPDF):
    """A4 with the number of the invoice and the page at the foot."""

    def __init__(self, invoice: Invoice, font: Path | None) -> None:
        super().__init__(format="A4")
        self._foot = invoice.number
        self.face = BUILT_IN
        if font is not None:
            self.add_font(OWN, fname=font)
            self.add_font(OWN, style="B", fname=font)
            self.face = OWN
        self.set_margin(MARGIN)
        self.set_auto_page_break(auto=True, margin=MARGIN)
        # The same invoice makes the same file, whenever it is asked for
        self.set_creation_date(invoice.issued_at)
        self.set_title(f"Invoice {invoice.number}")
        self.alias_nb_pages()

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(self.face, size=8)
        self.cell(0, HEIGHT, f"{self._foot}   {self.page_no()}/{{nb}}", align="C")

    def shown(self, text: str) -> str:
        """What of a text the font can show: the built-in one has the letters of Western Europe."""
        if self.face == OWN:
            return text
        return "".join(letter if _fits(letter) else _plain(letter) for letter in text)

    def table_row(self, cells: Sequence[str], *, bold: bool = False) -> None:
        """A row of the table."""
        self.set_font(self.face, style="B" if bold else "", size=9)
        for cell, width in zip(cells[:-1], WIDTHS[:-1], strict=True):
            self.cell(width, HEIGHT, self.shown(cell), border="B", align="L" if width == WIDTHS[0] else "R")
        self.cell(WIDTHS[-1], HEIGHT, self.shown(cells[-1]), border="B", align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _fits(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _plain(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def render(invoice: Invoice, note: str | None, font: Path | None) -> bytes:
    """The PDF file. `font` is a TrueType font for what the built-in one cannot show."""
    page = _Page(invoice, font)
    page.add_page()
    page.set_font(page.face, style="B", size=18)
    page.cell(0, 12, "Invoice", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    top = page.get_y()
    _party(page, "From", invoice.seller, MARGIN, top)
    left_end = page.get_y()
    _party(page, "To", invoice.customer, MARGIN + 90, top)
    page.set_xy(MARGIN, max(left_end, page.get_y()) + HEIGHT)
    _facts(page, invoice)
    page.ln(HEIGHT)
    page.table_row(HEADINGS, bold=True)
    for line in invoice.lines:
        page.table_row(_cells(page, line))
    page.table_row(("Total", "", "", f"{money(invoice.total)} {invoice.currency}"), bold=True)
    page.ln(HEIGHT)
    page.set_font(page.face, size=9)
    page.multi_cell(0, HEIGHT - 1, "Paid from the prepaid balance.", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    if note is not None:
        page.multi_cell(0, HEIGHT - 1, page.shown(note), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(page.output())


def _party(page: _Page, heading: str, party: Mapping[str, str], left: int, top: Any) -> None:
    page.set_xy(left, top)
    page.set_font(page.face, style="B", size=9)
    page.cell(80, HEIGHT, heading, new_x=XPos.LEFT, new_y=YPos.NEXT)
    page.set_font(page.face, size=10)
    for key in PARTY_KEYS:
        value = party.get(key)
        if value:
            shown = f"Tax ID {value}" if key == "taxId" else value
            page.multi_cell(80, HEIGHT - 1, page.shown(shown), align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)


def _facts(page: _Page, invoice: Invoice) -> None:
    zone = UTC if invoice.timezone == "UTC" else ZoneInfo(invoice.timezone)

    def day(moment: datetime) -> str:
        return moment.astimezone(zone).date().isoformat()

    # The last day of a period that ends at midnight is the one before
    last = invoice.period_end - timedelta(milliseconds=1)
    facts = {
        "Invoice number": invoice.number,
        "Date": day(invoice.issued_at),
        "Period": f"{day(invoice.period_start)} to {day(last)} ({invoice.timezone})",
        "Status": "Paid",
    }
    for name, value in facts.items():
        page.set_font(page.face, style="B", size=9)
        page.cell(35, HEIGHT - 1, name)
        page.set_font(page.face, size=9)
        page.cell(0, HEIGHT - 1, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _cells(page: _Page, line: InvoiceLine) -> tuple[str, str, str, str]:
    description = line.description
    page.set_font(page.face, size=9)
    while len(description) > 1 and page.get_string_width(page.shown(description)) > WIDTHS[0] - 3:
        description = description[:-1]
    minutes = "" if line.billed_s is None else str(-(-line.billed_s // 60))
    return description, str(line.quantity), minutes, money(line.amount)
