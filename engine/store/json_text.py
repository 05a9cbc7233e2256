"""JSON as the store keeps it in text columns: compact UTF-8, without what a text column cannot hold."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic_core import from_json, to_json

# An escaped NUL, and not the end of an escaped backslash followed by the characters "u0000".
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump_json(value: object) -> str:
    """`value` as JSON text. Never raises for mappings, lists and plain values: what JSON lacks becomes its `str`.

    Infinities and NaN become null, lone surrogates and NUL characters `?`.
    """
    try:
        text = to_json(value, inf_nan_mode="null", fallback=str).decode()
    except ValueError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        text = text.encode("utf-8", "replace").decode()
    return _NUL.sub(r"\1?", text) if "\\u0000" in text else text


def load_json(text: str) -> Any:
    """The value of stored JSON text."""
    return from_json(text)


def storable(text: str) -> str:
    """`text` without what a text column cannot hold: lone surrogates and NUL characters become `?`."""
    if text.isascii():
        return text.replace("\x00", "?") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")
