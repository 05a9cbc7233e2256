"""`/v1/calls`, read side (contract §6.3–6.5): both shapes, the two kinds of list, the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.leg_media import LegMedia
from engine.model import CallOutcome, NewCall, RoutingAttempt
from tests.api.client import Api, error, invalid
from tests.engine.opened import START, a_call

NOT_FOUND = (404, error(404, "Not Found", "Call not found"))
UNKNOWN = "00000000-0000-4000-8000-000000000000"
APPLICATION = "11111111-1111-4111-8111-111111111111"
NUMBER = "22222222-2222-4222-8222-222222222222"


async def ended(api: Api, **members: Any) -> NewCall:
    """A call that was answered after 6 s and ended after another 42."""
    new = a_call(api.engine.workspace_id, **members)
    records = api.engine.records
    await records.create(new)
    await records.answered(new.id, new.created_at + timedelta(seconds=6))
    attempt = RoutingAttempt(1, None, "primary", "sip:a@b", START, None, 31, 200, "answered")
    await records.finish(
        new.id,
        CallOutcome(
            "answered",
            "caller",
            "normal",
            new.created_at + timedelta(seconds=48),
            200,
            routing_attempts=(attempt,),
            media=(LegMedia(None, 2100, 2099, 3, 1, 1.25, 60, 41.5, 4.29, None, None, None),),
        ),
    )
    return new


async def pending(api: Api, **members: Any) -> NewCall:
    new = a_call(api.engine.workspace_id, **members)
    await api.engine.records.create(new)
    return new


async def test_a_call_in_progress_has_the_pending_shape(api: Api) -> None:
    new = await pending(api, application_id=APPLICATION, number_id=NUMBER)
    expected = {
        "pending": True,
        "pendingStatus": "ringing",
        "publicId": new.public_id,
        "id": new.id,
        "direction": "inbound",
        "from": "+2004446",
        "to": "+97142345678",
        "applicationId": APPLICATION,
        "createdAt": "2026-06-23T10:31:00.000Z",
        "answeredAt": None,
    }
    assert tuple(await api.get(f"/v1/calls/{new.public_id}")) == (200, expected)
    assert tuple(await api.get(f"/v1/calls/{new.id}")) == (200, expected)
    await api.engine.records.answered(new.id, START + timedelta(seconds=6))
    answer = await api.get(f"/v1/calls/{new.public_id}")
    assert tuple(answer) == (200, expected | {"pendingStatus": "answered", "answeredAt": "2026-06-23T10:31:06.000Z"})


async def test_a_call_that_ended_is_a_record(api: Api) -> None:
    new = await ended(
        api,
        application_id=APPLICATION,
        number_id=NUMBER,
        destination_kind="application",
        destination_id=APPLICATION,
        variables={"order_id": "ORD-1", "count": 2, "vip": True, "ratio": 0.5},
    )
    assert tuple(await api.get(f"/v1/calls/{new.public_id}")) == (
        200,
        {
            "pending": False,
            "publicId": new.public_id,
            "id": new.id,
            "direction": "inbound",
            "from": "+2004446",
            "to": "+97142345678",
            "numberId": NUMBER,
            "applicationId": APPLICATION,
            "trunkId": None,
            "destinationKind": "application",
            "destinationId": APPLICATION,
            "outcome": "answered",
            "hangupBy": "caller",
            "hangupCause": "normal",
            "sipCode": 200,
            "answeredBy": None,
            "startedAt": "2026-06-23T10:31:00.000Z",
            "answeredAt": "2026-06-23T10:31:06.000Z",
            "endedAt": "2026-06-23T10:31:48.000Z",
            "ringS": 6,
            "durationS": 42,
            "billedS": 60,
            "recordingUrl": None,
            "recordings": [],
            "routingAttempts": [
                {
                    "order": 1,
                    "destinationId": None,
                    "label": "primary",
                    "uri": "sip:a@b",
                    "startedAt": "2026-06-23T10:31:00.000Z",
                    "endedAt": None,
                    "setupMs": 31,
                    "sipCode": 200,
                    "result": "answered",
                }
            ],
            "variables": {"order_id": "ORD-1", "count": 2, "vip": True, "ratio": 0.5},
            "cost": "0.0000",
            "currency": "USD",
            "createdAt": "2026-06-23T10:31:00.000Z",
            "media": [
                {
                    "leg": None,
                    "packetsIn": 2100,
                    "packetsOut": 2099,
                    "lost": 3,
                    "late": 1,
                    "jitterMs": 1.25,
                    "concealedMs": 60,
                    "roundTripMs": 41.5,
                    "mos": 4.29,
                    "remoteLost": None,
                    "remoteJitterMs": None,
                    "remoteMos": None,
                }
            ],
        },
    )


@pytest.mark.parametrize("call_id", [UNKNOWN, "cl_000000000000", "x", "cl_", "%00", "cl_A1B2C3D4E5F6", "..%2f"])
@pytest.mark.parametrize("suffix", ["", "/events"])
async def test_whatever_names_no_call_is_not_found(api: Api, call_id: str, suffix: str) -> None:
    answer = await api.get(f"/v1/calls/{call_id}{suffix}")
    assert answer.status == 404
    if "%" not in call_id:
        assert tuple(answer) == NOT_FOUND


async def test_the_list_is_a_bare_array_of_both_shapes_newest_first(api: Api) -> None:
    first = await ended(api)
    second = await pending(api, at=START + timedelta(seconds=1))
    answer = await api.get("/v1/calls")
    assert answer.status == 200
    assert answer.body == [(await api.get(f"/v1/calls/{new.public_id}")).body for new in (second, first)]
    assert [call["pending"] for call in answer.body] == [True, False]


async def test_the_list_is_continued_with_before(api: Api) -> None:
    calls = [await pending(api, at=START + timedelta(seconds=number)) for number in range(25)]
    newest_first = [new.public_id for new in reversed(calls)]
    answer = await api.get("/v1/calls")
    assert [call["publicId"] for call in answer.body] == newest_first[:20]
    answer = await api.get(f"/v1/calls?before={newest_first[19]}")
    assert [call["publicId"] for call in answer.body] == newest_first[20:]
    answer = await api.get(f"/v1/calls?limit=2&before={newest_first[0]}")
    assert [call["publicId"] for call in answer.body] == newest_first[1:3]
    answer = await api.get(f"/v1/calls?before={newest_first[-1]}")
    assert tuple(answer) == (200, [])


async def test_with_a_page_the_list_is_an_envelope(api: Api) -> None:
    calls = [await pending(api, at=START + timedelta(seconds=number)) for number in range(3)]
    answer = await api.get("/v1/calls?page=2&limit=2")
    assert tuple(answer) == (
        200,
        {
            "data": [(await api.get(f"/v1/calls/{calls[0].public_id}")).body],
            "pagination": {"page": 2, "limit": 2, "totalItems": 3, "totalPages": 2},
        },
    )
    answer = await api.get("/v1/calls?page=1&pending=false")
    assert answer.body == {"data": [], "pagination": {"page": 1, "limit": 20, "totalItems": 0, "totalPages": 1}}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("direction=inbound", "a"),
        ("outcome=answered", "a"),
        ("outcome=busy", ""),
        ("from=%2B111", "a"),
        ("from=+111", "a"),
        ("from=1-1-1", "a"),
        ("to=sip:bob@example.com", "b"),
        ("to=nobody", ""),
        (f"applicationId={APPLICATION}", "b"),
        (f"numberId={NUMBER.upper()}", "b"),
        (f"trunkId={UNKNOWN}", ""),
        ("pending=true", "b"),
        ("pending=false", "a"),
        ("startedAfter=2026-06-23T10:31:00Z", "b"),
        ("startedAfter=2026-06-23T12:30:59.999%2B02:00", "ba"),
        ("startedBefore=2026-06-23T10:31:00.001Z", "a"),
        ("direction=outbound&pending=true&unknown=x", "b"),
    ],
)
async def test_each_filter_narrows_the_list(api: Api, query: str, found: str) -> None:
    names = {
        (await ended(api, from_="+111")).id: "a",
        (
            await pending(
                api,
                at=START + timedelta(minutes=1),
                direction="outbound",
                to="sip:bob@example.com",
                application_id=APPLICATION,
                number_id=NUMBER,
            )
        ).id: "b",
    }
    answer = await api.get(f"/v1/calls?{query}")
    assert answer.status == 200
    assert "".join(names[call["id"]] for call in answer.body) == found


TIME = "must be an ISO 8601 time with its offset, such as 2026-06-23T10:31:00.000Z"


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("before=cl_000000000000", {"before": "must be the public id of a call of this workspace"}),
        ("before=x", {"before": "must be the public id of a call"}),
        (f"before={UNKNOWN}", {"before": "must be the public id of a call"}),
        ("direction=up", {"direction": "must be inbound or outbound"}),
        (
            "outcome=x",
            {"outcome": "must be answered, no_answer, busy, rejected, canceled, failed or unreachable"},
        ),
        (
            "applicationId=x&numberId=y&trunkId=z",
            dict.fromkeys(("applicationId", "numberId", "trunkId"), "must be a UUID"),
        ),
        ("pending=yes", {"pending": "must be true or false"}),
        ("startedAfter=yesterday", {"startedAfter": TIME}),
        ("startedAfter=2026-06-23", {"startedAfter": TIME}),
        ("startedAfter=2026-06-23T10:31:00", {"startedAfter": TIME}),
        ("startedAfter=2026-13-23T10:31:00Z", {"startedAfter": TIME}),
        ("startedBefore=0001-01-01T00:00:00%2B14:00", {"startedBefore": TIME}),
        ("from=" + "x" * 257, {"from": "must be at most 256 characters"}),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, errors: dict[str, str]) -> None:
    assert tuple(await api.get(f"/v1/calls?{query}")) == (400, invalid(**errors))


async def test_the_log_of_a_call_is_an_array_in_the_order_of_time(api: Api) -> None:
    new = await pending(api)
    api.engine.records.log(new.id, "document", {"url": "http://a", "status": 200}, START + timedelta(seconds=1))
    answer = await api.get(f"/v1/calls/{new.public_id}/events")
    assert answer.status == 200
    received, document = answer.body
    assert received["data"].pop("eventId").startswith("evt_")
    assert received == {
        "at": "2026-06-23T10:31:00.000Z",
        "type": "call.received",
        "data": {"status": "ringing", "outcome": None, "hangupBy": None, "hangupCause": None, "sipCode": None},
    }
    assert document == {
        "at": "2026-06-23T10:31:01.000Z",
        "type": "document",
        "data": {"url": "http://a", "status": 200},
    }


async def test_a_call_cannot_be_deleted(api: Api) -> None:
    answer = await api.delete("/v1/calls/cl_000000000000")
    assert tuple(answer) == (405, error(405, "Method Not Allowed", "DELETE is not allowed here"))
    assert answer.headers["allow"] == "GET, HEAD"
