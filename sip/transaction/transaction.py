"""Carries out the rows of the transaction tables: the client and the server transaction (RFC 3261 §17).

A transaction knows its table, its timers and the one message that it may have to repeat. Matching messages to
transactions is the work of `layer.py`; what a message means is the work of the transaction user above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from sip.headers import Headers
from sip.message import Request, Response, response_to
from sip.transaction import invite_client, invite_server, non_invite_client, non_invite_server
from sip.transaction.table import RETRANSMISSION_TIMERS, Action, Event, State, Table

if TYPE_CHECKING:
    from sip.endpoint import Endpoint
    from sip.transaction.layer import MergeKey, TransactionKey, TransactionLayer
    from sip.transaction.timers import TimerEntry

Failure = Literal["timeout", "transport"]


class ClientUser(Protocol):
    """Who hears of the responses to a request."""

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """A response which the transaction did not absorb; several for an INVITE, see invite_client."""

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """No response will come."""


class ServerUser(Protocol):
    """Who hears of what follows the response to a request."""

    def ack_received(self, transaction: ServerTransaction, ack: Request) -> None:
        """An ACK to a 2xx, once for each time it arrives."""

    def response_failed(self, transaction: ServerTransaction, failure: Failure) -> None:
        """The response was not acknowledged, or could not be sent."""


class Unattended:
    """A ClientUser for requests whose outcome changes nothing: the BYE to a fork that lost."""

    __slots__ = ()

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """Whatever the answer, the transaction has ended its retransmissions."""

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """The peer is gone, which is as good."""


UNATTENDED = Unattended()


class Transaction:
    """What client and server have in common: state, timers, and the interpreter of the table."""

    __slots__ = (
        "_interval",
        "_lengths",
        "_lifetime",
        "_repeat",
        "_sent",
        "_table",
        "key",
        "layer",
        "local",
        "remote",
        "state",
    )

    def __init__(
        self, layer: TransactionLayer, table: Table, key: TransactionKey, remote: Endpoint, local: Endpoint
    ) -> None:
        self.layer = layer
        self.key = key
        self.remote = remote
        self.local = local
        self.state = State.INITIAL
        self._table = table
        self._lengths = layer.lengths(reliable=remote.reliable)
        self._interval = 0.0
        self._sent = False  # whether the current message has left once; what follows is a retransmission
        self._repeat: TimerEntry | None = None  # A, E or G
        self._lifetime: TimerEntry | None = None  # the others: no two of them run at the same time

    def handle(self, event: Event, message: Request | Response | None = None) -> bool:
        """Feed one event; False when the table has nothing to say about it in this state."""
        row = self._table.get((self.state, event))
        if row is None:
            return False
        self.state = row.state
        for timer in row.stop:
            self._stop(timer)
        for timer in row.start:
            self.start_timer(timer)
        for action in row.actions:
            if action is Action.REPORT_TIMEOUT:
                self.layer.counters.timeouts += 1
            self._act(action, message)
        if self.state is State.TERMINATED:
            self.discard()
        return True

    def start_timer(self, timer: Event) -> None:
        """Start the timer, or start a retransmission timer again with its next, longer interval."""
        if timer in RETRANSMISSION_TIMERS:
            self._interval = self._next_interval(timer)
            if self._interval > 0:
                self._repeat = self.layer.timers.schedule(self._interval, self.handle, timer)
            return
        if self._lifetime is not None:
            self.layer.timers.cancel(self._lifetime)
        self._lifetime = self.layer.timers.schedule(self._lengths[timer], self.handle, timer)

    def discard(self) -> None:
        """End the transaction without telling its user: timers stop, messages find it no more."""
        self.state = State.TERMINATED
        self._stop_all()
        self.layer.forget(self)

    def _next_interval(self, timer: Event) -> float:
        first = self._lengths[timer]
        if self._interval == 0.0 or first < 0:
            return first
        if timer is Event.TIMER_A:
            return 2 * self._interval  # §17.1.1.2: no upper bound but timer B
        longest = self.layer.timer_config.t2
        if self.state is State.PROCEEDING:
            return longest  # §17.1.2.2: timer E once a provisional response has come
        return min(2 * self._interval, longest)

    def _stop(self, timer: Event) -> None:
        if timer in RETRANSMISSION_TIMERS:
            if self._repeat is not None:
                self.layer.timers.cancel(self._repeat)
                self._repeat = None
        elif self._lifetime is not None:
            self.layer.timers.cancel(self._lifetime)
            self._lifetime = None

    def _stop_all(self) -> None:
        for entry in (self._repeat, self._lifetime):
            if entry is not None:
                self.layer.timers.cancel(entry)
        self._repeat = self._lifetime = None

    def _transmit(self, data: bytes) -> None:
        self.layer.transmit(data, self, repeated=self._sent)
        self._sent = True

    def _act(self, action: Action, message: Request | Response | None) -> None:
        raise AssertionError("a transaction is a client or a server")


class ClientTransaction(Transaction):
    """A request of ours on its way. `request` may not be changed after it was sent."""

    __slots__ = ("_ack", "data", "request", "user")

    def __init__(
        self,
        layer: TransactionLayer,
        request: Request,
        key: TransactionKey,
        remote: Endpoint,
        local: Endpoint,
        user: ClientUser,
    ) -> None:
        table = invite_client.TABLE if request.method == "INVITE" else non_invite_client.TABLE
        super().__init__(layer, table, key, remote, local)
        self.request = request
        self.data = bytes(request)
        self.user = user
        self._ack: bytes | None = None

    def leave_behind(self) -> ClientTransaction:
        """What goes on to acknowledge the failure of an INVITE that is tried elsewhere, each time that it is repeated
        (§17.1.1.3). Nobody hears of it."""
        rest = ClientTransaction(self.layer, self.request, self.key, self.remote, self.local, UNATTENDED)
        rest.data = b""
        rest._ack = self._ack
        rest._sent = True
        rest.state = State.COMPLETED
        rest.start_timer(Event.TIMER_D)
        return rest

    def restart(self, request: Request, key: TransactionKey, remote: Endpoint, local: Endpoint) -> None:
        """Begin anew with another request and address; responses to the one before are strays from now on."""
        self._stop_all()
        self.key = key
        self.request = request
        self.data = bytes(request)
        self.remote = remote
        self.local = local
        self._lengths = self.layer.lengths(reliable=remote.reliable)
        self._interval = 0.0
        self._sent = False
        self._ack = None
        self.state = State.INITIAL
        self.handle(Event.START)

    def receive(self, response: Response) -> bool:
        """Feed a response that was matched to this transaction; False when it is ignored."""
        if response.status < 200:
            return self.handle(Event.RECEIVE_1XX, response)
        self.data = b""  # never to be sent again, yet the transaction stays for half a minute
        return self.handle(Event.RECEIVE_2XX if response.status < 300 else Event.RECEIVE_3XX_6XX, response)

    def _act(self, action: Action, message: Request | Response | None) -> None:
        if action is Action.SEND:
            self._transmit(self.data)
        elif action is Action.SEND_ACK:
            assert isinstance(message, Response)
            if self._ack is None:
                self._ack = bytes(failure_ack(self.request, message))
                self._sent = False
            self._transmit(self._ack)
        elif action is Action.PASS:
            assert isinstance(message, Response)
            self.user.response_received(self, message)
        elif action is Action.REPORT_TIMEOUT:
            self.user.request_failed(self, "timeout")
        elif action is Action.REPORT_TRANSPORT_ERROR:
            self.user.request_failed(self, "transport")


class ServerTransaction(Transaction):
    """A request of the peer. The request is let go with the first response, of the response only its bytes are kept."""

    __slots__ = ("_data", "_request", "merge_key", "user")

    def __init__(
        self,
        layer: TransactionLayer,
        request: Request,
        key: TransactionKey,
        remote: Endpoint,
        local: Endpoint,
        user: ServerUser | None,
    ) -> None:
        table = invite_server.TABLE if request.method == "INVITE" else non_invite_server.TABLE
        super().__init__(layer, table, key, remote, local)
        self.user = user
        self.merge_key: MergeKey | None = None
        self._request: Request | None = request
        self._data: bytes | None = None

    @property
    def answered(self) -> bool:
        """Whether a final response was given."""
        return self.state > State.PROCEEDING

    @property
    def provisional_sent(self) -> bool:
        """Whether a provisional response, the 100 included, has left: the client repeats its request no more."""
        return self.state is State.PROCEEDING and self._data is not None

    def respond(self, response: Response, data: bytes | None = None) -> bool:
        """Send a response, whose bytes may be given as `data`; False when the state no longer allows it (a second final
        response)."""
        if response.status < 200:
            event = Event.SEND_1XX
        elif response.status < 300:
            event = Event.SEND_2XX
        else:
            event = Event.SEND_3XX_6XX
        if self.state is State.COMPLETED or (self.state, event) not in self._table:
            return False
        self._data = bytes(response) if data is None else data
        self._sent = False
        self._request = None
        self.handle(event)
        if self.state is State.ACCEPTED:
            self._data = None  # the user repeats a 2xx itself; many thousands of transactions wait in this state
        return True

    def _act(self, action: Action, message: Request | Response | None) -> None:
        if action is Action.SEND:
            if self._data is not None:
                self._transmit(self._data)
        elif action is Action.SEND_TRYING:
            assert self._request is not None  # the timer is stopped by the first response
            self._data = bytes(response_to(self._request, 100))
            self._transmit(self._data)
        elif action is Action.PASS:
            assert isinstance(message, Request)
            if self.user is not None:
                self.user.ack_received(self, message)
        elif self.user is not None:
            self.user.response_failed(self, "timeout" if action is Action.REPORT_TIMEOUT else "transport")


def failure_ack(request: Request, response: Response) -> Request:
    """The ACK to a non-2xx final response of the INVITE `request` (RFC 3261 §17.1.1.3)."""
    headers = _same_transaction(request, "ACK")
    headers.set("To", response.headers.get("To") or "")  # with the tag of the response
    return Request("ACK", request.uri, headers)


def cancel_for(request: Request) -> Request:
    """The CANCEL of the INVITE `request` (RFC 3261 §9.1); the caller may add a Reason."""
    return Request("CANCEL", request.uri, _same_transaction(request, "CANCEL"))


def _same_transaction(request: Request, method: str) -> Headers:
    source = request.headers
    headers = Headers()
    headers.add("Via", source.get_all("Via")[0])
    for route in source.get_all("Route"):
        headers.add("Route", route)
    headers.add("Max-Forwards", "70")
    for name in ("From", "To", "Call-ID"):
        headers.add(name, source.get_all(name)[0])
    headers.add("CSeq", f"{request.cseq.number} {method}")
    return headers
