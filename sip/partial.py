"""What is left of a faulty request for an answer: 400 and its like need no more than Via, From, To, Call-ID and CSeq.

Read as leniently as possible, because :mod:`sip.message` has refused the request already.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from sip.errors import SipParseError
from sip.fields import Via
from sip.framing import decode_head, has_bare_control, split_head, unfold
from sip.grammar import WS, Params, is_token, parse_params, split_list
from sip.headers import Headers
from sip.limits import MessageLimits
from sip.model import Request
from sip.names import canonical_name
from sip.uri import OtherUri, Uri, parse_uri

NO_URI = OtherUri("invalid", "invalid")
"""Request-URI of a partial request whose own does not parse."""

REPAIRED_PARAMS = 32
"""Parameters of a malformed Via that are looked at: the rest is dropped, since trying each costs an exception."""

_ECHOED = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})


def partial_request(data: bytes, limits: MessageLimits) -> Request | None:
    """The request for :func:`sip.model.response_to`; ``None`` for a response, or when no Via says where to answer.

    ``data`` begins with the start line. Of a field that stands more than once the first is taken. Via values beyond
    repair are left out; From, To, Call-ID and CSeq come as they are, their typed views may raise.
    """
    head, _ = split_head(data[: limits.message_bytes])
    lines = decode_head(head).split("\n")[: limits.headers + 1]
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rstrip(WS).rpartition(" ")
    if not is_token(method) or version[:4].upper() != "SIP/":
        return None
    # Where this fails, continuations match no name below, and the fields they belong to are cut.
    with suppress(SipParseError):
        lines = unfold(lines, limits.header_bytes)
    vias: list[str] = []
    tried = 0
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = canonical_name(name.rstrip(WS))
        if name not in _ECHOED:
            continue
        value = value.strip(WS)
        if not value or len(value) > limits.header_bytes or has_bare_control(value.encode()):
            continue
        if name == "Via":
            texts = _split_vias(value)[: limits.list_values - tried]
            tried += len(texts)
            vias += [usable for text in texts if (usable := _usable_via(text)) is not None]
        else:
            fields.setdefault(name, value)
    if not vias:
        return None
    items = [("Via", via) for via in vias]
    items += fields.items()
    return Request(method, _uri_or_placeholder(target), Headers.trusted(items))


def _split_vias(value: str) -> list[str]:
    try:
        return split_list(value, "Via")
    except SipParseError:
        return [value.partition(",")[0]]


def _usable_via(text: str) -> str | None:
    """One Via value as it is, or else without the parameters that do not parse."""
    try:
        Via.parse(text)
        return text
    except SipParseError:
        pass
    sent, *parts = text.split(";")
    try:
        via = Via.parse(sent)
    except SipParseError:
        return None
    kept: Params = ()
    names: set[str] = set()
    for part in parts[:REPAIRED_PARAMS]:
        try:
            params = parse_params(f";{part}", "Via")
        except SipParseError:
            continue
        if params[0][0].lower() not in names:
            names.add(params[0][0].lower())
            kept += params
    return str(replace(via, params=kept))


def _uri_or_placeholder(text: str) -> Uri:
    try:
        return parse_uri(text)
    except SipParseError:
        return NO_URI
