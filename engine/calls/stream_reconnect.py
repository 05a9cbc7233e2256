"""The connection of a stream that broke off is opened again, where the document asks for that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from websockets.frames import CloseCode

from engine.calls.audio_stream import AudioStream
from engine.websocket import Closed, WebSocket
from voyloml import HttpFailure

PARAMETER: Final = "reconnect"
"""The `<Parameter>` that asks for it: how many times in a row."""

MOST: Final = 10
FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 10.0
"""A connection that has been open for so long has not failed in a row with those before."""

_TIMES: Final = re.compile(r"[1-9]|10")


class BadReconnect(ValueError):
    """The parameter is wrong; the message says what would be right."""


def reconnects(parameters: Mapping[str, str]) -> int:
    """How many times in a row a connection is opened again: 0 where nothing asks for it. Raises BadReconnect."""
    wanted = parameters.get(PARAMETER)
    if wanted is None:
        return 0
    if _TIMES.fullmatch(wanted.strip()) is None:
        raise BadReconnect(f"{PARAMETER} must be a number from 1 to {MOST}, not {wanted[:64]!r}")
    return int(wanted)


class Attempts:
    """The attempts that one stream has: `limit` in a row, each after twice the time of the one before."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def next_wait(self, open_seconds: float) -> float | None:
        """In how many seconds to try again, None where no attempt is left.

        `open_seconds` is how long the connection was open that has broken off; 0 where it could not be opened.
        """
        if open_seconds >= SETTLED_SECONDS:
            self._used = 0
        if self._used >= self._limit:
            return None
        self._used += 1
        return float(min(FIRST_SECONDS * 2 ** (self._used - 1), LONGEST_SECONDS))


class Reconnection:
    """Opens the connection of one stream again and again, until it is open or no attempt is left.

    `stream` is to be set as soon as there is one. `on_open` is called before the stream uses a new connection.
    """

    def __init__(self, limit: int, connect: Callable[[], Awaitable[WebSocket]], on_open: Callable[[], None]) -> None:
        self.stream: AudioStream | None = None
        self._attempts = Attempts(limit)
        self._connect = connect
        self._on_open = on_open
        self._task: asyncio.Task[None] | None = None

    def begin(self, open_seconds: float) -> bool:
        """Begin, after a connection that was open for so long; False where no attempt is left."""
        wait = self._attempts.next_wait(open_seconds)
        if wait is None:
            return False
        self._task = asyncio.create_task(self._run(wait), name="stream reconnects")
        return True

    def stop(self) -> None:
        """Try no further. Safe at any time."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self, wait: float | None) -> None:
        failure = ""
        while wait is not None:
            await asyncio.sleep(wait)
            try:
                socket = await self._connect()
            except HttpFailure as error:
                failure = error.message
                wait = self._attempts.next_wait(0.0)
                continue
            assert self.stream is not None
            self._on_open()
            self.stream.use(socket)
            return
        assert self.stream is not None
        self.stream.give_up(Closed(CloseCode.ABNORMAL_CLOSURE, failure))
