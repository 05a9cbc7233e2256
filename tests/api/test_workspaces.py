"""`/v1/workspaces` (contract §16)."""

from __future__ import annotations

import pytest

from engine.model import CallOutcome
from tests.api.client import Api, error, invalid
from tests.engine.opened import a_call

NAME = "must be 1 to 120 printable characters"
ZONE = "must be an IANA time zone such as Africa/Cairo"


async def test_a_key_sees_its_own_workspace_and_its_role(api: Api) -> None:
    workspace = await api.engine.accounts.workspace(api.engine.workspace_id)
    expected = {
        "id": api.engine.workspace_id,
        "name": "Default",
        "accountId": workspace.account_id,
        "timezone": "UTC",
        "role": "owner",
        "createdAt": "2026-06-23T10:31:00.000Z",
    }
    assert tuple(await api.get("/v1/workspaces")) == (200, [expected])
    viewer = await api.key_of("viewer")
    assert tuple(await api.get("/v1/workspaces", key=viewer)) == (200, [expected | {"role": "viewer"}])
    other, key = await api.engine.other_workspace()
    answer = await api.get("/v1/workspaces", key=key)
    assert [workspace["id"] for workspace in answer.body] == [other]


async def test_a_user_sees_every_workspace_of_theirs(api: Api) -> None:
    session = await api.session()
    made = await api.post("/v1/workspaces", {"name": "Support", "timezone": "Africa/Cairo"}, **session)
    (first,) = (await api.get("/v1/workspaces")).body
    assert tuple(made) == (
        201,
        {
            "id": made.body["id"],
            "name": "Support",
            "accountId": first["accountId"],
            "timezone": "Africa/Cairo",
            "role": "owner",
            "createdAt": "2026-06-23T10:31:00.000Z",
        },
    )
    del session["headers"]["X-Workspace-Id"]
    listed = await api.get("/v1/workspaces", **session)
    assert sorted(workspace["id"] for workspace in listed.body) == sorted([first["id"], made.body["id"]])
    assert (await api.get("/v1/calls", **await api.session(workspace=made.body["id"]))).body == []


async def test_a_workspace_is_renamed(api: Api) -> None:
    session = await api.session()
    (first,) = (await api.get("/v1/workspaces")).body
    path = f"/v1/workspaces/{first['id']}"
    changed = first | {"name": "Sales", "timezone": "Asia/Dubai"}
    assert tuple(await api.patch(path, {"name": "Sales", "timezone": "Asia/Dubai"}, **session)) == (200, changed)
    assert tuple(await api.patch(path, {}, **session)) == (200, changed)
    assert (await api.get("/v1/workspaces")).body == [changed]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"timezone": "Mars"}, {"name": "is required", "timezone": ZONE}),
        ({"name": "", "timezone": ""}, {"name": NAME, "timezone": ZONE}),
        ({"name": "x\n", "timezone": 1}, {"name": NAME, "timezone": "must be a string"}),
    ],
)
async def test_a_malformed_workspace_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/workspaces", body, **await api.session())) == (400, invalid(**faults))


async def test_a_workspace_is_deleted_with_all_it_has(api: Api) -> None:
    session = await api.session()
    made = (await api.post("/v1/workspaces", {"name": "Support"}, **session)).body
    inside = await api.session(workspace=made["id"])
    key = (await api.post("/v1/api-keys", {"name": "x", "role": "owner"}, **inside)).body["key"]
    await api.post("/v1/applications", {"name": "x"}, key=key)
    await api.post("/v1/agents", {"email": "a@customer.example"}, key=key)
    await api.post("/v1/trunks/outbound", {"name": "x"}, key=key)
    await api.post("/v1/trunks/inbound", {"name": "x", "destinations": [{"uri": "sip:a@b.example"}]}, key=key)
    webhook = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]}, key=key)).body
    assert (await api.post(f"/v1/webhooks/{webhook['id']}/test", key=key)).status == 202
    await api.post("/v1/members/invitations", {"email": "b@customer.example", "role": "viewer"}, key=key)
    number = (await api.post("/v1/numbers", {"e164": "+12015550123"}, key=key)).body
    call = a_call(made["id"])
    await api.engine.records.create(call)
    path = f"/v1/workspaces/{made['id']}"
    assert tuple(await api.delete(path, **session)) == (409, error(409, "Conflict", "The workspace has numbers"))
    await api.delete(f"/v1/numbers/{number['id']}", key=key)
    running = error(409, "Conflict", "The workspace has calls in progress")
    assert tuple(await api.delete(path, **session)) == (409, running)
    await api.engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", call.created_at))
    assert (await api.get("/v1/applications", key=key)).body["pagination"]["totalItems"] == 1
    assert tuple(await api.delete(path, **session)) == (204, None)
    assert (await api.get("/v1/calls", key=key)).status == 401
    assert (await api.get("/v1/calls", **inside)).status == 403
    assert tuple(await api.delete(path, **session)) == (404, error(404, "Not Found", "Workspace not found"))


async def test_the_last_workspace_of_an_account_stays(api: Api) -> None:
    answer = await api.delete(f"/v1/workspaces/{api.engine.workspace_id}", **await api.session())
    assert tuple(answer) == (409, error(409, "Conflict", "The last workspace of an account stays"))


@pytest.mark.parametrize("workspace", ["ws_000000000000", "x", "00000000-0000-4000-8000-000000000000"])
async def test_an_unknown_workspace_is_not_found(api: Api, workspace: str) -> None:
    session = await api.session()
    for method in ("PATCH", "DELETE"):
        answer = await api.call(method, f"/v1/workspaces/{workspace}", {}, **session)
        assert tuple(answer) == (404, error(404, "Not Found", "Workspace not found"))
