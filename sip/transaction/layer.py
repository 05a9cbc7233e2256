"""Matches messages to transactions (RFC 3261 §17.1.3, §17.2.3), keeps those that run, and collects what they send.

Requests of RFC 2543 clients, whose branch lacks the magic cookie, are matched by the rules that were in use before it.
Nothing is decided here about what a message means.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sip.endpoint import Endpoint
from sip.message import Request, Response
from sip.transaction.table import Event, State
from sip.transaction.timers import TimerConfig, TimerQueue
from sip.transaction.transaction import ClientTransaction, ClientUser, ServerTransaction, ServerUser, Transaction

MAGIC_COOKIE = "z9hG4bK"

TransactionKey = tuple[str | int | None, ...]
MergeKey = tuple[str, str | None, int, str]


class Datagram(NamedTuple):
    """Bytes to send from `local` to `remote`; the transaction, when there is one, hears of a transport error."""

    data: bytes
    remote: Endpoint
    local: Endpoint
    transaction: Transaction | None = None


@dataclass(slots=True)
class TransactionCounters:
    """Counts since the start; they only grow."""

    client_transactions: int = 0
    server_transactions: int = 0
    retransmissions_sent: int = 0
    retransmissions_received: int = 0
    timeouts: int = 0


def new_branch() -> str:
    """A branch that no other request of ours has, and that nobody can guess (§8.1.1.7)."""
    return MAGIC_COOKIE + secrets.token_hex(10)


def server_key(request: Request) -> TransactionKey:
    """What a request has in common with its retransmissions, and an ACK with the INVITE it acknowledges (§17.2.3).

    The key of an ACK is the key of its INVITE. A CANCEL has a key of its own; see `cancelled_key`.
    """
    return _key(request, "INVITE" if request.method == "ACK" else request.method)


def cancelled_key(request: Request) -> TransactionKey:
    """The key of the INVITE that this CANCEL is meant for (§9.2)."""
    return _key(request, "INVITE")


def _key(request: Request, method: str) -> TransactionKey:
    via = request.top_via
    branch = via.branch
    if branch is not None and branch.startswith(MAGIC_COOKIE):
        return (branch, via.host, via.port, method)
    # §17.2.3, the RFC 2543 way. The To tag is left out on purpose: an ACK has the tag of the response, the INVITE has
    # none.
    return (None, str(request.uri), request.from_.tag, request.call_id, request.cseq.number, str(via), method)


class TransactionLayer:
    """All running transactions of one user agent.

    `output` fills with datagrams as transactions send; whoever drives the layer takes them from there.
    """

    def __init__(self, timer_config: TimerConfig, clock: Callable[[], float]) -> None:
        self.timer_config = timer_config
        self.timers = TimerQueue(clock)
        self.counters = TransactionCounters()
        self.output: list[Datagram] = []
        self._lengths = (timer_config.lengths(reliable=False), timer_config.lengths(reliable=True))
        self._clients: dict[TransactionKey, ClientTransaction] = {}
        self._servers: dict[TransactionKey, ServerTransaction] = {}
        self._merge_keys: dict[MergeKey, ServerTransaction] = {}

    @property
    def client_count(self) -> int:
        """Client transactions that have not terminated."""
        return len(self._clients)

    @property
    def server_count(self) -> int:
        """Server transactions that have not terminated."""
        return len(self._servers)

    def lengths(self, *, reliable: bool) -> tuple[float, ...]:
        """First length of each timer, see `TimerConfig.lengths`."""
        return self._lengths[reliable]

    def transmit(self, data: bytes, transaction: Transaction, *, repeated: bool) -> None:
        """Queue a message of a transaction."""
        if repeated:
            self.counters.retransmissions_sent += 1
        self.output.append(Datagram(data, transaction.remote, transaction.local, transaction))

    def transmit_stateless(self, data: bytes, remote: Endpoint, local: Endpoint) -> None:
        """Queue a message that no transaction will repeat: an ACK to a 2xx, a stateless response (§8.2.7)."""
        self.output.append(Datagram(data, remote, local))

    def send_request(self, request: Request, remote: Endpoint, local: Endpoint, user: ClientUser) -> ClientTransaction:
        """Start the client transaction of a request whose top Via has a fresh branch."""
        transaction = self.prepare_request(request, remote, local, user)
        transaction.handle(Event.START)
        return transaction

    def prepare_request(
        self, request: Request, remote: Endpoint, local: Endpoint, user: ClientUser
    ) -> ClientTransaction:
        """Make the client transaction of a request that is sent by `restart_request`, once its address is known."""
        key = (request.top_via.branch, request.method)
        transaction = ClientTransaction(self, request, key, remote, local, user)
        self._clients[key] = transaction
        self.counters.client_transactions += 1
        return transaction

    def restart_request(
        self, transaction: ClientTransaction, request: Request, remote: Endpoint, local: Endpoint
    ) -> None:
        """Start a client transaction at this address, whatever became of it at others; `request` has a fresh branch."""
        if transaction.state is State.COMPLETED and transaction.request.method == "INVITE":
            self._clients[transaction.key] = transaction.leave_behind()
        else:
            self._clients.pop(transaction.key, None)
        key = (request.top_via.branch, request.method)
        self._clients[key] = transaction
        transaction.restart(request, key, remote, local)

    def find_client(self, response: Response) -> ClientTransaction | None:
        """The transaction that a response belongs to: same branch and same CSeq method (§17.1.3)."""
        return self._clients.get((response.top_via.branch, response.cseq.method))

    def serve_request(
        self, request: Request, remote: Endpoint, local: Endpoint, user: ServerUser | None = None
    ) -> ServerTransaction:
        """Start the server transaction of a request that matched none; responses will go to `remote`."""
        key = server_key(request)
        transaction = ServerTransaction(self, request, key, remote, local, user)
        self._servers[key] = transaction
        self.counters.server_transactions += 1
        if request.to.tag is None:
            transaction.merge_key = _merge_key(request)
            self._merge_keys[transaction.merge_key] = transaction
        transaction.handle(Event.START)
        return transaction

    def find_server(self, key: TransactionKey) -> ServerTransaction | None:
        """The running server transaction with this key, see `server_key` and `cancelled_key`."""
        return self._servers.get(key)

    def is_merged(self, request: Request) -> bool:
        """Whether a new request outside a dialog has come before along another path (§8.2.2.2)."""
        return request.to.tag is None and _merge_key(request) in self._merge_keys

    def forget(self, transaction: Transaction) -> None:
        """Take a terminated transaction out of the tables."""
        if isinstance(transaction, ServerTransaction):
            self._servers.pop(transaction.key, None)
            if transaction.merge_key is not None and self._merge_keys.get(transaction.merge_key) is transaction:
                del self._merge_keys[transaction.merge_key]
        else:
            self._clients.pop(transaction.key, None)


def _merge_key(request: Request) -> MergeKey:
    cseq = request.cseq
    return (request.call_id, request.from_.tag, cseq.number, cseq.method)
