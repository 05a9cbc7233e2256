"""The types that attributes and contents of VoyloML have: how each reads a string, and what it says when it cannot.

Each type is data, so that documentation and schemas can be written from it. The rules are contract §10.3–10.8's;
where it leaves a range open, the range is set in `voyloml.verbs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from voyloml.errors import Code

Value: TypeAlias = str | int | bool | tuple[str, ...] | None
"""A typed attribute; None where it is absent and has no default."""

URL_CHARS: Final = 2048
SIP_HEADERS: Final = 20
SIP_HEADER_CHARS: Final = 256
WRONG_WORDS_CHARS: Final = 80

_PHONE_FILLER = str.maketrans("", "", " .-()")
_PHONE = re.compile(r"\+?[1-9][0-9]{2,14}")
_SIP_URI = re.compile(r"(?:sips?:)?[^\s@<>\"]{1,256}(?:@[^\s@<>\"]{1,512})?", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNFIT_FOR_URL = re.compile(r"[\x00-\x20\x7f<>\"\\]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,60}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_TOKEN = re.compile(r"[^\s<>\"@;,\x00-\x1f]+")


class AttributeType(Protocol):
    """How one attribute's string is read."""

    @property
    def expected(self) -> str:
        """What would be right, to follow "must be "."""
        ...

    def parse(self, text: str) -> Value:
        """The typed value of `text`, which is trimmed. Raises ValueError; its message, where it has one, is more
        precise than `expected`.
        """


def error_code(of: AttributeType) -> Code:
    """The diagnostic of a value that `of` does not take."""
    return Code.BAD_URL if isinstance(of, Url | SipUri) else Code.INVALID_ATTRIBUTE


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def expected(self) -> str:
        """The range."""
        return f"{self.low} to {self.high}"

    def parse(self, text: str) -> int:
        """The number. Raises ValueError."""
        # isdecimal alone takes the digits of other scripts; ten digits are more than any limit here.
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise ValueError
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError
        return number


@dataclass(frozen=True, slots=True)
class IntegerOr:
    """A whole number, or one of some words."""

    low: int
    high: int
    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The words and the range."""
        return f"{_alternatives((*map(repr, self.words), f'{self.low} to {self.high}'))}"

    def parse(self, text: str) -> int | str:
        """The number or the word. Raises ValueError."""
        return text if text in self.words else Integer(self.low, self.high).parse(text)


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true`/`false`, also `1`/`0` (contract §10.1), and other words that mean the same where a verb allows them."""

    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The words."""
        return _alternatives(("true", "false", *self.true, *self.false))

    def parse(self, text: str) -> bool:
        """The truth value. Raises ValueError."""
        if text in {"true", "1"} or text in self.true:
            return True
        if text in {"false", "0"} or text in self.false:
            return False
        raise ValueError


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; `spellings` are others accepted for them."""

    words: tuple[str, ...]
    spellings: tuple[tuple[str, str], ...] = ()

    @property
    def expected(self) -> str:
        """The words."""
        return _alternatives(self.words)

    def parse(self, text: str) -> str:
        """The word. Raises ValueError."""
        if text in self.words:
            return text
        for spelling, word in self.spellings:
            if text == spelling:
                return word
        raise ValueError


@dataclass(frozen=True, slots=True)
class Words:
    """One or more of some words, separated by spaces, in any order; given back in the order of `words`."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The words."""
        return f"one or more of {' '.join(self.words)}, separated by spaces"

    def parse(self, text: str) -> tuple[str, ...]:
        """The words found. Raises ValueError."""
        found = dict.fromkeys(text.split())
        wrong = [word for word in found if word not in self.words]
        if wrong and len(wrong) < len(found):
            raise ValueError(f"must be {self.expected}; not offered are {' '.join(wrong)[:WRONG_WORDS_CHARS]}")
        if not found or wrong:
            raise ValueError
        return tuple(word for word in self.words if word in found)


@dataclass(frozen=True, slots=True)
class Keys:
    """Telephone keys, each at most once in meaning: `123#`."""

    allowed: str = "0123456789*#"
    empty: bool = False

    @property
    def expected(self) -> str:
        """The keys."""
        shown = self.allowed.replace("0123456789", "0-9 ").replace("ABCD", " A-D ").replace("*#", "* #")
        return f"one or more of the keys {' '.join(shown.split())}{', or empty' if self.empty else ''}"

    def parse(self, text: str) -> str:
        """The keys, none twice. Raises ValueError."""
        if not text and not self.empty:
            raise ValueError
        if not set(text).issubset(self.allowed):
            raise ValueError
        return "".join(dict.fromkeys(text))


@dataclass(frozen=True, slots=True)
class Tones:
    """DTMF to be sent: keys, and `w` for half a second."""

    most: int = 256

    @property
    def expected(self) -> str:
        """The keys."""
        return f"up to {self.most} of the keys 0-9 * # A-D, and w for a pause of half a second"

    def parse(self, text: str) -> str:
        """The tones, letters in the case they are sent in. Raises ValueError."""
        tones = text.replace("W", "w")
        if not 0 < len(tones) <= self.most or not set(tones).issubset("0123456789*#ABCDabcdw"):
            raise ValueError
        return "".join(tone if tone == "w" else tone.upper() for tone in tones)


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL of one of `schemes`, or a relative one where `relative`; `words` are accepted instead.

    Without user-info and at most 2048 characters, as for an application's URLs (contract §7.1).
    """

    schemes: tuple[str, ...] = ("http", "https")
    relative: bool = True
    empty: bool = False
    words: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The forms."""
        kinds = " or ".join(self.schemes)
        form = f"{_article(kinds)} {kinds} URL" + (", absolute or relative" if self.relative else "")
        return _alternatives((*map(repr, self.words), form)) + (", or empty" if self.empty else "")

    def parse(self, text: str) -> str:
        """The URL as written. Raises ValueError."""
        if text in self.words or (not text and self.empty):
            return text
        if not text:
            raise ValueError
        if len(text) > URL_CHARS:
            raise ValueError(f"must have at most {URL_CHARS} characters")
        if _UNFIT_FOR_URL.search(text):
            raise ValueError('must not contain spaces or any of < > " \\: write them percent-encoded')
        if not is_absolute(text) and not text.startswith("//"):
            if not self.relative:
                raise ValueError
            return text
        self._check(text)
        return text

    def _check(self, text: str) -> None:
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("must have a valid host and port") from None
        if parts.scheme and parts.scheme not in self.schemes:
            raise ValueError
        if not host:
            raise ValueError("must name a host")
        if "@" in parts.netloc:
            raise ValueError("must not carry a user name or password")


@dataclass(frozen=True, slots=True)
class SipUri:
    """`sip:` or `sips:` URI; `user@host` alone is taken for a `sip:` URI."""

    @property
    def expected(self) -> str:
        """The form."""
        return "a SIP URI such as sip:alice@example.com"

    def parse(self, text: str) -> str:
        """The URI with its scheme. Raises ValueError."""
        if len(text) > URL_CHARS or not _SIP_URI.fullmatch(text):
            raise ValueError
        if _has_sip_scheme(text):
            return text
        if "@" not in text:
            raise ValueError
        return f"sip:{text}"


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A phone number (contract §1); `sip` accepts a SIP URI as well."""

    sip: bool = False

    @property
    def expected(self) -> str:
        """The forms."""
        return "a phone number such as +20223456789" + (" or a SIP URI" if self.sip else "")

    def parse(self, text: str) -> str:
        """The number with its `+`, without spaces, dots, hyphens and parentheses, or the URI. Raises ValueError."""
        if self.sip and _has_sip_scheme(text):
            return SipUri().parse(text)
        number = text.translate(_PHONE_FILLER)
        if not _PHONE.fullmatch(number):
            raise ValueError
        return number if number.startswith("+") else f"+{number}"


@dataclass(frozen=True, slots=True)
class Text:
    """Any text of `least` to `most` characters."""

    most: int
    least: int = 1

    @property
    def expected(self) -> str:
        """The length."""
        return f"{self.least} to {self.most} characters" if self.least else f"at most {self.most} characters"

    def parse(self, text: str) -> str:
        """The text. Raises ValueError."""
        if not self.least <= len(text) <= self.most:
            raise ValueError
        return text


@dataclass(frozen=True, slots=True)
class Token:
    """A short name without spaces, such as a caller ID."""

    most: int

    @property
    def expected(self) -> str:
        """The form."""
        return f"a number or a name of at most {self.most} characters without spaces"

    def parse(self, text: str) -> str:
        """The name; a phone number in its normal form. Raises ValueError."""
        number = text.translate(_PHONE_FILLER)
        if _PHONE.fullmatch(number):
            return number if number.startswith("+") else f"+{number}"
        if len(text) > self.most or not _TOKEN.fullmatch(text):
            raise ValueError
        return text


@dataclass(frozen=True, slots=True)
class Language:
    """A language tag in the form of BCP 47; which ones exist is the speech engine's affair."""

    @property
    def expected(self) -> str:
        """The form."""
        return "a language tag such as en-US"

    def parse(self, text: str) -> str:
        """The tag. Raises ValueError."""
        if not _LANGUAGE.fullmatch(text):
            raise ValueError
        return text


@dataclass(frozen=True, slots=True)
class SipHeaders:
    """`Name=Value,Name=Value`: at most 20 extension headers, `X-` put before names that lack it (contract §10.6)."""

    @property
    def expected(self) -> str:
        """The form."""
        return f"up to {SIP_HEADERS} Name=Value pairs separated by commas"

    def parse(self, text: str) -> tuple[str, ...]:
        """The headers, each as `X-Name=Value`. Raises ValueError."""
        headers: list[str] = []
        for pair in text.split(",", SIP_HEADERS + 1):
            name, equals, value = pair.partition("=")
            name, value = name.strip(), value.strip()
            if not equals or not _HEADER_NAME.fullmatch(name):
                raise ValueError
            if len(value) > SIP_HEADER_CHARS or not _PRINTABLE.fullmatch(value):
                raise ValueError(f"must have values of at most {SIP_HEADER_CHARS} printable ASCII characters")
            if not name.upper().startswith("X-"):
                name = f"X-{name}"
            if name.upper().startswith("X-VOYLO-"):
                raise ValueError("must not use names that begin with X-Voylo-: they are the engine's own")
            headers.append(f"{name}={value}")
        if len(headers) > SIP_HEADERS:
            raise ValueError
        return tuple(headers)


def is_absolute(url: str) -> bool:
    """True when `url` begins with a scheme."""
    return _SCHEME.match(url) is not None


def _has_sip_scheme(text: str) -> bool:
    return text[:5].lower().startswith(("sip:", "sips:"))


def _alternatives(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiouh" else "a"
