"""Connections to WebSockets outside: what is opened and refused, how they end, and what a bad peer can do."""

from __future__ import annotations

import asyncio
import http
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from engine import websocket
from engine.websocket import Closed, WebSocket, WebSocketClient
from tests.support.certificates import make_certificates
from voyloml import HttpFailure


class Owner:
    """Keeps what a connection says."""

    def __init__(self, connection: WebSocket) -> None:
        self.messages: list[tuple[bytes, bool]] = []
        self.closed: list[Closed] = []
        self._changed = asyncio.Event()
        self.connection = connection
        connection.listen(self._message, self._closed)

    def _message(self, message: bytes, is_text: bool) -> None:
        self.messages.append((message, is_text))
        self._changed.set()

    def _closed(self, closed: Closed) -> None:
        self.closed.append(closed)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def client() -> AsyncIterator[WebSocketClient]:
    made = WebSocketClient(allow_private=True)
    yield made
    await made.close()


@asynccontextmanager
async def server(handle: Callable[[ServerConnection], Awaitable[None]], **options: object) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0, compression=None, close_timeout=0.2, **options) as listening:  # type: ignore[arg-type]
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/path"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_messages_go_both_ways_and_either_side_may_close(client: WebSocketClient) -> None:
    await go_both_ways(client)


def test_the_same_on_the_loop_that_the_server_runs_on() -> None:
    async def both_ways() -> None:
        client = WebSocketClient(allow_private=True)
        await go_both_ways(client)
        await client.close()

    uvloop.run(both_ways())


async def go_both_ways(client: WebSocketClient) -> None:
    async with server(echo) as url:
        owner = Owner(await client.connect(url, {}))
        assert owner.connection.send_text("grüß".encode())
        assert owner.connection.send_binary(b"\0\1")
        await owner.until(lambda: len(owner.messages) == 2)
        assert owner.messages == [("grüß".encode(), True), (b"\0\1", False)]
        lengths = (0, 125, 126, 65_535, 65_536, 100_000)
        for length in lengths:
            assert owner.connection.send_binary(b"z" * length)
            await owner.until(lambda: owner.messages[-1][0] == b"z" * length)  # noqa: B023 - awaited at once
        owner.connection.close()
        owner.connection.close()
        assert owner.closed == [Closed(1000, "")]
        assert not owner.connection.send_text(b"late")


async def test_what_a_server_says_at_once_and_in_pieces_is_not_lost(client: WebSocketClient) -> None:
    async def says(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(
            " ".join(connection.request.headers[name] for name in ("User-Agent", "Authorization", "X-One"))
        )
        await connection.send([b"a" * 70_000, b"b" * 5])
        await connection.close(4001, "enough")

    async with server(says) as url:
        connection = await client.connect(url.replace("ws://", "ws://user:pass@"), {"X-One": "1"})
        await asyncio.sleep(0.05)
        owner = Owner(connection)
        await owner.until(lambda: bool(owner.closed))
        assert owner.messages == [(b"Voylo/1.0 Basic dXNlcjpwYXNz 1", True), (b"a" * 70_000 + b"b" * 5, False)]
        assert owner.closed == [Closed(4001, "enough")]
        assert owner.closed[0].in_order


async def test_text_in_one_frame_is_shown_where_it_lies_and_whatever_is_not_wanted_is_a_message_in_its_turn(
    client: WebSocketClient,
) -> None:
    async def says(connection: ServerConnection) -> None:
        await connection.recv()
        for message in ("+one", "two", b"+binary", ["+frag", "ment"], "+" + "x" * 70_000, "three"):
            await connection.send(message)
        await connection.close()

    taken: list[bytes] = []
    messages: list[tuple[bytes, bool]] = []
    ended = asyncio.Event()

    def take(data: bytes, first: int, end: int) -> bool:
        wanted = data[first:end].startswith(b"+")
        if wanted:
            taken.append(data[first:end])
            messages.append((b"taken", True))
        return wanted

    async with server(says) as url:
        connection = await client.connect(url, {})
        connection.listen(lambda message, is_text: messages.append((message, is_text)), lambda _: ended.set(), take)
        connection.send_text(b"go")
        async with asyncio.timeout(5):
            await ended.wait()
    assert taken == [b"+one", b"+" + b"x" * 70_000]
    rest = [(b"two", True), (b"+binary", False), (b"+fragment", True), (b"taken", True), (b"three", True)]
    assert messages == [(b"taken", True), *rest]


async def test_a_connection_that_breaks_off_or_says_too_much_is_over_once(client: WebSocketClient) -> None:
    async def breaks(connection: ServerConnection) -> None:
        connection.transport.abort()

    async def floods(connection: ServerConnection) -> None:
        await connection.send(b"x" * (websocket.MESSAGE_BYTES + 1))
        await connection.wait_closed()

    async with server(breaks) as url:
        owner = Owner(await client.connect(url, {}))
        await owner.until(lambda: bool(owner.closed))
        assert [closed.code for closed in owner.closed] == [1006]
    async with server(floods) as url:
        owner = Owner(await client.connect(url, {}))
        await owner.until(lambda: bool(owner.closed))
        assert [closed.code for closed in owner.closed] == [1009]
        assert owner.messages == []


async def test_a_peer_that_does_not_read_is_refused_more_than_a_bound_and_keeps_room_for_what_matters(
    client: WebSocketClient,
) -> None:
    over = asyncio.Event()

    async def stuck(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        connection.transport.abort()

    async with server(stuck) as url:
        owner = Owner(await client.connect(url, {}))
        taken = 0
        while owner.connection.send_text(b"m" * 1000):
            taken += 1
            if taken % 50 == 0:
                await asyncio.sleep(0)
        assert owner.connection.send_text(b"stop", urgent=True)
        transport = owner.connection._transport
        assert transport is not None
        assert transport.get_write_buffer_size() <= websocket.SEND_BYTES + 2000
        assert 0 < taken < 20_000
        over.set()
        await owner.until(lambda: bool(owner.closed))


async def test_one_that_is_kept_waiting_sends_no_further_and_goes_on_when_read_again(client: WebSocketClient) -> None:
    sent = 0

    async def floods(connection: ServerConnection) -> None:
        nonlocal sent
        for _ in range(100):
            await connection.send(b"x" * 200_000)
            sent += 1
        await connection.close()

    async with server(floods) as url:
        owner = Owner(await client.connect(url, {}))
        owner.connection.pause()
        count = -1
        while sent != count:
            count = sent
            await asyncio.sleep(0.1)
        assert sent < 100
        owner.connection.resume()
        await owner.until(lambda: bool(owner.closed))
        assert len(owner.messages) == 100


async def test_a_peer_that_is_not_there_any_more_is_given_up(
    client: WebSocketClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.1)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Completes the handshake and never says another word."""
        protocol = ServerProtocol()
        while not (events := protocol.events_received()):
            protocol.receive_data(await reader.read(4096))
        protocol.send_response(protocol.accept(events[0]))  # type: ignore[arg-type]
        writer.write(b"".join(protocol.data_to_send()))
        while await reader.read(4096):
            pass
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        owner = Owner(await client.connect(f"ws://127.0.0.1:{port}/", {}))
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed[0].code == 1006


async def test_what_cannot_be_opened_says_why(client: WebSocketClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "OPEN_SECONDS", 0.3)

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        writer.close()

    async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def failure(url: str) -> tuple[str, str]:
        with pytest.raises(HttpFailure) as raised:
            await client.connect(url, {})
        return raised.value.kind, raised.value.message

    assert (await failure("ws://nowhere.invalid/"))[0] == "dns"
    assert (await failure("http://127.0.0.1/"))[0] == "protocol"
    for behaviour, kind in ((never, "timeout"), (hangs_up, "connect")):
        listening = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with listening:
            assert (await failure(f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"))[0] == kind
    async with server(
        echo, process_request=lambda connection, _: connection.respond(http.HTTPStatus.FOUND, "elsewhere")
    ) as url:
        assert await failure(url) == ("protocol", "the answer to the handshake was 302")


async def test_the_guard_looks_at_addresses_and_not_at_names() -> None:
    guarded = WebSocketClient(allow_private=False)
    async with server(echo) as url:
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(HttpFailure) as raised:
                await guarded.connect(url.replace("127.0.0.1", host), {})
            assert raised.value.kind == "blocked"
    await guarded.close()


async def test_tls_is_checked_against_authority_and_name(tmp_path: Path, client: WebSocketClient) -> None:
    made = make_certificates(tmp_path)
    trusting = WebSocketClient(allow_private=True, tls=ssl.create_default_context(cafile=made.authority))
    async with server(echo, ssl=made.server()) as url:
        secure = url.replace("ws://", "wss://")
        owner = Owner(await trusting.connect(secure, {}))
        owner.connection.send_text(b"hello")
        await owner.until(lambda: bool(owner.messages))
        owner.connection.close()
        with pytest.raises(HttpFailure, match="certificate"):
            await client.connect(secure, {})
        with pytest.raises(HttpFailure, match="localhost"):
            await trusting.connect(secure.replace("127.0.0.1", "localhost"), {})
    await trusting.close()


@pytest.mark.parametrize("piece", [1, 7, 100_000])
async def test_octets_come_as_they_will(client: WebSocketClient, piece: int) -> None:
    """Whole and broken messages, pings among them, torn anywhere, the handshake's answer too."""
    frames = [
        Frame(Opcode.TEXT, b"one"),
        Frame(Opcode.BINARY, b"x" * 126),
        Frame(Opcode.TEXT, b"begin ", fin=False),
        Frame(Opcode.PING, b"are you there"),
        Frame(Opcode.CONT, b"end"),
        Frame(Opcode.BINARY, b"y" * 70_000),
        Frame(Opcode.TEXT, b""),
        Frame(Opcode.CLOSE, b"\x03\xe8bye"),
    ]
    stream = b"".join(frame.serialize(mask=False) for frame in frames)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        while not (events := protocol.events_received()):
            protocol.receive_data(await reader.read(4096))
        assert isinstance(events[0], Request)
        protocol.send_response(protocol.accept(events[0]))
        answer = b"".join(protocol.data_to_send()) + stream
        torn = len(answer) if piece > 1000 else 700
        for at in range(0, torn, piece):
            writer.write(answer[at : min(at + piece, torn)])
            await asyncio.sleep(0)
        writer.write(answer[torn:])
        while await reader.read(4096):
            pass
        writer.close()

    listening = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with listening:
        owner = Owner(await client.connect(f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/", {}))
        await owner.until(lambda: bool(owner.closed))
    assert owner.closed == [Closed(1000, "bye")]
    assert owner.messages == [
        (b"one", True),
        (b"x" * 126, False),
        (b"begin end", True),
        (b"y" * 70_000, False),
        (b"", True),
    ]


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"\x81\xff" + (1 << 40).to_bytes(8), 1002),
        (b"\x81\x7f" + (1 << 40).to_bytes(8), 1009),
        (b"\x81\x83abcdef", 1002),
        (b"\xc1\x01a", 1002),
        (b"\x80\x01a", 1002),
        (b"\x01\x01a\x81\x01b", 1002),
        (b"\x89\x7e\x01\x00" + b"p" * 256, 1002),
    ],
    ids=[
        "masked and long",
        "too long",
        "masked",
        "reserved bit",
        "nothing to go on with",
        "inside another",
        "long ping",
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection(client: WebSocketClient, octets: bytes, code: int) -> None:
    async def speak(connection: ServerConnection) -> None:
        connection.transport.write(octets)
        await connection.wait_closed()

    async with server(speak) as url:
        owner = Owner(await client.connect(url, {}))
        await owner.until(lambda: bool(owner.closed))
    assert [closed.code for closed in owner.closed] == [code]
    assert owner.messages == []
