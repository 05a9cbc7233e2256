"""One log line for each kind of refusal and source, then one a minute with the count: a scanner fills no disk.

The first line is what fail2ban reads: `event`, `source`, and what was wrong (docs/security.md). An address over UDP may
be forged; so that nobody can have a carrier shut out in this way, lines about known peers are of a form that the filter
does not take.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

REPEAT_SECONDS: Final = 60.0
REMEMBERED_SOURCES: Final = 4096


class RefusalLog:
    """Counts what was refused by kind and source address. `clock` gives seconds that only grow; `is_known(host)` tells
    addresses that somebody has written into the configuration of a number."""

    def __init__(self, clock: Callable[[], float], is_known: Callable[[str], bool] = lambda _host: False) -> None:
        self._clock = clock
        self._is_known = is_known
        self._seen: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def refused(self, event: str, source: str, **details: object) -> None:
        """Log this refusal, or count it until the next line is due; `refused` says how many that line stands for."""
        now = self._clock()
        entry = self._seen.get((event, source))
        if entry is None:
            entry = [0.0, now - REPEAT_SECONDS]
            self._seen[event, source] = entry
            if len(self._seen) > REMEMBERED_SOURCES:
                self._seen.popitem(last=False)
        self._seen.move_to_end((event, source))
        entry[0] += 1
        if now - entry[1] >= REPEAT_SECONDS:
            # The filter of fail2ban wants `source` right behind the event
            whose = {"known_peer": True} if self._is_known(source) else {}
            logger.warning(event, **whose, source=source, refused=int(entry[0]), **details)
            entry[0], entry[1] = 0.0, now
