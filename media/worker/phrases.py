"""What a caller may say where the recogniser knows only so many phrases: the hints of a Gather, digits, yes and no."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ANSWERS = ("yes", "no")
MAX_PHRASES = 500
"""Phrases taken of the hints of one Gather; the rest is not listened for."""

_NOT_A_WORD = re.compile(r"[^\w'\s]+")


def phrases(hints: str | None) -> list[str]:
    """The phrases of `hints`, which commas part, in lower case without punctuation and each once.

    Digits in them are words: `press 1` is `press one`.
    """
    found: dict[str, None] = {}
    for hint in (hints or "").split(","):
        spoken = re.sub(r"\d", lambda digit: f" {DIGITS[int(digit.group())]} ", unicodedata.normalize("NFKC", hint))
        words = " ".join(_NOT_A_WORD.sub(" ", spoken.replace("’", "'").replace("_", " ")).lower().split())
        if words:
            found[words] = None
    return list(found)[:MAX_PHRASES]


def jsgf(said: Sequence[str]) -> str:
    """A grammar (JSGF 1.0) of one of `said`, yes, no, or a row of digits; the words must be known to the recogniser."""
    options = [f"( {phrase} )" for phrase in (*said, *ANSWERS)]
    digits = " | ".join(DIGITS)
    return f"#JSGF V1.0; grammar gather; <digit> = {digits}; public <said> = {' | '.join(options)} | ( <digit>+ );"


def whole(text: str, said: Sequence[str]) -> bool:
    """Whether the words of `text` are something that the grammar of `said` has to its end."""
    words = text.split()
    return text in said or text in ANSWERS or (bool(words) and all(word in DIGITS for word in words))
