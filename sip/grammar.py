"""The pieces of RFC 3261 §25 that several header fields share: tokens, quoted strings, comma and parameter lists.

Every function passes over its text once, so a hostile value costs time in proportion to its length. White space means
SP and HTAB: folding has been undone before anything here is called.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from sip.errors import LocalProtocolError, SipParseError

Params: TypeAlias = tuple[tuple[str, str | None], ...]
"""Parameters in order, names as sent; ``None`` marks one without value. Header values keep their quotes."""

WS = " \t"

is_token = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+").fullmatch
"""Matches a whole ``token`` (RFC 3261 §25.1)."""

find_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]").search
"""Finds what text of ours may not hold: controls other than HTAB, and lone surrogates, which UTF-8 cannot carry."""

_is_param_value = re.compile(r"[!#$%&'()*+\-./0-9:=?@A-Z\[\]^_`a-z{|}~]*").fullmatch
_find_delimiter = re.compile(r'[",<]').search
_quoted_pair = re.compile(r"\\(.?)", re.DOTALL)
_controls = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

# Known to be tokens: spares the hot path a look at every character.
_USUAL_NAMES = frozenset({"tag", "branch", "rport", "received", "expires", "q", "lr"})


def closing_quote(text: str, start: int, field: str) -> int:
    """Index of the quote that ends the quoted string which ``text[start]`` opens; SipParseError when there is none."""
    position = start + 1
    while True:
        end = text.find('"', position)
        if end < 0:
            raise SipParseError("Unterminated quoted string", field=field)
        backslash = text.find("\\", position, end)
        if backslash < 0:
            return end
        position = backslash + 2


def unquote(inside: str) -> str:
    """What the inside of a quoted string says: backslash escapes undone."""
    return _quoted_pair.sub(r"\1", inside) if "\\" in inside else inside


def quote(text: str) -> str:
    """``text`` as a quoted string, without the characters :data:`find_control` finds, and without HTAB."""
    escaped = strip_controls(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def strip_controls(text: str) -> str:
    """``text`` without control characters and lone surrogates."""
    return _controls.sub("", text)


def split_list(value: str, field: str) -> list[str]:
    """Split at the commas outside of quoted strings and angle brackets (RFC 3261 §7.3.1), each part stripped.

    Empty parts are kept, they fail where parts are parsed. SipParseError when a quote or a bracket stays open.
    """
    if "," not in value:
        return [value.strip(WS)]
    parts = []
    start = position = 0
    while (found := _find_delimiter(value, position)) is not None:
        position = found.start()
        delimiter = value[position]
        if delimiter == ",":
            parts.append(value[start:position].strip(WS))
            start = position = position + 1
        elif delimiter == '"':
            position = closing_quote(value, position, field) + 1
        else:
            end = value.find(">", position)
            if end < 0:
                raise SipParseError("Unbalanced angle bracket", field=field)
            position = end + 1
    parts.append(value[start:].strip(WS))
    return parts


def parse_params(text: str, field: str) -> Params:
    """Parse ``;name=value;flag`` (``generic-param``), which must be all of ``text``.

    Lenient where deployed software is: a value may be empty or hold any visible ASCII but separators. SipParseError for
    an empty parameter, a name that is no token, and anything outside of a parameter.
    """
    if not text:
        return ()
    parts = text.split(";") if '"' not in text else _split_params(text, field)
    if parts[0].strip(WS):
        raise SipParseError("Malformed parameters", field=field)
    params: list[tuple[str, str | None]] = []
    for part in parts[1:]:
        name, equals, value = part.partition("=")
        if name not in _USUAL_NAMES:
            name = name.strip(WS)
            if not is_token(name):
                raise SipParseError("Malformed parameter name", field=field)
        if not equals:
            params.append((name, None))
            continue
        value = value.strip(WS)
        if not _is_param_value(value) and not (value[0] == '"' and closing_quote(value, 0, field) == len(value) - 1):
            raise SipParseError("Malformed parameter value", field=field)
        params.append((name, value))
    return tuple(params)


def _split_params(text: str, field: str) -> list[str]:
    """Split at the semicolons outside of quoted strings."""
    parts = []
    start = position = 0
    while True:
        semicolon = text.find(";", position)
        opening = text.find('"', position, semicolon if semicolon >= 0 else len(text))
        if opening >= 0:
            position = closing_quote(text, opening, field) + 1
        elif semicolon >= 0:
            parts.append(text[start:semicolon])
            start = position = semicolon + 1
        else:
            parts.append(text[start:])
            return parts


def get_param(params: Params, name: str) -> str | None:
    """Value of the first header parameter ``name`` (any case), unquoted; ``None`` when absent or without value."""
    name = name.lower()
    for key, value in params:
        if key == name or key.lower() == name:
            return unquote(value[1:-1]) if value is not None and value[:1] == '"' else value
    return None


def has_param(params: Params, name: str) -> bool:
    """Whether a parameter ``name`` (any case) is there, with a value or without."""
    name = name.lower()
    return any(key == name or key.lower() == name for key, _ in params)


def change_params(params: Params, changes: dict[str, str | None]) -> Params:
    """``params`` with each of ``changes`` in the place of its namesake (any case), or at the end."""
    pending = {name.lower(): (name, value) for name, value in changes.items()}
    changed = [pending.pop(key.lower(), (key, value)) for key, value in params]
    return (*changed, *pending.values())


def drop_params(params: Params, names: tuple[str, ...]) -> Params:
    """``params`` without those called one of ``names`` (any case)."""
    dropped = {name.lower() for name in names}
    return tuple(param for param in params if param[0].lower() not in dropped)


def write_params(params: Params) -> str:
    """Header parameters as ``;name=value…``, quoting what needs it; LocalProtocolError for a name that is no token."""
    written = []
    for name, value in params:
        if not is_token(name):
            raise LocalProtocolError(f"not a parameter name: {name!r}")
        if value is None:
            written.append(f";{name}")
        elif _is_param_value(value):
            written.append(f";{name}={value}")
        else:
            inside = _inside_of_quotes(value)
            written.append(f";{name}={quote(value if inside is None else inside)}")
    return "".join(written)


def _inside_of_quotes(value: str) -> str | None:
    """The text in ``value`` when that is one whole quoted string, else ``None``."""
    if value[:1] != '"':
        return None
    try:
        end = closing_quote(value, 0, "")
    except SipParseError:
        return None
    return unquote(value[1:end]) if end == len(value) - 1 else None
