"""A web server that does as little as a server can, for benches of what calls one."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Target(asyncio.Protocol):
    """Takes requests whose heads name the length of the body; gives each the same answer."""

    def __init__(self, answer: bytes, arrivals: list[float]) -> None:
        self._answer = answer
        self._arrivals = arrivals
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(self._waiting) < end + 4 + length:
                return
            self._waiting = self._waiting[end + 4 + length :]
            self._arrivals.append(time.monotonic())
            self._transport.write(self._answer)


@contextmanager
def target(core: int, body: str = "") -> Iterator[tuple[str, list[float]]]:
    """The URL of a target on one core that answers 200 with this body, and when each request to it was complete."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    answer = (head + body).encode()
    arrivals: list[float] = []
    loop = asyncio.new_event_loop()
    listening: list[asyncio.Server] = []

    def serve() -> None:
        os.sched_setaffinity(0, {core})
        listening.append(loop.run_until_complete(loop.create_server(lambda: _Target(answer, arrivals), "127.0.0.1", 0)))
        loop.run_forever()
        listening[0].close()
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        while not listening:
            time.sleep(0.01)
        port = listening[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/", arrivals
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
