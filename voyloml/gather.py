"""The decisions of `Gather` (contract §10.5) as a state machine: no clock, no call, only what happens and what follows.

Whoever drives it feeds keys while it is `listening`, says when the prompts are over and when the timer has run out, and
does what each step returns. The four states and what is heard in them:

    PROMPTING    prompts play; keys and speech are heard only with barge-in, other keys wait in the call's buffer
    COLLECTING   silence; a timer of `timeout` seconds runs, anew after each key that counts
    SPEAKING     the caller speaks; no timer runs, the recogniser says when it is over; a key that counts takes over
    DONE         `digits` or `speech` is the input; without either there was none

The first key that counts decides for keys: speech is heard no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Final

from voyloml.binding import Bound
from voyloml.capabilities import Utterance

DIGITS: Final = 256
"""Digits collected at most where the document sets no number; the last of them finishes."""
AUTO_END_SILENCE: Final = 1.5
"""`speechTimeout="auto"` in seconds."""


class Phase(Enum):
    """Where a Gather is."""

    PROMPTING = auto()
    COLLECTING = auto()
    SPEAKING = auto()
    DONE = auto()


class Step(Flag):
    """What the driver has to do next. Nothing also means that the timer, if it runs, runs on."""

    NOTHING = 0
    STOP_PROMPTS = auto()
    START_TIMER = auto()
    """From the beginning, whether it runs or not."""
    STOP_TIMER = auto()


@dataclass(frozen=True, slots=True)
class GatherRules:
    """The attributes that decide. `takes_keys` is false for speech alone: then keys are left for a later verb.

    `end_silence` is the seconds of silence that end speech.
    """

    timeout: float = 5
    num_digits: int | None = None
    finish_keys: str = "#"
    valid_keys: str = "0123456789*#"
    barge_in: bool = True
    takes_keys: bool = True
    takes_speech: bool = False
    end_silence: float = AUTO_END_SILENCE

    @classmethod
    def of(cls, gather: Bound) -> GatherRules:
        """The rules of a `<Gather>`."""
        end_silence = gather.values["speechTimeout"]
        return cls(
            timeout=gather.integer("timeout"),
            num_digits=None if gather.values["numDigits"] is None else gather.integer("numDigits"),
            finish_keys=gather.text("finishOnKey") or "",
            valid_keys=gather.text("validDigits") or "",
            barge_in=gather.flag("bargeIn"),
            takes_keys="dtmf" in gather.words("input"),
            takes_speech="speech" in gather.words("input"),
            end_silence=end_silence if isinstance(end_silence, int) else AUTO_END_SILENCE,
        )

    @property
    def interrupt_keys(self) -> str:
        """Keys that stop the prompts: those that mean something, when there is barge-in."""
        return "".join(dict.fromkeys(self.valid_keys + self.finish_keys)) if self.barge_in and self.takes_keys else ""


class GatherMachine:
    """One run of a `<Gather>`. A finish key counts as such also where it is a valid digit."""

    __slots__ = ("_rules", "digits", "phase", "speech")

    def __init__(self, rules: GatherRules, *, prompts: bool) -> None:
        self._rules = rules
        self.phase = Phase.PROMPTING if prompts else Phase.COLLECTING
        self.digits = ""
        self.speech: Utterance | None = None

    @property
    def listening(self) -> bool:
        """True when a key may be fed; otherwise it must be left where it is."""
        if not self._rules.takes_keys or self.phase is Phase.DONE:
            return False
        return self.phase is not Phase.PROMPTING or self._rules.barge_in

    @property
    def hearing(self) -> bool:
        """True when speech counts: somebody must be told to recognise it."""
        if not self._rules.takes_speech or self.phase is Phase.DONE or self.digits:
            return False
        return self.phase is not Phase.PROMPTING or self._rules.barge_in

    def key(self, key: str) -> Step:
        """A key was pressed. Only while `listening`."""
        assert self.listening
        rules = self._rules
        stop = Step.STOP_PROMPTS if self.phase is Phase.PROMPTING else Step.NOTHING
        if key in rules.finish_keys:
            self.phase = Phase.DONE
            return stop
        if key not in rules.valid_keys:
            return Step.NOTHING
        self.digits += key
        if len(self.digits) >= (rules.num_digits or DIGITS):
            self.phase = Phase.DONE
            return stop
        self.phase = Phase.COLLECTING
        return stop | Step.START_TIMER

    def speech_began(self) -> Step:
        """The caller has begun to speak. Only while `hearing`."""
        assert self.hearing
        stop = Step.STOP_PROMPTS if self.phase is Phase.PROMPTING else Step.NOTHING
        self.phase = Phase.SPEAKING
        return stop | Step.STOP_TIMER

    def speech_over(self, speech: Utterance | None) -> Step:
        """What was said; None where nothing was understood, and the silence begins anew. Only while `hearing`."""
        assert self.hearing
        if speech is not None:
            self.speech = speech
            self.phase = Phase.DONE
            return Step.NOTHING
        self.phase = Phase.COLLECTING
        return Step.START_TIMER

    def prompts_over(self) -> Step:
        """The prompts have been played out, or something else has stopped them."""
        if self.phase is not Phase.PROMPTING:
            return Step.NOTHING
        self.phase = Phase.COLLECTING
        return Step.START_TIMER

    def timer_over(self) -> Step:
        """`timeout` seconds have passed since the timer was last started."""
        assert self.phase is Phase.COLLECTING
        self.phase = Phase.DONE
        return Step.NOTHING
