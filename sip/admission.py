"""Which messages are looked at at all: a token bucket for each source address, and the bans, before anything is parsed.

An address that has proven itself (a digest that was right, an answer to a request of ours, or the application's word)
is not limited. A request that
had to be refused costs its source more than one that was served, so that a scanner runs dry at once and a busy peer
does not. Bounded in memory, and one look-up for each message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from sip.defence import Defence, source_network

REFUSAL_COST = 10.0
"""Tokens of a request that is refused without knowing its sender; an answered one costs 1."""

CHALLENGE_COST = 2.0
"""Tokens of a challenge on top of its request's: half of what strangers ask for is one."""

TRUST_SECONDS = 600.0
"""For how long a right digest, or an answer to a request of ours, speaks for its address."""

ASK_SECONDS = 1.0
"""How often the application is asked about an address that runs dry."""

ANSWER_SECONDS = 60.0
"""For how long the application's yes holds."""

_TOKENS, _TIME, _ASK = range(3)


class Admission:
    """Decides over each message by the address it came from. Times are seconds on the clock of the caller."""

    __slots__ = ("_is_trusted", "_old", "_sources", "_trusted", "_young", "burst", "defence", "rate", "throttled")

    def __init__(
        self,
        defence: Defence,
        *,
        rate: float,
        burst: float,
        sources: int,
        is_trusted: Callable[[str], bool] = lambda _host: False,
    ) -> None:
        """`rate` messages a second and `burst` at once for an address, or for an IPv6 /64; a rate of 0 limits nobody.

        At most `sources` addresses are remembered. `is_trusted(host)` is asked when an address has run dry, once a
        second at most.
        """
        self.defence = defence
        self.rate = rate
        self.burst = burst
        self.throttled = 0
        self._sources = sources
        self._is_trusted = is_trusted
        # Two generations: the old one is dropped whole when the young one is full, which costs nothing per message and
        # never forgets an address that is being heard.
        self._young: dict[str, list[float]] = {}
        self._old: dict[str, list[float]] = {}
        self._trusted: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered, those only trusted included."""
        return len(self._young) + len(self._old) + len(self._trusted)

    def admits(self, host: str, now: float) -> bool:
        """Whether to look at a message from this address; takes one token."""
        if self.defence.is_banned(host, now):
            return False
        if not self.rate:
            return True
        bucket = self._bucket(host, now)
        tokens = bucket[_TOKENS] + (now - bucket[_TIME]) * self.rate
        bucket[_TIME] = now
        if tokens >= 1.0:
            bucket[_TOKENS] = min(tokens, self.burst) - 1.0
            return True
        bucket[_TOKENS] = tokens
        if self._trusts(host, bucket, now):
            return True
        self.throttled += 1
        return False

    def charge(self, host: str, tokens: float, now: float) -> None:
        """Take tokens for work that a message from this address made; the debt is bounded."""
        if self.rate:
            bucket = self._bucket(host, now)
            bucket[_TOKENS] = max(bucket[_TOKENS] - tokens, -self.burst)

    def trust(self, host: str, now: float, seconds: float = TRUST_SECONDS) -> None:
        """Do not limit this address for so long."""
        self._trusted[host] = max(self._trusted.get(host, 0.0), now + seconds)
        self._trusted.move_to_end(host)
        if len(self._trusted) > self._sources:
            self._trusted.popitem(last=False)

    def needs_proof(self, host: str, now: float) -> bool:
        """Whether an answer from this address is to be taken as its proof: none is held that lasts for long enough."""
        return bool(self.rate) and self._trusted.get(host, 0.0) < now + TRUST_SECONDS / 2

    def knows(self, host: str, now: float) -> bool:
        """Whether an address is trusted: by a digest that was right a while ago, or by the application."""
        return self._trusted.get(host, 0.0) > now or self._is_trusted(host)

    def _trusts(self, host: str, bucket: list[float], now: float) -> bool:
        if self._trusted.get(host, 0.0) > now:
            return True
        if bucket[_ASK] > now:
            return False
        bucket[_ASK] = now + ASK_SECONDS
        if not self._is_trusted(host):
            return False
        self.trust(host, now, ANSWER_SECONDS)
        return True

    def _bucket(self, host: str, now: float) -> list[float]:
        key = source_network(host)
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._old.pop(key, None) or [self.burst, now, 0.0]
            if len(self._young) >= self._sources // 2:
                self._old = self._young
                self._young = {}
            self._young[key] = bucket
        return bucket
