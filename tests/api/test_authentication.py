"""Keys, the workspace header, roles (contract §2, §16): every row of the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.app import OPERATIONS
from api.operation import Operation
from tests.api.client import Api, error, invalid
from tests.engine.opened import opened

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NOT_VALID = error(401, "Unauthorized", "The API key is not valid")
NO_KEY = error(401, "Unauthorized", "An API key is required: Authorization: Bearer vlx_live_…")
OTHERWISE = {
    "operator": error(401, "Unauthorized", "The operator's admin token is required"),
    "widget": error(401, "Unauthorized", "The token of a widget session is required: Authorization: Bearer voywt_…"),
}
FORBIDDEN = error(403, "Forbidden", "The API key does not belong to this workspace")


def path_of(operation: Operation) -> str:
    return operation.path.format(id=UNKNOWN, deliveryId=UNKNOWN, documentId=UNKNOWN, publicId="cl_000000000000")


async def test_every_operation_but_the_public_ones_needs_a_key(api: Api) -> None:
    for operation in OPERATIONS:
        answer = await api.call(operation.method, path_of(operation), key=None)
        if operation.access == "public":
            assert answer.status in ({200} if operation.body is None else {400}), operation.name
            continue
        assert tuple(answer) == (401, OTHERWISE.get(operation.access, NO_KEY)), operation.name
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "x-ratelimit-limit" not in answer.headers


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("", NO_KEY),
        ("Bearer", NOT_VALID),
        ("Bearer ", NOT_VALID),
        ("Bearer x", NOT_VALID),
        ("Bearer vlx_live_" + "a" * 40, NOT_VALID),
        ("Bearer {key} x", NOT_VALID),
        ("Bearer {key}x", NOT_VALID),
        ("{key}", error(401, "Unauthorized", "The authorization scheme must be Bearer")),
        ("Basic dXNlcjpwYXNz", error(401, "Unauthorized", "The authorization scheme must be Bearer")),
    ],
)
async def test_a_missing_malformed_or_unknown_key_is_refused(api: Api, header: str, body: object) -> None:
    answer = await api.get("/v1/calls", headers={"Authorization": header.format(key=api.key)})
    assert tuple(answer) == (401, body)


@pytest.mark.parametrize("header", ["Bearer {key}", "bearer {key}", "BEARER   {key} "])
async def test_the_scheme_is_taken_in_any_case(api: Api, header: str) -> None:
    assert (await api.get("/v1/calls", headers={"Authorization": header.format(key=api.key)})).status == 200


async def test_a_key_in_another_place_is_no_key(api: Api) -> None:
    answer = await api.get(f"/v1/calls?api_key={api.key}", key=None, headers={"X-Api-Key": api.key})
    assert answer.status == 401


async def test_a_revoked_key_is_refused_at_once(api: Api) -> None:
    made = await api.engine.accounts.create_key(api.engine.workspace_id, "ci")
    assert (await api.get("/v1/calls", key=made.raw)).status == 200
    await api.engine.accounts.revoke_key(made.key.id)
    assert tuple(await api.get("/v1/calls", key=made.raw)) == (401, NOT_VALID)


async def test_an_expired_key_is_refused(api: Api) -> None:
    at = api.engine.clock.now
    made = await api.engine.accounts.create_key(api.engine.workspace_id, "ci", expires_at=at)
    assert tuple(await api.get("/v1/calls", key=made.raw)) == (401, NOT_VALID)


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ("{own}", 200),
        (None, 200),
        ("{other}", 403),
        ("ws_000000000000", 403),
        ("nonsense", 403),
        ("", 403),
        ("{own}, {own}", 403),
    ],
)
async def test_the_workspace_header_must_name_the_workspace_of_the_key(
    api: Api, named: str | None, status: int
) -> None:
    other, _ = await api.engine.other_workspace()
    headers = {} if named is None else {"X-Workspace-Id": named.format(own=api.engine.workspace_id, other=other)}
    answer = await api.get("/v1/calls", headers=headers)
    assert answer.status == status
    if status == 403:
        assert answer.body == FORBIDDEN


async def test_a_server_may_insist_on_the_workspace_header(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        api = Api(engine, require_workspace_header=True)
        assert tuple(await api.get("/v1/calls")) == (400, invalid(**{"X-Workspace-Id": "is required"}))
        named = {"X-Workspace-Id": engine.workspace_id}
        assert (await api.get("/v1/calls", headers=named)).status == 200
        assert (await api.get("/v1/calls", headers={"X-Workspace-Id": "ws_0"})).status == 403
        assert (await api.get("/v1/calls", key=None, headers=named)).status == 401
        assert (await api.get("/healthz", key=None)).status == 200
