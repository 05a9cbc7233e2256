"""Turns to dial: in order, at once while the engine keeps up, and only now and then while it does not."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from engine.calls.turns import LATE_SECONDS, STARVED_SECONDS, STEP_SECONDS, DialTurns


class Loop:
    """An event loop that comes round so late after every pause; nothing really waits."""

    def __init__(self, late: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0.0
        self.late = late
        sleep = asyncio.sleep

        async def pause(seconds: float) -> None:
            self.at += seconds + self.late
            await sleep(0)

        monkeypatch.setattr(asyncio, "sleep", pause)


async def dialled(loop: Loop, calls: int) -> list[tuple[int, float]]:
    """Has so many calls take a turn at once; which dialled when."""
    turns, began = DialTurns(lambda: loop.at), list[tuple[int, float]]()

    async def dial(number: int) -> None:
        await turns.take()
        began.append((number, loop.at))

    await asyncio.gather(*(dial(number) for number in range(calls)))
    return began


def steps(began: list[tuple[int, float]]) -> list[float]:
    """Between one call and the next. A call sees its turn when the next pause has begun, but for the last one."""
    return [after - before for (_, before), (_, after) in pairwise(began[:-1])]


async def test_calls_dial_in_order_one_a_step_while_the_loop_is_on_time(monkeypatch: pytest.MonkeyPatch) -> None:
    began = await dialled(Loop(LATE_SECONDS / 2, monkeypatch), 5)
    assert [number for number, _ in began] == [0, 1, 2, 3, 4]
    assert began[0][1] <= STEP_SECONDS + LATE_SECONDS
    assert steps(began) == [pytest.approx(STEP_SECONDS + LATE_SECONDS / 2)] * 3


async def test_while_the_loop_is_late_a_call_dials_no_more_often_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    began = await dialled(Loop(LATE_SECONDS * 2, monkeypatch), 4)
    assert [number for number, _ in began] == [0, 1, 2, 3]
    assert all(STARVED_SECONDS <= step < STARVED_SECONDS + STEP_SECONDS + LATE_SECONDS * 2 for step in steps(began))


async def test_a_call_that_is_given_up_leaves_the_queue_and_later_ones_get_their_turn() -> None:
    turns, began = DialTurns(), list[int]()

    async def dial(number: int) -> None:
        await turns.take()
        began.append(number)

    waiting = [asyncio.create_task(dial(number)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert began == [0, 2]
    await dial(3)
    assert began == [0, 2, 3]
