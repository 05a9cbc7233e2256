"""What a request has to offer for its credentials to be checked, whatever its method (RFC 3261 §22.1, §22.2)."""

from __future__ import annotations

from typing import Protocol

from sip.endpoint import Endpoint
from sip.message import Request


class Challengeable(Protocol):
    """A request that waits for our decision: an IncomingCall, a RegisterRequest.

    `proxy_challenge` is set by the check: a challenge that follows is that of a proxy then, 407 instead of 401.
    """

    request: Request
    source: Endpoint
    proxy_challenge: bool
