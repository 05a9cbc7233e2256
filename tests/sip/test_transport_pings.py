"""Pings of ours on the connections that we made, and peers that answer them or do not (RFC 5626 §4.4.1)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from sip import RegistrationSettings, SipUri
from sip.core import registration as registration_module
from sip.stream import PING, PONG
from sip.transport import connection as connection_module
from tests.sip.parties import Party, party, until

AOR = SipUri.parse("sip:alice@carrier.example")


class Carrier:
    """A registrar over TCP that takes every number. It answers the first `pongs` pings of each connection."""

    def __init__(self, pongs: int) -> None:
        self.pongs = pongs
        self.pings: list[int] = []
        """Those of each connection, in the order in which they were made."""
        self.registered = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def uri(self) -> SipUri:
        host, port = self._server.sockets[0].getsockname()
        return SipUri("sip", None, host=host, port=port, params=(("transport", "tcp"),))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        number = len(self.pings)
        self.pings.append(0)
        try:
            while True:
                piece = await reader.readuntil(PING)
                if piece != PING:
                    self._accept(piece.decode(), writer)
                    continue
                self.pings[number] += 1
                if self.pings[number] <= self.pongs:
                    writer.write(PONG)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _accept(self, request: str, writer: asyncio.StreamWriter) -> None:
        copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Contact): .*\r\n", request, re.MULTILINE)
        writer.write(("SIP/2.0 200 OK\r\nExpires: 3600\r\nContent-Length: 0\r\n" + "".join(copied) + "\r\n").encode())
        self.registered += 1

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    made = Carrier(request.param)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def phone(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Party]:
    """Registers with the carrier."""
    monkeypatch.setattr(connection_module, "PING_SECONDS", 0.02)
    monkeypatch.setattr(registration_module, "RECONNECT_SECONDS", 0.02)
    async with party(tcp=(("127.0.0.1", 0),)) as made:
        made.agent.register(RegistrationSettings(carrier.uri, AOR), lambda _state: None)
        yield made


@pytest.mark.parametrize("carrier", [1, 2], indirect=True)
async def test_who_answers_pings_no_more_is_gone_and_what_was_registered_is_registered_again(
    carrier: Carrier, phone: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "PONG_SECONDS", 1.0)
    await until(lambda: carrier.registered >= 2)
    assert phone.agent.stream_counters.gone == 1
    assert phone.agent.stream_counters.connected == 2
    assert carrier.pings[0] == carrier.pongs + 1


@pytest.mark.parametrize("carrier", [0], indirect=True)
async def test_who_has_never_answered_a_ping_is_left_alone(
    carrier: Carrier, phone: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "PONG_SECONDS", 0.001)
    await until(lambda: bool(carrier.pings) and carrier.pings[0] >= 5)
    assert (carrier.registered, phone.agent.connections) == (1, 1)
    assert phone.agent.stream_counters.gone == 0


@pytest.mark.parametrize("carrier", [1000], indirect=True)
async def test_who_answers_every_ping_is_asked_again_in_time(carrier: Carrier, phone: Party) -> None:
    await until(lambda: bool(carrier.pings) and carrier.pings[0] >= 5)
    assert (carrier.registered, phone.agent.connections) == (1, 1)
    assert phone.agent.stream_counters.gone == 0
