"""What can go wrong with a request: answers that are errors, a class for each status, and no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that a request had wrong; `field` is a dotted path, such as `destinations.0.uri`."""

    field: str
    message: str


class VoyloError(Exception):
    """Whatever this package raises about a request is one of these."""


class VoyloApiError(VoyloError):
    """The API answered with an error; each status has its own subclass.

    `body` is the parsed body, or the text where it is not JSON (a proxy's page, say). `fields` are the wrong fields of
    a 400, and empty for everything else; `details` has the same by field. `request_id` names the request in the
    engine's logs; `retry_after` is in seconds.
    """

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.fields = _fields(body)
        self.details: dict[str, list[str]] = {}
        for each in self.fields:
            self.details.setdefault(each.field, []).append(each.message)
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        self.request_id = lower.get("x-request-id")
        wait = lower.get("retry-after", "")
        self.retry_after = int(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 10 else None
        super().__init__(f"{status} {_message(body, self.fields)}".rstrip())

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuilt from what it was made of, where it goes to another process."""
        headers = {"x-request-id": self.request_id, "retry-after": self.retry_after}
        given = {name: str(value) for name, value in headers.items() if value is not None}
        return (type(self), (self.status, self.body, given))


class BadRequestError(VoyloApiError):
    """400: missing, malformed or out-of-range input; see `fields`."""


class UnauthorizedError(VoyloApiError):
    """401: no key, or one that is invalid, revoked or expired."""


class PaymentRequiredError(VoyloApiError):
    """402: the wallet cannot cover it."""


class ForbiddenError(VoyloApiError):
    """403: the role does not allow it, or another workspace is named."""


class NotFoundError(VoyloApiError):
    """404: no such thing in this workspace."""


class MethodNotAllowedError(VoyloApiError):
    """405: the path exists, the method does not."""


class ConflictError(VoyloApiError):
    """409: exists already, is in use, or an Idempotency-Key was used with another body."""


class PayloadTooLargeError(VoyloApiError):
    """413: the body is over the limit."""


class UnsupportedMediaTypeError(VoyloApiError):
    """415: the body is not JSON."""


class TooManyRequestsError(VoyloApiError):
    """429: too many requests, calls per second or channels; see `retry_after`."""


class ServerError(VoyloApiError):
    """5xx: the fault is on the server's side."""


class VoyloNetworkError(VoyloError):
    """No usable answer came: connection refused, reset or cut short. `__cause__` is what httpx said."""


class VoyloTimeoutError(VoyloNetworkError):
    """No answer within the time-out."""


class VoyloAnswerError(VoyloError):
    """An answer says that all is well, and is not what the API documents."""


class VoyloConfigurationError(VoyloError):
    """Arguments or environment do not say what the client needs."""


class VoyloSignatureError(VoyloError):
    """What was received is not signed with the secret, or too old."""


class VoyloReceivedError(VoyloError):
    """What was received is no event, or no request for a document."""


_CLASSES: Final[Mapping[int, type[VoyloApiError]]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: PaymentRequiredError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    409: ConflictError,
    413: PayloadTooLargeError,
    415: UnsupportedMediaTypeError,
    429: TooManyRequestsError,
}


def api_error(status: int, body: Any, headers: Mapping[str, str]) -> VoyloApiError:
    """The error of an answer, in the class of its status."""
    of = _CLASSES.get(status, ServerError if status >= 500 else VoyloApiError)
    return of(status, body, headers)


def _fields(body: Any) -> tuple[FieldError, ...]:
    listed = body.get("message") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return ()
    return tuple(
        FieldError(str(each["field"]), str(each["message"]))
        for each in listed
        if isinstance(each, dict) and {"field", "message"} <= set(each)
    )


def _message(body: Any, fields: tuple[FieldError, ...]) -> str:
    if fields:
        return "; ".join(f"{each.field} {each.message}" for each in fields)
    if isinstance(body, dict):
        return str(body.get("message") or body.get("error") or "")
    return ""
