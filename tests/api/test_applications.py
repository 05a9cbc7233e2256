"""`/v1/applications` (contract §7): right and wrong input, whole bodies."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.client import Api, error, invalid

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = (404, error(404, "Not Found", "Application not found"))
NOT_A_UUID = (400, invalid(id="must be a UUID"))
URL = "must be an absolute http or https URL of at most 2048 characters, without user name"
HEADER_NAME = "must be an HTTP header name of at most 128 characters, and none that the engine sets itself"
HEADER_VALUE = "must be at most 1024 printable ASCII characters"
TRUNK = "must be an inbound trunk of this workspace"

FULL: dict[str, Any] = {
    "name": "Menu",
    "actionUrl": "https://flows.example/voylo?x=1",
    "actionUrlHeaders": {"Authorization": "Bearer t"},
    "xmlTemplate": "<Response><Say>Hello {{name}}</Say></Response>",
    "finishedUrl": "http://127.0.0.1:9000/finished",
    "finishedUrlHeaders": {"X-Key": ""},
    "inboundTrunkId": None,
    "recording": "always",
    "allowedCallerIds": ["+2004446", "+97142345678"],
}


async def test_an_application_is_created_with_everything_given(api: Api) -> None:
    answer = await api.post("/v1/applications", {**FULL, "unknown": "member"})
    body = dict(answer.body)
    assert answer.status == 201
    assert re.fullmatch("whsec_[A-Za-z0-9]{40}", body.pop("signingSecret"))
    assert re.fullmatch("[0-9a-f-]{36}", body.pop("id"))
    assert body.pop("createdAt") == body.pop("updatedAt") == "2026-06-23T10:31:00.000Z"
    assert body == FULL


async def test_what_is_not_given_has_its_default(api: Api) -> None:
    body = await api.application("Menu")
    assert {name: body[name] for name in FULL} == {
        "name": "Menu",
        "actionUrl": None,
        "actionUrlHeaders": {},
        "xmlTemplate": None,
        "finishedUrl": None,
        "finishedUrlHeaders": {},
        "inboundTrunkId": None,
        "recording": "per_call",
        "allowedCallerIds": [],
    }


async def test_one_application_is_read_without_its_secret(api: Api) -> None:
    created = await api.application(**{**FULL, "name": "Menu"})
    secret = created.pop("signingSecret")
    answer = await api.get(f"/v1/applications/{created['id'].upper()}")
    assert (answer.status, answer.body) == (200, created)
    assert secret not in str(answer.body)


async def test_caller_ids_are_normalised_and_kept_once(api: Api) -> None:
    body = await api.application(allowedCallerIds=["97142345678", "+971 4 234-5678", "+2004446"])
    assert body["allowedCallerIds"] == ["+97142345678", "+2004446"]


@pytest.mark.parametrize(
    ("member", "value", "errors"),
    [
        ("name", None, {"name": "must be a string"}),
        ("name", "", {"name": "must be 1 to 120 characters"}),
        ("name", "x" * 121, {"name": "must be 1 to 120 characters"}),
        ("name", "nul\x00", {"name": "must be 1 to 120 characters"}),
        ("name", 5, {"name": "must be a string"}),
        ("actionUrl", "flows.example/a", {"actionUrl": URL}),
        ("actionUrl", "/relative", {"actionUrl": URL}),
        ("actionUrl", "ftp://flows.example", {"actionUrl": URL}),
        ("actionUrl", "https://user:pass@flows.example", {"actionUrl": URL}),
        ("actionUrl", "https://", {"actionUrl": URL}),
        ("actionUrl", "https://host:0/", {"actionUrl": URL}),
        ("actionUrl", "https://host:65536/", {"actionUrl": URL}),
        ("actionUrl", "https://ho st/", {"actionUrl": URL}),
        ("actionUrl", "https://host/\r\nX: y", {"actionUrl": URL}),
        ("actionUrl", "https://[::g]/", {"actionUrl": URL}),
        ("actionUrl", "https://host/" + "x" * 2048, {"actionUrl": URL}),
        ("actionUrl", False, {"actionUrl": "must be a string"}),
        ("finishedUrl", "nowhere", {"finishedUrl": URL}),
        ("actionUrlHeaders", None, {"actionUrlHeaders": "must be an object"}),
        ("actionUrlHeaders", [], {"actionUrlHeaders": "must be an object"}),
        ("actionUrlHeaders", {"hOsT": "x"}, {"actionUrlHeaders.hOsT": HEADER_NAME}),
        ("actionUrlHeaders", {"Voylo-Signature": "x"}, {"actionUrlHeaders.Voylo-Signature": HEADER_NAME}),
        ("actionUrlHeaders", {"A B": "x"}, {"actionUrlHeaders.A B": HEADER_NAME}),
        ("actionUrlHeaders", {"": "x"}, {"actionUrlHeaders.": HEADER_NAME}),
        ("actionUrlHeaders", {"A": "line\nbreak"}, {"actionUrlHeaders.A": HEADER_VALUE}),
        ("actionUrlHeaders", {"A": "x" * 1025}, {"actionUrlHeaders.A": HEADER_VALUE}),
        ("actionUrlHeaders", {"A": 1}, {"actionUrlHeaders.A": "must be a string"}),
        (
            "actionUrlHeaders",
            {f"X-{number}": "" for number in range(21)},
            {"actionUrlHeaders": "must have at most 20 entries"},
        ),
        ("finishedUrlHeaders", {"Content-Type": "x"}, {"finishedUrlHeaders.Content-Type": HEADER_NAME}),
        ("recording", "sometimes", {"recording": "must be always, never or per_call"}),
        ("recording", None, {"recording": "must be always, never or per_call"}),
        ("allowedCallerIds", "x", {"allowedCallerIds": "must be an array"}),
        ("allowedCallerIds", ["+2004446", "12"], {"allowedCallerIds.1": "must be an E.164 number"}),
        ("allowedCallerIds", ["+2004446"] * 1001, {"allowedCallerIds": "must have at most 1000 entries"}),
        ("inboundTrunkId", "x", {"inboundTrunkId": "must be a UUID"}),
        ("inboundTrunkId", UNKNOWN, {"inboundTrunkId": TRUNK}),
        ("xmlTemplate", {}, {"xmlTemplate": "must be a string"}),
    ],
)
async def test_a_wrong_member_is_named_when_creating_and_when_changing(
    api: Api, member: str, value: Any, errors: dict[str, str]
) -> None:
    expected = invalid(**{name.replace(".", "__"): text for name, text in errors.items()})
    answer = await api.post("/v1/applications", {"name": "Menu", member: value})
    assert (answer.status, answer.body) == (400, expected)
    created = await api.application()
    created.pop("signingSecret")
    answer = await api.patch(f"/v1/applications/{created['id']}", {member: value})
    assert (answer.status, answer.body) == (400, expected)
    assert (await api.get(f"/v1/applications/{created['id']}")).body == created


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "HTTPS://Flows.Example:8443/a/b?c=d#e",
        "http://192.168.1.5:9000/",
        "http://[2001:db8::1]:8080/x",
        "http://my_service/path",
        "https://host?query",
        "https://host/%7Bname%7D/@user",
    ],
)
async def test_an_absolute_url_is_kept_as_it_is(api: Api, url: str) -> None:
    assert (await api.application(actionUrl=url))["actionUrl"] == url


async def test_every_wrong_member_is_named_at_once(api: Api) -> None:
    answer = await api.post(
        "/v1/applications",
        {
            "actionUrl": 5,
            "finishedUrlHeaders": {"A B": "x", "C": "\t"},
            "recording": "maybe",
            "xmlTemplate": "<Nope/>",
            "inboundTrunkId": UNKNOWN,
        },
    )
    assert answer.status == 400
    assert [fault["field"] for fault in answer.body["message"]] == [
        "name",
        "actionUrl",
        "finishedUrlHeaders.A B",
        "finishedUrlHeaders.C",
        "recording",
        "xmlTemplate",
        "inboundTrunkId",
    ]
    assert list(answer.body["details"]) == [fault["field"] for fault in answer.body["message"]]


async def test_a_fault_in_a_template_is_named_with_its_place(api: Api) -> None:
    answer = await api.post("/v1/applications", {"name": "M", "xmlTemplate": "<Response>\n <Dail/>\n</Response>"})
    assert answer.status == 400
    (fault,) = answer.body["details"]["xmlTemplate"]
    assert fault.startswith("line 2, column 2: <Dail>")


async def test_several_faults_of_a_template_are_all_listed(api: Api) -> None:
    answer = await api.post("/v1/applications", {"name": "M", "xmlTemplate": "<Response><A/><B/></Response>"})
    assert len(answer.body["details"]["xmlTemplate"]) == 2
    assert len(answer.body["message"]) == 2


async def test_a_template_over_its_size_is_refused_by_the_language(api: Api) -> None:
    answer = await api.post("/v1/applications", {"name": "M", "xmlTemplate": "<Response>" + " " * 262_144})
    assert answer.status == 400
    assert list(answer.body["details"]) == ["xmlTemplate"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_change_touches_only_what_it_names(api: Api, method: str) -> None:
    created = await api.application(**FULL)
    created.pop("signingSecret")
    path = f"/v1/applications/{created['id']}"
    assert tuple(await api.call(method, path, {})) == (200, created)
    api.engine.clock.advance(seconds=1)
    answer = await api.call(method, path, {"name": "Night", "actionUrl": None, "allowedCallerIds": []})
    changed = created | {
        "name": "Night",
        "actionUrl": None,
        "allowedCallerIds": [],
        "updatedAt": "2026-06-23T10:31:01.000Z",
    }
    assert tuple(answer) == (200, changed)
    assert tuple(await api.get(path)) == (200, changed)


async def test_a_deleted_application_is_gone_and_numbers_keep_its_id(api: Api) -> None:
    created = await api.application()
    number = await api.number(destination={"kind": "application", "id": created["id"]})
    path = f"/v1/applications/{created['id']}"
    answer = await api.delete(path)
    assert (answer.status, answer.body) == (204, None)
    assert "content-type" not in answer.headers
    for method in ("GET", "DELETE"):
        assert tuple(await api.call(method, path)) == NOT_FOUND
    assert (await api.get(f"/v1/numbers/{number['id']}")).body == number


async def test_a_rotated_secret_is_another_one(api: Api) -> None:
    created = await api.application()
    answer = await api.post(f"/v1/applications/{created['id']}/signing-secret/rotate")
    assert answer.status == 200
    assert list(answer.body) == ["signingSecret"]
    assert re.fullmatch("whsec_[A-Za-z0-9]{40}", answer.body["signingSecret"])
    assert answer.body["signingSecret"] != created["signingSecret"]


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", ...),
        ("PATCH", "", {"name": "x"}),
        ("PUT", "", {}),
        ("DELETE", "", ...),
        ("POST", "/signing-secret/rotate", ...),
    ],
)
async def test_an_id_that_is_unknown_or_no_uuid_is_told_apart(api: Api, method: str, suffix: str, body: Any) -> None:
    assert tuple(await api.call(method, f"/v1/applications/{UNKNOWN}{suffix}", body)) == NOT_FOUND
    assert tuple(await api.call(method, f"/v1/applications/x{suffix}", body)) == NOT_A_UUID


async def test_a_wrong_id_and_a_wrong_body_are_named_together(api: Api) -> None:
    answer = await api.patch("/v1/applications/x", {"name": ""})
    assert tuple(answer) == (400, invalid(id="must be a UUID", name="must be 1 to 120 characters"))


async def test_the_list_holds_trimmed_items_newest_first(api: Api) -> None:
    for name in ("First", "Second"):
        await api.application(name, actionUrl="http://a.example")
        api.engine.clock.advance(seconds=1)
    answer = await api.get("/v1/applications")
    ids = [item.pop("id") for item in answer.body["data"]]
    assert len(set(ids)) == 2
    assert tuple(answer) == (
        200,
        {
            "data": [
                {"name": name, "actionUrl": "http://a.example", "finishedUrl": None, "recording": "per_call"}
                for name in ("Second", "First")
            ],
            "pagination": {"page": 1, "limit": 10, "totalItems": 2, "totalPages": 1},
        },
    )


async def test_the_list_is_searched_and_paged(api: Api) -> None:
    for number in range(12):
        await api.application(f"App {number:02}")
        api.engine.clock.advance(seconds=1)
    answer = await api.get("/v1/applications?search=aPP%201&page=2&limit=1&unknown=x")
    assert [item["name"] for item in answer.body["data"]] == ["App 10"]
    assert answer.body["pagination"] == {"page": 2, "limit": 1, "totalItems": 2, "totalPages": 2}
    answer = await api.get("/v1/applications?page=2")
    assert [item["name"] for item in answer.body["data"]] == ["App 01", "App 00"]
