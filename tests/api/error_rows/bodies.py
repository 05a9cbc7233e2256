"""A right body for every operation that takes one."""

from __future__ import annotations

from typing import Any, Final

from api.operation import Operation
from tests.api.documented import document

KEY: Final = "used-already"
"""An Idempotency-Key that the world has used with every operation's right body."""

OWN: Final = {
    # The document's example is one number for both, and that of the rental.
    "importNumber": {"e164": "+97142000008"},
    "createNumber": {"e164": "+97142000009"},
}


def right_body(operation: Operation) -> Any:
    """What the operation takes; `...` for nothing."""
    if operation.body is None:
        return ...
    if operation.body_may_be_null:
        return None
    if operation.name in OWN:
        return OWN[operation.name]
    return document()["components"]["schemas"][operation.body.__name__]["examples"][0]
