"""`python -m sdk.generate.node`: writes `sdk/node/src/generated/` from the engine's operations and its verb table.

A test fails when what is checked in is not what this writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from api.app import OPERATIONS
from api.openapi import openapi_document, openapi_operations
from sdk.generate import node_models, node_resources, node_voyloml

FOLDER: Final = Path(__file__).parents[1] / "node" / "src" / "generated"

_PLACE_CALL: Final[Mapping[str, Any]] = {
    "operationId": "createCall",
    "summary": "Place a call",
    "parameters": [],
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/CallCreate"}}}},
    "responses": {"202": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/CallPlaced"}}}}},
}
"""Contract §6.1, for engines whose document does not have it."""

_PLACE_CALL_SCHEMAS: Final[Mapping[str, Any]] = {
    "CallCreate": {
        "description": "A call to place.",
        "type": "object",
        "required": ["from", "to", "applicationId"],
        "properties": {
            "from": {"type": "string", "description": "An active number of this workspace"},
            "to": {"type": "string", "description": "E.164 number or SIP URI"},
            "applicationId": {"type": "string", "description": "The application that runs once the callee answers"},
            "variables": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
            },
            "timeout": {"type": "integer", "minimum": 5, "maximum": 120, "default": 45, "description": "Ring seconds"},
            "timeLimit": {
                "type": "integer", "minimum": 1, "maximum": 14400, "default": 14400, "description": "Talk seconds",
            },
            "record": {"type": "boolean", "default": False},
            "machineDetection": {"enum": ["none", "enable", "detectMessageEnd"], "default": "none"},
            "sipHeaders": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
    "CallPlaced": {
        "description": "A call that is being dialled.",
        "type": "object",
        "required": ["publicId", "status"],
        "properties": {"publicId": {"type": "string"}, "status": {"const": "dialing"}},
    },
}  # fmt: skip


def document() -> dict[str, Any]:
    """The document that the client is made from."""
    url = "http://localhost"
    made = openapi_document((*OPERATIONS, *openapi_operations(OPERATIONS, url)), url)
    calls = made["paths"]["/v1/calls"]
    if "post" not in calls:
        calls["post"] = _PLACE_CALL
        made["components"]["schemas"] |= _PLACE_CALL_SCHEMAS
    return made


def files() -> dict[str, str]:
    """Every generated file by its name."""
    made = document()
    return {
        "models.ts": node_models.written(made["components"]["schemas"]),
        "resources.ts": node_resources.written(made),
        "voyloml.ts": node_voyloml.written(),
    }


def main() -> None:
    """Writes every file whose text has changed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
            print(path)


if __name__ == "__main__":
    main()
