"""A 2xx to an INVITE that waits for its ACK (RFC 3261 §13.3.1.4): repeated end to end, by the user agent, on every
transport."""

from __future__ import annotations

from collections.abc import Callable

from sip.endpoint import Endpoint
from sip.transaction.layer import TransactionLayer


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
