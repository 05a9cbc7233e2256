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
from tests.sip.parties import OPTIONS, Party, party, tls_files, until
from tests.sip.test_transport_handshakes import UPGRADE, Streams
from tests.support.certificates import Certificates, make_certificates

PINGS = b"\r\n\r\n" * 2048
BROWSER_PINGS = (b"\x89\xfd" + bytes(4) + b"x" * 125) * 64
"""Each is answered with about as many octets."""

Opener = Callable[[Party], Awaitable[Streams]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
async def deaf(certificates: Certificates) -> AsyncIterator[Opener]:
    """Connects, WebSocket handshake included, and reads no more from then on."""
    writers: list[asyncio.StreamWriter] = []

    async def open_one(served: Party) -> Streams:
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
        await until(lambda: connection_of(served) is not None)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        return reader, writer

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
        _reader, writer = await deaf(served)
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


async def let_wait(served: Party, writer: asyncio.StreamWriter, pings: bytes) -> None:
    """Ping until answers wait for the peer to read them."""
    async with asyncio.timeout(60):
        while not unread(served):
            writer.write(pings)
            await writer.drain()
            await asyncio.sleep(0)


def fall_silent(served: Party, _writer: asyncio.StreamWriter) -> None:
    connection = connection_of(served)
    assert connection is not None
    connection._schedule(0)  # the time for a first message is over


def lose_framing(_served: Party, writer: asyncio.StreamWriter) -> None:
    writer.write(b"x" * 70_000)


def half_close(_served: Party, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


def send_close_frame(_served: Party, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x88\x82" + bytes(4) + b"\x03\xe8")


def stop(served: Party, _writer: asyncio.StreamWriter) -> None:
    assert served.agent._sockets is not None
    served.agent._sockets.connections.close()


@pytest.mark.parametrize(
    ("transport", "pings", "end"),
    [
        ("tcp", PINGS, fall_silent),
        ("tcp", PINGS, lose_framing),
        ("tcp", PINGS, half_close),
        ("tcp", PINGS, stop),
        ("tls", PINGS, fall_silent),
        ("tls", PINGS, lose_framing),
        ("tls", PINGS, stop),
        ("ws", BROWSER_PINGS, fall_silent),
        ("ws", BROWSER_PINGS, lose_framing),
        ("ws", BROWSER_PINGS, half_close),
        ("ws", BROWSER_PINGS, send_close_frame),
        ("ws", BROWSER_PINGS, stop),
        ("wss", BROWSER_PINGS, send_close_frame),
        ("wss", BROWSER_PINGS, stop),
    ],
)
async def test_a_connection_that_ends_does_not_wait_for_long_to_be_read(
    transport: str,
    pings: bytes,
    end: Callable[[Party, asyncio.StreamWriter], None],
    deaf: Opener,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "CLOSING_SECONDS", 0.1)
    monkeypatch.setattr(connection_module, "IDLE_SECONDS", 0)
    async with party(**{transport: (("127.0.0.1", 0),)}, tls_files=tls_files(certificates)) as served:
        _reader, writer = await deaf(served)
        await let_wait(served, writer, pings)
        end(served, writer)
        await until(lambda: connection_of(served) is None)
        assert served.agent._sockets is not None
        assert not served.agent._sockets.connections._sources
        assert served.agent.stream_counters.slow == 0


async def test_what_was_written_before_a_connection_ends_is_still_sent(deaf: Opener) -> None:
    async with party(tcp=(("127.0.0.1", 0),)) as served:
        reader, writer = await deaf(served)
        await let_wait(served, writer, PINGS)
        writer.write(OPTIONS.format(n=1, transport="TCP").encode())
        connection = connection_of(served)
        assert connection is not None
        await until(lambda: connection._heard)
        stop(served, writer)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            assert b"SIP/2.0 200 OK" in await reader.read()
