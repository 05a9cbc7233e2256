"""Rows that follow from the form of an operation: who may call it, its path, its body, its page, its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from api.app import OPERATIONS
from api.operation import Operation
from tests.api.client import error, invalid
from tests.api.error_rows import Row
from tests.api.error_rows.bodies import KEY, right_body
from tests.api.test_roles import ROLES, allowed

SIGNED_IN_ONLY: Final = error(403, "Forbidden", "Only a signed-in user may do this, no API key")
OTHER_WORKSPACE: Final = error(403, "Forbidden", "The API key does not belong to this workspace")
NO_WORKSPACE: Final = invalid(**{"X-Workspace-Id": "is required"})
SPENT: Final = error(429, "Too Many Requests", "Too many requests with this API key")
SPENT_HEADERS: Final = {
    "retry-after": "[1-9][0-9]?",
    "x-ratelimit-limit": "1",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": "[0-9]{10}",
}
JSON: Final = {"Content-Type": "application/json"}
NOT_JSON: Final = "The body is not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)"
BAD_KEY: Final = "must be 1 to 255 visible ASCII characters"
OTHER_REQUEST: Final = error(409, "Conflict", "This Idempotency-Key was used with a different request")
OF_WORKSPACES: Final = {"public", "operator", "widget"}


def caller_of(operation: Operation) -> str:
    """Whose credentials the operation takes."""
    if operation.access in {"operator", "widget", "public"}:
        return operation.access
    return "session" if operation.access == "account" or operation.name in {"logout", "getMe"} else "owner"


def rows() -> Iterator[Row]:
    """Every row that an operation's form makes."""
    for operation in OPERATIONS:
        yield from _of_callers(operation)
        yield from _of_paths(operation)
        yield from _of_bodies(operation)
        yield from _of_pages(operation)
        yield from _of_keys(operation)


def _of_callers(operation: Operation) -> Iterator[Row]:
    name, caller = operation.name, caller_of(operation)
    if operation.access == "public":
        return
    # Counted before it is judged, so any body will do.
    yield Row(name, 429, SPENT, caller=caller, view="spent", headers=SPENT_HEADERS)
    if operation.access in OF_WORKSPACES:
        return
    yield Row(name, 400, NO_WORKSPACE, view="strict")
    yield Row(name, 403, OTHER_WORKSPACE, sent={"X-Workspace-Id": "ws_000000000000"})
    if caller == "session":
        yield Row(name, 403, SIGNED_IN_ONLY)
    elif refused := [role for role in ROLES if role not in allowed(operation)[0]]:
        message = f"The role {refused[-1]} may not do this"
        yield Row(name, 403, error(403, "Forbidden", message), caller=refused[-1])


def _of_paths(operation: Operation) -> Iterator[Row]:
    names = [name for name, kind in operation.path_parameters.items() if kind == "uuid"]
    if names:
        answer = invalid(**dict.fromkeys(names, "must be a UUID"))
        yield Row(operation.name, 400, answer, right_body(operation), ("x",) * len(names), caller=caller_of(operation))


def _of_bodies(operation: Operation) -> Iterator[Row]:
    if operation.body is None:
        return
    name, caller = operation.name, caller_of(operation)
    object_only = error(400, "Bad Request", "The body must be a JSON object")
    large = f"The body must not be larger than {operation.body_bytes} bytes"
    other_type = error(415, "Unsupported Media Type", "The body must be application/json")
    if not operation.body_may_be_absent:
        yield Row(name, 400, error(400, "Bad Request", "A body is required"), caller=caller)
    yield Row(name, 400, object_only, [], caller=caller)
    yield Row(name, 400, error(400, "Bad Request", NOT_JSON), content=b"{", sent=JSON, caller=caller)
    yield Row(name, 413, error(413, "Payload Too Large", large), content=b"{}", caller=caller,
              sent=JSON | {"Content-Length": str(operation.body_bytes + 1)})  # fmt: skip
    yield Row(name, 415, other_type, content=b"{}", sent={"Content-Type": "text/plain"}, caller=caller)


def _of_pages(operation: Operation) -> Iterator[Row]:
    fields: dict[str, Any] = {} if operation.query is None else dict(operation.query.model_fields)
    if {"page", "limit"} <= set(fields):
        order = [name for name in fields if name in {"page", "limit"}]
        answer = invalid(**dict.fromkeys(order, "must be an integer of at least 1"))
        yield Row(operation.name, 400, answer, query="limit=0&page=x", caller=caller_of(operation))


def _of_keys(operation: Operation) -> Iterator[Row]:
    if not operation.keyed or operation.name == "createCall":
        return
    name, caller, ids = operation.name, caller_of(operation), ("webhook",) * len(operation.path_parameters)
    body = right_body(operation)
    answer = invalid(**{"Idempotency-Key": BAD_KEY})
    yield Row(name, 400, answer, body, ids, caller=caller, sent={"Idempotency-Key": "x" * 256})
    if body is not ...:
        changed = body | {"note": "a member that is not known is one too"}
        yield Row(name, 409, OTHER_REQUEST, changed, ids, caller=caller, sent={"Idempotency-Key": KEY})
