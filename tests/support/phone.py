"""A phone for tests: our own SIP user agent and audio as the caller, with a tone for a voice and an ear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from media import DigitStarted, MediaConfig, MediaEvent, MediaPlane, MediaSession, PromptAudio, StreamParameters
from sip import (
    Answered,
    CallEvent,
    Credentials,
    Failed,
    HungUp,
    IncomingCall,
    NameAddr,
    OfferAnswered,
    OfferRejected,
    OutgoingCall,
    Progress,
    Rejected,
    RemoteHangup,
    SipUri,
    UserAgent,
    UserAgentConfig,
)
from sip.sdp import (
    Codec,
    LocalAudio,
    NegotiatedAudio,
    SessionDescription,
    accept_answer,
    answer_offer,
    make_offer,
    parse_sdp,
)
from tests.support.lanes import lane_ports
from tests.support.relay import Relay
from tests.support.tones import seconds_of, sine

PCMU = Codec("PCMU", 8000, 0)
PCMA = Codec("PCMA", 8000, 8)

_TERMINAL = (RemoteHangup, HungUp, Failed)


class PhoneCall:
    """One call of a test phone. `heard` is what came through the jitter buffer, from the answer on."""

    def __init__(
        self,
        plane: MediaPlane,
        host: str,
        codecs: tuple[Codec, ...],
        *,
        telephone_event: bool = True,
        ptime: int = 20,
        relay: Relay | None = None,
    ) -> None:
        self.events: list[CallEvent] = []
        self.late = False
        self.relay = relay
        self.outgoing: OutgoingCall
        self.negotiated: NegotiatedAudio | None = None
        self.keys = ""
        self.session: MediaSession = plane.open(host, self._on_media)
        self.local = LocalAudio(
            host, self.session.local[1], codecs, telephone_event, ptime, session_id=1, session_version=1
        )
        self.offer = make_offer(self.local)
        self._heard: list[NDArray[np.int16]] = []
        self._changed = asyncio.Event()
        self._over: asyncio.Future[object] | None = None

    def on_event(self, event: CallEvent) -> None:
        self.events.append(event)
        if isinstance(event, Answered | Progress) and event.body and self.negotiated is None:
            description = parse_sdp(self.relay.answer(event.body) if self.relay else event.body)
            if self.late:
                answer, self.negotiated = answer_offer(description, self.local)
                self.outgoing.acknowledge(bytes(answer))
            else:
                self.negotiated = accept_answer(self.offer, description, self.local)
            self.session.tap(lambda frame: self._hear(frame.copy()))
            self.session.start(parameters(self.negotiated))
        if isinstance(event, _TERMINAL):
            # As any phone: what still came from here could be taken for the audio of a later call to the same port.
            self._over = asyncio.ensure_future(self.session.close())
        self._changed.set()

    def _on_media(self, event: MediaEvent) -> None:
        if isinstance(event, DigitStarted):
            self.keys += event.key
            self._changed.set()

    def _hear(self, frame: NDArray[np.int16]) -> None:
        self._heard.append(frame)
        self._changed.set()

    @property
    def own_offer(self) -> bytes:
        """The phone's own offer as it is sent."""
        offer = bytes(self.offer)
        return self.relay.offer(offer) if self.relay else offer

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answered(self, seconds: float = 10.0) -> None:
        """Waits for the 200; asserts that it is what came."""
        await self._until(lambda: self.has(Answered) or self.has(Rejected), seconds)
        assert self.has(Answered), self.events

    async def rejected(self, seconds: float = 10.0) -> Rejected:
        """Waits for a final response that refuses the call."""
        await self._until(lambda: self.has(Answered) or self.has(Rejected), seconds)
        (rejected,) = [event for event in self.events if isinstance(event, Rejected)]
        return rejected

    async def hung_up(self, seconds: float = 15.0) -> None:
        """Waits for the engine's BYE."""
        await self._until(lambda: self.has(RemoteHangup), seconds)

    async def hears(self, hertz: float, at_least: float = 0.5, seconds: float = 10.0) -> None:
        """Waits until `hertz` was heard for `at_least` seconds altogether."""
        await self._until(lambda: seconds_of(self.heard, hertz) >= at_least, seconds)

    async def hears_early(self, hertz: float, at_least: float = 0.5) -> None:
        """Waits as `hears` does; asserts that the call was not answered meanwhile."""
        await self._until(lambda: self.has(Answered) or seconds_of(self.heard, hertz) >= at_least, 10.0)
        assert not self.has(Answered)

    def say(self, hertz: float, seconds: float = 30.0) -> None:
        """Sends a tone from now on."""
        self.session.play(PromptAudio(sine(hertz, seconds), f"{hertz} Hz"))

    def press(self, keys: str) -> Awaitable[None]:
        """Sends keys by RFC 4733."""
        return self.session.send_digits(keys)

    async def until_pressed(self, keys: str, seconds: float = 10.0) -> None:
        """Waits until the far side has pressed exactly these keys."""
        await self._until(lambda: self.keys == keys, seconds)

    async def reinvites(self, offer: SessionDescription, seconds: float = 5.0) -> OfferAnswered | OfferRejected:
        """Sends a re-INVITE and waits for what comes of it."""
        before = len(self.events)
        self.outgoing.reinvite(bytes(offer))
        kinds = OfferAnswered | OfferRejected
        await self._until(lambda: any(isinstance(event, kinds) for event in self.events[before:]), seconds)
        (answer,) = [event for event in self.events[before:] if isinstance(event, kinds)]
        return answer

    def has(self, kind: type[CallEvent]) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    @property
    def statuses(self) -> list[int]:
        """The provisional responses, in order."""
        return [event.status for event in self.events if isinstance(event, Progress)]


class Phone:
    """Places calls from its own UDP port of `host`."""

    def __init__(self, agent: UserAgent, plane: MediaPlane, host: str) -> None:
        self.agent = agent
        self.plane = plane
        self.host = host
        self._calls: list[PhoneCall] = []

    def call(
        self,
        number: str,
        sip: tuple[str, int],
        *,
        from_: str = "+15550123",
        credentials: Credentials | None = None,
        codecs: tuple[Codec, ...] = (PCMU, PCMA),
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
        telephone_event: bool = True,
        ptime: int = 20,
        relay: Relay | None = None,
    ) -> PhoneCall:
        """Sends an INVITE for `number` to the engine at `sip`; `body` replaces the phone's own offer, an
        empty one leaves the offer to the engine. Audio goes through `relay` where there is one, in packets of `ptime`
        ms."""
        call = PhoneCall(self.plane, self.host, codecs, telephone_event=telephone_event, ptime=ptime, relay=relay)
        call.late = body == b""
        self._calls.append(call)
        call.outgoing = self.agent.place_call(
            SipUri.parse(f"sip:{number}@{sip[0]}:{sip[1]}"),
            from_=NameAddr(None, SipUri.parse(f"sip:{from_}@{self.host}"), ()),
            body=call.own_offer if body is None else body,
            credentials=credentials,
            headers=headers,
            on_event=call.on_event,
        )
        return call

    async def close(self) -> None:
        for call in self._calls:
            await call.session.close()


def parameters(audio: NegotiatedAudio) -> StreamParameters:
    """The phone's own audio stream."""
    return StreamParameters(
        remote_address=audio.remote_address,
        remote_port=audio.remote_port,
        codec=audio.codec.name,
        payload_type=audio.codec.payload_type or 0,
        receive_payload_type=audio.receive_payload_type,
        dtmf_send_pt=audio.dtmf_send_pt,
        dtmf_receive_pt=audio.dtmf_receive_pt,
        dtmf_clock=audio.dtmf_clock,
        ptime=audio.ptime,
        inband_keys=audio.dtmf_receive_pt is None,
    )


def _busy(incoming: IncomingCall) -> None:
    incoming.reject(486)


@asynccontextmanager
async def a_phone(host: str = "127.0.0.1") -> AsyncIterator[Phone]:
    """A phone on `host`; its calls' audio is closed at the end."""
    agent = UserAgent(UserAgentConfig(udp=((host, 0),)), _busy)
    plane = MediaPlane(MediaConfig(rtp_ports=lane_ports(21_000, 21_199), realtime=False))
    await agent.start()
    await plane.start()
    phone = Phone(agent, plane, host)
    try:
        yield phone
    finally:
        await phone.close()
        await agent.close()
        await plane.close()
