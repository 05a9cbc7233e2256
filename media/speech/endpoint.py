"""Decides from the likelihood of speech in each 32 ms when the caller speaks, pauses and has ended (contract §10.5).

No clock and no audio device: windows of samples with their likelihoods go in, what has happened comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from media.resample import Samples
from media.speech.activity import RATE, WINDOW

SPEECH: Final = 0.5
"""Likelihood from which a window is speech; speech goes on until windows lie below STILL_SPEECH."""

STILL_SPEECH: Final = 0.35
BEGIN_WINDOWS: Final = 4
"""Windows of speech, among the last six, that begin it: about 130 ms, so that a click or a cough is none."""

MOST_SECONDS: Final = 60.0
"""Speech without a pause is taken to be over after this."""

_AMONG = 6
_WINDOW_SECONDS = WINDOW / RATE
# Before the first window of speech, and after the last one: words begin and end more quietly than they are.
_BEFORE = round(0.4 / _WINDOW_SECONDS)
_AFTER = round(0.3 / _WINDOW_SECONDS)


@dataclass(frozen=True, slots=True)
class Began:
    """The caller has begun to speak."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was said up to a pause; `(n,) int16` samples at 8 kHz."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Ended:
    """The caller has been silent for as long as ends speech. A Part came before it."""


Happened = Began | Part | Ended


class EndPointer:
    """One caller's speech, again and again. `end_silence` seconds end it, `pause` seconds end a part of it."""

    def __init__(self, end_silence: float, pause: float) -> None:
        self._end_windows = max(1, round(end_silence / _WINDOW_SECONDS))
        self._pause_windows = max(1, round(min(pause, end_silence) / _WINDOW_SECONDS))
        self._recent: deque[bool] = deque(maxlen=_AMONG)
        self._kept: deque[Samples] = deque(maxlen=_BEFORE + _AMONG)
        self._part: list[Samples] = []
        self._speaking = False
        self._quiet = 0
        self._said = 0

    @property
    def part(self) -> Sequence[Samples]:
        """The windows of the part that is being said; none in a pause."""
        return self._part

    def feed(self, window: Samples, likelihood: float) -> Iterator[Happened]:
        """The next `(WINDOW,) int16` samples and how likely they are speech."""
        loud = likelihood >= (STILL_SPEECH if self._speaking and self._quiet == 0 else SPEECH)
        if not self._speaking:
            self._kept.append(window)
            self._recent.append(loud)
            if sum(self._recent) >= BEGIN_WINDOWS:
                self._begin()
                yield Began()
            return
        self._said += 1
        yield from self._go_on(window, loud)

    def _begin(self) -> None:
        self._speaking = True
        self._part = list(self._kept)
        self._quiet = self._said = 0
        self._recent.clear()
        self._kept.clear()

    def _go_on(self, window: Samples, loud: bool) -> Iterator[Happened]:
        if not self._part and not loud:
            # Silence after a part, of which the next one may need the end
            self._kept.append(window)
        else:
            self._part += [*self._kept, window]
            self._kept.clear()
        self._quiet = 0 if loud else self._quiet + 1
        over = self._quiet >= self._end_windows or self._said * _WINDOW_SECONDS >= MOST_SECONDS
        if self._part and (over or self._quiet >= self._pause_windows):
            spare = max(self._quiet - _AFTER, 0)
            yield Part(np.concatenate(self._part[: len(self._part) - spare]))
            self._part = []
        if over:
            self._speaking = False
            yield Ended()
