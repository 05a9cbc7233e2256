"""What a caller has said so far, told while he speaks (contract §10.5): the parts that a pause has ended, and a guess
at the present one.

A guess is the recogniser's of the part from its beginning, made again as the part grows, the less often the longer it
is and the longer the recogniser takes, so that all guesses together cost a few times the part. One is under way at a
time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from media.resample import RATE, Samples

FIRST_SECONDS: Final = 1.0
"""Of a part, half a second of which lies before its speech, when the first guess is made."""

STEP_SECONDS: Final = 0.7
STEP_SHARE: Final = 0.25
"""By how much a part must have grown for the next guess: in seconds, and as a share of it, whichever is more."""

IDLE_SHARE: Final = 3
"""Times as long as the last guess took nobody guesses, so that the recogniser is free for others."""

_Guess = Callable[[Samples, int], Awaitable[str | None]]
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Partial:
    """`stable` is what pauses have ended, `unstable` the guess at what follows; one of them may be empty.

    `stability` is the share of the guess, 0 to 1, that begins it as the guess before did; 1 without a guess.
    """

    stable: str
    unstable: str
    stability: float


class PartialResults:
    """The partial results of one listener. `tell` gets each that differs from the one before.

    `guess` is asked with the samples of a part so far, and the number of the part.
    """

    def __init__(self, guess: _Guess, tell: Callable[[Partial], None]) -> None:
        self._guess = guess
        self._tell = tell
        self._parts: list[str | None] = []
        self._before: list[str] = []
        self._told = ("", "")
        self._part = next(_numbers)
        self._next = FIRST_SECONDS
        self._guessing: asyncio.Task[None] | None = None
        self._stopped = False

    def begin(self) -> None:
        """The caller begins to speak, and what he said before is told no more."""
        self._next_part()
        self._parts, self._told = [], ("", "")

    def grown(self, part: Sequence[Samples]) -> None:
        """The part that is being said, in pieces, has grown."""
        seconds = sum(map(len, part)) / RATE
        if seconds < self._next or self._guessing is not None or None in self._parts:
            return
        self._next = seconds + max(STEP_SECONDS, STEP_SHARE * seconds)
        self._guessing = asyncio.create_task(self._guess_at(np.concatenate(part)), name="speech guess")

    def part_over(self) -> Callable[[str], None]:
        """A pause has ended a part; what is returned takes the words that it turns out to be."""
        self._next_part()
        parts, at = self._parts, len(self._parts)
        parts.append(None)

        def understood(text: str) -> None:
            parts[at] = text
            if parts is self._parts:
                self._say("", 1.0)

        return understood

    def stop(self) -> None:
        """Tells nothing from now on."""
        self._stopped = True
        self._next_part()

    def _next_part(self) -> None:
        if self._guessing is not None:
            self._guessing.cancel()
            self._guessing = None
        self._part, self._next, self._before = next(_numbers), FIRST_SECONDS, []

    async def _guess_at(self, samples: Samples) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        text = await self._guess(samples, self._part)
        self._guessing = None
        self._next = max(self._next, len(samples) / RATE + IDLE_SHARE * (clock() - began))
        words = (text or "").split()
        if words:
            pairs = zip(words, self._before, strict=False)
            same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            self._before = words
            self._say(" ".join(words), same / len(words))

    def _say(self, unstable: str, stability: float) -> None:
        over = itertools.takewhile(lambda text: text is not None, self._parts)
        stable = " ".join(text for text in over if text)
        if self._stopped or (stable, unstable) in {self._told, ("", "")}:
            return
        self._told = (stable, unstable)
        self._tell(Partial(stable, unstable, round(stability, 2)))
