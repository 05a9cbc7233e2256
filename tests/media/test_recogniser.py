"""The recognisers: what the grammar allows, what is understood of it, where the voice begins and ends."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.speech import NoRecogniser, RecogniserUnavailable, Understood, grammar_recogniser, vosk_recogniser
from media.speech.activity import WINDOW, ActivityDetectors
from media.speech.endpoint import Began, Ended, EndPointer, Happened, Part
from media.speech.listener import joined
from media.worker.grammar import KEPT_GRAMMARS, handle
from media.worker.highband import widened
from media.worker.phrases import MAX_PHRASES, jsgf, phrases, whole
from tests.media.sounds import audio_file
from tests.support.tones import sine, wav_samples
from tests.support.voice import spoken

VOSK_MODEL = os.environ.get("VOYLO_TEST_VOSK_MODEL", "")


def on_a_line(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    quiet = np.zeros(4000, np.int16)
    return np.concatenate([quiet, samples, quiet])


class TestPhrases:
    @pytest.mark.parametrize(
        ("hints", "expected"),
        [
            (None, []),
            (" , ,", []),
            ("Sales, technical  support,SALES", ["sales", "technical support"]),
            ("press 1; please!", ["press one please"]),
            ("I’d like_to pay", ["i'd like to pay"]),
            ("<x> = (yes | *)", ["x yes"]),
        ],
    )
    def test_hints_become_words(self, hints: str | None, expected: list[str]) -> None:
        assert phrases(hints) == expected

    def test_their_number_is_bounded(self) -> None:
        assert len(phrases(",".join(f"a{'b' * index}" for index in range(MAX_PHRASES + 5)))) == MAX_PHRASES

    def test_a_grammar_has_phrases_answers_and_digits(self) -> None:
        grammar = jsgf(["technical support"])
        assert "( technical support ) | ( yes ) | ( no ) | ( <digit>+ )" in grammar

    @pytest.mark.parametrize(
        ("text", "expected"), [("speak", False), ("speak up", True), ("no", True), ("one two", True), ("", False)]
    )
    def test_a_part_of_a_phrase_is_none(self, text: str, expected: bool) -> None:
        assert whole(text, ["speak up"]) is expected


class TestWidened:
    def test_what_is_below_stays_and_an_s_gets_its_upper_band(self) -> None:
        def share_above(samples: NDArray[np.int16]) -> float:
            power = np.abs(np.fft.rfft(widened(samples).astype(np.float64))) ** 2
            return float(power[len(power) // 2 :].sum() / power.sum())

        hiss = np.diff(np.random.default_rng(1).normal(0, 1500, 8001)).astype(np.int16)
        assert len(widened(hiss)) == 2 * len(hiss)
        assert share_above(hiss) > 0.03
        assert share_above(sine(440, 1.0)) < 0.001


class TestEmbedded:
    async def understood(self, *utterances: tuple[NDArray[np.int16], str | None]) -> list[Understood]:
        recogniser = grammar_recogniser()
        try:
            return [
                await recogniser.recognise(on_a_line(samples), language="en-US", hints=hints)
                for samples, hints in utterances
            ]
        finally:
            await recogniser.close()

    async def test_digits_answers_and_hints_are_understood_and_other_words_are_not(self) -> None:
        hints = "billing, opening hours, qwzx"
        digits, yes, hinted, other, silent = await self.understood(
            (spoken("four two seven one nine"), None),
            (spoken("yes"), None),
            (spoken("opening hours"), hints),
            (spoken("purple elephants"), hints),
            (np.zeros(8000, np.int16), None),
        )
        assert digits.text == "four two seven one nine"
        assert yes.text == "yes"
        assert (hinted.text, hinted.unknown) == ("opening hours", ("qwzx",))
        assert all(0 < said.confidence <= 1 for said in (digits, yes, hinted))
        assert (other.text, other.confidence) == ("", 0.0)
        assert (silent.text, silent.confidence) == ("", 0.0)

    async def test_the_shared_digits_are_nearly_right(self) -> None:
        samples, _ = wav_samples(audio_file("spoken_digits.wav"))
        (said,) = await self.understood((samples, None))
        wanted = ["four", "two", "seven", "one", "nine"]
        assert sum(word in said.text.split() for word in wanted) >= 3, said

    def test_a_grammar_that_was_crowded_out_is_made_again(self) -> None:
        body = on_a_line(spoken("opening hours")).tobytes()
        hints = "billing, opening hours"
        for number in range(KEPT_GRAMMARS + 2):
            assert handle({"hints": f"phrase {number}"}, bytes(16000))[0]["text"] == ""
            if number % 20 == 0:
                assert handle({"hints": hints}, body)[0]["text"] == "opening hours"
        for number in range(KEPT_GRAMMARS):
            handle({"hints": f"other {number}"}, bytes(3200))
        assert handle({"hints": hints}, body)[0]["text"] == "opening hours"

    async def test_other_languages_are_refused(self) -> None:
        recogniser = grammar_recogniser()
        assert recogniser.refusal("en-GB") is None
        assert "English only" in (recogniser.refusal("de-DE") or "")
        with pytest.raises(RecogniserUnavailable, match="English only"):
            await recogniser.recognise(spoken("yes"), language="de-DE", hints=None)
        await recogniser.close()

    async def test_two_at_once_are_two_processes_at_most(self) -> None:
        recogniser = grammar_recogniser()
        try:
            said = await asyncio.gather(
                *(recogniser.recognise(on_a_line(spoken("yes")), language="en-US", hints=None) for _ in range(4))
            )
        finally:
            await recogniser.close()
        assert [one.text for one in said] == ["yes"] * 4

    async def test_none_is_none(self) -> None:
        recogniser = NoRecogniser()
        assert recogniser.refusal("en-US") is not None
        with pytest.raises(RecogniserUnavailable):
            await recogniser.recognise(spoken("yes"), language="en-US", hints=None)


class TestVosk:
    async def test_a_folder_without_a_model_is_said_to_have_none(self, tmp_path: Path) -> None:
        pytest.importorskip("vosk", reason="vosk is not installed")
        recogniser = vosk_recogniser(tmp_path)
        try:
            with pytest.raises(RecogniserUnavailable, match="holds no vosk model"):
                await recogniser.start()
        finally:
            await recogniser.close()

    @pytest.mark.skipif(not VOSK_MODEL, reason="VOYLO_TEST_VOSK_MODEL names no folder of a vosk model")
    async def test_hints_are_understood(self) -> None:
        recogniser = vosk_recogniser(Path(VOSK_MODEL))
        try:
            said = await recogniser.recognise(
                on_a_line(spoken("opening hours")), language="en-US", hints="billing, opening hours"
            )
            assert said.text == "opening hours"
            assert said.confidence > 0.5
            digits = on_a_line(spoken("four two seven one nine"))
            guesses = [
                await recogniser.guess(digits[:end], part=1, language="en-US", hints="billing, opening hours")
                for end in (len(digits) // 2, len(digits) * 3 // 4, len(digits))
            ]
            assert guesses[2] == "four two seven one nine"
            assert all(guess is not None and guesses[2].startswith(guess) for guess in guesses)
        finally:
            await recogniser.close()


def fed(points: EndPointer, *spans: tuple[float, float]) -> list[tuple[float, Happened]]:
    """What happens, and after how many seconds, when the spans of (seconds, likelihood of speech) are heard."""
    happened = []
    at = 0
    for seconds, likelihood in spans:
        for _ in range(round(seconds * 8000 / WINDOW)):
            at += 1
            window = np.full(WINDOW, round(likelihood * 100), np.int16)
            happened += [(at * WINDOW / 8000, what) for what in points.feed(window, likelihood)]
    return happened


class TestEndPointer:
    def test_speech_begins_soon_and_ends_with_the_silence(self) -> None:
        began, part, ended = fed(EndPointer(1.5, 0.6), (1.0, 0.1), (1.0, 0.9), (2.0, 0.1))
        assert isinstance(began[1], Began)
        assert began[0] == pytest.approx(1.13, abs=0.05)
        assert isinstance(part[1], Part)
        assert part[0] == pytest.approx(2.6, abs=0.05)
        assert isinstance(ended[1], Ended)
        assert ended[0] == pytest.approx(3.5, abs=0.05)

    def test_a_part_has_all_of_the_speech_and_little_else(self) -> None:
        (part,) = [what for _, what in fed(EndPointer(1.0, 0.6), (1, 0), (1.0, 0.9), (2, 0)) if isinstance(what, Part)]
        assert np.count_nonzero(part.samples) == round(8000 / WINDOW) * WINDOW
        assert len(part.samples) / 8000 == pytest.approx(1.0 + 0.3 + 0.35, abs=0.15)

    def test_a_pause_parts_what_is_said(self) -> None:
        happened = fed(EndPointer(1.5, 0.6), (0.5, 0), (1, 0.9), (1, 0), (1, 0.9), (2, 0))
        assert [type(what) for _, what in happened] == [Began, Part, Part, Ended]
        for _, part in happened[1:3]:
            assert isinstance(part, Part)
            assert np.count_nonzero(part.samples) == round(8000 / WINDOW) * WINDOW

    def test_a_short_pause_does_not(self) -> None:
        happened = fed(EndPointer(1.5, 0.6), (0.5, 0), (1, 0.9), (0.4, 0), (1, 0.9), (2, 0))
        assert [type(what) for _, what in happened] == [Began, Part, Ended]

    def test_a_click_is_no_speech_and_speech_may_come_again(self) -> None:
        assert fed(EndPointer(1.0, 0.6), (0.5, 0), (0.07, 0.9), (2, 0)) == []
        happened = fed(EndPointer(1.0, 0.6), (1, 0.9), (1.5, 0), (1, 0.9), (1.5, 0))
        assert [type(what) for _, what in happened] == [Began, Part, Ended] * 2

    def test_speech_without_end_ends_after_a_minute(self) -> None:
        happened = fed(EndPointer(1.0, 0.6), (61, 0.9))
        assert [type(what) for _, what in happened][:3] == [Began, Part, Ended]


class TestActivity:
    async def test_speech_is_told_from_noise_and_tones(self) -> None:
        detectors = ActivityDetectors()
        noise = np.random.default_rng(1).normal(0, 1000, 8192).astype(np.int16)

        async def most(samples: NDArray[np.int16]) -> float:
            detector = await detectors.take()
            scores = await detector.scores(samples[: len(samples) // WINDOW * WINDOW])
            detectors.give_back(detector)
            return float(np.mean(np.asarray(scores) > 0.5))

        assert await most(spoken("four two seven one nine")) > 0.6
        assert await most(noise) == 0
        assert await most(sine(440, 1.0)) == 0
        assert await most(spoken("four two seven one nine")) > 0.6, "a detector forgets what it heard before"


def test_parts_are_as_sure_as_the_least_sure() -> None:
    assert joined([]) is None
    assert joined([Understood("my", 0.9), Understood("bill", 0.4)]) == Understood("my bill", 0.4)
