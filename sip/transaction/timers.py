"""Timer lengths (RFC 3261 table 4, RFC 6026 §7) and the queue that all timers of the protocol floor wait in.

Times are seconds, read from the clock given to the queue; nothing here asks the system for the time or waits.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sip.transaction.table import Event

# The heap is rebuilt without its cancelled entries when they are most of it; below this size that is not worth the
# pass.
COMPACTION_FLOOR = 1024


@dataclass(frozen=True, slots=True)
class TimerConfig:
    """The base values of RFC 3261 §17.1.1.1 in seconds; every other timer is derived from them."""

    t1: float = 0.5  # estimate of the round trip
    t2: float = 4.0  # longest interval between retransmissions of non-INVITE requests and of responses
    t4: float = 5.0  # longest time a message stays in the network
    trying: float = 0.2  # a 100 leaves after this time unless another response did (§17.2.1)

    def lengths(self, *, reliable: bool) -> tuple[float, ...]:
        """First length in seconds of each timer, indexed by its event, for a reliable or an unreliable transport.

        A negative length: the timer is not used on that transport (retransmissions over a reliable one).
        """
        timeout = 64 * self.t1
        retransmit = -1.0 if reliable else self.t1
        lengths = {
            Event.TIMER_A: retransmit,
            Event.TIMER_B: timeout,
            Event.TIMER_D: 0.0 if reliable else timeout,
            Event.TIMER_E: retransmit,
            Event.TIMER_F: timeout,
            Event.TIMER_G: retransmit,
            Event.TIMER_H: timeout,
            Event.TIMER_I: 0.0 if reliable else self.t4,
            Event.TIMER_J: 0.0 if reliable else timeout,
            Event.TIMER_K: 0.0 if reliable else self.t4,
            Event.TIMER_L: timeout,
            Event.TIMER_M: timeout,
            Event.TIMER_TRYING: self.trying,
        }
        return tuple(lengths[event] for event in sorted(lengths))


class TimerEntry:
    """One scheduled call. Its callback is dropped when it runs or is cancelled, so that nothing is kept alive by the
    heap."""

    __slots__ = ("argument", "callback", "deadline")

    def __init__(self, deadline: float, callback: Callable[[Any], object], argument: object) -> None:
        self.deadline = deadline
        self.callback: Callable[[Any], object] | None = callback
        self.argument: object = argument


class TimerQueue:
    """A heap of timers with lazy deletion: scheduling costs O(log n), cancelling O(1)."""

    __slots__ = ("_cancelled", "_heap", "_sequence", "clock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, TimerEntry]] = []
        self._sequence = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """How many timers are waiting, without the cancelled ones."""
        return len(self._heap) - self._cancelled

    @property
    def heap_size(self) -> int:
        """Entries in memory, cancelled ones included."""
        return len(self._heap)

    def schedule(self, delay: float, callback: Callable[[Any], object], argument: object = None) -> TimerEntry:
        """Have `callback(argument)` called `delay` seconds from now; returns the entry for `cancel`."""
        deadline = self.clock() + delay
        entry = TimerEntry(deadline, callback, argument)
        self._sequence += 1
        heapq.heappush(self._heap, (deadline, self._sequence, entry))
        return entry

    def cancel(self, entry: TimerEntry) -> None:
        """Forget the entry; no effect when it has run or was cancelled before."""
        if entry.callback is None:
            return
        entry.callback = entry.argument = None
        self._cancelled += 1
        if self._cancelled > COMPACTION_FLOOR and self._cancelled * 2 > len(self._heap):
            self._heap = [item for item in self._heap if item[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """Time on the clock at which `run_due` has something to do next; None when nothing waits."""
        heap = self._heap
        while heap:
            if heap[0][2].callback is not None:
                return heap[0][0]
            heapq.heappop(heap)
            self._cancelled -= 1
        return None

    def pop_due(self) -> tuple[Callable[[Any], object], object] | None:
        """Take the earliest callback whose time has come, with its argument; None when nothing is due.

        The caller runs it, so that it can put a barrier around each.
        """
        deadline = self.next_deadline()
        if deadline is None or deadline > self.clock():
            return None
        entry = heapq.heappop(self._heap)[2]
        callback, argument = entry.callback, entry.argument
        assert callback is not None  # next_deadline() leaves a live entry on top
        entry.callback = entry.argument = None
        return callback, argument
