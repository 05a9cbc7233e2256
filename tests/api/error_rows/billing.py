"""Rows of contract §15.2: plans, the wallet, rentals, the operator's side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.api.client import error, invalid
from tests.api.error_rows import UNKNOWN, Row
from tests.api.test_rentals import KYC, NUMBER

NOT_NEGATIVE: Final = 'must be an amount as text, with at most four decimals, such as "5.0000"'
SIGNED: Final = 'must be an amount other than 0 as text, with at most four decimals, such as "-3.5000"'
NOTE: Final = "must be 1 to 500 characters, no control characters"
MOMENT: Final = "must be an ISO 8601 time with its offset, such as 2026-06-23T10:31:00.000Z"
STATUS: Final = "must be draft, pending_payment, in_review, changes_requested, active, rejected or canceled"
NO_RENTAL: Final = error(404, "Not Found", "Rental not found")


def impossible(status: str) -> dict[str, object]:
    """The answer to what a rental's status does not allow."""
    return error(409, "Conflict", f"This is not possible while the rental is {status}")


def rows() -> Iterator[Row]:
    """The rows, in the order of the contract's table."""
    yield from _of_the_wallet()
    yield from _of_rentals()
    yield from _of_the_operator()


def _of_the_wallet() -> Iterator[Row]:
    for wrong in ("-1", "1.00001", "much", ""):
        yield Row("updateWallet", 400, invalid(lowBalanceThreshold=NOT_NEGATIVE), {"lowBalanceThreshold": wrong})
    yield Row("updateWallet", 400, invalid(lowBalanceThreshold="must be a string"), {"lowBalanceThreshold": 5})
    answer = invalid(**{"from": MOMENT, "to": MOMENT, "groupBy": "must be day, workspace or number"})
    yield Row("getUsage", 400, answer, query="from=yesterday&to=2026-06-23&groupBy=month")
    yield Row("choosePlan", 400, invalid(planId="must be a plan on offer"), {"planId": UNKNOWN})
    dear = error(402, "Payment Required", "The plan costs 99.0000 now, and the wallet has 0.0000")
    yield Row("choosePlan", 402, dear, {"planId": "$large"})
    narrow = error(409, "Conflict", "The plan Small allows 1 workspace")
    yield Row("choosePlan", 409, narrow, {"planId": "$small"})
    yield Row("getInvoicePdf", 416, error(416, "Range Not Satisfiable", "$invoice_size"), ids=("invoice",),
              sent={"Range": "bytes=9999999-"}, headers={"content-range": r"bytes \*/[0-9]+"})  # fmt: skip
    yield Row("getPlan", 404, error(404, "Not Found", "Plan not found"), ids=(UNKNOWN,))


def _of_rentals() -> Iterator[Row]:
    yield Row("listRentals", 400, invalid(status=STATUS), query="status=gone")
    yield Row("createRental", 400, invalid(country="is required", channels="is required"), {})
    wrong = {"country": "ae", "channels": 0, "areaCode": "x", "kyc": {"fields": [], "documents": [{}]}}
    answer = invalid(
        country="must be an ISO 3166 country code of two capital letters",
        channels="must be at least 1",
        areaCode="must be 1 to 8 digits",
        kyc__fields="must be an object",
        kyc__documents__0__name="is required",
        kyc__documents__0__filename="is required",
        kyc__documents__0__contentType="is required",
        kyc__documents__0__dataBase64="is required",
    )
    yield Row("createRental", 400, answer, wrong)
    yield Row("createRental", 400, invalid(channels="must be at most 1000"), {"country": "AE", "channels": 1001})
    yield Row("updateRental", 400, invalid(channels="is required"), {}, ("draft",))
    yield Row("updateRental", 400, invalid(channels="must be an integer"), {"channels": "2"}, ("draft",))
    cost = "The wallet does not cover 12.0000 for the rest of the month"
    yield Row("updateRental", 402, error(402, "Payment Required", cost), {"channels": 3}, ("draft",))
    yield Row("updateRental", 409, error(409, "Conflict", "The rental is rejected"), {"channels": 3}, ("rejected",))
    month = error(402, "Payment Required", "The wallet does not cover the first month of 30.0000")
    yield Row("payRental", 402, month | {"rentalId": "$unpaid"}, ids=("unpaid",))
    yield Row("payRental", 409, impossible("draft"), ids=("draft",))
    closed = error(409, "Conflict", "Fields and documents cannot be changed while the rental is in_review")
    yield Row("putRentalKyc", 409, closed, KYC, ("reviewed",))
    yield Row("deleteRental", 409, impossible("rejected"), ids=("rejected",))
    yield Row("resumeRental", 409, impossible("active"), ids=("live",))
    yield Row("deleteNumber", 409, error(409, "Conflict", "A rented number cannot be deleted; release its rental "
              "instead"), ids=("rented",))  # fmt: skip
    yield Row("updateNumber", 400, invalid(sip="a rented number has no SIP configuration"), {"sip": {}}, ("rented",))


def _of_the_operator() -> Iterator[Row]:
    def row(*values: object, **more: object) -> Row:
        return Row(*values, caller="operator", **more)  # type: ignore[arg-type]

    yield row("listAllRentals", 400, invalid(status=STATUS), query="status=gone")
    yield row("adjustWallet", 400, invalid(amount="is required", note="is required"), {}, ("account",))
    yield row("adjustWallet", 400, invalid(amount=SIGNED, note=NOTE), {"amount": "0", "note": ""}, ("account",))
    unknown = error(404, "Not Found", "Account not found")
    yield row("adjustWallet", 404, unknown, {"amount": "1", "note": "x"}, ("acc_000000000000",))
    for act, body in (
        ("approveRental", {"e164": NUMBER}),
        ("requestRentalChanges", {"note": "x"}),
        ("rejectRental", {"note": "x"}),
    ):
        (field,) = body
        yield row(act, 400, invalid(**{field: "is required"}), {}, ("reviewed",))
        yield row(act, 400, invalid(**{field: "must be a string"}), {field: None}, ("reviewed",))
        yield row(act, 404, NO_RENTAL, body, (UNKNOWN,))
        yield row(act, 409, impossible("rejected"), body, ("rejected",))
    exists = error(409, "Conflict", f"The number {NUMBER} already exists on this server")
    yield row("approveRental", 409, exists, {"e164": NUMBER}, ("reviewed",))
    no_document = error(404, "Not Found", "Document not found")
    yield row("getRentalDocument", 404, NO_RENTAL, ids=(UNKNOWN, "document"))
    yield row("getRentalDocument", 404, no_document, ids=("reviewed", UNKNOWN))
    octets = error(416, "Range Not Satisfiable", "The file has 24 octets")
    yield row("getRentalDocument", 416, octets, ids=("reviewed", "document"), sent={"Range": "bytes=24-"},
              headers={"content-range": r"bytes \*/24"})  # fmt: skip
    settle = invalid(reference="must be 1 to 120 characters, no control characters")
    yield row("settleTopUp", 400, settle, {"reference": ""}, (UNKNOWN,))
    yield row("settleTopUp", 404, error(404, "Not Found", "Top-up not found"), {}, (UNKNOWN,))
