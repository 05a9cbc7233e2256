"""Partial results: what is told while a caller speaks, when, and what is kept back."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from media.speech import Partial, grammar_recogniser
from media.speech.partial import PartialResults
from tests.support.voice import spoken


def seconds(count: float) -> list[NDArray[np.int16]]:
    return [np.zeros(round(count * 8000), np.int16)]


class Script:
    """A recogniser whose guesses are given; it notes the seconds of each part it was asked about."""

    def __init__(self, *guesses: str | None) -> None:
        self.asked: list[float] = []
        self.parts: list[int] = []
        self.told: list[Partial] = []
        self._guesses = list(guesses)
        self.results = PartialResults(self._guess, self.told.append)

    async def _guess(self, samples: NDArray[np.int16], part: int) -> str | None:
        self.parts.append(part)
        self.asked.append(len(samples) / 8000)
        return self._guesses.pop(0)

    async def says(self, *lengths: float) -> None:
        """A part grows to these lengths."""
        for length in lengths:
            self.results.grown(seconds(length))
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def test_guesses_are_made_as_a_part_grows_and_say_how_stable_they_are() -> None:
    script = Script("pay", "pay my", "pay my bill", "play")
    script.results.begin()
    await script.says(0.5, 1.0, 1.3, 1.8, 2.6, 10.0, 11.0, 12.0)
    assert script.asked == [1.0, 1.8, 2.6, 10.0]
    assert len(set(script.parts)) == 1
    assert script.told == [
        Partial("", "pay", 0.0),
        Partial("", "pay my", 0.5),
        Partial("", "pay my bill", 0.67),
        Partial("", "play", 0.0),
    ]


async def test_what_a_pause_has_ended_is_stable_once_it_is_recognised() -> None:
    script = Script("technical", "billing", "billing")
    script.results.begin()
    await script.says(1.0)
    understood = script.results.part_over()
    # Nobody knows yet what a guess would come after.
    await script.says(1.0)
    assert script.asked == [1.0]
    understood("technical support")
    await script.says(1.0, 2.0)
    script.results.part_over()("")
    assert [script.parts.index(part) for part in script.parts] == [0, 1, 1]
    assert script.told == [
        Partial("", "technical", 0.0),
        Partial("technical support", "", 1.0),
        Partial("technical support", "billing", 0.0),
        # The guess has come to nothing.
        Partial("technical support", "", 1.0),
    ]


async def test_what_is_the_same_or_nothing_is_not_told() -> None:
    script = Script("one", "one", None, "")
    script.results.begin()
    await script.says(1.0, 2.0, 3.0, 4.0)
    assert script.told == [Partial("", "one", 0.0)]
    assert len(script.asked) == 4


async def test_new_speech_begins_anew_and_a_late_part_of_the_old_is_not_told() -> None:
    script = Script("no")
    script.results.begin()
    late = script.results.part_over()
    script.results.begin()
    late("forgotten")
    await script.says(1.0)
    assert script.told == [Partial("", "no", 0.0)]


@pytest.mark.parametrize("ending", ["stop", "part_over", "begin"])
async def test_a_guess_that_comes_too_late_is_not_told(ending: str) -> None:
    script = Script("late")
    script.results.begin()
    script.results.grown(seconds(1.0))
    getattr(script.results, ending)()
    for _ in range(5):
        await asyncio.sleep(0)
    assert script.told == []


async def test_the_embedded_recogniser_guesses_how_a_phrase_goes_on_when_nobody_waits_for_it() -> None:
    recogniser = grammar_recogniser()
    said = spoken("four two seven one nine")
    try:
        begun = await recogniser.guess(said[: len(said) * 2 // 3], part=0, language="en-US", hints=None)
        assert (begun or "").split()[:2] == ["four", "two"]
        busy = [asyncio.create_task(recogniser.recognise(said, language="en-US", hints=None)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await recogniser.guess(said, part=1, language="en-US", hints=None) is None
        assert [one.text for one in await asyncio.gather(*busy)] == ["four two seven one nine"] * 2
        assert await recogniser.guess(said, part=1, language="de-DE", hints=None) is None
    finally:
        await recogniser.close()
