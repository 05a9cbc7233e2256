"""Live audio between 8 kHz and twice or three times that, by a polyphase FIR filter of 2 ms delay.

Unlike the filter for files (`media.resample`) it holds nothing back: each piece that goes in comes out.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

RATE: Final = 8000
RATES: Final = (8000, 16_000, 24_000)

_TAPS_PER_PHASE: Final = 30
# The edge of what 8 kHz can hold; with so many taps what folds back from above 4.6 kHz is 70 dB down.
_EDGE_HZ: Final = 4000
_KAISER_BETA: Final = 6.8

Samples = npt.NDArray[np.int16]
_Signal = npt.NDArray[np.float32]


def _factor(rate: int) -> int:
    if rate not in RATES:
        raise ValueError(f"a live sample rate of {rate} Hz; {', '.join(map(str, RATES))} are possible")
    return rate // RATE


def _low_pass(factor: int) -> _Signal:
    """A linear-phase filter at the higher rate whose gain for a steady signal is 1."""
    length = _TAPS_PER_PHASE * factor
    places = np.arange(length) - (length - 1) / 2
    taps = np.sinc(places * 2 * _EDGE_HZ / (RATE * factor)) * np.kaiser(length, _KAISER_BETA)
    scaled: _Signal = (taps / taps.sum()).astype(np.float32)
    return scaled


def _windows(signal: _Signal, length: int, step: int) -> _Signal:
    view: Any = np.lib.stride_tricks.sliding_window_view(signal, length)[::step]
    # Copied: only then is what follows a single multiplication of matrices.
    windows: _Signal = np.ascontiguousarray(view)
    return windows


def _to_samples(signal: _Signal) -> Samples:
    samples: Samples = np.clip(np.rint(signal), -32768, 32767).astype(np.int16)
    return samples


class Narrower:
    """Brings a stream of `rate` Hz (8000, 16000 or 24000) to 8 kHz. Raises ValueError for another rate."""

    def __init__(self, rate: int) -> None:
        self._factor = _factor(rate)
        self._taps = _low_pass(self._factor)
        self._held = np.zeros(len(self._taps) - self._factor, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """The next piece, `(n,) int16` of any length, as samples at 8 kHz."""
        if self._factor == 1:
            return samples
        signal = np.concatenate((self._held, samples.astype(np.float32)))
        count = (len(signal) - len(self._taps)) // self._factor + 1
        if count <= 0:
            self._held = signal
            return np.zeros(0, np.int16)
        self._held = signal[count * self._factor :]
        return _to_samples((_windows(signal, len(self._taps), self._factor) @ self._taps)[:count])


class Widener:
    """Brings a stream of 8 kHz to `rate` Hz (8000, 16000 or 24000). Raises ValueError for another rate."""

    def __init__(self, rate: int) -> None:
        self._factor = _factor(rate)
        # One column for each of the samples that come of one; of a window the last sample is the newest.
        taps = _low_pass(self._factor).reshape(_TAPS_PER_PHASE, self._factor)
        self._phases = np.ascontiguousarray(taps[::-1] * self._factor)
        self._held = np.zeros(_TAPS_PER_PHASE - 1, np.float32)

    def feed(self, samples: Samples) -> Samples:
        """The next piece, `(n,) int16` at 8 kHz, as samples at the other rate."""
        if self._factor == 1:
            return samples
        signal = np.concatenate((self._held, samples.astype(np.float32)))
        self._held = signal[len(samples) :]
        return _to_samples((_windows(signal, _TAPS_PER_PHASE, 1) @ self._phases).reshape(-1))
