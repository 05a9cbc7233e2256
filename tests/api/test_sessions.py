"""Console sessions (contract §2) and accepting invitations (§16)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.sessions import ATTEMPTS, SESSION_SECONDS
from tests.api.client import GENEROUS, Api, error, invalid
from tests.engine.opened import opened

AT = "2026-06-23T10:31:00.000Z"
WRONG = error(401, "Unauthorized", "The e-mail address or the password is wrong")
OVER = error(401, "Unauthorized", "The session is not valid; sign in again")
PASSWORD = "correct-horse-battery"


async def me(api: Api) -> dict[str, Any]:
    """What a sign-in of the first owner answers."""
    (member,) = (await api.get("/v1/members")).body["data"]
    return {
        "user": {"id": member["userId"], "email": "owner@localhost", "name": "Owner", "createdAt": AT},
        "workspaces": (await api.get("/v1/workspaces")).body,
    }


async def test_signing_in_sets_the_cookie_and_says_who_and_where(api: Api) -> None:
    answer = await api.sign_in()
    assert tuple(answer) == (200, await me(api))
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert cookie.startswith("voylo_session=")
    assert attributes == ["Path=/", f"Max-Age={SESSION_SECONDS}", "HttpOnly", "SameSite=Lax"]
    session = await api.session("OWNER@LOCALHOST")
    assert tuple(await api.get("/v1/auth/me", **session)) == (200, await me(api))


async def test_the_cookie_is_for_https_only_where_the_server_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        api = Api(engine, GENEROUS, public_url="https://voice.example")
        assert (await api.sign_in()).headers["set-cookie"].endswith("SameSite=Lax; Secure")


@pytest.mark.parametrize("email", ["owner@localhost", "nobody@localhost", ""])
async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(api: Api, email: str) -> None:
    answer = await api.post("/v1/auth/login", {"email": email, "password": "wrong"}, key=None)
    assert tuple(answer) == (401, WRONG)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"email": "is required", "password": "is required"}),
        ({"email": 1, "password": None}, {"email": "must be a string", "password": "must be a string"}),
        (
            {"email": "x" * 255, "password": "x" * 129},
            {"email": "must be at most 254 characters", "password": "must be at most 128 characters"},
        ),
    ],
)
async def test_a_malformed_sign_in_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/auth/login", body, key=None)) == (400, invalid(**faults))


async def test_guessing_passwords_of_one_address_is_stopped(api: Api) -> None:
    for _ in range(ATTEMPTS):
        assert (await api.sign_in(password="wrong")).status == 401
    answer = await api.sign_in()
    assert tuple(answer) == (429, error(429, "Too Many Requests", "Too many attempts to sign in"))
    assert 0 < int(answer.headers["retry-after"]) <= 60
    await api.engine.accounts.create_user("b@x.example", api.engine.workspace_id, password=PASSWORD)
    assert (await api.sign_in("b@x.example", PASSWORD)).status == 200


async def test_signing_out_ends_the_session_and_the_cookie(api: Api) -> None:
    session, other = await api.session(), await api.session()
    answer = await api.post("/v1/auth/logout", **session)
    assert tuple(answer) == (204, None)
    assert answer.headers["set-cookie"].startswith("voylo_session=; Path=/; Max-Age=0;")
    assert tuple(await api.get("/v1/auth/me", **session)) == (401, OVER)
    assert (await api.get("/v1/auth/me", **other)).status == 200


async def test_a_session_lasts_seven_days(api: Api) -> None:
    session = await api.session()
    api.engine.clock.now += timedelta(seconds=SESSION_SECONDS, milliseconds=-1)
    assert (await api.get("/v1/auth/me", **session)).status == 200
    api.engine.clock.now += timedelta(milliseconds=1)
    assert tuple(await api.get("/v1/auth/me", **session)) == (401, OVER)


@pytest.mark.parametrize("cookie", ["voylo_session=x", "voylo_session=" + "a" * 40, "a=b; voylo_session=y; c=d"])
async def test_an_unknown_session_is_refused(api: Api, cookie: str) -> None:
    headers = {"Cookie": cookie, "X-Workspace-Id": api.engine.workspace_id}
    assert tuple(await api.get("/v1/calls", key=None, headers=headers)) == (401, OVER)


@pytest.mark.parametrize("cookie", ["", "session=1", "voylo_session=", "voylo_session=" + "a" * 101])
async def test_another_cookie_is_no_session(api: Api, cookie: str) -> None:
    message = "An API key is required: Authorization: Bearer vlx_live_…"
    answer = await api.get("/v1/calls", key=None, headers={"Cookie": cookie})
    assert tuple(answer) == (401, error(401, "Unauthorized", message))


async def test_a_session_must_name_a_workspace_of_the_user(api: Api) -> None:
    session = await api.session()
    cookie = {"Cookie": session["headers"]["Cookie"]}
    answer = await api.get("/v1/calls", key=None, headers=cookie)
    assert tuple(answer) == (400, invalid(**{"X-Workspace-Id": "is required"}))
    other, _ = await api.engine.other_workspace()
    for named in (other, "nonsense", ""):
        answer = await api.get("/v1/calls", key=None, headers=cookie | {"X-Workspace-Id": named})
        assert tuple(answer) == (403, error(403, "Forbidden", "You are not a member of this workspace"))
    assert (await api.get("/v1/calls", **session)).status == 200


async def test_a_key_goes_before_a_cookie(api: Api) -> None:
    session = await api.session()
    answer = await api.get("/v1/auth/me", headers=session["headers"])
    assert (answer.status, answer.body["message"]) == (403, "Only a signed-in user may do this, no API key")


async def test_only_the_hash_of_a_session_is_stored(api: Api) -> None:
    session = await api.session()
    token = session["headers"]["Cookie"].partition("=")[2]
    for file in api.engine.path.glob("voylo.db*"):
        assert token.encode() not in file.read_bytes()


async def test_who_is_signed_in_sees_whole_applications_in_the_list(api: Api) -> None:
    application = await api.application(actionUrl="https://flows.example/voylo")
    del application["signingSecret"]
    assert (await api.get("/v1/applications", **await api.session())).body["data"] == [application]


async def test_requests_of_a_session_are_limited_as_those_of_a_key(small_api: Api) -> None:
    session = await small_api.session()
    for left in ("2", "1", "0"):
        assert (await small_api.get("/v1/auth/me", **session)).headers["x-ratelimit-remaining"] == left
    assert (await small_api.get("/v1/auth/me", **session)).status == 429


async def invite(api: Api, email: str, role: str = "developer") -> str:
    answer = await api.post("/v1/members/invitations", {"email": email, "role": role})
    assert answer.status == 201, answer.body
    return str(answer.body["token"])


async def accept(api: Api, token: str, **members: Any) -> Any:
    body = {"token": token, "password": PASSWORD} | members
    return await api.post("/v1/auth/invitations/accept", body, key=None)


async def test_an_invited_stranger_becomes_a_user_and_a_member(api: Api) -> None:
    answer = await accept(api, await invite(api, "berta@customer.example"), name="Berta")
    assert answer.status == 200
    assert answer.body["user"]["name"] == "Berta"
    assert [(found["id"], found["role"]) for found in answer.body["workspaces"]] == [
        (api.engine.workspace_id, "developer")
    ]
    assert "voylo_session=" in answer.headers["set-cookie"]
    assert (await api.sign_in("berta@customer.example", PASSWORD)).status == 200
    assert (await api.get("/v1/members/invitations")).body["data"] == []


async def test_a_user_who_exists_must_prove_to_be_that_one(api: Api) -> None:
    other, _ = await api.engine.other_workspace()
    await api.engine.accounts.create_user("carla@customer.example", other, "viewer", password="carlas-password")
    token = await invite(api, "Carla@customer.example", "admin")
    assert tuple(await accept(api, token)) == (401, WRONG)
    answer = await accept(api, token, password="carlas-password", name="Ignored")
    assert answer.body["user"]["name"] == "carla"
    assert {found["id"]: found["role"] for found in answer.body["workspaces"]} == {
        other: "viewer",
        api.engine.workspace_id: "admin",
    }


async def test_an_invitation_is_good_once_until_it_expires_or_is_taken_back(api: Api) -> None:
    gone = (404, error(404, "Not Found", "Invitation not found"))
    used = await invite(api, "a@customer.example")
    assert (await accept(api, used)).status == 200
    assert tuple(await accept(api, used)) == gone
    replaced = await invite(api, "b@customer.example")
    await invite(api, "b@customer.example")
    assert tuple(await accept(api, replaced)) == gone
    late = await invite(api, "c@customer.example")
    api.engine.clock.advance(days=7)
    assert tuple(await accept(api, late)) == gone
    assert tuple(await accept(api, "a" * 40)) == gone


async def test_a_malformed_acceptance_is_refused(api: Api) -> None:
    answer = await api.post("/v1/auth/invitations/accept", {"token": "x", "password": "short", "name": ""}, key=None)
    assert tuple(answer) == (
        400,
        invalid(
            token="must be the token of an invitation",
            password="must be 8 to 128 characters, no control characters",
            name="must be 1 to 120 printable characters",
        ),
    )
