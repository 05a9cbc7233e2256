"""Examples of bodies for the OpenAPI document, made from the schemas, so that none can fall behind its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BY_NAME: Final[Mapping[str, Any]] = {
    "name": "Main menu",
    "label": "Main line",
    "description": "CRM",
    "username": "t_5c4d3e2f1a0b",
    "host": "voice.customer.example",
    "realm": "voice.customer.example",
    "port": 5060,
    "contact": "sip:t_5c4d3e2f1a0b@203.0.113.10:5060",
    "sourceIp": "203.0.113.10",
    "uri": "sip:agent@sip.provider.example;transport=tls",
    "url": "https://crm.example/voylo",
    "targetUrl": "https://crm.example/voylo",
    "actionUrl": "https://flows.example/voylo",
    "finishedUrl": "https://flows.example/finished",
    "secret": "whsec_Zk3v9Q1mT7xW5bN2cR8dF4gH6jL0pS1aV3yE5uK7",
    "e164": "+97142345678",
    "from": "+2004446",
    "to": "+201091447677",
    "country": "AE",
    "email": "berta@customer.example",
    "publicId": "cl_a1b2c3d4e5f6",
    "cost": "0.0000",
    "currency": "USD",
    "timezone": "UTC",
    "allowedSourceIps": ["203.0.113.10/32"],
    "allowedCallerIds": ["+97142345678"],
    "customHeaders": {"X-Account": "42"},
    "headers": {"X-Team": "support"},
    "requestHeaders": {"Content-Type": "application/json", "Voylo-Event": "call.completed"},
    "variables": {"order_id": "ORD-1234"},
    "payload": {"event": "call.completed", "event_id": "evt_5c4d3e2f1a0b"},
    "page": 1,
    "limit": 10,
    "totalItems": 1,
    "totalPages": 1,
    "line": 3,
    "column": 5,
    "path": "/Response/Gather[1]",
    "message": "numDigits must be 1 to 64",
}
_UUID: Final = "9b8a7c6d-5e4f-4a2b-9c0d-9e8f7a6b5c4d"
_TIME: Final = "2026-06-23T10:31:00.000Z"


def example(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str = "") -> Any:
    """A value of the schema; `name` is that of the member it stands for."""
    if "$ref" in schema:
        return example(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, name)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], definitions, name)
    return _plain(schema, definitions, name)


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {key: example(member, definitions, key) for key, member in schema["properties"].items()}
    if schema.get("format") == "uuid":
        return _UUID
    if schema.get("format") == "date-time":
        return _TIME
    if name in _BY_NAME and _of_kind(_BY_NAME[name], kind):
        return _BY_NAME[name]
    if kind == "array":
        return [example(schema["items"], definitions, name)]
    if kind == "object":
        return {}
    return {"integer": schema.get("minimum", 1), "number": 1.5, "boolean": True, "null": None}.get(kind or "", "text")


def _of_kind(value: Any, kind: str | None) -> bool:
    return type(value) is {"string": str, "integer": int, "array": list, "object": dict}.get(kind or "")
