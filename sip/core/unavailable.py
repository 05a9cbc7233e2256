"""Addresses that have asked to be left alone for a while, 503 with Retry-After (RFC 3261 §21.5.4, RFC 3263 §4.3), and
those that could not be reached."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sip.endpoint import Endpoint
from sip.errors import SipParseError
from sip.fields import parse_number
from sip.headers import Headers

LONGEST_PAUSE: Final = 300
"""Seconds for which a peer can turn calls away in advance, whatever it asks for: a mistake there heals by itself."""

ADDRESSES: Final = 1024
"""Addresses remembered at once; the oldest is forgotten first."""


def parse_retry_after(headers: Headers) -> int | None:
    """Retry-After in seconds (§20.33), without its comment and parameters; None when absent or malformed."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    number = value.partition(";")[0].partition("(")[0].strip(" \t")
    try:
        return parse_number(number, "Retry-After", 2**32 - 1)
    except SipParseError:
        return None


class UnavailablePeers:
    """A bounded table from address to the time, on the clock, until which it is not there for us."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str, int], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def note(self, remote: Endpoint, seconds: int, now: float) -> None:
        """Leave an address alone for so many seconds."""
        key = _key(remote)
        self._until[key] = now + min(seconds, LONGEST_PAUSE)
        self._until.move_to_end(key)
        if len(self._until) > ADDRESSES:
            self._until.popitem(last=False)

    def remaining(self, remote: Endpoint, now: float) -> float:
        """Seconds for which an address is still to be left alone; 0 when it may be called."""
        if not self._until:
            return 0.0
        key = _key(remote)
        until = self._until.get(key)
        if until is None:
            return 0.0
        if until <= now:
            del self._until[key]
            return 0.0
        return until - now


def _key(remote: Endpoint) -> tuple[str, str, int]:
    return remote.transport, remote.host, remote.port
