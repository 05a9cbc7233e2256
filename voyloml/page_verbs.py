"""The verbs of a document in order, bound to their specifications when their turn comes, or to look ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from voyloml.binding import Binder, Bound, Problem
from voyloml.documents import Page

_PROMPTS = ("Play", "Say")


class PageVerbs:
    """Gives each verb of a page (None where there is none of its name) with what is wrong at it."""

    def __init__(self, page: Page) -> None:
        self._binder = Binder()
        self._binder.root(page.document.root)
        self._elements = iter(page.document.verbs)
        self._ahead: deque[tuple[Bound | None, list[Problem]]] = deque()

    def __iter__(self) -> Iterator[tuple[Bound | None, list[Problem]]]:
        while self._ahead or self._bind():
            yield self._ahead.popleft()

    def prompts_ahead(self) -> Iterator[Bound]:
        """The `Play` and `Say` verbs that come next, up to the first of another kind."""
        place = 0
        while place < len(self._ahead) or self._bind():
            verb = self._ahead[place][0]
            if verb is None or not verb.usable or verb.spec.name not in _PROMPTS:
                return
            yield verb
            place += 1

    def _bind(self) -> bool:
        """Binds one more; False when there is none."""
        element = next(self._elements, None)
        if element is None:
            return False
        verb = self._binder.verb(element)
        self._ahead.append((verb, [*self._binder.problems]))
        self._binder.problems.clear()
        return True
