"""`/v1/api-keys` (contract §16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from api.operation import ApiRequest, Operation, Principal
from api.schemas.api_key import ApiKeyCreate, ApiKeyCreated, ApiKeyOut
from api.schemas.common import Envelope, PageQuery, envelope
from api.services import ApiServices
from engine.accounts import CreatedKey
from engine.errors import FieldError, Forbidden
from engine.members import check_grant


async def list_keys(request: ApiRequest) -> Envelope[ApiKeyOut]:
    """A page of the workspace's keys."""
    query = request.query(PageQuery)
    page = await request.services.accounts.page_of_keys(request.workspace_id, query.page, query.limit)
    return envelope(ApiKeyOut, page)


async def create_key(request: ApiRequest) -> ApiKeyCreated:
    """Creates a key and shows it."""
    body, principal = request.body(ApiKeyCreate), request.principal
    if principal.user is None and principal.role == "developer":
        raise Forbidden("A key with the role developer may not make keys")
    check_grant(principal.role, body.role)
    created = await request.services.accounts.create_key(
        request.workspace_id,
        body.name,
        body.role,
        body.expires_at,
        created_by=None if principal.user is None else principal.user.id,
        keep=request.keep(_created),
    )
    return _created(created)


def _created(created: CreatedKey) -> ApiKeyCreated:
    return ApiKeyCreated(**ApiKeyOut.model_validate(created.key).model_dump(), key=created.raw)


async def delete_key(request: ApiRequest) -> None:
    """Revokes a key; a developer only their own, a developer's key only itself."""
    accounts, principal = request.services.accounts, request.principal
    key = await accounts.key(request.workspace_id, request.path["id"])
    own = key.id == principal.id or (principal.user is not None and key.created_by == principal.user.id)
    if principal.role == "developer" and not own:
        raise Forbidden("The role developer may revoke its own keys only")
    if not own:
        check_grant(principal.role, key.role)
    await accounts.revoke_key(key.id, request.workspace_id)


async def check_key(services: ApiServices, principal: Principal, values: Mapping[str, Any]) -> Sequence[FieldError]:
    """What the shape of a body cannot show: whether the key would work at all."""
    text = values.get("expiresAt")
    try:
        expires_at = datetime.fromisoformat(text) if isinstance(text, str) else None
        past = expires_at is not None and expires_at.tzinfo is not None and expires_at <= datetime.now(UTC)
    except (ValueError, OverflowError):
        return []  # the shape is wrong, which is said elsewhere
    return [FieldError("expiresAt", "must be in the future")] if past else []


_TAG: Final = "API keys"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/api-keys",
        "listApiKeys",
        "List API keys",
        _TAG,
        list_keys,
        description="Newest first, revoked ones included.",
        query=PageQuery,
        out=Envelope[ApiKeyOut],
    ),
    Operation(
        "POST",
        "/v1/api-keys",
        "createApiKey",
        "Create an API key",
        _TAG,
        create_key,
        access="own_keys",
        status=201,
        description=(
            "The key is in this answer only. Its role is never above that of whoever makes it; "
            "a key must be an admin's to make keys."
        ),
        body=ApiKeyCreate,
        check=check_key,
        out=ApiKeyCreated,
    ),
    Operation(
        "DELETE",
        "/v1/api-keys/{id}",
        "revokeApiKey",
        "Revoke an API key",
        _TAG,
        delete_key,
        access="own_keys",
        status=204,
        description="Effective at once. A developer revokes keys of their own.",
        path_parameters={"id": "uuid"},
    ),
)
