"""`/v1/workspaces` (contract §16)."""

from __future__ import annotations

from tests.api.client import Api


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
