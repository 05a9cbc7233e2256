"""What is told of a registration of ours, and how long it waits after what: plain values and pure functions
(RFC 3261 §10.2, RFC 3608, RFC 5626 §4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from sip.endpoint import Endpoint
from sip.errors import SipParseError
from sip.fields import NameAddr
from sip.message import Response
from sip.uri import SipUri

MIN_BACK_OFF: Final = 30.0
MAX_BACK_OFF: Final = 1800.0
"""Seconds between tries that fail: doubled each time from the first to the second."""

MAX_RETRY_AFTER: Final = 86400
"""Longest wait in seconds that a registrar can ask for."""

MAX_GRANTED: Final = 2**31
MIN_REFRESH: Final = 5.0
"""Seconds between two refreshes at least, however short a registrar binds us."""

# Only somebody's hand can change these answers: wrong password, unknown account, not allowed, not a registrar.
_SLOW: Final = frozenset({401, 403, 404, 405, 407, 410, 416, 501, 604})


@dataclass(frozen=True, slots=True)
class Registering:
    """The first REGISTER is on its way, or that after a failure or a lost connection."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar has bound us until `expires_at` on the clock, `expires` seconds from when it said so.

    `service_route` (RFC 3608) goes as Route into the requests of calls made under this registration. `outbound`: the
    registrar sends requests over the flow that we registered by (RFC 5626).
    """

    expires_at: float
    expires: int
    registrar: Endpoint
    contact: SipUri
    service_route: tuple[NameAddr, ...] = ()
    path: tuple[NameAddr, ...] = ()
    outbound: bool = False


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """The last try failed: with a final response, or with none at all (`status` None). The next is at `retry_at` on the
    clock. A binding made before may still be there."""

    status: int | None
    reason: str
    retry_at: float


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The end, after `stop`. `confirmed`: the registrar has removed the binding, or never had one."""

    confirmed: bool


RegistrationState: TypeAlias = Registering | Registered | RegistrationFailed | Unregistered


def retry_delay(status: int | None, retry_after: int | None, failures: int, jitter: float) -> float:
    """Seconds until the next try after `failures` failures in a row, at least one; `jitter` is from 0 to 1.

    From 30 s doubled to 30 min, cut by a random part of up to a half but never below 30 s (RFC 5626 §4.5). An answer
    that no waiting changes is tried again after about 30 min. What the registrar asks for in Retry-After is waited at
    least.
    """
    if status in _SLOW:
        delay = MAX_BACK_OFF * (1 - 0.1 * jitter)
    else:
        longest = min(MAX_BACK_OFF, 2 * MIN_BACK_OFF * 2 ** min(failures - 1, 16))
        delay = longest * (1 - 0.5 * jitter)
        if retry_after is not None and failures == 1:
            delay = 1.0  # the registrar knows better when it will be back
    if retry_after is not None:
        delay = max(delay, min(retry_after, MAX_RETRY_AFTER))
    return delay


def retry_after_of(response: Response) -> int | None:
    """Retry-After in seconds, without its comment and parameters (§20.33); None when absent or malformed."""
    text = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def min_expires_of(response: Response) -> int | None:
    """Min-Expires in seconds (§20.23); None when absent or malformed."""
    text = (response.headers.get("Min-Expires") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def granted_expires(response: Response, ours: NameAddr, wanted: int) -> int:
    """For how many seconds a 2xx to REGISTER binds the contact `ours` (§10.2.4).

    The registrar lists all contacts of the account, ours among them; one that is not recognised (rewritten on the way)
    is taken for ours when it is the only one.
    """
    try:
        contacts = response.contacts
    except SipParseError:
        contacts = []
    mine = next((contact for contact in contacts if _is_same(contact, ours)), None)
    if mine is None and len(contacts) == 1:
        mine = contacts[0]
    text = mine.param("expires") if mine is not None else None
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 10:
        return min(int(text), MAX_GRANTED)
    return min(wanted if response.expires is None else response.expires, MAX_GRANTED)


def _is_same(contact: NameAddr, ours: NameAddr) -> bool:
    instance = ours.param("+sip.instance")
    if instance is not None and contact.param("+sip.instance") == instance:
        return contact.param("reg-id") == ours.param("reg-id")
    return isinstance(ours.uri, SipUri) and ours.uri.equivalent(contact.uri)
