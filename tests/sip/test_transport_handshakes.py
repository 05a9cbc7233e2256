"""Connections that are not there yet: TLS and WebSocket handshakes count and end in time. Browsers that say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sip.transport import connection as connection_module
from sip.transport import websocket as websocket_module
from tests.sip.parties import OPTIONS, Party, party, tls_files, until
from tests.support.certificates import Certificates, make_certificates

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[tuple[str, int]], Awaitable[Streams]]]:
    """Opens TCP connections that say nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def open_one(address: tuple[str, int]) -> Streams:
        reader, writer = await asyncio.open_connection(*address)
        writers.append(writer)
        return reader, writer

    yield open_one
    for writer in writers:
        writer.close()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection within a moment."""
    try:
        async with asyncio.timeout(0.2):
            return await reader.read() == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("transport", ["tls", "ws", "wss"])
class TestHandshakes:
    @pytest.fixture
    async def served(self, transport: str, certificates: Certificates) -> AsyncIterator[Party]:
        async with party(**{transport: (("127.0.0.1", 0),)}, tls_files=tls_files(certificates)) as made:
            yield made

    @pytest.mark.parametrize("bound", ["CONNECTIONS", "CONNECTIONS_PER_SOURCE"])
    async def test_they_count(
        self,
        served: Party,
        transport: str,
        bound: str,
        opened: Callable[[tuple[str, int]], Awaitable[Streams]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(connection_module, bound, 2)
        address = served.address(transport)
        first, second, third = [await opened(address) for _ in range(3)]
        assert await is_closed(third[0])
        assert served.agent.stream_counters.refused == 1
        assert served.agent.connections == 0
        assert not await is_closed(first[0])
        for _, writer in (first, second):
            writer.close()
        await until(lambda: served.agent._sockets is not None and not served.agent._sockets.connections._sources)
        assert not await is_closed((await opened(address))[0])

    async def test_they_have_a_limit_in_time(
        self,
        served: Party,
        transport: str,
        opened: Callable[[tuple[str, int]], Awaitable[Streams]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(connection_module, "HANDSHAKE_SECONDS", 0.1)
        reader, _writer = await opened(served.address(transport))
        try:
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        except ConnectionError:
            pass
        await until(lambda: served.agent.stream_counters.unfinished == 1)
        assert served.agent._sockets is not None
        assert not served.agent._sockets.connections._sources

    async def test_closing_ends_them(
        self, served: Party, transport: str, opened: Callable[[tuple[str, int]], Awaitable[Streams]]
    ) -> None:
        reader, _writer = await opened(served.address(transport))
        await until(lambda: served.agent._sockets is not None and bool(served.agent._sockets.connections._sources))
        await served.agent.close()
        assert await is_closed(reader)


class TestBrowsers:
    @pytest.fixture
    async def served(self) -> AsyncIterator[Party]:
        async with party(ws=(("127.0.0.1", 0),)) as made:
            yield made

    def connect(self, served: Party) -> Any:
        host, port = served.address("ws")
        return connect(f"ws://{host}:{port}/", subprotocols=["sip"])  # type: ignore[list-item]

    async def test_one_that_only_answers_pings_is_dropped(self, served: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket_module, "PING_SECONDS", 0.05)
        monkeypatch.setattr(connection_module, "IDLE_SECONDS", 0.2)
        async with self.connect(served) as browser:
            async with asyncio.timeout(10):
                await browser.wait_closed()
        assert served.agent.stream_counters.idle == 1
        await until(lambda: served.agent.connections == 0)

    async def test_one_that_has_registered_may_be_silent(self, served: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket_module, "PING_SECONDS", 0.02)
        monkeypatch.setattr(connection_module, "IDLE_SECONDS", 0.1)
        async with self.connect(served) as browser:
            await browser.send(OPTIONS.format(n=1, transport="WS"))
            assert "200 OK" in await browser.recv()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await browser.wait_closed()
            assert served.agent.connections == 1

    async def test_one_that_answers_no_ping_is_dropped(self, served: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket_module, "PING_SECONDS", 0.05)
        reader, writer = await asyncio.open_connection(*served.address("ws"))
        writer.write(UPGRADE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        try:
            async with asyncio.timeout(10):
                assert (await reader.read())[:1] == b"\x89"  # the ping
        except ConnectionError:
            pass
        await until(lambda: served.agent.connections == 0)
        assert served.agent.stream_counters.idle == 1
        writer.close()

    async def test_a_message_in_several_frames_is_one(self, served: Party) -> None:
        message = OPTIONS.format(n=1, transport="WS")
        async with self.connect(served) as browser:
            await browser.send([message[:10], message[10:50], message[50:]])
            assert "200 OK" in await browser.recv()

    async def test_text_that_is_none_ends_the_connection(self, served: Party) -> None:
        async with self.connect(served) as browser:
            await browser.send(b"OPTIONS \xff", text=True)
            with pytest.raises(ConnectionClosed):
                await browser.recv()
            assert browser.close_code == 1007

    async def test_what_is_no_upgrade_is_refused(self, served: Party) -> None:
        for request in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n"):
            reader, writer = await asyncio.open_connection(*served.address("ws"))
            writer.write(request)
            answer = await reader.read()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
            writer.close()
