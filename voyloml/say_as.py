"""`say-as` of SSML: a text turned into the words that are spoken for it (W3C note "SSML 1.0 say-as attribute values").

The words are English. In other languages characters and digits are parted, which their voices read one by one; the
other kinds are left as they stand, as is a text that is not of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from voyloml.number_words import MONTHS, digits, ordinal, read_cardinal, read_ordinal, whole, year

FORMATS: Final = ("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y")
"""Of a date; `yyyymmdd` with `?` for what is not said is another."""

_NAMES = {
    "-": "dash", ".": "dot", ",": "comma", "@": "at", "#": "pound", "*": "star", "/": "slash", "\\": "backslash",
    "_": "underscore", "+": "plus", "&": "and", "%": "percent", "$": "dollar", ":": "colon", ";": "semicolon",
    "!": "exclamation mark", "?": "question mark", "=": "equals", "(": "open parenthesis", ")": "close parenthesis",
    "'": "apostrophe", '"': "quote",
}  # fmt: skip
_GROUP = re.compile(r"[0-9]+|[^\W\d_]+|[+*#]")
_EXTENSION = frozenset({"x", "ext", "extension"})
_DATE_PART = re.compile(r"[0-9]+|[^\W\d_]+")
_ISO = re.compile(r"[0-9]{4}\D[0-9]{1,2}\D[0-9]{1,2}")
_COMPACT = re.compile(r"([0-9]{4}|\?{4})([0-9]{2}|\?{2})([0-9]{2}|\?{2})")
_CLOCK = re.compile(r"([0-9]{1,2})(?:[:.h]([0-9]{2})(?:[:.]([0-9]{2}))?)?\s*(?:([ap])\.?m\.?)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:([0-9]{1,4})['′])?\s*(?:([0-9]{1,4})(?:\"|″|''))?")


def as_words(text: str, kind: str, form: str, language: str) -> str:
    """What is spoken for a text of the kind `interpret-as` names; the text itself where that is not known.

    `form` is the `format`, and `language` a BCP 47 tag.
    """
    text = " ".join(text.split())
    english = language.partition("-")[0].lower() == "en"
    if kind in _PARTED:
        return _PARTED[kind](text, english) or text
    if not english or kind not in _ENGLISH:
        return text
    return _ENGLISH[kind](text, form.strip().lower(), language) or text


def _characters(text: str, english: bool) -> str:
    # The commas keep letters apart; without them they run together as one word.
    return ", ".join(_character(mark, english) for mark in text if mark != " ")


def _character(mark: str, english: bool) -> str:
    if english and mark in "0123456789":
        return digits(mark)
    return _NAMES.get(mark, mark) if english else mark.upper()


def _digits(text: str, english: bool) -> str:
    groups = [group for group in _GROUP.findall(text) if english or group[0] in "0123456789"]
    return ", ".join(_digit_group(group, english) for group in groups)


def _digit_group(group: str, english: bool) -> str:
    if group.isascii() and group.isdecimal():
        return digits(group) if english else " ".join(group)
    if group.lower() in _EXTENSION:
        return "extension"
    return _NAMES.get(group) or _characters(group, english)


def _cardinal(text: str, form: str, language: str) -> str | None:
    return read_cardinal(text)


def _ordinal(text: str, form: str, language: str) -> str | None:
    return read_ordinal(text)


def _date(text: str, form: str, language: str) -> str | None:
    compact = _COMPACT.fullmatch(text)
    if compact is not None and form in {"", "yyyymmdd", "ymd"}:
        return _date_words({name: part for name, part in zip("ymd", compact.groups(), strict=True) if part[0] != "?"})
    if form not in FORMATS:
        form = "ymd" if _ISO.fullmatch(text) else "mdy" if language.lower() in {"en", "en-us"} else "dmy"
    parts = _DATE_PART.findall(text)
    return _date_words(dict(zip(form, parts, strict=True))) if len(parts) == len(form) else None


def _date_words(parts: Mapping[str, str]) -> str | None:
    month = _month(parts["m"]) if "m" in parts else ""
    day = _day(parts["d"]) if "d" in parts else ""
    of = _year(parts["y"]) if "y" in parts else ""
    if month is None or day is None or of is None or not parts:
        return None
    before = " ".join(part for part in (month, day) if part)
    if not (of and before):
        return before or of
    return f"{before}, {of}" if day else f"{before} {of}"


def _month(text: str) -> str | None:
    if text.isdecimal():
        return MONTHS[int(text) - 1] if len(text) <= 2 and 1 <= int(text) <= 12 else None
    named = [name for name in MONTHS if len(text) >= 3 and name.lower().startswith(text.lower())]
    return named[0] if named else None


def _day(text: str) -> str | None:
    return ordinal(int(text)) if text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= 31 else None


def _year(text: str) -> str | None:
    if not text.isdecimal() or len(text) > 4:
        return None
    number = int(text)
    if len(text) <= 2:
        # The century of most dates with two digits.
        number += 2000 if number < 70 else 1900
    return year(number)


def _time(text: str, form: str, language: str) -> str | None:
    lasting = _DURATION.fullmatch(text)
    if lasting is not None and (lasting[1] or lasting[2]):
        pairs = ((lasting[1], "minute"), (lasting[2], "second"))
        return " ".join(f"{whole(int(count))} {unit}{'' if int(count) == 1 else 's'}" for count, unit in pairs if count)
    clock = _CLOCK.fullmatch(text)
    if clock is None or not (clock[2] or clock[4]):
        return None
    hour, minute, second = int(clock[1]), int(clock[2] or 0), clock[3]
    half = f" {clock[4].upper()} M" if clock[4] else ""
    if minute > 59 or int(second or 0) > 59 or (not 1 <= hour <= 12 if half else hour > 23):
        return None
    if minute:
        words = f"{whole(hour)} {f'oh {whole(minute)}' if minute < 10 else whole(minute)}"
    elif half or second:
        words = whole(hour)
    else:
        words = f"{whole(hour)} o'clock" if 1 <= hour <= 12 else f"{whole(hour)} hundred hours"
    if second:
        words += f" and {whole(int(second))} second{'' if int(second) == 1 else 's'}"
    return words + half


_PARTED: Final[Mapping[str, Callable[[str, bool], str]]] = {
    "characters": _characters,
    "spell-out": _characters,
    "verbatim": _characters,
    "digits": _digits,
    "telephone": _digits,
}
_ENGLISH: Final[Mapping[str, Callable[[str, str, str], str | None]]] = {
    "cardinal": _cardinal,
    "number": _cardinal,
    "ordinal": _ordinal,
    "date": _date,
    "time": _time,
}
KINDS: Final = (*_PARTED, *_ENGLISH)
"""Values of `interpret-as` that are carried out."""
EVERY_LANGUAGE: Final = tuple(_PARTED)
"""Of those, what is carried out in other languages than English too."""
