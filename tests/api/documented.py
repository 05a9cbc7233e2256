"""Every answer that a test gets is held against the OpenAPI document: its status and its body must be in it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import httpx
import jsonschema
from jsonschema.exceptions import best_match

from api.app import OPERATIONS
from api.openapi import openapi_document

NOT_OPERATIONS = {"/v1/openapi.json", "/v1/phone.js"}
"""What is under /v1 beside the operations: the document itself, and the script of the phone for pages."""


@cache
def document() -> dict[str, Any]:
    return openapi_document(OPERATIONS, "http://api.test")


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    # Fixed paths before those with parameters, as /v1/numbers/import before /v1/numbers/{id}.
    paths = sorted(document()["paths"], key=lambda path: "{" in path)
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


@cache
def _validator(path: str, method: str, status: str) -> jsonschema.Draft202012Validator | None:
    responses = document()["paths"][path][method]["responses"]
    assert status in responses, f"{method} {path} answers {status}, which is not in the document"
    content = responses[status].get("content")
    if content is None:
        return None
    (shown,) = content.values()
    schema = shown["schema"] | {"components": document()["components"]}
    return jsonschema.Draft202012Validator(schema)


def check_documented(method: str, url: str, status: int, body: Any) -> None:
    """Raises AssertionError for an answer under /v1 that is not in the document, and for one of an operation that is.

    What the document does not have is not there (404) or not allowed (405); HEAD is answered as GET.
    """
    path = url.partition("?")[0]
    known = next((template for pattern, template in _patterns() if pattern.fullmatch(path)), None)
    if known is None:
        there = path.startswith("/v1/") and path not in NOT_OPERATIONS and status != 404
        assert not there, f"{method} {path} answers {status}, and the document has no such path"
        return
    methods = document()["paths"][known]
    if method == "HEAD" and "get" in methods:
        assert str(status) in methods["get"]["responses"], f"HEAD {path} answers {status}, which is not in the document"
        return
    if method.lower() not in methods:
        assert status == 405, f"{method} {path} answers {status}, which is not in the document"
        return
    validator = _validator(known, method.lower(), str(status))
    if validator is None:
        assert body is None, f"{method} {path} has a body, which is not in the document"
        return
    fault = best_match(validator.iter_errors(body))
    assert fault is None, f"{method} {path} answers outside the document: {fault}"


def documented_client(**options: Any) -> httpx.AsyncClient:
    """A client, with these options, that holds every answer against the document."""
    return httpx.AsyncClient(**options, event_hooks={"response": [_hold_against_document]})


async def _hold_against_document(response: httpx.Response) -> None:
    await response.aread()
    is_json = response.headers.get("content-type") == "application/json"
    body = (response.json() if is_json else response.text) if response.content else None
    check_documented(response.request.method, response.request.url.path, response.status_code, body)
