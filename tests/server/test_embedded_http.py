"""What is not HTTP is answered like everything else (contract §1, §3); how answers are written to the network."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.embedded_http import EmbeddedHttpServer

Ask = Callable[..., Awaitable[list[bytes]]]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no request is made of it")


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"])
async def test_what_is_not_http_gets_an_error_body_and_a_request_id(sent: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = EmbeddedHttpServer(_nothing, listener)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).decode().partition("\r\n\r\n")
        writer.close()
    finally:
        await server.stop()
    status, *fields = head.split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert status == "HTTP/1.1 400 Bad Request"
    assert json.loads(body) == {
        "statusCode": 400,
        "error": "Bad Request",
        "message": "Invalid HTTP request received.",
    }
    assert headers["content-type"] == "application/json"
    assert len(headers["x-request-id"]) == 16


async def _answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers in as many parts as the path has letters, after it has read what was sent."""
    if scope["method"] == "POST":
        await receive()
    parts = [letter.encode() for letter in scope["path"].strip("/")]
    await send({"type": "http.response.start", "status": 200 if parts else 204, "headers": []})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


@pytest.fixture
async def packets() -> AsyncIterator[Ask]:
    """Sends a request on a connection of its own; what the server gave to the transport, write by write."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = EmbeddedHttpServer(_answers, listener)
    written: list[bytes] = []
    loop = asyncio.get_running_loop()
    connected = HttpToolsProtocol.connection_made

    def connection_made(self: HttpToolsProtocol, transport: asyncio.Transport) -> None:
        connected(self, _Noting(transport, written))  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpToolsProtocol, "connection_made", connection_made)

        async def ask(request: bytes, body: bytes = b"") -> list[bytes]:
            written.clear()
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.setblocking(False)
                await loop.sock_sendall(client, request + b"Connection: close\r\nHost: x\r\n\r\n" + body)
                while await loop.sock_recv(client, 4096):
                    pass
            return [data for data in written if data]

        yield ask
    await server.stop()


class _Noting:
    """A transport that notes what is written."""

    def __init__(self, transport: asyncio.Transport, written: list[bytes]) -> None:
        self._transport = transport
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


async def test_an_answers_head_goes_out_together_with_the_first_of_its_body(packets: Ask) -> None:
    head, *rest = await packets(b"GET /ab HTTP/1.1\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n1\r\na\r\n")
    assert b"".join(rest) == b"1\r\nb\r\n0\r\n\r\n"


@pytest.mark.parametrize("request_line", [b"HEAD /ab HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n"])
async def test_an_answer_without_a_body_is_its_head(packets: Ask, request_line: bytes) -> None:
    (head,) = await packets(request_line)
    assert head.startswith(b"HTTP/1.1 20")
    assert head.endswith(b"\r\n\r\n")


async def test_leave_to_go_on_with_the_body_is_given_at_once(packets: Ask) -> None:
    leave, answer, *_ = await packets(b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", b"x")
    assert leave == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
