"""`Play`, `Say`, `Pause`, `Gather`, `PreAnswer` and `SendDigits` (contract §10.4, §10.5, §10.8)."""

from __future__ import annotations

from typing import Final

from voyloml.attribute_types import Boolean, Integer, IntegerOr, Keys, Language, Text, Tones, Url, Words
from voyloml.declared.common import LOOP, METHOD, PROMPTS, SAY_CHARS, action
from voyloml.schema import Attribute, Content, ElementSpec, Parameter

PLAY = ElementSpec(
    "Play",
    "10.4",
    "Plays an audio file, or DTMF.",
    verb=True,
    answers=True,
    content=Content(Url(), "the URL of a WAV or MP3 file", unless="digits"),
    attributes=(
        LOOP,
        Attribute("digits", Tones(), None, "DTMF played instead of a file; w is half a second"),
    ),
)

SSML: Final = frozenset({"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"})
"""Elements of SSML that a text may hold; `voyloml.speech_markup` says what becomes of each."""

SAY = ElementSpec(
    "Say",
    "10.4",
    "Speaks a text.",
    verb=True,
    answers=True,
    content=Content(Text(SAY_CHARS), "the text to speak", cut=True),
    markup=SSML,
    attributes=(
        Attribute("voice", Text(128), None, "voice, as the speech engine names it"),
        Attribute("language", Language(), "en-US", "language of the text"),
        LOOP,
    ),
)

PAUSE = ElementSpec(
    "Pause",
    "10.8",
    "Waits in silence.",
    aliases=("Wait",),
    verb=True,
    attributes=(Attribute("length", Integer(1, 3600), 1, "seconds"),),
)

GATHER = ElementSpec(
    "Gather",
    "10.5",
    "Collects keys or speech while prompts play.",
    verb=True,
    answers=True,
    step="gather",
    children=PROMPTS,
    attributes=(
        *action("URL that gets the input; without it the URL of the current document"),
        Attribute("input", Words(("dtmf", "speech")), ("dtmf",), "what is listened to"),
        Attribute("numDigits", Integer(1, 64), None, "number of keys that finishes at once"),
        Attribute("timeout", Integer(1, 600), 5, "seconds of silence after the prompts, and between keys"),
        Attribute("finishOnKey", Keys(empty=True), "#", "keys that finish and are not part of the digits; empty: none"),
        Attribute("validDigits", Keys(), "0123456789*#", "keys that count; others are ignored"),
        Attribute("bargeIn", Boolean(), True, "the first key or speech stops the prompts"),
        Attribute("speechTimeout", IntegerOr(1, 600, ("auto",)), "auto", "seconds of silence that end speech"),
        Attribute("language", Language(), "en-US", "language of the recogniser"),
        Attribute("hints", Text(SAY_CHARS), None, "words and phrases the recogniser should expect"),
        Attribute("partialResultCallback", Url(), None, "URL told what is understood while the caller speaks"),
        Attribute("partialResultCallbackMethod", METHOD, "POST", "how it is requested"),
        Attribute("actionOnEmptyResult", Boolean(), False, "requests the action also when there was no input"),
    ),
    parameters=(
        Parameter("Digits", "the keys pressed"),
        Parameter("SpeechResult", "the words understood"),
        Parameter("Confidence", "of the words, 0.0 to 1.0"),
        Parameter("InputType", "dtmf or speech"),
    ),
)

PRE_ANSWER = ElementSpec(
    "PreAnswer",
    "10.8",
    "Plays prompts as early media, before the call is answered.",
    verb=True,
    children=PROMPTS,
)

SEND_DIGITS = ElementSpec(
    "SendDigits",
    "10.8",
    "Sends DTMF to the caller.",
    verb=True,
    content=Content(Tones(), "the DTMF to send"),
)
