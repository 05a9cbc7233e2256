"""Prompts in memory: each made once, shared by all calls, bounded in bytes, renewed when they get old.

It does not fetch or decode; whoever asks for a prompt says how it is made. A prompt that is being played stays alive
through the player's own reference, whatever is evicted here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from media.prompt import PromptAudio

# What the prompts in memory may take: an hour and a half of sound.
MAX_BYTES = 128 * 1024 * 1024
# Contract §10.4: cached by URL for 5 minutes.
FRESH_SECONDS = 300.0
# A failure is remembered so long: a broken server must not be asked again by every call of a busy line, and a repaired
# one is heard soon.
FAILURE_SECONDS = 2.0
# What an entry weighs besides its samples, so that empty ones are bounded too.
_ENTRY_BYTES = 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A prompt and what its producer wants to be told when it has grown old, such as an ETag."""

    audio: PromptAudio
    tag: T | None = None


Produce = Callable[[], Awaitable[PromptAudio]]
Renew = Callable[[Stored[T] | None], Awaitable[Stored[T]]]


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    stored: Stored[T] | None
    failure: Exception | None
    fresh_until: float
    weight: int


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[PromptAudio]
    waiting: int = 0


class PromptLibrary(Generic[T]):
    """Prompts by key, least recently used out first. All methods are called on the event loop's thread.

    `T` is the type of the tags that producers keep beside their prompts, None where there are none. `fresh_seconds`
    None keeps a prompt fresh for ever; `failure_seconds` 0 remembers no failure. A prompt heavier than `max_bytes` is
    handed out but not kept.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        fresh_seconds: float | None = FRESH_SECONDS,
        failure_seconds: float = FAILURE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._fresh_seconds = fresh_seconds
        self._failure_seconds = failure_seconds
        self._clock = clock
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._flights: dict[str, _Flight] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.stored is not None

    @property
    def bytes(self) -> int:
        """What the entries weigh, encoded copies included."""
        return self._bytes

    async def get(self, key: str, produce: Produce) -> PromptAudio:
        """The prompt of `key`: from memory while fresh, else from `produce()`, run once for all who ask meanwhile.

        Raises what `produce` raised, the same for `failure_seconds` after it.
        """

        async def renew(_: Stored[T] | None) -> Stored[T]:
            return Stored(await produce())

        return await self.renew(key, renew)

    def held(self, key: str) -> PromptAudio | None:
        """A prompt that is fresh and in memory; None where it would have to be waited for, or has failed."""
        entry = self._fresh(key)
        return None if entry is None or entry.failure is not None or entry.stored is None else entry.stored.audio

    def _fresh(self, key: str) -> _Entry[T] | None:
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.fresh_until:
            return None
        self._entries.move_to_end(key)
        return entry

    async def renew(self, key: str, produce: Renew[T]) -> PromptAudio:
        """As `get`, for prompts that can be revalidated: `produce` is given what is held, however old, or None.

        It may return that again, when its tag turned out to be still good. The production goes on while at least one
        caller waits for it, and is cancelled with the last.
        """
        fresh = self._fresh(key)
        if fresh is not None:
            if fresh.failure is not None:
                raise fresh.failure.with_traceback(None)
            assert fresh.stored is not None
            return fresh.stored.audio
        flight = self._flights.get(key)
        if flight is None:
            entry = self._entries.get(key)
            task = asyncio.create_task(self._produce(key, produce, entry.stored if entry is not None else None))
            flight = self._flights[key] = _Flight(task)
            task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                # Who asks from now on must not join a production that is being cancelled.
                del self._flights[key]
                flight.task.cancel()

    def discard(self, key: str) -> None:
        """Forget a prompt; the next to ask produces it."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.weight

    async def _produce(self, key: str, produce: Renew[T], held: Stored[T] | None) -> PromptAudio:
        try:
            stored = await produce(held)
        except Exception as error:
            if self._failure_seconds > 0 and (failure := _bare(error)) is not None:
                # What is held stays for the next attempt, which may still find its tag to be good.
                self._keep(key, held, failure, self._failure_seconds)
            raise
        self._keep(key, stored, None, self._fresh_seconds)
        return stored.audio

    def _land(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.cancelled():
            # All who waited may have been cancelled in the moment it failed.
            flight.task.exception()

    def _keep(self, key: str, stored: Stored[T] | None, failure: Exception | None, seconds: float | None) -> None:
        self.discard(key)
        # Two bytes a sample, and one for each of the three codecs it may have been encoded to.
        weight = _ENTRY_BYTES + (5 * stored.audio.samples.nbytes // 2 if stored is not None else 0)
        if weight > self._max_bytes:
            return
        fresh_until = float("inf") if seconds is None else self._clock() + seconds
        self._entries[key] = _Entry(stored, failure, fresh_until, weight)
        self._bytes += weight
        while self._bytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self._bytes -= evicted.weight


def _bare(error: Exception) -> Exception | None:
    """The same error without what it drags along: its traceback and causes hold on to the data it came from."""
    try:
        return type(error)(*error.args)
    except TypeError:
        return None
