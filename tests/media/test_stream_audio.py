"""The audio of streams in octets."""

from __future__ import annotations

import numpy as np
import pytest

from media import L16Audio, UlawAudio
from tests.support.tones import decode_ulaw, encode_ulaw, level, seconds_of, sine


def test_ulaw_is_that_of_the_recommendation_both_ways() -> None:
    sound = sine(440, 0.1)
    # The octets may differ where a sample lies between two of them, and in the sign of zero.
    ours, nearest = (decode_ulaw(octets).astype(int) for octets in (UlawAudio().encode(sound), encode_ulaw(sound)))
    assert np.all(np.abs(ours - sound) <= np.abs(nearest - sound) + 8)
    octets = bytes(range(256))
    assert np.array_equal(UlawAudio().decode(octets), decode_ulaw(octets))


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000])
def test_linear_samples_go_both_ways_however_they_are_torn(rate: int) -> None:
    audio = L16Audio(rate)
    octets = sine(440, 1.0, rate=rate).astype("<i2").tobytes()
    parts = [audio.decode(octets[at : at + 333]) for at in range(0, len(octets), 333)]
    assert level(np.concatenate(parts)[400:], 440) > 0.999
    frames = sine(440, 1.0).reshape(-1, 160)
    sent = [audio.encode(frame) for frame in frames]
    assert {len(piece) for piece in sent} == {rate // 50 * 2}
    assert seconds_of(np.frombuffer(b"".join(sent), "<i2").astype(np.int16), 440, rate) >= 0.95


def test_two_channels_are_interleaved() -> None:
    audio = L16Audio(16_000, 2)
    left, right = sine(440, 1.0).reshape(-1, 160), sine(900, 1.0).reshape(-1, 160)
    octets = b"".join(audio.encode(np.stack(pair, axis=1)) for pair in zip(left, right, strict=True))
    samples = np.frombuffer(octets, "<i2").astype(np.int16)
    assert level(samples[::2][500:], 440, 16_000) > 0.999
    assert level(samples[1::2][500:], 900, 16_000) > 0.999
