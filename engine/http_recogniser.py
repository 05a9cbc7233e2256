"""A recogniser of speech over HTTP, at an address that the operator configures (`speech.stt_url`; contract §10.5).

It speaks the form that servers for Whisper models have in common: POST of `multipart/form-data` with `file` (WAV,
8 kHz, 16 bit, one channel), `language` (such as `en`) and `prompt` (the hints), answered with JSON that has `text`, and
may have `confidence`.
"""

from __future__ import annotations

import io
import json
import math
import wave
from typing import Final

import aiohttp

from engine.speech_server import NoAnswer, SpeechServer
from media import RecogniserUnavailable, Understood
from media.resample import Samples

MAX_BYTES: Final = 65_536
CONFIDENCE: Final = 0.5
"""Said of an answer that gives none."""

_RATE = 8000


class HttpRecogniser:
    """media's `Recogniser` over HTTP. `key` is sent as a Bearer token."""

    name = "http"
    pause = math.inf

    def __init__(self, url: str, key: str | None = None) -> None:
        self._server = SpeechServer("recogniser", url, key, max_bytes=MAX_BYTES)

    async def start(self) -> None:
        """Nothing to do: connections are opened when they are needed."""

    def refusal(self, language: str) -> str | None:
        """Which languages there are is the server's affair."""
        return None

    async def recognise(self, samples: Samples, *, language: str, hints: str | None) -> Understood:
        """What the server makes of the samples. Raises RecogniserUnavailable."""
        form = aiohttp.FormData()
        form.add_field("file", _wav(samples), filename="utterance.wav", content_type="audio/wav")
        form.add_field("language", language.partition("-")[0].lower())
        form.add_field("response_format", "json")
        if hints:
            form.add_field("prompt", hints)
        try:
            return _understood(await self._server.post(form))
        except NoAnswer as error:
            raise RecogniserUnavailable(str(error)) from None

    async def guess(self, samples: Samples, *, part: int, language: str, hints: str | None) -> str | None:
        """The server is asked about what is over only."""
        return None

    async def close(self) -> None:
        """Closes the connections."""
        await self._server.close()


def _understood(body: bytes) -> Understood:
    try:
        answer = json.loads(body)
        text, confidence = answer["text"], answer.get("confidence", CONFIDENCE)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
        raise RecogniserUnavailable("the recogniser's answer is not JSON with a text") from None
    numeric = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not isinstance(text, str) or not numeric or math.isnan(confidence):
        raise RecogniserUnavailable("the recogniser's answer is not JSON with a text")
    return Understood(" ".join(text.split()), float(min(max(confidence, 0), 1)))


def _wav(samples: Samples) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE)
        out.writeframes(samples.astype("<i2", copy=False).tobytes())
    return file.getvalue()
