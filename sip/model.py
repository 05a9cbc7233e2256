"""Requests and responses: header fields with typed views, bytes, the response to a request (RFC 3261 §7, §8.2.6).

They are made here or by :func:`sip.message.parse_message`. What to send and where is decided above.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sip.errors import LocalProtocolError, SipParseError
from sip.fields import CSeq, NameAddr, Via, parse_addresses, parse_call_id, parse_max_forwards, parse_vias
from sip.grammar import WS, find_control, is_token, split_list
from sip.headers import Headers
from sip.reasons import REASONS, reason_phrase
from sip.uri import Uri

__all__ = ["KNOWN_METHODS", "REASONS", "Message", "Request", "Response", "response_to"]

KNOWN_METHODS = frozenset(
    {
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    }
)
"""Methods with an RFC behind them; any other gets 501 (RFC 3261 §21.5.2)."""

EXPIRES = 2**32 - 1

# RFC 3261 §12.1.1, RFC 6665 §4.4.1, RFC 3515 §2.4.4: requests whose answer may establish a dialog.
_DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})

_COPIED = frozenset({"Via", "From", "Call-ID", "CSeq"})

_T = TypeVar("_T")


class Message(ABC):
    """What requests and responses share.

    ``headers`` may be changed at any time: a typed view is kept with them until its field changes. A view raises
    SipParseError when its field is missing or malformed, which the parser rules out for the messages it returns.
    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body

    def _parse(self, field: str, parse: Callable[[tuple[str, ...], str], _T]) -> _T:
        value = parse(self.headers.lines(field), field)
        self.headers.views[field] = value
        return value

    def _typed(self, field: str, parse: Callable[[tuple[str, ...], str], _T]) -> _T:
        value: _T | None = self.headers.views.get(field)
        return self._parse(field, parse) if value is None else value

    def adopt(self, views: dict[str, Any]) -> None:
        """Take over views that the parser has made already, by field."""
        self.headers.views = views

    @property
    def via(self) -> list[Via]:
        """All Via values, top first."""
        return list(self._typed("Via", _parse_vias))

    @property
    def top_via(self) -> Via:
        """The first Via value: the hop that sent this request, or the client that a response goes to."""
        vias: list[Via] | None = self.headers.views.get("Via")
        return self._parse("Via", _parse_vias)[0] if vias is None else vias[0]

    def set_top_via(self, via: Via) -> None:
        """Replace the first Via value, as a server does to add ``received`` and ``rport`` (RFC 3261 §18.2.1)."""
        vias = self._typed("Via", _parse_vias)
        lines = self.headers.lines("Via")
        rest = split_list(lines[0], "Via")[1:]
        self.headers.set_all("Via", [", ".join([str(via), *rest]), *lines[1:]])
        self.headers.views["Via"] = [via, *vias[1:]]

    @property
    def from_(self) -> NameAddr:
        """The From value."""
        value: NameAddr | None = self.headers.views.get("From")
        return self._parse("From", _parse_address) if value is None else value

    @property
    def to(self) -> NameAddr:
        """The To value."""
        value: NameAddr | None = self.headers.views.get("To")
        return self._parse("To", _parse_address) if value is None else value

    @property
    def call_id(self) -> str:
        """The Call-ID, compared octet by octet (RFC 3261 §20.8)."""
        value: str | None = self.headers.views.get("Call-ID")
        return self._parse("Call-ID", _parse_call_id) if value is None else value

    @property
    def cseq(self) -> CSeq:
        """The CSeq number and method."""
        value: CSeq | None = self.headers.views.get("CSeq")
        return self._parse("CSeq", _parse_cseq) if value is None else value

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values; empty when there are none and for ``*``, see :attr:`contact_wildcard`."""
        return list(self._typed("Contact", _parse_contacts))

    @property
    def contact_wildcard(self) -> bool:
        """Whether Contact is ``*``: a REGISTER that removes all bindings (RFC 3261 §10.2.2)."""
        return self.headers.lines("Contact") == ("*",)

    @property
    def route(self) -> list[NameAddr]:
        """All Route values, in order."""
        return list(self._typed("Route", _parse_addresses))

    @property
    def record_route(self) -> list[NameAddr]:
        """All Record-Route values, in order of the header fields."""
        return list(self._typed("Record-Route", _parse_addresses))

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255; ``None`` when absent, as in requests of RFC 2543."""
        return self._typed("Max-Forwards", _parse_max_forwards)

    @property
    def content_type(self) -> str | None:
        """The body's media type without parameters, in lower case; ``None`` when absent."""
        value = self.headers.get("Content-Type")
        return None if value is None else "".join(value.partition(";")[0].split()).lower()

    @property
    def expires(self) -> int | None:
        """Expires in seconds, cut at 2**32-1; ``None`` when absent or malformed (RFC 3261 §20.19)."""
        return self._typed("Expires", _parse_expires)

    @property
    def supported(self) -> frozenset[str]:
        """Option tags of Supported, in lower case."""
        return frozenset(tag.lower() for tag in self._typed("Supported", _parse_tokens))

    @property
    def require(self) -> tuple[str, ...]:
        """Option tags of Require as sent, in order: unknown ones go back in Unsupported (RFC 3261 §8.2.2.3)."""
        return self._typed("Require", _parse_tokens)

    @property
    def allow(self) -> frozenset[str]:
        """Methods of Allow; empty when absent, which says nothing (RFC 3261 §20.5)."""
        return frozenset(self._typed("Allow", _parse_tokens))

    @abstractmethod
    def _start_line(self) -> str:
        """The request line or the status line."""

    def __bytes__(self) -> bytes:
        """The message as sent: UTF-8, with a Content-Length that is right whatever the headers say."""
        start_line = self._start_line()
        if find_control(start_line):
            raise LocalProtocolError(f"control character in the start line {start_line!r}")
        lines = [start_line]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode() + self.body


class Request(Message):
    """A request. ``uri`` is the Request-URI."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: Uri, headers: Headers, body: bytes = b"") -> None:
        if not is_token(method):
            raise LocalProtocolError(f"not a method: {method!r}")
        super().__init__(headers, body)
        self.method = method
        self.uri = uri

    def __repr__(self) -> str:
        try:
            uri = str(self.uri)
        except LocalProtocolError:
            uri = repr(self.uri)
        return f"<Request {self.method} {uri}, {len(self.headers)} header lines, {len(self.body)} octets of body>"

    def _start_line(self) -> str:
        return f"{self.method} {self.uri} SIP/2.0"

    def build_response(
        self,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """See :func:`response_to`."""
        return response_to(self, status, reason, to_tag=to_tag, headers=headers)


class Response(Message):
    """A response. ``reason`` may be empty."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        if not 100 <= status <= 699:
            raise LocalProtocolError(f"not a status code: {status!r}")
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.headers)} header lines, {len(self.body)} octets of body>"

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """The response to ``request`` with its Via, From, To, Call-ID and CSeq (RFC 3261 §8.2.6.2).

    ``to_tag`` is added to To unless that has a tag or the status is 100. Record-Route is copied into a 1xx or 2xx that
    may establish a dialog (§12.1.1), Timestamp into a 100 (§8.2.6.1). ``headers`` follow; a bad one is
    LocalProtocolError. The partial request of a SipParseError will do: what that lacks, the response lacks.
    """
    items: list[tuple[str, str]] = []
    record_route = 100 < status < 300 and request.method in _DIALOG_METHODS
    for item in request.headers:
        name = item[0]
        if name in _COPIED:
            items.append(item)
        elif name == "To":
            if to_tag is None or status == 100 or has_tag(request):
                items.append(item)
                continue
            if not is_token(to_tag):
                raise LocalProtocolError(f"not a tag: {to_tag!r}")
            items.append((name, f"{item[1]};tag={to_tag}"))
        elif (record_route and name == "Record-Route") or (status == 100 and name == "Timestamp"):
            items.append(item)
    response_headers = Headers.trusted(items)
    for name, value in headers:
        response_headers.add(name, value)
    return Response(status, reason_phrase(status) if reason is None else reason, response_headers)


def has_tag(request: Request) -> bool:
    """Whether To has a tag; also for the partial request of a SipParseError."""
    try:
        return request.to.tag is not None
    except SipParseError:
        # To of a partial request: a second tag would not make it better.
        return ";tag=" in "".join((request.headers.get("To") or "").lower().split())


def _only(lines: tuple[str, ...], field: str) -> str:
    """The value of a field that stands exactly once."""
    if len(lines) != 1:
        raise SipParseError("Missing header field" if not lines else "Repeated header field", field=field)
    return lines[0]


def _parse_vias(lines: tuple[str, ...], field: str) -> list[Via]:
    if not lines:
        raise SipParseError("Missing header field", field=field)
    return parse_vias(lines)


def _parse_address(lines: tuple[str, ...], field: str) -> NameAddr:
    return NameAddr.parse(_only(lines, field), field)


def _parse_addresses(lines: tuple[str, ...], field: str) -> list[NameAddr]:
    return parse_addresses(lines, field)


def _parse_contacts(lines: tuple[str, ...], field: str) -> list[NameAddr]:
    return [] if lines == ("*",) else parse_addresses(lines, field)


def _parse_call_id(lines: tuple[str, ...], field: str) -> str:
    return parse_call_id(_only(lines, field))


def _parse_cseq(lines: tuple[str, ...], field: str) -> CSeq:
    return CSeq.parse(_only(lines, field))


def _parse_max_forwards(lines: tuple[str, ...], _field: str) -> int | None:
    return parse_max_forwards(lines) if lines else None


def _parse_expires(lines: tuple[str, ...], _field: str) -> int | None:
    value = lines[0] if lines else ""
    if not (value.isascii() and value.isdigit()):
        return None
    digits = value.lstrip("0")
    return min(int(digits or "0"), EXPIRES) if len(digits) <= 10 else EXPIRES


def _parse_tokens(lines: tuple[str, ...], _field: str) -> tuple[str, ...]:
    return tuple(token for line in lines for part in line.split(",") if (token := part.strip(WS)))
