"""`/v1/api-keys` (contract §16)."""

from __future__ import annotations

import re

import pytest

from tests.api.client import Api, error, invalid

AT = "2026-06-23T10:31:00.000Z"
NAME = "must be 1 to 120 printable characters"
MOMENT = "must be an ISO 8601 time with its offset, such as 2026-06-23T10:31:00.000Z"
ROLES = "must be owner, admin, developer, billing or viewer"


async def test_a_new_key_is_shown_once_and_works(api: Api) -> None:
    api.engine.clock.advance(seconds=1)
    answer = await api.post("/v1/api-keys", {"name": "ci"})
    raw = answer.body.pop("key")
    assert re.fullmatch("vlx_live_[A-Za-z0-9]{40}", raw)
    shown = {
        "id": answer.body["id"],
        "name": "ci",
        "prefix": raw[:13],
        "role": "developer",
        "createdAt": "2026-06-23T10:31:01.000Z",
        "lastUsedAt": None,
        "expiresAt": None,
        "revokedAt": None,
    }
    assert tuple(answer) == (201, shown)
    listed = await api.get("/v1/api-keys")
    assert listed.body["data"][0] == shown
    assert listed.body["pagination"] == {"page": 1, "limit": 10, "totalItems": 2, "totalPages": 1}
    assert (await api.post("/v1/applications", {"name": "x"}, key=raw)).status == 201


async def test_a_key_may_expire(api: Api) -> None:
    answer = await api.post("/v1/api-keys", {"name": "ci", "expiresAt": "2099-01-01T02:00:00+02:00"})
    assert (answer.status, answer.body["expiresAt"]) == (201, "2099-01-01T00:00:00.000Z")
    answer = await api.post("/v1/api-keys", {"name": "ci", "expiresAt": "2001-01-01T00:00:00Z"})
    assert tuple(answer) == (400, invalid(expiresAt="must be in the future"))


async def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(api: Api) -> None:
    made = (await api.post("/v1/api-keys", {"name": "ci"})).body
    assert tuple(await api.delete(f"/v1/api-keys/{made['id']}")) == (204, None)
    assert (await api.get("/v1/calls", key=made["key"])).status == 401
    listed = (await api.get("/v1/api-keys")).body["data"]
    assert next(key for key in listed if key["id"] == made["id"])["revokedAt"] == AT
    api.engine.clock.advance(seconds=5)
    assert (await api.delete(f"/v1/api-keys/{made['id']}")).status == 204
    assert (await api.get("/v1/api-keys")).body["data"] == listed


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"name": "is required"}),
        ({"name": "", "role": "king", "expiresAt": "soon"}, {"name": NAME, "role": ROLES, "expiresAt": MOMENT}),
        ({"name": "a\nb", "role": None}, {"name": NAME, "role": ROLES}),
        ({"name": "a\u0085b"}, {"name": NAME}),
        ({"name": "x", "expiresAt": "2099-01-01T00:00:00"}, {"expiresAt": MOMENT}),
    ],
)
async def test_a_malformed_key_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/api-keys", body)) == (400, invalid(**faults))


async def test_a_developers_key_makes_no_keys(api: Api) -> None:
    answer = await api.post("/v1/api-keys", {"name": "x"}, key=await api.key_of("developer"))
    message = "A key with the role developer may not make keys"
    assert tuple(answer) == (403, error(403, "Forbidden", message))


async def test_a_developer_revokes_keys_of_their_own_only(api: Api) -> None:
    session = await api.session_of("developer")
    own = (await api.post("/v1/api-keys", {"name": "own"}, **session)).body
    foreign = (await api.post("/v1/api-keys", {"name": "foreign"})).body
    refused = (403, error(403, "Forbidden", "The role developer may revoke its own keys only"))
    assert tuple(await api.delete(f"/v1/api-keys/{foreign['id']}", **session)) == refused
    assert tuple(await api.delete(f"/v1/api-keys/{foreign['id']}", key=own["key"])) == refused
    assert (await api.delete(f"/v1/api-keys/{own['id']}", key=own["key"])).status == 204
    again = (await api.post("/v1/api-keys", {"name": "own"}, **session)).body
    assert (await api.delete(f"/v1/api-keys/{again['id']}", **session)).status == 204


async def test_an_admin_cannot_revoke_the_key_of_an_owner(api: Api) -> None:
    owners = (await api.post("/v1/api-keys", {"name": "x", "role": "owner"})).body
    answer = await api.delete(f"/v1/api-keys/{owners['id']}", key=await api.key_of("admin"))
    assert answer.status == 403
    assert (await api.get("/v1/calls", key=owners["key"])).status == 200
