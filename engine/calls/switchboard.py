"""The calls that are up: counted, found by id, and let go in good order when the engine stops (contract §22.4)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from engine.calls import outcome
from engine.calls.call import Call

HANGUP_SECONDS = 5.0

BEHIND_SECONDS = 1.0
"""How long a new call may wait for its record before further ones are refused."""


class Switchboard:
    """Every running call, by public id. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._channels: Counter[str] = Counter()
        self._by_workspace: Counter[str] = Counter()
        # Calls whose record is not stored yet, oldest first.
        self._beginning: dict[str, float] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.total = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def get(self, public_id: str) -> Call | None:
        """The running call with this public id."""
        return self._calls.get(public_id)

    def channels_of(self, number_or_trunk: str) -> int:
        """How many calls run on this number, in its E.164 form, or through the trunk with this id."""
        return self._channels[number_or_trunk]

    @property
    def behind(self) -> bool:
        """True while a new call waits too long for its record: the processor or the disk cannot follow."""
        oldest = next(iter(self._beginning.values()), None)
        return oldest is not None and self._clock() - oldest > BEHIND_SECONDS

    def calls_of(self, workspace_id: str) -> int:
        """How many calls of this workspace run."""
        return self._by_workspace[workspace_id]

    def connect(self, call: Call) -> None:
        """Starts the call and keeps it until its record is closed."""
        public_id, trunk_id = call.new.public_id, call.new.trunk_id
        e164 = None if call.own_number is None else call.own_number.e164
        taken = tuple(name for name in (e164, trunk_id) if name is not None)
        self._calls[public_id] = call
        self._by_workspace[call.new.workspace_id] += 1
        self._channels.update(taken)
        self.total += 1
        self._empty.clear()
        self._beginning[public_id] = self._clock()
        call.on_stored = lambda: self._beginning.pop(public_id, None)
        call.on_released = lambda: self._release(taken)
        task = call.start()
        self._tasks[public_id] = task
        task.add_done_callback(lambda _: self._forget(public_id))

    def _release(self, taken: Sequence[str]) -> None:
        take_off(self._channels, *taken)

    def _forget(self, public_id: str) -> None:
        take_off(self._by_workspace, self._calls.pop(public_id).new.workspace_id)
        del self._tasks[public_id]
        self._beginning.pop(public_id, None)
        if not self._calls:
            self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Lets calls finish for `seconds`, then hangs up the rest and waits until their records are closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            await self.hang_up_all()

    async def hang_up_all(self) -> None:
        """Hangs up every call with BYE and waits, a few seconds at most, until their records are closed."""
        for call in self:
            call.end(outcome.SHUTDOWN)
        tasks = set(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=HANGUP_SECONDS)


def take_off(counts: Counter[str], *names: str) -> None:
    """One less of each; a count that is zero is not kept."""
    for name in names:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
