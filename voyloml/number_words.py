"""Numbers, years and dates as English words, as a caller hears them."""

from __future__ import annotations

import re
from typing import Final

MOST_DIGITS: Final = 15
"""Of a number that is read as one; longer ones are read digit by digit."""

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_CARDINAL = re.compile(r"([+\-−]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]+))?")
_ORDINAL = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:st|nd|rd|th|\.)?", re.IGNORECASE)


def digits(text: str) -> str:
    """Each of the digits as a word."""
    return " ".join(_SMALL[int(digit)] for digit in text)


def whole(number: int) -> str:
    """A number from 0 to 15 digits: `one hundred twenty-three`."""
    if number < 1000:
        return _below_thousand(number)
    groups: list[str] = []
    for name in _GROUPS:
        number, rest = divmod(number, 1000)
        if rest:
            groups.insert(0, _below_thousand(rest) + name)
    return " ".join(groups)


def _below_thousand(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_SMALL[hundreds]} hundred" + (f" {_below_thousand(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """A place in a row: `twenty-first`."""
    words = whole(number)
    at = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[at:]
    if last in _ORDINALS:
        return words[:at] + _ORDINALS[last]
    return words[:at] + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """A year from 0 to 9999: `nineteen eighty-four`, `two thousand five`, `twenty twenty-six`."""
    century, rest = divmod(number, 100)
    if number < 1000 or 2000 <= number < 2010 or (century % 10 == 0 and rest < 10):
        return whole(number)
    if not rest:
        return f"{whole(century)} hundred"
    return f"{whole(century)} {f'oh {_SMALL[rest]}' if rest < 10 else whole(rest)}"


def read_cardinal(text: str) -> str | None:
    """A number as it is written, such as `-1,234.50`; None when it is none."""
    match = _CARDINAL.fullmatch(text)
    if match is None:
        return None
    sign, before, after = match.groups()
    before = before.replace(",", "")
    words = whole(int(before)) if len(before) <= MOST_DIGITS else digits(before)
    if sign in {"-", "−"}:
        words = f"minus {words}"
    return f"{words} point {digits(after)}" if after else words


def read_ordinal(text: str) -> str | None:
    """`3`, `3.` or `3rd`; None for anything else."""
    match = _ORDINAL.fullmatch(text)
    if match is None:
        return None
    number = match[1].replace(",", "")
    return ordinal(int(number)) if len(number) <= MOST_DIGITS else None
