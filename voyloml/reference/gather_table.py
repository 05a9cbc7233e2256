"""The truth table of `Gather`: what happens while a prompt plays or after it, and what is the input then.

In each row the prompt lasts 4 seconds and begins with the call. The page `docs/voyloml/gather.md` shows the rows; the
tests simulate each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voyloml.simulate import Caller, Simulated, simulate

PROMPT = "<Say>one two three four five six seven eight nine ten</Say>"
NO_INPUT: Final = "no input"


@dataclass(frozen=True, slots=True)
class GatherRow:
    """One row. `at` is when the Gather ends, `prompt_until` how long the prompt is heard; None: not at all."""

    group: str
    attributes: str
    does: str
    caller: Caller
    result: str
    at: float
    prompt_until: float | None = 4.0
    before: str = ""

    def simulated(self) -> Simulated:
        """The call of this row."""
        document = (
            f"<Response>{self.before}<Gather {self.attributes} action='/got'>{PROMPT}</Gather>"
            "<Redirect>/no-input</Redirect></Response>"
        )
        pages = {"/got": "<Response><Hangup/></Response>", "/no-input": "<Response><Hangup/></Response>"}
        return simulate(document, app=pages, caller=self.caller)

    def outcome(self) -> tuple[str, float, float | None]:
        """What the simulator makes of it: result, when, how long the prompt was heard."""
        ran = self.simulated()
        asked = ran.asked[1]
        result = NO_INPUT
        if asked.path == "/got":
            names = ("Digits", "SpeechResult")
            result = " ".join(f"{name}={asked.parameters[name]}" for name in names if name in asked.parameters)
        heard = [moment for moment in ran.timeline if "one two three" in moment.text]
        if not heard:
            return result, round(asked.at, 3), None
        stopped = [moment.at for moment in ran.timeline.of("stops") if moment.at >= heard[0].at]
        return result, round(asked.at, 3), round(stopped[0] if stopped else heard[0].at + 4.0, 3)


def _row(
    group: str,
    attributes: str,
    does: str,
    caller: Caller,
    result: str,
    at: float,
    prompt_until: float | None = 4.0,
    before: str = "",
) -> GatherRow:
    return GatherRow(group, attributes, does, caller, result, at, prompt_until, before)


_C = Caller()
_BEFORE = '<Pause length="2"/>'
_BOTH = 'input="dtmf speech"'

GATHER_ROWS: Final = (
    _row("Silence", "", "nothing", _C, NO_INPUT, 9),
    _row("Silence", 'timeout="2"', "nothing", _C, NO_INPUT, 6),
    _row("Silence", 'actionOnEmptyResult="true"', "nothing", _C, "Digits=", 9),
    _row("A key while the prompt plays", "", "5 at 1 s", _C.at(1).press("5"), "Digits=5", 6, 1),
    _row("A key while the prompt plays", 'numDigits="1"', "5 at 1 s", _C.at(1).press("5"), "Digits=5", 1, 1),
    _row("A key while the prompt plays", 'numDigits="2"', "5 at 1 s, 6 at 3 s",
         _C.at(1).press("5").at(3).press("6"), "Digits=56", 3, 1),
    _row("A key while the prompt plays", "", "# at 1 s", _C.at(1).press("#"), NO_INPUT, 1, 1),
    _row("A key while the prompt plays", "", "5 at 1 s, # at 2 s",
         _C.at(1).press("5").at(2).press("#"), "Digits=5", 2, 1),
    _row("A key while the prompt plays", 'validDigits="12"', "3 at 1 s", _C.at(1).press("3"), NO_INPUT, 9),
    _row("A key while the prompt plays", 'finishOnKey="" numDigits="1"', "# at 1 s",
         _C.at(1).press("#"), "Digits=#", 1, 1),
    _row("A key after the prompt", "", "5 at 6 s", _C.at(6).press("5"), "Digits=5", 11),
    _row("A key after the prompt", 'numDigits="1"', "5 at 6 s", _C.at(6).press("5"), "Digits=5", 6),
    _row("A key after the prompt", 'numDigits="3"', "5 at 6 s, 6 at 8 s",
         _C.at(6).press("5").at(8).press("6"), "Digits=56", 13),
    _row("A key after the prompt", "", "# at 6 s", _C.at(6).press("#"), NO_INPUT, 6),
    _row("A key after the prompt", 'actionOnEmptyResult="true"', "# at 6 s", _C.at(6).press("#"), "Digits=", 6),
    _row("A key after the prompt", "", "5 at 6 s, # at 7 s", _C.at(6).press("5").at(7).press("#"), "Digits=5", 7),
    _row("A key after the prompt", 'finishOnKey="*"', "5 at 6 s, # at 7 s, * at 8 s",
         _C.at(6).press("5").at(7).press("#").at(8).press("*"), "Digits=5#", 8),
    _row("A key after the prompt", 'validDigits="12"', "3 at 6 s", _C.at(6).press("3"), NO_INPUT, 9),
    _row("Without barge-in", 'bargeIn="false"', "5 at 1 s", _C.at(1).press("5"), "Digits=5", 9),
    _row("Without barge-in", 'bargeIn="false" numDigits="1"', "5 at 1 s", _C.at(1).press("5"), "Digits=5", 4),
    _row("Without barge-in", 'bargeIn="false" numDigits="2"', "567 from 1 s",
         _C.at(1).press("567"), "Digits=56", 4),
    _row("Without barge-in", 'bargeIn="false"', "5 at 1 s, # at 2 s",
         _C.at(1).press("5").at(2).press("#"), "Digits=5", 4),
    _row("Without barge-in", 'bargeIn="false"', "# at 1 s", _C.at(1).press("#"), NO_INPUT, 4),
    _row("Type-ahead: a key before the Gather", "", "5 at 1 s", _C.at(1).press("5"), "Digits=5", 7, None, _BEFORE),
    _row("Type-ahead: a key before the Gather", 'numDigits="1"', "5 at 1 s",
         _C.at(1).press("5"), "Digits=5", 2, None, _BEFORE),
    _row("Type-ahead: a key before the Gather", 'numDigits="2"', "5 at 1 s, 6 at 4 s",
         _C.at(1).press("5").at(4).press("6"), "Digits=56", 4, None, _BEFORE),
    _row("Type-ahead: a key before the Gather", "", "# at 1 s", _C.at(1).press("#"), NO_INPUT, 2, None, _BEFORE),
    _row("Type-ahead: a key before the Gather", 'validDigits="12"', "3 at 1 s",
         _C.at(1).press("3"), NO_INPUT, 11, 6, _BEFORE),
    _row("Type-ahead: a key before the Gather", 'bargeIn="false" numDigits="1"', "5 at 1 s",
         _C.at(1).press("5"), "Digits=5", 6, 6, _BEFORE),
    _row("Speech", 'input="speech"', "nothing", _C, NO_INPUT, 9),
    _row("Speech", 'input="speech"', "says “billing” from 1 to 2 s",
         _C.at(1).say("billing", seconds=1), "SpeechResult=billing", 3.5, 1),
    _row("Speech", 'input="speech"', "says “billing” from 6 to 7 s",
         _C.at(6).say("billing", seconds=1), "SpeechResult=billing", 8.5),
    _row("Speech", 'input="speech" speechTimeout="3"', "says “billing” from 6 to 7 s",
         _C.at(6).say("billing", seconds=1), "SpeechResult=billing", 10),
    _row("Speech", 'input="speech"', "says “my” from 6 to 7 s, “bill” from 8 to 9 s",
         _C.at(6).say("my", seconds=1).at(8).say("bill", seconds=1), "SpeechResult=my bill", 10.5),
    _row("Speech", 'input="speech" timeout="3"', "speaks from 6 s for longer than the timeout",
         _C.at(6).say("a long story", seconds=9), "SpeechResult=a long story", 16.5),
    _row("Speech", 'input="speech"', "mumbles from 6 to 7 s",
         _C.at(6).say("", seconds=1), NO_INPUT, 13.5),
    _row("Speech", 'input="speech" bargeIn="false"', "says “billing” from 1 to 2 s",
         _C.at(1).say("billing", seconds=1), NO_INPUT, 9),
    _row("Speech", 'input="speech"', "5 at 6 s", _C.at(6).press("5"), NO_INPUT, 9),
    _row("Keys and speech", f'{_BOTH} numDigits="1"', "5 at 1 s", _C.at(1).press("5"), "Digits=5", 1, 1),
    _row("Keys and speech", _BOTH, "says “billing” from 1 to 2 s",
         _C.at(1).say("billing", seconds=1), "SpeechResult=billing", 3.5, 1),
    _row("Keys and speech", _BOTH, "says “er” from 6 to 7 s, 5 at 7.5 s",
         _C.at(6).say("er", seconds=1).at(7.5).press("5"), "Digits=5", 12.5),
    _row("Keys and speech", _BOTH, "5 at 6 s, says “billing” from 7 to 8 s",
         _C.at(6).press("5").at(7).say("billing", seconds=1), "Digits=5", 11),
    _row("Keys and speech", _BOTH, "says “er” from 6 to 7 s, # at 7.5 s",
         _C.at(6).say("er", seconds=1).at(7.5).press("#"), NO_INPUT, 7.5),
    _row("Keys and speech", _BOTH, "nothing", _C, NO_INPUT, 9),
)  # fmt: skip
