"""Tones the engine makes itself: beeps, test tones, ringback (ITU-T E.180 supplement 2). Each is made once."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from media.prompt import PromptAudio
from media.resample import RATE

LEVEL_DBFS = -13.0
# Without ramps a tone begins and ends with a click.
_RAMP_MS = 5
MAX_TONE_MS = 60_000

# Frequencies in Hz, then the milliseconds of sound and silence in turn, by region.
_RINGBACK: dict[str, tuple[tuple[float, ...], tuple[int, ...]]] = {
    "us": ((440.0, 480.0), (2000, 4000)),
    "gb": ((400.0, 450.0), (400, 200, 400, 2000)),
    "eu": ((425.0,), (1000, 4000)),
}


@functools.lru_cache(maxsize=64)
def tone(hertz: float, milliseconds: int) -> PromptAudio:
    """A sine of `hertz` for `milliseconds`, with ramps of 5 ms. Raises ValueError when out of range."""
    return PromptAudio(_sound((hertz,), milliseconds), f"tone {hertz:g} Hz")


def beep() -> PromptAudio:
    """The signal to speak now: 1000 Hz for 0.4 s."""
    return tone(1000.0, 400)


def entry_tone() -> PromptAudio:
    """Somebody has come into the room: 880 Hz for 0.2 s."""
    return tone(880.0, 200)


def exit_tone() -> PromptAudio:
    """Somebody has left the room: 440 Hz for 0.2 s."""
    return tone(440.0, 200)


@functools.cache
def ringback(region: str = "us") -> PromptAudio:
    """One cadence of the tone a caller hears while the far side rings; played in a loop.

    `region` is `us`, `gb` or `eu`; raises ValueError for another.
    """
    if region not in _RINGBACK:
        raise ValueError(f"no ringback tone for {region!r}; there are {', '.join(_RINGBACK)}")
    frequencies, cadence = _RINGBACK[region]
    parts = [
        _sound(frequencies, milliseconds) if index % 2 == 0 else np.zeros(milliseconds * RATE // 1000, np.int16)
        for index, milliseconds in enumerate(cadence)
    ]
    return PromptAudio(np.concatenate(parts), f"ringback {region}")


def _sound(frequencies: tuple[float, ...], milliseconds: int) -> npt.NDArray[np.int16]:
    if not 0 < milliseconds <= MAX_TONE_MS:
        raise ValueError(f"a tone of {milliseconds} ms; 1 to {MAX_TONE_MS} ms are possible")
    if not all(0 < hertz < RATE / 2 for hertz in frequencies):
        raise ValueError(f"a tone of {frequencies} Hz; it must lie below {RATE // 2} Hz")
    count = milliseconds * RATE // 1000
    at = np.arange(count) / RATE
    # The level is that of the whole sound: two tones share its power.
    amplitude = 32767.0 * 10 ** (LEVEL_DBFS / 20) / len(frequencies) ** 0.5
    signal = amplitude * np.sum([np.sin(2 * np.pi * hertz * at) for hertz in frequencies], axis=0)
    ramp_length = min(_RAMP_MS * RATE // 1000, count // 2)
    if ramp_length:
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp_length) + 0.5) / ramp_length)
        signal[:ramp_length] *= ramp
        signal[-ramp_length:] *= ramp[::-1]
    samples: npt.NDArray[np.int16] = np.rint(signal).astype(np.int16)
    return samples
