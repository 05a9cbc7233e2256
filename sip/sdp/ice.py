"""ICE as SDP speaks of it (RFC 8839 §5): credentials, options and candidates, read and written.

Only reads and writes. Beside DTLS-SRTP ICE is spoken (`sip.sdp.dtls_srtp`); elsewhere a peer that offers it falls back
to the address of its `c=` and `m=` lines, as RFC 8839 §4.2.5 has it for answerers without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from sip.sdp.address import address_kind, is_unspecified
from sip.sdp.description import MediaDescription, SessionDescription

MAX_CANDIDATES: Final = 64
"""Candidates of one medium that are kept; a host with that many interfaces can spare the others."""

_ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/]+")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_DISCARD_PORT: Final = 9
_HIGHEST_PORT: Final = 65535
_HIGHEST_PRIORITY: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class IceCandidate:
    """One `a=candidate` value (RFC 8839 §5.1). `related` is the base of a reflexive or relayed one."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    kind: str
    related: tuple[str, int] | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, value: str) -> IceCandidate | None:
        """Reads a candidate; None for a malformed one, which an agent passes over (RFC 8839 §5.1)."""
        parts = value.split()
        if len(parts) < 8 or len(parts) % 2 or parts[6] != "typ" or not all(map(_TOKEN.fullmatch, parts[7:8])):
            return None
        foundation, component, transport, priority, address, port = parts[:6]
        if not (_ICE_CHARS.fullmatch(foundation) and len(foundation) <= 32 and _TOKEN.fullmatch(transport)):
            return None
        numbers = (_number(component, 256), _number(priority, _HIGHEST_PRIORITY), _number(port, _HIGHEST_PORT))
        if address_kind(address) is None or None in numbers or not numbers[0] or not numbers[1]:
            return None
        pairs = tuple(zip(parts[8::2], parts[9::2], strict=True))
        if not all(text.isascii() and text.isprintable() for pair in pairs for text in pair):
            return None
        found = dict(pairs)
        related_port = _number(found.get("rport", ""), _HIGHEST_PORT)
        related = None
        if related_port is not None and address_kind(found.get("raddr", "")) is not None:
            related = (found["raddr"], related_port)
        rest = tuple(pair for pair in pairs if pair[0] not in {"raddr", "rport"})
        return cls(foundation, int(component), transport, int(priority), address, int(port), parts[7], related, rest)

    def __str__(self) -> str:
        text = (
            f"{self.foundation} {self.component} {self.transport} {self.priority} {self.address} {self.port}"
            f" typ {self.kind}"
        )
        if self.related is not None:
            text += f" raddr {self.related[0]} rport {self.related[1]}"
        return text + "".join(f" {name} {value}" for name, value in self.extensions)


@dataclass(frozen=True, slots=True)
class Ice:
    """What a peer says of ICE for one medium. `complete` says that no more candidates follow (RFC 8840 §8.2)."""

    ufrag: str
    password: str = field(repr=False)
    lite: bool = False
    options: tuple[str, ...] = ()
    candidates: tuple[IceCandidate, ...] = ()
    complete: bool = False


def ice_of(session: SessionDescription, medium: MediaDescription) -> Ice | None:
    """What is in force for a medium; None without credentials of lawful length (RFC 8839 §5.4)."""
    ufrag = next(iter(session.values_for(medium, "ice-ufrag")), "")
    password = next(iter(session.values_for(medium, "ice-pwd")), "")
    if not (4 <= len(ufrag) <= 256 and 22 <= len(password) <= 256):
        return None
    if not (_ICE_CHARS.fullmatch(ufrag) and _ICE_CHARS.fullmatch(password)):
        return None
    options = tuple(" ".join(session.values_for(medium, "ice-options")).split())
    parsed = (IceCandidate.parse(value) for value in medium.values("candidate")[:MAX_CANDIDATES])
    return Ice(
        ufrag,
        password,
        session.has("ice-lite"),
        options,
        tuple(candidate for candidate in parsed if candidate is not None),
        medium.has("end-of-candidates") or session.has("end-of-candidates"),
    )


def demands_ice(session: SessionDescription, medium: MediaDescription) -> bool:
    """Whether there is no way to the medium but ICE: it is to trickle in behind the discard port (RFC 8840 §4.1.1)."""
    connection = session.connection_for(medium)
    return (
        medium.port == _DISCARD_PORT
        and connection is not None
        and is_unspecified(connection.address)
        and bool(session.values_for(medium, "ice-ufrag"))
    )


def _number(text: str, highest: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if int(text) <= highest else None
