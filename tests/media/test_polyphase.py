"""Live resampling: tones keep their level, what does not fit is gone, and the pieces do not show."""

from __future__ import annotations

import numpy as np
import pytest

from media.polyphase import Narrower, Widener
from tests.support.tones import level, sine

RATES = (16_000, 24_000)


def amplitude(samples: np.ndarray) -> float:
    return float(np.sqrt(2 * np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [100, 1000, 3400])
def test_a_tone_of_the_telephone_keeps_its_pitch_and_level_both_ways(rate: int, hertz: int) -> None:
    narrow = Narrower(rate).feed(sine(hertz, 1.0, rate=rate))[400:]
    wide = Widener(rate).feed(sine(hertz, 1.0))[1200:]
    for samples, at in ((narrow, 8000), (wide, rate)):
        assert level(samples, hertz, at) > 0.999
        assert abs(amplitude(samples) / (0.3 * 32767) - 1) < 0.02


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hertz", [4700, 6000, 7500])
def test_what_8_khz_cannot_hold_does_not_come_back_as_another_tone(rate: int, hertz: int) -> None:
    assert amplitude(Narrower(rate).feed(sine(hertz, 1.0, rate=rate))[400:]) < 0.3 * 32767 / 1000


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_at_8_khz_has_no_image_above(rate: int) -> None:
    wide = Widener(rate).feed(sine(3000, 1.0))[1200:]
    assert level(wide, 3000, rate) > 0.999_99


@pytest.mark.parametrize("rate", RATES)
def test_pieces_of_any_length_give_what_the_whole_gives(rate: int) -> None:
    sound = sine(700, 0.5, rate=rate)
    whole = Narrower(rate).feed(sound)
    pieces = Narrower(rate)
    cuts = np.cumsum([1, 2, 3, 500, 7, 480, 1, 1, 1, 1000])
    assert np.array_equal(np.concatenate([pieces.feed(part) for part in np.split(sound, cuts)]), whole)
    assert abs(len(whole) - 4000) <= 1
    narrow = sine(700, 0.5)
    widener = Widener(rate)
    wide = np.concatenate([widener.feed(part) for part in np.split(narrow, cuts)])
    assert np.array_equal(wide, Widener(rate).feed(narrow))
    assert len(wide) == len(narrow) * rate // 8000


@pytest.mark.parametrize("rate", RATES)
def test_nothing_is_held_back_for_more_than_2_ms(rate: int) -> None:
    step = np.concatenate((np.zeros(rate // 10, np.int16), np.full(rate // 10, 10_000, np.int16)))
    narrow = Narrower(rate).feed(step)
    assert abs(int(np.argmax(narrow > 5000)) - 800) <= 16
    wide = Widener(rate).feed(np.concatenate((np.zeros(800, np.int16), np.full(800, 10_000, np.int16))))
    assert abs(int(np.argmax(wide > 5000)) - rate // 10) <= rate // 500


def test_full_scale_is_clipped_and_not_wrapped() -> None:
    square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 24), 100)
    narrow = Narrower(24_000).feed(square)
    assert narrow.max() == 32767
    assert narrow.min() == -32768


def test_8_khz_is_left_as_it_is_and_other_rates_are_refused() -> None:
    sound = sine(700, 0.1)
    assert Narrower(8000).feed(sound) is sound
    assert Widener(8000).feed(sound) is sound
    with pytest.raises(ValueError, match="11025"):
        Narrower(11_025)
