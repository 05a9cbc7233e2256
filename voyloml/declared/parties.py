"""`Dial` and whom it can ring (contract §10.6)."""

from __future__ import annotations

from voyloml.attribute_types import (
    Boolean,
    Choice,
    Integer,
    Keys,
    PhoneNumber,
    SipHeaders,
    SipUri,
    Text,
    Token,
    Tones,
    Url,
)
from voyloml.declared.common import NAME_CHARS, RECORDING_PARAMETERS, action, hangup_on_star, time_limit
from voyloml.schema import Attribute, Child, Content, ElementSpec, Parameter

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
        *action(),
        Attribute("timeout", Integer(1, 600), 30, "seconds to ring"),
        time_limit("the bridged part"),
        Attribute("callerId", Token(NAME_CHARS), None, "number shown to the party dialled"),
        Attribute("confirmSound", Url(), None, "audio played to the answering party before bridging"),
        Attribute("confirmKey", Keys(), None, "keys with which the answering party accepts"),
        Attribute("confirmTimeout", Integer(1, 60), 10, "seconds within which it must"),
        Attribute(
            "strategy",
            Choice(("simultaneous", "sequential"), spellings=(("true", "sequential"), ("false", "simultaneous"))),
            "simultaneous",
            "how several parties are rung",
            aliases=("sequential",),
        ),
        Attribute("answerOnBridge", Boolean(), False, "leaves an inbound call ringing until bridged"),
        hangup_on_star("the Dial"),
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
        Parameter("DialStatus", "completed, busy, no-answer, failed or canceled", also=("DialCallStatus",)),
        Parameter("AnsweredBy", "human, machine or unknown; only with machine detection"),
        Parameter("DialCallSid", "public id of the winning leg"),
        Parameter("DialTo", "the party that answered, or the last tried"),
        Parameter("DialDuration", "seconds bridged", also=("DialCallDuration",)),
        Parameter("DialSipCode", "final SIP status"),
        Parameter("DialHangupCause", "the cause as a word"),
        *RECORDING_PARAMETERS,
        Parameter("ConferenceName", "as of Conference, when the Dial held one; so are the other parameters"),
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
    aliases=("User", "Client"),
    content=Content(Text(NAME_CHARS), "the user name of an agent"),
    children=(Child("Identity", most=1), Child("Parameter")),
    needs_child="Identity",
)

IDENTITY = ElementSpec(
    "Identity",
    "10.6",
    "The user name of an agent, where the Agent holds parameters too.",
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
