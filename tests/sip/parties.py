"""User agents over real connections on loopback, for the tests of the stream transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sip import (
    CallEvent,
    IncomingCall,
    NameAddr,
    Offer,
    OutgoingCall,
    SipUri,
    TlsConfig,
    UserAgent,
    UserAgentConfig,
)
from sip.message import Response, parse_message
from sip.transport.resolver import Dns, Naptr, Srv
from tests.sip.support import ANSWER, OFFER
from tests.support.certificates import Certificates

ME = NameAddr(None, SipUri("sip", "me", host="example.net"))
OPTIONS = (
    "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 192.0.2.200;branch=z9hG4bK{n};rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: c{n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Party:
    """A user agent that answers each call, and the events of its calls."""

    def __init__(self, *, dns: Dns | None = None, **config: Any) -> None:
        self.calls: list[IncomingCall] = []
        self.events: asyncio.Queue[CallEvent] = asyncio.Queue()
        self.agent = UserAgent(UserAgentConfig(**config), self._on_call, dns=dns)

    def _on_call(self, call: IncomingCall) -> None:
        self.calls.append(call)
        call.on_event = self._on_event
        call.ring()
        call.answer(ANSWER)

    def _on_event(self, event: CallEvent) -> None:
        if isinstance(event, Offer):
            event.respond.accept(ANSWER)
        self.events.put_nowait(event)

    def address(self, transport: str) -> tuple[str, int]:
        return self.agent.bound[transport][0]

    def uri(self, transport: str) -> SipUri:
        host, port = self.address(transport)
        return SipUri("sip", "+15550100", host=host, port=port, params=(("transport", transport),))

    def place(self, target: SipUri) -> OutgoingCall:
        return self.agent.place_call(target, from_=ME, body=OFFER, on_event=self.events.put_nowait)

    async def wait(self, kind: type) -> Any:
        async with asyncio.timeout(10):
            while True:
                event = await self.events.get()
                if isinstance(event, kind):
                    return event


class Addresses(Dns):
    """Names that have addresses and nothing else."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names

    async def naptr(self, name: str) -> tuple[list[Naptr], float]:
        return [], 60.0

    async def srv(self, name: str) -> tuple[list[Srv], float]:
        return [], 60.0

    async def addresses(self, name: str) -> tuple[list[str], float]:
        return self.names.get(name, []), 60.0


@asynccontextmanager
async def party(**config: Any) -> AsyncIterator[Party]:
    made = Party(**{"udp": (), **config})
    await made.agent.start()
    try:
        yield made
    finally:
        await made.agent.close()


def tls_files(certificates: Certificates) -> TlsConfig:
    return TlsConfig(certificates.certificate, certificates.key, certificates.authority)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state that no event tells of."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def read_response(reader: asyncio.StreamReader) -> Response:
    """The next response without a body on a raw connection."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    message = parse_message(head)
    assert isinstance(message, Response)
    return message
