"""Answering machine detection (contract §10.6) on the shared files, made greetings, and tones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media.machine import MachineDetector, tone_pitch
from tests.media.sounds import AUDIO as SHARED_AUDIO
from tests.support.tones import read_wav, sine
from tests.support.voice import spoken

INDEX: dict[str, Any] = json.loads((SHARED_AUDIO / "index.json").read_text()) if SHARED_AUDIO.exists() else {}
FILES = sorted(name for name, entry in INDEX.items() if "answered_by" in entry["expected"])
needs_files = pytest.mark.skipif(not FILES, reason="test data not found: ../shared/fixtures/audio")


def silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * 8000), np.int16)


def voice(seconds: float) -> NDArray[np.int16]:
    """Sound that is no tone: noise, as loud as speech."""
    return np.random.default_rng(1).normal(0, 2500, round(seconds * 8000)).astype(np.int16)


def heard(*sounds: NDArray[np.int16]) -> tuple[MachineDetector, float | None]:
    """The detector after the sounds, and when the message was over first."""
    detector, over = MachineDetector(), None
    samples = np.concatenate(sounds)
    for start in range(0, len(samples) - 159, 160):
        detector.feed(samples[start : start + 160])
        if detector.message_over and over is None:
            over = detector.seconds
    return detector, over


def answered_by(*sounds: NDArray[np.int16]) -> str | None:
    verdict = heard(*sounds)[0].verdict
    return None if verdict is None else verdict.answered_by


class TestFiles:
    @needs_files
    @pytest.mark.parametrize("name", FILES)
    def test_who_answered_is_told(self, name: str) -> None:
        samples, _ = read_wav(SHARED_AUDIO / name)
        assert answered_by(samples) == INDEX[name]["expected"]["answered_by"]

    @needs_files
    @pytest.mark.parametrize("name", [name for name in FILES if "beep_s" in INDEX[name]["expected"]])
    def test_the_end_of_the_beep_is_found_within_half_a_second(self, name: str) -> None:
        samples, _ = read_wav(SHARED_AUDIO / name)
        end = INDEX[name]["expected"]["beep_s"][1]
        over = heard(samples)[1]
        assert over is not None
        assert end <= over <= end + 0.5

    @needs_files
    def test_a_message_without_a_beep_is_over_after_a_second_and_a_half(self) -> None:
        samples, _ = read_wav(SHARED_AUDIO / "amd_machine_no_beep.wav")
        over = heard(samples)[1]
        assert over == pytest.approx(INDEX["amd_machine_no_beep.wav"]["speech_s"][-1][1] + 1.5, abs=0.1)

    @needs_files
    def test_the_noise_of_a_line_is_nobody(self) -> None:
        assert answered_by(read_wav(SHARED_AUDIO / "noise_floor.wav")[0]) is None


class TestGreetings:
    @pytest.mark.parametrize("text", ["Hello?", "Yes, this is Anna speaking.", "Good morning."])
    def test_a_short_one_is_a_person(self, text: str) -> None:
        assert answered_by(silence(0.4), spoken(text), silence(1.2)) == "human"

    def test_a_long_one_is_a_machine(self) -> None:
        text = "You have reached the Miller family, we cannot come to the telephone right now, please leave a message."
        assert answered_by(silence(0.4), spoken(text), silence(1)) == "machine"

    @pytest.mark.parametrize(
        ("sounds", "expected"),
        [
            ((voice(2.3), silence(1)), "human"),
            ((voice(2.5), silence(1)), "machine"),
            # A pause that is too short does not end the greeting
            ((voice(1.2), silence(0.7), voice(1.0)), "machine"),
            ((voice(1.2), silence(0.9), voice(2.0)), "human"),
            ((voice(1.0), silence(0.7)), None),
            # A click is no greeting
            ((voice(0.06), silence(3)), None),
            ((silence(5),), None),
        ],
    )
    def test_the_bounds_are_those_of_the_contract(
        self, sounds: tuple[NDArray[np.int16], ...], expected: str | None
    ) -> None:
        assert answered_by(*sounds) == expected


class TestTone:
    @pytest.mark.parametrize("hertz", [420, 440, 850, 1000, 1413, 2100])
    def test_one_of_a_third_of_a_second_is_a_machine(self, hertz: float) -> None:
        detector, over = heard(silence(0.5), sine(hertz, 0.34), silence(0.3))
        assert detector.verdict is not None
        assert detector.verdict.answered_by == "machine"
        assert detector.verdict.at <= 0.5 + 0.34 + 0.02
        assert over is not None
        assert over <= 0.5 + 0.34 + 0.5

    @pytest.mark.parametrize(("hertz", "seconds"), [(1000, 0.25), (300, 0.5), (2500, 0.5)])
    def test_a_short_one_or_another_pitch_is_none(self, hertz: float, seconds: float) -> None:
        assert answered_by(silence(0.2), sine(hertz, seconds), silence(0.3)) is None

    def test_two_at_once_such_as_a_key_are_none(self) -> None:
        assert answered_by(silence(0.2), sine(770, 0.6) + sine(1336, 0.6), silence(0.3)) is None

    def test_one_in_the_noise_of_a_line_is_found(self) -> None:
        tone = sine(1000, 0.4, amplitude=0.1) + np.random.default_rng(2).normal(0, 150, 3200).astype(np.int16)
        assert answered_by(silence(0.2), tone, silence(0.3)) == "machine"

    @pytest.mark.parametrize(("hole", "expected"), [(0.16, "machine"), (0.3, None)])
    def test_packets_that_are_lost_do_not_hide_it(self, hole: float, expected: str | None) -> None:
        assert answered_by(silence(0.2), sine(1000, 0.2), silence(hole), sine(1000, 0.2), silence(0.3)) == expected

    def test_the_pitch_is_right_to_25_hz(self) -> None:
        assert tone_pitch(sine(1000, 0.04)) == pytest.approx(1000, abs=25)
        assert tone_pitch(voice(0.04)) is None
        assert tone_pitch(silence(0.04)) is None
