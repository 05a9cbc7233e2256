"""The clients of the tests refuse answers that are not in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.client import error
from tests.api.documented import documented_client

NOT_FOUND = error(404, "Not Found", "Not found")


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/v1/webhooks/events", 200, [1]),
        ("GET", "/v1/webhooks/events", 418, []),
        ("GET", "/v1/applications", 401, {"message": "no"}),
        ("GET", "/v1/secrets", 200, []),
        ("PUT", "/v1/applications", 200, {}),
        ("HEAD", "/v1/applications", 418, None),
        ("POST", "/v1/auth/logout", 204, {}),
    ],
)
async def test_an_answer_outside_the_document_fails(method: str, path: str, status: int, body: Any) -> None:
    with pytest.raises(AssertionError, match=r"document$|document:|document has"):
        await _ask(method, path, status, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/v1/webhooks/events", 200, ["call.placed"]),
        ("HEAD", "/v1/webhooks/events", 200, None),
        ("PUT", "/v1/webhooks/events", 405, error(405, "Method Not Allowed", "PUT is not allowed here")),
        ("GET", "/v1/secrets", 404, NOT_FOUND),
        ("POST", "/v1/auth/logout", 204, None),
        ("GET", "/a-page-of-the-customer", 200, {}),
    ],
)
async def test_an_answer_in_the_document_is_handed_on(method: str, path: str, status: int, body: Any) -> None:
    assert (await _ask(method, path, status, body)).status_code == status


async def _ask(method: str, path: str, status: int, body: Any) -> httpx.Response:
    answer = httpx.Response(status) if body is None else httpx.Response(status, json=body)
    async with documented_client(transport=httpx.MockTransport(lambda _: answer), base_url="http://api.test") as client:
        return await client.request(method, path)
