"""What holds for every request: an id, unknown paths, methods, and failures that stay inside."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from engine.errors import EngineError, Unavailable
from tests.api.client import BASE, Api, error

NOWHERE = error(404, "Not Found", "There is nothing at this path")


@pytest.mark.parametrize("path", ["/healthz", "/v1/calls", "/v1/applications/x", "/nowhere", "/openapi.json"])
async def test_every_answer_carries_a_request_id_of_its_own(api: Api, path: str) -> None:
    for key in (api.key, None):
        ids = [(await api.get(path, key=key)).headers.get_list("x-request-id") for _ in range(2)]
        assert all(len(values) == 1 and re.fullmatch("[0-9a-f]{16}", values[0]) for values in ids)
        assert ids[0] != ids[1]


async def test_no_answer_may_be_kept_by_a_cache(api: Api) -> None:
    for path in ("/v1/calls", "/nowhere", "/healthz"):
        headers = (await api.get(path)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-123_X.y", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False)]
)
async def test_a_plain_request_id_of_the_client_is_taken_over(api: Api, sent: str, kept: bool) -> None:
    answer = await api.get("/healthz", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/calls/", "/v1/nothing", "/v2/calls", "/v1/applications/a/b", "//v1/calls", "/v1/call"],
)
async def test_an_unknown_path_is_not_found_with_or_without_a_key(api: Api, path: str) -> None:
    for key in (api.key, None):
        assert tuple(await api.get(path, key=key)) == (404, NOWHERE)
    assert tuple(await api.post(path, {"a": 1})) == (404, NOWHERE)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/applications", "GET, HEAD, POST"),
        ("POST", "/v1/applications/x", "DELETE, GET, HEAD, PATCH, PUT"),
        ("GET", "/v1/numbers/import", "POST"),
        ("POST", "/v1/numbers/x", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/v1/voyloml/validate", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/v1/calls", "GET, HEAD, POST"),
        ("TRACE", "/v1/calls", "GET, HEAD, POST"),
    ],
)
async def test_a_method_that_is_not_there_is_answered_with_those_that_are(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = await api.call(method, path, key=None)
    assert tuple(answer) == (405, error(405, "Method Not Allowed", f"{method} is not allowed here"))
    assert answer.headers["allow"] == allowed


async def test_head_is_get_without_the_body(api: Api) -> None:
    for path in ("/v1/applications", "/healthz", "/nowhere"):
        got, head = await api.get(path), await api.call("HEAD", path)
        assert head.body is None
        assert head.status == got.status
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_a_bug_is_a_500_that_tells_nothing_and_the_next_request_works(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("the secret is 42")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.engine.records), "get", broken)
        answer = await api.get("/v1/calls/cl_000000000000")
    assert tuple(answer) == (500, error(500, "Internal Server Error", "Something went wrong on our side"))
    assert "x-request-id" in answer.headers
    assert (await api.get("/v1/calls")).status == 200


async def test_a_failure_of_the_engine_that_is_ours_tells_nothing_either(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise EngineError("/var/lib/voylo/secrets.key is unreadable")

    monkeypatch.setattr(type(api.engine.records), "get", broken)
    answer = await api.get("/v1/calls/cl_000000000000")
    assert tuple(answer) == (500, error(500, "Internal Server Error", "Something went wrong on our side"))


async def test_a_database_that_does_not_answer_is_a_503_worth_a_retry(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise Unavailable("the database did not answer", retry_after=2)

    monkeypatch.setattr(type(api.engine.records), "get", fails)
    answer = await api.get("/v1/calls/cl_000000000000")
    assert tuple(answer) == (503, error(503, "Service Unavailable", "the database did not answer"))
    assert answer.headers["retry-after"] == "2"


async def test_a_closed_store_is_a_503_on_every_operation_that_needs_it(api: Api) -> None:
    await api.get("/v1/calls")
    await api.engine.store.close()
    for path in ("/v1/calls", "/v1/calls/cl_000000000000", "/v1/applications", "/v1/numbers", "/v1/workspaces"):
        assert (await api.get(path)).status == 503
    assert (await api.post("/v1/applications", {"name": "x"})).status == 503
    assert (await api.get("/healthz")).status == 200


async def test_a_connection_that_breaks_while_answering_is_left_to_the_server(api: Api) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("broken pipe")

    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": []}
    with pytest.raises(OSError, match="broken pipe"):
        await api.app(scope, receive, send)  # type: ignore[arg-type]


async def test_a_web_socket_is_turned_away(api: Api) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await api.app({"type": "websocket", "path": "/v1/calls", "headers": []}, receive, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_failure_is_logged_with_the_id_of_its_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(api.engine.records), "get", broken)
    with capture_logs(processors=[merge_contextvars]) as logs:
        await api.get("/v1/calls/cl_000000000000", headers={"X-Request-Id": "mine"})
    assert [(entry["event"], entry["request"]) for entry in logs] == [("api.failed", "mine")]


async def test_an_odd_path_is_not_found(api: Api) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url=BASE) as client:
        for path in ("/%00", "/v1%00/calls", "/\u00e4", "/" + "x" * 50_000):
            assert (await client.get(path)).status_code == 404
