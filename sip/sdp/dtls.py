"""DTLS-SRTP as SDP speaks of it: fingerprints (RFC 8122 §5) and roles (RFC 4145 §4, RFC 8842), read and written.

Only reads and writes; what is agreed on is `sip.sdp.dtls_srtp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sip.sdp.description import MediaDescription, SessionDescription

DTLS_PROTOCOLS: Final = frozenset({"UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"})

# Octets of each hash that RFC 8122 §5 knows and that is fit for use; MD5 and MD2 are forbidden there.
_HASH_OCTETS: Final = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16}) +((?:[0-9A-Fa-f]{2}:){0,63}[0-9A-Fa-f]{2})")
_ROLES: Final = frozenset({"active", "passive", "actpass", "holdconn"})


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash of a certificate: its name in lower case, and its octets."""

    hash_name: str
    digest: bytes

    @classmethod
    def parse(cls, value: str) -> Fingerprint | None:
        """Reads an `a=fingerprint` value; None for a malformed one, an unknown hash or a digest of another length."""
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            return None
        name, digest = match[1].lower(), bytes.fromhex(match[2].replace(":", ""))
        return cls(name, digest) if _HASH_OCTETS.get(name) == len(digest) else None

    def __str__(self) -> str:
        return f"{self.hash_name} {self.digest.hex(':').upper()}"


@dataclass(frozen=True, slots=True)
class Dtls:
    """What a peer says of DTLS for one medium. `setup` is `active`, `passive`, `actpass` or `holdconn`."""

    fingerprints: tuple[Fingerprint, ...]
    setup: str
    tls_id: str | None = None


def dtls_of(session: SessionDescription, medium: MediaDescription) -> Dtls | None:
    """What is in force for a medium, from its own lines or the session's; None without a fingerprint that can be read.

    Without `a=setup` the role is `active` (RFC 4145 §4.1).
    """
    values = session.values_for(medium, "fingerprint")
    if not values:
        return None
    fingerprints = tuple(found for value in values if (found := Fingerprint.parse(value)) is not None)
    if not fingerprints:
        return None
    setup = next(iter(session.values_for(medium, "setup")), "active").lower()
    tls_id = next(iter(session.values_for(medium, "tls-id")), None)
    return Dtls(fingerprints, setup if setup in _ROLES else "active", tls_id)


def demands_dtls(session: SessionDescription) -> bool:
    """Whether a medium in use is to be had by DTLS-SRTP alone, as a browser offers it."""
    return any(medium.port and medium.protocol.upper() in DTLS_PROTOCOLS for medium in session.media)
