"""Keys a caller has pressed and no verb has consumed yet (contract §10.5: up to 32 are kept)."""

from __future__ import annotations

import asyncio
from collections import deque

KEPT_KEYS = 32


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
