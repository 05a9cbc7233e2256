"""The speech engine that comes with the install: SVOX Pico (py-nanotts) in a child process, with what it said kept.

Six languages, one voice each. Text goes in piece by piece; a piece that was said before is not rendered again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from importlib import metadata
from pathlib import Path

from media.prompt import PromptAudio
from media.resample import Samples
from media.speech.interface import NATURAL, Manner, SpeechUnavailable, Voice, choose_voice
from media.speech.piecewise import SpeechLimits, SpokenPieces
from media.speech.rendering import render_by
from media.worker.process import WorkerProcess, WorkerSpec, WorkerStatistics

_VOICES = tuple(
    Voice(id=language, language=language, gender="female")
    for language in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
)
_DISTRIBUTION = "py-nanotts"
# Part of the key of what is kept: raise it when the same text comes out otherwise (level, trimming, resampling).
_RENDERING = 1


class EmbeddedSpeech:
    """A `SpeechEngine`. `folder` keeps pieces over a restart, those that were said more than once; None keeps none.

    The child process starts with the first text, or with `start`.
    """

    name = "embedded"

    def __init__(self, folder: Path | None = None, limits: SpeechLimits | None = None) -> None:
        self.limits = limits or SpeechLimits()
        self._worker = WorkerProcess(
            WorkerSpec(
                name="speech",
                entry="media.worker.speech:handle",
                request_seconds=self.limits.piece_seconds,
                cpu_seconds=self.limits.cpu_seconds,
                pending=self.limits.pending,
            )
        )
        identity = f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} {_RENDERING}"
        self._pieces = SpokenPieces(identity, self._render, folder, self.limits)

    @property
    def pid(self) -> int | None:
        """Process id of the child that renders, None while there is none."""
        return self._worker.pid

    @property
    def statistics(self) -> WorkerStatistics:
        """Counters of the child process; what comes from memory or disk is not among its requests."""
        return self._worker.statistics

    def voices(self) -> Sequence[Voice]:
        """One voice for each of six languages."""
        return _VOICES

    def leaves_out(self, manner: Manner) -> str | None:
        """Every manner is carried out."""
        return None

    async def start(self) -> None:
        """Start the child and have it speak, so that the first caller does not wait for that.

        Raises SpeechUnavailable when the engine does not work on this machine.
        """
        if await self._render("Hello.", _VOICES[0], NATURAL) is None:
            raise SpeechUnavailable("the speech engine says nothing")

    async def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; the first is there before the last is rendered.

        `voice` is the id of a voice; one that Pico does not have counts as none. Raises SpeechUnavailable (see
        `SpeechEngine`).
        """
        async for audio in self._pieces.speak(text, choose_voice(_VOICES, voice, language), manner):
            yield audio

    async def close(self) -> None:
        """End the child process; texts being spoken end with SpeechUnavailable."""
        await self._worker.close()
        await self._pieces.close()

    async def _render(self, text: str, voice: Voice, manner: Manner) -> Samples | None:
        return await render_by(self._worker, text, voice, manner)
