"""The HTTP client: one hop, limits, and the guard on addresses."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from engine import http as http_module
from engine.http import OutboundHttp, OutboundHttpConfig, is_public_address
from tests.support.flow import Flow
from voyloml import HttpFailure, HttpRequest


def request(url: str, **changes: object) -> HttpRequest:
    values: dict[str, object] = {
        "method": "POST", "url": url, "headers": {"X-One": "1"}, "body": b"a=1",
        "connect_timeout": 0.5, "total_timeout": 1.0, "max_bytes": 1000,
    }  # fmt: skip
    return HttpRequest(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
async def http():
    client = OutboundHttp(OutboundHttpConfig(allow_private=True))
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def guarded():
    client = OutboundHttp(OutboundHttpConfig(allow_private=False))
    await client.start()
    yield client
    await client.close()


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255",
     "100.64.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
     "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001::1", "::7f00:1", "fec0::1", "::ffff:0:127.0.0.1", "192.88.99.1"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    assert not is_public_address(address)


async def test_an_exchange_carries_method_headers_and_body_and_reports_the_answer(http: OutboundHttp) -> None:
    async with Flow({"/a": "<Response/>"}) as flow:
        reply = await http(request(flow.url("/a")))
        assert (reply.status, reply.body, reply.url) == (200, b"<Response/>", flow.url("/a"))
        assert reply.headers["content-type"].startswith("application/xml")
        (asked,) = flow.asked
        assert (asked.method, asked.body, asked.headers["X-One"]) == ("POST", b"a=1", "1")
        assert asked.headers["User-Agent"] == "Voylo/1.0"


async def test_a_url_is_sent_as_its_owner_wrote_it(http: OutboundHttp) -> None:
    async def query(incoming: web.Request) -> web.StreamResponse:
        return web.Response(text=incoming.raw_path)

    async with Flow({"/a": query}) as flow:
        reply = await http(request(flow.url("/a?sig=a%20b%2Fc%3D%2B~%7E")))
        assert reply.body == b"/a?sig=a%20b%2Fc%3D%2B~%7E"


async def test_our_user_agent_and_an_uncompressed_body_are_not_negotiable(http: OutboundHttp) -> None:
    async with Flow({"/a": "<Response/>"}) as flow:
        await http(request(flow.url("/a"), headers={"user-agent": "other", "accept-encoding": "gzip"}))
        (asked,) = flow.asked
        assert (asked.headers["User-Agent"], asked.headers["Accept-Encoding"]) == ("Voylo/1.0", "identity")


async def test_a_redirect_is_returned_not_followed(http: OutboundHttp) -> None:
    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/b"})

    async with Flow({"/a": redirect, "/b": "<Response/>"}) as flow:
        reply = await http(request(flow.url("/a")))
        assert (reply.status, reply.headers["location"]) == (302, "/b")
        assert [asked.path for asked in flow.asked] == ["/a"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_declared_or_not(http: OutboundHttp, declared: bool) -> None:
    async def big(incoming: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if declared:
            response.content_length = 1001
        await response.prepare(incoming)
        await response.write(bytes(1001))
        return response

    async with Flow({"/big": big}) as flow:
        with pytest.raises(HttpFailure) as caught:
            await http(request(flow.url("/big")))
    assert caught.value.kind == "too_large"


async def test_a_server_that_never_ends_its_body_is_a_timeout(http: OutboundHttp) -> None:
    async def drip(incoming: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(incoming)
        await response.write(b"x")
        await asyncio.sleep(30)
        return response

    async with Flow({"/drip": drip}) as flow:
        with pytest.raises(HttpFailure) as caught:
            await http(request(flow.url("/drip"), total_timeout=0.3))
    assert caught.value.kind == "timeout"


async def test_a_closed_port_is_a_connect_failure(http: OutboundHttp) -> None:
    with pytest.raises(HttpFailure) as caught:
        await http(request("http://127.0.0.1:9/"))
    assert caught.value.kind == "connect"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/relative", "http://", "http://[::1", "file:///etc/passwd"])
async def test_what_is_no_http_url_is_refused(http: OutboundHttp, url: str) -> None:
    with pytest.raises(HttpFailure) as caught:
        await http(request(url))
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_the_guard_refuses_this_machine_by_every_name(guarded: OutboundHttp, host: str) -> None:
    async with Flow({"/a": "<Response/>"}) as flow:
        with pytest.raises(HttpFailure) as caught:
            await guarded(request(f"http://{host}:{flow.port}/a"))
        assert caught.value.kind == "blocked"
        assert flow.asked == []


async def test_a_name_whose_address_changes_after_it_was_seen_is_refused_at_the_address_it_has(
    guarded: OutboundHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is judged is the address of the very socket, so that there is no moment between check and connection."""
    answers = iter(["203.0.113.10", "127.0.0.1"])
    asked: list[str] = []

    def changing(host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        address = next(answers)
        asked.append(address)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(http_module, "is_public_address", lambda address: address == "203.0.113.10")
    async with Flow({"/a": "<Response/>"}) as flow:
        monkeypatch.setattr(http_module.socket, "getaddrinfo", changing)
        # Anybody may look the name up first and find it public; nothing of that look-up counts
        assert changing("changing.example", flow.port)[0][4] == ("203.0.113.10", flow.port)
        with pytest.raises(HttpFailure) as caught:
            await guarded(request(f"http://changing.example:{flow.port}/a"))
        assert caught.value.kind == "blocked"
        assert flow.asked == []
    assert asked == ["203.0.113.10", "127.0.0.1"]


async def test_a_name_with_a_private_address_among_public_ones_does_not_get_through(
    guarded: OutboundHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def several(host: str, port: int, *_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    # 127.0.0.2 stands for a public host that does not answer
    monkeypatch.setattr(http_module, "is_public_address", lambda address: address == "127.0.0.2")
    async with Flow({"/a": "<Response/>"}) as flow:
        monkeypatch.setattr(http_module.socket, "getaddrinfo", several)
        with pytest.raises(HttpFailure):
            await guarded(request(f"http://mixed.example:{flow.port}/a"))
        assert flow.asked == []


async def test_a_url_with_a_user_name_sends_no_credentials_of_it_elsewhere(http: OutboundHttp) -> None:
    """The API refuses such URLs; one that a redirect brings is asked like any other, for that host alone."""
    async with Flow({"/a": "<Response/>"}) as flow:
        await http(request(f"http://user:pw@127.0.0.1:{flow.port}/a"))
        await http(request(flow.url("/a")))
        assert "Authorization" not in flow.asked[1].headers
