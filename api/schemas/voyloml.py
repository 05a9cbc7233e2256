"""Bodies of `/v1/voyloml/validate` (contract §10.9)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from api.schemas.common import Input, Output
from api.schemas.fields import TextRule
from voyloml import Code

Document = Annotated[str, TextRule("must not be empty", 1_048_576, 1, extra={"contentMediaType": "application/xml"})]


Variables = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"},
            "additionalProperties": {
                "anyOf": [{"type": "string", "maxLength": 1024}, {"type": "number"}, {"type": "boolean"}]
            },
            "maxProperties": 50,
        }
    ),
]
"""Checked by the language's own rules (contract §12); this only shows them."""


class ValidateDocument(Input):
    """A document, and the variables it is filled with."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"xml": "<Response><Say>Hello {{name}}</Say></Response>", "variables": {}}]}
    )

    xml: Document
    variables: Variables | None = Field(
        None, description="Values by name, as in a call; unknown placeholders are warned of when they are given"
    )


class DiagnosticOut(Output):
    """A fault and its place."""

    line: int
    column: int
    path: str
    code: Code
    message: str


class Validation(Output):
    """What the linter found; valid when there are no errors."""

    valid: bool
    errors: list[DiagnosticOut]
    warnings: list[DiagnosticOut]
