"""The session interval that an INVITE or UPDATE and its 2xx settle on (RFC 4028): `answer_terms` is our word as server,
`agreed_terms` reads the peer's when we are the client. `session_timer` runs what was settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sip.core.inspection import Refusal
from sip.errors import SipParseError
from sip.fields import parse_number
from sip.grammar import get_param, parse_params
from sip.message import Request, Response

if TYPE_CHECKING:
    from sip.core.config import UserAgentConfig

LEAST_INTERVAL: Final = 90
"""RFC 4028 §5: seconds; no interval may be shorter, and a message without Min-SE means this."""

INTERVALS_TRIED: Final = 3
"""422 responses followed in a row: each hop on the way may have a larger minimum (RFC 4028 §7.3)."""

SESSION_REFRESHES: Final = frozenset({"INVITE", "UPDATE"})
"""Methods whose 2xx starts a new session interval (RFC 4028 §3)."""

_LARGEST: Final = 2**32 - 1

Refresher = Literal["uac", "uas"]


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of Session-Expires (RFC 4028 §4): seconds, and who of the transaction's two sides refreshes."""

    seconds: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, value: str) -> SessionExpires:
        """Parse a value; an unknown refresher counts as none. Raises SipParseError."""
        number, semicolon, rest = value.partition(";")
        params = parse_params(semicolon + rest, "Session-Expires")
        refresher = (get_param(params, "refresher") or "").lower()
        seconds = parse_number(number.strip(" \t"), "Session-Expires", _LARGEST)
        if refresher == "uac":
            return cls(seconds, "uac")
        return cls(seconds, "uas" if refresher == "uas" else None)

    def __str__(self) -> str:
        return str(self.seconds) if self.refresher is None else f"{self.seconds};refresher={self.refresher}"


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """What a 2xx settles. `required`: the client has to know of the timer, as it is the one who refreshes (§9)."""

    expires: SessionExpires
    required: bool = False

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields of the 2xx."""
        fields = (("Session-Expires", str(self.expires)),)
        return (("Require", "timer"), *fields) if self.required else fields


def minimum_interval(message: Request | Response) -> int:
    """Min-SE in seconds (§5), 90 where it is absent; raises SipParseError when it is malformed."""
    value = message.headers.get("Min-SE")
    if value is None:
        return LEAST_INTERVAL
    return max(LEAST_INTERVAL, parse_number(value.partition(";")[0].strip(" \t"), "Min-SE", _LARGEST))


def inspect_session_expires(request: Request, min_se: int) -> Refusal | None:
    """§9: an interval below ours is refused with 422, to clients that know what it means.

    Raises SipParseError for a malformed Session-Expires or Min-SE.
    """
    minimum_interval(request)
    value = request.headers.get("Session-Expires")
    if value is None or SessionExpires.parse(value).seconds >= min_se or not _knows_timers(request):
        return None
    return Refusal(422, (("Min-SE", str(min_se)),))


def answer_terms(request: Request, config: UserAgentConfig, *, peer_refreshes: bool = False) -> SessionTerms | None:
    """What our 2xx to an INVITE or UPDATE says (§9, table 2); None: the session has no timer.

    A client that names no refresher leaves the choice to us: we refresh ourselves, or the roles stay as they are when
    `peer_refreshes` already. Raises SipParseError for malformed fields.
    """
    value = request.headers.get("Session-Expires")
    supported = _knows_timers(request)
    if value is None:
        if not supported:
            return None
        seconds, refresher = max(config.session_expires, minimum_interval(request)), None
    else:
        asked = SessionExpires.parse(value)
        if asked.seconds < config.min_se:
            return None  # a proxy's wish for a client without timers, which a 422 would tell nothing
        # §9: it may be reduced, but not below the Min-SE of the request; it is never increased
        seconds = min(asked.seconds, max(config.session_expires, minimum_interval(request)))
        refresher = asked.refresher
    if not supported:
        return SessionTerms(SessionExpires(seconds, "uas"))
    if refresher is None:
        refresher = "uac" if peer_refreshes else "uas"
    return SessionTerms(SessionExpires(seconds, refresher), required=refresher == "uac")


def agreed_terms(response: Response) -> SessionExpires | None:
    """What a 2xx to our INVITE or UPDATE says; None: the session has no timer, or none any more (§7.2).

    A server that forgets to say who refreshes leaves it to us. One that goes below the least interval is not followed
    there.
    """
    value = response.headers.get("Session-Expires")
    if value is None:
        return None
    try:
        said = SessionExpires.parse(value)
    except SipParseError:
        return None
    return SessionExpires(max(said.seconds, LEAST_INTERVAL), said.refresher or "uac")


def raised_proposal(request: Request, response: Response) -> int | None:
    """Write the interval that a 422 asks for into the copy of a request (§7.3), and return the new minimum in seconds.

    None, and nothing is written, when the 422 asks for no more than was offered.
    """
    value = request.headers.get("Session-Expires")
    if value is None or "Min-SE" not in response.headers:
        return None
    try:
        offered = SessionExpires.parse(value)
        least = minimum_interval(response)
    except SipParseError:
        return None
    if least <= offered.seconds:
        return None
    propose(request, least, least, offered.refresher)
    return least


def proposal_headers(seconds: int, least: int, refresher: Refresher | None = None) -> tuple[tuple[str, str], ...]:
    """Session-Expires for an INVITE or UPDATE, and Min-SE where it differs from what its absence means (§7.1)."""
    expires = ("Session-Expires", str(SessionExpires(max(seconds, least), refresher)))
    return (expires, ("Min-SE", str(least))) if least > LEAST_INTERVAL else (expires,)


def propose(request: Request, seconds: int, least: int, refresher: Refresher | None) -> None:
    """Write the same into a request, in the place of what is there."""
    for name, value in proposal_headers(seconds, least, refresher):
        request.headers.set(name, value)


def is_refresh(request: Request, session: bytes | None) -> bool:
    """Whether a re-INVITE comes from the side that refreshes and repeats the SDP that it sent last (§7.4).

    A session whose version is the same is the same octet for octet (RFC 3264 §8). The version in the o= line alone is
    not believed: there are peers that change the session and leave it.
    """
    value = request.headers.get("Session-Expires")
    if value is None or not request.body or request.body != session:
        return False
    return SessionExpires.parse(value).refresher != "uas"


def _knows_timers(request: Request) -> bool:
    return "timer" in request.supported or "timer" in request.require
