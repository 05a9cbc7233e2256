"""Typed values of the header fields that the protocol acts on: Via, CSeq, and the addresses of From, Contact, routes.

Each class has a ``parse`` and a ``str`` that mirror each other (RFC 3261 §20, §25.1). A value that does not parse is a
SipParseError with the name of the field. Authentication values are :mod:`sip.digest`'s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sip.errors import LocalProtocolError, SipParseError
from sip.grammar import (
    WS,
    Params,
    change_params,
    closing_quote,
    drop_params,
    get_param,
    has_param,
    is_token,
    parse_params,
    quote,
    split_list,
    strip_controls,
    unquote,
    write_params,
)
from sip.uri import RECALLED_CHARS, Uri, parse_host_port, parse_uri, write_host_port

MAGIC_COOKIE = "z9hG4bK"
"""How the branch of an RFC 3261 client begins (§8.1.1.7)."""

CSEQ_LIMIT = 2**31
"""CSeq numbers are below it (RFC 3261 §8.1.1.5)."""

MAX_DIGITS = 10
"""Digits of the largest number a header field may hold, 2**32-1."""

RECALLED_VALUES = 2048
"""Values of header fields whose meaning is remembered: those of one dialog, one peer or one number come again. Longer
ones than `RECALLED_CHARS` are parsed each time, so that nobody can fill the memory with them."""

_TRANSPORTS = frozenset({"UDP", "TCP", "TLS", "WS", "WSS"})

# Unquoted display names in the wild hold more than tokens; these would leave open where the address begins.
_find_display_fault = re.compile(r'["<>,;\\\x00-\x08\x0a-\x1f\x7f]').search
_is_call_id = re.compile(r"[!-~]+").fullmatch


@dataclass(frozen=True, slots=True)
class NameAddr:
    """One value of From, To, Contact, Route or Record-Route: a display name or ``None``, a URI, header parameters.

    ``display`` is unquoted and free of control characters. ``params`` belong to the header field, not to the URI
    (RFC 3261 §20.10).
    """

    display: str | None
    uri: Uri
    params: Params = ()

    @classmethod
    def parse(cls, value: str, field: str = "name-addr") -> NameAddr:
        """Parse one ``name-addr`` or ``addr-spec`` with its parameters."""
        return _recall_address(value, field) if len(value) <= RECALLED_CHARS else cls._parse(value, field)

    @classmethod
    def _parse(cls, value: str, field: str) -> NameAddr:
        if value[:1] == '"':
            end = closing_quote(value, 0, field)
            display = strip_controls(unquote(value[1:end]))
            rest = value[end + 1 :].lstrip(WS)
            if rest[:1] != "<":
                raise SipParseError("Display name without an address", field=field)
            opening = len(value) - len(rest)
        else:
            opening = value.find("<")
            # A quote before the bracket: it stands inside a parameter's quoted string.
            if opening < 0 or '"' in value[:opening]:
                return cls._parse_bare(value, field)
            display = value[:opening].strip(WS)
            if display and _find_display_fault(display):
                raise SipParseError("Malformed display name", field=field)
        closing = value.find(">", opening)
        if closing < 0:
            raise SipParseError("Unbalanced angle bracket", field=field)
        return cls(
            display or None, _uri(value[opening + 1 : closing], field), _tagged_params(value[closing + 1 :], field)
        )

    @classmethod
    def _parse_bare(cls, value: str, field: str) -> NameAddr:
        """Parse the form without brackets, where every parameter is the header field's (RFC 3261 §20.10)."""
        address, semicolon, rest = value.partition(";")
        address = address.strip(WS)
        if "?" in address or "," in address:
            raise SipParseError("URI needs angle brackets", field=field)
        return cls(None, _uri(address, field), _tagged_params(semicolon + rest, field))

    def __str__(self) -> str:
        address = f"<{self.uri}>{write_params(self.params)}"
        return f"{quote(self.display)} {address}" if self.display else address

    @property
    def tag(self) -> str | None:
        """The ``tag`` parameter."""
        for name, value in self.params:
            if name == "tag" or name.lower() == "tag":
                return value
        return None

    def param(self, name: str) -> str | None:
        """Value of the header parameter ``name`` (any case), unquoted; ``None`` when absent or without value."""
        return get_param(self.params, name)

    def has_param(self, name: str) -> bool:
        """Whether the header parameter ``name`` (any case) is there, with a value or without."""
        return has_param(self.params, name)

    def with_params(self, **changes: str | None) -> NameAddr:
        """A copy with each header parameter set or replaced; ``None`` as value writes the bare name."""
        return replace(self, params=change_params(self.params, changes))

    def without_params(self, *names: str) -> NameAddr:
        """A copy without the named header parameters."""
        return replace(self, params=drop_params(self.params, names))

    def with_tag(self, tag: str) -> NameAddr:
        """A copy with this tag."""
        return self.with_params(tag=tag)


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (RFC 3261 §20.42): ``transport`` in upper case, ``host`` without brackets, ``port`` if sent."""

    protocol: str
    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, value: str, field: str = "Via") -> Via:
        """Parse one Via value; white space around slashes, colon and parameters is accepted as the grammar has it."""
        if value[:8] == "SIP/2.0/":
            protocol, rest = "SIP/2.0", value[8:].lstrip(WS)
        else:
            name, _, rest = value.partition("/")
            version, _, rest = rest.partition("/")
            name, version, rest = name.strip(WS).upper(), version.strip(WS), rest.lstrip(WS)
            if not is_token(name) or not is_token(version):
                raise SipParseError("Malformed protocol", field=field)
            protocol = f"{name}/{version}"
        sent, semicolon, param_text = rest.partition(";")
        if "\t" in sent:
            sent = sent.replace("\t", " ")
        transport, _, address = sent.partition(" ")
        if transport not in _TRANSPORTS:
            if not is_token(transport):
                raise SipParseError("Malformed transport", field=field)
            transport = transport.upper()
        address = address.strip(" ")
        if " " in address:
            address = ":".join([part.strip(" ") for part in address.split(":")])
        try:
            host, port = parse_host_port(address)
        except SipParseError as error:
            raise SipParseError(error.reason, field=field) from None
        params = parse_params(semicolon + param_text, field)
        if len(params) > 1 and [name.lower() for name, _ in params].count("branch") > 1:
            raise SipParseError("More than one branch", field=field)
        return cls(protocol, transport, host, port, params)

    def __str__(self) -> str:
        if not is_token(self.transport):
            raise LocalProtocolError(f"not a transport: {self.transport!r}")
        return f"{self.protocol}/{self.transport} {write_host_port(self.host, self.port)}{write_params(self.params)}"

    def param(self, name: str) -> str | None:
        """Value of the parameter ``name`` (any case), unquoted; ``None`` when absent or without value."""
        return get_param(self.params, name)

    def has_param(self, name: str) -> bool:
        """Whether the parameter ``name`` (any case) is there, with a value or without."""
        return has_param(self.params, name)

    @property
    def branch(self) -> str | None:
        """The ``branch`` parameter; compare it with :data:`MAGIC_COOKIE` before relying on it."""
        return get_param(self.params, "branch")

    @property
    def received(self) -> str | None:
        """The ``received`` address without brackets, which RFC 5118 §4.5 asks to tolerate."""
        value = get_param(self.params, "received")
        return value[1:-1] if value and value[0] == "[" and value[-1] == "]" else value

    @property
    def rport(self) -> int | None:
        """The port in ``rport``; ``None`` when absent, empty or no port. See :attr:`wants_rport`."""
        value = get_param(self.params, "rport")
        if not value or not (value.isascii() and value.isdigit()) or len(value) > 5:
            return None
        port = int(value)
        return port if 0 < port < 65536 else None

    @property
    def wants_rport(self) -> bool:
        """Whether ``rport`` is there, with a value or without: the client asks for symmetric routing (RFC 3581 §3)."""
        return has_param(self.params, "rport")

    def with_params(self, **changes: str | None) -> Via:
        """A copy with each parameter set or replaced; ``None`` as value writes the bare name."""
        return replace(self, params=change_params(self.params, changes))

    def without_params(self, *names: str) -> Via:
        """A copy without the named parameters."""
        return replace(self, params=drop_params(self.params, names))


@dataclass(frozen=True, slots=True)
class CSeq:
    """The sequence number and the method it belongs to (RFC 3261 §20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, value: str) -> CSeq:
        """Parse ``number method``; the number is below 2**31."""
        return _recall_cseq(value) if len(value) <= RECALLED_CHARS else cls._parse(value)

    @classmethod
    def _parse(cls, value: str) -> CSeq:
        if "\t" in value:
            value = value.replace("\t", " ")
        number, _, method = value.partition(" ")
        method = method.strip(" ")
        if not is_token(method):
            raise SipParseError("Malformed CSeq", field="CSeq")
        return cls(parse_number(number, "CSeq", CSEQ_LIMIT - 1), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_recall_address = functools.lru_cache(RECALLED_VALUES)(NameAddr._parse)
_recall_cseq = functools.lru_cache(RECALLED_VALUES)(CSeq._parse)


def parse_call_id(value: str) -> str:
    """Check a Call-ID: visible ASCII without white space, which is little more than RFC 3261 §25.1 allows."""
    if not _is_call_id(value):
        raise SipParseError("Malformed Call-ID", field="Call-ID")
    return value


def parse_number(value: str, field: str, maximum: int) -> int:
    """Parse a decimal header value from 0 to ``maximum``."""
    if not (value.isascii() and value.isdigit()):
        raise SipParseError("Malformed number", field=field)
    # Leading zeros are legal; counting digits keeps int() off very long ones.
    if len(value) > MAX_DIGITS:
        value = value.lstrip("0") or "0"
    if len(value) > MAX_DIGITS or int(value) > maximum:
        raise SipParseError("Number out of range", field=field)
    return int(value)


def parse_max_forwards(lines: Sequence[str]) -> int:
    """The one Max-Forwards value, 0 to 255 (RFC 3261 §20.22)."""
    if len(lines) != 1:
        raise SipParseError("Repeated header field", field="Max-Forwards")
    return parse_number(lines[0], "Max-Forwards", 255)


def parse_vias(lines: Iterable[str]) -> list[Via]:
    """All Via values of a message, top first."""
    return [Via.parse(value) for line in lines for value in split_list(line, "Via")]


def parse_addresses(lines: Iterable[str], field: str) -> list[NameAddr]:
    """All values of a list header field such as Route, in order."""
    return [NameAddr.parse(value, field) for line in lines for value in split_list(line, field)]


def _uri(text: str, field: str) -> Uri:
    try:
        return parse_uri(text)
    except SipParseError as error:
        raise SipParseError(error.reason, field=field) from None


def _tagged_params(text: str, field: str) -> Params:
    """Header parameters. With two tags or an empty one, two sides may disagree about which dialog is meant."""
    if not text:
        return ()
    params = parse_params(text, field)
    tagged = False
    for name, value in params:
        if name == "tag" or name.lower() == "tag":
            if tagged or not value or value[0] == '"':
                raise SipParseError("Malformed tag", field=field)
            tagged = True
    return params
