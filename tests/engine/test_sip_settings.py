"""Settings of the section `sip` that a peer sees (contract §22.2): a running engine, asked with real datagrams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip import Response
from sip.message import parse_message
from tests.support.engine import TestEngine, running_engine


class Stranger:
    """A socket that asks the engine one thing at a time."""

    def __init__(self, sock: socket.socket, engine: TestEngine) -> None:
        self._sock = sock
        self._engine = engine
        self._asked = 0

    async def ask(self, method: str, *fields: str, body: str = "") -> Response:
        """A request outside of any dialog, and its final response."""
        host, port = self._engine.sip
        own = "{}:{}".format(*self._sock.getsockname())
        self._asked += 1
        lines = (
            f"{method} sip:{host} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKs{self._asked};rport",
            f"From: <sip:stranger@{host}>;tag=1",
            f"To: <sip:stranger@{host}>",
            f"Call-ID: settings-{self._asked}",
            f"CSeq: {self._asked} {method}",
            f"Contact: <sip:stranger@{own}>",
            "Max-Forwards: 70",
            *fields,
            f"Content-Length: {len(body)}",
            "",
            body,
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.sock_sendto(self._sock, "\r\n".join(lines).encode(), (host, port))
            answer = parse_message(await loop.sock_recv(self._sock, 65536))
        assert isinstance(answer, Response)
        return answer


@asynccontextmanager
async def a_stranger(engine: TestEngine) -> AsyncIterator[Stranger]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield Stranger(sock, engine)


@pytest.mark.parametrize(
    ("settings", "status", "field"),
    [
        ({}, 405, "Allow"),
        ({"message_status": 200}, 200, None),
        ({"message_status": 202}, 202, None),
        ({"message_status": 415}, 415, "Accept"),
        ({"message_status": 488}, 488, None),
    ],
)
async def test_a_message_is_answered_as_the_configuration_says(
    tmp_path: Path, settings: dict[str, int], status: int, field: str | None
) -> None:
    async with running_engine(tmp_path / "data", sip=settings) as engine, a_stranger(engine) as stranger:
        answer = await stranger.ask("MESSAGE", "Content-Type: text/plain", body="hello")
        assert answer.status == status
        assert {name for name in ("Allow", "Accept") if name in answer.headers} == ({field} if field else set())
        assert "MESSAGE" not in (await stranger.ask("OPTIONS", "Accept: application/sdp")).allow
