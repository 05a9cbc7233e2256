"""Values for the golden scripts: what an attribute or a text may be, and SSML, chosen by a random generator."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from voyloml.attribute_types import (
    AttributeType,
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

TEXTS: Final = (
    "Press 1 for sales.", "Mona & Ali <mona@example.com>", "مرحبا بك", "Grüße aus Köln", "日本語のテキスト",
    "😀 emoji \u200d",
    'She said "no", he said \'yes\'', "  spaces around  ", "two\nlines", "a\tb", "return\rhere", "{{ name }}", "]]>",
    "&amp; is not &", "Hello {{customer}}, order {{ order_id }}", "\u0085next line\u0085", "\ufeffmark\ufeff",
    "\u2003em space\u2003", "x" * 128, "e\u0301 combined",
)  # fmt: skip
LONG: Final = "Long text. " * 300
NUMBERS: Final = ("+20223456789", "20223456789", "+20 (22) 345-6789", "+971501234567", "911")
SIP_URIS: Final = (
    "sip:alice@example.com",
    "sips:bob@voice.example:5061;transport=tls",
    "sip:x@[2001:db8::1]?X-A=1&X-B=2",
)
PATHS: Final = ("/menu", "next?step=2&lang=ar", "https://flows.example/a/b.xml", "https://[2001:db8::1]:8443/x?y=%20")
LANGUAGES: Final = ("ar-EG", "en", "pt-BR", "zh-Hans-CN")
HEADERS: Final = ({"X-Order": "7"}, {"Customer": "<Mona & Ali>", "X-Tier": 'gold "plus"'}, {"A": ""})


def value(random: Random, of: AttributeType) -> Any:
    """A value of this type as a caller of the builders gives it."""
    match of:
        case Integer():
            return random.choice((of.low, of.high, random.randint(of.low, of.high)))
        case IntegerOr():
            return random.choice((*of.words, of.low, of.high))
        case Boolean():
            return random.random() < 0.5
        case Choice():
            words = [word for word in of.words if word not in {"true", "false"}]
            return random.choice([*words, True, False] if "true" in of.words else words)
        case Words():
            chosen = random.sample(of.words, random.randint(1, len(of.words)))
            return chosen[0] if len(chosen) == 1 else chosen
        case Keys():
            return "" if of.empty and random.random() < 0.3 else "".join(random.sample(of.allowed, 3))
        case Tones():
            return random.choice(("1", "ww12#", "*0w9"))
        case Url():
            return _url(random, of)
        case SipUri():
            return random.choice(SIP_URIS)
        case PhoneNumber():
            return random.choice(NUMBERS + SIP_URIS if of.sip else NUMBERS)
        case Language():
            return random.choice(LANGUAGES)
        case SipHeaders():
            return random.choice(HEADERS)
        case Token():
            return random.choice(("+20223456789", "sales-desk"))
        case Text():
            fit = [text for text in (*TEXTS, LONG) if of.least <= len(text) <= of.most]
            return random.choice(fit)
    raise ValueError(f"no value of the type {of}")


def _url(random: Random, of: Url) -> str:
    choices = [f"{scheme}://voice.example/a?b=1&c=2" for scheme in of.schemes] + list(of.words)
    if of.relative:
        choices += PATHS
    return random.choice([*choices, ""] if of.empty else choices)


def speech(random: Random, depth: int = 2) -> dict[str, Any]:
    """A Speech as the calls that make it."""
    steps: list[list[Any]] = []
    for _ in range(random.randint(1, 4)):
        inside: Any = random.choice(TEXTS) if depth == 0 or random.random() < 0.6 else speech(random, depth - 1)
        steps.append(
            random.choice(
                [
                    ["text", random.choice(TEXTS)],
                    ["break", {"time": "500ms"}],
                    ["break", {"strength": "x-strong"}],
                    ["emphasis", inside, {"level": "strong"}],
                    ["lang", inside, "fr-FR"],
                    ["p", inside],
                    ["phoneme", inside, {"ph": "pɪˈkɑːn", "alphabet": "ipa"}],
                    ["prosody", inside, {"volume": "loud", "rate": "85%", "pitch": "+10%"}],
                    ["s", inside],
                    ["sayAs", inside, {"interpretAs": "date", "format": "dmy"}],
                    ["sub", inside, {"alias": 'World "Wide" Web & more'}],
                    ["w", inside, {"role": "amazon:VB"}],
                ]
            )
        )
    return {"speech": steps}
