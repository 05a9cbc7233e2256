"""`python -m sdk.generate.node`: writes `sdk/node/src/generated/` from the engine's operations and its verb table.

A test fails when what is checked in is not what this writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from api.app import OPERATIONS
from api.openapi import openapi_document, openapi_operations
from sdk.generate import node_models, node_received, node_resources, node_voyloml
from sdk.generate.received import event_schemas

FOLDER: Final = Path(__file__).parents[1] / "node" / "src" / "generated"


def document() -> dict[str, Any]:
    """The document that the client is made from."""
    url = "http://localhost"
    made = openapi_document((*OPERATIONS, *openapi_operations(OPERATIONS, url)), url)
    # What only the operator of a server may do is no part of a customer's client.
    made["paths"] = {path: item for path, item in made["paths"].items() if not path.startswith("/v1/admin/")}
    return made


def files() -> dict[str, str]:
    """Every generated file by its name."""
    made = document()
    return {
        "actions.ts": node_received.written_actions(),
        "events.ts": node_received.written_events(made),
        "models.ts": node_models.written(made["components"]["schemas"], event_schemas(made)),
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
