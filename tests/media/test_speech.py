"""Speech: sentence by sentence, in a process of its own, each only once, and safe with any text."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.loudness import trim
from media.prompt import PromptAudio
from media.speech import EmbeddedSpeech, Manner, NoSpeech, SpeechEngine, SpeechLimits, SpeechUnavailable, Voice
from media.speech.interface import choose_voice
from media.worker.process import WorkerProcess, WorkerSpec
from tests.media.sounds import Samples, rms

SENTENCES = [
    "Welcome to the demonstration line.",
    "Please press one for the sales department.",
    "Please press two for technical support.",
    "Please press three for the billing department.",
    "Or stay on the line for an operator.",
    "Calls may be recorded for training.",
]


@pytest.fixture
async def speech() -> AsyncIterator[EmbeddedSpeech]:
    engine = EmbeddedSpeech()
    yield engine
    await engine.close()


async def said(engine: SpeechEngine, text: str, language: str = "en-US", **how: Any) -> list[PromptAudio]:
    return [piece async for piece in engine.synthesise(text, language=language, manner=Manner(**how))]


async def test_the_engines_fit_the_interface(speech: EmbeddedSpeech) -> None:
    engines: list[SpeechEngine] = [speech, NoSpeech()]
    assert [engine.name for engine in engines] == ["embedded", "none"]
    assert {voice.language for voice in speech.voices()} == {"en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"}


async def test_a_sentence_is_heard_and_not_clipped(speech: EmbeddedSpeech) -> None:
    (audio,) = await said(speech, SENTENCES[0])
    assert 1.0 < audio.seconds < 4.0
    assert -24 < rms(audio.samples) < -12
    assert int(np.abs(audio.samples.astype(int)).max()) < 32000


async def test_it_is_made_in_another_process(speech: EmbeddedSpeech) -> None:
    assert speech.pid is None
    await said(speech, "Hello.")
    assert speech.pid not in {None, os.getpid()}


async def test_each_sentence_is_a_piece_and_the_first_is_there_before_the_last_is_made(speech: EmbeddedSpeech) -> None:
    pieces = speech.synthesise(" ".join(SENTENCES))
    seconds = [(await anext(pieces)).seconds]
    assert speech.statistics.requests < len(SENTENCES)
    seconds += [piece.seconds async for piece in pieces]
    assert len(seconds) == len(SENTENCES) == speech.statistics.answered
    assert all(second > 1.0 for second in seconds)


async def test_the_loop_goes_on_while_speech_is_made(speech: EmbeddedSpeech) -> None:
    await speech.start()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(turn())
    await said(speech, SENTENCES[0])
    task.cancel()
    assert turns > 10


async def test_what_was_said_is_not_made_again(speech: EmbeddedSpeech) -> None:
    first = await said(speech, " ".join(SENTENCES))
    made = speech.statistics.requests
    again = await said(speech, " ".join(SENTENCES))
    assert speech.statistics.requests == made
    assert all(one is other for one, other in zip(first, again, strict=True))


async def test_calls_that_say_the_same_at_once_share_one_making(speech: EmbeddedSpeech) -> None:
    results = await asyncio.gather(*(said(speech, SENTENCES[0]) for _ in range(20)))
    assert speech.statistics.requests == 1
    assert all(result[0] is results[0][0] for result in results)


async def test_text_voice_and_speed_each_make_another_sound(speech: EmbeddedSpeech) -> None:
    (plain,) = await said(speech, SENTENCES[0])
    (british,) = await said(speech, SENTENCES[0], "en-GB")
    (slow,) = await said(speech, SENTENCES[0], speed=0.5)
    (fast,) = await said(speech, SENTENCES[0], speed=2.0)
    assert slow.seconds > plain.seconds * 1.4 > fast.seconds * 1.4 * 1.4
    assert not np.array_equal(british.samples, plain.samples)
    assert speech.statistics.requests == 4


def length(samples: Samples) -> float:
    """Seconds of the speech without the silence around it."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 200)
    return float(loud[-1] - loud[0]) / 8000


def breath(samples: Samples) -> float:
    """Seconds of silence after the speech."""
    return (len(samples) - 1 - int(np.flatnonzero(np.abs(samples.astype(int)) > 200)[-1])) / 8000


def tone_of_voice(samples: Samples) -> float:
    """The middle of its fundamental frequencies, in Hz."""
    found = []
    for start in range(0, len(samples) - 512, 256):
        window = samples[start : start + 512].astype(float)
        if np.abs(window).max() < 3000:
            continue
        alike = np.correlate(window, window, "full")[511:]
        lag = 20 + int(alike[20:114].argmax())
        if alike[lag] > alike[0] / 2:
            found.append(8000 / lag)
    return float(np.median(found))


async def test_speed_pitch_and_level_are_heard_as_they_are_asked_for(speech: EmbeddedSpeech) -> None:
    (plain,) = await said(speech, SENTENCES[1])
    (fast,) = await said(speech, SENTENCES[1], speed=1.5)
    (high,) = await said(speech, SENTENCES[1], pitch=1.3)
    (quiet,) = await said(speech, SENTENCES[1], decibels=-12.0)
    (loud,) = await said(speech, SENTENCES[1], decibels=6.0)
    (silent,) = await said(speech, SENTENCES[1], decibels=-float("inf"))
    assert length(plain.samples) / length(fast.samples) == pytest.approx(1.5, rel=0.05)
    assert tone_of_voice(high.samples) / tone_of_voice(plain.samples) == pytest.approx(1.3, rel=0.05)
    assert length(high.samples) == pytest.approx(length(plain.samples), rel=0.05)
    assert rms(quiet.samples) == pytest.approx(rms(plain.samples) - 12, abs=0.2)
    assert 4 < rms(loud.samples) - rms(plain.samples) < 6.1
    assert int(np.abs(loud.samples.astype(int)).max()) < 0.9 * 32768
    assert len(silent.samples) == len(plain.samples)
    assert not silent.samples.any()


async def test_a_text_that_runs_on_has_no_breath_after_it_and_is_kept_by_itself(speech: EmbeddedSpeech) -> None:
    (alone,) = await said(speech, "Your code")
    *_, joined = await said(speech, f"{SENTENCES[0]} Your code is now", runs_on=True)
    assert breath(joined.samples) == pytest.approx(0.05, abs=0.001)
    assert breath(alone.samples) > 0.12
    await said(speech, SENTENCES[0])
    assert speech.statistics.requests == 3


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1000.0])
async def test_any_manner_is_brought_to_one_a_listener_can_follow(speech: EmbeddedSpeech, value: float) -> None:
    (audio,) = await said(speech, SENTENCES[0], speed=value, pitch=value, decibels=value)
    assert 0.8 < audio.seconds < 8.0
    assert rms(audio.samples) > -60


async def test_every_language_has_a_voice(speech: EmbeddedSpeech) -> None:
    made: list[Samples] = []
    for voice in speech.voices():
        (audio,) = await said(speech, "Radio Hotel Taxi.", voice.language)
        assert rms(audio.samples) > -30
        assert int(np.abs(audio.samples.astype(int)).max()) < 32000
        made.append(audio.samples)
    assert len({samples.tobytes() for samples in made}) == len(made)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b"])
async def test_a_text_without_anything_in_it_is_no_sound_and_no_error(speech: EmbeddedSpeech, text: str) -> None:
    assert await said(speech, text) == []


@pytest.mark.parametrize("text", ["日本語", "😀😀", "..."])
async def test_a_text_the_voice_cannot_speak_says_so(speech: EmbeddedSpeech, text: str) -> None:
    with pytest.raises(SpeechUnavailable, match="en-US can speak nothing"):
        await said(speech, text)


async def test_what_the_voice_cannot_speak_is_left_out_of_what_it_can(speech: EmbeddedSpeech) -> None:
    assert len(await said(speech, f"{'日本語' * 10}。 {SENTENCES[0]}")) == 1


async def test_a_text_over_the_limit_is_refused_and_one_at_it_is_not() -> None:
    engine = EmbeddedSpeech(limits=SpeechLimits(text_chars=20))
    assert await said(engine, "Press one for sales.")
    with pytest.raises(SpeechUnavailable, match="21 characters; at most 20"):
        await said(engine, "Press one for sales..")
    await engine.close()


@pytest.mark.parametrize("text", ["x" * 1000, "1" * 4000, "$" * 500, "z1" * 300, ". " * 300, "http://" * 60])
async def test_texts_that_make_the_engine_lose_its_way_come_to_an_end(speech: EmbeddedSpeech, text: str) -> None:
    try:
        await said(speech, text)
    except SpeechUnavailable as reason:
        assert "can speak nothing" in str(reason)
    assert speech.statistics.crashed == speech.statistics.timed_out == 0
    assert await said(speech, "Hello.")


async def test_speech_goes_on_after_its_process_was_killed(speech: EmbeddedSpeech) -> None:
    await said(speech, SENTENCES[0])
    first = speech.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await said(speech, SENTENCES[1])
    assert speech.pid != first


async def test_a_listener_who_leaves_stops_the_making(speech: EmbeddedSpeech) -> None:
    pieces = speech.synthesise(" ".join(SENTENCES * 5))
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]
    assert await said(speech, "Next caller.")
    assert speech.statistics.requests <= 5


async def test_what_a_listener_who_left_still_waits_for_is_not_made(speech: EmbeddedSpeech) -> None:
    await speech.start()
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGSTOP)
    leaving = asyncio.create_task(said(speech, " ".join(SENTENCES)))
    while speech.statistics.requests < 3:
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    os.kill(speech.pid, signal.SIGCONT)
    assert await said(speech, "Next caller.")
    # The word of the start, the piece that was begun, and the next caller's.
    assert speech.statistics.answered == 3


async def test_a_closed_engine_says_so() -> None:
    engine = EmbeddedSpeech()
    await engine.start()
    await engine.close()
    with pytest.raises(SpeechUnavailable, match="closed"):
        await said(engine, "Hello.")
    with pytest.raises(SpeechUnavailable, match="closed"):
        await engine.start()


async def test_without_an_engine_nothing_is_said() -> None:
    engine = NoSpeech()
    await engine.start()
    assert engine.voices() == ()
    with pytest.raises(SpeechUnavailable, match=r"speech\.tts"):
        await said(engine, "Hello.")
    await engine.close()


class TestDisk:
    async def test_what_was_said_twice_is_there_after_a_restart_without_a_process(self, tmp_path: Path) -> None:
        engine = EmbeddedSpeech(tmp_path)
        first = await said(engine, SENTENCES[0])
        await said(engine, SENTENCES[0])
        await engine.close()
        later = EmbeddedSpeech(tmp_path)
        again = await said(later, SENTENCES[0])
        assert later.pid is None
        assert np.array_equal(first[0].samples, again[0].samples)
        await later.close()

    async def test_what_was_said_once_stays_off_the_disk(self, tmp_path: Path) -> None:
        engine = EmbeddedSpeech(tmp_path)
        await said(engine, "Your code is four seven one one.")
        await engine.close()
        assert list(tmp_path.iterdir()) == []

    async def test_no_text_is_found_in_a_name(self, tmp_path: Path) -> None:
        engine = EmbeddedSpeech(tmp_path)
        for _ in range(2):
            (audio,) = await said(engine, "Secret.")
        await engine.close()
        assert "Secret" not in audio.name
        assert [len(path.stem) for path in tmp_path.iterdir()] == [64]


Speak = Callable[[str, str], Awaitable[Samples]]


class TestPico:
    """The child's own part, without the preparation of texts and the caches before it."""

    @pytest.fixture
    async def spoken(self) -> AsyncIterator[Speak]:
        async with WorkerProcess(WorkerSpec(name="pico", entry="media.worker.speech:handle")) as worker:

            async def speak(text: str, voice: str) -> Samples:
                reply = await worker.request({"voice": voice}, text.encode())
                return np.frombuffer(reply.body, np.int16)

            yield speak

    async def test_the_same_text_is_the_same_sound_each_time(self, spoken: Speak) -> None:
        first = await spoken(SENTENCES[0], "en-US")
        for _ in range(3):
            await spoken(SENTENCES[1], "de-DE")
            assert np.array_equal(await spoken(SENTENCES[0], "en-US"), first)

    @pytest.mark.parametrize(
        "tagged",
        [
            "<volume level='1'>Hello there, my friend.</volume>",
            "<speed level='500'>Hello there, my friend.</speed>",
            "<play file='/dev/zero'/>Hello there, my friend.",
            "<break time='20000ms'/>Hello there, my friend.",
        ],
    )
    async def test_tags_in_a_text_are_words_and_not_commands(self, spoken: Speak, tagged: str) -> None:
        as_words = await spoken(tagged.replace("<", " ").replace(">", " "), "en-US")
        assert np.array_equal(await spoken(tagged, "en-US"), as_words)
        assert len(as_words) > len(await spoken("Hello there, my friend.", "en-US"))

    async def test_no_voice_reaches_full_scale(self, spoken: Speak) -> None:
        for voice in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"):
            samples = await spoken("Aha! Achtung, attention, mamma mia, oh là là, ahora!", voice)
            assert int(np.abs(samples.astype(int)).max()) < 30_000, voice

    async def test_silence_around_speech_is_short(self, spoken: Speak) -> None:
        samples = await spoken("Hello there.", "en-US")
        loud = np.flatnonzero(np.abs(samples.astype(int)) > 200)
        assert loud[0] <= 240
        assert len(samples) - loud[-1] <= 2001

    def test_silence_within_speech_is_not_trimmed(self) -> None:
        samples = np.concatenate([np.full(n, value, np.int16) for n, value in ((9000, 0), (80, 5000), (9000, 9))] * 2)
        assert len(trim(samples)) == 240 + 80 + 9000 + 9000 + 80 + 2000
        assert len(trim(samples[:9000])) == 0


class TestVoice:
    VOICES = tuple(Voice(tag, tag, "female") for tag in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR"))

    @pytest.mark.parametrize(
        ("voice", "language", "chosen"),
        [
            (None, "en-US", "en-US"),
            (None, "en-GB", "en-GB"),
            (None, "EN_gb", "en-GB"),
            (None, "en", "en-US"),
            (None, "en-AU", "en-GB"),
            (None, "en-CA", "en-US"),
            (None, "de-AT", "de-DE"),
            (None, "de", "de-DE"),
            (None, "es-MX", "es-ES"),
            (None, "fr-CA", "fr-FR"),
            ("", "de-DE", "de-DE"),
            ("alice", "fr-FR", "fr-FR"),
            ("Polly.Hans", "de-DE", "de-DE"),
            ("fr-FR", "en-US", "fr-FR"),
            ("fr_fr", "xx-XX", "fr-FR"),
        ],
    )
    def test_the_voice_is_the_named_one_else_the_nearest_of_the_language(
        self, voice: str | None, language: str, chosen: str
    ) -> None:
        assert choose_voice(self.VOICES, voice, language).id == chosen

    @pytest.mark.parametrize("language", ["ja-JP", "", "english", "x" * 1000])
    def test_a_language_nobody_speaks_is_named(self, language: str) -> None:
        with pytest.raises(SpeechUnavailable, match="no voice speaks") as caught:
            choose_voice(self.VOICES, "alice", language)
        assert len(str(caught.value)) < 200
