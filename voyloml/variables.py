"""Custom variables and the placeholders of static templates (contract §12).

Substitution works on the text of a template, once, before it is parsed. A value can only ever become text: it is
escaped, it cannot end a CDATA section, and placeholders in comments are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from voyloml.errors import Code, DocumentError, VariableError
from voyloml.limits import DEFAULT_LIMITS, LanguageLimits

Scalar: TypeAlias = str | int | float | bool

KEY_PATTERN: Final = "^[A-Za-z_][A-Za-z0-9_]{0,63}$"
BUILT_IN: Final = ("CallSid", "From", "To", "Direction")
"""Known in every template, unless a custom key of that name exists."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SHOWN_KEY_CHARS = 80
_PLACEHOLDER = re.compile(r"\{\{ *([A-Za-z_][A-Za-z0-9_]{0,63}) *\}\}")
_SECTION = re.compile(r"<!--|<!\[CDATA\[")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES: dict[int, str | None] = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("'"): "&apos;",
    # XML 1.0 §2.2: characters no document can hold, not even as a reference.
    **dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000))),
}


def validate_variables(
    obj: Mapping[str, object], limits: LanguageLimits = DEFAULT_LIMITS
) -> dict[str, str | int | float | bool]:
    """The variables of a call, checked by contract §12.

    Raises VariableError with every broken rule as `(field, message)`; the field is `variables` or `variables.<key>`.
    """
    if len(obj) > limits.variables:
        raise VariableError([("variables", f"must have at most {limits.variables} keys, not {len(obj)}")])
    checked: dict[str, Scalar] = {}
    problems: list[tuple[str, str]] = []
    size = 0
    for key, value in obj.items():
        field = f"variables.{key[:_SHOWN_KEY_CHARS]}"
        if not _KEY.fullmatch(key):
            problems.append((field, f"key must match {KEY_PATTERN}"))
            continue
        if not isinstance(value, str | int | float):
            problems.append((field, "must be a string, a number or a boolean"))
            continue
        text = as_text(value)
        if text is None:
            problems.append((field, "must be a finite number"))
        elif len(text) > limits.variable_chars:
            problems.append((field, f"must have at most {limits.variable_chars} characters as text"))
        elif _SURROGATE.search(text):
            problems.append((field, "must be Unicode text, without halves of surrogate pairs"))
        else:
            checked[key] = value
            size += len(key) + len(text.encode())
    if size > limits.variables_bytes:
        problems.append(("variables", f"must have at most {limits.variables_bytes} bytes, keys and values together"))
    if problems:
        raise VariableError(problems)
    return checked


def as_text(value: Scalar) -> str | None:
    """A value as templates and requests carry it: numbers in their JSON form, booleans as `true` and `false`.

    None for a number that JSON has no form for.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        # Not finite, or an integer of more digits than Python turns into text.
        return None


def escape(text: str) -> str:
    """`text` as XML character data, fit for attribute values too. Characters that XML forbids are dropped."""
    return text.translate(_ESCAPES)


class Piece(NamedTuple):
    """A stretch `text` of a template from the character offset `start`: literal, or the placeholder of `key`."""

    start: int
    text: str
    key: str | None = None
    in_cdata: bool = False


def pieces(template: str) -> Iterator[Piece]:
    """Cuts a template into literal stretches and placeholders, in order and without gaps."""
    position = 0
    while (section := _SECTION.search(template, position)) is not None:
        yield from _placeholders(template, position, section.start())
        in_comment = section.group() == "<!--"
        end = template.find("-->" if in_comment else "]]>", section.end())
        if end < 0 or in_comment:
            # A comment stays as it is. So does a section that never ends: such a template is not well formed anyway.
            position = len(template) if end < 0 else end
            yield Piece(section.start(), template[section.start() : position])
        else:
            yield from _placeholders(template, section.start(), end, in_cdata=True)
            position = end
    yield from _placeholders(template, position, len(template))


def _placeholders(template: str, start: int, end: int, *, in_cdata: bool = False) -> Iterator[Piece]:
    for match in _PLACEHOLDER.finditer(template, start, end):
        if match.start() > start:
            yield Piece(start, template[start : match.start()])
        yield Piece(match.start(), match.group(), match.group(1), in_cdata)
        start = match.end()
    if start < end:
        yield Piece(start, template[start:end])


@dataclass(frozen=True, slots=True)
class Substitution:
    """A template with its placeholders filled in; `missing` are the keys that had no value, each once."""

    text: str
    missing: tuple[str, ...]


def substitute(template: str, values: Mapping[str, Scalar], limits: LanguageLimits = DEFAULT_LIMITS) -> Substitution:
    """Fills the placeholders of `template`; a key without value becomes the empty string.

    Raises DocumentError `too_large` when the result would exceed the size of a document: a short placeholder can
    stand for a long value many times over.
    """
    if "{{" not in template:
        return Substitution(template, ())
    missing: dict[str, None] = {}

    def value_of(key: str) -> str:
        value = values.get(key)
        text = None if value is None else as_text(value)
        if text is None:
            missing[key] = None
            return ""
        return escape(text)

    text = "".join(text for _, text in fill(template, value_of, limits.document_bytes))
    return Substitution(text, tuple(missing))


def fill(template: str, value_of: Callable[[str], str], most: int) -> Iterator[tuple[Piece, str]]:
    """The pieces of `template`, each with its text or, for a placeholder, `value_of(key)`, which is XML already.

    Raises DocumentError `too_large` as soon as the texts together have more than `most` characters.
    """
    size = 0
    for piece in pieces(template):
        text = piece.text
        if piece.key is not None:
            text = value_of(piece.key)
            if piece.in_cdata:
                # The value stands outside the section: inside it could help to end it, and escapes would show.
                text = f"]]>{text}<![CDATA["
        size += len(text)
        if size > most:
            message = f"with its variables filled in, the template has more than {most} bytes"
            raise DocumentError(Code.TOO_LARGE, message)
        yield piece, text
