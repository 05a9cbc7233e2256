"""What happened in a simulated call, moment by moment: as objects, as text for people, as JSON for golden files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class What(StrEnum):
    """What a moment is about."""

    CALL = "call"
    ASKS = "asks"
    VERB = "verb"
    HEARS = "hears"
    STOPS = "stops"
    DOES = "does"
    PARTY = "party"
    RESULT = "result"
    WARNING = "warning"
    END = "end"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, `at` seconds after the call began. `data` is fit for JSON."""

    at: float
    what: What
    text: str
    data: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at:8.2f}  {self.what.value:<8} {self.text}"

    def as_dict(self) -> dict[str, object]:
        """The moment for JSON; times to the millisecond."""
        return {"at": round(self.at, 3), "what": self.what.value, "text": self.text, **self.data}


class Timeline:
    """The moments of a call, in order. `listener` is given each as it happens."""

    def __init__(self, listener: Callable[[Moment], None] | None = None) -> None:
        self.moments: list[Moment] = []
        self._listener = listener

    def add(self, moment: Moment) -> None:
        """Appends a moment."""
        self.moments.append(moment)
        if self._listener is not None:
            self._listener(moment)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def of(self, what: What | str) -> list[Moment]:
        """The moments of one kind."""
        return [moment for moment in self.moments if moment.what == what]

    def text(self) -> str:
        """A line for each moment: seconds, kind, what happened."""
        return "".join(f"{moment}\n" for moment in self.moments)

    def json(self) -> str:
        """A JSON array with one object on each line."""
        lines = (json.dumps(moment.as_dict(), ensure_ascii=False) for moment in self.moments)
        return "[\n" + ",\n".join(lines) + "\n]\n"
