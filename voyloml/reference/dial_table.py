"""The truth table of `Dial`: what the parties and the caller do, and what the action is told.

The page `docs/voyloml/dial.md` shows the rows; the tests simulate each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from voyloml.simulate import (
    Caller,
    PartyScript,
    Simulated,
    World,
    answers,
    busy,
    declines,
    never_answers,
    simulate,
    unreachable,
)

A: Final = "+20223456789"
B: Final = "+20223456780"


@dataclass(frozen=True, slots=True)
class DialRow:
    """One row: the action's `DialStatus`, `DialHangupCause`, `DialDuration`, and other parameters worth showing."""

    group: str
    attributes: str
    does: str
    parties: Mapping[str, PartyScript]
    status: str
    cause: str
    seconds: int
    at: float
    caller: Caller = field(default_factory=Caller)
    others: Mapping[str, str] = field(default_factory=dict)
    world: World = field(default_factory=World)

    def simulated(self) -> Simulated:
        """The call of this row."""
        nouns = "".join(f"<Number>{address}</Number>" for address in self.parties)
        document = f"<Response><Dial {self.attributes} action='/done'>{nouns}</Dial></Response>"
        world = World(parties=self.parties, caller_ids=self.world.caller_ids)
        return simulate(document, app={"/done": "<Response><Hangup/></Response>"}, caller=self.caller, world=world)

    def outcome(self) -> tuple[str, str, int, float, dict[str, str]]:
        """What the simulator makes of it, in the order of the row's fields."""
        ran = self.simulated()
        (asked,) = [one for one in ran.asked if one.path == "/done"]
        told = asked.parameters
        others = {name: told.get(name, "") for name in self.others}
        return told["DialStatus"], told["DialHangupCause"], int(told["DialDuration"]), round(asked.at, 3), others


_ONE = "One party"
_SCREEN = "One party, with confirmKey 1 (confirmSound of 2 seconds)"
_SCREENED = "confirmSound='/c.wav' confirmKey='1'"
_ALL = "Two parties at the same time"
_TURNS = "Two parties in turn, strategy sequential"
_MACHINE = "Machine detection"
_CALLER = "The caller"
_C = Caller()


def _row(
    group: str, attributes: str, does: str, parties: Mapping[str, PartyScript], told: str, at: float, **rest: object
) -> DialRow:
    """`told` is `status cause seconds`."""
    status, cause, seconds = told.split()
    return DialRow(group, attributes, does, parties, status, cause, int(seconds), at, **rest)  # type: ignore[arg-type]


DIAL_ROWS: Final = (
    _row(_ONE, "", "answers at 4 s, hangs up after 10 s", {A: answers(4, hangs_up_after=10)},
         "completed normal 10", 14, others={"DialTo": A, "DialCallSid": "cl_leg1", "DialSipCode": "200"}),
    _row(_ONE, "", "is busy", {A: busy()}, "busy busy 0", 0.5, others={"DialTo": A, "DialSipCode": "486"}),
    _row(_ONE, "", "declines after 3 s", {A: declines()}, "failed rejected 0", 3, others={"DialSipCode": "603"}),
    _row(_ONE, 'timeout="20"', "never answers", {A: never_answers()}, "no-answer no_answer 0", 20,
         others={"DialSipCode": "487"}),
    _row(_ONE, "", "does not exist", {A: unreachable()}, "failed unallocated_number 0", 0.5),
    _row(_ONE, "", "cannot be reached (503)", {A: unreachable(503)}, "failed network_error 0", 0.5),
    _row(_ONE, 'callerId="+15550100"', "callerId is none of the workspace's numbers", {A: answers(4)},
         "failed caller_id_not_allowed 0", 0, world=World(caller_ids=frozenset({A}))),
    _row(_ONE, 'timeLimit="60"', "answers at 4 s and stays: the time limit", {A: answers(4)},
         "completed time_limit 60", 64),
    _row(_ONE, 'record="true"', "answers at 4 s, hangs up after 10 s; recorded", {A: answers(4, hangs_up_after=10)},
         "completed normal 10", 14, others={"RecordingDuration": "10"}),
    _row(_CALLER, "", "hangs up at 2 s while it rings", {A: answers(4)}, "canceled canceled 0", 2,
         caller=_C.hang_up(at=2)),
    _row(_CALLER, "", "hangs up at 10 s, bridged since 4 s", {A: answers(4)}, "completed normal 6", 10,
         caller=_C.hang_up(at=10)),
    _row(_CALLER, 'hangupOnStar="true"', "presses * at 10 s, bridged since 4 s", {A: answers(4)},
         "completed normal 6", 10, caller=_C.at(10).press("*")),
    _row(_CALLER, 'hangupOnStar="true"', "presses 1 at 10 s; the party hangs up at 14 s",
         {A: answers(4, hangs_up_after=10)}, "completed normal 10", 14, caller=_C.at(10).press("1")),
    _row(_CALLER, "", "presses * without hangupOnStar; the party hangs up at 14 s",
         {A: answers(4, hangs_up_after=10)}, "completed normal 10", 14, caller=_C.at(10).press("*")),
    _row(_SCREEN, _SCREENED, "accepts with 1 one second after the answer, hangs up at 14 s",
         {A: answers(4, presses="1", hangs_up_after=10)}, "completed normal 9", 14),
    _row(_SCREEN, _SCREENED, "presses nothing: 10 seconds after the sound it is dropped", {A: answers(4)},
         "no-answer confirmation_refused 0", 16),
    _row(_SCREEN, _SCREENED + " confirmTimeout='3'", "presses 2 only", {A: answers(4, presses="2")},
         "no-answer confirmation_refused 0", 9),
    _row(_SCREEN, _SCREENED, "hangs up during the sound", {A: answers(4, hangs_up_after=1)},
         "no-answer confirmation_refused 0", 5),
    _row(_SCREEN, "confirmSound='/c.wav'", "no confirmKey: bridged after the sound, hangs up at 14 s",
         {A: answers(4, hangs_up_after=10)}, "completed normal 8", 14),
    _row(_SCREEN, "confirmKey='1'", "no confirmSound: accepts after one second, hangs up at 14 s",
         {A: answers(4, presses="1", hangs_up_after=10)}, "completed normal 9", 14),
    _row(_SCREEN, _SCREENED, "the caller hangs up during the sound", {A: answers(4)},
         "canceled canceled 0", 5, caller=_C.hang_up(at=5)),
    _row(_ALL, "", "the second answers first", {A: answers(8), B: answers(4, hangs_up_after=10)},
         "completed normal 10", 14, others={"DialTo": B}),
    _row(_ALL, "", "one busy, the other answers", {A: busy(), B: answers(4, hangs_up_after=10)},
         "completed normal 10", 14, others={"DialTo": B}),
    _row(_ALL, "", "both busy", {A: busy(), B: busy(1)}, "busy busy 0", 1),
    _row(_ALL, "", "one busy, one declines", {A: busy(), B: declines()}, "no-answer rejected 0", 3),
    _row(_ALL, 'timeout="20"', "one busy, one never answers", {A: busy(), B: never_answers()},
         "no-answer no_answer 0", 20),
    _row(_ALL, "", "one busy, one does not exist", {A: busy(), B: unreachable()}, "failed unallocated_number 0", 0.5),
    _row(_ALL, "", "neither exists", {A: unreachable(), B: unreachable()}, "failed unallocated_number 0", 0.5),
    _row(_ALL, _SCREENED, "the first answers and does not accept, the second accepts meanwhile",
         {A: answers(2), B: answers(6, presses="1", hangs_up_after=10)}, "completed normal 9", 16,
         others={"DialTo": B}),
    _row(_ALL, _SCREENED, "neither accepts", {A: answers(2), B: answers(6)}, "no-answer confirmation_refused 0", 18),
    _row(_ALL, _SCREENED, "one does not accept, one is busy", {A: answers(2), B: busy()},
         "no-answer confirmation_refused 0", 14),
    _row(_TURNS, 'strategy="sequential" timeout="20"', "the first never answers, the second does after 4 s",
         {A: never_answers(), B: answers(4, hangs_up_after=10)}, "completed normal 10", 34, others={"DialTo": B}),
    _row(_TURNS, 'strategy="sequential"', "the first is busy, the second answers",
         {A: busy(), B: answers(4, hangs_up_after=10)}, "completed normal 10", 14.5, others={"DialTo": B}),
    _row(_TURNS, 'strategy="sequential"', "the first answers: the second is not rung",
         {A: answers(4, hangs_up_after=10), B: answers(1)}, "completed normal 10", 14, others={"DialTo": A}),
    _row(_TURNS, 'strategy="sequential"', "both busy", {A: busy(), B: busy()}, "busy busy 0", 1),
    _row(_TURNS, f'strategy="sequential" {_SCREENED}', "the first does not accept, the second does",
         {A: answers(2), B: answers(6, presses="1", hangs_up_after=10)}, "completed normal 9", 30,
         others={"DialTo": B}),
    _row(_MACHINE, 'machineDetection="enable"', "a human; bridged 1.5 s after the answer",
         {A: answers(4, hangs_up_after=10)}, "completed normal 8", 14, others={"AnsweredBy": "human"}),
    _row(_MACHINE, 'machineDetection="enable"', "a machine; bridged as soon as that is known",
         {A: answers(4, hangs_up_after=10, machine=True)}, "completed normal 8", 14, others={"AnsweredBy": "machine"}),
    _row(_MACHINE, 'machineDetection="detectMessageEnd"', "a machine; bridged when its message is over",
         {A: answers(4, hangs_up_after=10, machine=True)}, "completed normal 4", 14, others={"AnsweredBy": "machine"}),
    _row(_MACHINE, 'machineDetection="enable" machineDetectionTimeout="3"', "not decided in time",
         {A: PartyScript(answers_after=4, hangs_up_after=10, answered_by="unknown")},
         "completed normal 7", 14, others={"AnsweredBy": "unknown"}),
    _row(_MACHINE, 'machineDetection="enable"', "is busy: nothing is known of it", {A: busy()}, "busy busy 0", 0.5,
         others={"AnsweredBy": ""}),
    _row(_MACHINE, 'machineDetection="enable"', "hangs up while it is being found out",
         {A: answers(4, hangs_up_after=1)}, "no-answer normal 0", 5, others={"AnsweredBy": ""}),
)  # fmt: skip
