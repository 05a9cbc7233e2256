"""The OpenAPI 3.1 document, made from the same table and models that route, validate and serialise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.authentication import SESSION_COOKIE, SIGNED_IN
from api.errors import REASONS
from api.examples import example
from api.operation import JSON_MEDIA_TYPE, ApiRequest, Operation
from api.schemas.common import Error
from api.schemas.event import EVENT_MODELS, name_of

DISTRIBUTION: Final = "voylo-engine"
_REF: Final = "#/components/schemas/{model}"

_DESCRIPTION: Final = """Place and receive calls, and tell them in VoyloML what to do.

Authenticate with an API key as bearer token. A key belongs to one workspace; `X-Workspace-Id` may name it and must then
name the right one. Every answer carries `X-Request-Id`, and those to a key the `X-RateLimit-…` headers."""

_ERROR_MESSAGES: Final[Mapping[int, str]] = {
    401: "The API key is not valid",
    402: "The wallet does not cover a minute of this call",
    403: "The role viewer may not do this",
    404: "Application not found",
    409: "The number +97142345678 already exists on this server",
    413: "The body must not be larger than 1048576 bytes",
    415: "The body must be application/json",
    416: "The file has 16044 octets",
    429: "Too many requests with this API key",
    500: "Something went wrong on our side",
    503: "The database did not answer",
}

_REQUEST_ID: Final = {
    "X-Request-Id": {"description": "Names this request in the logs", "schema": {"type": "string", "minLength": 1}}
}
_RATE_LIMIT: Final = {
    "X-RateLimit-Limit": {"description": "Requests per minute of the key", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left at this moment", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "When all of them are back, in seconds of the epoch",
        "schema": {"type": "integer"},
    },
}
_WEBHOOK_HEADERS: Final = {
    "Voylo-Signature": "`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 with the secret over `<t>.<body>`",
    "Voylo-Event": "Name of the event",
    "Voylo-Event-Id": "Stays the same however often the event is sent",
    "Voylo-Delivery-Id": "The entry in the delivery log",
}
_RANGES: Final = {"Accept-Ranges": {"description": "Always `bytes`", "schema": {"type": "string"}}}
_CONTENT_RANGE: Final = {"Content-Range": {"description": "Which octets of how many", "schema": {"type": "string"}}}
_RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}


def openapi_operations(operations: Sequence[Operation], public_url: str) -> list[Operation]:
    """The operations that serve the document, at the root and under `/v1` (contract §1); they are part of it too."""

    async def document(_: ApiRequest) -> Mapping[str, Any]:
        return made()

    @cache
    def made() -> Mapping[str, Any]:
        return openapi_document((*operations, *serving), public_url)

    serving = [
        Operation(
            "GET",
            path,
            name,
            "This document",
            "Documentation",
            document,
            access="public",
            out=dict[str, Any],
        )
        for path, name in (("/openapi.json", "openapi"), ("/v1/openapi.json", "openapiV1"))
    ]
    return serving


def openapi_document(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The document for these operations on the server at `public_url`."""
    inputs: list[tuple[object, JsonSchemaMode, TypeAdapter[Any]]] = []
    for operation in operations:
        if operation.body is not None:
            inputs.append(((operation.name, operation.body), "validation", TypeAdapter(operation.body)))
        if operation.out is not None:
            inputs.append(((operation.name, "out"), "serialization", operation.adapter))
    inputs.append(((None, Error), "serialization", TypeAdapter(Error)))
    inputs += [((None, model), "serialization", TypeAdapter(model)) for model in EVENT_MODELS]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    defined = definitions["$defs"]
    for operation in operations:
        shown = paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
        _add_examples(shown, defined)
        if operation.status == 201:
            shown["responses"]["201"]["links"] = _links(operation, operations)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Voylo engine", "version": _version(), "description": _DESCRIPTION},
        "servers": [{"url": public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "webhooks": {
            name_of(model): {"post": _webhook(name_of(model), schemas[(None, model), "serialization"])}
            for model in EVENT_MODELS
        },
        "components": {
            "schemas": defined,
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: vlx_live_…"},
                "adminToken": {"type": "http", "scheme": "bearer", "description": "`security.admin_token`"},
                "widgetToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a widget session: voywt_…",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "workspace": {"type": "apiKey", "in": "header", "name": "X-Workspace-Id"},
            },
        },
    }


def _add_examples(shown: Mapping[str, Any], defined: Mapping[str, Any]) -> None:
    """An example beside each schema that has none."""
    bodies = [shown["requestBody"]] if "requestBody" in shown else []
    for body in (*bodies, *shown["responses"].values()):
        for media_type, content in body.get("content", {}).items():
            if media_type == JSON_MEDIA_TYPE:
                content.setdefault("example", example(content["schema"], defined))
            elif "schema" in content and body in bodies:
                content.setdefault("example", "<Response><Say>Hello</Say></Response>")


def _operation(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation, schemas),
        "security": _security(operation),
    }
    if operation.description:
        shown["description"] = operation.description
    if operation.body is not None:
        schema = schemas[((operation.name, operation.body), "validation")]
        if operation.body_may_be_null:
            schema = {"anyOf": [schema, {"type": "null"}]}
        content: dict[str, Any] = {JSON_MEDIA_TYPE: {"schema": schema}}
        if operation.xml_body:
            content |= {media_type: {"schema": {"type": "string"}} for media_type in ("application/xml", "text/xml")}
        shown["requestBody"] = {"required": not operation.body_may_be_absent, "content": content}
    return shown


def _webhook(event: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a webhook gets, and the finished URL of an application for the two events that end a call."""
    return {
        "operationId": f"on{''.join(part.title() for part in event.split('.'))}",
        "summary": f"`{event}` happened",
        "tags": ["Webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
            for name, meaning in _WEBHOOK_HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {JSON_MEDIA_TYPE: {"schema": schema}}},
        "responses": {"2XX": {"description": "Taken; anything else is sent again later"}},
        "security": [],
    }


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.access == "public":
        return []
    if operation.access == "operator":
        return [{"adminToken": []}]
    if operation.access == "widget":
        return [{"widgetToken": []}]
    by_key: list[dict[str, list[str]]] = [{"apiKey": []}, {"apiKey": [], "workspace": []}]
    if operation.access == "account":
        return [{"session": [], "workspace": []}]
    if operation.access == "user":
        return [{"session": []}] if operation.name in SIGNED_IN else [*by_key, {"session": []}]
    further: list[dict[str, list[str]]] = [{}] if operation.linked else []
    return [*by_key, {"session": [], "workspace": []}, *further]


def _links(creating: Operation, operations: Sequence[Operation]) -> dict[str, Any]:
    """What can be done with the thing just created: the operations on its `{id}`."""
    collection = creating.path.removesuffix("/import")
    return {
        operation.name: {"operationId": operation.name, "parameters": {"id": "$response.body#/id"}}
        for operation in operations
        if operation.path.startswith(f"{collection}/{{id}}")
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    kinds = {
        "uuid": {"type": "string", "format": "uuid"},
        "call": {
            "type": "string",
            "description": "The public id, or the UUID",
            "pattern": "^(?:cl_[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        },
    }
    kinds["account"] = {"type": "string", "pattern": "^acc_[0-9a-f]{12}$"}
    kinds["workspace"] = {"type": "string", "pattern": "^ws_[0-9a-f]{12}$"}
    return [
        {"name": name, "in": "path", "required": True, "schema": kinds[kind]}
        for name, kind in operation.path_parameters.items()
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = _flat(operation.query)
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(member)}
        for name, member in schema["properties"].items()
    ]


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.file:
        return [
            {
                "name": "Range",
                "in": "header",
                "required": False,
                "description": "One range of octets; several, and what cannot be read, count as none",
                "schema": {"type": "string", "pattern": "^bytes=[0-9]+-[0-9]*$"},
            }
        ]
    if not operation.keyed:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same request does nothing a second time",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]


def _flat(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    assert "$defs" not in schema, "query parameters are plain values"
    return schema


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is absent rather than null."""
    shown = {name: value for name, value in schema.items() if name != "title"}
    if shown.get("default", 0) is None:
        del shown["default"]
    choices = [choice for choice in shown.pop("anyOf", []) if choice != {"type": "null"}]
    return shown | choices[0] if choices else shown


def _responses(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    headers = _REQUEST_ID if operation.access == "public" else _REQUEST_ID | _RATE_LIMIT
    success: dict[str, Any] = {"description": REASON_OF_SUCCESS[operation.status], "headers": headers}
    if operation.out is not None:
        success["content"] = {operation.media_type: {"schema": schemas[((operation.name, "out"), "serialization")]}}
        if operation.media_type != JSON_MEDIA_TYPE:
            success["content"][operation.media_type]["example"] = operation.example
    responses = {str(operation.status): success}
    if operation.file:
        success["headers"] = headers | _RANGES
        responses["206"] = success | {
            "description": "The part of the file that Range asks for",
            "headers": headers | _RANGES | _CONTENT_RANGE,
        }
    for status in operation.statuses:
        responses[str(status)] = _error(status, schemas)
    return responses


def _error(status: int, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"statusCode": status, "error": REASONS[status]}
    if status == 400:
        shown["message"] = [{"field": "name", "message": "is required"}]
        shown["details"] = {"name": ["is required"]}
    else:
        shown["message"] = _ERROR_MESSAGES[status]
    return {
        "description": REASONS[status],
        "headers": _REQUEST_ID | (_RETRY_AFTER if status in {429, 503} else {}),
        "content": {JSON_MEDIA_TYPE: {"schema": schemas[((None, Error), "serialization")], "example": shown}},
    }


REASON_OF_SUCCESS: Final = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content"}


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"
