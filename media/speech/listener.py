"""Listens to what a session receives: when the caller speaks, and what was said (contract §10.5).

Voice activity is found and speech recognised outside the event loop's thread; each part of what is said is recognised
while the caller pauses or goes on, so that little is left to do when the silence after it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from media.resample import Samples
from media.session import MediaSession
from media.speech.activity import WINDOW, ActivityDetector, ActivityDetectors
from media.speech.endpoint import Began, Ended, EndPointer, Part
from media.speech.partial import Partial, PartialResults
from media.speech.recogniser import PAUSE_SECONDS, Recogniser, RecogniserUnavailable, Understood

_log = logging.getLogger(__name__)

WAITING_FRAMES: Final = 500
"""Frames of 20 ms that may wait for a machine that does not keep up; what comes beyond is lost."""


@dataclass(slots=True)
class _Said:
    """One stretch of speech. `parts` are recognised as they come."""

    parts: list[Samples] = field(default_factory=list)
    heard: list[asyncio.Task[Understood | None]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class SpeechListener:
    """Hears a session from its construction until `stop`. `on_problem` is told, once for each, why something that was
    said could not be recognised, `on_partial` what was said so far; with it, pauses part what is said for every
    recogniser."""

    def __init__(
        self,
        session: MediaSession,
        recogniser: Recogniser,
        detectors: ActivityDetectors,
        *,
        language: str,
        hints: str | None,
        end_silence: float,
        on_problem: Callable[[str], None],
        on_partial: Callable[[Partial], None] | None = None,
    ) -> None:
        self._session = session
        self._recogniser = recogniser
        self._detectors = detectors
        self._language = language
        self._hints = hints
        self._end_silence = end_silence
        self._on_problem = on_problem
        self._partials = None if on_partial is None else PartialResults(self._guess, on_partial)
        self._problems: set[str] = set()
        self._waiting: deque[Samples] = deque(maxlen=WAITING_FRAMES)
        self._more = asyncio.Event()
        self._began = asyncio.Event()
        self._said: deque[_Said] = deque()
        self._scoring: asyncio.Future[list[float]] | None = None
        self._stopped = False
        self._end = session.listen(self._hear)
        self._task = asyncio.create_task(self._run(), name="speech listener")
        self._warming = asyncio.create_task(self._warm(), name="recogniser")

    async def began(self) -> None:
        """Returns when speech that no `result` was asked for has begun. Cancelling the wait stops nothing."""
        while not self._said:
            self._began.clear()
            await self._began.wait()

    async def result(self) -> Understood | None:
        """Returns when the silence after that speech is over; None where nothing was understood."""
        await self.began()
        said = self._said[0]
        await said.ended.wait()
        understood = await self._understood(said)
        self._said.popleft()
        return understood

    def stop(self) -> None:
        """Listens no longer; safe more than once."""
        if self._stopped:
            return
        self._stopped = True
        self._end()
        self._task.cancel()
        self._warming.cancel()
        if self._partials is not None:
            self._partials.stop()
        for said in self._said:
            for task in said.heard:
                task.cancel()

    def _hear(self, frame: Samples, _tick: int) -> None:
        self._waiting.append(frame.copy())
        self._more.set()

    async def _warm(self) -> None:
        with contextlib.suppress(RecogniserUnavailable):
            await self._recogniser.start()

    async def _run(self) -> None:
        try:
            detector = await self._detectors.take()
        except (RuntimeError, OSError) as error:
            self._end()
            self._complain(f"speech cannot be told from silence: {error}")
            return
        try:
            await self._listen(detector)
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("listening to %r failed", self._session)
            self._end()
            self._complain("internal error")
        finally:
            # While its thread is at work it is not given to another.
            if self._scoring is None or self._scoring.done():
                self._detectors.give_back(detector)
            else:
                self._scoring.add_done_callback(lambda _: self._detectors.give_back(detector))

    async def _listen(self, detector: ActivityDetector) -> None:
        pause = self._recogniser.pause if self._partials is None else min(self._recogniser.pause, PAUSE_SECONDS)
        points = EndPointer(self._end_silence, pause)
        rest = np.zeros(0, np.int16)
        while True:
            await self._more.wait()
            self._more.clear()
            samples = np.concatenate([rest, *self._waiting])
            self._waiting.clear()
            whole = len(samples) // WINDOW * WINDOW
            samples, rest = samples[:whole], samples[whole:]
            if not whole:
                continue
            self._scoring = asyncio.ensure_future(detector.scores(samples))
            scores = await asyncio.shield(self._scoring)
            for window, likelihood in zip(samples.reshape(-1, WINDOW), scores, strict=True):
                for happened in points.feed(window, likelihood):
                    self._take(happened)
            if self._partials is not None and points.part:
                self._partials.grown(points.part)

    def _take(self, happened: Began | Part | Ended) -> None:
        match happened:
            case Began():
                self._said.append(_Said())
                self._began.set()
                if self._partials is not None:
                    self._partials.begin()
            case Part():
                said = self._said[-1]
                said.parts.append(happened.samples)
                tell = None if self._partials is None else self._partials.part_over()
                heard = self._recognise_part(happened.samples, tell)
                said.heard.append(asyncio.create_task(heard, name="speech part"))
            case Ended():
                self._said[-1].ended.set()

    async def _recognise_part(self, samples: Samples, tell: Callable[[str], None] | None) -> Understood | None:
        understood = await self._recognise(samples)
        if tell is not None:
            tell("" if understood is None else understood.text)
        return understood

    async def _guess(self, samples: Samples, part: int) -> str | None:
        try:
            return await self._recogniser.guess(samples, part=part, language=self._language, hints=self._hints)
        except RecogniserUnavailable:
            # Said when the part is over and not recognised.
            return None

    async def _recognise(self, samples: Samples) -> Understood | None:
        try:
            understood = await self._recogniser.recognise(samples, language=self._language, hints=self._hints)
        except RecogniserUnavailable as error:
            self._complain(str(error))
            return None
        if understood.unknown:
            self._complain(f"words that cannot be heard: {', '.join(understood.unknown)[:200]}")
        return understood if understood.text else None

    async def _understood(self, said: _Said) -> Understood | None:
        heard = [await asyncio.shield(task) for task in said.heard]
        if len(heard) > 1 and None in heard:
            # A phrase with a pause in it is none of its parts.
            whole = await self._recognise(np.concatenate(said.parts))
            if whole is not None:
                return whole
        return joined([one for one in heard if one is not None])

    def _complain(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.add(problem)
            self._on_problem(problem)


def joined(parts: Sequence[Understood]) -> Understood | None:
    """The parts as one, as sure as the least sure of them; None for none."""
    if not parts:
        return None
    return Understood(" ".join(part.text for part in parts), min(part.confidence for part in parts))
