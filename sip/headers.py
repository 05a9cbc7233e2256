"""The header fields of one message: an ordered multimap of names and raw values (RFC 3261 §7.3).

Names are canonical here: compact forms expanded, known names in their usual capitals. Values are text; what they mean
is :mod:`sip.fields`' business. Nothing that enters through the public methods can break out of its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sip.errors import LocalProtocolError
from sip.grammar import WS, find_control, is_token
from sip.names import KNOWN_SPELLINGS, canonical_name, index_key


class Headers:
    """Header fields in order; one entry is one header line, comma lists are not split here.

    Look-up ignores case and knows compact forms. Whatever puts a value in raises LocalProtocolError for a name that is
    no token and a value with CR, LF, NUL or another control character: header injection stops here.

    ``views`` is for :mod:`sip.model`: what fields were parsed to, by :func:`index_key`. A change of a field drops it.
    """

    __slots__ = ("_index", "_items", "views")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] = [_checked(name, value) for name, value in items]
        # Values by index_key(name), made when first asked for.
        self._index: dict[str, tuple[str, ...]] | None = None
        self.views: dict[str, Any] = {}

    @classmethod
    def trusted(cls, items: list[tuple[str, str]], index: dict[str, tuple[str, ...]] | None = None) -> Headers:
        """Take ``items`` over unchecked: canonical names, values without CR and LF. For parsed lines and copies."""
        headers = cls.__new__(cls)
        headers._items = items
        headers._index = index
        headers.views = {}
        return headers

    def lines(self, key: str) -> tuple[str, ...]:
        """Values of the field whose :func:`index_key` is ``key``."""
        index = self._index
        if index is None:
            index = {}
            for name, value in self._items:
                place = index_key(name)
                index[place] = (*index[place], value) if place in index else (value,)
            self._index = index
        return index.get(key, ())

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of ``name``."""
        values = self.lines(index_key(name))
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """All values of ``name``, one per header line, in order."""
        return list(self.lines(index_key(name)))

    def add(self, name: str, value: str) -> None:
        """Append a header line."""
        item = _checked(name, value)
        self._items.append(item)
        self._changed(item[0])

    def extend(self, other: Headers) -> None:
        """Append all lines of other headers, which have been looked at."""
        self._items += other._items
        self._index = None
        for name, _ in other._items if self.views else ():
            self.views.pop(index_key(name), None)

    def prepend(self, name: str, value: str) -> None:
        """Put a header line before all others, as a Via or a Route is pushed."""
        item = _checked(name, value)
        self._items.insert(0, item)
        self._changed(item[0])

    def set(self, name: str, value: str) -> None:
        """Make ``value`` the only one of ``name``, in the place of the first."""
        item = _checked(name, value)
        self._replace(item[0], [item])

    def set_all(self, name: str, values: Iterable[str]) -> None:
        """Make ``values`` the header lines of ``name``, in the place of the first; none removes the field."""
        name = canonical_name(name)
        self._replace(name, [_checked(name, value) for value in values])

    def remove(self, name: str) -> None:
        """Take out every line of ``name``; not an error when there is none."""
        self._replace(canonical_name(name), [])

    def copy(self) -> Headers:
        """An independent copy."""
        return Headers.trusted(self._items.copy())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.lines(index_key(name)))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Headers) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # Values stay out: some are credentials, and this ends up in logs.
        return f"<Headers {', '.join(name for name, _ in self._items)}>"

    def _replace(self, name: str, items: list[tuple[str, str]]) -> None:
        key = index_key(name)
        kept = [item for item in self._items if index_key(item[0]) != key]
        place = next((i for i, item in enumerate(self._items) if index_key(item[0]) == key), len(kept))
        kept[place:place] = items
        self._items = kept
        self._changed(name)

    def _changed(self, name: str) -> None:
        if self.views:
            self.views.pop(index_key(name), None)
        if self._index is None:
            return
        key = index_key(name)
        self._index[key] = tuple(value for other, value in self._items if index_key(other) == key)


def _checked(name: str, value: str) -> tuple[str, str]:
    canonical = KNOWN_SPELLINGS.get(name)
    if canonical is None:
        if not is_token(name):
            raise LocalProtocolError(f"not a header field name: {name!r}")
        canonical = canonical_name(name)
    if find_control(value):
        raise LocalProtocolError(f"control character in the value of {canonical}")
    return canonical, value.strip(WS)
