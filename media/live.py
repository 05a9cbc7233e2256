"""What asyncio writes is heard by the far end of a session while more of it is still to come.

`LiveSource` is made by `MediaSession.open_source`. The kernel keeps the pace: it has two seconds of what was written,
the rest waits here until there is room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from media.kernel import constants as c
from media.kernel.live import publish, push_samples
from media.kernel.messages import UNREAD, read_message

_REFILL_SECONDS: Final = c.LIVE_SAMPLES / c.CLOCK_RATE / 4
RING_SECONDS: Final = c.LIVE_SAMPLES / c.CLOCK_RATE
"""What the kernel has of a source at most; what is written beyond waits."""

_SOON_SECONDS: Final = c.SUBTICK_NS / c.NANOSECONDS

Samples = npt.NDArray[np.int16]


class LiveSource:
    """Sound that is written at any pace and heard at that of the clock, behind what the session's queue plays.

    `row` is the session's in the kernel; positions count samples and go on from `start`. `is_open` tells whether the
    kernel has opened the session already; from then on the row is its own until this is closed.
    """

    def __init__(self, row: Any, start: int, is_open: Callable[[], bool], on_close: Callable[[LiveSource], None]):
        self._ring: Samples = row["live_samples"]
        self._cursors: npt.NDArray[np.int64] = row["live_cursors"]
        self._is_open = is_open
        self._on_close = on_close
        self._start = start
        self.tail = start
        self._written = start
        self._waiting: deque[Samples] = deque()
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()
        self._refill: asyncio.TimerHandle | None = None
        self._fed = False
        self._closed = False

    @property
    def seconds(self) -> float:
        """How much was written and is not heard yet."""
        return (self._written - self._head) / c.CLOCK_RATE

    @property
    def _head(self) -> int:
        return max(int(self._cursors[c.LIVE_HEAD]), self._start)

    def write(self, samples: Samples) -> None:
        """Let `(n,) int16` samples at 8 kHz be heard after everything written before. Nothing waits and nothing is
        refused: who writes looks at `seconds`."""
        if self._closed or len(samples) == 0:
            return
        # The compiled form is made for one kind of array.
        piece = samples if samples.flags.writeable else samples.copy()
        self._written += len(piece)
        if self._fed and not self._waiting:
            count = push_samples(self._cursors, self._ring, piece, self.tail)
            self.tail += count
            if count == len(piece):
                return
            piece = piece[count:]
        self._waiting.append(piece)
        if self._refill is None:
            self._feed()

    def write_message(self, data: bytes, first: int, end: int, head: bytes) -> bool:
        """Let the audio of a text message, `data` from `first` to `end`, be heard as `write` does: base64 of µ-law
        between `head` and the ending of `media.kernel.messages`. False, and nothing written, where the message is
        anything else, or the kernel has no room for all of it at once."""
        if not self._fed or self._waiting or self._closed:
            return False
        count = read_message(data, first, end, head, self._cursors, self._ring, self.tail)
        if count == UNREAD:
            return False
        self.tail += count
        self._written += count
        return True

    def mark(self, reached: Callable[[], None]) -> None:
        """Call back when everything written so far has been sent or cleared: at once where nothing is left."""
        if self._closed or self._written <= self._head:
            reached()
            return
        self._marks.append((self._written, reached))
        if len(self._marks) == 1 and self._fed:
            publish(self._cursors, c.LIVE_NOTIFY, self._written)

    def clear(self) -> None:
        """Leave out, from the next tick on, whatever was written; marks are reached with it."""
        if self._closed:
            return
        self._waiting.clear()
        self._written = self.tail
        if self._fed:
            publish(self._cursors, c.LIVE_SKIP, self.tail)
        marks, self._marks = self._marks, deque()
        for _, reached in marks:
            reached()

    def reached(self, position: int) -> None:
        """The kernel has sent everything before a position; called by the session."""
        while self._marks and self._marks[0][0] <= position:
            self._marks.popleft()[1]()
        self._ask()

    def close(self) -> None:
        """Silence from the next tick on. Marks that are left are not reached. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        self._marks.clear()
        if self._refill is not None:
            self._refill.cancel()
        self._on_close(self)

    def _ask(self) -> None:
        if not self._closed:
            publish(self._cursors, c.LIVE_NOTIFY, self._marks[0][0] if self._marks else c.LIVE_NO_POSITION)

    def _feed(self) -> None:
        self._refill = None
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        if not self._fed:
            if not self._is_open():
                self._refill = loop.call_later(_SOON_SECONDS, self._feed)
                return
            # What the row was cleared to, or what an earlier source waited for.
            self._ask()
            self._fed = True
        while self._waiting:
            samples = self._waiting.popleft()
            count = push_samples(self._cursors, self._ring, samples, self.tail)
            self.tail += count
            if count < len(samples):
                self._waiting.appendleft(samples[count:])
                self._refill = loop.call_later(_REFILL_SECONDS, self._feed)
                return
