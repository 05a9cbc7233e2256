"""Where a call goes on when its target has moved: the Contacts of 3xx responses (RFC 3261 §8.1.3.4, §21.3).

The order of q, no address twice, no more than so many in all. Only SIP and SIPS URIs are followed, and a call that was
to be secure stays secure (§26.2.2). Headers that a Contact wants put into the request are left out (§19.1.5).
"""

from __future__ import annotations

import re
from typing import Final

from sip.fields import NameAddr
from sip.message import Response
from sip.uri import SipUri

FOLLOWED_REDIRECTS: Final = 5
"""Addresses from 3xx responses that one call tries."""

WAITING_TARGETS: Final = 16
"""Addresses kept of them that were not tried yet."""

_ENDING: Final = frozenset({305, 380})
"""Use Proxy may send a call anywhere and is deprecated in practice; Alternative Service describes another kind of
call (§21.3.4, §21.3.5)."""

_is_q = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?").fullmatch


def is_redirection(status: int) -> bool:
    """Whether a final response sends a call elsewhere; an unknown 3xx counts as 300 (§8.1.3.2)."""
    return 300 <= status < 400 and status not in _ENDING


class Redirects:
    """The addresses of one call: those tried, and those that wait for their turn."""

    __slots__ = ("_left", "_tried", "_waiting")

    def __init__(self, target: SipUri, limit: int) -> None:
        self._left = limit
        self._tried = [target]
        self._waiting: list[SipUri] = []

    def learn(self, response: Response) -> None:
        """Take the Contacts of a 3xx; they come before what earlier ones left over."""
        found: list[SipUri] = []
        for contact in sorted(response.contacts, key=_preference, reverse=True):
            uri = contact.uri
            if not isinstance(uri, SipUri) or (self._tried[0].scheme == "sips" and uri.scheme != "sips"):
                continue
            uri = uri.replace(headers=()).without_params("method")
            if not any(known.equivalent(uri) for known in (*self._tried, *found)):
                found.append(uri)
        kept = [uri for uri in self._waiting if not any(new.equivalent(uri) for new in found)]
        self._waiting = (found + kept)[:WAITING_TARGETS]

    def next(self) -> SipUri | None:
        """The next address to try; None when there is none or the limit is reached."""
        if self._left <= 0 or not self._waiting:
            return None
        self._left -= 1
        uri = self._waiting.pop(0)
        self._tried.append(uri)
        return uri


def _preference(contact: NameAddr) -> float:
    """The q of a Contact, 1 where there is none (§20.10 leaves it open)."""
    value = contact.param("q")
    return float(value) if value is not None and _is_q(value) else 1.0
