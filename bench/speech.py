"""How well and how fast the embedded recogniser understands a caller: generated words at 8 kHz through G.711 µ-law.

Voices are SVOX Pico (two) and, where it is installed, espeak-ng (three). Digits are recognised without hints, the words
of a menu with hints; each utterance is recognised by itself, as a `Gather` does. Synthetic voices only: no human speech
was measured. Beside it, how soon a caller hears the first sound of a `Say`, and how many keys are heard in speech where
keys are looked for in the audio.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench import false_keys, first_sound
from media.kernel.g711 import decode, encode
from media.resample import quantise, resample
from media.worker.grammar import handle as recognise
from media.worker.phrases import ANSWERS, DIGITS
from media.worker.speech import handle as speak

MENU = (
    "sales", "support", "billing", "operator", "technical support", "opening hours", "account balance", "main menu",
    "speak to an agent", "repeat",
)  # fmt: skip
OUTSIDE = ("purple elephants", "the weather is nice outside", "what did you say", "my dog ate the newspaper")
ERROR_RATES = {"digits": 0.35, "yes and no": 0.15, "menu": 0.10}
"""Word error rates that count as a miss when they are exceeded."""

SECONDS_PER_SECOND = 0.5
PEAK = 0.4

_Samples = NDArray[np.int16]


def voices() -> Iterator[tuple[str, Callable[[str], _Samples]]]:
    """Names and functions from a text to `(n,) int16` at 8 kHz."""
    for language in ("en-US", "en-GB"):
        yield f"pico {language}", lambda text, language=language: _pico(text, language)  # type: ignore[misc]
    if shutil.which("espeak-ng"):
        for name in ("en-us", "en-gb", "en-us+f3"):
            yield f"espeak-ng {name}", lambda text, name=name: _espeak(text, name)  # type: ignore[misc]


def _pico(text: str, language: str) -> _Samples:
    _, body = speak({"voice": language, "speed": 1.0}, text.encode())
    return np.frombuffer(bytes(body), np.int16)


def _espeak(text: str, voice: str) -> _Samples:
    made = subprocess.run(["espeak-ng", "-v", voice, "-s", "140", "--stdout", text], capture_output=True, check=True)
    # espeak-ng writes to a pipe and does not know the length, which the header has wrong: all that came is the sound.
    rate, octets = int.from_bytes(made.stdout[24:28], "little"), made.stdout[44:]
    samples = np.frombuffer(octets[: len(octets) // 2 * 2], np.int16)
    return quantise(resample(samples.astype(np.float32) / np.float32(32768), rate))


def on_the_line(samples: _Samples) -> _Samples:
    """The samples at a caller's level, with half a second of a quiet line around them, through µ-law and back."""
    loud = samples.astype(np.float64) * (PEAK * 32767 / max(1, int(np.abs(samples.astype(np.int32)).max())))
    around = np.concatenate([np.zeros(4000), loud, np.zeros(4000)])
    noisy = around + np.random.default_rng(1).normal(0, 16, len(around))
    return decode(encode(np.clip(np.rint(noisy), -32768, 32767).astype(np.int16), "PCMU"), "PCMU")


def wrong_words(said: str, heard: str) -> int:
    """Words to be changed, left out or put in to make `heard` of `said`."""
    before = list(range(len(heard.split()) + 1))
    for row, word in enumerate(said.split(), 1):
        after = [row]
        for column, other in enumerate(heard.split(), 1):
            after.append(min(before[column] + 1, after[-1] + 1, before[column - 1] + (word != other)))
        before = after
    return before[-1]


def utterances() -> dict[str, tuple[str | None, tuple[str, ...]]]:
    """By kind: the hints, and what is said."""
    draw = random.Random(3)
    rows = tuple(" ".join(draw.choice(DIGITS) for _ in range(length)) for length in (3, 4, 4, 5, 6))
    hints = ", ".join(MENU)
    return {"digits": (None, (*DIGITS, *rows)), "yes and no": (None, ANSWERS), "menu": (hints, MENU)}


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns word error rates by kind and voice, false alarms, time per second of audio, how long a `Say`
    takes to its first sound, and how many keys are heard in an hour of speech."""
    speakers = list(voices())[: 1 if quick else None]
    recognise({"hints": None}, on_the_line(np.zeros(8000, np.int16)).tobytes())
    rates: dict[str, float] = {}
    audio = spent = 0.0
    by_voice = {name: [0, 0] for name, _ in speakers}
    for kind, (hints, texts) in utterances().items():
        wrong = words = whole = 0
        for name, voice in speakers:
            for text in texts:
                samples = on_the_line(voice(text))
                began = time.perf_counter()
                heard = recognise({"hints": hints}, samples.tobytes())[0]["text"]
                spent += time.perf_counter() - began
                audio += len(samples) / 8000
                errors = wrong_words(text, heard)
                wrong, words, whole = wrong + errors, words + len(text.split()), whole + (heard == text)
                by_voice[name][0] += errors
                by_voice[name][1] += len(text.split())
        rates[kind] = wrong / words
        said = len(texts) * len(speakers)
        print(f"{kind:12} word error rate {wrong / words:5.1%}   whole utterances {whole} of {said}   "
              f"(target {ERROR_RATES[kind]:.0%})")  # fmt: skip
    for name, (wrong, words) in by_voice.items():
        print(f"  {name:20} word error rate {wrong / words:5.1%} over all")
    hints = ", ".join(MENU)
    alarms = sum(
        recognise({"hints": hints}, on_the_line(voice(text)).tobytes())[0]["text"] != ""
        for _, voice in speakers
        for text in OUTSIDE
    )
    print(f"no phrase of the grammar: understood as one all the same {alarms} of {len(OUTSIDE) * len(speakers)}")
    print(f"time per second of audio {spent / audio:.3f} s   (target < {SECONDS_PER_SECOND:g} s)")
    median, most = _first_sound(8 if quick else 40)
    # Pico's voices are spoken there anyhow.
    others = [voice for name, voice in speakers if not name.startswith("pico")]
    keys = _false_keys(false_keys.QUICK_MINUTES if quick else false_keys.MINUTES, others)
    missed = (
        most > first_sound.TARGET_MS
        or keys.missed
        or spent / audio >= SECONDS_PER_SECOND
        or any(rates[kind] > most_wrong for kind, most_wrong in ERROR_RATES.items())
    )
    return {
        "word_error_rates": rates,
        "false_alarms": alarms,
        "seconds_per_second": spent / audio,
        "first_sound_ms": round(median),
        "first_sound_95_ms": round(most),
        "keys_an_hour_of_speech": keys.an_hour,
        "missed": missed,
    }


def _false_keys(minutes: float, others: Sequence[Callable[[str], _Samples]]) -> false_keys.FalseKeys:
    """Prints and returns how many keys are heard in so many minutes of speech."""
    heard = false_keys.measure(minutes, others)
    verdict = "   MISSED" if heard.missed else ""
    most = false_keys.KEYS_AN_HOUR
    print(f"keys heard in {heard.seconds / 60:.1f} min of speech: {heard.keys}, {heard.an_hour:.1f} an hour (expected "
          f"0, at most {most:g}); of 16 keys pressed {heard.pressed}{verdict}")  # fmt: skip
    return heard


def _first_sound(count: int) -> tuple[float, float]:
    """Prints and returns the median and the 95 % figure of the milliseconds from a `Say` to its first sound."""
    took = asyncio.run(first_sound.measure(count))
    median, most = float(np.percentile(took, 50)), float(np.percentile(took, 95))
    verdict = "" if most <= first_sound.TARGET_MS else "   MISSED"
    print(f"first sound of a new sentence of 15 words: median {median:.0f} ms, 95 % within {most:.0f} ms, longest "
          f"{max(took):.0f} ms of {count}   (target {first_sound.TARGET_MS:.0f} ms){verdict}")  # fmt: skip
    return median, most
