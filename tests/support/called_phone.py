"""A phone that is called: it does with each call what the test says, and keeps what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from media import MediaConfig, MediaPlane, MediaSession, PromptAudio
from sip import CallEvent, Cancelled, IncomingCall, RemoteHangup, UserAgent, UserAgentConfig
from sip.sdp import Codec, LocalAudio, answer_offer, parse_sdp
from tests.support.phone import PCMA, PCMU, parameters
from tests.support.tones import seconds_of, sine


class TakenCall:
    """One call to the phone. `heard` is what came after `answer`."""

    def __init__(self, incoming: IncomingCall, plane: MediaPlane, host: str) -> None:
        self.incoming = incoming
        self.events: list[CallEvent] = []
        self.session: MediaSession | None = None
        self._plane = plane
        self._host = host
        self._heard: list[NDArray[np.int16]] = []
        self._changed = asyncio.Event()
        incoming.on_event = self._take

    def _take(self, event: CallEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def _hear(self, frame: NDArray[np.int16]) -> None:
        self._heard.append(frame)
        self._changed.set()

    def header(self, name: str) -> str | None:
        """A header field of the INVITE."""
        return self.incoming.request.headers.get(name)

    def answer(self, hertz: float | None = None, codecs: tuple[Codec, ...] = (PCMU, PCMA)) -> None:
        """Answers, and says a tone from then on."""
        self.session = self._plane.open(self._host, lambda _event: None)
        local = LocalAudio(self._host, self.session.local[1], codecs, session_id=1, session_version=1)
        body, negotiated = answer_offer(parse_sdp(self.incoming.offer or b""), local)
        self.session.tap(lambda frame: self._hear(frame.copy()))
        self.session.start(parameters(negotiated))
        if hertz is not None:
            self.session.play(PromptAudio(sine(hertz, 30.0), f"{hertz} Hz"))
        self.incoming.answer(bytes(body))

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for something to be true of the call."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, hertz: float, at_least: float = 0.5) -> None:
        """Waits until `hertz` was heard for `at_least` seconds altogether."""
        await self.until(lambda: seconds_of(self.heard, hertz) >= at_least)

    async def hung_up(self) -> None:
        """Waits for the engine's BYE."""
        await self.until(lambda: any(isinstance(event, RemoteHangup) for event in self.events))

    async def canceled(self) -> None:
        """Waits for the engine's CANCEL."""
        await self.until(lambda: any(isinstance(event, Cancelled) for event in self.events))


class CalledPhone:
    """A phone at its own UDP port; `on_call` says what it does with a call, nothing by default: it rings."""

    def __init__(self, host: str, rtp_ports: tuple[int, int]) -> None:
        self.host = host
        self.calls: list[TakenCall] = []
        self.on_call: Callable[[TakenCall], None] = lambda call: call.incoming.ring()
        self.agent = UserAgent(UserAgentConfig(udp=((host, 0),)), self._arrived)
        self.plane = MediaPlane(MediaConfig(rtp_ports=rtp_ports, realtime=False))
        self._arrival = asyncio.Event()

    def _arrived(self, incoming: IncomingCall) -> None:
        call = TakenCall(incoming, self.plane, self.host)
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

    async def called(self, number: int = 1, seconds: float = 10.0) -> TakenCall:
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
        await phone.agent.close()
        await phone.plane.close()
