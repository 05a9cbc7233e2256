"""Peers that send and never read: what waits for them is bounded, and so is their stay."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from sip.transport import connection as connection_module
from sip.transport.connection import Connection
from tests.sip.parties import Party, party, tls_files, until
from tests.sip.test_transport_handshakes import UPGRADE
from tests.support.certificates import Certificates, make_certificates

PINGS = b"\r\n\r\n" * 2048
BROWSER_PINGS = (b"\x89\xfd" + bytes(4) + b"x" * 125) * 64
"""Each is answered with about as many octets."""

Opener = Callable[[Party], Awaitable[asyncio.StreamWriter]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
async def deaf(certificates: Certificates) -> AsyncIterator[Opener]:
    """Connects, WebSocket handshake included, and reads no more from then on."""
    writers: list[asyncio.StreamWriter] = []

    async def open_one(served: Party) -> asyncio.StreamWriter:
        (transport,) = served.agent.bound
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(sock, served.address(transport))
        secure = transport in {"tls", "wss"}
        context = ssl.create_default_context(cafile=certificates.authority) if secure else None
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=context, server_hostname="localhost" if secure else None, limit=1024
        )
        writers.append(writer)
        if transport in {"ws", "wss"}:
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: connection_of(served) is not None)
        return writer

    yield open_one
    for writer in writers:
        writer.transport.abort()


def connection_of(served: Party) -> Connection | None:
    """The one connection, while there is one."""
    assert served.agent._sockets is not None
    return next(iter(served.agent._sockets.connections._all), None)


def unread(served: Party) -> int:
    """The octets that wait for the peer to read them."""
    connection = connection_of(served)
    if connection is None or connection._transport is None or connection._transport.is_closing():
        return 0
    return connection._transport.get_write_buffer_size()


@pytest.mark.parametrize(
    ("transport", "pings"),
    [("tcp", PINGS), ("tls", PINGS), ("ws", BROWSER_PINGS), ("wss", BROWSER_PINGS)],
)
async def test_answers_to_pings_that_nobody_reads_end_the_connection(
    transport: str, pings: bytes, deaf: Opener, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "OUTPUT_BYTES", 10_000)
    async with party(**{transport: (("127.0.0.1", 0),)}, tls_files=tls_files(certificates)) as served:
        writer = await deaf(served)
        async with asyncio.timeout(60):
            while connection_of(served) is not None:
                with suppress(ConnectionError):
                    writer.write(pings)
                    await writer.drain()
                await asyncio.sleep(0)
                # What is answered at once is one piece that was read, of asyncio's 256 KiB at most.
                assert unread(served) <= 10_000 + 300_000
        assert served.agent.stream_counters.slow == 1
        assert served.agent.connections == 0
