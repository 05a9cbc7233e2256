"""Closes calls and charges for them in one transaction, those that end together in the same one.

What waits when a transaction begins is closed in it. When one of its calls cannot be closed so, because another process
has closed it meanwhile, each of them is closed by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.charging import CallCharges
from engine.billing.notices import tell_of_low
from engine.call_events import terminal_event
from engine.errors import Conflict
from engine.model import Call
from engine.outbox import Outbox, StoredEvent
from engine.store import Row, Store
from engine.store import calls as queries
from engine.store.prepared import Parameters, RowStatement, execute_rows

CALLS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Ending:
    """A call to be closed: as it is after its end, its last log entries, the time of its terminal event."""

    call: Call
    log: Sequence[Row]
    at: datetime
    closed: asyncio.Future[None]


class ChargedClosing:
    """Closes calls in a store; `outbox` is told of what happened once it is committed."""

    def __init__(self, store: Store, outbox: Outbox, charges: CallCharges) -> None:
        self._store = store
        self._outbox = outbox
        self._charges = charges
        self._waiting: list[_Ending] = []
        self._task: asyncio.Task[None] | None = None

    async def applies_to(self, ended: Call, *, telephones: bool) -> bool:
        """See `CallCharges.applies_to`."""
        return await self._charges.applies_to(ended, telephones=telephones)

    async def close(self, ended: Call, log: Sequence[Row], at: datetime) -> None:
        """Closes and charges; returns once it is committed.

        Raises Conflict when somebody else has closed the call, which is then not charged, and as `Store.write`.
        """
        ending = _Ending(ended, log, at, asyncio.get_running_loop().create_future())
        self._waiting.append(ending)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="closing calls")
        await ending.closed

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._close_waiting()
        finally:
            self._task = None

    async def _close_waiting(self) -> None:
        taken: list[_Ending] = []

        async def work(connection: AsyncConnection) -> list[StoredEvent]:
            if not taken:
                # Not before the transaction has begun: until then more calls may end
                taken.extend(self._waiting[:CALLS_AT_ONCE])
                del self._waiting[:CALLS_AT_ONCE]
            return await self._close_all(connection, taken)

        try:
            told = await self._store.write(work)
        except Exception as error:
            if not taken:
                taken.extend(self._waiting)
                self._waiting.clear()
            if len(taken) == 1 and not isinstance(error, Conflict):
                _fail(taken[0], error)
                return
            await asyncio.gather(*map(self._close_alone, taken))
            return
        for event in told:
            self._outbox.wake(event)
        for ending in taken:
            _done(ending)

    async def _close_alone(self, ending: _Ending) -> None:
        try:
            told = await self._store.write(lambda connection: self._close_all(connection, [ending]))
        except Exception as error:  # it goes to whoever waits for this call, and ends nothing else
            _fail(ending, error)
            return
        for event in told:
            self._outbox.wake(event)
        _done(ending)

    async def _close_all(self, connection: AsyncConnection, endings: Sequence[_Ending]) -> list[StoredEvent]:
        charged = await self._charges.charge(connection, [ending.call for ending in endings])
        told: list[StoredEvent] = []
        rows: dict[RowStatement, list[Parameters]] = {}
        for ending, priced in zip(endings, charged.calls, strict=True):
            event = self._outbox.call_event(terminal_event(priced), priced, ending.at)
            told.append(event)
            for statement, parameters in ((queries.SET_ENDED, queries.end_values(priced)), *event.rows, *ending.log):
                rows.setdefault(statement, []).append(parameters)
        for statement, parameters in charged.rows:
            rows.setdefault(statement, []).append(parameters)
        for statement in sorted(rows, key=lambda statement: statement.rank):
            await execute_rows(connection, statement, rows[statement])
        if charged.low:
            told += await tell_of_low(connection, self._outbox, charged.low, endings[-1].at)
        return told


def _done(ending: _Ending) -> None:
    if not ending.closed.done():
        ending.closed.set_result(None)


def _fail(ending: _Ending, error: Exception) -> None:
    if not ending.closed.done():
        ending.closed.set_exception(error)
