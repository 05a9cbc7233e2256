"""The error bodies of contract §3."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from engine.billing.rentals import RentalUnpaid
from engine.errors import EngineError, FieldError, TooManyRequests, Unauthorized, Unavailable, ValidationFailed
from engine.idempotency import StillRunning

FIELD_ERRORS_SHOWN: Final = 100
"""A body can be wrong in any number of places; no more than these are listed."""

FIELD_PATH_SHOWN: Final = 200
"""Characters of a field path, which may hold names out of the request."""

REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def error_body(status: int, message: str) -> bytes:
    """The body of an error that is not about fields."""
    return _encode({"statusCode": status, "error": REASONS[status], "message": message})


def validation_body(errors: Iterable[FieldError]) -> bytes:
    """The body of a 400 that lists what is wrong with each field."""
    shown = [FieldError(error.field[:FIELD_PATH_SHOWN], error.message) for error in errors][:FIELD_ERRORS_SHOWN]
    details: dict[str, list[str]] = {}
    for error in shown:
        details.setdefault(error.field, []).append(error.message)
    return _encode(
        {
            "statusCode": 400,
            "error": REASONS[400],
            "message": [{"field": error.field, "message": error.message} for error in shown],
            "details": details,
        }
    )


def answer_to(error: EngineError) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and additional headers for a failure of the engine; a 500 tells nothing of the inside."""
    status = error.http_status
    if isinstance(error, ValidationFailed):
        return status, validation_body(error.errors), []
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, (StillRunning, TooManyRequests, Unavailable)):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, RentalUnpaid):
        body = {"statusCode": status, "error": REASONS[status], "message": error.message, "rentalId": error.rental_id}
        return status, _encode(body), headers
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    message = error.message if status < 500 or isinstance(error, Unavailable) else "Something went wrong on our side"
    return status, error_body(status, message), headers


def _encode(body: object) -> bytes:
    # Field paths can hold lone surrogates of the request, which UTF-8 has no bytes for.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
