"""SIP messages from bytes (RFC 3261 §7, §18.3), and the public face of the message classes in :mod:`sip.model`.

One call parses one datagram, or one message that a stream framer has cut out. Everything that every element acts on is
checked here, once; header fields beyond that are kept as text, whatever they say.
"""

from __future__ import annotations

import re
from typing import Any

from sip.errors import SipParseError
from sip.fields import (
    CSeq,
    NameAddr,
    Via,
    parse_addresses,
    parse_call_id,
    parse_max_forwards,
    parse_number,
    parse_vias,
)
from sip.framing import decode_head, has_bare_control, is_keepalive, split_head, unfold
from sip.grammar import WS, find_control, is_token
from sip.headers import Headers
from sip.limits import DEFAULT_LIMITS, MessageLimits
from sip.model import KNOWN_METHODS, REASONS, Message, Request, Response, response_to
from sip.names import KNOWN_SPELLINGS, canonical_name, index_key
from sip.partial import partial_request
from sip.uri import OtherUri, SipUri, Uri, parse_uri

__all__ = [
    "DEFAULT_LIMITS",
    "KNOWN_METHODS",
    "REASONS",
    "CSeq",
    "Headers",
    "Message",
    "MessageLimits",
    "NameAddr",
    "OtherUri",
    "Request",
    "Response",
    "SipParseError",
    "SipUri",
    "Uri",
    "Via",
    "is_keepalive",
    "parse_message",
    "response_to",
]

_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")

_LINE_ENDS = frozenset({b"\r", b"\n"})

_is_version = re.compile(r"[Ss][Ii][Pp]/[0-9]{1,4}\.[0-9]{1,4}").fullmatch


def parse_message(data: bytes, limits: MessageLimits = DEFAULT_LIMITS, *, stream: bool = False) -> Request | Response:
    """Parse one message; raises SipParseError and nothing else.

    In a datagram, octets beyond Content-Length are ignored, and a body without Content-Length reaches to the end
    (RFC 3261 §18.3). With ``stream``, Content-Length is required (§20.14).

    The typed views ``via``, ``from_``, ``to``, ``call_id``, ``cseq``, ``contacts``, ``route``, ``record_route`` and, of
    a request, ``max_forwards`` have been made already and do not raise. A CSeq that names another method is refused
    with 400, or with 501 where the method of the request is unknown (RFC 4475 §3.1.2.18).

    A faulty request that can be answered comes as ``partial`` of the error, for :func:`response_to`: its method, a
    ``top_via`` that parses, and of From, To, Call-ID and CSeq what there was, as text. Its other views may raise.
    """
    if data[:1] in _LINE_ENDS:
        data = data.lstrip(b"\r\n")
    try:
        return _parse(data, limits, stream)
    except SipParseError as error:
        error.partial = partial_request(data, limits)
        raise


def _parse(data: bytes, limits: MessageLimits, stream: bool) -> Request | Response:
    if len(data) > limits.message_bytes:
        raise SipParseError("Message Too Large", status=513, framing=True)
    head, body_start = split_head(data)
    if body_start < 0:
        raise SipParseError("Header fields do not end", framing=True)
    if has_bare_control(head):
        raise SipParseError("Control character in a header field")
    lines = decode_head(head).split("\n")
    if b"\n " in head or b"\n\t" in head:
        lines = unfold(lines, limits.header_bytes)
    if len(head) > limits.header_bytes and any(len(line.encode()) > limits.header_bytes for line in lines[1:]):
        raise SipParseError("Header field too long")
    start_line = lines.pop(0)
    items, index = _parse_lines(lines, limits)
    # Every further value of a list costs a comma or a line, so most messages need no closer look.
    if head.count(b",") + len(items) > limits.list_values:
        _check_lists(index, limits)
    headers = Headers.trusted(items, index)
    message: Request | Response
    if start_line[:4].upper() == "SIP/":
        message = _parse_status_line(start_line, headers)
    else:
        message = _parse_request_line(start_line, headers, limits)
    message.body = _cut_body(data, body_start, index.get("Content-Length"), stream)
    message.adopt(_make_views(message, index))
    return message


def _parse_lines(lines: list[str], limits: MessageLimits) -> tuple[list[tuple[str, str]], dict[str, tuple[str, ...]]]:
    """Items and index of a Headers from header lines without folding."""
    if len(lines) > limits.headers:
        raise SipParseError("Too many header fields")
    items: list[tuple[str, str]] = []
    index: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise SipParseError("Header line without a colon")
        key = KNOWN_SPELLINGS.get(name)
        if key is not None:
            name = key
        else:
            name = canonical_name(name.rstrip(WS))
            if not is_token(name):
                raise SipParseError("Malformed header field name")
            key = index_key(name)
        value = value.strip(WS)
        items.append((name, value))
        if key in index:
            index[key] = (*index[key], value)
        else:
            index[key] = (value,)
    return items, index


def _parse_request_line(line: str, headers: Headers, limits: MessageLimits) -> Request:
    parts = line.split(" ")
    if len(parts) != 3 or not is_token(parts[0]):
        raise SipParseError("Malformed request line")
    method, target, version = parts
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        if _is_version(version):
            raise SipParseError("Version Not Supported", status=505)
        raise SipParseError("Malformed request line")
    if len(target) > limits.uri_bytes:
        raise SipParseError("Request-URI Too Long", status=414)
    try:
        uri = parse_uri(target)
    except SipParseError as error:
        raise SipParseError(error.reason, field="Request-URI") from None
    if isinstance(uri, SipUri) and uri.headers:
        raise SipParseError("Header fields in the Request-URI", field="Request-URI")
    return Request(method, uri, headers)


def _parse_status_line(line: str, headers: Headers) -> Response:
    version, _, rest = line.partition(" ")
    if version.upper() != "SIP/2.0":
        raise SipParseError("Version Not Supported", status=505)
    code, _, reason = rest.partition(" ")
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or not "1" <= code[0] <= "6":
        raise SipParseError("Malformed status line")
    if find_control(reason):
        raise SipParseError("Control character in the reason phrase")
    return Response(int(code), reason, headers)


def _cut_body(data: bytes, start: int, lengths: tuple[str, ...] | None, stream: bool) -> bytes:
    if lengths is None:
        if stream:
            raise SipParseError("Missing Content-Length", field="Content-Length", framing=True)
        return data[start:]
    if len(lengths) > 1 and len(set(lengths)) > 1:
        raise SipParseError("Conflicting lengths", field="Content-Length", framing=True)
    try:
        length = parse_number(lengths[0], "Content-Length", len(data))
    except SipParseError as error:
        error.framing = True
        raise
    if start + length > len(data):
        raise SipParseError("Body shorter than announced", field="Content-Length", framing=True)
    return data[start : start + length]


def _check_lists(index: dict[str, tuple[str, ...]], limits: MessageLimits) -> None:
    for field in ("Via", "Contact", "Route", "Record-Route"):
        if sum(line.count(",") + 1 for line in index.get(field, ())) > limits.list_values:
            raise SipParseError("Too many values", field=field)


def _make_views(message: Request | Response, index: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Check what every element acts on; what that parses becomes the views of the message."""
    for field in _MANDATORY:
        lines = index.get(field, ())
        if len(lines) != 1 and (field != "Via" or not lines):
            raise SipParseError("Repeated header field" if lines else "Missing header field", field=field)
    views: dict[str, Any] = {
        "Via": parse_vias(index["Via"]),
        "From": NameAddr.parse(index["From"][0], "From"),
        "To": NameAddr.parse(index["To"][0], "To"),
        "Call-ID": parse_call_id(index["Call-ID"][0]),
        "CSeq": CSeq.parse(index["CSeq"][0]),
    }
    for field in ("Contact", "Route", "Record-Route"):
        if field in index and (field != "Contact" or index[field] != ("*",)):
            views[field] = parse_addresses(index[field], field)
    if isinstance(message, Response):
        return views
    if "Max-Forwards" in index:
        views["Max-Forwards"] = parse_max_forwards(index["Max-Forwards"])
    if views["CSeq"].method != message.method:
        if message.method in KNOWN_METHODS:
            raise SipParseError("CSeq names another method", field="CSeq")
        raise SipParseError("Not Implemented", status=501)
    return views
