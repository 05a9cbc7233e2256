"""Our user agent and audio as the phone at the other end of somebody else's: calls, is called, holds, transfers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.calls.audio_leg import stream_parameters
from media import DigitStarted, MediaConfig, MediaEvent, MediaPlane, MediaSession, PromptAudio
from sip import (
    Answered,
    Call,
    CallEvent,
    Confirmed,
    Credentials,
    IncomingCall,
    NameAddr,
    Offer,
    OfferAnswered,
    Rejected,
    SipUri,
    UserAgent,
    UserAgentConfig,
)
from sip.sdp import LocalAudio, NegotiatedAudio, SessionDescription, accept_answer, answer_offer, make_offer, parse_sdp
from tests.support.phone import PCMA, PCMU
from tests.support.tones import seconds_of, sine

HOST = "127.0.0.1"
Event = TypeVar("Event", bound=CallEvent)


class OurCall:
    """One call. Offers of the peer are met at once; `heard` and `keys` are what came from it so far."""

    def __init__(self, plane: MediaPlane) -> None:
        self.events: list[CallEvent] = []
        self.keys = ""
        self.call: Call
        self.session: MediaSession = plane.open(HOST, self._on_media)
        self.negotiated: NegotiatedAudio | None = None
        self._local = LocalAudio(HOST, self.session.local[1], (PCMU, PCMA), session_id=1)
        self._sent: SessionDescription | None = None
        self._heard: list[NDArray[np.int16]] = []
        self._changed = asyncio.Event()

    def offer(self) -> bytes:
        """Our SDP, for an INVITE."""
        self._sent = make_offer(self._local, previous=self._sent)
        return bytes(self._sent)

    def take(self, incoming: IncomingCall) -> None:
        """Rings and answers."""
        self.call = incoming
        incoming.on_event = self.on_event
        assert incoming.offer
        incoming.ring()
        incoming.answer(self._answer(incoming.offer))

    def on_event(self, event: CallEvent) -> None:
        self.events.append(event)
        if isinstance(event, Answered | OfferAnswered) and event.body:
            assert self._sent is not None
            self._start(accept_answer(self._sent, parse_sdp(event.body), self._local))
        elif isinstance(event, Offer):
            event.respond.accept(self._answer(event.body) if event.body else self.offer())
        self._changed.set()

    def hold(self) -> None:
        """Puts the peer on hold by a re-INVITE."""
        self._local = self._local.holding()
        self.call.reinvite(self.offer())

    def resume(self) -> None:
        """Takes the peer back."""
        self._local = self._local.resuming()
        self.call.reinvite(self.offer())

    def say(self, hertz: float, seconds: float = 60.0) -> None:
        """Sends a tone from now on."""
        self.session.play(PromptAudio(sine(hertz, seconds), f"{hertz} Hz"))

    async def press(self, keys: str) -> None:
        """Sends keys by RFC 4733."""
        await self.session.send_digits(keys)

    @property
    def direction(self) -> str | None:
        """What we do with our audio as agreed: `sendrecv`, `sendonly`, `recvonly` or `inactive`."""
        return None if self.negotiated is None else self.negotiated.direction

    @property
    def heard(self) -> NDArray[np.int16]:
        """What came through the jitter buffer since the call was answered, int16 at 8 kHz."""
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    def all(self, kind: type[Event]) -> list[Event]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, kind: type[Event], count: int = 1, seconds: float = 10.0) -> Event:
        """The `count`-th event of a kind; an end of the call that is not waited for fails at once."""

        def came() -> bool:
            assert kind is Rejected or not self.all(Rejected), self.events
            return len(self.all(kind)) >= count

        await self.until(came, seconds)
        return self.all(kind)[count - 1]

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for a condition that events or audio bring about."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(self.events) from None

    async def hears(self, hertz: float, at_least: float = 0.4) -> None:
        """Waits until `hertz` is heard for so many seconds from now on."""
        before = len(self.heard)
        await self.until(lambda: seconds_of(self.heard[before:], hertz) >= at_least)

    async def silence_of(self, hertz: float, seconds: float = 0.4) -> None:
        """Listens for that long, after half a second in which what is under way arrives, and asserts that `hertz` is
        not in it. Where the peer sends nothing at all the jitter buffer hands out nothing: time passes all the same."""
        await asyncio.sleep(0.5)
        before = len(self.heard)
        await asyncio.sleep(seconds)
        assert seconds_of(self.heard[before:], hertz) == 0.0

    def _answer(self, body: bytes) -> bytes:
        self._sent, negotiated = answer_offer(
            parse_sdp(body), self._local, previous=self._sent, in_force=self.negotiated
        )
        self._start(negotiated)
        return bytes(self._sent)

    def _start(self, negotiated: NegotiatedAudio) -> None:
        if self.negotiated is None:
            self.session.tap(self._hear)
        self.negotiated = negotiated
        self.session.start(stream_parameters(negotiated))

    def _hear(self, frame: NDArray[np.int16]) -> None:
        self._heard.append(frame.copy())
        self._changed.set()

    def _on_media(self, event: MediaEvent) -> None:
        if isinstance(event, DigitStarted):
            self.keys += event.key
            self._changed.set()


class OurPhone:
    """Places calls, and answers those that come, the newest last in `taken`."""

    def __init__(self) -> None:
        self.agent = UserAgent(UserAgentConfig(udp=((HOST, 0),)), self._on_call)
        self.plane = MediaPlane(MediaConfig(rtp_ports=(21200, 21399), realtime=False))
        self.taken: list[OurCall] = []
        self.refusal: int | None = None  # the status that the next calls get
        self._calls: list[OurCall] = []
        self._called = asyncio.Event()

    @property
    def sip(self) -> tuple[str, int]:
        """Where we listen."""
        return self.agent.bound["udp"][0]

    def uri(self, user: str = "voylo") -> SipUri:
        """How to reach us without a registrar."""
        host, port = self.sip
        return SipUri("sip", user, host=host, port=port)

    def call(
        self,
        target: str | SipUri,
        *,
        from_: str = "sip:voylo@lab.test",
        credentials: Credentials | None = None,
        next_hop: tuple[str, int] | None = None,
    ) -> OurCall:
        """Sends an INVITE."""
        ours = self._open()
        ours.call = self.agent.place_call(
            SipUri.parse(target) if isinstance(target, str) else target,
            from_=NameAddr(None, SipUri.parse(from_)),
            body=ours.offer(),
            credentials=credentials,
            next_hop=next_hop,
            on_event=ours.on_event,
        )
        return ours

    async def called(self, count: int = 1, seconds: float = 10.0) -> OurCall:
        """The `count`-th call that came, once it is confirmed."""
        async with asyncio.timeout(seconds):
            while len(self.taken) < count:
                self._called.clear()
                await self._called.wait()
        ours = self.taken[count - 1]
        await ours.wait(Confirmed)
        return ours

    def _open(self) -> OurCall:
        ours = OurCall(self.plane)
        self._calls.append(ours)
        return ours

    def _on_call(self, incoming: IncomingCall) -> None:
        if self.refusal is not None:
            incoming.reject(self.refusal)
            return
        ours = self._open()
        self.taken.append(ours)
        ours.take(incoming)
        self._called.set()

    async def close(self) -> None:
        for ours in self._calls:
            ours.call.hangup()
        for ours in self._calls:
            await ours.session.close()


@asynccontextmanager
async def our_phone() -> AsyncIterator[OurPhone]:
    """A phone on a free port of loopback; what calls are left are hung up at the end."""
    phone = OurPhone()
    await phone.agent.start()
    await phone.plane.start()
    try:
        yield phone
    finally:
        await phone.close()
        await phone.agent.close()
        await phone.plane.close()
