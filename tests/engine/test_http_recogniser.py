"""The recogniser over HTTP: what it sends, what it makes of answers that are none (docs/speech.md)."""

from __future__ import annotations

import io
import wave
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from engine.http_recogniser import CONFIDENCE, HttpRecogniser
from media import RecogniserUnavailable, Understood

SAMPLES = np.arange(800, dtype=np.int16)


async def asked(handler: Callable[[web.Request], Awaitable[web.Response]], *, hints: str | None = None) -> Understood:
    app = web.Application()
    app.router.add_post("/inference", handler)
    async with TestServer(app) as server:
        recogniser = HttpRecogniser(str(server.make_url("/inference")), "sesame")
        try:
            return await recogniser.recognise(SAMPLES, language="de-DE", hints=hints)
        finally:
            await recogniser.close()


def answering(text: str, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status, headers={"Location": "/inference"})

    return handler


async def test_the_samples_go_out_as_wav_with_language_and_hints() -> None:
    heard: list[tuple[list[int], int, object, object, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        with wave.open(io.BytesIO(file.file.read())) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").tolist()
            key = request.headers.get("Authorization")
            heard.append((samples, sound.getframerate(), form["language"], form["prompt"], key))
        return web.json_response({"text": "ja", "confidence": 0.75})

    assert await asked(handler, hints="ja, nein") == Understood("ja", 0.75)
    assert heard == [(SAMPLES.tolist(), 8000, "de", "ja, nein", "Bearer sesame")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"text": " a\\n b "}', Understood("a b", CONFIDENCE)),
        ('{"text": "", "confidence": 1}', Understood("", 1.0)),
        ('{"text": "a", "confidence": 7}', Understood("a", 1.0)),
    ],
)
async def test_answers_are_brought_to_words_and_a_confidence(body: str, expected: Understood) -> None:
    assert await asked(answering(body)) == expected


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 200), ("no json", 200), ("[]", 200), ("{}", 200), ('{"text": 5}', 200),
        ('{"text": "a", "confidence": "b"}', 200), ('{"text": "a", "confidence": NaN}', 200),
        ("[" * 50_000, 200), ('{"text": "' + "a" * 100_000 + '"}', 200), ('{"text": "a"}', 500), ('{"text": "a"}', 307),
    ],
)  # fmt: skip
async def test_any_other_answer_is_none(body: str, status: int) -> None:
    with pytest.raises(RecogniserUnavailable):
        await asked(answering(body, status))


async def test_a_server_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    recogniser = HttpRecogniser(f"http://127.0.0.1:{unused_port()}/inference")
    with pytest.raises(RecogniserUnavailable, match="cannot be reached"):
        await recogniser.recognise(SAMPLES, language="en-US", hints=None)
    await recogniser.close()
