"""A recogniser of speech over HTTP, at an address that the operator configures (`speech.stt_url`; contract §10.5).

It speaks the form that servers for Whisper models have in common: POST of `multipart/form-data` with `file` (WAV,
8 kHz, 16 bit, one channel), `language` (such as `en`) and `prompt` (the hints), answered with JSON that has `text`, and
may have `confidence`.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import wave
from typing import Final

import aiohttp

from engine.http import USER_AGENT
from media import RecogniserUnavailable, Understood
from media.resample import Samples

SECONDS: Final = 10.0
"""How long one utterance may take."""

MAX_BYTES: Final = 65_536
CONFIDENCE: Final = 0.5
"""Said of an answer that gives none."""

_RATE = 8000


class HttpRecogniser:
    """media's `Recogniser` over HTTP. `key` is sent as a Bearer token."""

    name = "http"
    pause = math.inf

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url
        self._headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Nothing to do: connections are opened when they are needed."""

    def refusal(self, language: str) -> str | None:
        """Which languages there are is the server's affair."""
        return None

    async def recognise(self, samples: Samples, *, language: str, hints: str | None) -> Understood:
        """What the server makes of the samples. Raises RecogniserUnavailable."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))
        form = aiohttp.FormData()
        form.add_field("file", _wav(samples), filename="utterance.wav", content_type="audio/wav")
        form.add_field("language", language.partition("-")[0].lower())
        form.add_field("response_format", "json")
        if hints:
            form.add_field("prompt", hints)
        try:
            async with self._session.post(
                self._url, data=form, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise RecogniserUnavailable(f"the recogniser answered with status {response.status}")
                return _understood(await _body(response))
        except (aiohttp.ClientError, OSError) as error:
            raise RecogniserUnavailable(f"the recogniser cannot be reached: {type(error).__name__}") from None
        except TimeoutError:
            raise RecogniserUnavailable(f"the recogniser did not answer within {SECONDS:g} s") from None

    async def guess(self, samples: Samples, *, part: int, language: str, hints: str | None) -> str | None:
        """The server is asked about what is over only."""
        return None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            # aiohttp closes its sockets in the next round of the loop
            await asyncio.sleep(0)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_BYTES:
            raise RecogniserUnavailable(f"the recogniser's answer has more than {MAX_BYTES} octets")
    return bytes(body)


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
