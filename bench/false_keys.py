"""Keys that the in-band detection of the media kernel hears in speech, where nobody pressed one: so many in an hour.

Generated sentences, by every voice of the speech benches and Pico's others at three pitches, go through G.711 µ-law and
frame by frame through the kernel's own function. That it does hear keys is shown by sixteen of them before.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.kernel import constants as c
from media.kernel.g711 import decode, encode
from media.kernel.inband import HIGH_HERTZ, LOW_HERTZ, hear_keys, listen_for_keys
from media.kernel.layout import CoreRow, SessionRow, allocate
from media.worker.speech import handle as speak

KEYS_AN_HOUR: Final = 1.0
"""More than this counts as a miss."""

MINUTES: Final = 20.0
QUICK_MINUTES: Final = 1.0

_LANGUAGES: Final = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
_PITCHES: Final = (1.0, 0.75, 1.3)
_KEYS: Final = tuple(itertools.product(LOW_HERTZ, HIGH_HERTZ))
_KEY_SECONDS: Final = 0.1
_PEAK: Final = 0.5

_SUBJECTS: Final = (
    "My sister", "The new manager", "Nobody here", "Your colleague in the office", "An old friend of ours", "I", "We",
    "The woman on the phone", "Our neighbour", "Everybody at the meeting", "The driver", "His youngest brother",
)  # fmt: skip
_VERBS: Final = (
    "wanted to return", "has already paid for", "could not find", "is still looking for", "forgot to mention",
    "would like to change", "ordered", "does not remember", "asked three times about", "cancelled", "heard of",
)  # fmt: skip
_OBJECTS: Final = (
    "the blue umbrella", "an appointment", "two tickets to the concert", "the invoice from October", "her password",
    "the address of the hotel", "a table for seven people", "the delivery", "our opening hours", "my account number",
    "a refund for the broken lamp", "the yellow folder", "some information", "the flight to Singapore",
)  # fmt: skip
_ENDS: Final = (
    "yesterday evening", "because it was raining", "before the end of the week", "and was very happy about it",
    "although nobody had told me", "at a quarter past eleven", "again and again", "for no reason at all",
    "while the music was playing", "in room four hundred and twelve", "and hung up", "as you know",
)  # fmt: skip

_Samples = NDArray[np.int16]
_Voice = Callable[[str], _Samples]


@dataclass(frozen=True, slots=True)
class FalseKeys:
    """How many keys were heard in so many seconds of speech, and of the sixteen that were pressed before."""

    seconds: float
    keys: int
    pressed: int

    @property
    def an_hour(self) -> float:
        """Keys heard in an hour of speech."""
        return self.keys * 3600 / self.seconds

    @property
    def missed(self) -> bool:
        """Whether keys are heard that are none, or not those that are."""
        return self.an_hour > KEYS_AN_HOUR or self.pressed != len(_KEYS)


class KeyEar:
    """The detection of one session, fed with samples."""

    def __init__(self) -> None:
        self._row = allocate(SessionRow, 1)[0]
        self._core = allocate(CoreRow, 1)[0]
        self._row["receive_codec"] = c.PCMU
        self._rest = np.zeros(0, np.int16)
        listen_for_keys(self._row, 1)

    def hear(self, samples: _Samples) -> int:
        """How many keys begin in samples at 8 kHz, which go on where the last ones ended."""
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // c.TICK_SAMPLES * c.TICK_SAMPLES
        self._rest = samples[whole:]
        begun = 0
        for octets in encode(samples[:whole], "PCMU").reshape(-1, c.TICK_SAMPLES):
            before = self._row["inband_key"]
            self._core["frame"][: c.TICK_SAMPLES] = octets
            hear_keys(self._row, self._core)
            begun += before < 0 <= self._row["inband_key"]
        return int(begun)


def sentences() -> Iterator[str]:
    """Sentences without end, the same ones each time."""
    draw = random.Random(8)
    while True:
        yield " ".join(draw.choice(part) for part in (_SUBJECTS, _VERBS, _OBJECTS, _ENDS)) + "."


def measure(minutes: float, voices: Sequence[_Voice]) -> FalseKeys:
    """Let so many minutes be spoken, by voices in turns."""
    speakers = itertools.cycle([*voices, *_pico()])
    ear = KeyEar()
    pressed = ear.hear(_pressed())
    draw = np.random.default_rng(8)
    samples = keys = 0
    for text, voice in zip(sentences(), speakers, strict=False):
        if samples >= minutes * 60 * 8000:
            break
        said = voice(text)
        loud = said * (_PEAK * 32767 / max(1, int(np.abs(said.astype(np.int32)).max())))
        heard = np.clip(np.rint(loud + draw.normal(0, 16, len(loud))), -32768, 32767).astype(np.int16)
        keys += ear.hear(decode(encode(heard, "PCMU"), "PCMU"))
        samples += len(heard)
    return FalseKeys(samples / 8000, keys, pressed)


def _pico() -> Iterator[_Voice]:
    for language in _LANGUAGES:
        for pitch in _PITCHES:
            yield lambda text, language=language, pitch=pitch: _say(text, language, pitch)  # type: ignore[misc]


def _say(text: str, language: str, pitch: float) -> _Samples:
    _, body = speak({"voice": language, "speed": 1.0, "pitch": pitch}, text.encode())
    return np.frombuffer(bytes(body), np.int16)


def _pressed() -> _Samples:
    """The keys, each for a tenth of a second and with as much silence after it."""
    at = np.arange(round(8000 * _KEY_SECONDS)) * 2 * np.pi / 8000
    silence = np.zeros(len(at))
    tones = [sound for low, high in _KEYS for sound in (np.sin(low * at) + np.sin(high * at), silence)]
    return np.asarray(np.round(6000 * np.concatenate(tones)), np.int16)
