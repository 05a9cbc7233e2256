"""Reading session descriptions (RFC 8866 §5, §9) from anyone on the internet.

Lenient where phones are sloppy: LF line ends, no `s=` or `t=`, blank lines, any order of lines within a section,
unknown line types, a last line cut short. Lines without meaning for a call (`i= u= e= p= r= z= k=`) are not kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sip.errors import SipParseError
from sip.sdp.address import IP4, IP6, address_kind
from sip.sdp.description import Attribute, Connection, MediaDescription, Origin, SessionDescription, address_type_of

MAX_SDP_BYTES: Final = 16384
MAX_SDP_LINES: Final = 256
MAX_SDP_LINE: Final = 2048
MAX_SDP_ATTRIBUTES: Final = 192
MAX_SDP_MEDIA: Final = 16
MAX_SDP_FORMATS: Final = 128  # as many as RTP has payload types


@dataclass(frozen=True, slots=True)
class SdpLimits:
    """How much of a description is read: octets, lines, characters of a line, attributes of all sections, and so on."""

    sdp_bytes: int = MAX_SDP_BYTES
    sdp_lines: int = MAX_SDP_LINES
    sdp_line: int = MAX_SDP_LINE
    sdp_attributes: int = MAX_SDP_ATTRIBUTES
    sdp_media: int = MAX_SDP_MEDIA
    sdp_formats: int = MAX_SDP_FORMATS


DEFAULT_LIMITS: Final = SdpLimits()

# token and proto of RFC 8866 §9; an answer repeats both
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_PROTOCOL: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~/]{1,64}")
_IDENTIFIER_LIMIT: Final = 64
_HIGHEST_PORT: Final = 65535


def parse_sdp(data: bytes | str, limits: SdpLimits = DEFAULT_LIMITS) -> SessionDescription:
    """Read a session description.

    Raises `SipParseError`, and nothing else, with the number of the line where there is one. Its status is 400 for
    broken grammar (no `v=` or `o=` or two of them, a malformed `o=`, `c=` or `m=`, a line that is none, NUL, a bare
    carriage return) and for limits; 488 for what is well formed but not for us (another version, a network that is not
    IN). Malformed attributes and bandwidths are no fault: they count as not there.
    """
    lines, cut_short = _lines(data, limits)
    reader = _Reader(limits)
    last = len(lines)
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            reader.read(line)
        except SipParseError as error:
            # A Content-Length that counts one octet per line end leaves a stump (RFC 5118 §4.6, §4.8).
            if cut_short and number == last:
                break
            raise _at_line(number, error) from None
    return reader.finish()


def _lines(data: bytes | str, limits: SdpLimits) -> tuple[list[str], bool]:
    """The lines without their ends, and whether the last one has none. Trailing blank lines are gone."""
    try:
        octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    except UnicodeEncodeError:
        raise SipParseError("SDP is not text", field="sdp") from None
    if len(octets) > limits.sdp_bytes:
        raise SipParseError(f"SDP exceeds {limits.sdp_bytes} bytes", field="sdp")
    text = octets.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\0" in text or "\r" in text:
        raise SipParseError("SDP holds NUL or a carriage return within a line", field="sdp")
    cut_short = not text.endswith("\n")
    # Not splitlines(): it also splits at separators that are ordinary characters of an SDP value.
    lines = [line.rstrip() for line in text.split("\n", limits.sdp_lines + 2)]
    while lines and not lines[-1]:
        lines.pop()
        cut_short = False
    if len(lines) > limits.sdp_lines:
        raise SipParseError(f"SDP exceeds {limits.sdp_lines} lines", field="sdp")
    if len(octets) > limits.sdp_line:
        for number, line in enumerate(lines, 1):
            if len(line) > limits.sdp_line:
                raise _at_line(number, SipParseError(f"longer than {limits.sdp_line} characters", field="sdp"))
    return lines, cut_short


class _Reader:
    """Takes lines one by one; those after an `m=` belong to that medium."""

    __slots__ = (
        "attribute_count",
        "attributes",
        "bandwidth",
        "connection",
        "first",
        "limits",
        "media",
        "name",
        "origin",
        "session",
        "timing",
    )

    def __init__(self, limits: SdpLimits) -> None:
        self.limits = limits
        self.first = True
        self.origin: Origin | None = None
        self.name = "-"
        self.timing: str | None = None
        self.media: list[MediaDescription] = []
        # What the section in hand has so far; `session` is the session's once the first medium has begun.
        self.connection: Connection | None = None
        self.bandwidth: list[tuple[str, int]] = []
        self.attributes: list[Attribute] = []
        self.attribute_count = 0
        self.session: tuple[Connection | None, tuple[tuple[str, int], ...], tuple[Attribute, ...]] | None = None

    def read(self, line: str) -> None:
        kind = line[:2]
        value = line[2:]
        if self.first:
            _check_version(kind, value)
            self.first = False
        elif kind == "a=":
            self.attribute_count += 1
            if self.attribute_count > self.limits.sdp_attributes:
                raise SipParseError(f"more than {self.limits.sdp_attributes} attributes", field="a=")
            name, colon, argument = value.partition(":")
            if name:
                self.attributes.append((name, argument if colon else None))
        elif kind == "m=":
            medium = _medium(value, self.limits)
            if len(self.media) == self.limits.sdp_media:
                raise SipParseError(f"more than {self.limits.sdp_media} media", field="m=")
            self._end_section()
            self.media.append(medium)
        elif kind == "c=":
            connection = _connection(value)
            self.connection = self.connection or connection
        elif kind == "b=":
            type_, _, amount = value.partition(":")
            if _TOKEN.fullmatch(type_) and _is_number(amount):
                self.bandwidth.append((type_, int(amount)))
        elif kind == "o=":
            if self.origin is not None:
                raise SipParseError("second origin", field="o=")
            self.origin = _origin(value)
        elif kind == "s=":
            self.name = value or "-"
        elif kind == "t=":
            times = value.split()
            if self.timing is None and len(times) == 2 and all(map(_is_number, times)):
                self.timing = " ".join(times)
        elif kind == "v=":
            raise SipParseError("second version", field="v=")
        elif len(kind) != 2 or kind[1] != "=" or not kind[0].isalpha():
            raise SipParseError("not a line of SDP", field="sdp")

    def finish(self) -> SessionDescription:
        if self.first:
            raise SipParseError("SDP is empty", field="sdp")
        if self.origin is None:
            raise SipParseError("SDP without an origin", field="o=")
        self._end_section()
        assert self.session is not None
        connection, bandwidth, attributes = self.session
        return SessionDescription(
            self.origin, tuple(self.media), self.name, self.timing or "0 0", connection, bandwidth, attributes
        )

    def _end_section(self) -> None:
        section = (self.connection, tuple(self.bandwidth), tuple(self.attributes))
        if self.session is None:
            self.session = section
        else:
            m = self.media[-1]
            self.media[-1] = MediaDescription(m.kind, m.port, m.protocol, m.formats, m.port_count, *section)
        self.connection = None
        self.bandwidth = []
        self.attributes = []


def _check_version(kind: str, value: str) -> None:
    if kind != "v=":
        raise SipParseError("SDP does not begin with its version", field="v=")
    if value != "0":
        raise SipParseError("SDP version is not 0", status=488, field="v=")


def _origin(value: str) -> Origin:
    # Some phones leave the user name out, others put spaces in it: the five fields after it are counted from the end.
    parts = value.split()
    if len(parts) < 5 or parts[-3] != "IN" or parts[-2] not in {IP4, IP6}:
        raise SipParseError("malformed origin", field="o=")
    session_id, version, _, address_type, address = parts[-5:]
    if not all(field.isascii() and field.isprintable() for field in (session_id, version, address)):
        raise SipParseError("malformed origin", field="o=")
    if len(session_id) > _IDENTIFIER_LIMIT or len(version) > _IDENTIFIER_LIMIT:
        raise SipParseError("origin with an overlong identifier", field="o=")
    return Origin(" ".join(parts[:-5]) or "-", session_id, version, address, address_type)


def _connection(value: str) -> Connection:
    parts = value.split()
    if len(parts) != 3:
        raise SipParseError("malformed connection", field="c=")
    network, address_type, address = parts
    if network.upper() != "IN" or address_type.upper() not in {IP4, IP6}:
        raise SipParseError("connection of another network than IN", status=488, field="c=")
    address = address.partition("/")[0]
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    kind = address_kind(address)
    if kind is None:
        raise SipParseError("malformed connection address", field="c=")
    # IP4 before an IPv6 address is a known slip; the address itself leaves no doubt.
    return Connection(address, address_type.upper() if kind not in {IP4, IP6} else address_type_of(address))


def _medium(value: str, limits: SdpLimits) -> MediaDescription:
    parts = value.split()
    if len(parts) < 3 or not (value.isascii() and value.isprintable()):
        raise SipParseError("malformed media line", field="m=")
    kind, ports, protocol, *formats = parts
    if not _TOKEN.fullmatch(kind) or not _PROTOCOL.fullmatch(protocol):
        raise SipParseError("malformed media line", field="m=")
    if len(formats) > limits.sdp_formats:
        raise SipParseError(f"more than {limits.sdp_formats} formats", field="m=")
    port, slash, count = ports.partition("/")
    if not _is_number(port) or int(port) > _HIGHEST_PORT or (slash and not (_is_number(count) and int(count) > 0)):
        raise SipParseError("malformed media port", field="m=")
    return MediaDescription(kind.lower(), int(port), protocol, tuple(formats), int(count) if slash else 1)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _at_line(number: int, error: SipParseError) -> SipParseError:
    return SipParseError(f"SDP line {number}: {error.reason}", status=error.status, field=error.field)
