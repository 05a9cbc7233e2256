"""How the events of a call reach the application: in order, kept while nobody listens yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sip.core.events import CallEvent

PENDING_EVENTS = 64
"""Events kept for a call that nobody listens to; what comes beyond is dropped."""


@dataclass(frozen=True, slots=True)
class EventsWaiting:
    """Not an event: asks for the delivery of those that were kept while nobody listened."""


class Delivery:
    """The events of one call on their way to `listener`. The terminal event is the last one, and never the one too
    many."""

    __slots__ = ("_waiting", "listener")

    def __init__(self) -> None:
        self.listener: Callable[[CallEvent], None] | None = None
        self._waiting: list[CallEvent] = []

    @property
    def pending(self) -> bool:
        """Whether events wait for a listener."""
        return bool(self._waiting)

    def deliver(self, event: CallEvent | EventsWaiting, *, terminal: bool) -> None:
        """Hand an event over, after those that were kept; or keep it. What the listener raises comes out here."""
        waiting = self._waiting
        if not isinstance(event, EventsWaiting) and (len(waiting) < PENDING_EVENTS or terminal):
            waiting.append(event)
        while waiting and self.listener is not None:
            self.listener(waiting.pop(0))
