"""Session descriptions as typed values (RFC 8866): what a peer said, and what is sent to it.

Attributes stay as they came, in order, so that lines not understood here are passed on; typed access reads them when
asked. The `repr` of a description is for logs and hides what is secret in it: SRTP keys and ICE passwords. Reading the
text is `sip.sdp.parser`, choosing codecs is `sip.sdp.negotiation`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

from sip.errors import LocalProtocolError
from sip.sdp.address import IP4, IP6, address_kind

SENDRECV: Final = "sendrecv"
SENDONLY: Final = "sendonly"
RECVONLY: Final = "recvonly"
INACTIVE: Final = "inactive"
DIRECTIONS: Final = frozenset({SENDRECV, SENDONLY, RECVONLY, INACTIVE})

Attribute = tuple[str, str | None]

_SECRET: Final = frozenset({"crypto", "ice-pwd"})
_HIGHEST_PORT: Final = 65535
_RTPMAP_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """The `o=` line (RFC 8866 §5.2). Identifier and version are kept as text: peers send more than 64 bits."""

    username: str
    session_id: str
    session_version: str
    address: str
    address_type: str = IP4

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.session_version} IN {self.address_type} {self.address}"


@dataclass(frozen=True, slots=True)
class Connection:
    """A `c=` line (RFC 8866 §5.7) of network type IN, without multicast TTL and count."""

    address: str
    address_type: str = IP4

    @classmethod
    def to(cls, address: str) -> Connection:
        """The connection line for an address or a name; a name is written as IP4."""
        return cls(address, address_type_of(address))

    def __str__(self) -> str:
        return f"IN {self.address_type} {self.address}"


@dataclass(frozen=True, slots=True)
class RtpMap:
    """An `a=rtpmap` value without its payload type (RFC 8866 §6.6): encoding name, clock rate in Hz, channels."""

    encoding: str
    clock_rate: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class RtcpAddress:
    """An `a=rtcp` value (RFC 3605): a port, and an address where it differs from that of the media."""

    port: int
    address: str | None = None


class _Attributed:
    """Access to the `a=` lines of a session or of one of its media."""

    __slots__ = ()
    attributes: tuple[Attribute, ...]

    def __repr__(self) -> str:
        shown = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        shown["attributes"] = tuple((name, "..." if name in _SECRET else value) for name, value in self.attributes)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def value(self, name: str) -> str | None:
        """The value of the first attribute of that name; None when absent or without a value."""
        for found, value in self.attributes:
            if found == name:
                return value
        return None

    def values(self, name: str) -> tuple[str, ...]:
        """The values of every attribute of that name, in order: `crypto`, `fingerprint`, `candidate`."""
        return tuple(value for found, value in self.attributes if found == name and value is not None)

    def has(self, name: str) -> bool:
        """Whether an attribute of that name is there, with a value or without."""
        return any(found == name for found, _ in self.attributes)

    @property
    def direction(self) -> str | None:
        """The direction stated at this level, or None."""
        for name, _ in self.attributes:
            if name in DIRECTIONS:
                return name
        return None


@dataclass(frozen=True, slots=True, repr=False)
class MediaDescription(_Attributed):
    """One `m=` section (RFC 8866 §5.14). Port 0 means refused or withdrawn (RFC 3264 §6, §8.2)."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    bandwidth: tuple[tuple[str, int], ...] = ()
    attributes: tuple[Attribute, ...] = ()

    @property
    def rtpmaps(self) -> dict[int, RtpMap]:
        """Payload type to mapping, from the `a=rtpmap` lines. Malformed ones are left out, of two the first counts."""
        maps: dict[int, RtpMap] = {}
        for name, value in self.attributes:
            if name != "rtpmap" or value is None or len(value) > _RTPMAP_CHARS:
                continue
            found = _rtpmap(value)
            if found is not None:
                maps.setdefault(*found)
        return maps

    @property
    def fmtps(self) -> dict[str, str]:
        """Format to its parameters, from the `a=fmtp` lines (RFC 8866 §6.15)."""
        parameters: dict[str, str] = {}
        for name, value in self.attributes:
            if name == "fmtp" and value is not None:
                format_, _, rest = value.partition(" ")
                parameters.setdefault(format_, rest.strip())
        return parameters

    @property
    def ptime(self) -> int | None:
        """The packet time the peer asks for, in whole ms (RFC 8866 §6.4)."""
        return _milliseconds(self.value("ptime"))

    @property
    def maxptime(self) -> int | None:
        """The longest packet the peer takes, in whole ms (RFC 8866 §6.5)."""
        return _milliseconds(self.value("maxptime"))

    @property
    def rtcp(self) -> RtcpAddress | None:
        """Where RTCP goes when not to the next port (RFC 3605); None when absent or malformed."""
        parts = (self.value("rtcp") or "").split()
        if not parts or not _decimal(parts[0], 5) or int(parts[0]) > _HIGHEST_PORT:
            return None
        if len(parts) == 4 and address_kind(parts[3]) is not None:
            return RtcpAddress(int(parts[0]), parts[3])
        return RtcpAddress(int(parts[0]))

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTP and RTCP may share a port (RFC 5761 §5.1.1)."""
        return self.has("rtcp-mux")

    @property
    def rtcp_rsize(self) -> bool:
        """Whether RTCP packets may be of reduced size (RFC 5506 §5)."""
        return self.has("rtcp-rsize")

    @property
    def crypto(self) -> tuple[str, ...]:
        """The SDES `a=crypto` values as they came; `sip.sdp.keying.cryptos_of` reads them (RFC 4568)."""
        return self.values("crypto")

    def lines(self) -> list[str]:
        """The section as lines without line ends."""
        ports = f"{self.port}/{self.port_count}" if self.port_count != 1 else str(self.port)
        out = [" ".join((f"m={self.kind} {ports} {self.protocol}", *self.formats))]
        _extend(out, self.connection, self.bandwidth, (), self.attributes)
        return out


@dataclass(frozen=True, slots=True, repr=False)
class SessionDescription(_Attributed):
    """A session description: `str()` and `bytes()` give its text, each line ended by CRLF.

    The text raises `LocalProtocolError` when a value holds CR, LF or NUL, which would let it forge lines.
    """

    origin: Origin
    media: tuple[MediaDescription, ...] = ()
    name: str = "-"
    timing: str = "0 0"
    connection: Connection | None = None
    bandwidth: tuple[tuple[str, int], ...] = ()
    attributes: tuple[Attribute, ...] = ()

    def connection_for(self, media: MediaDescription) -> Connection | None:
        """The connection line in force for a medium: its own, else that of the session."""
        return media.connection or self.connection

    def direction_for(self, media: MediaDescription) -> str:
        """The direction in force for a medium, seen from who wrote it: its own, else the session's, else sendrecv."""
        return media.direction or self.direction or SENDRECV

    def values_for(self, media: MediaDescription, name: str) -> tuple[str, ...]:
        """The values in force for attributes given at either level: `fingerprint`, `setup`, `ice-ufrag`, `ice-pwd`."""
        return media.values(name) or self.values(name)

    def __str__(self) -> str:
        out = ["v=0", f"o={self.origin}", f"s={self.name}"]
        _extend(out, self.connection, self.bandwidth, (f"t={self.timing}",), self.attributes)
        for media in self.media:
            out += media.lines()
        text = "\r\n".join(out) + "\r\n"
        if text.count("\n") != len(out) or text.count("\r") != len(out) or "\0" in text:
            raise LocalProtocolError("a value of a session description holds a line end or NUL")
        return text

    def __bytes__(self) -> bytes:
        # What came in as bytes that are not UTF-8 (a Latin-1 session name) leaves as the same bytes.
        return str(self).encode("utf-8", "surrogateescape")


def address_type_of(address: str) -> str:
    """`IP6` for an IPv6 address, `IP4` for everything else."""
    return IP6 if ":" in address else IP4


def _extend(
    out: list[str],
    connection: Connection | None,
    bandwidth: tuple[tuple[str, int], ...],
    timing: tuple[str, ...],
    attributes: tuple[Attribute, ...],
) -> None:
    if connection is not None:
        out.append(f"c={connection}")
    if bandwidth:
        out += [f"b={kind}:{value}" for kind, value in bandwidth]
    out += timing
    out += [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]


@lru_cache(maxsize=512)  # every call says "0 PCMU/8000" again
def _rtpmap(value: str) -> tuple[int, RtpMap] | None:
    payload_type, _, encoding = value.partition(" ")
    parts = encoding.strip().split("/")
    if len(parts) not in {2, 3} or not parts[0] or not (_decimal(payload_type, 3) and _decimal(parts[1], 7)):
        return None
    channels = int(parts[2]) if len(parts) == 3 and _decimal(parts[2], 2) else 1
    return int(payload_type), RtpMap(parts[0], int(parts[1]), channels)


def _decimal(text: str, digits: int) -> bool:
    return 0 < len(text) <= digits and text.isascii() and text.isdigit()


def _milliseconds(text: str | None) -> int | None:
    whole = (text or "").strip().partition(".")[0]
    return int(whole) if _decimal(whole, 5) and int(whole) > 0 else None
