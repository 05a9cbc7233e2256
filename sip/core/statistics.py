"""Counters of a user agent: plain numbers that only grow, read by whoever exports them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Counts since the start. Those of the transactions are in `TransactionCounters`."""

    messages_received: int = 0  # datagrams that were parsed, rightly or not
    messages_sent: int = 0
    parse_errors: int = 0
    banned: int = 0  # datagrams dropped unread: their source is ignored
    throttled: int = 0  # datagrams dropped unread: their source sends too many
    silenced: int = 0  # answers not given to strangers in silent mode
    withheld: int = 0  # answers not given because they would be much larger than what was asked
    stray_responses: int = 0  # responses to nothing we sent
    stray_acks: int = 0
    refused: int = 0  # requests answered with an error by the protocol itself
    send_errors: int = 0
    failures: int = 0  # exceptions caught at a barrier: bugs
    calls_received: int = 0
    calls_placed: int = 0
