"""`Idempotency-Key` on everything that creates something but calls, which have tests of their own (contract §6.2)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.app import OPERATIONS
from api.operation import Operation
from engine.applications import NewApplication
from engine.idempotency import IdempotentRequests, RequestKey, StillRunning
from tests.api.client import Api, error, invalid
from tests.api.error_rows.bodies import right_body
from tests.api.test_rentals import MONTH, pay_in
from tests.engine.billing.book import BOOK
from tests.engine.opened import opened

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


TABLES = {
    "/v1/applications": "applications",
    "/v1/numbers/import": "numbers",
    "/v1/numbers": "numbers",
    "/v1/trunks/inbound": "inbound_trunks",
    "/v1/trunks/outbound": "outbound_trunks",
    "/v1/webhooks": "webhooks",
    "/v1/agents": "agents",
    "/v1/api-keys": "api_keys",
    "/v1/members/invitations": "invitations",
    "/v1/workspaces": "workspaces",
    "/v1/billing/wallet/topups": "topups",
    "/v1/rentals": "rentals",
    "/v1/webhooks/{id}/test": "deliveries",
    "/v1/agent-widget/session": "widget_sessions",
}
"""What every operation with a key makes rows of; calls have tests of their own."""


@pytest.mark.parametrize("path", TABLES)
async def test_what_is_made_and_its_key_are_stored_together_or_not_at_all(tmp_path: Path, path: str) -> None:
    """A database that refuses the keys stands for any failure between the two."""
    async with opened(tmp_path, charging=True) as engine:
        await engine.billing.import_prices(BOOK)
        api = Api(engine)
        await pay_in(api, MONTH)
        webhook = (await api.post("/v1/webhooks", CREATES["/v1/webhooks"])).body["id"]
        await api.agent("sue@customer.example")
        (operation,) = (one for one in OPERATIONS if one.keyed and one.path == path)
        body = {"country": "AE", "channels": 2} if path == "/v1/rentals" else right_body(operation)
        options = await api.session() if operation.access == "account" else {}
        options = options | {"headers": KEY | options.get("headers", {})}
        before = await _count(api, TABLES[path])
        await _execute(
            api,
            "CREATE TRIGGER refused BEFORE INSERT ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'no keys today'); END",
        )
        failed = await api.post(path.format(id=webhook), body, **options)
        assert failed.status == 409, failed.body
        assert await _count(api, TABLES[path]) == before
        await _execute(api, "DROP TRIGGER refused")
        first, again = [await api.post(path.format(id=webhook), body, **options) for _ in range(2)]
        assert first.status == operation.status, first.body
        assert tuple(again) == tuple(first)
        assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
        assert await _count(api, TABLES[path]) == before + 1


def test_every_operation_with_a_key_is_among_them() -> None:
    assert {operation.path for operation in OPERATIONS if operation.keyed} - {"/v1/calls"} == TABLES.keys()


async def test_two_processes_with_one_key_make_one_thing_and_give_one_answer(api: Api) -> None:
    """Neither knows of the other's request: both have found the key unused when they begin to make it."""
    workspace = api.engine.workspace_id
    key = RequestKey("POST", "/v1/applications", "k", "a" * 64)
    both = asyncio.Barrier(2)

    async def answer_of_one() -> tuple[str, bool]:
        requests = IdempotentRequests(api.engine.store, api.engine.secrets, 24, api.engine.clock)

        async def make() -> str:
            await both.wait()
            made = await api.engine.applications.create(
                workspace, NewApplication("Menu"), lambda application: requests.rows(workspace, key, application.id)
            )
            return made.id

        return await requests.once(workspace, key, make)

    (first, replayed), (second, replayed_too) = await asyncio.gather(answer_of_one(), answer_of_one())
    assert first == second
    assert {replayed, replayed_too} == {False, True}
    assert [item["id"] for item in (await api.get("/v1/applications")).body["data"]] == [first]


async def test_a_conflict_of_another_kind_is_told(api: Api) -> None:
    """A key that was refused is not taken for one that another process has used."""
    await api.number("+97142345678")
    answer = await api.post("/v1/numbers/import", {"e164": "+97142345678"}, headers=KEY)
    assert tuple(answer) == (409, error(409, "Conflict", "The number +97142345678 already exists on this server"))


async def _execute(api: Api, statement: str) -> None:
    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text(statement))

    await api.engine.store.write(work)


async def _count(api: Api, table: str) -> int:
    async def count(connection: AsyncConnection) -> int:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())

    return await api.engine.store.read(count)


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
        await api.engine.store.write_rows(requests.rows(api.engine.workspace_id, key, "made"))
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
