"""What a speech engine is to the rest of the house, how a voice is chosen, and the engine that has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from media.prompt import PromptAudio


class SpeechUnavailable(RuntimeError):
    """A text cannot be spoken; the message says why. The verb that wanted it is skipped with a warning."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice an engine has. `language` is a BCP 47 tag with a region, such as `en-US`."""

    id: str
    language: str
    gender: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How a text is spoken: `speed` and `pitch` as factors of the voice's own, `decibels` above its level.

    Minus infinity is silence as long as the text. `runs_on`: more of the sentence follows, so no breath after the text.
    """

    speed: float = 1.0
    pitch: float = 1.0
    decibels: float = 0.0
    runs_on: bool = False


NATURAL: Final = Manner()


class SpeechEngine(Protocol):
    """Turns text into sound. All methods are called on the event loop's thread and none blocks it."""

    @property
    def name(self) -> str:
        """Name of the engine, for logs."""

    def voices(self) -> Sequence[Voice]:
        """The voices there are; the first of a language is its default."""

    def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """The sound of `text`, piece after piece as they get ready; played back to back they are the whole.

        What of `manner` an engine cannot do it leaves. Nothing for a text without words. Raises SpeechUnavailable, at
        once, before the first piece or between two.
        """

    def leaves_out(self, manner: Manner) -> str | None:
        """What of a manner this engine does not carry out, for the call's log; None when it carries out all."""

    async def start(self) -> None:
        """Make the first text as quick as later ones; optional. Raises SpeechUnavailable when nothing can be spoken."""

    async def close(self) -> None:
        """Let go of everything; texts being spoken end with SpeechUnavailable."""


class NoSpeech:
    """The engine of a house without speech."""

    name = "none"

    def voices(self) -> Sequence[Voice]:
        """No voices."""
        return ()

    def synthesise(
        self, text: str, voice: str | None = None, language: str = "en-US", manner: Manner = NATURAL
    ) -> AsyncIterator[PromptAudio]:
        """No sound: the first step raises SpeechUnavailable."""
        return _refusal("no speech engine is configured (speech.tts)")

    def leaves_out(self, manner: Manner) -> str | None:
        """Nothing is spoken at all, which is said elsewhere."""
        return None

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


async def _refusal(reason: str, sound: Sequence[PromptAudio] = ()) -> AsyncIterator[PromptAudio]:
    for audio in sound:
        yield audio
    raise SpeechUnavailable(reason)


# Where a language is spoken more as in this region than as in its first voice.
_NEAREST = {"en-au": "en-gb", "en-nz": "en-gb", "en-ie": "en-gb", "en-za": "en-gb", "en-in": "en-gb"}


def choose_voice(voices: Sequence[Voice], voice: str | None, language: str) -> Voice:
    """The voice for what a document asks: the named one, else one of its language, of its region if there is one.

    A name no voice has counts as none, since documents written for other engines name theirs (contract §10.4: `voice`
    and `language` are passed through). Raises SpeechUnavailable when no voice speaks the language.
    """
    for candidate in voices:
        if same_voice(candidate, voice):
            return candidate
    spoken = _tag(language)
    for tag in (spoken, _NEAREST.get(spoken)):
        for candidate in voices:
            if _tag(candidate.language) == tag:
                return candidate
    base = spoken.partition("-")[0]
    for candidate in voices:
        if _tag(candidate.language).partition("-")[0] == base:
            return candidate
    known = ", ".join(candidate.language for candidate in voices)
    raise SpeechUnavailable(f"no voice speaks {language[:40]!r}; there are voices for {known}")


def same_voice(voice: Voice, name: str | None) -> bool:
    """Whether a document means this voice by `name`."""
    return _tag(voice.id) == _tag(name or "")


def _tag(name: str) -> str:
    return name.strip().replace("_", "-").lower()
