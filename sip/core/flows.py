"""Our side of the path to a peer: which socket, and which address of it the peer is told."""

from __future__ import annotations

from dataclasses import dataclass

from sip.endpoint import Endpoint
from sip.uri import SipUri


@dataclass(frozen=True, slots=True)
class Flow:
    """The path to one peer."""

    local: Endpoint
    host: str  # in Via, Contact; no brackets
    peer: Endpoint | None = None  # the other end, where the path is a connection

    def contact(self, user: str | None = None) -> str:
        """The value of Contact for this flow."""
        transport = self.local.transport
        params = () if transport == "udp" else (("transport", transport),)
        return f"<{SipUri('sip', user, host=self.host, port=self.local.port, params=params)}>"
