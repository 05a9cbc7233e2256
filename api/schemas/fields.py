"""The kinds of text that bodies hold, each with its one rule, one message, and JSON schema (contract §1, §7, §8).

The patterns are in the common ground of Python's and ECMAScript's regular expressions, because the OpenAPI document
shows them to both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.accounts import NAME_MAX, NAME_PATTERN
from engine.agents import USERNAME_MAX, USERNAME_PATTERN
from engine.model import timestamp
from engine.phone import normalise, normalise_prefix

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class TextRule:
    """A string of `min_length` to `max_length` characters that matches `pattern` as a whole.

    `message` says what would be right; `convert` gives the value that is used and may raise ValueError.
    """

    message: str
    max_length: int
    min_length: int = 0
    pattern: str | None = None
    format: str | None = None
    convert: Callable[[str], Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern or r"[\s\S]*")

    def check(self, text: str) -> Any:
        """The value of `text`; raises PydanticCustomError with the message."""
        if not text.isascii() and _SURROGATE.search(text):
            # JSON can escape half a character, which no database and no other side takes.
            raise PydanticCustomError("text_rule", "must be valid Unicode text")
        if not self.min_length <= len(text) <= self.max_length or not self._compiled.fullmatch(text):
            raise PydanticCustomError("text_rule", self.message)
        if self.convert is None:
            return text
        try:
            return self.convert(text)
        except ValueError:
            raise PydanticCustomError("text_rule", self.message) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json_schema()

    def json_schema(self) -> dict[str, Any]:
        """The rule as a JSON schema."""
        shown: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.min_length:
            shown["minLength"] = self.min_length
        if self.pattern is not None:
            shown["pattern"] = self.pattern
        if self.format is not None:
            shown["format"] = self.format
        return shown | self.extra


_H16: Final = "[0-9A-Fa-f]{1,4}"
_IPV4: Final = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV6: Final = (
    f"(?:(?:{_H16}:){{7}}{_H16}|(?:{_H16}:){{1,7}}:|(?:{_H16}:){{1,6}}:{_H16}|(?:{_H16}:){{1,5}}(?::{_H16}){{1,2}}"
    f"|(?:{_H16}:){{1,4}}(?::{_H16}){{1,3}}|(?:{_H16}:){{1,3}}(?::{_H16}){{1,4}}|(?:{_H16}:){{1,2}}(?::{_H16}){{1,5}}"
    f"|{_H16}:(?::{_H16}){{1,6}}|:(?:(?::{_H16}){{1,7}}|:))"
)
_PORT: Final = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_NAME: Final = (
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
_HOST: Final = rf"(?:{_NAME}|\[{_IPV6}\])"

# Case-insensitive without flags, which a JSON schema's pattern cannot have.
_FORBIDDEN_HEADERS: Final = (
    "Host",
    "Content-Length",
    "Content-Type",
    "Transfer-Encoding",
    "Connection",
    "Voylo-Signature",
)


HEADERS: Final = 20
"""Entries of a map of headers."""


def _map_schema(name: TextRule, value: TextRule) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": name.json_schema(),
        "additionalProperties": value.json_schema(),
        "maxProperties": HEADERS,
    }


def _few(value: Any) -> Any:
    # Before the entries are looked at: a body has room for tens of thousands of wrong ones.
    if isinstance(value, dict) and len(value) > HEADERS:
        raise PydanticCustomError("too_many", f"must have at most {HEADERS} entries")
    return value


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() else letter for letter in word)


Name = Annotated[str, TextRule("must be 1 to 120 characters", 120, 1, pattern="^[^\\u0000]+$")]
Label = Annotated[str, TextRule("must be at most 120 characters", 120, pattern="^[^\\u0000]*$")]
Search = Annotated[str, TextRule("must be at most 120 characters", 120, pattern="^[^\\u0000]*$")]

PrintableName = Annotated[
    str, TextRule("must be 1 to 120 printable characters", NAME_MAX, 1, pattern=f"^{NAME_PATTERN}$")
]

Url = Annotated[
    str,
    TextRule(
        "must be an absolute http or https URL of at most 2048 characters, without user name",
        2048,
        pattern=rf"^[Hh][Tt][Tt][Pp][Ss]?://{_HOST}(?::{_PORT})?(?:[/?#][!-~]*)?$",
        extra={"examples": ["https://flows.example/voylo"]},
    ),
]

HEADER_NAME: Final = TextRule(
    "must be an HTTP header name of at most 128 characters, and none that the engine sets itself",
    128,
    pattern=rf"^(?!(?:{'|'.join(_any_case(name) for name in _FORBIDDEN_HEADERS)})$)[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
)
HeaderName = Annotated[str, HEADER_NAME]
HEADER_VALUE: Final = TextRule("must be at most 1024 printable ASCII characters", 1024, pattern="^[ -~]*$")
HeaderValue = Annotated[str, HEADER_VALUE]
Headers = Annotated[
    dict[HeaderName, HeaderValue], BeforeValidator(_few), WithJsonSchema(_map_schema(HEADER_NAME, HEADER_VALUE))
]

SIP_HEADER_NAME: Final = TextRule(
    "must be X- and 1 to 60 letters, digits or hyphens, and not begin with X-Voylo-",
    62,
    pattern=rf"^(?!{_any_case('X-Voylo-')})X-[A-Za-z0-9-]{{1,60}}$",
)
SipHeaderName = Annotated[str, SIP_HEADER_NAME]
SIP_HEADER_VALUE: Final = TextRule("must be at most 256 printable ASCII characters", 256, pattern="^[ -~]*$")
SipHeaderValue = Annotated[str, SIP_HEADER_VALUE]
SipHeaders = Annotated[
    dict[SipHeaderName, SipHeaderValue],
    BeforeValidator(_few),
    WithJsonSchema(_map_schema(SIP_HEADER_NAME, SIP_HEADER_VALUE)),
]


PhoneNumber = Annotated[
    str,
    TextRule(
        "must be an E.164 number",
        64,
        pattern=r"^[ .()-]*(?:\+[ .()-]*)?[1-9](?:[ .()-]*[0-9]){2,14}[ .()-]*$",
        convert=normalise,
        extra={"examples": ["+2004446"]},
    ),
]

NumberPrefix = Annotated[
    str,
    TextRule(
        "must be the first digits of an E.164 number",
        64,
        pattern=r"^[ .()-]*(?:\+[ .()-]*)?[1-9](?:[ .()-]*[0-9]){0,14}[ .()-]*$",
        convert=normalise_prefix,
        extra={"examples": ["+20"]},
    ),
]

Country = Annotated[str, TextRule("must be an ISO 3166 country code of two capital letters", 2, pattern="^[A-Z]{2}$")]

SourceNetwork = Annotated[
    IPv4Network | IPv6Network,
    TextRule(
        "must be an IP address or a network in CIDR form",
        49,
        pattern=rf"^(?:{_IPV4}(?:/(?:3[0-2]|[12]?[0-9]))?|{_IPV6}(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$",
        convert=lambda text: ip_network(text, strict=False),
        extra={"examples": ["203.0.113.10/32"]},
    ),
]

SipHost = Annotated[
    str,
    TextRule("must be a host name or an IP address", 253, pattern=rf"^{_HOST}$"),
]
SIP_TARGET_PATTERN: Final = (
    r"[Ss][Ii][Pp][Ss]?:(?:[A-Za-z0-9_.!~*'()&=+$,;?/%-]+@)?"
    rf"{_HOST}(?::{_PORT})?(?:;[A-Za-z0-9_.!~*'()&+$/:%\[\]-]+(?:=[A-Za-z0-9_.!~*'()&+$/:%\[\]-]+)?)*"
)
SipTarget = Annotated[
    str,
    TextRule(
        "must be a sip: or sips: URI of at most 256 characters, without password and headers",
        256,
        pattern=f"^{SIP_TARGET_PATTERN}$",
        extra={"examples": ["sip:agent@sip.provider.example;transport=tls"]},
    ),
]
SipUsername = Annotated[
    str,
    TextRule(
        'must be 1 to 64 printable ASCII characters without space, ", : or \\', 64, 1, pattern=r"^[!#-9;-[\]-~]+$"
    ),
]
AgentUsername = Annotated[
    str,
    TextRule(
        "must be 1 to 63 lower-case letters, digits, dots, hyphens or underscores, begin with a letter, and not be t_ "
        "and 12 hex digits",
        USERNAME_MAX,
        1,
        pattern=f"^{USERNAME_PATTERN}$",
        extra={"examples": ["anna.schmidt"]},
    ),
]
Email = Annotated[
    str,
    TextRule(
        "must be an e-mail address",
        254,
        pattern=r"^[^\u0000-\u0020\u007f@]{1,64}@[^\u0000-\u0020\u007f@]+$",
        extra={"examples": ["anna@customer.example"]},
    ),
]
Password = Annotated[
    str,
    TextRule("must be 8 to 128 characters, no control characters", 128, 8, pattern="^[^\\u0000-\\u001f\\u007f]+$"),
]

Uuid = Annotated[
    str,
    TextRule(
        "must be a UUID",
        36,
        pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        convert=str.lower,
        format="uuid",
    ),
]


def whole(value: Any) -> Any:
    """5060.0 as 5060: it is an integer in JSON, where numbers have no kinds."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The bounds come first: a validator hides from the JSON schema what is annotated after it.
Port = Annotated[int, Field(strict=True, ge=1, le=65535), BeforeValidator(whole)]

UuidOut = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]

Timestamp = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str, when_used="always"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-06-23T10:31:00.000Z"]}),
]
"""A time in an answer: ISO 8601, UTC, milliseconds."""


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None


Moment = Annotated[
    datetime,
    TextRule(
        "must be an ISO 8601 time with its offset, such as 2026-06-23T10:31:00.000Z",
        40,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$",
        convert=_moment,
        format="date-time",
    ),
]
"""A time in a request, as an aware datetime in UTC."""
