"""The far end of a stream in a test: a WebSocket server that keeps what it gets and sends what a test tells it to."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from tests.support.certificates import Certificates
from tests.support.tones import decode_ulaw, encode_ulaw, seconds_of

FRAME = 160


class Stream:
    """One connection of the engine's, as the server has it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.binary: list[bytes] = []
        self.at: list[float] = []
        self.closed = False
        self._changed = asyncio.Event()

    @property
    def request(self) -> Request:
        """The request of the handshake."""
        assert self.socket.request is not None
        return self.socket.request

    @property
    def sid(self) -> str:
        return str(self.of("start")[0]["streamSid"])

    def of(self, event: str) -> list[dict[str, Any]]:
        """The messages with this event, in order."""
        return [message for message in self.messages if message["event"] == event]

    def events(self) -> list[str]:
        """The events in order, those of media only once in a row."""
        names: list[str] = []
        for message in self.messages:
            if message["event"] != "media" or names[-1:] != ["media"]:
                names.append(message["event"])
        return names

    def heard(self, track: str = "inbound") -> NDArray[np.int16]:
        """The audio that came in JSON, in order."""
        payloads = [message["media"]["payload"] for message in self.of("media") if message["media"]["track"] == track]
        return decode_ulaw(b"".join(base64.b64decode(payload) for payload in payloads))

    def raw(self) -> NDArray[np.int16]:
        """The audio that came in binary messages."""
        return np.frombuffer(b"".join(self.binary), "<i2").astype(np.int16)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for what a message or the end makes true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, hertz: float, at_least: float = 0.5, track: str = "inbound") -> None:
        """Waits until `hertz` was heard for `at_least` seconds altogether."""
        await self.until(lambda: seconds_of(self.heard(track), hertz) >= at_least)

    async def ended(self) -> None:
        """Waits until the connection has ended."""
        await self.until(lambda: self.closed)

    async def send(self, message: dict[str, Any]) -> None:
        """Sends JSON."""
        await self.socket.send(json.dumps(message))

    async def say(self, samples: NDArray[np.int16], piece: int = FRAME) -> None:
        """Sends audio at 8 kHz as media messages of `piece` samples, as fast as they are taken."""
        octets = encode_ulaw(samples)
        for at in range(0, len(octets), piece):
            payload = base64.b64encode(octets[at : at + piece]).decode()
            await self.send({"event": "media", "streamSid": self.sid, "media": {"payload": payload}})

    async def mark(self, name: str) -> None:
        await self.send({"event": "mark", "streamSid": self.sid, "mark": {"name": name}})

    async def clear(self) -> None:
        await self.send({"event": "clear", "streamSid": self.sid})

    async def marked(self, name: str, seconds: float = 10.0) -> float:
        """Waits until a mark has come back; returns when, in the loop's time."""
        await self.until(lambda: any(mark["mark"]["name"] == name for mark in self.of("mark")), seconds)
        place = next(
            at for at, message in enumerate(self.messages)
            if message["event"] == "mark" and message["mark"]["name"] == name
        )  # fmt: skip
        return self.at[place]

    def break_off(self) -> None:
        """Resets the connection, as a machine does that has crashed."""
        self.socket.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.socket.transport.abort()

    async def read(self) -> None:
        """Keeps what comes until the connection ends."""
        loop = asyncio.get_running_loop()
        try:
            async for message in self.socket:
                if isinstance(message, str):
                    self.messages.append(json.loads(message))
                    self.at.append(loop.time())
                else:
                    self.binary.append(message)
                self._changed.set()
        except ConnectionClosed:
            pass
        finally:
            self.closed = True
            self._changed.set()


Behaviour = Callable[[Stream], Awaitable[None]]


async def listen_only(stream: Stream) -> None:
    """Keeps what comes."""
    await stream.read()


async def echo(stream: Stream) -> None:
    """Sends all media back as it came."""
    async for message in stream.socket:
        if not isinstance(message, str):
            stream.binary.append(message)
            await stream.socket.send(message)
            continue
        content = json.loads(message)
        stream.messages.append(content)
        if content["event"] == "media":
            payload = content["media"]["payload"]
            await stream.send({"event": "media", "streamSid": content["streamSid"], "media": {"payload": payload}})


class StreamServer:
    """A server on loopback; `streams` are its connections in order."""

    def __init__(self, behaviour: Behaviour, *, secure: bool = False) -> None:
        self._scheme = "wss" if secure else "ws"
        self.streams: list[Stream] = []
        self.port = 0
        self._behaviour = behaviour
        self._arrival = asyncio.Event()

    def url(self, path: str = "/") -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    async def stream(self, number: int = 0, seconds: float = 10.0) -> Stream:
        """A connection, now or when it comes."""
        async with asyncio.timeout(seconds):
            while len(self.streams) <= number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.streams[number]

    async def handle(self, socket: ServerConnection) -> None:
        stream = Stream(socket)
        self.streams.append(stream)
        self._arrival.set()
        try:
            await self._behaviour(stream)
        except ConnectionClosed:
            stream.closed = True


@asynccontextmanager
async def a_stream_server(
    behaviour: Behaviour = listen_only,
    subprotocols: Sequence[Any] | None = None,
    certificates: Certificates | None = None,
    **options: Any,
) -> AsyncIterator[StreamServer]:
    """A server for the length of the block, over TLS where it has a certificate."""
    server = StreamServer(behaviour, secure=certificates is not None)
    tls = None if certificates is None else certificates.server()
    settings = {"compression": None, "close_timeout": 0.2, "subprotocols": subprotocols, "ssl": tls, **options}
    async with serve(server.handle, "127.0.0.1", 0, **settings) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
