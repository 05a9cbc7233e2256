"""Who of a conference speaks, and how loud: looked at ten times a second, only where somebody wants to be told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from media import Room

if TYPE_CHECKING:
    from engine.calls.conference import Member

SpeechEvent = Literal["participant-speech-start", "participant-speech-stop"]

LOOK_SECONDS: Final = 0.1
LOOKS_TO_START: Final = 2
"""So many times in a row somebody must be loud: a click, whose level falls off within 0.1 s, is no speech."""

LOOKS_TO_STOP: Final = 10
"""So many times in a row somebody must be quiet, a second: between words nobody has stopped."""

SPEECH_LEVEL: Final = -40.0
"""In dB of full scale, from here on somebody is loud: above the noise of a line, below a quiet voice."""

FLOOR_LEVEL: Final = -96.0
"""Nothing at all: what lies below the smallest sample of 16 bits."""

_FULL_SCALE: Final = 32768


@dataclass(slots=True)
class _Speech:
    speaking: bool = False
    looks: int = 0
    """How often in a row it was the other way."""
    loudest: float = FLOOR_LEVEL


class Speakers:
    """Who of `members` speaks in a room. `tell` gets each start with its level and each stop with the loudest one
    since, in dB of full scale; the level is `Room.levels`, which follows the voice within 160 ms."""

    def __init__(
        self,
        room: Room,
        members: Sequence[Member],
        tell: Callable[[SpeechEvent, Member, float], None],
    ) -> None:
        self._room = room
        self._members = members
        self._tell = tell
        self._speech: dict[Member, _Speech] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begins to look; does nothing when it has begun."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()

    def left(self, member: Member) -> None:
        """A member has left, and with that has stopped."""
        speech = self._speech.pop(member, None)
        if speech is not None and speech.speaking:
            self._tell("participant-speech-stop", member, speech.loudest)

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        levels = self._room.levels()
        for member in self._members:
            leg = member.call.leg
            self._hear(member, decibels(levels.get(leg.session, 0) if leg.has_audio else 0))

    def _hear(self, member: Member, level: float) -> None:
        speech = self._speech.setdefault(member, _Speech())
        speech.loudest = max(speech.loudest, level)
        if (level >= SPEECH_LEVEL) is speech.speaking:
            speech.looks = 0
            return
        speech.looks += 1
        if speech.looks < (LOOKS_TO_STOP if speech.speaking else LOOKS_TO_START):
            return
        speech.speaking, speech.looks = not speech.speaking, 0
        if speech.speaking:
            speech.loudest = level
            self._tell("participant-speech-start", member, level)
        else:
            self._tell("participant-speech-stop", member, speech.loudest)


def decibels(level: int) -> float:
    """A level of 0 to 32768, in dB of full scale to a tenth."""
    return FLOOR_LEVEL if level <= 0 else max(FLOOR_LEVEL, round(20 * math.log10(level / _FULL_SCALE), 1))
