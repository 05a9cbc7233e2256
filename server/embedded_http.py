"""uvicorn inside our own process, which keeps the signals to itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

GRACEFUL_SECONDS = 3


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
