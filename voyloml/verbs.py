"""The language: every verb and noun of contract §10.3–10.8, declared once.

Parser checks, linter, interpreter and generated documents read this table and nothing else. The declarations stand in
`voyloml.declared`; ranges that the contract leaves open are set there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from voyloml.declared.flow import CONNECT, HANGUP, PARAMETER, REDIRECT, REFER, REJECT, START, STREAM
from voyloml.declared.parties import AGENT, DIAL, IDENTITY, NUMBER, QUEUE, SIP, TRUNK
from voyloml.declared.prompts import GATHER, PAUSE, PLAY, PRE_ANSWER, SAY, SEND_DIGITS
from voyloml.declared.rooms import CONFERENCE, ENQUEUE, LEAVE, RECORD
from voyloml.schema import ElementSpec

ELEMENTS: Final[tuple[ElementSpec, ...]] = (
    PLAY, SAY, GATHER, DIAL, NUMBER, SIP, AGENT, IDENTITY, TRUNK, QUEUE, RECORD, CONFERENCE, HANGUP, REDIRECT, REJECT,
    PAUSE, PRE_ANSWER, STREAM, CONNECT, START, PARAMETER, REFER, ENQUEUE, LEAVE, SEND_DIGITS,
)  # fmt: skip
"""The whole language, in the order of contract §10.3."""

BY_NAME: Final[Mapping[str, ElementSpec]] = MappingProxyType(
    {name: spec for spec in ELEMENTS for name in (spec.name, *spec.aliases)}
)
"""Every element under each of its names."""

VERB_NAMES: Final[tuple[str, ...]] = tuple(name for name, spec in BY_NAME.items() if spec.verb)


def parents_of(name: str) -> tuple[str, ...]:
    """Where the element of the canonical name `name` may stand."""
    above = tuple(spec.name for spec in ELEMENTS if name in spec.child_by_name)
    return ("Response", *above) if BY_NAME[name].verb else above
