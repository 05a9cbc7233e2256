"""The neural engine: English by hibari, the rest by the embedded one, each in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from media.speech import HibariSpeech, Manner, SpeechUnavailable
from tests.media.sounds import rms
from tests.media.test_speech import SENTENCES, said, tone_of_voice

pytest.importorskip("hibari", reason="the extra voylo-engine[hibari] is not installed")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def speech(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HibariSpeech]:
    engine = HibariSpeech(tmp_path_factory.mktemp("speech"))
    yield engine
    await engine.close()


async def test_english_is_heard_in_pieces_not_clipped_and_made_once(speech: HibariSpeech) -> None:
    first = await said(speech, " ".join(SENTENCES[:3]), "en-GB")
    assert len(first) == speech.statistics.answered == 3
    for audio in first:
        assert 1.0 < audio.seconds < 4.0
        assert -24 < rms(audio.samples) < -12
        assert int(np.abs(audio.samples.astype(int)).max()) < 32000
    again = await said(speech, " ".join(SENTENCES[:3]), "en-GB")
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert speech.others.pid is None


async def test_speed_pitch_and_level_are_carried_out(speech: HibariSpeech) -> None:
    (plain,) = await said(speech, SENTENCES[1])
    (fast,) = await said(speech, SENTENCES[1], speed=1.5)
    (high,) = await said(speech, SENTENCES[1], pitch=1.2)
    (quiet,) = await said(speech, SENTENCES[1], decibels=-12.0)
    assert fast.seconds < plain.seconds * 0.8
    assert tone_of_voice(high.samples) == pytest.approx(tone_of_voice(plain.samples) * 1.2, rel=0.08)
    assert high.seconds == pytest.approx(plain.seconds, rel=0.15)
    assert rms(quiet.samples) == pytest.approx(rms(plain.samples) - 12, abs=0.5)


async def test_the_same_text_is_the_same_sound_each_time(speech: HibariSpeech) -> None:
    one, two = [await speech._render("Good morning.", speech.voices()[0], Manner()) for _ in range(2)]
    assert one is not None
    assert two is not None
    assert np.array_equal(one, two)


async def test_other_languages_and_picos_voices_are_the_embedded_engines(speech: HibariSpeech, tmp_path: Path) -> None:
    made = speech.statistics.requests
    (german,) = await said(speech, "Guten Tag.", "de-DE")
    named = [audio async for audio in speech.synthesise("Good morning.", "en-US")]
    assert [german.name, named[0].name] == ["speech de-DE", "speech en-US"]
    assert (speech.statistics.requests, speech.others.statistics.answered) == (made, 2)
    (other,) = [audio async for audio in speech.synthesise("Good morning.", "alice")]
    assert other.name == "speech heart"


async def test_what_no_voice_can_read_does_not_stop_the_engine(speech: HibariSpeech) -> None:
    with pytest.raises(SpeechUnavailable, match="can speak nothing"):
        await said(speech, "😀 " * 20)
    with pytest.raises(SpeechUnavailable, match="cannot be spoken"):
        # Longer than the preparation of texts leaves a number.
        await speech._render(",".join(["111"] * 20), speech.voices()[0], Manner())
    for text in ("[x](/y/)", "a" * 300, "1" * 300, "\x00<usesig>"):
        assert await said(speech, text)
    assert speech.statistics.children == 1
