"""Keeps the way through NATs open: an empty line to each peer every 25 s over UDP (RFC 5626 §3.5.1, §4.4.1).

What comes back, if anything, is of no interest here; connections have pings of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sip.endpoint import Endpoint
from sip.transaction.layer import TransactionLayer

KEEP_ALIVE: Final = b"\r\n\r\n"
KEEP_ALIVE_SECONDS: Final = 25.0
"""NATs forget a UDP flow after 30 s or more (RFC 5626 §4.4.2 asks for 24 to 29)."""

BURST: Final = 50
BURST_SECONDS: Final = 0.05
"""At most BURST datagrams leave at once, and the next BURST_SECONDS later: a thousand a second."""


@dataclass(slots=True)
class _Kept:
    due: float
    users: int


class KeepAlive:
    """The flows that are kept open. Each may be wanted by several users; the last `release` ends it."""

    def __init__(self, layer: TransactionLayer) -> None:
        self._layer = layer
        self._flows: OrderedDict[tuple[Endpoint, Endpoint], _Kept] = OrderedDict()  # in the order of their next turn
        self._waiting = False

    def __len__(self) -> int:
        """Flows that are kept open."""
        return len(self._flows)

    def hold(self, remote: Endpoint, local: Endpoint) -> None:
        """Keep a flow open from now on. No effect on a connection."""
        if remote.reliable:
            return
        kept = self._flows.get((remote, local))
        if kept is not None:
            kept.users += 1
            return
        self._flows[remote, local] = _Kept(self._layer.timers.clock() + KEEP_ALIVE_SECONDS, 1)
        self._schedule()

    def release(self, remote: Endpoint, local: Endpoint) -> None:
        """One user needs the flow no more; no effect on a flow that is not kept."""
        kept = self._flows.get((remote, local))
        if kept is None:
            return
        kept.users -= 1
        if not kept.users:
            del self._flows[remote, local]

    def _schedule(self, shortest: float = 0.0) -> None:
        if self._waiting or not self._flows:
            return
        self._waiting = True
        timers = self._layer.timers
        first = next(iter(self._flows.values())).due
        timers.schedule(max(shortest, first - timers.clock()), self._send)

    def _send(self, _argument: object) -> None:
        self._waiting = False
        now = self._layer.timers.clock()
        for _ in range(min(BURST, len(self._flows))):
            flow, kept = next(iter(self._flows.items()))
            if kept.due > now:
                break
            kept.due = now + KEEP_ALIVE_SECONDS
            self._flows.move_to_end(flow)
            self._layer.transmit_stateless(KEEP_ALIVE, *flow)
        self._schedule(BURST_SECONDS)
