"""How many calls a workspace may begin in a second (contract §20): a token bucket of one second for each."""

from __future__ import annotations

import math
from collections.abc import Callable

SWEEP_ABOVE = 4096


class Pacing:
    """The buckets, by workspace. `clock` gives seconds that only grow."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._rate = per_second
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, workspace_id: str) -> int:
        """Counts one call and returns 0, or the whole seconds after which there is room for one."""
        at = self._clock()
        tokens, since = self._buckets.get(workspace_id, (self._rate, at))
        tokens = min(max(1.0, self._rate), tokens + (at - since) * self._rate)
        if tokens < 1:
            self._buckets[workspace_id] = (tokens, at)
            return max(1, math.ceil((1 - tokens) / self._rate))
        self._buckets[workspace_id] = (tokens - 1, at)
        if len(self._buckets) > SWEEP_ABOVE:
            # A bucket that has filled up again is the same as none
            self._buckets = {name: bucket for name, bucket in self._buckets.items() if at - bucket[1] < 1}
        return 0
