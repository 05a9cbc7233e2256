"""The tones the engine makes itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from media.tones import LEVEL_DBFS, MAX_TONE_MS, beep, ringback, tone
from tests.media.sounds import Samples, level, rms, strongest


def test_a_tone_has_its_pitch_length_and_level() -> None:
    samples = tone(440.0, 500).samples
    assert len(samples) == 4000
    assert strongest(samples) == pytest.approx(440, rel=0.001)
    assert level(samples[400:-400], 440) == pytest.approx(LEVEL_DBFS, abs=0.1)


def test_a_tone_begins_and_ends_without_a_click() -> None:
    samples = tone(1000.0, 100).samples.astype(int)
    steps = np.abs(np.diff(np.concatenate(([0], samples, [0]))))
    assert steps[:4].max() < 150
    assert steps[-4:].max() < 150
    assert steps.max() > 4000


def test_the_shortest_tone_is_a_tone() -> None:
    assert len(tone(440.0, 1).samples) == 8


@pytest.mark.parametrize(
    ("hertz", "milliseconds"),
    [(440.0, 0), (440.0, -5), (440.0, MAX_TONE_MS + 1), (0.0, 100), (4000.0, 100), (float("nan"), 100)],
)
def test_a_tone_that_cannot_be_is_refused(hertz: float, milliseconds: int) -> None:
    with pytest.raises(ValueError, match="a tone of"):
        tone(hertz, milliseconds)


def test_a_beep_is_made_once() -> None:
    assert beep() is beep()
    assert strongest(beep().samples) == pytest.approx(1000, rel=0.001)
    assert beep().seconds == 0.4


def on(samples: Samples) -> list[float]:
    """Seconds of sound and silence in turn, in steps of 50 ms."""
    loud = [rms(part) > -40 for part in samples.reshape(-1, 400)]
    edges = [0, *(n for n in range(1, len(loud)) if loud[n] != loud[n - 1]), len(loud)]
    return [(after - before) * 0.05 for before, after in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("region", "frequencies", "cadence"),
    [("us", (440, 480), [2, 4]), ("gb", (400, 450), [0.4, 0.2, 0.4, 2]), ("eu", (425,), [1, 4])],
)
def test_ringback_has_the_tones_and_the_cadence_of_its_region(
    region: str, frequencies: tuple[int, ...], cadence: list[float]
) -> None:
    audio = ringback(region)
    assert audio is ringback(region)
    assert on(audio.samples) == pytest.approx(cadence)
    first = audio.samples[: round(cadence[0] * 8000)]
    for hertz in frequencies:
        assert level(first, hertz) == pytest.approx(LEVEL_DBFS - 10 * np.log10(len(frequencies)), abs=0.2)
    assert rms(first[400:-400]) == pytest.approx(LEVEL_DBFS - 3, abs=0.3)


def test_ringback_of_a_region_without_one_is_refused() -> None:
    with pytest.raises(ValueError, match="there are us, gb, eu"):
        ringback("xx")
