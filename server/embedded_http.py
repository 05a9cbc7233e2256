"""uvicorn inside our own process, which keeps the signals to itself."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import error_body

GRACEFUL_SECONDS = 3


class _Protocol(HttpToolsProtocol):
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
