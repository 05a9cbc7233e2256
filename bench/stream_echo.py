"""The far end of many streams for `bench.streams`: a WebSocket server that sends all media back, as cheaply as it can.

It speaks just enough of RFC 6455 for the engine's client: the handshake is the websockets library's, frames are whole
and are taken apart by hand, so that this process is never what limits the measurement.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

from bench.generator import say
from media.kernel.limits import raise_descriptor_limit

_TEXT = 0x81
_MEDIA = b'"payload":"'
_OPEN = b'{"event":"media","media":{"payload":"'
_CLOSE = b'"}}'


class Echo(asyncio.Protocol):
    """One stream."""

    def __init__(self) -> None:
        self._handshake: ServerProtocol | None = ServerProtocol()
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the engine has connected."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio: octets have come."""
        if self._handshake is not None:
            self._shake(data)
            return
        self._buffer += data
        out = []
        at = 0
        while (end := _frame_end(self._buffer, at)) > 0:
            answer = _answer(self._buffer, at, end)
            if answer:
                out.append(answer)
            at = end
        self._buffer = self._buffer[at:]
        if out:
            self._transport.write(b"".join(out))

    def _shake(self, data: bytes) -> None:
        protocol = self._handshake
        assert protocol is not None
        protocol.receive_data(data)
        for event in protocol.events_received():
            assert isinstance(event, Request)
            protocol.send_response(protocol.accept(event))
            self._transport.write(b"".join(protocol.data_to_send()))
            self._handshake = None


def _header(buffer: bytes, at: int) -> tuple[int, int]:
    """The length of a frame's payload and where its mask begins; -1 where the header is not whole."""
    if len(buffer) < at + 4:
        return -1, 0
    length = buffer[at + 1] & 0x7F
    if length < 126:
        return length, at + 2
    # Nothing of the engine's is longer than 64 KiB.
    return int.from_bytes(buffer[at + 2 : at + 4]), at + 4


def _frame_end(buffer: bytes, at: int) -> int:
    """Where the frame at a place ends; 0 where it is not whole."""
    length, mask_at = _header(buffer, at)
    end = mask_at + 4 + length
    return end if length >= 0 and end <= len(buffer) else 0


def _answer(buffer: bytes, at: int, end: int) -> bytes:
    if buffer[at] != _TEXT:
        return b""
    _, mask_at = _header(buffer, at)
    message = apply_mask(buffer[mask_at + 4 : end], buffer[mask_at : mask_at + 4])
    first = message.find(_MEDIA)
    if first < 0:
        return b""
    first += len(_MEDIA)
    body = _OPEN + message[first : message.index(b'"', first)] + _CLOSE
    head = bytes((_TEXT, len(body))) if len(body) < 126 else bytes((_TEXT, 126)) + len(body).to_bytes(2)
    return head + body


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    say({"port": server.sockets[0].getsockname()[1]})
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, required=True)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    raise_descriptor_limit(8192)
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
