"""Ignoring addresses that keep failing to authenticate (contract §14.1): five failures in a minute, ten minutes of
silence.

Looked at before anything is parsed. The table is bounded: the address that was not heard of for longest is forgotten
first. An IPv6 network of 64 bits counts as one address.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

_NETWORK_BYTES = 8
_REMEMBERED_NETWORKS = 4096


def source_network(host: str) -> str:
    """Whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64, all of which is at the hands
    of whoever has one address in it. What is no address stands for itself."""
    return _network(host) if ":" in host else host


@lru_cache(_REMEMBERED_NETWORKS)
def _network(host: str) -> str:
    try:
        octets = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    # An IPv4 address written as IPv6 has company of its own in its /64: all of IPv4
    return host if octets.startswith(bytes(10)) else octets[:_NETWORK_BYTES].hex()


class Defence:
    """Failures and bans by source address. Times are seconds on the clock of the caller, passed in."""

    __slots__ = ("_bans", "_failures", "_sources", "ban_seconds", "dropped", "limit", "on_ban", "window")

    def __init__(
        self,
        *,
        limit: int,
        window: float,
        ban_seconds: float,
        sources: int,
        on_ban: Callable[[str, float], None] = lambda _host, _seconds: None,
    ) -> None:
        """`limit` failures within `window` seconds ban an address for `ban_seconds`; at most `sources` are remembered.

        `on_ban(host, seconds)` is called once for each ban, so that one line can be logged. A limit of 0 bans nobody.
        """
        self.limit = limit
        self.window = window
        self.ban_seconds = ban_seconds
        self.on_ban = on_ban
        self.dropped = 0
        self._sources = sources
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._bans: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered."""
        return len(self._failures) + len(self._bans)

    def is_banned(self, host: str, now: float) -> bool:
        """Whether to ignore what comes from this address; counts what is ignored. Costs one look-up."""
        if not self._bans:
            return False
        network = source_network(host)
        until = self._bans.get(network)
        if until is None:
            return False
        if until <= now:
            del self._bans[network]
            return False
        self.dropped += 1
        return True

    def record_failure(self, host: str, now: float) -> bool:
        """Count one failure; True when it was the one that bans the address."""
        network = source_network(host)
        if self.limit <= 0 or self._bans.get(network, 0.0) > now:
            return False
        recent = self._failures.pop(network, None)
        recent = [] if recent is None else [time for time in recent if time > now - self.window]
        recent.append(now)
        if len(recent) < self.limit:
            self._failures[network] = recent
            while len(self._failures) > self._sources:
                self._failures.popitem(last=False)
            return False
        self._bans[network] = now + self.ban_seconds
        self._bans.move_to_end(network)
        while len(self._bans) > self._sources:
            self._bans.popitem(last=False)
        self.on_ban(host, self.ban_seconds)
        return True

    def forgive(self, host: str) -> None:
        """Forget failures and ban of an address."""
        network = source_network(host)
        self._failures.pop(network, None)
        self._bans.pop(network, None)
