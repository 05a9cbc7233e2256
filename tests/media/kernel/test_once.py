"""A result that comes once."""

from __future__ import annotations

import asyncio

import pytest

from media.kernel.once import Once


async def test_all_who_wait_get_it_and_so_do_those_who_come_later() -> None:
    once: Once[int] = Once()
    waiting = [asyncio.create_task(once.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not once.done
    once.settle(7)
    assert once.done
    assert await asyncio.gather(*waiting) == [7, 7, 7]
    assert await once.wait() == once.result() == 7


async def test_the_first_result_stays() -> None:
    once: Once[str] = Once()
    once.settle("first")
    once.settle("second")
    assert once.result() == "first"


async def test_who_gives_up_takes_it_from_nobody() -> None:
    once: Once[int] = Once()
    first, second = asyncio.create_task(once.wait()), asyncio.create_task(once.wait())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    once.settle(1)
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


def test_there_is_no_result_before_it_has_come() -> None:
    with pytest.raises(RuntimeError, match="not done"):
        Once[int]().result()
