"""The better engine for English: hibari (hibari-tts, an optional extra), a neural voice in a child process.

Other languages, and Pico's voices by name, are spoken by the embedded engine beside it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from importlib import metadata
from pathlib import Path

from media.prompt import PromptAudio
from media.speech.embedded import EmbeddedSpeech
from media.speech.interface import NATURAL, Manner, Voice, choose_voice, same_voice
from media.speech.piecewise import SpeechLimits
from media.speech.rendering import ChildSpeech
from media.worker.process import MEBIBYTE

_HEART = Voice(id="heart", language="en-US", gender="female")
_DISTRIBUTION = "hibari-tts"
# As in `embedded`: raise it when the same text comes out otherwise.
_RENDERING = 1


class HibariSpeech(ChildSpeech):
    """A `SpeechEngine`. `folder` keeps pieces over a restart, as that of `EmbeddedSpeech`, in a folder of their own.

    Raises importlib's PackageNotFoundError where hibari-tts is not installed.
    """

    name = "hibari"

    def __init__(self, folder: Path | None = None, limits: SpeechLimits | None = None) -> None:
        super().__init__(
            "media.worker.hibari:handle",
            identity=f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} {_RENDERING}",
            first=_HEART,
            folder=folder / "hibari" if folder is not None else None,
            limits=limits,
            memory_bytes=1024 * MEBIBYTE,
        )
        self.others = EmbeddedSpeech(folder, limits)

    def voices(self) -> Sequence[Voice]:
        """hibari's one voice, and the embedded engine's."""
        return (_HEART, *self.others.voices())

    def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text` at 8 kHz, piece after piece; English of any region is hibari's.

        `voice` is the id of one of `voices`; another counts as none. Raises SpeechUnavailable (see `SpeechEngine`).
        """
        chosen = choose_voice(self.voices(), voice, language)
        if chosen.language.startswith("en-") and not same_voice(chosen, voice):
            chosen = _HEART
        engine = self if chosen is _HEART else self.others
        return engine.speak(text, chosen, manner)

    async def close(self) -> None:
        """End both child processes."""
        await super().close()
        await self.others.close()
