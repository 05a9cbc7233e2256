"""Prompts in memory: made once for all, kept within bounds, renewed when old."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from media.library import FAILURE_SECONDS, FRESH_SECONDS, PromptLibrary, Stored
from media.prompt import PromptAudio

KIB = 1024


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Maker:
    """Makes prompts, counts them, and waits or fails when told to."""

    def __init__(self, samples: int = 100) -> None:
        self.made = 0
        self.samples = samples
        self.failure: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.begun = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> PromptAudio:
        self.made += 1
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.failure is not None:
            raise self.failure
        return audio(self.samples)


def audio(samples: int = 100) -> PromptAudio:
    return PromptAudio(np.zeros(samples, np.int16), "prompt")


def plain(**settings: object) -> PromptLibrary[None]:
    return PromptLibrary(**settings)  # type: ignore[arg-type]


def ready(prompt: PromptAudio) -> Callable[[], Awaitable[PromptAudio]]:
    async def produce() -> PromptAudio:
        return prompt

    return produce


async def test_a_prompt_is_made_once_and_shared() -> None:
    library, maker = plain(), Maker()
    first = await library.get("a", maker)
    assert await library.get("a", maker) is first
    assert maker.made == 1
    assert "a" in library


async def test_those_who_ask_at_once_share_one_production() -> None:
    library, maker = plain(), Maker()
    maker.go.clear()
    tasks = [asyncio.create_task(library.get("a", maker)) for _ in range(50)]
    other = asyncio.create_task(library.get("b", Maker()))
    await maker.begun.wait()
    await other
    maker.go.set()
    results = await asyncio.gather(*tasks)
    assert maker.made == 1
    assert all(result is results[0] for result in results)


async def test_one_caller_who_leaves_does_not_take_the_prompt_from_the_others() -> None:
    library, maker = plain(), Maker()
    maker.go.clear()
    leaving, staying = (asyncio.create_task(library.get("a", maker)) for _ in range(2))
    await maker.begun.wait()
    leaving.cancel()
    await asyncio.wait({leaving})
    maker.go.set()
    assert (await staying).seconds > 0
    assert leaving.cancelled()
    assert maker.made == 1


async def test_a_production_nobody_waits_for_is_cancelled_and_the_next_caller_has_a_new_one() -> None:
    library, maker = plain(), Maker()
    maker.go.clear()
    callers = [asyncio.create_task(library.get("a", maker)) for _ in range(2)]
    await maker.begun.wait()
    for caller in callers:
        caller.cancel()
    # Asked before the cancelled production has come to its end.
    after = asyncio.create_task(library.get("a", Maker()))
    await asyncio.wait(callers)
    assert (await after).seconds > 0
    assert maker.cancelled
    assert "a" in library


async def test_a_prompt_grows_old_and_is_made_again() -> None:
    clock, maker = Clock(), Maker()
    library: PromptLibrary[str] = PromptLibrary(clock=clock)
    first = await library.get("a", maker)
    clock.now += FRESH_SECONDS - 0.001
    assert await library.get("a", maker) is first
    clock.now += 0.001
    assert await library.get("a", maker) is not first
    assert maker.made == 2


async def test_a_prompt_without_an_age_stays() -> None:
    clock, maker = Clock(), Maker()
    library = plain(fresh_seconds=None, clock=clock)
    first = await library.get("a", maker)
    clock.now += 1e9
    assert await library.get("a", maker) is first


async def test_an_old_prompt_whose_tag_is_still_good_is_kept_and_fresh_again() -> None:
    clock = Clock()
    library: PromptLibrary[str] = PromptLibrary(clock=clock)
    told: list[str | None] = []
    prompt = audio()

    async def renew(held: Stored[str] | None) -> Stored[str]:
        told.append(held.tag if held is not None else None)
        return held if held is not None else Stored(prompt, '"v1"')

    for _ in range(3):
        assert await library.renew("a", renew) is prompt
        assert await library.renew("a", renew) is prompt
        clock.now += FRESH_SECONDS
    assert told == [None, '"v1"', '"v1"']


async def test_a_failure_reaches_all_who_wait_and_is_remembered_for_a_moment() -> None:
    clock, maker = Clock(), Maker()
    library: PromptLibrary[str] = PromptLibrary(clock=clock)
    maker.failure = ValueError("404")
    results = await asyncio.gather(*(library.get("a", maker) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["404"] * 3
    clock.now += FAILURE_SECONDS - 0.001
    with pytest.raises(ValueError, match="404"):
        await library.get("a", maker)
    assert maker.made == 1
    assert "a" not in library
    clock.now += 0.001
    maker.failure = None
    assert (await library.get("a", maker)).seconds > 0
    assert maker.made == 2


async def test_a_failure_is_not_remembered_when_told_so() -> None:
    library, maker = plain(failure_seconds=0), Maker()
    maker.failure = ValueError("404")
    for _ in range(2):
        with pytest.raises(ValueError, match="404"):
            await library.get("a", maker)
    assert maker.made == 2
    assert (len(library), library.bytes) == (0, 0)


async def test_a_failed_renewal_does_not_lose_the_tag() -> None:
    clock = Clock()
    library: PromptLibrary[str] = PromptLibrary(clock=clock)
    await library.renew("a", lambda _: stored('"v1"'))
    clock.now += FRESH_SECONDS

    async def fail(_: Stored[str] | None) -> Stored[str]:
        raise OSError("unreachable")

    with pytest.raises(OSError, match="unreachable"):
        await library.renew("a", fail)
    clock.now += FAILURE_SECONDS
    told: list[Stored[str] | None] = []

    async def renew(held: Stored[str] | None) -> Stored[str]:
        told.append(held)
        return held or await stored("lost")

    await library.renew("a", renew)
    assert told[0] is not None
    assert told[0].tag == '"v1"'


async def stored(tag: str) -> Stored[str]:
    return Stored(audio(), tag)


async def test_the_least_recently_used_go_first_when_the_bytes_are_spent() -> None:
    # 2 bytes a sample, 3 for encoded copies, and 1 KiB for each entry: 11 KiB a prompt.
    library = plain(max_bytes=33 * KIB)
    prompts = {key: audio(2 * KIB) for key in "abcd"}
    for key in "abc":
        await library.get(key, ready(prompts[key]))
    assert library.bytes == 33 * KIB
    await library.get("a", Maker())
    await library.get("d", ready(prompts["d"]))
    assert [key for key in "abcd" if key in library] == ["a", "c", "d"]
    assert library.bytes == 33 * KIB
    assert prompts["b"].seconds > 0


async def test_a_prompt_heavier_than_all_that_may_be_kept_is_handed_out_and_pushes_nothing_out() -> None:
    library = plain(max_bytes=10 * KIB)
    await library.get("small", Maker())
    assert len((await library.get("heavy", ready(audio(20 * KIB)))).samples) == 20 * KIB
    assert "small" in library
    assert "heavy" not in library


async def test_empty_prompts_and_failures_are_bounded_too() -> None:
    library, maker = plain(max_bytes=10 * KIB), Maker(samples=0)
    failing = Maker()
    failing.failure = ValueError("no")
    for number in range(100):
        await library.get(f"empty {number}", maker)
        with pytest.raises(ValueError, match="no"):
            await library.get(f"failed {number}", failing)
    assert len(library) == 10
    assert library.bytes == 10 * KIB


async def test_a_forgotten_prompt_is_made_again() -> None:
    library, maker = plain(), Maker()
    await library.get("a", maker)
    library.discard("a")
    library.discard("a")
    assert (len(library), library.bytes) == (0, 0)
    await library.get("a", maker)
    assert maker.made == 2
