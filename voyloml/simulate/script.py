"""What a simulated caller does, and who and what is out there for the call to reach.

Everything is data; `voyloml.simulate.phone` and `voyloml.simulate.outside` act it out on the virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

KEY_SECONDS: Final = 0.2
"""From one key to the next where several are pressed at once."""
WORD_SECONDS: Final = 0.4
"""How long a caller takes for a word."""


@dataclass(frozen=True, slots=True)
class WaitForPrompt:
    """Waits until what plays has ended; when nothing plays, until something has played."""


@dataclass(frozen=True, slots=True)
class WaitForVerb:
    """Waits until a verb of this name begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Press:
    """Presses keys, one after the other."""

    keys: str


@dataclass(frozen=True, slots=True)
class Say:
    """Speaks for `seconds` (0: as long as the words take). `confidence` is the recogniser's."""

    text: str
    seconds: float = 0
    confidence: float = 0.9


@dataclass(frozen=True, slots=True)
class Silent:
    """Does nothing for a time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Does nothing until this second of the call."""

    at: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hangs up."""


Act: TypeAlias = WaitForPrompt | WaitForVerb | Press | Say | Silent | Until | HangUp


@dataclass(frozen=True, slots=True)
class Caller:
    """What the caller does, one thing after the other; after the last he stays on the line. Each method adds one.

    >>> Caller().wait_for_prompt().press("2").say("billing").silent(7).hang_up(at=31).acts[1]
    Press(keys='2')
    """

    acts: tuple[Act, ...] = ()

    def _and(self, *acts: Act) -> Caller:
        return replace(self, acts=(*self.acts, *acts))

    def wait_for_prompt(self) -> Caller:
        """Waits until what plays, or plays next, has ended."""
        return self._and(WaitForPrompt())

    def wait_for(self, verb: str) -> Caller:
        """Waits until a verb of this name begins."""
        return self._and(WaitForVerb(verb))

    def press(self, keys: str) -> Caller:
        """Presses keys, 0.2 s apart."""
        return self._and(Press(keys))

    def say(self, text: str, *, seconds: float = 0, confidence: float = 0.9) -> Caller:
        """Speaks; an empty text is speech that nobody understands."""
        return self._and(Say(text, seconds, confidence))

    def silent(self, seconds: float) -> Caller:
        """Does nothing for a time."""
        return self._and(Silent(seconds))

    def at(self, second: float) -> Caller:
        """Does nothing until this second of the call."""
        return self._and(Until(second))

    def hang_up(self, *, at: float | None = None) -> Caller:
        """Hangs up, at once or at this second of the call."""
        return self._and(HangUp()) if at is None else self._and(Until(at), HangUp())


@dataclass(frozen=True, slots=True)
class PartyScript:
    """How someone who is dialled behaves. Times in seconds; those after the answer count from it.

    `answers_after` None: does not answer, and after `fails_after` (None: never) the far side says `code`. `presses`
    are keys at their times. `hangs_up_after` None: stays until the other side hangs up.
    """

    answers_after: float | None = None
    fails_after: float | None = None
    code: int = 487
    rings: bool = True
    presses: tuple[tuple[float, str], ...] = ()
    hangs_up_after: float | None = None
    answered_by: Literal["human", "machine", "unknown"] = "human"
    decides_after: float = 1.5
    message_ends_after: float = 6.0
    login: tuple[str, str] | None = None
    """User name and password that it wants of whoever calls, else 401."""


def answers(
    after: float = 4,
    *,
    hangs_up_after: float | None = None,
    presses: str | tuple[tuple[float, str], ...] = (),
    machine: bool = False,
) -> PartyScript:
    """Someone who answers. Keys given as text are pressed one second after the answer and on."""
    if isinstance(presses, str):
        presses = tuple((1 + index * KEY_SECONDS, key) for index, key in enumerate(presses))
    return PartyScript(
        answers_after=after,
        hangs_up_after=hangs_up_after,
        presses=presses,
        answered_by="machine" if machine else "human",
    )


def busy(after: float = 0.5) -> PartyScript:
    """Someone who is busy: 486."""
    return PartyScript(fails_after=after, code=486, rings=False)


def declines(after: float = 3) -> PartyScript:
    """Someone whose phone rings and who refuses the call: 603."""
    return PartyScript(fails_after=after, code=603)


def never_answers() -> PartyScript:
    """Someone whose phone rings for ever."""
    return PartyScript()


def unreachable(code: int = 404, after: float = 0.5) -> PartyScript:
    """Someone who cannot be reached."""
    return PartyScript(fails_after=after, code=code, rings=False)


@dataclass(frozen=True, slots=True)
class ConferenceScript:
    """A conference room: `full`, or ended for everybody after this many seconds with the caller in it.

    `others` talk in it when the caller comes.
    """

    full: bool = False
    ends_after: float | None = None
    others: int = 0


@dataclass(frozen=True, slots=True)
class QueueScript:
    """A queue: `ahead` callers wait before this one; a Dial takes him after `taken_after` (None: never).

    Their bridge lasts `talk` seconds.
    """

    ahead: int = 0
    taken_after: float | None = None
    talk: float = 20


@dataclass(frozen=True, slots=True)
class StreamScript:
    """The server behind a WebSocket: closes after this many seconds (None: never), or cannot be reached."""

    closes_after: float | None = None
    fails: bool = False


@dataclass(frozen=True, slots=True)
class ReferScript:
    """What becomes of a REFER, told after so many seconds."""

    code: int = 200
    after: float = 1


@dataclass(frozen=True, slots=True)
class World:
    """Whom and what the call can reach: by address, room, queue, URL; `*` stands for all others.

    Parties that are not in it do not exist (404); rooms are empty and never end by themselves; queues are empty and
    nobody takes callers out; sockets stay open; a REFER is accepted. `sounds` are the lengths of audio files in
    seconds.
    """

    parties: Mapping[str, PartyScript] = field(default_factory=dict)
    conferences: Mapping[str, ConferenceScript] = field(default_factory=dict)
    queues: Mapping[str, QueueScript] = field(default_factory=dict)
    streams: Mapping[str, StreamScript] = field(default_factory=dict)
    refers: Mapping[str, ReferScript] = field(default_factory=dict)
    sounds: Mapping[str, float] = field(default_factory=dict)
    caller_ids: frozenset[str] | None = None
    """Numbers that may be shown; None: any."""

    def party(self, address: str) -> PartyScript:
        """Who is at an address."""
        return self.parties.get(address) or self.parties.get("*") or unreachable()


async def after(seconds: float | None) -> None:
    """Waits so many seconds of a script, for ever with None."""
    if seconds is None:
        await asyncio.get_running_loop().create_future()
    else:
        await asyncio.sleep(seconds)
