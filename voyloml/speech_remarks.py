"""What of the SSML in a `Say` is not carried out, said of single attributes, for the linter and the call's log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from voyloml.prosody import LEVELS, PITCHES, RATES, READ, VOLUMES
from voyloml.say_as import KINDS

_EXPECTED: Final = {
    "rate": f"{', '.join(RATES)}, a percentage, or a change such as +20%",
    "pitch": f"{', '.join(PITCHES)}, a percentage, or a change such as +10% or -2st",
    "volume": f"{', '.join(VOLUMES)}, or a change such as +6dB",
}


def remarks(name: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Attributes of a `prosody`, an `emphasis` or a `say-as` that are not carried out, and why."""
    if name == "say-as":
        kind = attributes.get("interpret-as")
        if kind is not None and kind.strip() not in KINDS:
            yield "interpret-as", f"interpret-as must be one of {', '.join(KINDS)}: the text is spoken as it stands"
        return
    if name not in {"prosody", "emphasis"}:
        return
    for attribute, value in attributes.items():
        if attribute.startswith("xml"):
            continue
        if name == "emphasis":
            if attribute == "level" and value.strip() not in LEVELS:
                yield attribute, f"level must be one of {', '.join(LEVELS)}"
        elif attribute not in READ:
            yield attribute, f"{attribute} of <prosody> is not carried out; rate, pitch and volume are"
        elif READ[attribute](value, 1.0) is None:
            yield attribute, f"{attribute} must be {_EXPECTED[attribute]}"
