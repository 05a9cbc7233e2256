"""The language: every verb and noun of contract §10.3–10.8, declared once.

Parser checks, linter, interpreter and generated documents read this table and nothing else. Ranges that the contract
leaves open are set here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from voyloml.attribute_types import (
    Boolean,
    Choice,
    Integer,
    IntegerOr,
    Keys,
    Language,
    PhoneNumber,
    SipHeaders,
    SipUri,
    Text,
    Token,
    Tones,
    Url,
    Words,
)
from voyloml.schema import Attribute, Child, Content, ElementSpec, Parameter

CALL_SECONDS: Final = 14_400
NAME_CHARS: Final = 128
SAY_CHARS: Final = 4000

_METHOD = Choice(("POST", "GET"), spellings=(("post", "POST"), ("get", "GET")))
_PROMPTS = (Child("Play"), Child("Say"), Child("Pause"))
_RECORDING_PARAMETERS = (
    Parameter("RecordingUrl", "signed URL of the recording"),
    Parameter("RecordingDuration", "its length in seconds"),
)


def _action(meaning: str = "URL asked for the next document when the verb ends") -> tuple[Attribute, Attribute]:
    return (
        Attribute("action", Url(), None, meaning),
        Attribute("method", _METHOD, "POST", "how the action is requested; with GET the parameters are in the query"),
    )


def _time_limit(what: str) -> Attribute:
    return Attribute("timeLimit", Integer(1, CALL_SECONDS), CALL_SECONDS, f"seconds after which {what} ends")


def _hangup_on_star(what: str) -> Attribute:
    return Attribute("hangupOnStar", Boolean(), False, f"the caller's * ends {what}, not the call")


def _status_callback(meaning: str) -> Attribute:
    return Attribute("statusCallback", Url(), None, meaning)


def _refusal(meaning: str) -> Attribute:
    return Attribute("reason", Choice(("rejected", "busy")), "rejected", meaning)


_LOOP = Attribute("loop", Integer(0, 1000), 1, "how many times; 0 repeats until hang-up")

PLAY = ElementSpec(
    "Play",
    "10.4",
    "Plays an audio file, or DTMF.",
    verb=True,
    answers=True,
    runs=True,
    content=Content(Url(), "the URL of a WAV or MP3 file", unless="digits"),
    attributes=(
        _LOOP,
        Attribute("digits", Tones(), None, "DTMF played instead of a file; w is half a second"),
    ),
)

SAY = ElementSpec(
    "Say",
    "10.4",
    "Speaks a text.",
    verb=True,
    answers=True,
    runs=True,
    content=Content(Text(SAY_CHARS), "the text to speak", cut=True),
    attributes=(
        Attribute("voice", Text(128), None, "voice, as the speech engine names it"),
        Attribute("language", Language(), "en-US", "language of the text"),
        _LOOP,
    ),
)

PAUSE = ElementSpec(
    "Pause",
    "10.8",
    "Waits in silence.",
    aliases=("Wait",),
    verb=True,
    runs=True,
    attributes=(Attribute("length", Integer(1, 3600), 1, "seconds"),),
)

GATHER = ElementSpec(
    "Gather",
    "10.5",
    "Collects keys or speech while prompts play.",
    verb=True,
    answers=True,
    runs=True,
    step="gather",
    children=_PROMPTS,
    attributes=(
        *_action("URL that gets the input; without it the URL of the current document"),
        Attribute("input", Words(("dtmf", "speech")), ("dtmf",), "what is listened to"),
        Attribute("numDigits", Integer(1, 64), None, "number of keys that finishes at once"),
        Attribute("timeout", Integer(1, 600), 5, "seconds of silence after the prompts, and between keys"),
        Attribute("finishOnKey", Keys(empty=True), "#", "keys that finish and are not part of the digits; empty: none"),
        Attribute("validDigits", Keys(), "0123456789*#", "keys that count; others are ignored"),
        Attribute("bargeIn", Boolean(), True, "the first key or speech stops the prompts"),
        Attribute("speechTimeout", IntegerOr(1, 600, ("auto",)), "auto", "seconds of silence that end speech"),
        Attribute("language", Language(), "en-US", "language of the recogniser"),
        Attribute("hints", Text(SAY_CHARS), None, "words and phrases the recogniser should expect"),
        Attribute("actionOnEmptyResult", Boolean(), False, "requests the action also when there was no input"),
    ),
    parameters=(
        Parameter("Digits", "the keys pressed"),
        Parameter("SpeechResult", "the words understood"),
        Parameter("Confidence", "of the words, 0.0 to 1.0"),
        Parameter("InputType", "dtmf or speech"),
    ),
)

DIAL = ElementSpec(
    "Dial",
    "10.6",
    "Rings one or more parties and bridges the caller with the first to answer.",
    verb=True,
    answers=True,
    answers_unless="answerOnBridge",
    step="dial",
    content=Content(PhoneNumber(sip=True), "a phone number or a SIP URI"),
    children=(
        Child("Number"),
        Child("Sip"),
        Child("Agent"),
        Child("Trunk"),
        Child("Conference", most=1, alone=True),
        Child("Queue", most=1, alone=True),
    ),
    attributes=(
        *_action(),
        Attribute("timeout", Integer(1, 600), 30, "seconds to ring"),
        _time_limit("the bridged part"),
        Attribute("callerId", Token(NAME_CHARS), None, "number shown to the party dialled"),
        Attribute("confirmSound", Url(), None, "audio played to the answering party before bridging"),
        Attribute("confirmKey", Keys(), None, "keys with which the answering party accepts"),
        Attribute("confirmTimeout", Integer(1, 60), 10, "seconds within which it must"),
        Attribute("strategy", Choice(("simultaneous", "sequential")), "simultaneous", "how several parties are rung"),
        Attribute("answerOnBridge", Boolean(), False, "leaves an inbound call ringing until bridged"),
        _hangup_on_star("the Dial"),
        Attribute(
            "record",
            Boolean(
                true=(
                    "record-from-answer",
                    "record-from-answer-dual",
                    "record-from-ringing",
                    "record-from-ringing-dual",
                ),
                false=("do-not-record",),
            ),
            False,
            "records the bridged part on two channels",
        ),
        Attribute(
            "dialMusic", Url(words=("real",)), None, "audio instead of ringback; real passes the far side's early media"
        ),
        Attribute(
            "machineDetection",
            Choice(("none", "enable", "detectMessageEnd")),
            "none",
            "whether it is found out who answered",
        ),
        Attribute("machineDetectionTimeout", Integer(1, 120), 30, "seconds that may take"),
        Attribute("sipHeaders", SipHeaders(), None, "SIP headers of the outgoing call"),
    ),
    parameters=(
        Parameter("DialStatus", "completed, busy, no-answer, failed or canceled"),
        Parameter("AnsweredBy", "human, machine or unknown; only with machine detection"),
        Parameter("DialCallSid", "public id of the winning leg"),
        Parameter("DialTo", "the party that answered, or the last tried"),
        Parameter("DialDuration", "seconds bridged"),
        Parameter("DialSipCode", "final SIP status"),
        Parameter("DialHangupCause", "the cause as a word"),
        *_RECORDING_PARAMETERS,
    ),
    unavailable=(("DialStatus", "failed"), ("DialDuration", "0")),
)

NUMBER = ElementSpec(
    "Number",
    "10.6",
    "A phone number to ring.",
    content=Content(PhoneNumber(), "a phone number"),
    attributes=(Attribute("sendDigits", Tones(), None, "DTMF sent to the party after it answers and before bridging"),),
)

SIP = ElementSpec(
    "Sip",
    "10.6",
    "A SIP URI to ring, or to refer to.",
    content=Content(SipUri(), "a SIP URI"),
    attributes=(
        Attribute("username", Text(NAME_CHARS), None, "user name of digest authentication"),
        Attribute("password", Text(NAME_CHARS), None, "password of digest authentication"),
        Attribute("headers", SipHeaders(), None, "SIP headers of the outgoing call"),
    ),
)

AGENT = ElementSpec(
    "Agent",
    "10.6",
    "Every registered contact of an agent.",
    aliases=("User",),
    content=Content(Text(NAME_CHARS), "the user name of an agent"),
)

TRUNK = ElementSpec(
    "Trunk",
    "10.6",
    "The destinations of an inbound trunk, with its failover.",
    content=Content(Text(NAME_CHARS), "the id or name of an inbound trunk"),
)

QUEUE = ElementSpec(
    "Queue",
    "10.6",
    "The caller who has waited longest in a queue.",
    content=Content(Text(NAME_CHARS), "the name of a queue"),
)

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
        Attribute("record", Boolean(), False, "records the conference"),
        _hangup_on_star("the conference"),
        _time_limit("this caller's part"),
        *_action(),
        _status_callback("URL told what happens in the room"),
        Attribute(
            "statusCallbackEvent",
            Words(("start", "end", "join", "leave")),
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
        *_action(),
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
        *_RECORDING_PARAMETERS,
        Parameter("RecordingSid", "id of the recording"),
        Parameter("Digits", "the key that ended it, or hangup"),
    ),
)

HANGUP = ElementSpec(
    "Hangup",
    "10.8",
    "Ends the call.",
    verb=True,
    runs=True,
    ends_document=True,
    attributes=(_refusal("how a call not yet answered is refused: 603 or 486"),),
)

REJECT = ElementSpec(
    "Reject",
    "10.8",
    "Refuses an inbound call without answering it.",
    verb=True,
    runs=True,
    ends_document=True,
    attributes=(_refusal("603 or 486"),),
)

REDIRECT = ElementSpec(
    "Redirect",
    "10.8",
    "Goes on with the document at another URL.",
    verb=True,
    runs=True,
    ends_document=True,
    step="redirect",
    content=Content(Url(), "the URL of a document"),
    attributes=(Attribute("method", _METHOD, "POST", "how it is requested"),),
)

PRE_ANSWER = ElementSpec(
    "PreAnswer",
    "10.8",
    "Plays prompts as early media, before the call is answered.",
    verb=True,
    children=_PROMPTS,
)

SEND_DIGITS = ElementSpec(
    "SendDigits",
    "10.8",
    "Sends DTMF to the caller.",
    verb=True,
    content=Content(Tones(), "the DTMF to send"),
)

REFER = ElementSpec(
    "Refer",
    "10.8",
    "Transfers the caller with SIP REFER.",
    verb=True,
    step="refer",
    content=Content(SipUri(), "a SIP URI to refer to"),
    children=(Child("Sip", most=1),),
    attributes=_action(),
    parameters=(
        Parameter("ReferStatus", "accepted or failed"),
        Parameter("ReferSipCode", "SIP status from the NOTIFY"),
    ),
    unavailable=(("ReferStatus", "failed"),),
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
        Attribute("maxQueueSize", Integer(1, 1000), 100, "callers in the queue at most"),
        *_action(),
    ),
    parameters=(
        Parameter("QueueResult", "bridged, leave, hangup, full or error"),
        Parameter("QueueTime", "seconds waited"),
    ),
    unavailable=(("QueueResult", "error"), ("QueueTime", "0")),
)

LEAVE = ElementSpec("Leave", "10.8", "Takes a waiting caller out of the queue.", verb=True)

STREAM = ElementSpec(
    "Stream",
    "10.8",
    "Sends the call's audio over a WebSocket, and plays what comes back.",
    verb=True,
    answers=True,
    children=(Child("Parameter"),),
    attributes=(
        Attribute("url", Url(schemes=("ws", "wss"), relative=False), None, "WebSocket to connect to", required=True),
        Attribute("track", Choice(("inbound", "outbound", "both")), "inbound", "whose audio is sent"),
        Attribute("bidirectional", Boolean(), False, "plays what comes back; the verb lasts until the socket closes"),
        Attribute("name", Text(NAME_CHARS), None, "name of the stream"),
        _status_callback("URL told when the stream starts and ends"),
    ),
)

PARAMETER = ElementSpec(
    "Parameter",
    "10.8",
    "A value handed to the WebSocket.",
    attributes=(
        Attribute("name", Text(NAME_CHARS), None, "its name", required=True),
        Attribute("value", Text(1024, least=0), None, "its value", required=True),
    ),
)

ELEMENTS: Final[tuple[ElementSpec, ...]] = (
    PLAY, SAY, GATHER, DIAL, NUMBER, SIP, AGENT, TRUNK, QUEUE, RECORD, CONFERENCE, HANGUP, REDIRECT, REJECT, PAUSE,
    PRE_ANSWER, STREAM, PARAMETER, REFER, ENQUEUE, LEAVE, SEND_DIGITS,
)  # fmt: skip
"""The whole language, in the order of contract §10.3."""

BY_NAME: Final[Mapping[str, ElementSpec]] = MappingProxyType(
    {name: spec for spec in ELEMENTS for name in (spec.name, *spec.aliases)}
)
"""Every element under each of its names."""

TWIML_NOT_OFFERED: Final = frozenset({
    "AiSession", "Application", "ApplicationSid", "Assistant", "Autopilot", "Body", "Client", "Connect", "Conversation",
    "ConversationRelay", "ConversationRelaySession", "Echo", "Identity", "Media", "Message", "Pay", "Prompt",
    "Recording", "Room", "Sim", "Siprec", "Sms", "Start", "Stop", "Task", "Transcription", "VirtualAgent", "WhatsApp",
})  # fmt: skip
"""Elements of TwiML that this language does not have; only said in diagnostics."""

VERB_NAMES: Final[tuple[str, ...]] = tuple(name for name, spec in BY_NAME.items() if spec.verb)


def parents_of(name: str) -> tuple[str, ...]:
    """Where the element of the canonical name `name` may stand."""
    above = tuple(spec.name for spec in ELEMENTS if name in spec.child_by_name)
    return ("Response", *above) if BY_NAME[name].verb else above
