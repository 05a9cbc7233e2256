"""`/v1/webhooks` (contract §13.1): subscriptions, secrets, events, the delivery log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.limits import Limits
from engine.model import CallOutcome
from engine.webhooks import EVENTS
from tests.api.client import Api, error, invalid
from tests.engine.opened import START, a_call, opened

AT = "2026-06-23T10:31:00.000Z"
URL = "must be an absolute http or https URL of at most 2048 characters, without user name"
NAMES = ", ".join(EVENTS)
EVENT = f"must be * or one of {NAMES}"
NOT_FOUND = error(404, "Not Found", "Webhook not found")
NO_DELIVERY = error(404, "Not Found", "Delivery not found")
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def webhook(api: Api, **members: Any) -> Any:
    """A new webhook's body, without its secret."""
    answer = await api.post("/v1/webhooks", {"url": "https://crm.example/hook", "events": ["*"]} | members)
    assert answer.status == 201, answer.body
    del answer.body["secret"]
    return answer.body


async def test_a_new_webhook_shows_its_secret_once(api: Api) -> None:
    body = {
        "url": "https://crm.example/hook?a=b",
        "events": ["call.failed", "call.completed", "call.failed"],
        "description": "CRM",
        "enabled": False,
        "headers": {"Authorization": "Bearer x"},
    }
    answer = await api.post("/v1/webhooks", body)
    secret = answer.body.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) == 46
    shown = body | {
        "id": answer.body["id"],
        "events": ["call.failed", "call.completed"],
        "secretPrefix": secret[:12],
        "createdAt": AT,
        "updatedAt": AT,
    }
    assert tuple(answer) == (201, shown)
    assert tuple(await api.get(f"/v1/webhooks/{shown['id']}")) == (200, shown)
    assert (await api.get("/v1/webhooks")).body == {
        "data": [shown],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }


async def test_what_is_left_out_has_its_default(api: Api) -> None:
    made = await webhook(api)
    assert (made["description"], made["enabled"], made["headers"]) == (None, True, {})


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"url": "is required", "events": "is required"}),
        ({"url": "ftp://x", "events": []}, {"url": URL, "events": "must have at least 1 entries"}),
        ({"url": "http://u:p@x", "events": ["call.flown"]}, {"url": URL, "events__0": EVENT}),
        ({"url": None, "events": "*"}, {"url": "must be a string", "events": "must be an array"}),
        (
            {"url": "http://x", "events": ["*"], "description": "x" * 201, "enabled": 1, "headers": {"Host": "x"}},
            {
                "description": "must be at most 200 characters",
                "enabled": "must be true or false",
                "headers__Host": "must be an HTTP header name of at most 128 characters, and none that the engine "
                "sets itself",
            },
        ),
    ],
)
async def test_a_malformed_webhook_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/webhooks", body)) == (400, invalid(**faults))
    assert (await api.get("/v1/webhooks")).body["data"] == []


async def test_a_webhook_is_changed_where_the_body_says_so(api: Api) -> None:
    made = await webhook(api, description="CRM")
    path = f"/v1/webhooks/{made['id']}"
    api.engine.clock.advance(seconds=1)
    changed = made | {"updatedAt": "2026-06-23T10:31:01.000Z"}
    assert tuple(await api.patch(path, {})) == (200, changed)
    members = {"url": "http://b.example", "events": ["call.failed"], "description": None, "headers": {"X-A": "1"}}
    assert tuple(await api.patch(path, members)) == (200, changed | members)
    assert tuple(await api.patch(path, {"enabled": None, "events": None})) == (
        400,
        invalid(events="must be an array", enabled="must be true or false"),
    )
    assert (await api.get(path)).body == changed | members


async def test_a_deleted_webhook_is_gone(api: Api) -> None:
    made = await webhook(api)
    path = f"/v1/webhooks/{made['id']}"
    assert tuple(await api.delete(path)) == (204, None)
    for method, further in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret"), ("POST", "/test"),
        ("GET", "/deliveries"), ("GET", f"/deliveries/{UNKNOWN}"), ("POST", f"/deliveries/{UNKNOWN}/resend"),
    ):  # fmt: skip
        assert tuple(await api.call(method, path + further, {})) == (404, NOT_FOUND)
    assert tuple(await api.get("/v1/webhooks/x/deliveries/y")) == (
        400,
        invalid(id="must be a UUID", deliveryId="must be a UUID"),
    )


async def test_a_workspace_has_no_more_than_its_number_of_webhooks(tmp_path: Path) -> None:
    async with opened(tmp_path, Limits(webhooks=2)) as engine:
        api = Api(engine)
        first = await webhook(api)
        await webhook(api)
        answer = await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})
        assert tuple(answer) == (409, error(409, "Conflict", "A workspace has at most 2 webhooks"))
        _, other = await engine.other_workspace()
        body = {"url": "https://crm.example", "events": ["*"]}
        assert (await api.post("/v1/webhooks", body, key=other)).status == 201
        await api.delete(f"/v1/webhooks/{first['id']}")
        assert (await api.post("/v1/webhooks", body)).status == 201


async def test_a_secret_is_replaced(api: Api) -> None:
    made = await webhook(api)
    path = f"/v1/webhooks/{made['id']}"
    answer = await api.post(f"{path}/rotate-secret")
    assert answer.status == 200
    assert list(answer.body) == ["secret"]
    assert answer.body["secret"].startswith("whsec_")
    assert (await api.get(path)).body["secretPrefix"] == answer.body["secret"][:12] != made["secretPrefix"]


async def test_secrets_are_stored_encrypted(api: Api) -> None:
    answer = await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})
    second = (await api.post(f"/v1/webhooks/{answer.body['id']}/rotate-secret")).body["secret"]
    for file in api.engine.path.glob("voylo.db*"):
        for secret in (answer.body["secret"], second):
            assert secret.encode() not in file.read_bytes()


async def test_the_names_of_events_are_listed(api: Api) -> None:
    answer = await api.get("/v1/webhooks/events")
    assert tuple(answer) == (
        200,
        [
            "call.placed", "call.received", "call.answered", "call.completed", "call.failed", "recording.completed",
            "trunk.destination.down", "trunk.destination.up", "trunk.registered", "trunk.unregistered",
            "number.activated", "rental.kyc.updated", "wallet.low", "webhook.test",
        ],
    )  # fmt: skip


def pending(delivery_id: str, event_id: str, event: str, created_at: str = AT) -> dict[str, Any]:
    return {
        "id": delivery_id,
        "eventType": event,
        "eventId": event_id,
        "status": "pending",
        "attempts": 0,
        "responseStatus": None,
        "lastError": None,
        "nextAttemptAt": created_at,
        "createdAt": created_at,
        "deliveredAt": None,
    }


async def test_a_test_event_is_queued_and_in_the_log(api: Api) -> None:
    made = await webhook(api, events=["call.failed"])
    path = f"/v1/webhooks/{made['id']}"
    answer = await api.post(f"{path}/test")
    assert answer.status == 202
    listed = (await api.get(f"{path}/deliveries")).body
    item = pending(answer.body["deliveryId"], listed["data"][0]["eventId"], "webhook.test")
    assert listed == {
        "data": [item],
        "pagination": {"page": 1, "limit": 20, "totalItems": 1, "totalPages": 1},
    }
    assert tuple(await api.get(f"{path}/deliveries/{item['id']}")) == (
        200,
        item
        | {
            "callId": None,
            "targetUrl": "https://crm.example/hook",
            "requestHeaders": {},
            "payload": {
                "event": "webhook.test",
                "event_id": item["eventId"],
                "created_at": AT,
                "workspace_id": api.engine.workspace_id,
                "data": {"webhook_id": made["id"], "message": "Deliveries to this URL work"},
            },
            "responseBody": None,
        },
    )


async def test_a_disabled_webhook_takes_neither_test_nor_sending_again(api: Api) -> None:
    made = await webhook(api)
    path = f"/v1/webhooks/{made['id']}"
    delivery_id = (await api.post(f"{path}/test")).body["deliveryId"]
    await api.patch(path, {"enabled": False})
    refused = (409, error(409, "Conflict", "The webhook is disabled"))
    assert tuple(await api.post(f"{path}/test")) == refused
    assert tuple(await api.post(f"{path}/deliveries/{delivery_id}/resend")) == refused
    item = (await api.get(f"{path}/deliveries/{delivery_id}")).body
    assert (item["status"], item["lastError"]) == ("failed", "The webhook was disabled")


async def a_finished_call(api: Api, **values: Any) -> Any:
    call = a_call(api.engine.workspace_id, **values)
    await api.engine.records.create(call)
    await api.engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", START))
    return call


async def test_the_log_is_narrowed_by_status_and_event(api: Api) -> None:
    made = await webhook(api)
    path = f"/v1/webhooks/{made['id']}/deliveries"
    call = await a_finished_call(api)

    async def names(query: str) -> list[str]:
        answer = await api.get(f"{path}?{query}")
        assert answer.status == 200, answer.body
        return sorted(item["eventType"] for item in answer.body["data"])

    assert await names("") == ["call.failed", "call.received"]
    assert await names("eventType=call.failed&status=pending") == ["call.failed"]
    assert await names("status=delivered") == []
    assert await names("page=2&limit=1") != await names("page=1&limit=1")
    (item,) = (await api.get(f"{path}?eventType=call.failed")).body["data"]
    assert (await api.get(f"{path}/{item['id']}")).body["callId"] == call.id
    assert tuple(await api.get(f"{path}?status=lost&eventType=x&limit=0")) == (
        400,
        invalid(
            limit="must be an integer of at least 1",
            status="must be pending, delivered or failed",
            eventType=f"must be one of {NAMES}",
        ),
    )


async def test_a_delivery_is_queued_again(api: Api) -> None:
    made = await webhook(api)
    path = f"/v1/webhooks/{made['id']}"
    delivery_id = (await api.post(f"{path}/test")).body["deliveryId"]
    await api.patch(path, {"enabled": False})
    await api.patch(path, {"enabled": True})
    api.engine.clock.advance(seconds=5)
    before = (await api.get(f"{path}/deliveries")).body["data"][0]
    assert tuple(await api.post(f"{path}/deliveries/{delivery_id}/resend")) == (204, None)
    after = (await api.get(f"{path}/deliveries")).body["data"][0]
    assert after == before | {"status": "pending", "attempts": 0, "nextAttemptAt": "2026-06-23T10:31:05.000Z"}
    assert tuple(await api.post(f"{path}/deliveries/{UNKNOWN}/resend")) == (404, NO_DELIVERY)
    assert tuple(await api.get(f"{path}/deliveries/{UNKNOWN}")) == (404, NO_DELIVERY)


async def test_a_delivery_of_another_webhook_is_not_found(api: Api) -> None:
    first, second = await webhook(api), await webhook(api)
    delivery_id = (await api.post(f"/v1/webhooks/{first['id']}/test")).body["deliveryId"]
    path = f"/v1/webhooks/{second['id']}/deliveries/{delivery_id}"
    assert tuple(await api.get(path)) == (404, NO_DELIVERY)
    assert tuple(await api.post(f"{path}/resend")) == (404, NO_DELIVERY)


async def test_the_log_of_a_finished_url(api: Api) -> None:
    application = await api.application(finishedUrl="https://flows.example/finished")
    path = f"/v1/applications/{application['id']}/deliveries"
    empty = {"data": [], "pagination": {"page": 1, "limit": 20, "totalItems": 0, "totalPages": 1}}
    assert tuple(await api.get(path)) == (200, empty)
    call = await a_finished_call(api, application_id=application["id"])
    listed = (await api.get(path)).body
    (item,) = listed["data"]
    assert item == pending(item["id"], item["eventId"], "call.failed")
    assert listed["pagination"] == {"page": 1, "limit": 20, "totalItems": 1, "totalPages": 1}
    answer = await api.get(f"{path}/{item['id']}")
    payload = answer.body["payload"]
    detail = {"callId": call.id, "targetUrl": "https://flows.example/finished", "requestHeaders": {}}
    assert tuple(answer) == (200, item | detail | {"payload": payload, "responseBody": None})
    told = (payload["event"], payload["event_id"], payload["call_id"])
    assert told == ("call.failed", item["eventId"], call.id)
    assert tuple(await api.post(f"{path}/{item['id']}/resend")) == (204, None)
    assert tuple(await api.get(f"{path}/{UNKNOWN}")) == (404, NO_DELIVERY)
    await api.patch(f"/v1/applications/{application['id']}", {"finishedUrl": None})
    assert (await api.get(path)).body["data"][0]["status"] == "failed"
    answer = await api.post(f"{path}/{item['id']}/resend")
    assert tuple(answer) == (409, error(409, "Conflict", "The application has no finished URL"))
