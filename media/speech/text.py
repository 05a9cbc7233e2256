"""Prepares text for speech: takes out what nobody can speak, and cuts the text into pieces rendered one by one.

A cut is heard as the end of a sentence, so a missed one does no harm and a wrong one does: when in doubt, none is made.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# The first piece is short, so that it is heard soon; the others are longer, because whole sentences sound better.
FIRST_PIECE_CHARS = 120
PIECE_CHARS = 240
# Shorter pieces join their neighbour.
MIN_PIECE_CHARS = 24
# No word is as long; speech engines lose their way in one that is (Pico needs minutes for a thousand letters, and is
# silent from two hundred digits on).
_WORD_CHARS = 40

_SPACE = re.compile(r"\s+")
_LONG_WORD = re.compile(rf"\S{{{_WORD_CHARS}}}(?=\S)")
_SENTENCE_END = re.compile(r"([.!?…]+)[\"'”’»)\]]*\s+|[。！？]+\s*")
_CLAUSE_END = re.compile(r"[,;:–—]\s+")
_LAST_WORD = re.compile(r"\S+$")
_OPENING = "\"'“‘«„([¿¡"

_ENGLISH = """
    dr mr mrs ms prof st jr sr gen col capt lt sgt rev hon vs etc approx inc ltd co corp dept est ave blvd rd mt ft
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
"""
_GERMAN = "bzw ca evtl ggf inkl exkl usw str hr fr frl nr tel abs bspw sog zzgl"
_SPANISH = "sra srta ud uds dra avda"
_FRENCH = "mme mlle mm env"
_ITALIAN = "sig sigg dott avv ing"
_ABBREVIATIONS = frozenset(f"{_ENGLISH} {_GERMAN} {_SPANISH} {_FRENCH} {_ITALIAN}".split())
# These end a sentence at times, but not before a number: "No. 5", "p. 12".
_BEFORE_NUMBER = frozenset({"no", "nos", "n", "art", "p", "pp", "vol", "fig", "ext", "sec", "núm", "num", "nro", "bd"})
# Languages that write "on the 3rd" as "3.".
_ORDINAL_LANGUAGES = frozenset({"de", "da", "nb", "nn", "no", "fi", "cs", "sk", "pl", "hu", "hr", "sl", "sr", "tr"})


def speakable(text: str) -> str:
    """The text with single spaces, and without control, formatting, private and unassigned characters."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(_spoken(mark) for mark in unicodedata.normalize("NFC", text))
    return _LONG_WORD.sub(r"\g<0> ", _SPACE.sub(" ", text).strip())


def _spoken(mark: str) -> str:
    category = unicodedata.category(mark)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    return "" if category[0] == "C" else mark


def pieces(text: str, language: str = "en-US") -> list[str]:
    """Cut a speakable text into pieces: whole sentences, or clauses where a sentence is longer than a piece may be.

    The first has at most FIRST_PIECE_CHARS, the others PIECE_CHARS. Nothing but spaces is lost between two.
    """
    made: list[str] = []
    for fragment in _fragments(text, language):
        room = FIRST_PIECE_CHARS if len(made) == 1 else PIECE_CHARS
        if made and min(len(made[-1]), len(fragment)) < MIN_PIECE_CHARS and len(made[-1]) + 1 + len(fragment) <= room:
            made[-1] += " " + fragment
        else:
            made.append(fragment)
    return made


def _fragments(text: str, language: str) -> Iterator[str]:
    """Sentences, the long ones cut."""
    room = FIRST_PIECE_CHARS
    for sentence in _sentences(text, language):
        rest = sentence
        while len(rest) > room:
            head, rest = _cut(rest, room)
            yield head
            room = PIECE_CHARS
        if rest:
            yield rest
            room = PIECE_CHARS


def _sentences(text: str, language: str) -> Iterator[str]:
    ordinals = language.partition("-")[0].lower() in _ORDINAL_LANGUAGES
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        if _ends_sentence(text, start, mark, ordinals=ordinals):
            yield text[start : mark.end()].rstrip()
            start = mark.end()
    if start < len(text):
        yield text[start:]


def _ends_sentence(text: str, start: int, mark: re.Match[str], *, ordinals: bool) -> bool:
    stop, after = mark.group(1), text[mark.end() : mark.end() + 1]
    if stop is None:
        return True
    if after.islower():
        return False
    if stop != ".":
        return True
    before = _LAST_WORD.search(text, start, mark.start())
    word = before.group().lstrip(_OPENING).lower() if before else ""
    if len(word) == 1 and word.isalpha():
        return False
    if word in _ABBREVIATIONS or ("." in word and word.replace(".", "").isalpha()):
        return False
    if word in _BEFORE_NUMBER and after.isdigit():
        return False
    if word.isdigit():
        # "1. Sales" opens an item of a list; "3. Mai" is a date.
        return not (ordinals and len(word) <= 2) and (before is None or before.start() > start)
    return True


def _cut(sentence: str, room: int) -> tuple[str, str]:
    """The beginning of a long sentence, of at most `room` characters, and the rest: after a clause, else a word."""
    least = min(MIN_PIECE_CHARS, room // 2)
    # One character more, since the space a cut falls on is part of neither side.
    window = sentence[: room + 1]
    ends = [mark.start() + 1 for mark in _CLAUSE_END.finditer(window) if mark.start() >= least]
    at = ends[-1] if ends else window.rfind(" ", least)
    if at <= 0:
        at = room
    return sentence[:at].rstrip(), sentence[at:].lstrip()
