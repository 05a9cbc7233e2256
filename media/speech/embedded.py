"""The speech engine that comes with the install: SVOX Pico (py-nanotts) in a child process, with what it said kept.

Six languages, one voice each. Text goes in piece by piece; a piece that was said before is not rendered again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from importlib import metadata
from pathlib import Path

from media.prompt import PromptAudio
from media.speech.interface import NATURAL, Manner, Voice, choose_voice
from media.speech.piecewise import SpeechLimits
from media.speech.rendering import ChildSpeech

_VOICES = tuple(
    Voice(id=language, language=language, gender="female")
    for language in ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
)
_DISTRIBUTION = "py-nanotts"
# Part of the key of what is kept: raise it when the same text comes out otherwise (level, trimming, resampling).
_RENDERING = 1


class EmbeddedSpeech(ChildSpeech):
    """A `SpeechEngine`. `folder` keeps pieces over a restart, those that were said more than once; None keeps none."""

    name = "embedded"

    def __init__(self, folder: Path | None = None, limits: SpeechLimits | None = None) -> None:
        super().__init__(
            "media.worker.speech:handle",
            identity=f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} {_RENDERING}",
            first=_VOICES[0],
            folder=folder,
            limits=limits,
        )

    def voices(self) -> Sequence[Voice]:
        """One voice for each of six languages."""
        return _VOICES

    def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; the first is there before the last is rendered.

        `voice` is the id of a voice; one that Pico does not have counts as none. Raises SpeechUnavailable (see
        `SpeechEngine`).
        """
        return self.speak(text, choose_voice(_VOICES, voice, language), manner)
