"""The addresses that one request may go to, tried in turn under one client transaction (RFC 3263 §4.3, RFC 3261
§18.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.core.flows import Flow
from sip.endpoint import Endpoint
from sip.message import Response
from sip.transaction.table import State
from sip.transaction.transaction import ClientTransaction, Failure

if TYPE_CHECKING:
    from sip.core.sending import Sender


class Attempts:
    """Stands between a client transaction that was prepared and its user.

    The next address is tried where one cannot be reached, says nothing or answers 503. A request that is too long for a
    datagram is tried over TCP before UDP where there is the choice (`free`); back to UDP leads only that nobody can be
    reached over TCP.
    """

    __slots__ = ("_datagram", "_flow", "_free", "_remotes", "_sender", "_transaction", "_user")

    def __init__(self, sender: Sender, transaction: ClientTransaction, flow: Flow, *, free: bool) -> None:
        self._sender = sender
        self._transaction = transaction
        self._flow = flow
        self._free = free
        self._user = transaction.user
        self._remotes: list[Endpoint] = []
        self._datagram: Endpoint | None = None  # where to go by UDP when TCP fails
        transaction.user = self

    def start(self, remotes: Sequence[Endpoint]) -> None:
        """Send the request to the first of these addresses; without any, its user is told soon."""
        if self._transaction.state is State.TERMINATED:
            return  # nobody wants it any more
        self._remotes = self._sender.in_order(remotes)
        if not self._next():
            self._sender.layer.timers.schedule(0.0, self._fail)

    def response_received(self, transaction: ClientTransaction, response: Response) -> None:
        """ClientUser: somebody is there, so that no other address is tried any more; unless it is overloaded."""
        self._datagram = None
        if response.status == 503 and self._next():
            return
        self._remotes = []
        self._user.response_received(transaction, response)

    def request_failed(self, transaction: ClientTransaction, failure: Failure) -> None:
        """ClientUser: no response will come from this address."""
        if failure != "transport":
            self._datagram = None
        if not self._next():
            self._user.request_failed(transaction, failure)

    def _next(self) -> bool:
        sender, request = self._sender, self._transaction.request
        if self._datagram is not None:
            remote, self._datagram = self._datagram, None
        elif self._remotes:
            remote = self._remotes.pop(0)
            if self._free and sender.is_long(request, remote):
                stream = Endpoint("tcp", remote.host, remote.port, remote.name)
                if sender.unreachable.remaining(stream, sender.layer.timers.clock()) == 0:
                    remote, self._datagram = stream, remote
        else:
            return False
        flow = sender.flow_for(remote, self._flow)
        sender.layer.restart_request(self._transaction, sender.redirected(request, flow), remote, flow.local)
        return True

    def _fail(self, _argument: object) -> None:
        transaction = self._transaction
        if transaction.state is not State.TERMINATED:
            transaction.discard()
            transaction.user.request_failed(transaction, "transport")
