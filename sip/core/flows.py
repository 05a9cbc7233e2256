"""Our side of the path to a peer: which socket, and which address of it the peer is told."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from sip.endpoint import Endpoint
from sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class Flow:
    """The path to one peer."""

    local: Endpoint
    host: str  # in Via, Contact; no brackets
    peer: Endpoint | None = None  # the other end, where the path is a connection

    def contact(self, user: str | None = None, *, secure: bool = False) -> str:
        """The value of Contact for this flow. With `secure` it is a SIPS URI, which a peer must be given that uses one
        itself (§8.1.1.8, §12.1.1), unless the flow is in the clear."""
        return _contact(self.local.transport, self.host, self.local.port, user, secure)


@functools.lru_cache(1024)
def _contact(transport: str, host: str, port: int, user: str | None, secure: bool) -> str:
    if secure and transport in {"tls", "wss"}:
        scheme, params = "sips", () if transport == "tls" else (("transport", "ws"),)
    else:
        scheme, params = "sip", () if transport == "udp" else (("transport", transport),)
    return f"<{SipUri(scheme, user, host=host, port=port, params=params)}>"
