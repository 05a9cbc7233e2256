"""`Conference`, `Enqueue`, `Leave` and `Record` (contract §10.7, §10.8)."""

from __future__ import annotations

from voyloml.attribute_types import Boolean, Choice, Integer, Keys, Text, Url, Words
from voyloml.declared.common import (
    CALL_SECONDS,
    METHOD,
    NAME_CHARS,
    RECORDING_PARAMETERS,
    action,
    hangup_on_star,
    status_callback,
    time_limit,
)
from voyloml.schema import Attribute, Content, ElementSpec, Parameter

CONFERENCE = ElementSpec(
    "Conference",
    "10.7",
    "Mixes all callers who are in the room of that name.",
    verb=True,
    answers=True,
    step="conference",
    content=Content(Text(NAME_CHARS), "the name of a room"),
    attributes=(
        Attribute("muted", Boolean(), False, "the caller listens only"),
        Attribute(
            "beep",
            Choice(("true", "false", "onEnter", "onExit"), spellings=(("1", "true"), ("0", "false"))),
            "true",
            "when a tone is played",
        ),
        Attribute("startConferenceOnEnter", Boolean(), True, "the conference starts when this caller enters"),
        Attribute("endConferenceOnExit", Boolean(), False, "the conference ends when this caller leaves"),
        Attribute("maxParticipants", Integer(2, 250), 50, "callers in the room at most"),
        Attribute(
            "waitSound", Url(empty=True), "", "audio until the conference starts; empty: silence", aliases=("waitUrl",)
        ),
        Attribute("record", Boolean(("record-from-start",), ("do-not-record",)), False, "records the conference"),
        hangup_on_star("the conference"),
        time_limit("this caller's part"),
        *action(),
        status_callback("URL told what happens in the room"),
        Attribute(
            "statusCallbackEvent",
            Words(("start", "end", "join", "leave", "speaker")),
            ("start", "end", "join", "leave"),
            "what it is told",
        ),
    ),
    parameters=(
        Parameter("ConferenceName", "the room"),
        Parameter("ConferenceSid", "id of the conference"),
        Parameter("ConferenceDuration", "seconds in the room"),
        Parameter("ConferenceEndReason", "left, ended, full or hangup"),
        Parameter("RecordingUrl", "signed URL of the recording"),
    ),
)

RECORD = ElementSpec(
    "Record",
    "10.7",
    "Records the caller.",
    verb=True,
    answers=True,
    step="record",
    attributes=(
        *action(),
        Attribute("maxLength", Integer(1, CALL_SECONDS), 3600, "seconds recorded at most"),
        Attribute("timeout", Integer(0, 600), 5, "seconds of silence that end it; 0: none do"),
        Attribute("finishOnKey", Keys(empty=True), "1234567890*#", "keys that end it"),
        Attribute("playBeep", Boolean(), True, "a tone before recording begins"),
        Attribute(
            "trim", Choice(("trim-silence", "do-not-trim")), "trim-silence", "what happens to silence at the ends"
        ),
        Attribute("recordingStatusCallback", Url(), None, "URL told when the recording can be fetched"),
    ),
    parameters=(
        *RECORDING_PARAMETERS,
        Parameter("RecordingSid", "id of the recording"),
        Parameter("Digits", "the key that ended it, or hangup"),
    ),
)

ENQUEUE = ElementSpec(
    "Enqueue",
    "10.8",
    "Waits in a queue until a Dial takes the caller out of it.",
    verb=True,
    answers=True,
    step="queue",
    content=Content(Text(NAME_CHARS), "the name of a queue"),
    attributes=(
        Attribute("waitSound", Url(empty=True), "", "audio while waiting; empty: silence"),
        Attribute("waitUrl", Url(), None, "URL of a document that runs over and over while waiting"),
        Attribute("waitUrlMethod", METHOD, "POST", "how it is requested"),
        Attribute("maxQueueSize", Integer(1, 1000), 100, "callers in the queue at most"),
        *action(),
    ),
    parameters=(
        Parameter("QueueResult", "bridged, leave, hangup, full or error"),
        Parameter("QueueTime", "seconds waited"),
    ),
    unavailable=(("QueueResult", "error"), ("QueueTime", "0")),
)

LEAVE = ElementSpec(
    "Leave", "10.8", "In the document of waitUrl: takes the waiting caller out of the queue.", verb=True
)
