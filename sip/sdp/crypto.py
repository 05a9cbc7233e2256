"""SRTP keys in SDP: the `a=crypto` attribute read and written (RFC 4568 §9), its suites (§6.2, RFC 6188, RFC 7714).

Which attribute is taken, and which are offered, is `sip.sdp.keying`. Keys are left out of every `repr`; `str()` of an
attribute is its text on the wire and holds them.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from sip.errors import SipParseError

MAX_LIFETIME: Final = 1 << 48
"""Packets under one master key (RFC 3711 §9.2): what counts where no lifetime is given, and the most that may be."""

MAX_CRYPTO_CHARS: Final = 1024
"""One `a=crypto` value; with four keys of the longest suite it has a third of that."""

_ATTRIBUTE: Final = re.compile(r"([0-9]{1,9})[ \t]+([A-Za-z0-9_]{1,64})[ \t]+([!-~]+)((?:[ \t]+[!-~]+)*)[ \t]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LIFETIME: Final = re.compile(r"2\^([0-9]{1,2})|([0-9]{1,15})")
_MKI: Final = re.compile(r"([0-9]{1,40}):([0-9]{1,3})")
_MKI_OCTETS: Final = 128
_WINDOW: Final = re.compile(r"WSH=([0-9]{1,9})")
_SMALLEST_WINDOW: Final = 64


@dataclass(frozen=True, slots=True)
class CryptoSuite:
    """An SRTP crypto suite: its registered name, and the octets of its master key and master salt."""

    name: str
    key_octets: int
    salt_octets: int

    @property
    def octets(self) -> int:
        """Octets of key and salt together, as they stand behind `inline:`."""
        return self.key_octets + self.salt_octets


AES_CM_128_HMAC_SHA1_80: Final = CryptoSuite("AES_CM_128_HMAC_SHA1_80", 16, 14)
AES_CM_128_HMAC_SHA1_32: Final = CryptoSuite("AES_CM_128_HMAC_SHA1_32", 16, 14)
AES_256_CM_HMAC_SHA1_80: Final = CryptoSuite("AES_256_CM_HMAC_SHA1_80", 32, 14)
AEAD_AES_128_GCM: Final = CryptoSuite("AEAD_AES_128_GCM", 16, 12)
AEAD_AES_256_GCM: Final = CryptoSuite("AEAD_AES_256_GCM", 32, 12)

SUITES: Final = (
    AES_CM_128_HMAC_SHA1_80,
    AES_256_CM_HMAC_SHA1_80,
    AEAD_AES_128_GCM,
    AEAD_AES_256_GCM,
    AES_CM_128_HMAC_SHA1_32,
)
_BY_NAME: Final = {
    **{suite.name: suite for suite in SUITES},
    # The name in the drafts of RFC 6188, which phones and switches still write
    "AES_CM_256_HMAC_SHA1_80": AES_256_CM_HMAC_SHA1_80,
}


@dataclass(frozen=True, slots=True)
class Mki:
    """A master key identifier and its length in octets, as it stands in each packet (RFC 3711 §3.1)."""

    value: int
    octets: int


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key and its salt, concatenated; `lifetime` in packets, None where not stated: `MAX_LIFETIME`."""

    key_salt: bytes = field(repr=False)
    lifetime: int | None = None
    mki: Mki | None = None


@dataclass(frozen=True, slots=True)
class CryptoAttribute:
    """One `a=crypto` value (RFC 4568 §4.1). `suite_name` is as it was written, `parameters` the session parameters."""

    tag: int
    suite_name: str
    keys: tuple[MasterKey, ...]
    parameters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: str) -> CryptoAttribute:
        """Reads the value of an `a=crypto` line, of whatever suite.

        Raises `SipParseError` for broken grammar, a key that is not base64, a lifetime of 0 or above 2^48, a length of
        MKI outside 1 to 128 octets, and a key method other than `inline` (RFC 4568 §6.1, §9.2).
        """
        match = _ATTRIBUTE.fullmatch(value) if len(value) <= MAX_CRYPTO_CHARS else None
        if match is None:
            raise _malformed()
        tag, suite_name, keys, parameters = match.groups()
        return cls(int(tag), suite_name, tuple(_key(text) for text in keys.split(";")), tuple(parameters.split()))

    @property
    def suite(self) -> CryptoSuite | None:
        """The suite, None when it is not one of ours."""
        return _BY_NAME.get(self.suite_name)

    @property
    def usable(self) -> bool:
        """Whether SRTP can run on it as it stands: a suite of ours, one key of its length, no demand we do not meet.

        Of the session parameters (RFC 4568 §6.3) WSH is only a hint and one with `-` before it may be passed over;
        with any other, unencrypted or unauthenticated media above all, the attribute is not for us.
        """
        suite = self.suite
        return (
            suite is not None
            and len(self.keys) == 1
            and len(self.keys[0].key_salt) == suite.octets
            and all(parameter.startswith("-") or _window(parameter) for parameter in self.parameters)
        )

    def __str__(self) -> str:
        return " ".join((str(self.tag), self.suite_name, ";".join(map(_inline, self.keys)), *self.parameters))


def _key(text: str) -> MasterKey:
    method, _, info = text.partition(":")
    encoded, *rest = info.split("|")
    # key-salt ["|" lifetime] ["|" mki]; only the MKI holds a colon
    lifetime: int | None = None
    mki: Mki | None = None
    if rest and ":" not in rest[0]:
        lifetime = _lifetime(rest.pop(0))
    if rest:
        mki = _mki(rest.pop(0))
    if method.lower() != "inline" or rest:
        raise _malformed()
    return MasterKey(_octets(encoded), lifetime, mki)


def _octets(encoded: str) -> bytes:
    # Some phones leave the padding out.
    if not _BASE64.fullmatch(encoded):
        raise _malformed()
    bare = encoded.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise _malformed() from None


def _lifetime(text: str) -> int:
    match = _LIFETIME.fullmatch(text)
    lifetime = 0 if match is None else 1 << int(match[1]) if match[1] else int(match[2])
    if not 0 < lifetime <= MAX_LIFETIME:
        raise _malformed()
    return lifetime


def _mki(text: str) -> Mki:
    match = _MKI.fullmatch(text)
    if match is None:
        raise _malformed()
    value, octets = int(match[1]), int(match[2])
    if not 1 <= octets <= _MKI_OCTETS or value.bit_length() > 8 * octets:
        raise _malformed()
    return Mki(value, octets)


def _window(parameter: str) -> bool:
    match = _WINDOW.fullmatch(parameter)
    return match is not None and int(match[1]) >= _SMALLEST_WINDOW


def _inline(key: MasterKey) -> str:
    text = "inline:" + base64.b64encode(key.key_salt).decode("ascii")
    if key.lifetime is not None:
        power = key.lifetime.bit_length() - 1
        text += f"|2^{power}" if key.lifetime == 1 << power else f"|{key.lifetime}"
    if key.mki is not None:
        text += f"|{key.mki.value}:{key.mki.octets}"
    return text


def _malformed() -> SipParseError:
    return SipParseError("malformed crypto attribute", status=488, field="a=crypto")
