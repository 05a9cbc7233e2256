"""What happens to trunks, numbers and rentals: events that are not about a call, and their list (contract §18).

An event is stored with its deliveries in one write; whoever tells of it does not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from engine.errors import EngineError
from engine.model import GeneralEventType, Page
from engine.outbox import Outbox
from engine.store import Store
from engine.store.monitor import MonitorEvent, page_of_events

logger = structlog.get_logger(__name__)

__all__ = ["CallLoad", "Monitor", "MonitorEvent", "no_calls"]


@dataclass(frozen=True, slots=True)
class CallLoad:
    """Calls of a workspace in progress, and the channels that they take."""

    active: int
    channels: int


def no_calls(workspace_id: str) -> CallLoad:
    """The load of an engine that runs no calls."""
    return CallLoad(0, 0)


class Monitor:
    """The events of every workspace. `clock` gives the current time in UTC."""

    def __init__(self, store: Store, outbox: Outbox, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock

    def happened(
        self,
        event: GeneralEventType,
        workspace_id: str,
        subject_id: str,
        message: str,
        further: Mapping[str, object] | None = None,
    ) -> None:
        """Stores that something happened to `subject_id`; `message` is a sentence for people.

        What the store does not take is lost, and logged.
        """
        data = {"subject_id": subject_id, "message": message, **(further or {})}
        stored = self._outbox.event(event, workspace_id, data, self._clock())
        try:
            written = self._store.write_rows(stored.rows)
        except EngineError as error:
            logger.warning("monitor.event_lost", type=event, subject=subject_id, reason=error.message)
            return

        def committed(future: asyncio.Future[None]) -> None:
            if future.cancelled() or future.exception() is not None:
                logger.warning("monitor.event_lost", type=event, subject=subject_id)
            else:
                self._outbox.wake(stored)

        written.add_done_callback(committed)

    async def page(self, workspace_id: str, page: int, limit: int) -> Page[MonitorEvent]:
        """A page of events, newest first."""
        return await self._store.read(lambda connection: page_of_events(connection, workspace_id, page, limit))
