"""SIP and SIPS URIs (RFC 3261 §19.1, IPv6 references as RFC 5118), and any other scheme as opaque text.

No resolution (RFC 3263) and no telephone-number rules here: the user part is text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from sip.errors import LocalProtocolError, SipParseError
from sip.grammar import Params, change_params, drop_params, has_param

RECALLED_URIS = 1024
RECALLED_CHARS = 128
"""Parsed URIs kept for the next message that has them, and their greatest length: well below a megabyte."""

# "#" is not in the grammar, but phones send feature codes such as #31# unescaped in the user part.
_is_uri_text = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+").fullmatch
_is_opaque_text = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]^_`a-z{|}~]+").fullmatch
_is_host = re.compile(r"[A-Za-z0-9_.\-]{1,255}").fullmatch
_is_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*").fullmatch
_find_bad_escape = re.compile(r"%(?![0-9A-Fa-f]{2})").search

# What may stand unescaped, beside letters, digits and "-._~" (RFC 3261 §25.1).
_USERINFO_SAFE = "!*'()&=+$,"
_USER_SAFE = _USERINFO_SAFE + ";?/"
_PARAM_SAFE = "!*'()[]/:&+$"
_HEADER_SAFE = "!*'()[]/?:+$"

_SIP_SCHEMES = frozenset({"sip", "sips"})

# RFC 3261 §19.1.4: these make two URIs different when only one has them.
_SIGNIFICANT_PARAMS = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class SipUri:
    """A ``sip:`` or ``sips:`` URI; ``host`` without brackets, everything else unescaped.

    What the grammar has no place for, an empty user part or parameter name, raises LocalProtocolError at construction.
    ``==`` compares the parts; :meth:`equivalent` is the comparison of RFC 3261 §19.1.4. A parsed URI is written back as
    it was received, so that a peer sees its own Contact again octet for octet.
    """

    scheme: str
    user: str | None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()
    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.user == "" or (self.password is not None and self.user is None):
            raise LocalProtocolError("a SIP URI has no empty user part, and no password without one")
        if any(not name for name, _ in self.params) or any(not name for name, _ in self.headers):
            raise LocalProtocolError("a parameter or header of a SIP URI has a name")

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Parse a whole ``sip:`` or ``sips:`` URI; raises SipParseError on anything else."""
        uri = parse_uri(text)
        if not isinstance(uri, cls):
            raise SipParseError("Unsupported URI Scheme", status=416)
        return uri

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        if self.scheme not in _SIP_SCHEMES:
            raise LocalProtocolError(f"not a SIP scheme: {self.scheme!r}")
        userinfo = ""
        if self.user is not None:
            userinfo = _escape(self.user, _USER_SAFE)
            if self.password is not None:
                userinfo += ":" + _escape(self.password, _USERINFO_SAFE)
            userinfo += "@"
        params = "".join(
            ";" + _escape(name, _PARAM_SAFE) + ("" if value is None else "=" + _escape(value, _PARAM_SAFE))
            for name, value in self.params
        )
        headers = "&".join(
            f"{_escape(name, _HEADER_SAFE)}={_escape(value, _HEADER_SAFE)}" for name, value in self.headers
        )
        address = write_host_port(self.host, self.port)
        return f"{self.scheme}:{userinfo}{address}{params}{'?' if headers else ''}{headers}"

    def param(self, name: str) -> str | None:
        """Value of the parameter ``name`` (any case); ``None`` when absent or without value."""
        name = name.lower()
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None

    def has_param(self, name: str) -> bool:
        """Whether the parameter ``name`` (any case) is there, with a value or without (``lr``)."""
        return has_param(self.params, name)

    @property
    def transport(self) -> str | None:
        """The ``transport`` parameter in lower case, ``None`` when absent."""
        value = self.param("transport")
        return value.lower() if value else None

    def with_params(self, **changes: str | None) -> SipUri:
        """A copy with each parameter set or replaced; ``None`` as value writes the bare name."""
        return replace(self, params=change_params(self.params, changes))

    def without_params(self, *names: str) -> SipUri:
        """A copy without the named parameters."""
        return replace(self, params=drop_params(self.params, names))

    def replace(self, **changes: Any) -> SipUri:
        """A copy with the given fields changed."""
        return replace(self, **changes)

    def equivalent(self, other: object) -> bool:
        """Whether both URIs mean the same resource (RFC 3261 §19.1.4). A default port written out is a difference."""
        if not isinstance(other, SipUri):
            return False
        if (self.scheme, self.user, self.password, self.port) != (other.scheme, other.user, other.password, other.port):
            return False
        if not _same_host(self.host, other.host):
            return False
        mine, theirs = _folded(self.params), _folded(other.params)
        if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
            return False
        if any((name in mine) != (name in theirs) for name in _SIGNIFICANT_PARAMS):
            return False
        return sorted((n.lower(), v) for n, v in self.headers) == sorted((n.lower(), v) for n, v in other.headers)


@dataclass(frozen=True, slots=True)
class OtherUri:
    """A URI of another scheme (``tel:``, ``urn:``, unknown ones): the scheme in lower case, the rest as sent."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        text = f"{self.scheme}:{self.rest}"
        if not _is_scheme(self.scheme) or not _is_opaque_text(self.rest):
            raise LocalProtocolError(f"not a URI: {text!r}")
        return text


Uri: TypeAlias = SipUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Parse a URI of any scheme.

    Raises SipParseError on white space, control characters, brackets, and a SIP URI that is malformed.
    """
    # The messages of one dialog repeat the same few URIs; the values are immutable, so they may share one object.
    return _recall(text) if len(text) <= RECALLED_CHARS else _parse(text)


def _parse(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if scheme != "sip":
        scheme = scheme.lower()
    if scheme in _SIP_SCHEMES:
        return _parse_sip(scheme, rest, text)
    if not colon or not _is_scheme(scheme) or not _is_opaque_text(rest):
        raise SipParseError("Malformed URI")
    return OtherUri(scheme, rest)


_recall = lru_cache(RECALLED_URIS)(_parse)


def _parse_sip(scheme: str, rest: str, text: str) -> SipUri:
    """Parse ``rest``, what follows the scheme in ``text``."""
    if not _is_uri_text(rest):
        raise SipParseError("Character not allowed in a SIP URI")
    user = password = None
    before, at, after = rest.partition("@")
    if at:
        user, colon, secret = before.partition(":")
        if not user:
            raise SipParseError("Empty user part in a SIP URI")
        if colon:
            password = _unescape(secret) if "%" in secret else secret
        if "%" in user:
            user = _unescape(user)
        rest = after
    # The first "@" ends the user part; a second one, or "#" outside of it, would leave open which host is meant.
    if "@" in rest or "#" in rest:
        raise SipParseError("Character not allowed in a SIP URI")
    rest, question, header_text = rest.partition("?")
    address, semicolon, param_text = rest.partition(";")
    host, port = parse_host_port(address)
    uri = SipUri(
        scheme,
        user,
        password,
        host,
        port,
        _parse_params(param_text) if semicolon else (),
        _parse_headers(header_text) if question else (),
    )
    if ":::" not in text:
        object.__setattr__(uri, "_text", text)
    return uri


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Split ``host``, ``host:port`` or ``[IPv6]:port``; the host comes without brackets. Raises SipParseError."""
    if text[:1] == "[":
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and rest[0] != ":"):
            raise SipParseError("Malformed IPv6 reference")
        # RFC 5118 §4.10: RFC 3261's grammar lets a third colon through, so it is sent; the address without it is meant.
        host = host.replace(":::", "::", 1)
        _check_ipv6(host)
        colon, port_text = rest[:1], rest[1:]
    else:
        host, colon, port_text = text.partition(":")
        if not _is_host(host):
            raise SipParseError("Malformed host")
    if not colon:
        return host, None
    if not (port_text.isascii() and port_text.isdigit()) or len(port_text) > 5 or not 0 < int(port_text) < 65536:
        raise SipParseError("Malformed port")
    return host, int(port_text)


def write_host_port(host: str, port: int | None) -> str:
    """The inverse of :func:`parse_host_port`; raises LocalProtocolError when ``host`` or ``port`` cannot be one."""
    if ":" in host:
        try:
            _check_ipv6(host)
        except SipParseError as error:
            raise LocalProtocolError(f"not a host: {host!r}") from error
        host = f"[{host}]"
    elif not _is_host(host):
        raise LocalProtocolError(f"not a host: {host!r}")
    if port is None:
        return host
    if not 0 < port < 65536:
        raise LocalProtocolError(f"not a port: {port!r}")
    return f"{host}:{port}"


def _check_ipv6(host: str) -> None:
    try:
        if "%" not in host:
            ipaddress.IPv6Address(host)
            return
    except ValueError:
        pass
    raise SipParseError("Malformed IPv6 address")


def _same_host(one: str, other: str) -> bool:
    """Host equality: names in any case, IPv6 in any spelling (RFC 5954 §4.2)."""
    if ":" in one and ":" in other:
        try:
            return ipaddress.IPv6Address(one) == ipaddress.IPv6Address(other)
        except ValueError:
            return False
    return one.lower() == other.lower()


def _parse_params(text: str) -> Params:
    params: list[tuple[str, str | None]] = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not name:
            raise SipParseError("Empty parameter in a SIP URI")
        if "%" in part:
            name, value = _unescape(name), _unescape(value)
        params.append((name, value if equals else None))
    return tuple(params)


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    headers = []
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise SipParseError("Malformed header in a SIP URI")
        headers.append((_unescape(name), _unescape(value)))
    return tuple(headers)


def _unescape(text: str) -> str:
    """Undo ``%HH``. The octets have to be UTF-8, so that no text made from them can fail to be written as UTF-8."""
    if _find_bad_escape(text):
        raise SipParseError("Malformed escape in a SIP URI")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise SipParseError("Escape in a SIP URI is not UTF-8") from error


def _escape(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")


def _folded(params: Iterable[tuple[str, str | None]]) -> dict[str, str | None]:
    return {name.lower(): value.lower() if value is not None else None for name, value in params}
