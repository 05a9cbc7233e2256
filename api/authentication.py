"""Who may do what: the bearer key or the session cookie, the workspace header, the role (contract §2, §16)."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from typing import Final

from api.operation import ROLES, Operation, Principal
from api.services import ApiServices
from engine.errors import Forbidden, Unauthorized, ValidationFailed

WORKSPACE_HEADER = "X-Workspace-Id"

SESSION_COOKIE: Final = "voylo_session"

TOKEN_CHARS: Final = 100
"""A longer cookie value is no token of ours."""


async def authenticate(services: ApiServices, headers: Mapping[str, str], operation: Operation) -> Principal:
    """The caller of a request by its headers, whose names are in lower case. A key goes before a cookie.

    Raises Unauthorized without a valid key or session, Forbidden when the workspace named is not the caller's,
    ValidationFailed when none is named and one must be.
    """
    if operation.access == "operator":
        return _operator(services.admin_token, headers)
    named = headers.get(WORKSPACE_HEADER.lower())
    if operation.access == "widget":
        return await _of_widget(services, headers, named)
    token = _session_token(headers.get("cookie", ""))
    if token is not None and "authorization" not in headers:
        return await _of_session(services, token, named, operation)
    scheme, _, raw = headers.get("authorization", "").partition(" ")
    if not scheme:
        raise Unauthorized("An API key is required: Authorization: Bearer vlx_live_…")
    if scheme.lower() != "bearer":
        raise Unauthorized("The authorization scheme must be Bearer")
    key = await services.accounts.authenticate(raw.strip(" "))
    if named is None:
        if services.require_workspace_header:
            raise ValidationFailed.of(WORKSPACE_HEADER, "is required")
    elif named != key.workspace_id:
        raise Forbidden("The API key does not belong to this workspace")
    return Principal(workspace_id=key.workspace_id, id=key.id, role=key.role)


async def _of_widget(services: ApiServices, headers: Mapping[str, str], named: str | None) -> Principal:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("The token of a widget session is required: Authorization: Bearer voywt_…")
    session = await services.widget_sessions.find(token.strip(" "))
    if named is not None and named != session.workspace_id:
        raise Forbidden("The widget token does not belong to this workspace")
    return Principal(workspace_id=session.workspace_id, id=session.id, role="viewer", widget=session)


def _operator(admin_token: str | None, headers: Mapping[str, str]) -> Principal:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Compared in constant time, so that an answer's delay tells nothing of the token.
    if admin_token is None or scheme.lower() != "bearer":
        raise Unauthorized("The operator's admin token is required")
    if not compare_digest(given.strip(" ").encode(), admin_token.encode()):
        raise Unauthorized("The admin token is not valid")
    return Principal(workspace_id="", id="operator", role="owner")


async def _of_session(services: ApiServices, token: str, named: str | None, operation: Operation) -> Principal:
    found = await services.sessions.find(token, named)
    if operation.access == "user":
        return Principal(workspace_id="", id=found.id, role=found.role or "viewer", user=found.user)
    if named is None:
        raise ValidationFailed.of(WORKSPACE_HEADER, "is required")
    if found.role is None:
        raise Forbidden("You are not a member of this workspace")
    return Principal(workspace_id=named, id=found.id, role=found.role, user=found.user)


def _session_token(cookies: str) -> str | None:
    for cookie in cookies.split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == SESSION_COOKIE and 0 < len(value) <= TOKEN_CHARS:
            return value
    return None


def session_cookie(token: str, seconds: int, *, secure: bool) -> tuple[bytes, bytes]:
    """The Set-Cookie header of a session; no token and 0 seconds end it."""
    attributes = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return b"set-cookie", f"{SESSION_COOKIE}={token}; {attributes}".encode()


def authorize(operation: Operation, principal: Principal) -> None:
    """Raises Forbidden when the caller may not do this."""
    if operation.access in {"operator", "widget"}:
        return
    if principal.user is None and (operation.access == "account" or operation.name in SIGNED_IN):
        raise Forbidden("Only a signed-in user may do this, no API key")
    if principal.role not in ROLES[operation.access]:
        raise Forbidden(f"The role {principal.role} may not do this")


SIGNED_IN: Final = frozenset({"logout", "getMe"})
"""Operations about the session itself, which a key has none of."""
