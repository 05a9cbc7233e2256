"""The loop whose clock jumps."""

from __future__ import annotations

import asyncio
import time

import pytest

from voyloml.virtual_time import NothingToWaitFor, run_in_virtual_time


def test_an_hour_takes_no_time() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await asyncio.sleep(3600)
        times.append(loop.time())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.Event().wait()
        times.append(loop.time())
        return times

    began = time.monotonic()
    assert run_in_virtual_time(main()) == pytest.approx([0, 3600, 3600.1])
    assert time.monotonic() - began < 5


def test_timers_fire_in_order_and_on_time() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []
        for name, delay in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
            loop.call_later(delay, lambda name=name: seen.append((name, loop.time())))
        await asyncio.sleep(10)
        return seen

    assert run_in_virtual_time(main()) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_time_stands_still_while_something_is_ready() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == 0


def test_what_other_callers_schedule_comes_before_the_next_timer() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen: list[float] = []
        loop.call_soon(loop.call_soon_threadsafe, lambda: seen.append(loop.time()))
        await asyncio.sleep(1)
        return seen

    assert run_in_virtual_time(main()) == [0]


def test_a_wait_that_nothing_can_end_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingToWaitFor):
        run_in_virtual_time(main())
