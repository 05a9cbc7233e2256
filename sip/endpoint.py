"""A transport address: where a message came from or has to go. Plain data, shared by the protocol floor and the
transports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a flow of SIP messages. An IPv6 host has no brackets; `transport` is lower case ("udp").

    `name` is what the address was found by, for TLS to check. `fallback` is set on the source of a request that came
    over a connection: where its sender listens, for a response that finds the connection gone (RFC 3261 §18.2.2).
    Neither makes another endpoint of it.
    """

    transport: str
    host: str
    port: int
    name: str | None = field(default=None, compare=False, repr=False)
    fallback: Endpoint | None = field(default=None, compare=False, repr=False)

    @property
    def reliable(self) -> bool:
        """Whether the transport repeats what was lost by itself, so that transactions need not (RFC 3261 §17)."""
        return self.transport != "udp"

    @property
    def framed(self) -> bool:
        """Whether the transport says by itself where a message ends: a WebSocket frame needs no Content-Length."""
        return self.transport in {"udp", "ws", "wss"}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"
