"""`Idempotency-Key` on everything that creates something but calls, which have tests of their own (contract §6.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from api.app import OPERATIONS
from api.operation import Operation
from engine.idempotency import IdempotentRequests, RequestKey, StillRunning
from tests.api.client import Api, error, invalid

KEY = {"Idempotency-Key": "order-4711"}
CREATES: dict[str, Any] = {
    "/v1/applications": {"name": "Menu"},
    "/v1/numbers/import": {"e164": "+97142345678"},
    "/v1/numbers": {"e164": "+97142345679"},
    "/v1/trunks/inbound": {"name": "Desk", "destinations": [{"uri": "sip:desk@192.0.2.1"}]},
    "/v1/trunks/outbound": {"name": "PBX"},
    "/v1/webhooks": {"url": "https://crm.example/hook", "events": ["*"]},
    "/v1/agents": {"email": "sue@customer.example"},
    "/v1/api-keys": {"name": "CI"},
    "/v1/members/invitations": {"email": "bob@customer.example", "role": "viewer"},
}


@pytest.mark.parametrize("path", CREATES)
async def test_a_repetition_gets_the_first_answer_and_creates_nothing(api: Api, path: str) -> None:
    first = await api.post(path, CREATES[path], headers=KEY)
    assert first.status == 201, first.body
    assert "idempotency-replayed" not in first.headers
    again = await api.post(path, dict(reversed(CREATES[path].items())), headers=KEY)
    assert tuple(again) == tuple(first)
    assert again.headers["idempotency-replayed"] == "true"
    listed = await api.get(path.replace("/import", ""))
    assert [item["id"] for item in listed.body["data"]].count(first.body["id"]) == 1


async def test_a_test_event_is_sent_once_for_a_key(api: Api) -> None:
    webhook = (await api.post("/v1/webhooks", CREATES["/v1/webhooks"])).body["id"]
    path = f"/v1/webhooks/{webhook}"
    first, again = [await api.post(f"{path}/test", headers=KEY) for _ in range(2)]
    assert first.status == 202
    assert tuple(again) == tuple(first)
    assert again.headers["idempotency-replayed"] == "true"
    other = await api.post(f"{path}/test", headers={"Idempotency-Key": "another"})
    sent = [item["id"] for item in (await api.get(f"{path}/deliveries")).body["data"]]
    assert sorted(sent) == sorted([first.body["deliveryId"], other.body["deliveryId"]])


async def test_a_widget_session_is_begun_once_for_a_key(api: Api) -> None:
    body = {"agentEmail": "sue@customer.example", "displayName": "Sue"}
    first, again = [await api.post("/v1/agent-widget/session", body, headers=KEY) for _ in range(2)]
    assert first.status == 200
    assert tuple(again) == tuple(first)
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    unkeyed = await api.post("/v1/agent-widget/session", body)
    assert unkeyed.body["token"] != first.body["token"]
    clash = await api.post("/v1/agent-widget/session", body | {"displayName": "Bob"}, headers=KEY)
    assert tuple(clash) == (409, error(409, "Conflict", "This Idempotency-Key was used with a different request"))


def test_every_operation_that_creates_takes_a_key() -> None:
    keyed = {operation.path for operation in OPERATIONS if operation.keyed}
    elsewhere = {"/v1/calls", "/v1/workspaces", "/v1/billing/wallet/topups", "/v1/rentals"}
    elsewhere |= {"/v1/webhooks/{id}/test", "/v1/agent-widget/session"}
    assert set(CREATES) <= keyed
    assert keyed - set(CREATES) == elsewhere


async def test_another_body_under_the_same_key_is_a_conflict(api: Api) -> None:
    await api.post("/v1/applications", {"name": "Menu"}, headers=KEY)
    answer = await api.post("/v1/applications", {"name": "Other"}, headers=KEY)
    assert tuple(answer) == (409, error(409, "Conflict", "This Idempotency-Key was used with a different request"))


async def test_a_key_counts_for_one_path_and_one_workspace(api: Api) -> None:
    workspace, raw = await api.engine.other_workspace()
    answers = [
        await api.post("/v1/applications", {"name": "Menu"}, headers=KEY),
        await api.post("/v1/applications", {"name": "Menu"}, headers=KEY, key=raw),
        await api.post("/v1/api-keys", {"name": "Menu"}, headers=KEY),
    ]
    assert [answer.status for answer in answers] == [201, 201, 201]
    assert len({answer.body["id"] for answer in answers}) == 3
    assert workspace != api.engine.workspace_id


async def test_what_was_refused_may_be_corrected_under_the_same_key(api: Api) -> None:
    wrong = await api.post("/v1/applications", {"name": ""}, headers=KEY)
    assert wrong.status == 400
    assert (await api.post("/v1/applications", {"name": "Menu"}, headers=KEY)).status == 201
    taken = await api.post("/v1/numbers/import", {"e164": "+97142345678"})
    assert taken.status == 201
    clash = {"Idempotency-Key": "n"}
    assert (await api.post("/v1/numbers/import", {"e164": "+97142345678"}, headers=clash)).status == 409
    assert (await api.post("/v1/numbers/import", {"e164": "+97142345679"}, headers=clash)).status == 201


async def test_a_key_is_forgotten_after_its_hours(api: Api) -> None:
    first = await api.post("/v1/applications", {"name": "Menu"}, headers=KEY)
    api.engine.clock.advance(hours=24, seconds=1)
    again = await api.post("/v1/applications", {"name": "Menu"}, headers=KEY)
    assert again.status == 201
    assert again.body["id"] != first.body["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_a_key_is_visible_ascii_of_at_most_255_characters(api: Api, key: str) -> None:
    answer = await api.post("/v1/applications", {"name": "Menu"}, headers={"Idempotency-Key": key})
    assert tuple(answer) == (400, invalid(**{"Idempotency-Key": "must be 1 to 255 visible ASCII characters"}))
    assert (await api.get("/v1/applications")).body["data"] == []


async def test_duplicates_at_the_same_time_create_once(api: Api) -> None:
    answers = await asyncio.gather(*(api.post("/v1/applications", {"name": "Menu"}, headers=KEY) for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19


async def test_an_answer_with_a_secret_is_stored_encrypted(api: Api) -> None:
    answer = await api.post("/v1/api-keys", {"name": "CI"}, headers=KEY)

    async def stored(connection: Any) -> str:
        return str((await connection.execute(text("SELECT result FROM idempotency_keys"))).scalar_one())

    kept = await api.engine.store.read(stored)
    assert answer.body["key"] not in kept
    assert answer.body["id"] not in kept


async def test_a_duplicate_waits_so_long_and_no_longer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.idempotency.DUPLICATE_SECONDS", 0.05)
    under_way = RequestKey("POST", "/v1/applications", KEY["Idempotency-Key"], "")
    async with api.engine.idempotent._keys.held(api.engine.workspace_id, under_way):
        answer = await api.post("/v1/applications", {"name": "Menu"}, headers=KEY)
    message = "A request with this Idempotency-Key is being carried out"
    assert tuple(answer) == (409, error(409, "Conflict", message))
    assert answer.headers["retry-after"] == "1"
    requests = IdempotentRequests(api.engine.store, api.engine.secrets, 24, api.engine.clock)
    key = RequestKey("POST", "/v1/applications", "k", "a" * 64)
    goes_on = asyncio.Event()

    async def slow() -> str:
        await goes_on.wait()
        return "made"

    first = asyncio.create_task(requests.once(api.engine.workspace_id, key, slow))
    await asyncio.sleep(0)
    with pytest.raises(StillRunning):
        await requests.once(api.engine.workspace_id, key, slow)
    goes_on.set()
    assert await first == ("made", False)
    assert await requests.once(api.engine.workspace_id, key, slow) == ("made", True)


def test_only_what_creates_in_a_workspace_takes_a_key() -> None:
    public = Operation("POST", "/v1/x", "x", "X", "X", _nothing, access="public", status=201)
    reading = Operation("GET", "/v1/x", "x", "X", "X", _nothing)
    assert not public.keyed
    assert not reading.keyed


async def _nothing(_request: object) -> None:
    return None
