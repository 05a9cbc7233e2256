"""The text of `Say` as things to speak: SSML is carried out as far as it changes what is said or when.

`break` becomes silence, `sub` is spoken as its alias, paragraphs and sentences end with a short pause. Of the other
elements the text is spoken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from voyloml.binding import Bound
from voyloml.control import Silence, Speak
from voyloml.declared.common import SAY_CHARS
from voyloml.document import Element

BREAK_SECONDS: Final = 10.0
"""The longest `break`, as in SSML of other engines."""
ENDLESS_ROUNDS: Final = 1000
"""Rounds of a text with breaks that is to be repeated until hang-up."""

_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 1.0, "x-strong": 1.5}
_BLOCK_PAUSES = {"p": 0.5, "s": 0.3}
_TIME = re.compile(r"\+?([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s)")


def spoken(say: Bound) -> Sequence[Speak | Silence]:
    """What a usable `Say` lets the caller hear."""
    voice, language, loop = say.text("voice"), say.text("language") or "", say.integer("loop")
    element = say.element
    if not element.children:
        return (Speak(_squeezed(say.content or ""), voice, language, loop),)
    items = list(_joined(_pieces(element), SAY_CHARS))
    if len(items) == 1 and isinstance(items[0], str):
        return (Speak(items[0], voice, language, loop),)
    once = [Speak(item, voice, language) if isinstance(item, str) else Silence(item) for item in items]
    return once * (loop or ENDLESS_ROUNDS)


def _pieces(element: Element) -> Iterator[str | float]:
    """Text, and seconds of silence."""
    for part in element.mixed or element.children or (element.text,):
        if isinstance(part, str):
            yield part
        elif part.name == "break":
            yield _seconds(part)
        elif part.name == "sub" and "alias" in part.attributes:
            yield part.attributes["alias"]
        else:
            yield from _pieces(part)
            if part.name in _BLOCK_PAUSES:
                yield _BLOCK_PAUSES[part.name]


def _joined(pieces: Iterator[str | float], most: int) -> Iterator[str | float]:
    """Neighbouring text as one and neighbouring silence as one; at most `most` characters, no silence at the end."""
    text, silence = "", 0.0
    for piece in pieces:
        if isinstance(piece, float):
            if _squeezed(text):
                yield _squeezed(text)
            text = ""
            silence = min(silence + piece, BREAK_SECONDS)
            continue
        if silence and piece.strip():
            yield silence
            silence = 0.0
        text += piece[:most]
        most -= len(piece[:most])
    if _squeezed(text):
        yield _squeezed(text)


def _seconds(element: Element) -> float:
    match = _TIME.fullmatch(element.attributes.get("time", "").strip())
    if match is None:
        return _STRENGTHS.get(element.attributes.get("strength", "medium"), 0.5)
    return min(float(match[1]) / (1000 if match[2] == "ms" else 1), BREAK_SECONDS)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
