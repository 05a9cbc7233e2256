"""`/v1/agents` (contract §17): right and wrong input, whole bodies, isolation, roles."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.sip_accounts import AccountRegistration
from tests.api.client import Api, error, invalid
from tests.engine.opened import REALM

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = (404, error(404, "Not Found", "Agent not found"))


async def other_key(api: Api) -> str:
    """A key of another workspace."""
    workspace = await api.engine.accounts.create_workspace("Other")
    return await api.key_of("owner", workspace.id)


async def test_a_new_agent_is_named_after_its_address_and_shows_its_password_once(api: Api) -> None:
    created = await api.post("/v1/agents", {"email": "Anna.Lee@customer.example", "label": "Anna"})
    assert created.status == 201
    body = dict(created.body)
    password = body.pop("password")
    assert len(password) >= 8
    assert body.pop("uri") == f"sip:anna.lee@{REALM}"
    assert re.fullmatch(r"[0-9a-f-]{36}", body["id"])
    assert body == {
        "id": body["id"],
        "username": "anna.lee",
        "label": "Anna",
        "email": "Anna.Lee@customer.example",
        "outboundNumberId": None,
        "registered": False,
        "createdAt": body["createdAt"],
    }
    assert tuple(await api.get(f"/v1/agents/{body['id']}")) == (200, body)
    assert (await api.get("/v1/agents")).body == {
        "data": [body],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }


async def test_a_taken_username_gets_a_number_unless_it_was_asked_for(api: Api) -> None:
    await api.agent("anna@one.example")
    assert (await api.agent("anna@two.example"))["username"] == "anna-2"
    taken = await api.post("/v1/agents", {"email": "x@three.example", "username": "anna"})
    assert tuple(taken) == (409, error(409, "Conflict", "The username anna already exists on this server"))
    again = await api.post("/v1/agents", {"email": "anna@one.example"})
    assert again.status == 409


async def test_who_is_registered_is_looked_up(api: Api) -> None:
    agent = await api.agent()
    api.registered[agent["id"]] = AccountRegistration("sip:anna@192.0.2.7", "192.0.2.7", datetime.now(UTC))
    assert (await api.get(f"/v1/agents/{agent['id']}")).body["registered"] is True


async def test_a_number_of_the_workspace_is_demanded(api: Api) -> None:
    number = await api.number()
    agent = await api.agent(outboundNumberId=number["id"])
    assert agent["outboundNumberId"] == number["id"]
    wrong = await api.patch(f"/v1/agents/{agent['id']}", {"outboundNumberId": UNKNOWN})
    assert wrong.status == 400
    assert wrong.body["details"] == {"outboundNumberId": ["must be a number of this workspace"]}
    cleared = await api.patch(f"/v1/agents/{agent['id']}", {"outboundNumberId": None, "label": "Desk"})
    assert (cleared.status, cleared.body["outboundNumberId"], cleared.body["label"]) == (200, None, "Desk")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": 5}, "email"),
        ({"email": "a@b.example", "username": "1234"}, "username"),
        ({"email": "a@b.example", "username": "t_0123456789ab"}, "username"),
        ({"email": "a@b.example", "username": "UPPER"}, "username"),
        ({"email": "a@b.example", "outboundNumberId": "x"}, "outboundNumberId"),
    ],
)
async def test_wrong_input_names_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api.post("/v1/agents", body)
    assert answer.status == 400
    assert list(answer.body["details"]) == [field]


async def test_rotating_gives_a_new_password_and_the_old_one_is_gone(api: Api) -> None:
    agent = await api.agent()
    account = api.engine.sip_accounts.lookup(agent["username"])
    assert account is not None
    rotated = await api.post(f"/v1/agents/{agent['id']}/credentials/rotate")
    assert rotated.status == 200
    changed = api.engine.sip_accounts.lookup(agent["username"])
    assert changed is not None
    assert changed.password == rotated.body["password"] != account.password
    assert rotated.body["uri"] == f"sip:{agent['username']}@{REALM}"


async def test_deleting_ends_it(api: Api) -> None:
    agent = await api.agent()
    assert (await api.delete(f"/v1/agents/{agent['id']}")).status == 204
    assert tuple(await api.get(f"/v1/agents/{agent['id']}")) == NOT_FOUND
    assert api.engine.sip_accounts.lookup(agent["username"]) is None


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_workspace_sees_nothing(api: Api, method: str) -> None:
    agent = await api.agent()
    key = await other_key(api)
    body = {} if method == "PATCH" else ...
    assert tuple(await api.call(method, f"/v1/agents/{agent['id']}", body, key=key)) == NOT_FOUND
    assert (await api.get("/v1/agents", key=key)).body["data"] == []
    assert (await api.get(f"/v1/agents/{agent['id']}")).status == 200


async def test_viewers_read_and_do_not_write(api: Api) -> None:
    key = await api.key_of("viewer")
    assert (await api.get("/v1/agents", key=key)).status == 200
    assert (await api.post("/v1/agents", {"email": "a@b.example"}, key=key)).status == 403


async def test_an_address_exists_once_in_a_workspace_whatever_its_case(api: Api) -> None:
    await api.agent("anna@one.example")
    other = await api.agent("berta@one.example")
    expected = "An agent with the e-mail address ANNA@one.example already exists in this workspace"
    for answer in (
        await api.post("/v1/agents", {"email": "ANNA@one.example"}),
        await api.patch(f"/v1/agents/{other['id']}", {"email": "ANNA@one.example"}),
    ):
        assert tuple(answer) == (409, error(409, "Conflict", expected))
    assert (await api.patch(f"/v1/agents/{other['id']}", {"email": "Berta@one.example"})).status == 200
    elsewhere = await api.post("/v1/agents", {"email": "anna@one.example"}, key=await other_key(api))
    assert (elsewhere.status, elsewhere.body["username"]) == (201, "anna-2")


async def test_the_username_stays_and_a_wrong_change_names_its_members(api: Api) -> None:
    agent = await api.agent()
    path = f"/v1/agents/{agent['id']}"
    assert tuple(await api.patch(path, {"username": "other"})) == (200, agent)
    answer = await api.patch(path, {"email": None, "label": "x" * 121, "outboundNumberId": "x"})
    assert tuple(answer) == (
        400,
        invalid(email="must be a string", label="must be at most 120 characters", outboundNumberId="must be a UUID"),
    )


async def test_no_later_answer_holds_the_password(api: Api) -> None:
    created = await api.post("/v1/agents", {"email": "anna@one.example"})
    path = f"/v1/agents/{created.body['id']}"
    for answer in (await api.get("/v1/agents"), await api.get(path), await api.patch(path, {"label": "x"})):
        assert answer.status == 200
        assert "password" not in str(answer.body)
        assert created.body["password"] not in str(answer.body)


async def test_another_workspace_cannot_replace_the_password(api: Api) -> None:
    agent = await api.agent()
    before = api.engine.sip_accounts.lookup(agent["username"])
    answer = await api.post(f"/v1/agents/{agent['id']}/credentials/rotate", key=await other_key(api))
    assert tuple(answer) == NOT_FOUND
    assert api.engine.sip_accounts.lookup(agent["username"]) == before
