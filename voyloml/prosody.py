"""How a part of a text is to be spoken: `prosody` and `emphasis` of SSML (W3C SSML 1.1 §3.2.2, §3.2.4) as factors.

A word or a plain percentage sets what it says anew; `+10%`, `-10%`, `+3dB` and `+2st` change what stands around it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from voyloml.control import Delivery

RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.5}
PITCHES: Final = {"x-low": 0.7, "low": 0.85, "medium": 1.0, "default": 1.0, "high": 1.15, "x-high": 1.3}
VOLUMES: Final = {
    "silent": -math.inf, "x-soft": -12.0, "soft": -6.0, "medium": 0.0, "default": 0.0, "loud": 3.0, "x-loud": 6.0,
}  # fmt: skip
LEVELS: Final = {"strong": (0.85, 4.0), "moderate": (0.93, 2.0), "reduced": (1.1, -3.0), "none": (1.0, 0.0)}
"""Of `emphasis`: a factor of the rate, and decibels."""

LEAST_FACTOR: Final = 0.5
MOST_FACTOR: Final = 2.0
"""Of rate and pitch; what is beyond is brought to it."""
LEAST_DECIBELS: Final = -40.0
MOST_DECIBELS: Final = 10.0

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_PERCENT = re.compile(rf"([+-]?){_NUMBER}%")
_FACTOR = re.compile(_NUMBER)
_SEMITONES = re.compile(rf"([+-]){_NUMBER}st")
_DECIBELS = re.compile(rf"([+-]?){_NUMBER}dB", re.IGNORECASE)


def prosody(around: Delivery, attributes: Mapping[str, str]) -> Delivery:
    """The delivery inside a `prosody`; what an attribute says that nobody understands is as if it were absent."""

    def given(name: str, value: float) -> float:
        said = READ[name](attributes[name], value) if name in attributes else None
        return value if said is None else said

    return replace(
        around,
        rate=given("rate", around.rate),
        pitch=given("pitch", around.pitch),
        decibels=given("volume", around.decibels),
    )


def emphasis(around: Delivery, attributes: Mapping[str, str]) -> Delivery:
    """The delivery inside an `emphasis`; `moderate` where its level says nothing known."""
    factor, decibels = LEVELS.get(attributes.get("level", "moderate").strip(), LEVELS["moderate"])
    return replace(around, rate=_factor(around.rate * factor), decibels=_level(around.decibels + decibels))


def _rate(text: str, around: float) -> float | None:
    text = text.strip()
    if text in RATES:
        return RATES[text]
    plain = _FACTOR.fullmatch(text)
    return _factor(float(plain[1])) if plain is not None else _percent(text, around)


def _pitch(text: str, around: float) -> float | None:
    text = text.strip()
    if text in PITCHES:
        return PITCHES[text]
    semitones = _SEMITONES.fullmatch(text)
    if semitones is not None:
        steps = min(float(semitones[2]), 24.0)
        return _factor(around * 2 ** ((steps if semitones[1] == "+" else -steps) / 12))
    return _percent(text, around)


def _volume(text: str, around: float) -> float | None:
    text = text.strip()
    if text in VOLUMES:
        return VOLUMES[text]
    decibels = _DECIBELS.fullmatch(text)
    if decibels is None:
        return None
    return _level(around + (-1 if decibels[1] == "-" else 1) * float(decibels[2]))


def _percent(text: str, around: float) -> float | None:
    percent = _PERCENT.fullmatch(text)
    if percent is None:
        return None
    part = float(percent[2]) / 100
    return _factor({"": part, "+": around * (1 + part), "-": around * (1 - part)}[percent[1]])


def _factor(value: float) -> float:
    return round(min(max(value, LEAST_FACTOR), MOST_FACTOR), 2)


def _level(decibels: float) -> float:
    if decibels == -math.inf:
        return decibels
    return round(min(max(decibels, LEAST_DECIBELS), MOST_DECIBELS), 1)


READ: Final[Mapping[str, Callable[[str, float], float | None]]] = {"rate": _rate, "pitch": _pitch, "volume": _volume}
"""Attributes of `prosody`: how a value is read beside the one around it; None for what nobody understands."""
