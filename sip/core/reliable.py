"""Reliable provisional responses (RFC 3262): those that we repeat until their PRACK comes, and the order in which those
of a peer are acknowledged."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sip.core.offers import Offers, Step
from sip.dialog import Dialog
from sip.errors import SipParseError
from sip.message import Request, Response
from sip.transaction.transaction import ServerTransaction

if TYPE_CHECKING:
    from sip.transaction.timers import TimerEntry

OPTION = "100rel"
"""The option tag (§8.1)."""

LAST_RSEQ = 2**32 - 1
FIRST_RSEQ_LIMIT = 2**31 - 1  # §3: the first value is chosen from 1 to this


class ReliableResponses:
    """The reliable responses to one INVITE, one on its way at a time (§3).

    It is repeated at T1, 2*T1, 4*T1 ... on every transport until `acknowledge`; after 64*T1 `on_timeout` is called,
    once, and nothing is repeated any more.
    """

    __slots__ = ("_interval", "_latest", "_on_timeout", "_queue", "_sequence", "_time_left", "_timer", "_transaction")

    def __init__(self, transaction: ServerTransaction, on_timeout: Callable[[], None]) -> None:
        self._transaction = transaction
        self._on_timeout = on_timeout
        self._sequence = secrets.randbelow(FIRST_RSEQ_LIMIT)  # §3: one less than the first
        self._queue: deque[Response] = deque()
        self._latest: Response | None = None  # sent, and not acknowledged
        self._timer: TimerEntry | None = None
        self._interval = 0.0
        self._time_left = 0.0

    @property
    def holds_session(self) -> bool:
        """Whether one with SDP is not acknowledged yet: no 2xx may be sent then (§3)."""
        return bool(self._latest is not None and self._latest.body) or any(response.body for response in self._queue)

    def send(self, response: Response) -> None:
        """Send a response reliably, after those before it are acknowledged."""
        response.headers.add("Require", OPTION)
        self._queue.append(response)
        self.send_next()

    def send_next(self) -> None:
        """Send the next one, unless one is on its way."""
        if self._latest is not None or not self._queue:
            return
        self._sequence += 1
        self._latest = self._queue.popleft()
        self._latest.headers.set("RSeq", str(self._sequence))
        config = self._transaction.layer.timer_config
        self._interval = config.t1
        self._time_left = 64 * config.t1
        self._transaction.respond(self._latest)
        self._timer = self._transaction.layer.timers.schedule(self._interval, self._repeat)

    def acknowledge(self, prack: Request) -> Response | None:
        """The response that a PRACK acknowledges, which is repeated no more; None when it matches none (§3).

        Raises SipParseError for a RAck that is missing or malformed.
        """
        sequence, number, method = parse_rack(prack)
        latest = self._latest
        if latest is None or (sequence, number, method) != (self._sequence, latest.cseq.number, "INVITE"):
            return None
        self._latest = None
        self._stop_timer()
        return latest

    def drop_plain(self) -> None:
        """A 2xx is due: what has not left yet and carries no SDP needs not be said any more."""
        self._queue = deque(response for response in self._queue if response.body)

    def finish(self) -> None:
        """A final response is sent: nothing is repeated, and nothing else sent, but a PRACK that is on its way is still
        welcome (§3)."""
        self._queue.clear()
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._transaction.layer.timers.cancel(self._timer)
            self._timer = None

    def _repeat(self, _argument: object) -> None:
        self._time_left -= self._interval
        self._timer = None
        if self._time_left <= 0 or self._latest is None:
            self._on_timeout()
            return
        self._transaction.layer.counters.retransmissions_sent += 1
        self._transaction.respond(self._latest)
        self._interval = min(2 * self._interval, self._time_left)
        self._timer = self._transaction.layer.timers.schedule(self._interval, self._repeat)


class Fork:
    """An early dialog of an INVITE of ours: one branch of it that has answered with a tag (RFC 3261 §12.1.2)."""

    __slots__ = ("dialog", "offers", "sequence")

    def __init__(self, dialog: Dialog, *, offered: bool) -> None:
        """`offered`: whether the INVITE carried our offer, which each fork answers for itself (§13.2.2.4)."""
        self.dialog = dialog
        self.offers = Offers(dialog)
        self.sequence: int | None = None  # RSeq of the latest response that was taken
        if offered:
            self.offers.take(Step.OFFER_SENT)

    def is_next(self, sequence: int) -> bool:
        """Whether a reliable response with this RSeq is the next one, and not a copy or one that came too early; notes
        it when it is (§4)."""
        if self.sequence is not None and sequence != self.sequence + 1:
            return False
        self.sequence = sequence
        return True


def reliable_sequence(response: Response) -> int | None:
    """RSeq of a provisional response that asks for a PRACK; None of any other (§4)."""
    if response.status == 100 or "RSeq" not in response.headers:
        return None
    try:
        if OPTION not in (tag.lower() for tag in response.require):
            return None
    except SipParseError:
        return None
    return _number(response.headers.get("RSeq") or "")


def parse_rack(prack: Request) -> tuple[int, int, str]:
    """RSeq, CSeq number and method of a RAck (§7.2); raises SipParseError."""
    parts = (prack.headers.get("RAck") or "").split()
    if len(parts) == 3:
        sequence, number = _number(parts[0]), _number(parts[1])
        if sequence is not None and number is not None:
            return sequence, number, parts[2]
    raise SipParseError("Missing or malformed RAck", field="RAck")


def _number(text: str) -> int | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > LAST_RSEQ:
        return None
    return int(text)
