"""Who may do what: the bearer key, the workspace header, the role (contract §2, §16)."""

from __future__ import annotations

from collections.abc import Mapping

from api.operation import WRITING_ROLES, Operation, Principal
from api.services import ApiServices
from engine.errors import Forbidden, Unauthorized, ValidationFailed

WORKSPACE_HEADER = "X-Workspace-Id"


async def authenticate(services: ApiServices, headers: Mapping[str, str]) -> Principal:
    """The caller of a request by its headers, whose names are in lower case.

    Raises Unauthorized without a valid key, Forbidden when the workspace named is not the key's, ValidationFailed when
    none is named and the server insists.
    """
    scheme, _, raw = headers.get("authorization", "").partition(" ")
    if not scheme:
        raise Unauthorized("An API key is required: Authorization: Bearer vlx_live_…")
    if scheme.lower() != "bearer":
        raise Unauthorized("The authorization scheme must be Bearer")
    key = await services.accounts.authenticate(raw.strip(" "))
    named = headers.get(WORKSPACE_HEADER.lower())
    if named is None:
        if services.require_workspace_header:
            raise ValidationFailed.of(WORKSPACE_HEADER, "is required")
    elif named != key.workspace_id:
        raise Forbidden("The API key does not belong to this workspace")
    return Principal(workspace_id=key.workspace_id, key_id=key.id, role=key.role)


def authorize(operation: Operation, principal: Principal) -> None:
    """Raises Forbidden when the caller's role does not allow the operation."""
    if operation.access == "write" and principal.role not in WRITING_ROLES:
        raise Forbidden(f"The role {principal.role} may not do this")
