"""What is not HTTP is answered like everything else (contract §1, §3)."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from starlette.types import Receive, Scope, Send

from server.embedded_http import EmbeddedHttpServer


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
