"""Text as XML carries it."""

from __future__ import annotations

import re
from typing import Any, Final

_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE: Final = _TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})
# Characters that XML 1.0 cannot carry, and halves of surrogate pairs.
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class VoyloMLError(ValueError):
    """What would not be a valid document; the message is the linter's."""


def in_text(text: str) -> str:
    """The text, for the inside of an element."""
    return text.translate(_TEXT)


def in_attribute(text: str) -> str:
    """The text, for between double quotes."""
    return text.translate(_ATTRIBUTE)


def fit_for_xml(label: str, text: Any) -> str:
    """The text itself. Raises VoyloMLError where it is none, or has a character that XML has no place for."""
    if not isinstance(text, str):
        raise VoyloMLError(f"{label} must be a string, not {type(text).__name__}")
    if _UNFIT.search(text):
        raise VoyloMLError(f"{label} contains a character that XML cannot carry")
    return text
