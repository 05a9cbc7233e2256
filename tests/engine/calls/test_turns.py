"""Turns to dial: in order, at once while the engine keeps up, with rests while it does not."""

from __future__ import annotations

import asyncio

import pytest

from engine.calls.turns import LATE_SECONDS, REST, DialTurns


class Slow:
    """A clock by which each round of the event loop takes the same time."""

    def __init__(self, round_seconds: float) -> None:
        self.at = 0.0
        self.round_seconds = round_seconds

    def __call__(self) -> float:
        self.at += self.round_seconds
        return self.at


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it rested between calls; nothing really waits."""
    taken: list[float] = []
    sleep = asyncio.sleep

    async def no_wait(seconds: float) -> None:
        taken.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", no_wait)
    return taken


async def dial(turns: DialTurns, dialled: list[int], number: int) -> None:
    await turns.take()
    dialled.append(number)


@pytest.mark.parametrize(
    ("round_seconds", "rest"), [(LATE_SECONDS / 2, 0), (LATE_SECONDS * 2, LATE_SECONDS * 2 * REST)]
)
async def test_calls_dial_in_order_and_a_late_engine_rests_between_them(
    rests: list[float], round_seconds: float, rest: float
) -> None:
    turns, dialled = DialTurns(Slow(round_seconds)), list[int]()
    await asyncio.gather(*(dial(turns, dialled, number) for number in range(5)))
    assert dialled == [0, 1, 2, 3, 4]
    assert rests == [seconds for _ in range(5) for seconds in (0, *([pytest.approx(rest)] if rest else []))]


async def test_a_call_that_is_given_up_leaves_the_queue_and_later_ones_get_their_turn() -> None:
    turns, dialled = DialTurns(), list[int]()
    waiting = [asyncio.create_task(dial(turns, dialled, number)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert dialled == [0, 2]
    await dial(turns, dialled, 3)
    assert dialled == [0, 2, 3]
