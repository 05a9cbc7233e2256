"""Every answer that a test gets is held against the OpenAPI document: its status and its body must be in it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match

from api.app import OPERATIONS
from api.openapi import openapi_document


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
    """Raises AssertionError for an answer of a documented operation that is not in the document."""
    path = url.partition("?")[0]
    known = next((template for pattern, template in _patterns() if pattern.fullmatch(path)), None)
    if known is None or method.lower() not in document()["paths"][known]:
        return
    validator = _validator(known, method.lower(), str(status))
    if validator is None:
        assert body is None, f"{method} {path} has a body, which is not in the document"
        return
    fault = best_match(validator.iter_errors(body))
    assert fault is None, f"{method} {path} answers outside the document: {fault}"
