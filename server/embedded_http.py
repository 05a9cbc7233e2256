"""uvicorn inside our own process, which keeps the signals to itself."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.errors import error_body

GRACEFUL_SECONDS = 3


class _WholeAnswer:
    """The transport of one answer: its head waits for the first of its body, for each write is a packet of its own."""

    __slots__ = ("_cycle", "_head", "_head_seen", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle = cycle
        self._transport = transport
        self._head = b""
        self._head_seen = False

    def write(self, data: bytes) -> None:
        # What is written before the answer has begun is a 100 Continue.
        if not self._head_seen and self._cycle.response_started:
            self._head_seen = True
            if self._cycle.scope["method"] != "HEAD":
                self._head = data
                return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class _Protocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = cast(asyncio.Transport, _WholeAnswer(self.cycle, self.transport))

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets no further than here, and the same kind of answer as everything else (contract §3)."""
        body = error_body(400, msg)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {secrets.token_hex(8)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves SIGINT and SIGTERM to the process around it."""
        yield


class EmbeddedHttpServer:
    """Serves one ASGI application on one listening socket, which it owns from now on."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self.port: int = sock.getsockname()[1]
        self._socket = sock
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_Protocol,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                lifespan="off",
                loop="none",
                server_header=False,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="http")

    async def stop(self) -> None:
        """Ends open connections, for a few seconds gracefully, and closes the socket."""
        self._server.should_exit = True
        await self._task
        self._socket.close()
