"""The order in a queue, and what happens when a caller is given and given up in the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.calls.queues import CallQueue, WaitingCaller

NO_CALL: Any = None
"""A queue asks nothing of the call itself."""


class Desk:
    """A queue, and whether anybody has been said to be in it."""

    def __init__(self) -> None:
        self.emptied = 0
        self.queue = CallQueue(self._empty)

    def _empty(self) -> None:
        self.emptied += 1

    def caller(self) -> WaitingCaller:
        caller = WaitingCaller(self.queue, NO_CALL)
        self.queue.put(caller)
        return caller

    async def wants(self) -> asyncio.Task[WaitingCaller]:
        """A Dial that is waiting by now, or has been given a caller."""
        wanting = asyncio.create_task(self.queue.take())
        await asyncio.sleep(0)
        return wanting


async def test_callers_are_taken_in_the_order_in_which_they_came() -> None:
    desk = Desk()
    callers = [desk.caller() for _ in range(3)]
    assert [caller.position for caller in callers] == [1, 2, 3]
    assert await desk.queue.take() is callers[0]
    assert [caller.position for caller in callers] == [0, 1, 2]
    await callers[1].leave()
    assert (callers[2].position, callers[2].size) == (1, 1)
    assert await desk.queue.take() is callers[2]
    assert (desk.queue.size, desk.emptied) == (0, 1)


async def test_dials_are_served_in_the_order_in_which_they_came() -> None:
    desk = Desk()
    first, second = await desk.wants(), await desk.wants()
    callers = [desk.caller(), desk.caller()]
    assert [await first, await second] == callers
    assert (desk.queue.size, desk.emptied) == (0, 1)


async def test_a_dial_that_is_over_is_given_nobody() -> None:
    desk = Desk()
    gone, there = await desk.wants(), await desk.wants()
    gone.cancel()
    await asyncio.wait({gone})
    caller = desk.caller()
    assert await there is caller
    assert desk.emptied == 1


async def test_a_caller_who_is_given_to_a_dial_that_ends_in_that_moment_is_still_the_first() -> None:
    desk = Desk()
    wanting = await desk.wants()
    first, second = desk.caller(), desk.caller()
    assert first.position == 0
    wanting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wanting
    assert (first.position, second.position) == (1, 2)
    assert desk.emptied == 0


async def test_a_queue_is_kept_while_a_caller_may_come_back_to_it() -> None:
    desk = Desk()
    first, second = await desk.wants(), await desk.wants()
    callers = [desk.caller(), desk.caller()]
    second.cancel()
    assert await first is callers[0]
    await asyncio.wait({second})
    assert (callers[1].position, desk.emptied) == (1, 0)
