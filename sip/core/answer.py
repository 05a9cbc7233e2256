"""A 2xx to an INVITE, which waits for its ACK (RFC 3261 §13.3.1.4): repeated end to end, by the user agent, on every
transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sip.core.events import Failed
from sip.core.inspection import session_description
from sip.core.offers import Exchange
from sip.core.session_timer import our_terms, settle
from sip.endpoint import Endpoint
from sip.message import Request
from sip.transaction.layer import TransactionLayer
from sip.transaction.transaction import ServerTransaction

if TYPE_CHECKING:
    from sip.core.call import Call


class UnacknowledgedAnswer:
    """Repeats the bytes of a 2xx at T1, 2*T1 ... T2 until `acknowledge`; after 64*T1 calls `on_timeout` and stops."""

    __slots__ = ("_entry", "_interval", "_layer", "_on_timeout", "_time_left", "data", "local", "remote", "sequence")

    def __init__(
        self,
        layer: TransactionLayer,
        data: bytes,
        remote: Endpoint,
        local: Endpoint,
        sequence: int,
        on_timeout: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._on_timeout = on_timeout
        self._interval = layer.timer_config.t1
        self._time_left = 64 * layer.timer_config.t1
        self.data = data
        self.remote = remote
        self.local = local
        self.sequence = sequence  # CSeq number of the INVITE, which its ACK repeats
        self._entry = layer.timers.schedule(self._interval, self._repeat)

    def acknowledge(self) -> None:
        """The ACK came, or nobody waits for it any more."""
        self._layer.timers.cancel(self._entry)

    def _repeat(self, _argument: object) -> None:
        self._time_left -= self._interval
        if self._time_left <= 0:
            self._on_timeout()
            return
        self._layer.counters.retransmissions_sent += 1
        self._layer.transmit_stateless(self.data, self.remote, self.local)
        self._interval = min(2 * self._interval, self._layer.timer_config.t2, self._time_left)
        self._entry = self._layer.timers.schedule(self._interval, self._repeat)


def accept(
    call: Call, request: Request, transaction: ServerTransaction, body: bytes, headers: Sequence[tuple[str, str]] = ()
) -> bool:
    """Answer an INVITE of the peer with 200; False when it was answered otherwise before."""
    terms = our_terms(call, request)
    if terms is not None:
        headers = (*headers, *terms.headers())
    response = call._sender.response(request, 200, to_tag=call.local_tag, contact=call._contact, headers=headers)
    if body:
        response.headers.add("Content-Type", "application/sdp")
        response.body = body
    data = bytes(response)
    if not transaction.respond(response, data):
        return False
    call._answer_expected = session_description(request) is None
    offers = call._offers
    if body and offers.state is Exchange.REMOTE:
        offers.answer(body)
    elif body and offers.state is Exchange.IDLE and call._answer_expected:
        offers.send(body)
    elif offers.transaction is None and offers.responder is None:
        offers.refuse()
    settle(call, request, terms)
    call._unacknowledged = UnacknowledgedAnswer(
        call._sender.layer,
        data,
        transaction.remote,
        transaction.local,
        request.cseq.number,
        lambda: _ack_missing(call),
    )
    return True


def receive_ack(call: Call, ack: Request) -> None:
    """An ACK inside this call's dialog."""
    pending = call._unacknowledged
    if pending is None or ack.cseq.number != pending.sequence:
        return  # the ACK to a repeated 2xx, or to an INVITE of long ago
    pending.acknowledge()
    call._unacknowledged = None
    body = session_description(ack)
    if call._offers.state is Exchange.LOCAL and call._answer_expected and call._offers.transaction is None:
        call._offers.settle(body)
    call._acknowledged(body)
    call._exchange_over(call._offers)
    if call._hangup_wanted and not call._closed:
        call._say_bye()


def _ack_missing(call: Call) -> None:
    """No ACK for 64*T1: the session is terminated with a BYE (§13.3.1.4)."""
    call._unacknowledged = None
    call._say_bye()
    call._close(Failed("no_ack"))
