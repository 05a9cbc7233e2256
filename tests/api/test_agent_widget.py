"""`/v1/agent-widget` (contract §17): the token of an agent's phone, and the SIP credentials that it buys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from engine.model import timestamp
from engine.store.tables import widget_sessions
from tests.api.client import BASE, Api, error
from tests.engine.opened import REALM

SESSION = "/v1/agent-widget/session"
EXCHANGE = "/v1/agent-widget/exchange"
NOT_VALID = (401, error(401, "Unauthorized", "The widget token is not valid; begin a new session"))


async def begin(api: Api, email: str = "berta@customer.example", **options: Any) -> Any:
    """The body of a new session."""
    answer = await api.post(SESSION, {"agentEmail": email, "displayName": "Berta, support"}, **options)
    assert answer.status == 200, answer.body
    return answer.body


async def test_an_unknown_address_creates_the_agent_and_a_known_one_finds_it(api: Api) -> None:
    first = await begin(api)
    assert re.fullmatch("voywt_[A-Za-z0-9]{40}", first["token"])
    assert first == {
        "token": first["token"],
        "widgetUrl": f"{BASE}/embed?token={first['token']}",
        "expiresAt": timestamp(api.engine.clock() + timedelta(hours=12)),
        "agent": {"id": first["agent"]["id"], "username": "berta", "label": "Berta, support"},
    }
    agent = (await api.get(f"/v1/agents/{first['agent']['id']}")).body
    assert (agent["email"], agent["outboundNumberId"]) == ("berta@customer.example", None)
    second = await api.post(SESSION, {"agentEmail": "BERTA@customer.example", "displayName": "Somebody else"})
    assert second.body["agent"] == first["agent"]
    assert second.body["token"] != first["token"]
    assert (await api.get("/v1/agents")).body["pagination"]["totalItems"] == 1
    unnamed = await api.post(SESSION, {"agentEmail": "carla@customer.example"})
    assert unnamed.body["agent"]["label"] is None


async def test_the_same_address_elsewhere_is_another_agent(api: Api) -> None:
    mine = await begin(api)
    workspace, key = await api.engine.other_workspace()
    theirs = await begin(api, key=key)
    assert theirs["agent"]["id"] != mine["agent"]["id"]
    assert (await api.get(f"/v1/agents/{mine['agent']['id']}", key=key)).status == 404
    # a token acts in its own workspace, whatever header comes along
    wrong = await api.post(EXCHANGE, key=mine["token"], headers={"X-Workspace-Id": workspace})
    forbidden = "The widget token does not belong to this workspace"
    assert tuple(wrong) == (403, error(403, "Forbidden", forbidden))
    assert (await api.post(EXCHANGE, key=theirs["token"], headers={"X-Workspace-Id": workspace})).status == 200


async def test_a_token_buys_credentials_that_hold_for_an_hour(api: Api) -> None:
    number = await api.number()
    session = await begin(api)
    await api.patch(f"/v1/agents/{session['agent']['id']}", {"outboundNumberId": number["id"]})
    answer = await api.post(EXCHANGE, key=session["token"])
    body = answer.body
    assert answer.status == 200
    assert body == {
        "wsUri": None,
        "sipUri": f"sip:berta@{REALM}",
        "username": body["username"],
        "password": body["password"],
        "iceServers": [],
        "callerNumbers": [number["e164"]],
    }
    accounts = api.engine.sip_accounts
    account = accounts.authenticating(body["username"])
    assert account is not None
    assert (account.id, account.password) == (session["agent"]["id"], body["password"])
    own = accounts.authenticating("berta")
    assert own is not None
    assert own.password != body["password"]
    assert accounts.lookup(body["username"]) is None, "nobody is called by a name that passes"
    api.engine.clock.advance(seconds=3599)
    assert accounts.authenticating(body["username"]) == account
    api.engine.clock.advance(seconds=2)
    assert accounts.authenticating(body["username"]) is None
    assert accounts.authenticating("berta") == own


async def test_a_time_of_expiry_that_was_changed_has_another_password(api: Api) -> None:
    session = await begin(api)
    body = (await api.post(EXCHANGE, key=session["token"])).body
    longer = body["username"].rpartition("~")[0] + "~ffffffff"
    account = api.engine.sip_accounts.authenticating(longer)
    assert account is not None
    assert account.password != body["password"]


async def test_without_a_number_that_may_call_out_there_is_none_to_present(api: Api) -> None:
    number = await api.number(outboundEnabled=False)
    session = await begin(api)
    assert (await api.post(EXCHANGE, key=session["token"])).body["callerNumbers"] == []
    await api.patch(f"/v1/agents/{session['agent']['id']}", {"outboundNumberId": number["id"]})
    assert (await api.post(EXCHANGE, key=session["token"])).body["callerNumbers"] == []


async def test_credentials_never_outlive_the_token(api: Api) -> None:
    session = await begin(api)
    api.engine.clock.advance(seconds=12 * 3600 - 60)
    body = (await api.post(EXCHANGE, key=session["token"])).body
    api.engine.clock.advance(seconds=59)
    assert (await api.post(EXCHANGE, key=session["token"])).status == 200
    api.engine.clock.advance(seconds=1)
    assert tuple(await api.post(EXCHANGE, key=session["token"])) == NOT_VALID
    assert api.engine.sip_accounts.authenticating(body["username"]) is None


async def test_a_new_password_of_the_agent_ends_credentials_and_its_deletion_the_token(api: Api) -> None:
    session = await begin(api)
    body = (await api.post(EXCHANGE, key=session["token"])).body
    path = f"/v1/agents/{session['agent']['id']}"
    assert (await api.post(f"{path}/credentials/rotate")).status == 200
    account = api.engine.sip_accounts.authenticating(body["username"])
    assert account is not None
    assert account.password != body["password"]
    assert (await api.post(EXCHANGE, key=session["token"])).status == 200
    assert (await api.delete(path)).status == 204
    assert tuple(await api.post(EXCHANGE, key=session["token"])) == NOT_VALID
    assert api.engine.sip_accounts.authenticating(body["username"]) is None


async def test_of_a_token_only_the_hash_is_stored_and_the_expired_are_removed(api: Api) -> None:
    async def stored() -> list[Any]:
        return await api.engine.store.read(
            lambda connection: _all(connection.execute(select(widget_sessions)))
        )  # fmt: skip

    async def _all(result: Any) -> list[Any]:
        return list(await result)

    first = await begin(api)
    (row,) = await stored()
    assert first["token"][6:] not in str(row)
    assert re.fullmatch("[0-9a-f]{64}", row.token_hash)
    api.engine.clock.advance(seconds=12 * 3600)
    await begin(api)
    (kept,) = await stored()
    assert kept.token_hash != row.token_hash


async def test_what_is_no_token_of_a_session_buys_nothing(api: Api) -> None:
    required = "The token of a widget session is required: Authorization: Bearer voywt_…"
    for header in ({}, {"Authorization": "Basic dXNlcjpwYXNz"}):
        answer = await api.post(EXCHANGE, key=None, headers=header)
        assert tuple(answer) == (401, error(401, "Unauthorized", required))
        assert answer.headers["www-authenticate"] == "Bearer"
    for token in (api.key, "voywt_" + "a" * 40, "voywt_x", ""):
        assert tuple(await api.post(EXCHANGE, key=token)) == NOT_VALID
    assert tuple(await api.post(EXCHANGE, **await api.session())) == (401, error(401, "Unauthorized", required))


async def test_a_token_opens_nothing_else(api: Api) -> None:
    session = await begin(api)
    for path in ("/v1/agents", "/v1/calls"):
        assert (await api.get(path, key=session["token"])).status == 401
    assert (await api.post(SESSION, {"agentEmail": "a@b.example"}, key=session["token"])).status == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agentEmail"),
        ({"agentEmail": "nobody", "displayName": "x"}, "agentEmail"),
        ({"agentEmail": None}, "agentEmail"),
        ({"agentEmail": "a@b.example", "displayName": "x" * 121}, "displayName"),
        ({"agentEmail": "a@b.example", "displayName": 5}, "displayName"),
    ],
)
async def test_wrong_input_names_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api.post(SESSION, body)
    assert answer.status == 400
    assert list(answer.body["details"]) == [field]
    assert (await api.get("/v1/agents")).body["data"] == []


async def test_viewers_begin_no_session(api: Api) -> None:
    key = await api.key_of("viewer")
    assert (await api.post(SESSION, {"agentEmail": "a@b.example"}, key=key)).status == 403
    assert (await api.get("/v1/agents")).body["data"] == []
