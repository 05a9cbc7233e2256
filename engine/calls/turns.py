"""When a call out may begin to dial: at once while the engine keeps up, else one after another.

What was accepted can wait a moment; requests that come in, and calls that are up, cannot.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

LATE_SECONDS: Final = 0.003
"""A round of the event loop that takes longer means that it is behind."""

REST: Final = 6
"""Between one call and the next it then rests so many times as long as the round took. What a call costs comes mostly
after its INVITE, so that most of the time is needed for those that have begun."""


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
            while self._waiting:
                began = self._clock()
                await asyncio.sleep(0)
                round_seconds = self._clock() - began
                if round_seconds > LATE_SECONDS:
                    await asyncio.sleep(REST * round_seconds)
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
        finally:
            self._giving = None
