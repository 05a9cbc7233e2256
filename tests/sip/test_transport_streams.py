"""Calls over TCP, TLS and WebSocket on loopback, and peers that behave badly on them (RFC 3261 §18, RFC 7118)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sip import (
    Answered,
    HungUp,
    Offer,
    OfferAnswered,
    Rejected,
    RemoteHangup,
    SipUri,
    TlsConfig,
)
from sip.endpoint import Endpoint
from sip.message import Request, Response, parse_message
from sip.transport import connection as connection_module
from sip.transport.listener import listening_socket
from tests.sip.parties import ME, OPTIONS, Party, party, read_response, tls_files, until
from tests.sip.support import ANSWER, OFFER
from tests.support.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_call_is_made_held_and_ended_over_one_connection(
    transport: str, host: str, certificates: Certificates
) -> None:
    listening = {transport: ((host, 0),), "tls_files": tls_files(certificates)}
    async with party(**listening) as callee, party(**listening) as caller:
        call = caller.place(callee.uri(transport))
        answered = await caller.wait(Answered)
        contact = answered.response.contacts[0].uri
        assert (contact.host, contact.port, contact.transport) == (*callee.address(transport), transport)
        assert answered.response.top_via.transport == transport.upper()
        call.reinvite(OFFER)
        await caller.wait(OfferAnswered)
        callee.calls[0].reinvite(OFFER)
        respond = (await caller.wait(Offer)).respond
        respond.accept(ANSWER)
        await callee.wait(OfferAnswered)
        assert caller.agent.connections == callee.agent.connections == 1
        callee.calls[0].hangup()
        await caller.wait(RemoteHangup)
        assert caller.agent.transaction_counters.retransmissions_sent == 0


async def test_a_server_whose_certificate_does_not_fit_is_not_called(tmp_path: Path) -> None:
    wrong = make_certificates(tmp_path / "wrong", "other.example", addresses=("192.0.2.1",))
    unknown = make_certificates(tmp_path / "unknown", "localhost")
    for shown, trusted in ((wrong, wrong), (unknown, wrong)):
        listening = {"tls": (("127.0.0.1", 0),), "tls_files": tls_files(shown)}
        async with (
            party(**listening) as callee,
            party(udp=(("127.0.0.1", 0),), tls_files=TlsConfig(authorities=trusted.authority)) as caller,
        ):
            caller.place(callee.uri("tls"))
            rejected = await caller.wait(Rejected)
            assert (rejected.status, rejected.cause) == (None, "transport")
            assert callee.calls == []


async def test_a_certificate_is_checked_against_the_name_in_the_uri(certificates: Certificates) -> None:
    listening = {"tls": (("127.0.0.1", 0),), "tls_files": tls_files(certificates)}
    async with (
        party(**listening) as callee,
        party(udp=(("127.0.0.1", 0),), tls_files=TlsConfig(authorities=certificates.authority)) as caller,
    ):
        port = callee.address("tls")[1]
        caller.place(SipUri("sips", "+15550100", host="localhost", port=port))
        await caller.wait(Answered)


async def test_a_connection_checked_for_one_name_is_not_used_for_another(certificates: Certificates) -> None:
    listening = {"tls": (("127.0.0.1", 0),), "tls_files": tls_files(certificates)}
    async with (
        party(**listening) as callee,
        party(udp=(("127.0.0.1", 0),), tls_files=TlsConfig(authorities=certificates.authority)) as caller,
    ):
        host, port = callee.address("tls")
        target = SipUri("sips", "+15550100", host="localhost", port=port)
        for name, kind in (("localhost", Answered), ("evil.example", Rejected), ("localhost", Answered)):
            caller.agent.place_call(
                target,
                from_=ME,
                body=OFFER,
                next_hop=Endpoint("tls", host, port, name),
                on_event=caller.events.put_nowait,
            )
            await caller.wait(kind)
        assert len(callee.calls) == 2
        assert caller.agent.connections == 1


async def test_a_listener_without_a_usable_certificate_says_which_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    made = Party(udp=(), tls=(("127.0.0.1", 0),), tls_files=TlsConfig(bad, bad))
    with pytest.raises(OSError, match=r"sip\.tls_cert .*bad\.pem"):
        await made.agent.start()


async def test_a_port_that_is_taken_is_named() -> None:
    async with party(tcp=(("127.0.0.1", 0),)) as first:
        made = Party(udp=(), tcp=(first.address("tcp"),))
        with pytest.raises(OSError, match=r"cannot listen on tcp 127\.0\.0\.1:\d+"):
            await made.agent.start()


async def test_a_long_invite_leaves_udp_for_tcp_and_comes_back_where_there_is_none() -> None:
    headers = [("X-Long", "x" * 1200)]
    async with party(udp=(("127.0.0.1", 0),), tcp=(("127.0.0.1", 0),)) as caller:
        async with party(udp=(("127.0.0.1", 0),)) as callee:
            host, port = callee.address("udp")
            target = SipUri("sip", "+15550100", host=host, port=port)
            caller.agent.place_call(target, from_=ME, body=OFFER, headers=headers, on_event=caller.events.put_nowait)
            assert (await caller.wait(Answered)).response.top_via.transport == "UDP"
        async with party(tcp=(("127.0.0.1", 0),)) as callee:
            host, port = callee.address("tcp")
            target = SipUri("sip", "+15550100", host=host, port=port)
            caller.agent.place_call(target, from_=ME, body=OFFER, headers=headers, on_event=caller.events.put_nowait)
            assert (await caller.wait(Answered)).response.top_via.transport == "TCP"


async def test_a_connection_that_is_dropped_in_mid_dialog_is_made_again_by_the_next_request() -> None:
    listening = {"tcp": (("127.0.0.1", 0),)}
    async with party(**listening) as callee, party(**listening) as caller:
        call = caller.place(callee.uri("tcp"))
        await caller.wait(Answered)
        assert caller.agent._sockets is not None
        caller.agent._sockets.connections.close()
        await until(lambda: callee.agent.connections == 0)
        callee.calls[0].reinvite(OFFER)
        (await caller.wait(Offer)).respond.accept(ANSWER)
        await callee.wait(OfferAnswered)
        call.hangup()
        await callee.wait(RemoteHangup)


async def test_nobody_listening_is_told_at_once() -> None:
    async with party(tcp=(("127.0.0.1", 0),)) as caller:
        port = listening_socket("tcp", "127.0.0.1", 0)
        host, number = port.getsockname()
        port.close()
        caller.place(SipUri("sip", "x", host=host, port=number, params=(("transport", "tcp"),)))
        rejected = await caller.wait(Rejected)
        assert (rejected.status, rejected.cause) == (None, "transport")


class TestRawPeers:
    """Peers that are nothing but a socket."""

    @pytest.fixture
    async def served(self) -> AsyncIterator[Party]:
        async with party(tcp=(("127.0.0.1", 0),)) as made:
            yield made

    async def test_octets_one_by_one_and_messages_in_a_row(self, served: Party) -> None:
        reader, writer = await asyncio.open_connection(*served.address("tcp"))
        for octet in OPTIONS.format(n=1, transport="TCP").encode():
            writer.write(bytes([octet]))
        assert (await read_response(reader)).status == 200
        writer.write("".join(OPTIONS.format(n=n, transport="TCP") for n in range(2, 22)).encode())
        assert [(await read_response(reader)).call_id for _ in range(20)] == [f"c{n}" for n in range(2, 22)]
        writer.close()

    async def test_pings_are_answered(self, served: Party) -> None:
        reader, writer = await asyncio.open_connection(*served.address("tcp"))
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.close()

    async def test_a_framing_fault_is_answered_and_ends_the_connection_and_no_other(self, served: Party) -> None:
        reader, writer = await asyncio.open_connection(*served.address("tcp"))
        good_reader, good_writer = await asyncio.open_connection(*served.address("tcp"))
        writer.write(OPTIONS.format(n=1, transport="TCP").replace("Length: 0", "Length: -7").encode())
        assert (await read_response(reader)).status == 400
        assert await reader.read() == b""
        good_writer.write(OPTIONS.format(n=2, transport="TCP").encode())
        assert (await read_response(good_reader)).status == 200
        assert served.agent.stream_counters.broken == 1
        for each in (writer, good_writer):
            each.close()

    async def test_garbage_ends_the_connection(self, served: Party) -> None:
        reader, writer = await asyncio.open_connection(*served.address("tcp"))
        writer.write(b"\x16\x03\x01" + bytes(70_000))
        assert await reader.read() == b""
        writer.close()

    async def test_a_hundred_connections_are_served_and_let_go(self, served: Party) -> None:
        pairs = [await asyncio.open_connection(*served.address("tcp")) for _ in range(100)]
        for number, (_, writer) in enumerate(pairs):
            writer.write(OPTIONS.format(n=number, transport="TCP").encode())
        assert [(await read_response(reader)).call_id for reader, _ in pairs] == [f"c{n}" for n in range(100)]
        assert served.agent.connections == 100
        for _, writer in pairs:
            writer.close()
        await until(lambda: served.agent.connections == 0)

    async def test_one_address_cannot_take_every_connection(
        self, served: Party, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection_module, "CONNECTIONS_PER_SOURCE", 3)
        async with AsyncExitStack() as stack:
            pairs = []
            for _ in range(4):
                reader, writer = await asyncio.open_connection(*served.address("tcp"))
                stack.callback(writer.close)
                pairs.append((reader, writer))
            assert await pairs[3][0].read() == b""
            assert served.agent.stream_counters.refused == 1
            pairs[0][1].write(OPTIONS.format(n=1, transport="TCP").encode())
            assert (await read_response(pairs[0][0])).status == 200

    async def test_who_says_nothing_is_let_go(self, served: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection_module, "FIRST_MESSAGE_SECONDS", 0.05)
        reader, writer = await asyncio.open_connection(*served.address("tcp"))
        writer.write(b"OPTIONS ")
        assert await reader.read() == b""
        assert served.agent.stream_counters.idle == 1
        writer.close()

    async def test_a_peer_that_does_not_read_is_dropped(self, served: Party, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection_module, "OUTPUT_BYTES", 10_000)
        _reader, writer = await asyncio.open_connection(*served.address("tcp"), limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(OSError):
            async with asyncio.timeout(20):
                number = 0
                while served.agent.stream_counters.slow == 0:
                    number += 1
                    writer.write(OPTIONS.format(n=number, transport="TCP").encode() * 20)
                    await writer.drain()
            raise ConnectionResetError
        assert served.agent.stream_counters.slow == 1
        await until(lambda: served.agent.connections == 0)
        writer.close()


class TestWebSocket:
    """RFC 7118."""

    @pytest.fixture(params=[(transport, host) for transport in ("ws", "wss") for host in ("127.0.0.1", "::1")], ids=str)
    async def served(self, request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Party]:
        transport, host = request.param
        listening = {transport: ((host, 0),), "tls_files": tls_files(certificates)}
        async with party(**listening) as made:
            yield made

    def connect(self, served: Party, certificates: Certificates, **options: Any) -> Any:
        (transport,) = served.agent.bound
        context = ssl.create_default_context(cafile=certificates.authority) if transport == "wss" else None
        return connect(f"{transport}://{self.shown(served)}/", **{"subprotocols": ["sip"], "ssl": context, **options})

    def shown(self, served: Party) -> str:
        (((host, port),),) = served.agent.bound.values()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def test_a_browser_calls_and_is_hung_up_over_its_connection(
        self, served: Party, certificates: Certificates
    ) -> None:
        async with self.connect(served, certificates) as browser:
            await browser.send(
                "INVITE sip:+15550100@example.com SIP/2.0\r\nVia: SIP/2.0/WSS df7jal.invalid;branch=z9hG4bK1\r\n"
                "From: <sip:a@example.com>;tag=1\r\nTo: <sip:+15550100@example.com>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
                "Contact: <sip:a@df7jal.invalid;transport=ws>\r\nMax-Forwards: 70\r\n"
                f"Content-Type: application/sdp\r\n\r\n{OFFER.decode()}"
            )
            answers = [await self.message(browser) for _ in range(2)]
            assert [answer.status for answer in answers if isinstance(answer, Response)] == [180, 200]
            assert f"@{self.shown(served)};transport=ws" in (answers[1].headers.get("Contact") or "")
            served.calls[0].hangup()
            tag = answers[1].to.tag
            await browser.send(
                "ACK sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WSS df7jal.invalid;branch=z9hG4bK2\r\n"
                f"From: <sip:a@example.com>;tag=1\r\nTo: <sip:+15550100@example.com>;tag={tag}\r\nCall-ID: c\r\n"
                "CSeq: 1 ACK\r\nMax-Forwards: 70\r\n\r\n"
            )
            bye = await self.message(browser)
            assert isinstance(bye, Request)
            assert (bye.method, str(bye.uri)) == ("BYE", "sip:a@df7jal.invalid;transport=ws")
            via = bye.headers.get("Via")
            await browser.send(
                f"SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {bye.headers.get('From')}\r\nTo: {bye.headers.get('To')}\r\n"
                f"Call-ID: c\r\nCSeq: {bye.cseq}\r\n\r\n".encode()
            )
            assert await served.wait(HungUp) == HungUp(200)

    async def test_the_subprotocol_is_demanded(self, served: Party, certificates: Certificates) -> None:
        for wrong in (None, ["chat"]):
            with pytest.raises(InvalidStatus):
                async with self.connect(served, certificates, subprotocols=wrong):
                    pass

    async def test_a_frame_that_is_too_long_ends_the_connection(
        self, served: Party, certificates: Certificates
    ) -> None:
        async with self.connect(served, certificates) as browser:
            await browser.send("x" * 70_000)
            await browser.wait_closed()
        await until(lambda: served.agent.connections == 0)

    async def message(self, browser: Any) -> Request | Response:
        async with asyncio.timeout(10):
            frame = await browser.recv()
        return parse_message(frame.encode() if isinstance(frame, str) else frame)
