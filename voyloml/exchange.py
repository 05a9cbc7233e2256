"""The one way this room reaches the network: a single HTTP request and its response, made by whoever implements it.

Redirects, retries and what a status means are `voyloml.documents`' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

FailureKind: TypeAlias = Literal["connect", "timeout", "too_large", "blocked", "dns", "protocol"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for an absolute http or https URL. Times in seconds; `body` is empty for GET."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    connect_timeout: float
    total_timeout: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A complete response of at most `max_bytes`, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_ms: int
    url: str


class HttpFailure(Exception):
    """No complete response came.

    `kind` says why: no connection, no name, out of time, a body over the limit, an address that must not be called
    (contract §11.4), or a peer that does not speak HTTP.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class HttpExchange(Protocol):
    """Whoever makes requests."""

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """Makes one request, without following redirects. Raises HttpFailure."""
