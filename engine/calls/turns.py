"""When a call out may begin to dial: at once while the engine keeps up, else one by one in what is left of its time.

What was accepted can wait a moment, and is stored; requests that come in, and calls that are up, cannot. What a call
costs comes mostly after its INVITE, so that whether there was time for one shows only a little later.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

LATE_SECONDS: Final = 0.002
"""An event loop that comes round later than this is behind. The media thread goes before it for about a millisecond."""

STEP_SECONDS: Final = 0.003
"""The least time between two calls that wait for a turn."""

STARVED_SECONDS: Final = 0.1
"""However late the engine is, a call begins this often."""


class DialTurns:
    """The calls that wait for their turn, in the order in which they came. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._giving: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Returns when it is the caller's turn. One that is cancelled leaves the queue."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._giving is None:
            self._giving = asyncio.create_task(self._give(), name="turns to dial")
        await turn

    async def _give(self) -> None:
        try:
            step, last = 0.0, self._clock()
            while self._waiting:
                due = self._clock() + step
                await asyncio.sleep(step)
                at = self._clock()
                step = STEP_SECONDS
                if at - due > LATE_SECONDS and at - last < STARVED_SECONDS:
                    continue
                last = at
                self._next()
        finally:
            self._giving = None

    def _next(self) -> None:
        """The turn of the one that has waited longest, of those that still want one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
