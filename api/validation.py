"""Checking values with the pydantic models, and saying what is wrong in the words of contract §3.

Each message says what would be right ("must be an integer"), under a dotted path with the names of the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.errors import FieldError

M = TypeVar("M", bound=BaseModel)

_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode text",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing_size": "is out of range",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be an array",
    "none_required": "must be null",
}


def validate(model: type[M], values: object, prefix: str = "") -> tuple[M | None, list[FieldError]]:
    """The model made of `values`, or every error found."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, [FieldError(prefix + _path(detail), _message(detail)) for detail in details]


def _path(detail: ErrorDetails) -> str:
    # pydantic marks a fault in a key, as opposed to its value, by one more step.
    return ".".join(str(step) for step in detail["loc"] if step != "[key]")


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind == "literal_error":
        return "must be " + str(context["expected"]).replace("'", "")
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    if kind == "too_short":
        return f"must have at least {context['min_length']} entries"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}"
    return detail["msg"]


def merged(*lists: Sequence[FieldError]) -> list[FieldError]:
    """The errors of several checks, without what an earlier check has said about the same field."""
    result: list[FieldError] = []
    named: set[str] = set()
    for errors in lists:
        fresh = [error for error in errors if error.field not in named]
        result.extend(fresh)
        named.update(error.field for error in errors)
    return result
