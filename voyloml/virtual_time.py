"""An event loop whose clock jumps: when nothing is ready it is at once the time of the next timer.

A call of an hour takes milliseconds on it, with the interpreter unchanged. For code that waits for timers and other
code only; a loop with nothing left to wait for raises `NothingToWaitFor` instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class NothingToWaitFor(RuntimeError):
    """Every task waits for something that no timer and no task can bring about."""


class _JumpingSelector(selectors.SelectSelector):
    """Never sleeps: hands the time it was to wait to the loop's clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            # Something is ready to run already; the sockets, of which there are hardly any, can wait.
            return []
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise NothingToWaitFor("no timer is set, no task is ready: the loop would wait forever")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` is in virtual seconds from 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


def run_in_virtual_time(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs `main` to its end on a loop of its own, and whatever it has left behind.

    As `asyncio.run`, without its care for signals: that costs as much as a short call takes.
    """
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
