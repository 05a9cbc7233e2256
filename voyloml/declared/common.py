"""What several verbs share: names, limits, and attributes that mean the same everywhere."""

from __future__ import annotations

from typing import Final

from voyloml.attribute_types import Boolean, Choice, Integer, Url
from voyloml.schema import Attribute, Child, Parameter

CALL_SECONDS: Final = 14_400
NAME_CHARS: Final = 128
SAY_CHARS: Final = 4000

METHOD = Choice(("POST", "GET"), spellings=(("post", "POST"), ("get", "GET")))
PROMPTS = (Child("Play"), Child("Say"), Child("Pause"))
RECORDING_PARAMETERS = (
    Parameter("RecordingUrl", "signed URL of the recording"),
    Parameter("RecordingDuration", "its length in seconds"),
)


def action(meaning: str = "URL asked for the next document when the verb ends") -> tuple[Attribute, Attribute]:
    """`action` and `method`."""
    return (
        Attribute("action", Url(), None, meaning),
        Attribute("method", METHOD, "POST", "how the action is requested; with GET the parameters are in the query"),
    )


def time_limit(what: str) -> Attribute:
    """`timeLimit` of `what`."""
    return Attribute("timeLimit", Integer(1, CALL_SECONDS), CALL_SECONDS, f"seconds after which {what} ends")


def hangup_on_star(what: str) -> Attribute:
    """`hangupOnStar`, which ends `what`."""
    return Attribute("hangupOnStar", Boolean(), False, f"the caller's * ends {what}, not the call")


def status_callback(meaning: str) -> Attribute:
    """`statusCallback`."""
    return Attribute("statusCallback", Url(), None, meaning)


def refusal(meaning: str) -> Attribute:
    """`reason` of a refusal."""
    return Attribute("reason", Choice(("rejected", "busy")), "rejected", meaning)


LOOP = Attribute("loop", Integer(0, 1000), 1, "how many times; 0 repeats until hang-up")
