"""Keys a caller has pressed and no verb has consumed yet (contract §10.5: up to 32 are kept)."""

from __future__ import annotations

import asyncio
from collections import deque

KEPT_KEYS = 32

TWICE_SECONDS = 2.0
"""Within this time a key may come a second time by another way; an INFO that was lost once or twice is that late."""


class KeyWays:
    """Tells a key from its copy, for peers that send each press in two ways, such as telephone events and INFO."""

    def __init__(self) -> None:
        self._alone: deque[tuple[float, str, str]] = deque()

    def is_new(self, key: str, way: str, at: float) -> bool:
        """Whether a key that came by this way at this time is a press of its own. Each press is paired once."""
        while self._alone and at - self._alone[0][0] > TWICE_SECONDS:
            self._alone.popleft()
        for entry in self._alone:
            if entry[1] == key and entry[2] != way:
                self._alone.remove(entry)
                return False
        self._alone.append((at, key, way))
        return True


class KeyBuffer:
    """Keys in the order pressed, for one reader at a time.

    `press` is called from the media events, `next` by the running verb. Keys beyond 32 unread ones are dropped: a
    caller who leans on the keypad must not grow the call.
    """

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        self._reader: asyncio.Future[None] | None = None
        self.dropped = 0

    def press(self, key: str) -> None:
        """Appends one key (`0`-`9`, `*`, `#`, `A`-`D`)."""
        if len(self._keys) >= KEPT_KEYS:
            self.dropped += 1
            return
        self._keys.append(key)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def next(self) -> str:
        """The oldest unread key; waits for one. A cancelled wait loses no key."""
        while not self._keys:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._keys.popleft()

    def __len__(self) -> int:
        return len(self._keys)

    def clear(self) -> None:
        """Forgets all unread keys."""
        self._keys.clear()
