"""Phones that are called, for tests: each rings, answers or refuses as told, sends its tone and keeps what it hears."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.calls.audio_leg import stream_parameters
from engine.model import SipTransport
from media import DigitStarted, MediaConfig, MediaEvent, MediaPlane, MediaSession, PromptAudio, StreamParameters
from sip import CallEvent, Cancelled, IncomingCall, Referred, RemoteHangup, TlsConfig, UserAgent, UserAgentConfig
from sip.sdp import SUITES, Codec, LocalAudio, answer_offer, parse_sdp
from tests.support.lanes import lane_ports
from tests.support.phone import PCMA, PCMU
from tests.support.tones import seconds_of, sine


class CalleeCall:
    """One call to the phone."""

    def __init__(
        self, incoming: IncomingCall, plane: MediaPlane, codecs: tuple[Codec, ...], types: Mapping[int, int]
    ) -> None:
        self._codecs = codecs
        self._types = types
        self.incoming = incoming
        self.events: list[CallEvent] = []
        self.session: MediaSession | None = None
        self._plane = plane
        self.keys = ""
        self._heard: list[NDArray[np.int16]] = []
        self._changed = asyncio.Event()
        incoming.on_event = self._on_event

    def _on_event(self, event: CallEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def _on_media(self, event: MediaEvent) -> None:
        if isinstance(event, DigitStarted):
            self.keys += event.key
            self._changed.set()

    def _hear(self, frame: NDArray[np.int16]) -> None:
        self._heard.append(frame)
        self._changed.set()

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    def header(self, name: str) -> str | None:
        """A header field of the INVITE."""
        return self.incoming.request.headers.get(name)

    def answer(self, hertz: float | None = None, *, srtp: bool = False) -> None:
        """Answers, and sends a tone from then on; `srtp`: it can do that too."""
        sdp = self._open(srtp=srtp)
        self._say(hertz)
        self.incoming.answer(sdp)

    def early(self, hertz: float) -> None:
        """Sends a tone as early media, with 183, until `answer`."""
        sdp = self._open()
        self._say(hertz)
        self.incoming.progress(sdp)

    def _open(self, *, srtp: bool = False) -> bytes:
        if self.session is None:
            assert self.incoming.offer
            self.session = self._plane.open("127.0.0.1", self._on_media)
            local = LocalAudio(
                "127.0.0.1",
                self.session.local[1],
                self._codecs,
                session_id=1,
                session_version=1,
                srtp=SUITES if srtp else (),
            )
            answer, negotiated = answer_offer(parse_sdp(self.incoming.offer), local)
            self._sdp = self._renumber(bytes(answer))
            self.session.tap(lambda frame: self._hear(frame.copy()))
            self.session.start(self._receiving(stream_parameters(negotiated)))
        return self._sdp

    def _renumber(self, sdp: bytes) -> bytes:
        """The answer with payload types of the phone's own."""
        for theirs, ours in self._types.items():
            numbers = rf"^(m=audio .*? |a=(?:rtpmap|fmtp):){theirs}\b".encode()
            sdp = re.sub(numbers, rb"\g<1>%d" % ours, sdp, flags=re.MULTILINE)
        return sdp

    def _receiving(self, parameters: StreamParameters) -> StreamParameters:
        """What comes has the phone's own payload types, what is sent those of the offer (RFC 3264 §6.1)."""
        audio, keys = parameters.receive_payload_type, parameters.dtmf_receive_pt
        return replace(
            parameters,
            receive_payload_type=None if audio is None else self._types.get(audio, audio),
            dtmf_receive_pt=None if keys is None else self._types.get(keys, keys),
        )

    def _say(self, hertz: float | None) -> None:
        assert self.session is not None
        self.session.stop()
        if hertz is not None:
            self.session.play(PromptAudio(sine(hertz, 30.0), f"{hertz} Hz"))

    def has(self, kind: type[CallEvent]) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits for what an event or a frame makes true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, hertz: float, at_least: float = 0.5) -> None:
        """Waits until `hertz` was heard for `at_least` seconds altogether."""
        await self.until(lambda: seconds_of(self.heard, hertz) >= at_least)

    async def cancelled(self) -> None:
        """Waits for the engine's CANCEL."""
        await self.until(lambda: self.has(Cancelled))

    async def hung_up(self) -> None:
        """Waits for the engine's BYE."""
        await self.until(lambda: self.has(RemoteHangup))


class Callee:
    """A phone at an address of its own; `on_call` says what it does with a call: it rings unless told otherwise.

    `types` are the payload types of its own with which it answers, for those of an offer. It listens for `transport`
    alone."""

    def __init__(self, plane: MediaPlane, transport: SipTransport = "udp", tls_files: TlsConfig | None = None) -> None:
        self.codecs: tuple[Codec, ...] = (PCMU, PCMA)
        self.types: Mapping[int, int] = {}
        self.calls: list[CalleeCall] = []
        self.on_call: Callable[[CalleeCall], None] = lambda call: call.incoming.ring()
        here = (("127.0.0.1", 0),)
        udp, tcp, tls = (here if transport == kind else () for kind in ("udp", "tcp", "tls"))
        config = UserAgentConfig(udp=udp, tcp=tcp, tls=tls, tls_files=tls_files or TlsConfig())
        self.agent = UserAgent(config, self._arrived)
        self.transport = transport
        self._plane = plane
        self._arrival = asyncio.Event()

    def _arrived(self, incoming: IncomingCall) -> None:
        call = CalleeCall(incoming, self._plane, self.codecs, self.types)
        self.calls.append(call)
        self.on_call(call)
        self._arrival.set()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.agent.bound[self.transport][0]

    @property
    def uri(self) -> str:
        host, port = self.address
        chosen = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:callee@{host}:{port}{chosen}"

    @property
    def carrier(self) -> dict[str, object]:
        """It as the `sip.outbound` of a number."""
        host, port = self.address
        return {"host": host, "port": port, "transport": self.transport}

    async def call(self, seconds: float = 10.0) -> CalleeCall:
        """The newest call, now or when the first one comes."""
        await self.arrived(1, seconds)
        return self.calls[-1]

    async def arrived(self, count: int, seconds: float = 10.0) -> None:
        """Waits until so many calls have come."""
        async with asyncio.timeout(seconds):
            while len(self.calls) < count:
                self._arrival.clear()
                await self._arrival.wait()


@asynccontextmanager
async def callees(
    count: int, transport: SipTransport = "udp", tls_files: TlsConfig | None = None
) -> AsyncIterator[list[Callee]]:
    """So many phones on loopback; the audio of their calls is closed at the end."""
    plane = MediaPlane(MediaConfig(rtp_ports=lane_ports(21_200, 21_399), realtime=False))
    await plane.start()
    phones = [Callee(plane, transport, tls_files) for _ in range(count)]
    for phone in phones:
        await phone.agent.start()
    try:
        yield phones
    finally:
        for phone in phones:
            for call in phone.calls:
                if call.session is not None:
                    await call.session.close()
            await phone.agent.close()
        await plane.close()


@asynccontextmanager
async def a_callee(transport: SipTransport = "udp", tls_files: TlsConfig | None = None) -> AsyncIterator[Callee]:
    """One phone on loopback."""
    async with callees(1, transport, tls_files) as (phone,):
        yield phone


def referral(events: list[CallEvent]) -> Referred | None:
    """The REFER among the events of a call, if any."""
    return next((event for event in events if isinstance(event, Referred)), None)
