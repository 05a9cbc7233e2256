"""A phone with SRTP for tests: its SDP written by hand, its media encrypted by pylibsrtp in Python, none of it ours."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pylibsrtp
from numpy.typing import NDArray
from pylibsrtp import Policy, Session

from sip import (
    Answered,
    CallEvent,
    IncomingCall,
    NameAddr,
    OfferAnswered,
    OfferRejected,
    OutgoingCall,
    Rejected,
    RemoteHangup,
    SipUri,
    UserAgent,
    UserAgentConfig,
)
from tests.support.tones import decode_ulaw, encode_ulaw, seconds_of, sine

HOST = "127.0.0.1"
PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}


@dataclass(frozen=True)
class Crypto:
    """One `a=crypto` line."""

    tag: int
    suite: str
    key: bytes

    @classmethod
    def new(cls, tag: int, suite: str) -> Crypto:
        return cls(tag, suite, os.urandom(PROFILES[suite][1]) if suite in PROFILES else os.urandom(30))

    def __str__(self) -> str:
        return f"a=crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


@dataclass(frozen=True)
class Description:
    """What matters of the engine's SDP: the m= line and the crypto lines."""

    port: int
    profile: str
    cryptos: tuple[Crypto, ...]

    @classmethod
    def parse(cls, body: bytes) -> Description:
        text = body.decode()
        media = re.search(r"^m=audio (\d+) (\S+) ", text, re.MULTILINE)
        assert media is not None, text
        found = re.findall(r"^a=crypto:(\d+) (\S+) inline:([^|\s]+)", text, re.MULTILINE)
        cryptos = tuple(Crypto(int(tag), suite, base64.b64decode(key)) for tag, suite, key in found)
        return cls(int(media[1]), media[2], cryptos)


def session_of(crypto: Crypto, *, outbound: bool) -> Session:
    kind = Policy.SSRC_ANY_OUTBOUND if outbound else Policy.SSRC_ANY_INBOUND
    return Session(Policy(key=crypto.key, ssrc_type=kind, srtp_profile=PROFILES[crypto.suite][0]))


class SrtpCall:
    """One call: its sockets, its keys, what it heard (by timestamp) and what it could not decrypt."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.outgoing: OutgoingCall
        self.heard_packets: dict[int, bytes] = {}
        self.reports: list[bytes] = []
        self.sent: list[bytes] = []
        self.undecryptable = 0
        self.keys_seen: list[bytes] = []
        self.engine: Description | None = None
        self.ours: Crypto | None = None
        self._version = 0
        self._send: Session | None = None
        self._receive: Session | None = None
        self._sequence = 100
        self._timestamp = 8000
        self._speaking: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._rtp, self._rtcp = socket_pair()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._rtp, self._read)
        loop.add_reader(self._rtcp, self._read_reports)

    def offer(self, cryptos: Sequence[Crypto], profile: str = "RTP/SAVP", direction: str = "sendrecv") -> bytes:
        self._version += 1
        lines = [
            "v=0",
            f"o=- 7 {self._version} IN IP4 {HOST}",
            "s=-",
            f"c=IN IP4 {HOST}",
            "t=0 0",
            f"m=audio {self._rtp.getsockname()[1]} {profile} 0 101",
            "a=rtpmap:101 telephone-event/8000",
            f"a={direction}",
            *map(str, cryptos),
        ]
        self.keys_seen += [crypto.key for crypto in cryptos]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def use(self, body: bytes, cryptos: Sequence[Crypto]) -> Description:
        """Take the engine's description, and our own line of the tag that it names."""
        engine = Description.parse(body)
        self.engine = engine
        self.keys_seen += [crypto.key for crypto in engine.cryptos]
        if not engine.cryptos:
            self._send = self._receive = None
            return engine
        theirs = engine.cryptos[0]
        ours = next(crypto for crypto in cryptos if crypto.tag == theirs.tag)
        assert ours.suite == theirs.suite
        if ours != self.ours:
            self._send = session_of(ours, outbound=True)
        self._receive = session_of(theirs, outbound=False)
        self.ours = ours
        return engine

    def on_event(self, event: CallEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, *kinds: type[CallEvent]) -> list[CallEvent]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def answered(self) -> bytes:
        """The SDP of the 200."""
        await self.until(lambda: bool(self.of(Answered, Rejected)))
        (answered,) = self.of(Answered, Rejected)
        assert isinstance(answered, Answered), answered
        return answered.body or b""

    async def rejected(self) -> Rejected:
        await self.until(lambda: bool(self.of(Answered, Rejected)))
        (rejected,) = self.of(Answered, Rejected)
        assert isinstance(rejected, Rejected), rejected
        return rejected

    async def hung_up(self) -> None:
        await self.until(lambda: bool(self.of(RemoteHangup)))

    async def reinvite(self, body: bytes) -> CallEvent:
        before = len(self.of(OfferAnswered, OfferRejected))
        self.outgoing.reinvite(body)
        await self.until(lambda: len(self.of(OfferAnswered, OfferRejected)) > before)
        return self.of(OfferAnswered, OfferRejected)[-1]

    async def rotate(self, suite: str, direction: str = "sendrecv") -> Description:
        """Re-INVITE with a key of ours that is new; the one of the engine is taken from its answer."""
        cryptos = (Crypto.new(1, suite),)
        answer = await self.reinvite(self.offer(cryptos, direction=direction))
        assert isinstance(answer, OfferAnswered), answer
        return self.use(answer.body or b"", cryptos)

    def send(self, packet: bytes) -> None:
        assert self.engine is not None
        self.sent.append(packet)
        self._rtp.sendto(packet, (HOST, self.engine.port))

    def _packet(self, payload: bytes, payload_type: int = 0) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return struct.pack("!BBHII", 0x80, payload_type, self._sequence, self._timestamp, 0x5EC0DE) + payload

    def say(self, hertz: float) -> None:
        """Speak a tone from now on."""
        self._speaking = asyncio.create_task(self._speak(encode_ulaw(sine(hertz, 1.0))))

    async def _speak(self, octets: bytes) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        at = 0
        while True:
            packet = self._packet(octets[at : at + 160])
            self.send(self._send.protect(packet) if self._send is not None else packet)
            at = (at + 160) % len(octets)
            self._timestamp += 160
            due += 0.02
            await asyncio.sleep(due - loop.time())

    def press(self, key: int) -> None:
        """Send one key by RFC 4733."""
        assert self._send is not None
        self._timestamp += 1600
        for place in range(8):
            payload = struct.pack("!BBH", key, (0x80 if place == 7 else 0) | 10, 160 * (place + 1))
            self.send(self._send.protect(self._packet(payload, 101)))
        self._timestamp += 1600

    def report(self) -> None:
        """Send a receiver report that says 3 packets were lost."""
        assert self._send is not None
        assert self.engine is not None
        ssrc = self._ssrc_heard
        block = struct.pack("!IIIIII", ssrc, 3, 0, 0, 0, 0)
        data = struct.pack("!BBHI", 0x81, 201, 7, 0x5EC0DE) + block
        self._rtcp.sendto(self._send.protect_rtcp(data), (HOST, self.engine.port + 1))

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._rtp.recv(2048)
                try:
                    packet = self._receive.unprotect(data) if self._receive is not None else data
                except pylibsrtp.Error:
                    self.undecryptable += 1
                    continue
                assert len(data) > len(packet) or self._receive is None
                timestamp, self._ssrc_heard = struct.unpack_from("!4xII", packet)
                if packet[1] & 0x7F == 0:
                    self.heard_packets[timestamp] = packet[12:]
        self._changed.set()

    def _read_reports(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._rtcp.recv(2048)
                assert self._receive is not None
                self.reports.append(self._receive.unprotect_rtcp(data))
        self._changed.set()

    def heard(self) -> NDArray[np.int16]:
        stamps = sorted(self.heard_packets)
        return decode_ulaw(b"".join(self.heard_packets[stamp] for stamp in stamps))

    async def hears(self, hertz: float, at_least: float = 0.5) -> None:
        """Wait until a tone was heard for so many seconds since the last call of `forget`."""
        await self.until(lambda: seconds_of(self.heard(), hertz) >= at_least)

    def forget(self) -> None:
        self.heard_packets.clear()

    def close(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
        for sock in (self._rtp, self._rtcp):
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets, the second on the port after the first."""
    while True:
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.bind((HOST, 0))
        try:
            second.bind((HOST, first.getsockname()[1] + 1))
        except (OSError, OverflowError):
            first.close()
            second.close()
            continue
        first.setblocking(False)
        second.setblocking(False)
        return first, second


class SrtpPhone:
    """Places calls whose offers are written by the test."""

    def __init__(self, agent: UserAgent) -> None:
        self.agent = agent
        self.calls: list[SrtpCall] = []

    def call(
        self, number: str, sip: tuple[str, int], cryptos: Sequence[Crypto] | None, profile: str = "RTP/SAVP"
    ) -> SrtpCall:
        """Call with these lines in the offer; None leaves the offer to the engine."""
        call = SrtpCall()
        self.calls.append(call)
        call.outgoing = self.agent.place_call(
            SipUri.parse(f"sip:{number}@{sip[0]}:{sip[1]}"),
            from_=NameAddr(None, SipUri.parse(f"sip:+15550123@{HOST}"), ()),
            body=b"" if cryptos is None else call.offer(cryptos, profile),
            on_event=call.on_event,
        )
        return call

    async def talk(self, number: str, sip: tuple[str, int], suite: str) -> SrtpCall:
        """A call with one suite, answered, that speaks 1000 Hz."""
        cryptos = (Crypto.new(1, suite),)
        call = self.call(number, sip, cryptos)
        call.use(await call.answered(), cryptos)
        call.say(1000)
        return call


def _busy(incoming: IncomingCall) -> None:
    incoming.reject(486)


@asynccontextmanager
async def an_srtp_phone() -> AsyncIterator[SrtpPhone]:
    agent = UserAgent(UserAgentConfig(udp=((HOST, 0),)), _busy)
    await agent.start()
    phone = SrtpPhone(agent)
    try:
        yield phone
    finally:
        for call in phone.calls:
            call.outgoing.hangup()
            call.close()
        await agent.close()
