"""A parsed VoyloML document: elements as they were written, each with its place in the text.

Nothing here knows what an element means; `voyloml.binding` puts the verb table against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_ATTRIBUTE = re.compile(r"""\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_TAG_NAME = re.compile(r"<[^\s/>]+")


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """One element. `line` and `column` (from 1, in characters) are those of its `<`."""

    name: str
    attributes: Mapping[str, str]
    text: str
    """The character data directly inside, trimmed."""
    full_text: str
    """The character data inside, that of descendants included in its place, trimmed."""
    children: tuple[Element, ...]
    line: int
    column: int
    path: str
    """Such as `/Response/Gather[1]/Say[2]`: the position counts siblings of the same name."""
    mixed: tuple[str | Element, ...] = ()
    """Text and children in their order, where there are both; otherwise empty."""

    @property
    def place(self) -> dict[str, int | str]:
        """Where it stands, for logs."""
        return {"line": self.line, "column": self.column, "path": self.path}

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Document:
    """A well-formed document whose root is `Response`, within the limits of contract §10.1."""

    root: Element
    source: str

    @property
    def verbs(self) -> tuple[Element, ...]:
        """The children of the root, in order."""
        return self.root.children


class Lines:
    """Where the lines of a text begin: offsets to `(line, column)` and back, both counted from 1 in characters.

    Line ends are LF, CR and CR LF, as in XML 1.0 §2.11.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text))]

    def offset(self, line: int, column: int) -> int:
        """The character offset of a place."""
        return self._starts[min(line, len(self._starts)) - 1] + column - 1

    def place(self, offset: int) -> tuple[int, int]:
        """The place of a character offset."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self._starts[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1, offset - self._starts[low] + 1

    def attribute_offsets(self, element: Element) -> dict[str, int]:
        """The offset of each attribute name in the start tag of `element`, which must be of this text."""
        name = _TAG_NAME.match(self._text, self.offset(element.line, element.column))
        offsets: dict[str, int] = {}
        position = name.end() if name else len(self._text)
        while (match := _ATTRIBUTE.match(self._text, position)) is not None:
            offsets[match.group(1)] = match.start(1)
            position = match.end()
        return offsets
