"""Twilio's voice TwiML beside this language: which of its elements and attributes are the same, differ, or are missing.

Whether a name is known here is the verb table's to say; this table adds the names that are not, and what differs where
a name is. Diagnostics, `voylo validate --twiml` and `docs/twiml-compatibility.md` are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from voyloml.schema import ElementSpec
from voyloml.verbs import BY_NAME


class Standing(StrEnum):
    """How a name of TwiML stands here."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class TwimlAttribute:
    """An attribute of TwiML. `note` says how it differs, or what to use where it is missing.

    `with_` names an attribute it only says something about: where that is reported, this one needs no words.
    """

    name: str
    note: str = ""
    with_: str | None = None


@dataclass(frozen=True, slots=True)
class TwimlElement:
    """An element of TwiML with every attribute that it has there."""

    name: str
    attributes: tuple[TwimlAttribute, ...] = ()
    note: str = ""

    @property
    def spec(self) -> ElementSpec | None:
        """Its declaration, where the language has it."""
        return BY_NAME.get(self.name)

    @property
    def standing(self) -> Standing:
        """How the element stands; its attributes stand for themselves."""
        if self.spec is None:
            return Standing.NOT_OFFERED
        return Standing.DIFFERENT if self.note else Standing.SAME

    def standing_of(self, attribute: TwimlAttribute) -> Standing:
        """How one of its attributes stands."""
        if self.spec is None or attribute.name not in self.spec.attribute_by_name:
            return Standing.NOT_OFFERED
        return Standing.DIFFERENT if attribute.note else Standing.SAME


def _plain(*names: str) -> tuple[TwimlAttribute, ...]:
    return tuple(TwimlAttribute(name) for name in names)


_SCREENING = (
    TwimlAttribute("url", "use confirmSound and confirmKey of <Dial> to screen a call"),
    TwimlAttribute("method", with_="url"),
)
_PROGRESS = (
    TwimlAttribute("statusCallback", "the webhooks of the workspace tell how the parts of a call go"),
    TwimlAttribute("statusCallbackEvent", with_="statusCallback"),
    TwimlAttribute("statusCallbackMethod", with_="statusCallback"),
)
_DETECTION = (
    TwimlAttribute("machineDetection", "use machineDetection of <Dial>"),
    *(
        TwimlAttribute(name, with_="machineDetection")
        for name in (
            "machineDetectionTimeout", "machineDetectionSpeechThreshold", "machineDetectionSpeechEndThreshold",
            "machineDetectionSilenceTimeout", "amdStatusCallback", "amdStatusCallbackMethod",
        )
    ),
)  # fmt: skip
_RECORDING_DONE = (
    TwimlAttribute("recordingStatusCallbackMethod", "POST always", with_="recordingStatusCallback"),
    TwimlAttribute("recordingStatusCallbackEvent", "told when it can be fetched", with_="recordingStatusCallback"),
)

TWIML: Final[tuple[TwimlElement, ...]] = (
    TwimlElement("Say", (
        TwimlAttribute("voice", "passed to the speech engine, which may not know Twilio's names"),
        *_plain("language"),
        TwimlAttribute("loop", "0 repeats until hang-up, 1000 times at most"),
    ), "of SSML, <lang>, <phoneme> and <w> are not carried out: their text is spoken; see speech.md for the others"),
    TwimlElement("Play", (
        TwimlAttribute("loop", "0 repeats until hang-up, 1000 times at most"), *_plain("digits"),
    ), "WAV and MP3 only"),
    TwimlElement("Pause", _plain("length")),
    TwimlElement("Gather", (
        *_plain("action", "method", "input", "numDigits", "finishOnKey", "hints", "language", "actionOnEmptyResult"),
        TwimlAttribute("timeout", "whole seconds; without the word auto"),
        TwimlAttribute("speechTimeout", "auto is 1.5 seconds"),
        *_plain("bargeIn"),
        TwimlAttribute("partialResultCallback", "told what changed, about once a second of speech"),
        *_plain("partialResultCallbackMethod"),
        TwimlAttribute("speechModel", "the server's recogniser is used"),
        TwimlAttribute("enhanced", with_="speechModel"),
        TwimlAttribute("profanityFilter", "words come as they were understood"),
        TwimlAttribute("debug"),
    )),
    TwimlElement("Dial", (
        *_plain("action", "method", "timeLimit", "answerOnBridge", "hangupOnStar", "callerId", "sequential"),
        TwimlAttribute("timeout", "exact; Twilio adds a few seconds"),
        TwimlAttribute("record", "from the bridge on, always on two channels"),
        TwimlAttribute("recordingStatusCallback", "the action carries RecordingUrl"),
        *(TwimlAttribute(name, with_="recordingStatusCallback")
          for name in ("recordingStatusCallbackMethod", "recordingStatusCallbackEvent")),
        TwimlAttribute("recordingTrack", "both sides are recorded, on two channels"),
        TwimlAttribute("trim", "recordings of a bridge are not trimmed"),
        TwimlAttribute("ringTone", "use dialMusic with an audio file"),
        TwimlAttribute("referUrl", "a REFER from the party dialled is not handed to a document"),
        TwimlAttribute("referMethod", with_="referUrl"),
        TwimlAttribute("callReason"),
        TwimlAttribute("events"),
    ), "numbers need their country code: 415-123-4567 is taken for +4151234567"),
    TwimlElement("Number", (
        *_plain("sendDigits"), *_SCREENING, *_PROGRESS, *_DETECTION,
        TwimlAttribute("byoc", "the number of callerId chooses the carrier"),
    )),
    TwimlElement("Client", (*_SCREENING, *_PROGRESS, *_DETECTION), "rings the agent of that user name"),
    TwimlElement("Identity"),
    TwimlElement("Sip", (*_plain("username", "password"), *_SCREENING, *_PROGRESS, *_DETECTION)),
    TwimlElement("Queue", (
        TwimlAttribute("url", "the caller taken hears nothing before the bridge"),
        TwimlAttribute("method", with_="url"),
        TwimlAttribute("reservationSid", "there is no TaskRouter"),
        TwimlAttribute("postWorkActivitySid", with_="reservationSid"),
    )),
    TwimlElement("Conference", (
        *_plain("muted", "beep", "startConferenceOnEnter", "endConferenceOnExit"),
        TwimlAttribute("maxParticipants", "50 by default"),
        TwimlAttribute("waitUrl", "an audio file, not a document; silence by default"),
        TwimlAttribute("waitMethod", with_="waitUrl"),
        TwimlAttribute("record", "record-from-start is true"),
        TwimlAttribute("statusCallback"),
        TwimlAttribute("statusCallbackEvent", "start, end, join, leave and speaker; all but speaker by default"),
        TwimlAttribute("statusCallbackMethod", "POST always", with_="statusCallback"),
        TwimlAttribute("recordingStatusCallback", "the action carries RecordingUrl"),
        *(TwimlAttribute(name, with_="recordingStatusCallback")
          for name in ("recordingStatusCallbackMethod", "recordingStatusCallbackEvent")),
        TwimlAttribute("trim", "recordings of a conference are not trimmed"),
        TwimlAttribute("coach", "there is no whispering to one participant"),
        TwimlAttribute("region"),
        TwimlAttribute("jitterBufferSize", "the buffer adapts by itself"),
        TwimlAttribute("participantLabel"),
        TwimlAttribute("eventCallbackUrl", "use statusCallback"),
    ), "may also stand in Response"),
    TwimlElement("Record", (
        TwimlAttribute("action", "without it the next verb runs; Twilio asks the document's own URL"),
        *_plain("method", "maxLength", "finishOnKey", "playBeep", "trim", "recordingStatusCallback"),
        TwimlAttribute("timeout", "0: silence does not end it"),
        *_RECORDING_DONE,
        TwimlAttribute("recordingTrack", "the caller is recorded"),
        TwimlAttribute("transcribe", "recordings are not transcribed"),
        TwimlAttribute("transcribeCallback", with_="transcribe"),
    )),
    TwimlElement("Enqueue", (
        *_plain("action", "method", "waitUrlMethod"),
        TwimlAttribute("waitUrl", "a document; for an audio file use waitSound; silence by default"),
        *_plain("maxQueueSize"),
        TwimlAttribute("workflowSid", "there is no TaskRouter"),
    ), "QueueResult has full and hangup for Twilio's queue-full and hangup"),
    TwimlElement("Leave"),
    TwimlElement("Hangup"),
    TwimlElement("Reject", _plain("reason")),
    TwimlElement("Redirect", _plain("method")),
    TwimlElement("Refer", _plain("action", "method")),
    TwimlElement("Connect", _plain("action", "method"), "for <Stream> only; the action is asked with Step stream"),
    TwimlElement("Start", (
        TwimlAttribute("action"), TwimlAttribute("method", with_="action"),
    ), "for <Stream> only"),
    TwimlElement("Stream", (
        *_plain("url", "name", "track", "statusCallback"),
        TwimlAttribute("statusCallbackMethod", "POST always", with_="statusCallback"),
        TwimlAttribute("connectorName", "url names the socket"),
    ), "may also stand in Response, with bidirectional"),
    TwimlElement("Parameter", _plain("name", "value"), "in <Stream> and <Client>; for a client a SIP header"),
    TwimlElement("Stop", note="a stream ends with the call or when its socket closes"),
    TwimlElement("Application", note="there are no TwiML apps to dial"),
    TwimlElement("ApplicationSid"),
    TwimlElement("AiSession"),
    TwimlElement("Assistant"),
    TwimlElement("Autopilot"),
    TwimlElement("Body"),
    TwimlElement("Conversation", note="there is no Conversations service"),
    TwimlElement("ConversationRelay", note="use <Stream> with an agent of yours behind the socket"),
    TwimlElement("ConversationRelaySession"),
    TwimlElement("Echo"),
    TwimlElement("Media"),
    TwimlElement("Message", note="there is no messaging"),
    TwimlElement("Pay", note="there are no payments; collect digits with <Gather>"),
    TwimlElement("Prompt"),
    TwimlElement("Recording", note="use record of <Dial> or <Conference>"),
    TwimlElement("Room", note="there is no video"),
    TwimlElement("Sim"),
    TwimlElement("Siprec", note="use <Stream>"),
    TwimlElement("Sms", note="there is no messaging"),
    TwimlElement("Task", note="there is no TaskRouter"),
    TwimlElement("Transcription", note="use <Stream> with a recogniser of yours behind the socket"),
    TwimlElement("VirtualAgent", note="use <Stream> with an agent of yours behind the socket"),
    TwimlElement("WhatsApp"),
)  # fmt: skip
"""All of voice TwiML, in the order of the verb table, then what is missing."""

_BY_NAME: Final[Mapping[str, TwimlElement]] = MappingProxyType({element.name: element for element in TWIML})
_OUR_NAMES: Final[Mapping[str, str]] = MappingProxyType({"Agent": "Client", "User": "Client", "Wait": "Pause"})

NOT_OFFERED: Final = frozenset(element.name for element in TWIML if element.spec is None)
"""Elements of TwiML that this language does not have."""


_MISSING: Final[Mapping[tuple[str, str], TwimlAttribute]] = MappingProxyType({
    (element.name, attribute.name): attribute
    for element in TWIML
    for attribute in element.attributes
    if element.spec is not None and element.standing_of(attribute) is Standing.NOT_OFFERED
})  # fmt: skip


def twiml_element(name: str) -> TwimlElement | None:
    """The element of TwiML that `name`, a name of either language, is."""
    return _BY_NAME.get(name) or _BY_NAME.get(_OUR_NAMES.get(name, ""))


def missing_attribute(element: str, name: str) -> TwimlAttribute | None:
    """The attribute `name` of TwiML, when `element` has it there and not here."""
    return _MISSING.get((_OUR_NAMES.get(element, element), name))
