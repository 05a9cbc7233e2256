"""Offer and answer inside one dialog (RFC 3264), whichever of INVITE, PRACK, UPDATE and ACK carries them: RFC 3261
§13.2.1 and §14, RFC 3262 §5, RFC 3311 §5.

Each dialog has one exchange at a time. The table says what may follow what; the responders are what an application is
given to answer an offer with. SDP itself is not looked at here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sip.dialog import Dialog
from sip.errors import LocalProtocolError
from sip.message import Response
from sip.transaction.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.transaction.timers import TimerEntry

GLARE_RETRIES = 5
"""How often an offer that met another one (491, or 500 with Retry-After) is made again before it counts as refused."""

RETRY_AFTER_LIMIT = 10
"""Seconds of a Retry-After that an offer is still held for: the most that §14.2 lets a peer ask."""


class Exchange(Enum):
    """Whose offer is waiting for its answer."""

    IDLE = "idle"
    LOCAL = "local offer out"
    REMOTE = "remote offer in"


class Step(Enum):
    """What moves an exchange on."""

    OFFER_SENT = "offer sent"
    OFFER_RECEIVED = "offer received"
    ANSWER_SENT = "answer sent"
    ANSWER_RECEIVED = "answer received"
    REFUSED = "refused"  # by whoever was to answer; the session stays as it was (RFC 3264 §8)


# What has no row cannot happen: RFC 3264 §4 forbids a new offer before the last one is answered or refused
TABLE = {
    (Exchange.IDLE, Step.OFFER_SENT): Exchange.LOCAL,
    (Exchange.IDLE, Step.OFFER_RECEIVED): Exchange.REMOTE,
    (Exchange.LOCAL, Step.ANSWER_RECEIVED): Exchange.IDLE,
    (Exchange.LOCAL, Step.REFUSED): Exchange.IDLE,
    (Exchange.REMOTE, Step.ANSWER_SENT): Exchange.IDLE,
    (Exchange.REMOTE, Step.REFUSED): Exchange.IDLE,
}


class Responder(Protocol):
    """What waits for the application's answer, see events.OfferResponder."""

    def accept(self, body: bytes) -> None:
        """Answer with this SDP."""

    def reject(self, status: int = 488, reason: str | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse."""


class Offers:
    """The exchange of one dialog, and the messages that it hangs on.

    `responder` is an offer of the peer that the application has not answered, or its re-INVITE without one;
    `transaction` a re-INVITE or UPDATE of ours without final response; `prack` a PRACK of ours without one. `wanted` is
    an offer of ours that waits: for `retry` to be due, or for the message that is in its way.
    """

    __slots__ = (
        "attempts",
        "dialog",
        "established",
        "local",
        "peer_allow",
        "prack",
        "remote",
        "responder",
        "retry",
        "sent",
        "state",
        "transaction",
        "wanted",
    )

    def __init__(self, dialog: Dialog | None) -> None:
        self.dialog = dialog
        self.state = Exchange.IDLE
        self.established = False  # whether an answer has been given, one way or the other
        self.peer_allow: tuple[str, ...] = ()  # lines of the peer's Allow
        self.remote: bytes | None = None  # the latest SDP of the peer
        self.local: bytes | None = None  # ours that holds
        self.sent = b""  # our offer that waits for its answer
        self.responder: Responder | None = None
        self.transaction: ClientTransaction | None = None
        self.prack: ClientTransaction | None = None
        self.wanted: tuple[str, bytes] | None = None  # method and SDP
        self.retry: TimerEntry | None = None
        self.attempts = 0

    @property
    def is_free(self) -> bool:
        """Whether neither side has an offer or a request that may carry one under way."""
        return self.state is Exchange.IDLE and self.responder is None and self.transaction is None

    @property
    def allows_update(self) -> bool:
        """Whether the peer has said that it knows UPDATE (RFC 3311 §4)."""
        return any(method.strip(" \t") == "UPDATE" for line in self.peer_allow for method in line.split(","))

    def take(self, step: Step) -> None:
        """Move on; raises LocalProtocolError for what RFC 3264 §4 forbids."""
        state = TABLE.get((self.state, step))
        if state is None:
            raise LocalProtocolError(f"{step.value} in a dialog with {self.state.value}")
        self.state = state
        if step is Step.ANSWER_SENT or step is Step.ANSWER_RECEIVED:
            self.established = True

    def send(self, body: bytes) -> None:
        """Our offer leaves. Raises LocalProtocolError for what RFC 3264 §4 forbids."""
        self.take(Step.OFFER_SENT)
        self.sent = body

    def answer(self, body: bytes) -> None:
        """Our answer leaves. Raises LocalProtocolError for what RFC 3264 §4 forbids."""
        self.take(Step.ANSWER_SENT)
        self.local = body

    def settle(self, body: bytes | None) -> None:
        """The answer of the peer to our offer came; None: it came without SDP, and the session stays as it was."""
        self.take(Step.REFUSED if body is None else Step.ANSWER_RECEIVED)
        if body is not None:
            self.remote = body
            self.local = self.sent

    def refuse(self) -> None:
        """The offer under way, if any, has come to nothing."""
        if self.state is not Exchange.IDLE:
            self.take(Step.REFUSED)


def retry_delay(response: Response, *, owns_call_id: bool) -> float | None:
    """Seconds until an offer that met another one is made again; None when the response says something else.

    §14.1: after a 491, who made the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms. A 500 has
    the time in Retry-After (§14.2; RFC 3311 §5.2).
    """
    if response.status == 491:
        return (210 + secrets.randbelow(191)) / 100 if owns_call_id else secrets.randbelow(201) / 100
    if response.status == 500:
        value = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
        if value.isascii() and value.isdigit() and len(value) <= 2 and int(value) <= RETRY_AFTER_LIMIT:
            return float(value)
    return None
