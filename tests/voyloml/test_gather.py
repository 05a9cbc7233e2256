"""The truth table of `Gather` (contract §10.5), row by row, on the machine alone."""

from __future__ import annotations

import pytest

from voyloml.binding import Binder
from voyloml.gather import DIGITS, GatherMachine, GatherRules, Phase, Step
from voyloml.parser import parse_document

PROMPTING, COLLECTING, DONE = Phase.PROMPTING, Phase.COLLECTING, Phase.DONE
NOTHING, STOP, TIMER = Step.NOTHING, Step.STOP_PROMPTS, Step.START_TIMER


def machine(phase: Phase, digits: str = "", **rules: object) -> GatherMachine:
    gather = GatherMachine(GatherRules(**rules), prompts=phase is PROMPTING)  # type: ignore[arg-type]
    gather.digits = digits
    assert gather.phase is phase
    return gather


class TestKeys:
    """phase, digits so far, rules, key → phase, digits, what follows."""

    @pytest.mark.parametrize(
        ("phase", "before", "rules", "key", "then", "digits", "step"),
        [
            # A digit that is not the last one.
            (PROMPTING, "", {}, "1", COLLECTING, "1", STOP | TIMER),
            (COLLECTING, "", {}, "1", COLLECTING, "1", TIMER),
            (COLLECTING, "12", {"num_digits": 4}, "*", COLLECTING, "12*", TIMER),
            # The last one of a set number.
            (PROMPTING, "", {"num_digits": 1}, "1", DONE, "1", STOP),
            (COLLECTING, "", {"num_digits": 1}, "1", DONE, "1", NOTHING),
            (COLLECTING, "123", {"num_digits": 4}, "4", DONE, "1234", NOTHING),
            # The finish key.
            (PROMPTING, "", {}, "#", DONE, "", STOP),
            (COLLECTING, "", {}, "#", DONE, "", NOTHING),
            (COLLECTING, "12", {}, "#", DONE, "12", NOTHING),
            (COLLECTING, "12", {"finish_keys": "0*"}, "*", DONE, "12", NOTHING),
            (COLLECTING, "12", {"finish_keys": "0*"}, "0", DONE, "12", NOTHING),
            (COLLECTING, "12", {"finish_keys": "0*"}, "#", COLLECTING, "12#", TIMER),
            (COLLECTING, "12", {"finish_keys": ""}, "#", COLLECTING, "12#", TIMER),
            (COLLECTING, "1", {"finish_keys": "5", "valid_keys": "12345"}, "5", DONE, "1", NOTHING),
            (COLLECTING, "1", {"valid_keys": "12"}, "#", DONE, "1", NOTHING),
            # A key that means nothing changes nothing, and the timer runs on.
            (PROMPTING, "", {"valid_keys": "12"}, "3", PROMPTING, "", NOTHING),
            (COLLECTING, "", {"valid_keys": "12"}, "3", COLLECTING, "", NOTHING),
            (COLLECTING, "1", {"valid_keys": "12", "num_digits": 2}, "3", COLLECTING, "1", NOTHING),
            (COLLECTING, "1", {}, "A", COLLECTING, "1", NOTHING),
            # Without barge-in keys are heard after the prompts as ever.
            (COLLECTING, "", {"barge_in": False}, "1", COLLECTING, "1", TIMER),
            (COLLECTING, "", {"barge_in": False, "num_digits": 1}, "1", DONE, "1", NOTHING),
            (COLLECTING, "", {"barge_in": False}, "#", DONE, "", NOTHING),
        ],
    )
    def test_row(
        self, phase: Phase, before: str, rules: dict[str, object], key: str, then: Phase, digits: str, step: Step
    ) -> None:
        gather = machine(phase, before, **rules)
        assert gather.listening
        assert gather.key(key) == step
        assert (gather.phase, gather.digits) == (then, digits)

    @pytest.mark.parametrize(
        ("phase", "rules", "listening"),
        [
            (PROMPTING, {}, True),
            (PROMPTING, {"barge_in": False}, False),
            (PROMPTING, {"takes_keys": False}, False),
            (COLLECTING, {}, True),
            (COLLECTING, {"barge_in": False}, True),
            (COLLECTING, {"takes_keys": False}, False),
        ],
    )
    def test_are_heard_or_left_in_the_buffer(self, phase: Phase, rules: dict[str, object], listening: bool) -> None:
        assert machine(phase, **rules).listening is listening

    def test_are_not_heard_when_it_is_over(self) -> None:
        gather = machine(COLLECTING)
        gather.key("#")
        assert not gather.listening

    def test_without_a_number_have_a_bound(self) -> None:
        gather = machine(COLLECTING, "1" * (DIGITS - 1))
        assert gather.key("2") == NOTHING
        assert (gather.phase, len(gather.digits)) == (DONE, DIGITS)


class TestPromptsAndTimer:
    @pytest.mark.parametrize("rules", [{}, {"barge_in": False}, {"takes_keys": False}])
    def test_the_timer_starts_with_the_end_of_the_prompts(self, rules: dict[str, object]) -> None:
        gather = machine(PROMPTING, **rules)
        assert gather.prompts_over() == TIMER
        assert (gather.phase, gather.digits) == (COLLECTING, "")

    def test_the_end_of_prompts_that_a_key_has_stopped_changes_nothing(self) -> None:
        gather = machine(PROMPTING)
        gather.key("1")
        assert gather.prompts_over() == NOTHING
        assert (gather.phase, gather.digits) == (COLLECTING, "1")

    @pytest.mark.parametrize("digits", ["", "12"])
    def test_silence_ends_it_with_the_digits_so_far(self, digits: str) -> None:
        gather = machine(COLLECTING, digits)
        assert gather.timer_over() == NOTHING
        assert (gather.phase, gather.digits) == (DONE, digits)


class TestRules:
    def rules(self, attributes: str) -> GatherRules:
        verb = Binder().verb(parse_document(f"<Response><Gather {attributes}/></Response>").verbs[0])
        assert verb is not None
        return GatherRules.of(verb)

    def test_by_default(self) -> None:
        assert self.rules("") == GatherRules(5, None, "#", "0123456789*#", barge_in=True, takes_keys=True)

    def test_from_attributes(self) -> None:
        given = 'timeout="9" numDigits="4" finishOnKey="*" validDigits="12" bargeIn="false" input="speech"'
        assert self.rules(given) == GatherRules(9, 4, "*", "12", barge_in=False, takes_keys=False, takes_speech=True)
        assert self.rules('input="dtmf speech"').takes_keys

    @pytest.mark.parametrize(
        ("rules", "keys"),
        [
            (GatherRules(), "0123456789*#"),
            (GatherRules(finish_keys="*", valid_keys="12"), "12*"),
            (GatherRules(finish_keys="", valid_keys="12"), "12"),
            (GatherRules(barge_in=False), ""),
            (GatherRules(takes_keys=False), ""),
        ],
    )
    def test_keys_that_stop_the_prompts(self, rules: GatherRules, keys: str) -> None:
        assert rules.interrupt_keys == keys
