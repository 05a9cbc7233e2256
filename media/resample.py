"""Brings any sound to the rate of the telephone: 8 kHz, mono, 16 bit, by soxr's HQ filter.

For files and speech only. The filter holds back up to an eighth of a second, so live audio takes another way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

RATE = 8000
# Rates outside these are no sound anybody recorded; the lower one also keeps the output from dwarfing the input.
MIN_RATE = 1000
MAX_RATE = 384_000

# Full scale is 1.0. A loud master may exceed it, but not by 12 dB; a damaged file may hold anything.
_LOUDEST = 4.0

Samples = npt.NDArray[np.int16]
Signal = npt.NDArray[np.float32]


def quantise(signal: Signal) -> Samples:
    """Round a signal of full scale 1.0 to int16 samples; what is louder is clipped, what is not a number is silence."""
    clean = np.clip(np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    samples: Samples = np.minimum(np.rint(clean * 32768.0), 32767).astype(np.int16)
    return samples


class Resampler:
    """Brings a signal that comes in pieces from `rate` Hz to 8 kHz. Raises ValueError when `rate` is out of range."""

    def __init__(self, rate: int) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(f"a sample rate of {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are possible")
        self.rate = rate
        # At 8 kHz nothing is filtered, so that a G.711 or 8 kHz file is played bit for bit.
        self._stream: Any = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")

    def feed(self, signal: Signal, *, last: bool = False) -> Signal:
        """The next piece, a one-dimensional signal; returns what is ready of it at 8 kHz, everything when `last`."""
        if self._stream is None:
            return signal
        clean = np.clip(np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0), -_LOUDEST, _LOUDEST)
        resampled: Signal = self._stream.resample_chunk(np.ascontiguousarray(clean, np.float32), last=last)
        return resampled


def resample(signal: Signal, rate: int) -> Signal:
    """A whole signal of `rate` Hz at 8 kHz. Raises ValueError when `rate` is out of range."""
    return Resampler(rate).feed(signal, last=True)
