"""G.722: octet for octet what another implementation says, and the narrow band against the wide one."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.kernel import g722
from tests.media.support import kernel_form

RATE = g722.SAMPLE_RATE
RANDOM = np.random.default_rng(722)


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, level: float = 8000) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


SIGNALS = {
    "silence": np.zeros(RATE // 10, np.int16),
    "a low tone and a high one": tone(440) + tone(5100, level=5000),
    "noise at full level": RANDOM.integers(-32768, 32768, RATE).astype(np.int16),
    "quiet noise": RANDOM.normal(0, 30, RATE).astype(np.int16),
    "a square at full level": np.where(np.arange(RATE) // 20 % 2, 32767, -32768).astype(np.int16),
}


def reference_octets(samples: np.ndarray) -> np.ndarray:
    codec = av.CodecContext.create("g722", "w")
    codec.sample_rate, codec.layout, codec.format = RATE, "mono", "s16"
    packets = []
    for at in range(0, len(samples), 320):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 320], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        packets += codec.encode(frame)
    packets += codec.encode(None)
    return np.frombuffer(b"".join(map(bytes, packets)), np.uint8)


def reference_samples(octets: np.ndarray) -> np.ndarray:
    codec = av.CodecContext.create("g722", "r")
    codec.sample_rate, codec.layout = RATE, "mono"
    packets = [av.Packet(octets[at : at + 160].tobytes()) for at in range(0, len(octets), 160)]
    return np.concatenate([frame.to_ndarray().ravel() for packet in packets for frame in codec.decode(packet)])


@pytest.mark.parametrize("name", SIGNALS)
def test_octets_are_those_of_another_implementation(name: str) -> None:
    expected = reference_octets(SIGNALS[name])
    assert np.array_equal(g722.encode_wideband(SIGNALS[name])[: len(expected)], expected)


@pytest.mark.parametrize("name", SIGNALS)
def test_samples_are_those_of_another_implementation(name: str) -> None:
    octets = g722.encode_wideband(SIGNALS[name])
    assert np.array_equal(g722.decode_wideband(octets), reference_samples(octets))


def test_any_octets_decode_as_in_another_implementation() -> None:
    octets = RANDOM.integers(0, 256, 16_000).astype(np.uint8)
    assert np.array_equal(g722.decode_wideband(octets), reference_samples(octets))


def test_plain_python_does_the_same() -> None:
    plain = kernel_form("plain")
    samples = SIGNALS["a low tone and a high one"][:1600]
    octets = plain.g722.encode_wideband(samples)
    assert np.array_equal(octets, g722.encode_wideband(samples))
    assert np.array_equal(plain.g722.decode_wideband(octets), g722.decode_wideband(octets))


@given(data=st.binary(min_size=1, max_size=2000))
def test_no_octets_leave_the_range_of_a_state(data: bytes) -> None:
    octets = np.frombuffer(data, np.uint8)
    state = np.zeros(g722.STATE_WORDS, np.int64)
    g722.reset_g722(state)
    samples = np.empty(2 * len(octets), np.int16)
    g722.decode_g722(state, octets, samples, len(octets))
    assert np.abs(state[:48]).max() <= 32768


def test_a_stream_may_be_coded_in_pieces() -> None:
    samples = SIGNALS["a low tone and a high one"]
    state = np.zeros(g722.STATE_WORDS, np.int64)
    g722.reset_g722(state)
    octets = np.empty(len(samples) // 2, np.uint8)
    for at in range(0, len(octets), 160):
        g722.encode_g722(state, samples[2 * at :], octets[at:], 160)
    assert np.array_equal(octets, g722.encode_wideband(samples))


def share_at(samples: np.ndarray, hertz: float, rate: int) -> float:
    """How much of a signal's energy is a tone's."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    place = round(hertz * len(samples) / rate)
    return float(spectrum[place - 3 : place + 4].sum() / spectrum.sum())


@pytest.mark.parametrize("hertz", [300, 1000, 2500, 3000])
def test_narrow_samples_are_heard_at_the_same_pitch_and_level(hertz: float) -> None:
    narrow = tone(hertz, rate=8000)
    state = np.zeros(g722.STATE_WORDS, np.int64)
    g722.reset_g722(state)
    octets = np.empty(len(narrow), np.uint8)
    g722.encode_narrow(state, narrow, octets, len(narrow))
    heard = g722.decode_wideband(octets)[1600:].astype(float)
    assert share_at(heard, hertz, RATE) > 0.99
    assert abs(20 * np.log10(np.sqrt((heard**2).mean()) / (8000 / np.sqrt(2)))) < 0.5

    g722.reset_g722(state)
    back = np.empty(len(octets), np.int16)
    g722.decode_narrow(state, octets, back, len(octets))
    low = back[800:].astype(float)
    assert share_at(low, hertz, 8000) > 0.995
    assert abs(20 * np.log10(np.sqrt((low**2).mean()) / (8000 / np.sqrt(2)))) < 0.5


def test_of_a_wide_stream_the_narrow_decoder_gives_what_lies_below_4_khz() -> None:
    octets = g722.encode_wideband(tone(700) + tone(6000))
    state = np.zeros(g722.STATE_WORDS, np.int64)
    g722.reset_g722(state)
    samples = np.empty(len(octets), np.int16)
    g722.decode_narrow(state, octets, samples, len(octets))
    assert share_at(samples[800:].astype(float), 700, 8000) > 0.98
