"""Sends what waits in the outbox (contract §13.5): one lane for each target, each with its own limit of requests.

A lane asks the store for what is due to its target alone, so that nothing that waits for another target, however much
and however dead, stands before it. A lane whose target fails gets narrower. Nothing is taken out of the store before an
answer has come: what a killed process was sending is sent again at the next start.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from engine.delivery_attempt import Attempt, answered, request_of, retry_seconds, unanswered, with_recording
from engine.errors import EngineError
from engine.masking import masked
from engine.model import TargetKind
from engine.outbox import RECORDING_COMPLETED, TargetKey
from engine.store import Store
from engine.store import deliveries as queries
from engine.store.deliveries import SET_ATTEMPTED, DueDelivery
from engine.store.json_text import dump_json, load_json
from engine.store.tables import TERMINAL_EVENTS
from engine.store.times import from_ms, to_ms
from engine.webhook_directory import WebhookDirectory
from voyloml import HttpFailure, HttpReply, HttpRequest

logger = structlog.get_logger(__name__)

LANE_REQUESTS: Final = 16
"""Requests to one target at the same time."""

FAILING_REQUESTS: Final = 2
"""The same for a target whose last FAILURES attempts all failed."""

FAILURES: Final = 3
RESULTS_WAITING: Final = 256
"""Attempts of a lane whose results are not stored yet; no more requests are made beyond."""

FETCHED: Final = 64
"""Deliveries that a lane takes from the store at a time."""

RESCAN_SECONDS: Final = 30.0
"""How often the store is searched for targets that another process has written to."""

PRUNE_SECONDS: Final = 3600.0
PRUNED_AT_ONCE: Final = 500
STORE_PAUSE_SECONDS: Final = 5.0
"""How long a lane rests when the store fails it."""

CLOSE_SECONDS: Final = 3.0
"""How long requests under way may take when the engine stops."""

Exchange = Callable[[HttpRequest], Awaitable[HttpReply]]
RecordingUrl = Callable[[str, str | None], Awaitable[str | None]]
"""A link, signed for this attempt, to one recording of a call, by the UUIDs of both; for None to its first one."""


async def no_recording(_call_id: str, _recording_id: str | None) -> str | None:
    """The link of an engine that keeps no recordings."""
    return None


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """`attempts`, `seconds` and `keep_days` are limits of contract §20, `mask` is `security.mask_logged_headers`."""

    attempts: int = 8
    seconds: float = 10.0
    keep_days: int = 30
    mask: bool = True


@dataclass(slots=True)
class SenderCounters:
    """Counts since the start."""

    delivered: int = 0
    failed_attempts: int = 0
    given_up: int = 0


class DeliverySender:
    """`start`, then `wake` with the targets that something waits for, then `close`."""

    def __init__(
        self,
        store: Store,
        directory: WebhookDirectory,
        exchange: Exchange,
        settings: SenderSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        recording_url: RecordingUrl = no_recording,
    ) -> None:
        self._store = store
        self._directory = directory
        self._exchange = exchange
        self._settings = settings
        self._clock = clock
        self._recording_url = recording_url
        self._lanes: dict[TargetKey, _Lane] = {}
        self._upkeep: list[asyncio.Task[None]] = []
        self._closed = False
        self.counters = SenderCounters()

    async def start(self) -> None:
        """Begins with whatever waits in the store. Raises Unavailable."""
        await self._rescan()
        self._upkeep = [
            asyncio.create_task(self._every(RESCAN_SECONDS, self._rescan), name="deliveries rescan"),
            asyncio.create_task(self._every(PRUNE_SECONDS, self._prune), name="deliveries prune"),
        ]

    async def close(self) -> None:
        """Lets requests under way finish for a moment; what has no answer then is sent again at the next start."""
        for task in self._upkeep:
            task.cancel()
        lanes = list(self._lanes.values())
        self._upkeep, self._lanes, self._closed = [], {}, True
        await asyncio.gather(*(lane.close(CLOSE_SECONDS) for lane in lanes))

    def wake(self, targets: Iterable[TargetKey]) -> None:
        """Something new waits for these targets."""
        if self._closed:
            return  # it waits in the store for the next start
        for key in targets:
            lane = self._lanes.get(key)
            if lane is None:
                lane = self._lanes[key] = _Lane(self, *key)
                lane.start()
            lane.wake()

    @property
    def lanes(self) -> int:
        """How many targets something waits for."""
        return len(self._lanes)

    async def _rescan(self) -> None:
        self.wake(await self._store.read(queries.waiting_targets))

    async def _prune(self) -> None:
        before = to_ms(self._clock() - timedelta(days=self._settings.keep_days))
        more = True
        while more:
            more = await self._store.write(lambda connection: queries.prune(connection, before, PRUNED_AT_ONCE)) > 0

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))
            try:
                await work()
            except EngineError as error:
                logger.warning("deliveries.upkeep_failed", reason=error.message)

    def now(self) -> datetime:
        """The current time."""
        return self._clock()

    async def due(self, target_id: str, limit: int) -> list[DueDelivery]:
        """What is due to a target, `limit` at most."""
        return await queries.due_deliveries(self._store, target_id, to_ms(self._clock()), limit)

    async def next_at(self, target_id: str) -> datetime | None:
        """When something is due to a target next; None when nothing waits."""
        at = await queries.next_attempt_at(self._store, target_id)
        return None if at is None else from_ms(at)

    def forget(self, kind: TargetKind, target_id: str) -> None:
        """A lane that has nothing left to do."""
        self._lanes.pop((kind, target_id), None)

    async def attempt(self, kind: TargetKind, target_id: str, delivery: DueDelivery) -> Attempt:
        """Makes one attempt. Raises Unavailable when the store cannot say whether there is a recording."""
        target = self._directory.target(kind, target_id)
        began = self._clock()
        if target is None:
            return Attempt("The target takes no deliveries any more", delivery.target_url, {}, began, made=False)
        signed = with_recording(delivery, await self._link(delivery))
        request = request_of(signed, target, began, self._settings.seconds)
        try:
            attempt = answered(request, began, await self._exchange(request))
        except HttpFailure as failure:
            attempt = unanswered(request, began, failure.message)
        return attempt if signed is delivery else replace(attempt, payload=signed.payload)

    async def _link(self, delivery: DueDelivery) -> str | None:
        if delivery.call_id is None:
            return None
        if delivery.event_type == RECORDING_COMPLETED:
            return await self._recording_url(delivery.call_id, load_json(delivery.payload)["recording_id"])
        return await self._recording_url(delivery.call_id, None) if delivery.event_type in TERMINAL_EVENTS else None

    async def store(self, delivery: DueDelivery, attempt: Attempt) -> None:
        """Stores what an attempt came to. Raises Unavailable."""
        delivered = attempt.error is None
        attempts = delivery.attempts + attempt.made
        final = not attempt.made or attempts >= self._settings.attempts
        next_at = attempt.began
        if not delivered and not final:
            next_at = self._clock() + timedelta(seconds=retry_seconds(attempts))
        self.counters.delivered += delivered
        self.counters.failed_attempts += not delivered
        self.counters.given_up += not delivered and final
        parameters = {
            "delivery": delivery.id,
            "claimed": delivery.next_attempt_at,
            "new_status": "delivered" if delivered else "failed" if final else "pending",
            "new_attempts": attempts,
            "new_response_status": attempt.status,
            "new_last_error": attempt.error,
            "new_next_attempt_at": to_ms(next_at),
            "new_delivered_at": to_ms(self._clock()) if delivered else None,
            "new_target_url": attempt.url,
            "new_request_headers": dump_json(masked(attempt.headers) if self._settings.mask else attempt.headers),
            "new_response_body": attempt.body,
            "new_payload": attempt.payload,
        }
        await self._store.write_rows([(SET_ATTEMPTED, parameters)])


class _Lane:
    """The deliveries to one target: a loop that takes what is due, and the attempts under way."""

    def __init__(self, sender: DeliverySender, kind: TargetKind, target_id: str) -> None:
        self._sender = sender
        self._kind = kind
        self._target_id = target_id
        self._ready: deque[DueDelivery] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}  # until their results are stored
        self._requests = 0
        self._changed = asyncio.Event()
        self._look = asyncio.Event()  # more may be due than has been taken from the store
        self._failures = 0
        self._store_failed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"deliveries to {self._target_id}")

    def wake(self) -> None:
        self._look.set()
        self._changed.set()

    async def close(self, seconds: float) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                wait = await self._step()
            except EngineError as error:
                logger.warning("deliveries.store_failed", target=self._target_id, reason=error.message)
                self._store_failed, wait = True, 0.0
            except Exception:
                logger.exception("deliveries.lane_failed", target=self._target_id)
                self._store_failed, wait = True, 0.0
            if wait is None:
                return
            if self._store_failed:
                # What is not stored is due at once again; without a rest it would be sent as fast as it can be.
                self._store_failed, wait = False, STORE_PAUSE_SECONDS
                await asyncio.sleep(wait)
                self._look.set()
                continue
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                self._look.set()

    async def _step(self) -> float | None:
        """Starts what can be started; seconds to wait for a change, None when nothing is left for this lane."""
        if self._look.is_set() and not self._ready:
            self._look.clear()
            # Their results may be committed after the store was read: what runs at this moment is not taken again.
            running = frozenset(self._running)
            limit = FETCHED + len(running)
            found = await self._sender.due(self._target_id, limit)
            self._ready.extend(delivery for delivery in found if delivery.id not in running)
            if len(found) == limit:
                self._look.set()
        width = FAILING_REQUESTS if self._failures >= FAILURES else LANE_REQUESTS
        while self._ready and self._requests < width and len(self._running) < RESULTS_WAITING:
            delivery = self._ready.popleft()
            self._requests += 1
            task = asyncio.create_task(self._attempt(delivery), name=f"delivery {delivery.id}")
            self._running[delivery.id] = task
        if self._running or self._ready:
            return RESCAN_SECONDS
        next_at = await self._sender.next_at(self._target_id)
        if self._look.is_set():
            return 0.0
        if next_at is None:
            self._sender.forget(self._kind, self._target_id)
            return None
        return min(max((next_at - self._sender.now()).total_seconds(), 0.01), RESCAN_SECONDS)

    async def _attempt(self, delivery: DueDelivery) -> None:
        try:
            try:
                attempt = await self._sender.attempt(self._kind, self._target_id, delivery)
            finally:
                # The next request need not wait until this one's result is committed.
                self._requests -= 1
                self._changed.set()
            self._failures = 0 if attempt.error is None else self._failures + 1
            await self._sender.store(delivery, attempt)
        except EngineError as error:
            logger.warning("deliveries.result_lost", delivery=delivery.id, reason=error.message)
            self._store_failed = True
        except Exception:
            logger.exception("deliveries.attempt_failed", delivery=delivery.id)
            self._store_failed = True
        finally:
            del self._running[delivery.id]
            self._changed.set()
