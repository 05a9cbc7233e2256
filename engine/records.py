"""Call records: one row per call from its first moment to its end, its domain events, and its log (contract §6, §13).

Every change of a call is stored together with the event that tells of it, in one transaction. The calls in progress of
this process are also kept in memory, so that no change has to be read before it is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from engine.billing.charging import CallCharges
from engine.billing.closing import ChargedClosing
from engine.call_events import state_change, terminal_event
from engine.call_log import CallLogBuffer
from engine.errors import Conflict, EngineError, NotFound, ValidationFailed
from engine.ids import is_public_call_id, parse_uuid
from engine.model import (
    Call,
    CallLogEntry,
    CallOutcome,
    EventType,
    HangupBy,
    HangupCause,
    NewCall,
    Outcome,
    Page,
    Recording,
    RoutingAttempt,
)
from engine.outbox import Outbox, StoredEvent
from engine.store import Row, Store
from engine.store import calls as queries
from engine.store.calls import CallFilter
from engine.store.json_text import storable
from engine.store.meta import TOUCH_ALIVE, alive_at
from engine.store.times import from_ms, to_ms
from engine.store.usage import call_usage, usage_rows

logger = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 5.0
"""How often it is stored that calls are running; after a crash, the error of the ends of its calls."""

ORPHANS_AT_ONCE: Final = 200
BILLING_INCREMENT_S: Final = 60
"""Answered seconds are billed in steps of this many (contract §15.1)."""

__all__ = ["CallFilter", "CallOutcome", "CallRecords", "NewCall"]


class CallRecords:
    """The records of every workspace. What the call code reports is stored; what the API asks for is read back.

    `outbox` knows who is told of a call's events; without one nobody is. `charges` knows what calls cost; without one
    they are free.
    """

    def __init__(self, store: Store, outbox: Outbox | None = None, charges: CallCharges | None = None) -> None:
        self._store = store
        self._outbox = outbox or Outbox()
        self._closing_charged = None if charges is None else ChargedClosing(store, self._outbox, charges)
        self._live: dict[str, Call] = {}
        self._closing: set[str] = set()
        self._log = CallLogBuffer(store)
        self._heartbeat: asyncio.TimerHandle | None = None

    async def create(
        self,
        new: NewCall,
        event: EventType | None = "call.received",
        further: Sequence[Row] = (),
        *,
        soon: bool = False,
    ) -> None:
        """Stores a new call with its first event, None for a call that has none, and `further` rows of the same
        moment; `soon` where an answer of the API waits for it.

        Raises Conflict when one of its ids exists, Unavailable when the store does not take it.
        """
        call = _begin(new)
        self._live[call.id] = call
        self._schedule_heartbeat()
        rows: list[Row] = [*further, (queries.INSERT_CALL, queries.call_values(call))]
        try:
            await self._write(rows, event, call, call.created_at, soon=soon)
        except EngineError:
            self._live.pop(call.id, None)
            raise

    async def ringing(self, call_id: str) -> None:
        """The far end of an outbound call rings: its pending status becomes `ringing`."""
        call = self._live.get(call_id)
        if call is None or call.status != "dialing":
            return
        self._live[call_id] = call.changed(status="ringing")
        await self._store.write_rows([(queries.SET_RINGING, {"call": call_id})])

    async def answered(self, call_id: str, at: datetime, routing_attempts: Sequence[RoutingAttempt] = ()) -> None:
        """The call was answered: `call.answered`, once. Does nothing for a call that has ended or is unknown."""
        call = self._live.get(call_id)
        if call is None or call.answered_at is not None:
            return
        call = call.changed(status="answered", answered_at=at, routing_attempts=tuple(routing_attempts))
        self._live[call_id] = call
        await self._write([(queries.SET_ANSWERED, {"call": call_id, "at": to_ms(at)})], "call.answered", call, at)

    async def finish(self, call_id: str, outcome: CallOutcome) -> None:
        """Closes the record and emits the terminal event; a second time for the same call it does nothing.

        Raises Unavailable when the store does not take it; the call then stays open and can be finished again.
        """
        if call_id in self._closing:
            return
        self._closing.add(call_id)
        try:
            call = self._live.get(call_id) or await self._find(call_id)
            if call is None or not call.pending:
                return
            await self._close(call, outcome, outcome.ended_at)
            self._live.pop(call_id, None)
        finally:
            self._closing.discard(call_id)

    async def find(self, call_id: str) -> Call | None:
        """A call of any workspace by its UUID."""
        return await self._find(call_id)

    def recording_completed(self, call: Call, recording: Recording, at: datetime) -> StoredEvent:
        """The event that a recording became available after the end of its call; to be stored together with it, and
        then given to `tell`."""
        return self._outbox.recording_event(recording, call, at)

    def tell(self, event: StoredEvent) -> None:
        """Has an event that is committed sent to whoever wants it."""
        self._outbox.wake(event)

    def abandon(self, call_id: str) -> None:
        """Forgets a call whose end cannot be stored; the next start closes its record."""
        if self._live.pop(call_id, None) is not None:
            logger.error("call.end_lost", call=call_id)

    def refused(
        self, new: NewCall, outcome: Outcome, hangup_by: HangupBy, hangup_cause: HangupCause, sip_code: int
    ) -> None:
        """Records a call that was turned away at once: a closed record and its events, without waiting.

        A call out that was never accepted has the terminal event alone (contract §13.2). A record that the store does
        not take is lost, and logged.
        """
        call = _begin(new)
        ended = _end(call, CallOutcome(outcome, hangup_by, hangup_cause, call.created_at, sip_code))
        events = [self._outbox.call_event(terminal_event(ended), ended, call.created_at)]
        if new.direction == "inbound":
            events.insert(0, self._outbox.call_event("call.received", call, call.created_at))
        rows: list[Row] = [
            (queries.INSERT_CALL, queries.call_values(ended)),
            *(row for it in events for row in it.rows),
        ]
        try:
            stored = self._store.write_rows(rows)
        except EngineError as error:
            logger.warning("call.record_lost", call=call.public_id, reason=error.message)
            return
        stored.add_done_callback(lambda future: _report_lost(future, call))
        for event in events:
            self._wake_after(stored, event)

    def log(self, call_id: str, kind: str, data: Mapping[str, object], at: datetime) -> None:
        """Adds to the log of a call (contract §6.5). Stored a moment later; bounded for each call."""
        self._log.add(call_id, kind, data, at)

    async def close_orphans(self, now: datetime) -> int:
        """Closes the calls that a killed process left open (contract §11.6); how many there were.

        For the start, before any call is taken, and only where no other process runs calls on this database: whatever
        is open counts as left behind. Their end is the last moment at which calls were known to run, so that nobody
        pays for the time in which the engine was down; their terminal events are of `now`.
        """
        alive = await self._store.read(alive_at)
        closed = 0
        while orphans := await self._store.read(
            lambda connection: queries.unfinished_calls(connection, ORPHANS_AT_ONCE)
        ):
            await asyncio.gather(*(self._close_orphan(call, alive, now) for call in orphans))
            closed += len(orphans)
        return closed

    async def _close_orphan(self, call: Call, alive: int | None, now: datetime) -> None:
        begun = call.answered_at or call.started_at
        last_seen = begun if alive is None else max(begun, from_ms(alive))
        outcome = CallOutcome(
            outcome="failed" if call.answered_at is None else "answered",
            hangup_by="platform",
            hangup_cause="network_error",
            ended_at=min(last_seen, max(now, begun)),
            telephones=True,
        )
        await self._close(call, outcome, now)

    async def get(self, workspace_id: str, call_id: str) -> Call:
        """One call by its public id or its UUID. Raises NotFound, also for what is neither (contract §1)."""
        public = is_public_call_id(call_id)
        wanted = call_id if public else parse_uuid(call_id)
        call = None
        if wanted is not None:
            call = await queries.get_call(self._store, workspace_id, wanted, public=public)
        if call is None:
            raise NotFound("Call not found")
        return call

    async def list(
        self, workspace_id: str, narrow: CallFilter, limit: int, before: str | None = None
    ) -> Sequence[Call]:
        """Calls, newest first, older than the call with the public id `before`.

        Raises ValidationFailed when this workspace has no such call.
        """
        last = None
        if before is not None:
            try:
                last = await self.get(workspace_id, before if is_public_call_id(before) else "")
            except NotFound:
                raise ValidationFailed.of("before", "must be the public id of a call of this workspace") from None
        return await self._store.read(
            lambda connection: queries.list_calls(connection, workspace_id, narrow, last, limit)
        )

    async def page(self, workspace_id: str, narrow: CallFilter, page: int, limit: int) -> Page[Call]:
        """A numbered page of calls, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_calls(connection, workspace_id, narrow, page, limit)
        )

    async def events(self, workspace_id: str, call_id: str) -> Sequence[CallLogEntry]:
        """The log of a call in the order of time: its domain events and what was logged. Raises NotFound."""
        call = await self.get(workspace_id, call_id)
        await self._log.flush()
        entries = await self._store.read(lambda connection: queries.log_of_call(connection, call.id))
        payloads = await self._store.read(lambda connection: queries.events_of_call(connection, call.id))
        return sorted([*map(state_change, payloads), *entries], key=lambda entry: entry.at)

    async def close(self) -> None:
        """Stores the log entries that wait. Before the store is closed."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        await self._log.flush()

    async def _find(self, call_id: str) -> Call | None:
        return await queries.get_call(self._store, None, call_id, public=False)

    async def _close(self, call: Call, outcome: CallOutcome, at: datetime) -> None:
        ended = _end(call, outcome)
        rateable = self._closing_charged is not None and await self._closing_charged.applies_to(
            ended, telephones=outcome.telephones
        )
        log: Sequence[Row] = self._log.take(call.id)
        try:
            if self._closing_charged is not None and rateable:
                await self._closing_charged.close(ended, log, at)
            else:
                rows: list[Row] = [(queries.SET_ENDED, queries.end_values(ended)), *log]
                rows += usage_rows([call_usage(ended)]) if ended.answered_at is not None else []
                await self._write(rows, terminal_event(ended), ended, at)
        except Conflict:
            # The constraint allows one terminal event per call: somebody else has closed it meanwhile.
            stored = await self._find(call.id)
            if stored is None or stored.pending:
                raise

    async def _write(
        self, rows: Sequence[Row], event: EventType | None, call: Call, at: datetime, *, soon: bool = False
    ) -> None:
        if event is None:
            await self._store.write_rows(rows, soon=soon)
            return
        try:
            await self._store_event(rows, event, call, at, soon=soon)
        except Conflict:
            # Most likely the one in 2^48: the random id of the event exists. It is drawn once more.
            await self._store_event(rows, event, call, at)

    def _store_event(
        self, rows: Sequence[Row], event: EventType, call: Call, at: datetime, *, soon: bool = False
    ) -> asyncio.Future[None]:
        told = self._outbox.call_event(event, call, at)
        stored = self._store.write_rows([*rows, *told.rows], soon=soon)
        self._wake_after(stored, told)
        return stored

    def _wake_after(self, stored: asyncio.Future[None], event: StoredEvent) -> None:
        if event.targets:
            stored.add_done_callback(lambda future: None if _failed(future) else self._outbox.wake(event))

    def _schedule_heartbeat(self) -> None:
        if self._heartbeat is None:
            self._heartbeat = asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        self._heartbeat = None
        if not self._live:
            return
        self._schedule_heartbeat()
        try:
            stored = self._store.write_rows([(TOUCH_ALIVE, {"at": to_ms(datetime.now(UTC))})])
        except EngineError:
            return  # the store has said why
        stored.add_done_callback(lambda future: future.cancelled() or future.exception())


def _begin(new: NewCall) -> Call:
    return Call(
        id=new.id,
        public_id=new.public_id,
        workspace_id=new.workspace_id,
        direction=new.direction,
        from_=storable(new.from_),
        to=storable(new.to),
        status=new.status,
        number_id=new.number_id,
        application_id=new.application_id,
        trunk_id=new.trunk_id,
        destination_kind=new.destination_kind,
        destination_id=new.destination_id,
        variables=new.variables,
        created_at=new.created_at,
        started_at=new.created_at,
    )


def _end(call: Call, outcome: CallOutcome) -> Call:
    """The call as it is after its end; seconds that the outcome does not give follow from the times."""
    answered_at = call.answered_at
    ended_at = max(outcome.ended_at, answered_at or call.started_at)
    if answered_at is None and outcome.outcome == "answered":
        answered_at = ended_at - timedelta(seconds=outcome.duration_seconds or 0)
    ring_s, duration_s = outcome.ring_seconds, outcome.duration_seconds
    if ring_s is None:
        ring_s = ((answered_at or ended_at) - call.started_at).total_seconds()
    if answered_at is None:
        duration_s = 0
    elif duration_s is None:
        duration_s = (ended_at - answered_at).total_seconds()
    answered_seconds = _nearest(duration_s)
    return call.changed(
        status="failed" if answered_at is None else "completed",
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=outcome.outcome,
        hangup_by=outcome.hangup_by,
        hangup_cause=outcome.hangup_cause,
        sip_code=outcome.sip_code,
        answered_by=outcome.answered_by,
        ring_s=_nearest(ring_s),
        duration_s=answered_seconds,
        billed_s=-(-answered_seconds // BILLING_INCREMENT_S) * BILLING_INCREMENT_S,
        routing_attempts=outcome.routing_attempts,
        media=outcome.media,
    )


def _nearest(seconds: float) -> int:
    return max(0, int(seconds + 0.5))


def _failed(stored: asyncio.Future[None]) -> bool:
    return stored.cancelled() or stored.exception() is not None


def _report_lost(stored: asyncio.Future[None], call: Call) -> None:
    if not stored.cancelled() and (error := stored.exception()) is not None:
        logger.warning("call.record_lost", call=call.public_id, reason=str(error))
