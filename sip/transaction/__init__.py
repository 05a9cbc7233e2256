"""The transaction layer of SIP (RFC 3261 §17, RFC 6026): four machines as tables, one a file, and what runs them.

No sockets, no clock, no asyncio: messages and the passing of time come in, datagrams and calls to the transaction user
go out.
"""

from __future__ import annotations

from sip.transaction.layer import Datagram, TransactionLayer, cancelled_key, new_branch, server_key
from sip.transaction.table import Event, State
from sip.transaction.timers import TimerConfig, TimerEntry, TimerQueue
from sip.transaction.transaction import ClientTransaction, ServerTransaction, cancel_for, failure_ack

__all__ = [
    "ClientTransaction",
    "Datagram",
    "Event",
    "ServerTransaction",
    "State",
    "TimerConfig",
    "TimerEntry",
    "TimerQueue",
    "TransactionLayer",
    "cancel_for",
    "cancelled_key",
    "failure_ack",
    "new_branch",
    "server_key",
]
