"""A phone that is called: it does with each call what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from media import MediaConfig, MediaPlane
from sip import IncomingCall, UserAgent, UserAgentConfig
from tests.support.callee import CalleeCall


class CalledPhone:
    """A phone at its own UDP port; `on_call` says what it does with a call, nothing by default: it rings."""

    def __init__(self, host: str, rtp_ports: tuple[int, int]) -> None:
        self.calls: list[CalleeCall] = []
        self.on_call: Callable[[CalleeCall], None] = lambda call: call.incoming.ring()
        self.agent = UserAgent(UserAgentConfig(udp=((host, 0),)), self._arrived)
        self.plane = MediaPlane(MediaConfig(rtp_ports=rtp_ports, realtime=False))
        self._arrival = asyncio.Event()

    def _arrived(self, incoming: IncomingCall) -> None:
        call = CalleeCall(incoming, self.plane)
        self.calls.append(call)
        self.on_call(call)
        self._arrival.set()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.agent.bound["udp"][0]

    @property
    def carrier(self) -> dict[str, object]:
        """It as the `sip.outbound` of a number."""
        host, port = self.address
        return {"host": host, "port": port, "transport": "udp"}

    async def called(self, number: int = 1, seconds: float = 10.0) -> CalleeCall:
        """The call with this number, now or when it comes."""
        async with asyncio.timeout(seconds):
            while len(self.calls) < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.calls[number - 1]


@asynccontextmanager
async def a_called_phone(
    host: str = "127.0.0.1", rtp_ports: tuple[int, int] = (21200, 21399)
) -> AsyncIterator[CalledPhone]:
    """A running phone; its calls' audio is closed at the end."""
    phone = CalledPhone(host, rtp_ports)
    await phone.agent.start()
    await phone.plane.start()
    try:
        yield phone
    finally:
        for call in phone.calls:
            if call.session is not None:
                await call.session.close()
        await phone.agent.close()
        await phone.plane.close()
