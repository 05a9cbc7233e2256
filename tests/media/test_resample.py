"""Bringing sound to 8 kHz keeps what a telephone can carry and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from media.resample import MAX_RATE, MIN_RATE, Resampler, Signal, quantise, resample
from tests.media.sounds import level, sine, strongest


def signal(hertz: float, rate: int, seconds: float = 1.0) -> Signal:
    return sine(hertz, seconds, rate).astype(np.float32)


def test_every_sample_of_8_khz_sound_stays_as_it_is() -> None:
    samples = np.arange(-32768, 32768, dtype=np.int16)
    assert np.array_equal(quantise(resample(samples.astype(np.float32) / np.float32(32768), 8000)), samples)


@pytest.mark.parametrize("rate", [1000, 6000, 11025, 16000, 22050, 44100, 48000, 96000, 44101, 384_000])
def test_a_tone_keeps_its_pitch_level_and_length(rate: int) -> None:
    hertz = min(1000.0, rate * 0.3)
    heard = quantise(resample(signal(hertz, rate), rate))
    assert abs(len(heard) - 8000) <= 1
    assert strongest(heard) == pytest.approx(hertz, rel=0.01)
    assert level(heard, hertz) == pytest.approx(20 * np.log10(0.3), abs=0.1)


@pytest.mark.parametrize("hertz", [4500, 5000, 6000, 7900, 12_000])
def test_what_lies_above_4_khz_vanishes_instead_of_folding_back(hertz: int) -> None:
    heard = resample(signal(hertz, 48_000), 48_000)[400:-400]
    assert float(np.abs(heard).max()) < 0.3 * 10 ** (-70 / 20)


def test_what_a_telephone_carries_is_kept_up_to_3400_hz() -> None:
    assert level(quantise(resample(signal(3400, 48_000), 48_000)), 3400) == pytest.approx(20 * np.log10(0.3), abs=0.2)


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_sound_that_comes_in_pieces_comes_out_as_if_whole(rate: int) -> None:
    whole = signal(700, rate)
    resampler = Resampler(rate)
    parts = [resampler.feed(part) for part in np.array_split(whole, 37)]
    parts.append(resampler.feed(whole[:0], last=True))
    assert np.allclose(np.concatenate(parts), resample(whole, rate), atol=1e-5)


def test_what_is_louder_than_full_scale_is_clipped_and_does_not_wrap_around() -> None:
    loud = np.array([1.5, -1.5, 1.0, -1.0, 0.99997], np.float32)
    assert quantise(loud).tolist() == [32767, -32768, 32767, -32768, 32767]


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_what_is_not_a_number_is_silence_and_spoils_nothing_else(rate: int) -> None:
    broken = signal(1000, rate)
    broken[rate // 2] = np.nan
    broken[rate // 2 + 1] = np.inf
    broken[rate // 2 + 2] = -1e38
    heard = quantise(resample(broken, rate))
    assert level(heard[:3900], 1000) == pytest.approx(20 * np.log10(0.3), abs=0.1)
    assert level(heard[4100:], 1000) == pytest.approx(20 * np.log10(0.3), abs=0.1)


@pytest.mark.parametrize("rate", [0, -8000, MIN_RATE - 1, MAX_RATE + 1, 2**32])
def test_a_rate_nobody_records_at_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="sample rate"):
        Resampler(rate)
