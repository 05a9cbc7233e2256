"""Where in a TOML text each key stands, so that a complaint about a key can name its line.

`tomllib` gives values without positions. This walks over a text that tomllib has accepted already, looks at nothing but
table headers, keys and what has to be skipped (strings, comments, brackets), and never fails: what it does not
understand merely has no line.
"""

from __future__ import annotations

import re

_KEY_PART = r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_DOTTED_KEY = re.compile(rf"(?:{_KEY_PART})(?:[ \t]*\.[ \t]*(?:{_KEY_PART}))*")
_PART = re.compile(_KEY_PART)
_ASSIGNMENT = re.compile(r"[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t\r\n]+|#[^\n]*")
# The longest first: three quotes open a multi-line string, two are an empty one.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\"'#\[\]{}\n]+")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line (from 1) of each key of a well-formed TOML text, by its full path: `("sip", "udp")`.

    Table headers are in it too. A key inside an inline table or an array of tables has the line of what holds it.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    position, line = 0, 1
    while position < len(text):
        start = position
        if blank := _BLANK.match(text, position):
            position = blank.end()
        elif text[position] == "[":
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            if header := _DOTTED_KEY.search(text, position, end):
                table = _parts(header[0])
                lines.setdefault(table, line)
            position = end
        elif key := _DOTTED_KEY.match(text, position):
            path = table + _parts(key[0])
            for depth in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:depth], line)
            position = _after_value(text, key.end())
        else:
            position = len(text)
        line += text.count("\n", start, position)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(dotted))


def _after_value(text: str, position: int) -> int:
    """Return where the value ends that begins after the key: at the end of its line, outside strings and brackets."""
    if assignment := _ASSIGNMENT.match(text, position):
        position = assignment.end()
    depth = 0
    while position < len(text):
        character = text[position]
        if string := _STRING.match(text, position):
            position = string.end()
        elif character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif character == "\n" and depth == 0:
            return position
        elif plain := _PLAIN.match(text, position):
            position = plain.end()
        else:
            depth += (character in "[{") - (character in "]}")
            position += 1
    return position
