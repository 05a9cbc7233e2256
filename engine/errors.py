"""The failures the engine reports, each carrying what the outside gets: HTTP status, SIP status, hang-up cause.

The api room turns them into the bodies of contract §3 and the call code into the codes of §14.2; nothing in between
translates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong input. `field` is a dotted path, list items by index (`destinations.0.uri`); `message` a rule."""

    field: str
    message: str


class EngineError(Exception):
    """A failure with an answer for the outside; `message` is readable and safe to show to the caller."""

    http_status: ClassVar[int] = 500
    sip_status: ClassVar[int] = 500
    hangup_cause: ClassVar[str] = "application_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(EngineError):
    """The request as a whole cannot be understood (contract §3: a 400 with a string message)."""

    http_status = 400
    sip_status = 400


class ValidationFailed(EngineError):
    """One or more fields are wrong; all of them are listed (contract §3: a 400 with field details)."""

    http_status = 400
    sip_status = 400

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field} {error.message}" for error in self.errors))

    @classmethod
    def of(cls, field: str, message: str) -> ValidationFailed:
        """The failure of a single field."""
        return cls((FieldError(field, message),))


class Unauthorized(EngineError):
    """No credential, or one that is not valid (any more)."""

    http_status = 401
    sip_status = 401
    hangup_cause = "rejected"


class PaymentRequired(EngineError):
    """The wallet cannot cover the action."""

    http_status = 402
    sip_status = 402
    hangup_cause = "insufficient_funds"


class Forbidden(EngineError):
    """The caller is known and may not do this."""

    http_status = 403
    sip_status = 403
    hangup_cause = "rejected"


class NotFound(EngineError):
    """No such thing, as far as this caller may know."""

    http_status = 404
    sip_status = 404
    hangup_cause = "unallocated_number"


class Conflict(EngineError):
    """It clashes with what exists: a unique value taken, a resource in use, a state that does not allow it."""

    http_status = 409
    sip_status = 491
    hangup_cause = "rejected"


class PayloadTooLarge(EngineError):
    """The body is over its limit."""

    http_status = 413
    sip_status = 513


class UnsupportedMediaType(EngineError):
    """The body is of a type that is not understood here."""

    http_status = 415
    sip_status = 415


class TooManyRequests(EngineError):
    """A rate or channel limit is reached; worth another try after `retry_after` whole seconds."""

    http_status = 429
    sip_status = 486
    hangup_cause = "channel_limit"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(EngineError):
    """The engine cannot do it at the moment: draining, overloaded, or its database fails; `retry_after` in seconds."""

    http_status = 503
    sip_status = 503
    hangup_cause = "network_error"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
