"""Text to speech over HTTP, at an address that the operator configures (`speech.tts_url`; contract §10.4).

It speaks the form that servers of OpenAI's speech API have in common: POST of JSON with `input`, `voice` and
`response_format`, answered with a sound file.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.speech_server import NoAnswer, SpeechServer
from media import AudioDecoder, AudioError, Manner, PromptAudio, SpeechLimits, SpeechUnavailable, SpokenPieces, Voice
from media.loudness import delivered
from media.resample import Samples
from media.speech.interface import NATURAL

MAX_BYTES: Final = 8 * 1024 * 1024
"""Octets of the sound of one piece: 240 characters spoken slowly, in stereo at 48 kHz."""


class HttpSpeech:
    """media's `SpeechEngine` over HTTP. `key` is sent as a Bearer token, `model` as it is if there is one.

    `voice` is asked for where a text names none. `decoder` belongs to whoever made it. `folder` keeps pieces that were
    said more than once.
    """

    name = "http"

    def __init__(
        self,
        url: str,
        decoder: AudioDecoder,
        *,
        voice: str,
        key: str | None = None,
        model: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self._server = SpeechServer("speech server", url, key, max_bytes=MAX_BYTES)
        self._decoder = decoder
        self._voice = voice
        self._fixed = {"response_format": "wav"} | ({"model": model} if model else {})
        self._pieces = SpokenPieces(f"http {url} {model or ''}", self._render, folder, SpeechLimits())

    def voices(self) -> Sequence[Voice]:
        """Which voices there are is the server's affair."""
        return ()

    def leaves_out(self, manner: Manner) -> str | None:
        """The API has no pitch."""
        return "pitch is not carried out by the http engine" if manner.pitch != 1 else None

    async def start(self) -> None:
        """Nothing to do: connections are opened when they are needed."""

    def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; the server is asked for the second while the first is heard.

        `voice` goes to the server as it is. Raises SpeechUnavailable (see `SpeechEngine`).
        """
        chosen = Voice(voice or self._voice, language, gender="")
        return self._pieces.speak(text, chosen, replace(manner, pitch=1.0))

    async def close(self) -> None:
        """Closes the connections."""
        await self._server.close()
        await self._pieces.close()

    async def _render(self, text: str, voice: Voice, manner: Manner) -> Samples | None:
        asked: dict[str, Any] = {"input": text, "voice": voice.id, "language": voice.language, **self._fixed}
        if manner.speed != 1:
            asked["speed"] = manner.speed
        try:
            audio = await self._decoder.decode(await self._server.post(json=asked), "speech over http")
        except NoAnswer as error:
            raise SpeechUnavailable(str(error)) from None
        except AudioError as error:
            raise SpeechUnavailable(f"the speech server's answer is not used: {error}") from None
        decibels = None if manner.decibels == -math.inf else manner.decibels
        return await asyncio.to_thread(delivered, audio.samples, decibels, runs_on=manner.runs_on)
