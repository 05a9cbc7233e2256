"""SSML for `say`: how a text is spoken, as far as the engine and its speech engines know it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from voylo.voyloml.escapes import fit_for_xml, in_attribute, in_text

Level = Literal["strong", "moderate", "reduced", "none"]
Strength = Literal["none", "x-weak", "weak", "medium", "strong", "x-strong"]


class Speech:
    """A text with marks in it, made piece by piece: `Speech("Your code is ").say_as("1234", interpret_as="digits")`.

    Each method adds an element and returns this object. What is inside an element is a text, or a Speech of its own.
    """

    def __init__(self, text: str = "") -> None:
        self._parts: list[str | _Mark] = []
        if text:
            self.text(text)

    def text(self, text: str) -> Speech:
        """Adds a text, as it is: spaces around it stay."""
        self._parts.append(fit_for_xml("the text of a Speech", text))
        return self

    def break_(self, *, strength: Strength | None = None, time: str | None = None) -> Speech:
        """Adds silence; `time` is such as `500ms` or `2s`."""
        return self._add("break", None, {"strength": strength, "time": time})

    def emphasis(self, inside: str | Speech, *, level: Level | None = None) -> Speech:
        """Adds what is to be stressed."""
        return self._add("emphasis", inside, {"level": level})

    def lang(self, inside: str | Speech, language: str) -> Speech:
        """Adds what is in another language, such as `fr-FR`."""
        return self._add("lang", inside, {"xml:lang": language})

    def p(self, inside: str | Speech) -> Speech:
        """Adds a paragraph."""
        return self._add("p", inside, {})

    def phoneme(self, inside: str | Speech, *, ph: str, alphabet: str | None = None) -> Speech:
        """Adds a word with its pronunciation `ph` in an alphabet such as `ipa`."""
        return self._add("phoneme", inside, {"alphabet": alphabet, "ph": ph})

    def prosody(
        self, inside: str | Speech, *, volume: str | None = None, rate: str | None = None, pitch: str | None = None
    ) -> Speech:
        """Adds what is spoken louder, faster or higher."""
        return self._add("prosody", inside, {"volume": volume, "rate": rate, "pitch": pitch})

    def s(self, inside: str | Speech) -> Speech:
        """Adds a sentence."""
        return self._add("s", inside, {})

    def say_as(self, inside: str | Speech, *, interpret_as: str, format: str | None = None) -> Speech:  # noqa: A002
        """Adds what is read as digits, a date, a telephone number and the like."""
        return self._add("say-as", inside, {"interpret-as": interpret_as, "format": format})

    def sub(self, inside: str | Speech, *, alias: str) -> Speech:
        """Adds what is spoken as `alias` instead."""
        return self._add("sub", inside, {"alias": alias})

    def w(self, inside: str | Speech, *, role: str | None = None) -> Speech:
        """Adds a word in its grammatical role."""
        return self._add("w", inside, {"role": role})

    @property
    def plain(self) -> str:
        """The text without its marks."""
        return "".join(part if isinstance(part, str) else part.inside.plain for part in self._parts)

    @property
    def count(self) -> int:
        """The number of elements."""
        return sum(1 + mark.inside.count for mark in self._marks())

    @property
    def depth(self) -> int:
        """How many elements stand inside one another."""
        return max((1 + mark.inside.depth for mark in self._marks()), default=0)

    def xml(self) -> str:
        """What stands in `<Say>`."""
        return "".join(in_text(part) if isinstance(part, str) else part.xml() for part in self._parts)

    def _add(self, name: str, inside: str | Speech | None, attributes: Mapping[str, str | None]) -> Speech:
        held = inside if isinstance(inside, Speech) else Speech(inside or "")
        given = {each: fit_for_xml(each, value) for each, value in attributes.items() if value is not None}
        self._parts.append(_Mark(name, held, given))
        return self

    def _marks(self) -> Iterator[_Mark]:
        return (part for part in self._parts if isinstance(part, _Mark))


class _Mark:
    """An element, and the Speech inside."""

    def __init__(self, name: str, inside: Speech, attributes: Mapping[str, str]) -> None:
        self.inside = inside
        self._name = name
        self._attributes = attributes

    def xml(self) -> str:
        inside = self.inside.xml()
        attributes = "".join(f' {name}="{in_attribute(value)}"' for name, value in self._attributes.items())
        if not inside:
            return f"<{self._name}{attributes}/>"
        return f"<{self._name}{attributes}>{inside}</{self._name}>"
