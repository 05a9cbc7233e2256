"""The text of `Say` as things to speak: the SSML in it, carried out as far as the speech engines can.

`break` becomes silence, `sub` is spoken as its alias, `say-as` as the words it stands for, paragraphs and sentences end
with a short pause; what stands in `prosody` and `emphasis` is a part of its own, with its delivery. Of the other
elements the text is spoken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from voyloml.binding import Bound
from voyloml.control import PLAIN, Delivery, Silence, Speak
from voyloml.declared.common import SAY_CHARS
from voyloml.document import Element
from voyloml.prosody import emphasis, prosody
from voyloml.say_as import as_words

BREAK_SECONDS: Final = 10.0
"""The longest `break`, as in SSML of other engines."""
ENDLESS_ROUNDS: Final = 1000
"""Rounds of a text with breaks that is to be repeated until hang-up."""

_STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 1.0, "x-strong": 1.5}
_BLOCK_PAUSES = {"p": 0.5, "s": 0.3}
_TIME = re.compile(r"\+?([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s)")
# What ends the part before it where the next one begins with it.
_CLOSING = re.compile(r"\s*[.,;:!?…]+(?=\s|$)")
_PAUSES = ".,;:!?…"


@dataclass(frozen=True, slots=True)
class _Part:
    """Text in one delivery."""

    text: str
    delivery: Delivery


def spoken(say: Bound) -> Sequence[Speak | Silence]:
    """What a usable `Say` lets the caller hear."""
    voice, language, loop = say.text("voice"), say.text("language") or "", say.integer("loop")
    element = say.element
    if not element.children:
        return (Speak(_squeezed(say.content or ""), voice, language, loop),)
    items = _joined(_pieces(element, PLAIN, language), SAY_CHARS)
    if len(items) == 1 and isinstance(items[0], _Part):
        return (Speak(items[0].text, voice, language, loop, items[0].delivery),)
    once = [
        Speak(item.text, voice, language, delivery=item.delivery) if isinstance(item, _Part) else Silence(item)
        for item in items
    ]
    return once * (loop or ENDLESS_ROUNDS)


def _pieces(element: Element, delivery: Delivery, language: str) -> Iterator[_Part | float]:
    """Parts of text, and seconds of silence."""
    for part in element.mixed or element.children or (element.text,):
        if isinstance(part, str):
            yield _Part(part, delivery)
        elif part.name == "break":
            yield _seconds(part)
        elif part.name == "sub" and "alias" in part.attributes:
            yield _Part(part.attributes["alias"], delivery)
        elif part.name == "say-as":
            kind, form = part.attributes.get("interpret-as", "").strip(), part.attributes.get("format", "")
            yield _Part(as_words(part.full_text, kind, form, language), delivery)
        else:
            yield from _pieces(part, _inside(part, delivery), language)
            if part.name in _BLOCK_PAUSES:
                yield _BLOCK_PAUSES[part.name]


def _inside(element: Element, delivery: Delivery) -> Delivery:
    if element.name == "prosody":
        return prosody(delivery, element.attributes)
    return emphasis(delivery, element.attributes) if element.name == "emphasis" else delivery


def _joined(pieces: Iterable[_Part | float], most: int) -> list[_Part | float]:
    """Neighbours of one delivery as one part and neighbouring silence as one; at most `most` characters, no silence at
    the end."""
    items: list[_Part | float] = []
    for piece in pieces:
        last = items[-1] if items else None
        if isinstance(piece, float):
            if isinstance(last, float):
                items[-1] = min(last + piece, BREAK_SECONDS)
            elif piece:
                items.append(piece)
            continue
        text = piece.text[:most]
        most -= len(text)
        if isinstance(last, _Part):
            closing = _CLOSING.match(text)
            taken = len(text) if piece.delivery == last.delivery or not _has_words(text) else closing and closing.end()
            items[-1] = _Part(last.text + text[: taken or 0], last.delivery)
            text = text[taken or 0 :]
        if text.strip():
            items.append(_Part(text, piece.delivery))
    while items and isinstance(items[-1], float):
        items.pop()
    return [_told(item, after) for item, after in zip(items, [*items[1:], None], strict=True)]


def _told(item: _Part | float, after: _Part | float | None) -> _Part | float:
    """The item as it is spoken, before what comes after it."""
    if isinstance(item, float):
        return item
    text = _squeezed(item.text)
    runs_on = isinstance(after, _Part) and text[-1] not in _PAUSES
    return _Part(text, replace(item.delivery, runs_on=runs_on))


def _has_words(text: str) -> bool:
    return any(mark.isalnum() for mark in text)


def _seconds(element: Element) -> float:
    match = _TIME.fullmatch(element.attributes.get("time", "").strip())
    if match is None:
        return _STRENGTHS.get(element.attributes.get("strength", "medium"), 0.5)
    return min(float(match[1]) / (1000 if match[2] == "ms" else 1), BREAK_SECONDS)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
