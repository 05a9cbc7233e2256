"""Text to speech over HTTP: what it asks for, what it makes of the answers, what it does not ask for twice."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from engine import speech_server
from engine.http_speech import MAX_BYTES, HttpSpeech
from media import AudioDecoder, Manner, PromptAudio, SpeechUnavailable
from tests.support.tones import sine, tones_in, wav

pytestmark = pytest.mark.asyncio(loop_scope="module")

TONES = {"low": 440.0, "high": 880.0}
SENTENCES = ["Welcome to the demonstration line.", "Please press one for the sales department."]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def decoder() -> AsyncIterator[AudioDecoder]:
    made = AudioDecoder()
    yield made
    await made.close()


class Server:
    """Answers each voice with its tone, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.keys: list[str | None] = []

    async def speak(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("Authorization"))
        return web.Response(body=wav(sine(TONES[self.asked[-1]["voice"]], 0.5, rate=24_000), 24_000))


Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def speech_of(handler: Handler, decoder: AudioDecoder, **options: Any) -> AsyncIterator[HttpSpeech]:
    app = web.Application()
    app.router.add_post("/v1/audio/speech", handler)
    async with TestServer(app) as server:
        speech = HttpSpeech(str(server.make_url("/v1/audio/speech")), decoder, voice="low", **options)
        yield speech
        await speech.close()


async def said(speech: HttpSpeech, text: str, voice: str | None = None, **how: Any) -> list[PromptAudio]:
    return [audio async for audio in speech.synthesise(text, voice, "en-GB", Manner(**how))]


def loudness(audio: PromptAudio) -> float:
    return float(np.abs(audio.samples.astype(int)).max())


async def test_each_sentence_is_asked_for_by_itself_and_once(decoder: AudioDecoder, tmp_path: Path) -> None:
    server = Server()
    async with speech_of(server.speak, decoder, key="sesame", model="small", folder=tmp_path) as speech:
        pieces = await said(speech, " ".join(SENTENCES))
        (high,) = await said(speech, SENTENCES[0], "high")
        again = await said(speech, " ".join(SENTENCES))
    asked = [("low", SENTENCES[0]), ("low", SENTENCES[1]), ("high", SENTENCES[0])]
    assert server.asked == [
        {"input": text, "voice": voice, "language": "en-GB", "response_format": "wav", "model": "small"}
        for voice, text in asked
    ]
    assert set(server.keys) == {"Bearer sesame"}
    assert [tones_in(audio.samples, tuple(TONES.values())) for audio in (*pieces, high)] == [{440.0}, {440.0}, {880.0}]
    assert all(0.4 < audio.seconds < 0.6 for audio in pieces)
    assert all(one is other for one, other in zip(pieces, again, strict=True))
    assert len(list(tmp_path.iterdir())) == 2, "what was said twice is kept for the next start"


async def test_level_and_speed_are_carried_out_and_pitch_is_remarked_on(decoder: AudioDecoder) -> None:
    server = Server()
    async with speech_of(server.speak, decoder) as speech:
        (plain,) = await said(speech, SENTENCES[0])
        (soft,) = await said(speech, SENTENCES[0], decibels=-12.0, speed=0.75, pitch=1.3)
        (silent,) = await said(speech, SENTENCES[0], decibels=float("-inf"))
        assert speech.leaves_out(Manner(speed=0.75, decibels=-12.0)) is None
        assert "pitch" in (speech.leaves_out(Manner(pitch=1.3)) or "")
    assert loudness(soft) == pytest.approx(loudness(plain) / 3.98, rel=0.02)
    assert (loudness(silent), silent.seconds) == (0, plain.seconds)
    assert [asked.get("speed") for asked in server.asked] == [None, 0.75, None]
    assert all("pitch" not in asked and "model" not in asked for asked in server.asked)
    assert set(server.keys) == {None}


def stereo() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(np.repeat(sine(440.0, 0.5, rate=48_000), 2).astype("<i2").tobytes())
    # A server that streams does not know the lengths yet.
    return file.getvalue().replace(b"data" + (96_000).to_bytes(4, "little"), b"data\xff\xff\xff\xff")


async def test_sound_of_another_rate_in_stereo_and_of_open_length_is_heard(decoder: AudioDecoder) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=stereo(), content_type="application/octet-stream")

    assert b"data\xff\xff\xff\xff" in stereo()
    async with speech_of(handler, decoder) as speech:
        (audio,) = await said(speech, SENTENCES[0])
    assert tones_in(audio.samples, tuple(TONES.values())) == {440.0}
    assert 0.4 < audio.seconds < 0.6


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 500, "status 500"),
        (b"", 307, "status 307"),
        (b'{"error": "no"}', 200, "looks like JSON"),
        (wav(sine(440.0, 0.1))[:30], 200, "not used"),
        (wav(np.zeros(4000, np.int16)), 200, "can speak nothing"),
        (bytes(MAX_BYTES + 1), 200, f"more than {MAX_BYTES} octets"),
    ],
    ids=["error", "redirect", "no sound", "damaged", "silence", "too much"],
)
async def test_any_other_answer_is_no_speech(decoder: AudioDecoder, body: bytes, status: int, reason: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Location": "/v1/audio/speech"})

    async with speech_of(handler, decoder) as speech:
        with pytest.raises(SpeechUnavailable, match=reason):
            await said(speech, SENTENCES[0])


async def test_a_server_that_is_slow_or_not_there_is_no_speech(
    decoder: AudioDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_server, "SECONDS", 0.05)
    asking = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await asking.wait()
        return web.Response()

    async with speech_of(handler, decoder) as speech:
        with pytest.raises(SpeechUnavailable, match=r"did not answer within 0\.05 s"):
            await said(speech, SENTENCES[0])
        asking.set()
    gone = HttpSpeech(f"http://127.0.0.1:{unused_port()}/", decoder, voice="low")
    with pytest.raises(SpeechUnavailable, match="cannot be reached"):
        await said(gone, SENTENCES[0])
    await gone.close()
