"""The rate limit of each API key and session: a token bucket in memory (contract §20).

A key may make `burst` requests at once and `per_minute` in the long run. There is one bucket per known key, so unknown
callers cannot make any.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from engine.errors import TooManyRequests

HeaderList = list[tuple[bytes, bytes]]

BUCKETS_BEFORE_SWEEP: Final = 4096


class RateLimiter:
    """The buckets. `clock` gives seconds that only grow, `now` the seconds of the epoch."""

    def __init__(
        self,
        per_minute: int,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._limit = str(per_minute).encode()
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}
        self._sweep_above = BUCKETS_BEFORE_SWEEP

    def take(self, key_id: str) -> HeaderList:
        """Counts one request of a key; the headers that tell its caller what is left.

        Raises LimitReached, with the same headers, when nothing is.
        """
        at = self._clock()
        tokens, since = self._buckets.get(key_id, (self._burst, at))
        tokens = min(self._burst, tokens + (at - since) * self._rate)
        if tokens < 1:
            self._buckets[key_id] = (tokens, at)
            raise LimitReached(max(1, math.ceil((1 - tokens) / self._rate)), self._headers(0.0))
        tokens -= 1
        self._buckets[key_id] = (tokens, at)
        if len(self._buckets) > self._sweep_above:
            self._sweep(at)
        return self._headers(tokens)

    def _headers(self, tokens: float) -> HeaderList:
        full_in = (self._burst - tokens) / self._rate
        return [
            (b"x-ratelimit-limit", self._limit),
            (b"x-ratelimit-remaining", str(int(tokens)).encode()),
            (b"x-ratelimit-reset", str(math.ceil(self._now() + full_in)).encode()),
        ]

    def _sweep(self, at: float) -> None:
        # A bucket that has filled up again is the same as none.
        fill_seconds = self._burst / self._rate
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if at - bucket[1] < fill_seconds}
        self._sweep_above = max(BUCKETS_BEFORE_SWEEP, 2 * len(self._buckets))


class LimitReached(TooManyRequests):
    """A key has no requests left; `headers` are those of the answer."""

    def __init__(self, retry_after: int, headers: HeaderList) -> None:
        super().__init__("Too many requests with this API key", retry_after)
        self.headers = headers
