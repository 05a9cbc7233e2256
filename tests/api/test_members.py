"""`/v1/members` (contract §16)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Api, error, invalid

AT = "2026-06-23T10:31:00.000Z"
ROLES = "must be owner, admin, developer, billing or viewer"
LAST = (409, error(409, "Conflict", "The last owner of a workspace stays"))


async def member(api: Api, role: Any, email: str | None = None) -> dict[str, Any]:
    """A new member, as the list shows it."""
    email = email or f"{role}@customer.example"
    await api.engine.accounts.create_user(email, api.engine.workspace_id, role, password="a-good-password")
    members = (await api.get("/v1/members?limit=100")).body["data"]
    return next(found for found in members if found["email"] == email)


async def test_members_are_listed_with_their_roles(api: Api) -> None:
    api.engine.clock.advance(seconds=1)
    added = await member(api, "viewer", "anna@customer.example")
    answer = await api.get("/v1/members")
    assert answer.status == 200
    assert answer.body["pagination"] == {"page": 1, "limit": 10, "totalItems": 2, "totalPages": 1}
    assert answer.body["data"][0] == {
        "id": added["id"],
        "userId": added["userId"],
        "email": "anna@customer.example",
        "name": "anna",
        "role": "viewer",
        "createdAt": "2026-06-23T10:31:01.000Z",
    }
    assert answer.body["data"][1]["role"] == "owner"
    assert (await api.get("/v1/members?page=2&limit=1")).body["data"] == answer.body["data"][1:]
    _, other = await api.engine.other_workspace()
    assert (await api.get("/v1/members", key=other)).body["data"] == []


async def test_an_invitation_shows_its_token_once(api: Api) -> None:
    answer = await api.post("/v1/members/invitations", {"email": "new@customer.example", "role": "billing"})
    token = answer.body.pop("token")
    assert len(token) == 40
    shown = {
        "id": answer.body["id"],
        "email": "new@customer.example",
        "role": "billing",
        "createdAt": AT,
        "expiresAt": "2026-06-30T10:31:00.000Z",
    }
    assert tuple(answer) == (201, shown)
    assert (await api.get("/v1/members/invitations")).body == {
        "data": [shown],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }
    path = f"/v1/members/invitations/{answer.body['id']}"
    assert tuple(await api.delete(path)) == (204, None)
    assert tuple(await api.delete(path)) == (404, error(404, "Not Found", "Invitation not found"))
    accepted = await api.post("/v1/auth/invitations/accept", {"token": token, "password": "a-good-password"}, key=None)
    assert accepted.status == 404


async def test_who_is_a_member_cannot_be_invited(api: Api) -> None:
    answer = await api.post("/v1/members/invitations", {"email": "Owner@Localhost", "role": "viewer"})
    assert tuple(answer) == (409, error(409, "Conflict", "A user with this e-mail address is a member"))


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"email": "is required", "role": "is required"}),
        ({"email": "x", "role": "king"}, {"email": "must be an e-mail address", "role": ROLES}),
        ({"email": None, "role": None}, {"email": "must be a string", "role": ROLES}),
    ],
)
async def test_a_malformed_invitation_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/members/invitations", body)) == (400, invalid(**faults))


async def test_a_member_gets_another_role(api: Api) -> None:
    added = await member(api, "viewer")
    path = f"/v1/members/{added['id']}"
    assert tuple(await api.patch(path, {"role": "admin"})) == (200, added | {"role": "admin"})
    session = await api.session("viewer@customer.example", "a-good-password")
    assert (await api.post("/v1/applications", {"name": "x"}, **session)).status == 201
    assert tuple(await api.patch(path, {"role": "king"})) == (400, invalid(role=ROLES))
    assert tuple(await api.patch(path, {})) == (400, invalid(role="is required"))
    assert (await api.patch("/v1/members/x", {"role": "admin"})).body == invalid(id="must be a UUID")


async def test_a_removed_member_is_shut_out_at_once(api: Api) -> None:
    added = await member(api, "admin")
    session = await api.session("admin@customer.example", "a-good-password")
    assert (await api.get("/v1/calls", **session)).status == 200
    assert tuple(await api.delete(f"/v1/members/{added['id']}")) == (204, None)
    assert (await api.get("/v1/calls", **session)).status == 403
    assert (await api.delete(f"/v1/members/{added['id']}")).status == 404


async def test_the_last_owner_stays_owner(api: Api) -> None:
    (owner,) = (await api.get("/v1/members")).body["data"]
    path = f"/v1/members/{owner['id']}"
    assert tuple(await api.delete(path)) == LAST
    assert tuple(await api.patch(path, {"role": "admin"})) == LAST
    assert (await api.patch(path, {"role": "owner"})).status == 200
    second = await member(api, "owner")
    assert (await api.patch(path, {"role": "admin"})).status == 200
    assert tuple(await api.delete(f"/v1/members/{second['id']}")) == LAST
    assert (await api.delete(path)).status == 204


async def test_an_admin_cannot_touch_or_make_an_owner(api: Api) -> None:
    (owner,) = (await api.get("/v1/members")).body["data"]
    admin = await api.key_of("admin")
    viewer = await member(api, "viewer")
    touch = error(403, "Forbidden", "The role admin may not change a member with the role owner")
    make = error(403, "Forbidden", "The role admin may not give the role owner")
    assert tuple(await api.delete(f"/v1/members/{owner['id']}", key=admin)) == (403, touch)
    assert tuple(await api.patch(f"/v1/members/{owner['id']}", {"role": "viewer"}, key=admin)) == (403, touch)
    assert tuple(await api.patch(f"/v1/members/{viewer['id']}", {"role": "owner"}, key=admin)) == (403, make)
    invitation = {"email": "x@customer.example", "role": "owner"}
    assert tuple(await api.post("/v1/members/invitations", invitation, key=admin)) == (403, make)
    assert (await api.patch(f"/v1/members/{viewer['id']}", {"role": "admin"}, key=admin)).status == 200
