"""Ignoring addresses that keep failing to authenticate (contract §14.1): five failures in a minute, ten minutes of
silence.

Looked at before anything is parsed. The table is bounded: the address that was not heard of for longest is forgotten
first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


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
        until = self._bans.get(host)
        if until is None:
            return False
        if until <= now:
            del self._bans[host]
            return False
        self.dropped += 1
        return True

    def record_failure(self, host: str, now: float) -> bool:
        """Count one failure; True when it was the one that bans the address."""
        if self.limit <= 0 or self._bans.get(host, 0.0) > now:
            return False
        recent = self._failures.pop(host, None)
        recent = [] if recent is None else [time for time in recent if time > now - self.window]
        recent.append(now)
        if len(recent) < self.limit:
            self._failures[host] = recent
            while len(self._failures) > self._sources:
                self._failures.popitem(last=False)
            return False
        self._bans[host] = now + self.ban_seconds
        self._bans.move_to_end(host)
        while len(self._bans) > self._sources:
            self._bans.popitem(last=False)
        self.on_ban(host, self.ban_seconds)
        return True

    def forgive(self, host: str) -> None:
        """Forget failures and ban of an address."""
        self._failures.pop(host, None)
        self._bans.pop(host, None)
