"""`partialResultCallback` in a simulated call: the words of the script, second by second as they are said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from voyloml import told
from voyloml.capabilities import PartialOrder, PartialSpeech

EVERY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.6
"""After so much silence what was said is stable."""


class Tell(Protocol):
    """Whoever makes status callbacks."""

    def __call__(self, url: str, form: Mapping[str, str], method: str = "POST") -> None:
        """Begins to tell `form`."""


class SimulatedPartials:
    """The partial results of one Gather, told as they are ordered."""

    def __init__(self, tell: Tell, order: PartialOrder) -> None:
        self._tell = tell
        self._order = order
        self._sequence = 0
        self._stable: list[str] = []
        self._timers: list[asyncio.TimerHandle] = []

    def says(self, text: str, seconds: float) -> None:
        """The caller begins to say something."""
        words, loop = text.split(), asyncio.get_running_loop()
        before = 0
        for second in range(1, int(seconds / EVERY_SECONDS) + 1):
            so_far = round(len(words) * second * EVERY_SECONDS / seconds)
            if so_far > before:
                guess = " ".join(words[:so_far])
                self._timers.append(loop.call_later(second * EVERY_SECONDS, self._guess, guess, before / so_far))
                before = so_far
        if words:
            self._timers.append(loop.call_later(seconds + PAUSE_SECONDS, self._over, text))

    def forget(self) -> None:
        """What was said is over; what comes is something new."""
        self._stable = []

    def stop(self) -> None:
        """Tells nothing more."""
        for timer in self._timers:
            timer.cancel()

    def _guess(self, guess: str, stability: float) -> None:
        self._say(PartialSpeech(" ".join(self._stable), guess, round(stability, 2)))

    def _over(self, text: str) -> None:
        self._stable.append(text)
        self._say(PartialSpeech(" ".join(self._stable), "", 1.0))

    def _say(self, said: PartialSpeech) -> None:
        form = {**self._order.form(), **told.of_partial(self._sequence, said)}
        self._sequence += 1
        self._tell(self._order.url, form, self._order.method)
