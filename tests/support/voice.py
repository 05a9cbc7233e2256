"""A caller's voice: synthetic speech at 8 kHz, from the engine's own text to speech."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from media.worker.speech import handle


@functools.cache
def spoken(text: str, voice: str = "en-US") -> NDArray[np.int16]:
    """`text` as `(n,) int16` samples, without silence before it."""
    _, body = handle({"voice": voice, "speed": 1.0}, text.encode())
    samples = np.frombuffer(bytes(body), np.int16)
    assert len(samples)
    return samples
