"""Request bodies: sizes, types, and JSON as hostile as it comes (contract §1, §3)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import json_body
from api.json_body import parse_json
from engine.errors import BadRequest
from engine.limits import JSON_BODY_BYTES
from tests.api.client import BASE, Api, error
from tests.support.effort import effort_below

PATH = "/v1/applications"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "A body is required"),
        (b"{", "The body is not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)"),
        (b'{"name": "x",}', None),
        (b"{'name': 'x'}", None),
        (b'{"name": "x"} {}', None),
        (b'{"name": "x"}\x00', None),
        (b"\xef\xbb\xbf{}", None),
        (b"nonsense", None),
        (b'"text"', "The body must be a JSON object"),
        (b"[]", "The body must be a JSON object"),
        (b"null", "The body must be a JSON object"),
        (b"5", "The body must be a JSON object"),
        (b'{"name": "\xff"}', "The body is not valid UTF-8"),
        (b'{"name": NaN}', "The body is not valid JSON: NaN is not a JSON value"),
        (b'{"name": -Infinity}', "The body is not valid JSON: -Infinity is not a JSON value"),
        (b'{"name": 1e999}', "The body is not valid JSON: a number is out of range"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "The body is not valid JSON: a number has too many digits"),
        (b'{"name": "a", "name": "b"}', "The body is not valid JSON: an object has the same member twice"),
        (b'{"a": {"b": 1, "b": 1}}', "The body is not valid JSON: an object has the same member twice"),
        (b'{"a":' * 50_000, "The body is nested too deeply"),
        (b"[" * 100_000, "The body is nested too deeply"),
        (b'{"name": "a\nb"}', None),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, content: bytes, message: str | None) -> None:
    answer = await api.post(PATH, content=content, headers=JSON)
    assert answer.status == 400
    assert "details" not in answer.body
    if message is not None:
        assert answer.body == error(400, "Bad Request", message)


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udfff\\ud800"])
async def test_text_that_cannot_be_kept_is_named_as_a_wrong_field(api: Api, text: str) -> None:
    answer = await api.post(PATH, content=b'{"name": "%s"}' % text.encode(), headers=JSON)
    assert answer.status == 400
    assert list(answer.body["details"]) == ["name"]
    answer = await api.post(
        PATH, content=b'{"name": "x", "actionUrlHeaders": {"%s": ""}}' % text.encode(), headers=JSON
    )
    assert answer.status == 400
    assert len(answer.body["message"]) >= 1


async def test_what_is_not_known_is_ignored_however_odd(api: Api) -> None:
    odd = b'{"name": "x", "odd\\ud800": {"\\u0000": [1e308, -0.0, 123456789012345678901234567890]}, "id": 5}'
    answer = await api.post(PATH, content=odd, headers=JSON)
    assert answer.status == 201
    assert answer.body["name"] == "x"


@given(st.binary(max_size=200))
def test_whatever_octets_come_only_the_declared_error_is_raised(data: bytes) -> None:
    try:
        parse_json(data)
    except BadRequest as refused:
        assert refused.message


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10))
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/jsonx",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "application/octet-stream",
        ";",
    ],
)
async def test_a_body_of_another_type_is_not_understood(api: Api, media_type: str) -> None:
    answer = await api.post(PATH, content=b'{"name": "x"}', headers={"Content-Type": media_type})
    assert (answer.status, answer.body["error"]) == (415, "Unsupported Media Type")


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_is_recognised_with_its_parameters(api: Api, media_type: str) -> None:
    answer = await api.post(PATH, content=b'{"name": "x"}', headers={"Content-Type": media_type})
    assert answer.status == 201


async def test_a_compressed_body_is_not_understood(api: Api) -> None:
    answer = await api.post(PATH, content=b"\x1f\x8b", headers={**JSON, "Content-Encoding": "gzip"})
    assert tuple(answer) == (415, error(415, "Unsupported Media Type", "The body must not be compressed"))


async def test_a_body_at_the_limit_is_read_and_one_octet_more_is_too_large(api: Api) -> None:
    body = b'{"name": "x", "padding": "%s"}'
    padding = JSON_BODY_BYTES - len(body) + 2
    assert (await api.post(PATH, content=body % (b"x" * padding), headers=JSON)).status == 201
    answer = await api.post(PATH, content=body % (b"x" * (padding + 1)), headers=JSON)
    too_large = (413, error(413, "Payload Too Large", "The body must not be larger than 1048576 bytes"))
    assert tuple(answer) == too_large
    answer = await api.post(PATH, content=b"{}", headers={**JSON, "Content-Length": "9" * 30})
    assert tuple(answer) == too_large


async def test_a_body_without_a_length_is_counted_while_it_arrives(api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b"x" * 65_536

    transport = httpx.ASGITransport(api.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        headers = {**JSON, "Authorization": f"Bearer {api.key}"}
        response = await client.post(PATH, content=endless(), headers=headers)
    assert response.status_code == 413
    assert sent < 2 * JSON_BODY_BYTES


async def test_a_body_that_never_ends_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(json_body, "BODY_SECONDS", 0.01)

    async def silent() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(api.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        headers = {**JSON, "Authorization": f"Bearer {api.key}"}
        response = await client.post(PATH, content=silent(), headers=headers)
    assert response.status_code == 400
    assert "not complete" in response.json()["message"]


async def test_without_a_key_a_large_body_is_not_even_read(api: Api) -> None:
    answer = await api.post(PATH, content=b"x" * (JSON_BODY_BYTES + 1), headers=JSON, key=None)
    assert answer.status == 401


async def test_a_client_that_leaves_gets_no_answer(api: Api) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {api.key}".encode()), (b"content-type", b"application/json")],
    }
    await api.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent == []


async def test_countless_faults_are_not_all_listed(api: Api) -> None:
    answer = await api.post(PATH, {"name": "x", "allowedCallerIds": ["x"] * 500})
    assert answer.status == 400
    assert len(answer.body["message"]) == 100
    answer = await api.post(PATH, {"name": "x", "actionUrlHeaders": {"y" * 5000: ""}})
    assert len(answer.body["message"][0]["field"]) == 200


async def test_a_body_where_none_is_asked_for_is_ignored(api: Api) -> None:
    assert (await api.call("GET", PATH, {"name": 5})).status == 200
    assert tuple(await api.get("/v1/calls/x", content=b"\xff")) == (404, error(404, "Not Found", "Call not found"))
    created = await api.application()
    assert (await api.call("DELETE", f"{PATH}/{created['id']}", content=b"{")).status == 204


@pytest.mark.parametrize(
    "members",
    [
        {"allowedCallerIds": [""] * 200_000},
        {"actionUrlHeaders": {f"é{number}": 1 for number in range(50_000)}},
        {"unknown": [{}] * 200_000},
        {"xmlTemplate": "<Response>" + "<a>" * 300_000},
        {"actionUrl": "http://" + "a-" * 500_000 + "!"},
    ],
)
async def test_a_large_body_of_faults_does_not_hold_up_the_process(api: Api, members: dict[str, object]) -> None:
    with effort_below(700):
        answer = await api.post(PATH, {"name": "x", **members})
    assert answer.status in {201, 400}
