"""What speech of any engine is brought to, after it was rendered: its level, and how much silence is around it."""

from __future__ import annotations

import numpy as np

from media.resample import Samples, Signal, quantise

# What remains above this (-1 dBFS) is turned down.
_PEAK = 0.89
# Silence is what stays below -44 dBFS; Pico's own noise floor lies 6 dB lower.
_SILENCE = 200
# Quiet beginnings and ends of words lie below that, and a sentence needs a breath after it, unless it runs on.
_LEAD = 30 * 8
_TRAIL = 250 * 8
_WORD_TRAIL = 50 * 8
# What is made louder is bent above this (-6 dBFS), so that it comes near _PEAK and not over it.
_KNEE = 0.5


def tamed(signal: Signal) -> Signal:
    """The signal, turned down where its peak comes near full scale."""
    peak = float(np.abs(signal).max(initial=0.0))
    return signal * np.float32(_PEAK / peak) if peak > _PEAK else signal


def delivered(samples: Samples, decibels: float | None, *, runs_on: bool) -> Samples:
    """The samples without the silence around them and so much louder or quieter; None: silent for as long.

    `runs_on`: the sentence goes on after them, so no breath is left. Empty when all is silence.
    """
    return _at_level(trim(samples, _WORD_TRAIL if runs_on else _TRAIL), decibels)


def bent(signal: Signal) -> Signal:
    """The signal with what is above -6 dBFS bent to stay under -1 dBFS."""
    over = np.abs(signal) - np.float32(_KNEE)
    room = np.float32(_PEAK - _KNEE)
    curved: Signal = np.sign(signal) * (np.float32(_KNEE) + room * np.tanh(np.maximum(over, 0) / room))
    return np.where(over > 0, curved, signal)


def _at_level(samples: Samples, decibels: float | None) -> Samples:
    if decibels is None:
        return np.zeros_like(samples)
    if not decibels:
        return samples
    signal = samples.astype(np.float32) * np.float32(10 ** (decibels / 20) / 32768)
    return quantise(bent(signal) if decibels > 0 else signal)


def trim(samples: Samples, trail: int = _TRAIL) -> Samples:
    """The samples without the silence at both ends, save 30 ms before and `trail` samples after; empty when all is
    silence."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENCE)
    if not len(loud):
        return samples[:0]
    return samples[max(int(loud[0]) - _LEAD, 0) : int(loud[-1]) + 1 + trail]
