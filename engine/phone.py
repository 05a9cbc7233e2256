"""Telephone numbers and callees in the forms of contract §1.

The check is deliberately looser than E.164: the documented sample sender is `+2004446`, so national numbering plans are
not applied.
"""

from __future__ import annotations

import re
from typing import Final

from phonenumbers import NumberParseException, parse, region_code_for_number

SIP_URI_MAX: Final = 256
"""Characters of a SIP URI that names a callee."""

_REMOVED: Final = str.maketrans("", "", " .-()")
_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{2,14})")
_PREFIX: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_SIP_URI: Final = re.compile(
    r"sips?:"
    r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/%]+(?::[A-Za-z0-9\-_.!~*'()&=+$,%]*)?@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?)"
    r"(?::[0-9]{1,5})?"
    r"(?:;[^\s<>\"?\x00-\x1f\x7f]*)?",
    re.ASCII | re.IGNORECASE,
)


class PhoneNumberError(ValueError):
    """The text is not a telephone number."""


def normalise(text: str) -> str:
    """The number with a leading `+` and nothing but digits after it.

    Spaces, dots, hyphens and parentheses are removed first (contract §1). Raises PhoneNumberError for anything else.
    """
    match = _NUMBER.fullmatch(text.translate(_REMOVED))
    if match is None:
        raise PhoneNumberError("must be an E.164 number")
    return "+" + match[1]


def normalise_prefix(text: str) -> str:
    """The first digits of a number, as `normalise` would give them (contract §9.2). Raises PhoneNumberError."""
    match = _PREFIX.fullmatch(text.translate(_REMOVED))
    if match is None:
        raise PhoneNumberError("must be the first digits of an E.164 number")
    return "+" + match[1]


def is_sip_uri(text: str) -> bool:
    """Whether `text` is a `sip:` or `sips:` URI that can be called: user and host, no headers (RFC 3261 §19.1)."""
    return len(text) <= SIP_URI_MAX and _SIP_URI.fullmatch(text) is not None


def parse_callee(text: str) -> str:
    """A number in its stored form or the SIP URI as it stands (contract §1).

    Raises PhoneNumberError when `text` is neither.
    """
    if text[:5].lower().startswith(("sip:", "sips:")):
        if is_sip_uri(text):
            return text
    elif _NUMBER.fullmatch(text.translate(_REMOVED)):
        return normalise(text)
    raise PhoneNumberError("must be an E.164 number or a SIP URI")


def country_of(number: str) -> str | None:
    """The ISO 3166 country of a normalised number; None when its code is unassigned or not of one country.

    A number too short for its national plan still has the country of its code, unless several share that.
    """
    try:
        region = region_code_for_number(parse(number))
    except NumberParseException:
        return None
    return region if region is not None and region.isalpha() else None
