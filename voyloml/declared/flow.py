"""`Hangup`, `Reject`, `Redirect`, `Refer`, `Stream` and Twilio's ways to write a stream (contract §10.8)."""

from __future__ import annotations

from voyloml.attribute_types import Boolean, Choice, SipUri, Text, Url
from voyloml.declared.common import METHOD, NAME_CHARS, action, refusal, status_callback
from voyloml.schema import Attribute, Child, Content, ElementSpec, Parameter

HANGUP = ElementSpec(
    "Hangup",
    "10.8",
    "Ends the call.",
    verb=True,
    ends_document=True,
    attributes=(refusal("how a call not yet answered is refused: 603 or 486"),),
)

REJECT = ElementSpec(
    "Reject",
    "10.8",
    "Refuses an inbound call without answering it.",
    verb=True,
    ends_document=True,
    attributes=(refusal("603 or 486"),),
)

REDIRECT = ElementSpec(
    "Redirect",
    "10.8",
    "Goes on with the document at another URL.",
    verb=True,
    ends_document=True,
    step="redirect",
    content=Content(Url(), "the URL of a document"),
    attributes=(Attribute("method", METHOD, "POST", "how it is requested"),),
)

REFER = ElementSpec(
    "Refer",
    "10.8",
    "Transfers the caller with SIP REFER.",
    verb=True,
    step="refer",
    content=Content(SipUri(), "a SIP URI to refer to"),
    children=(Child("Sip", most=1),),
    attributes=action(),
    parameters=(
        Parameter("ReferStatus", "accepted or failed", also=("ReferCallStatus",)),
        Parameter("ReferSipCode", "SIP status from the NOTIFY", also=("ReferSipResponseCode",)),
    ),
    unavailable=(("ReferStatus", "failed"),),
)

STREAM = ElementSpec(
    "Stream",
    "10.8",
    "Sends the call's audio over a WebSocket, and plays what comes back.",
    verb=True,
    answers=True,
    children=(Child("Parameter"),),
    attributes=(
        Attribute("url", Url(schemes=("ws", "wss"), relative=False), None, "WebSocket to connect to", required=True),
        Attribute(
            "track",
            Choice(
                ("inbound", "outbound", "both"),
                spellings=(("inbound_track", "inbound"), ("outbound_track", "outbound"), ("both_tracks", "both")),
            ),
            "inbound",
            "whose audio is sent",
        ),
        Attribute("bidirectional", Boolean(), False, "plays what comes back; the verb lasts until the socket closes"),
        Attribute("name", Text(NAME_CHARS), None, "name of the stream"),
        status_callback("URL told when the stream starts and ends"),
    ),
)

CONNECT = ElementSpec(
    "Connect",
    "10.8",
    "Twilio's way to write a Stream with bidirectional true.",
    verb=True,
    answers=True,
    step="stream",
    children=(Child("Stream", most=1),),
    needs_child="Stream",
    attributes=action("URL asked for the next document when the socket has closed"),
)

START = ElementSpec(
    "Start",
    "10.8",
    "Twilio's way to write a Stream with bidirectional false.",
    verb=True,
    answers=True,
    children=(Child("Stream", most=1),),
    needs_child="Stream",
)

PARAMETER = ElementSpec(
    "Parameter",
    "10.8",
    "A value handed to the WebSocket of a Stream; for an Agent, the SIP header X-name of the call to it.",
    attributes=(
        Attribute("name", Text(NAME_CHARS), None, "its name", required=True),
        Attribute("value", Text(1024, least=0), None, "its value", required=True),
    ),
)
