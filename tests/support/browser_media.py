"""A browser's stand-in for tests: ICE as full agent by aioice, DTLS-SRTP by aiortc, codecs by FFmpeg, RTP by hand."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from unittest import mock

import av
import numpy as np
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceParameters
from numpy.typing import NDArray

from tests.support.tones import decode_ulaw, encode_ulaw, seconds_of, sine

HOST = "127.0.0.1"
KEYS = "0123456789*#ABCD"


@dataclass(frozen=True)
class Voice:
    """A codec of the stand-in: payload types of audio and events, and their clock in Hz."""

    name: str
    payload_type: int
    event_type: int
    clock: int

    @property
    def lines(self) -> list[str]:
        channels = "/2" if self.name == "opus" else ""
        return [
            f"a=rtpmap:{self.payload_type} {self.name}/{self.clock}{channels}",
            f"a=rtpmap:{self.event_type} telephone-event/{self.clock}",
        ]

    def encoded(self, samples: NDArray[np.int16]) -> Iterator[bytes]:
        """Packets of 20 ms from samples at 8 kHz."""
        if self.name == "PCMU":
            octets = encode_ulaw(samples)
            yield from (octets[at : at + 160] for at in range(0, len(octets), 160))
            return
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.format, encoder.layout = 48000, "s16", "mono"  # type: ignore[attr-defined]
        wide = np.repeat(samples, 6)
        for at in range(0, len(wide), 960):
            frame = av.AudioFrame.from_ndarray(wide[None, at : at + 960], format="s16", layout="mono")
            frame.sample_rate = 48000
            for packet in encoder.encode(frame):  # type: ignore[attr-defined]
                yield bytes(packet)

    def decoder(self) -> Callable[[bytes], NDArray[np.int16]]:
        """What makes samples at 8 kHz of a payload."""
        if self.name == "PCMU":
            return decode_ulaw
        opus = av.CodecContext.create("opus", "r")

        def decode(payload: bytes) -> NDArray[np.int16]:
            planes = [frame.to_ndarray()[0] for frame in opus.decode(av.Packet(payload))]  # type: ignore[attr-defined]
            samples = np.concatenate(planes) if planes else np.zeros(0, np.float32)
            return (samples[::6] * 32767).astype(np.int16)

        return decode


PCMU = Voice("PCMU", 0, 126, 8000)
OPUS = Voice("opus", 111, 110, 48000)
VOICES = {voice.name: voice for voice in (PCMU, OPUS)}


class _Transport(RTCDtlsTransport):
    """Hands out what was received, decrypted."""

    on_packet: Callable[[bytes], None]

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        del arrival_time_ms
        self.on_packet(data)


class BrowserMedia:
    """One peer connection: its SDP, what it heard, the keys that were pressed to it."""

    def __init__(self, voices: tuple[Voice, ...]) -> None:
        self.voices = voices
        self.voice = voices[0]
        self.keys = ""
        self.packets = 0
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self._certificate = RTCCertificate.generateCertificate()
        self.dtls = _Transport(self.ice, [self._certificate])
        self.dtls.on_packet = self._take
        self.remote = ""
        self._direction = "sendrecv"
        self._version = 0
        self._events: set[int] = set()
        self._heard: list[NDArray[np.int16]] = []
        self._decode: Callable[[bytes], NDArray[np.int16]] | None = None
        self._changed = asyncio.Event()
        self._speaking: asyncio.Task[None] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._sequence = 7
        self._timestamp = 4711

    @property
    def fingerprint(self) -> str:
        found = next(one for one in self._certificate.getFingerprints() if one.algorithm == "sha-256")
        return f"sha-256 {found.value}"

    def description(
        self, *, setup: str, fingerprint: str | None = None, direction: str = "sendrecv", credentials: str | None = None
    ) -> str:
        """An offer or answer as Chromium writes them."""
        self._version += 1
        ours = self.gatherer.getLocalParameters()
        types = [str(number) for voice in self.voices for number in (voice.payload_type, voice.event_type)]
        lines = [
            "v=0", f"o=- 4611731400430051336 {self._version} IN IP4 127.0.0.1", "s=-", "t=0 0",
            "a=group:BUNDLE 0", "a=extmap-allow-mixed", "a=msid-semantic: WMS stream",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {' '.join(types)}",
            "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
            *(f"a=candidate:{c.foundation} {c.component} {c.protocol} {c.priority} {c.ip} {c.port} typ {c.type}"
              for c in self.gatherer.getLocalCandidates()),
            f"a=ice-ufrag:{credentials or ours.usernameFragment}", f"a=ice-pwd:{ours.password}",
            "a=ice-options:trickle",
            f"a=fingerprint:{fingerprint or self.fingerprint}", f"a=setup:{setup}", "a=mid:0",
            "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", f"a={direction}", "a=msid:stream track",
            "a=rtcp-mux", "a=rtcp-rsize", *(line for voice in self.voices for line in voice.lines),
            "a=ssrc:2882343476 cname:w1aRJS2v5Dz0GjMn",
        ]  # fmt: skip
        return "".join(f"{line}\r\n" for line in lines)

    def connect(self, remote: str, *, controlling: bool = True) -> None:
        """Takes the engine's description, and begins to check, shake hands and hear."""
        self.remote = remote
        self.voice = self._agreed(remote)
        self._decode = self.voice.decoder()
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(remote, controlling=controlling))

    def _agreed(self, remote: str) -> Voice:
        payload_type = int(self.value(r"m=audio \d+ \S+ (\d+)", remote))
        named = re.search(rf"a=rtpmap:{payload_type} (\w+)/", remote)
        voice = VOICES[named[1] if named else "PCMU"]
        events = re.search(rf"a=rtpmap:(\d+) telephone-event/{voice.clock}", remote)
        return replace(voice, payload_type=payload_type, event_type=int(events[1]) if events else -1)

    @staticmethod
    def value(pattern: str, text: str) -> str:
        found = re.search(pattern, text)
        assert found is not None, f"no {pattern} in {text}"
        return found[1]

    async def _connect(self, remote: str, *, controlling: bool) -> None:
        connection = self.gatherer._connection
        connection.ice_controlling = controlling
        for foundation, address, port in re.findall(r"a=candidate:(\w+) 1 UDP \d+ (\S+) (\d+) typ host", remote):
            await self.ice.addRemoteCandidate(RTCIceCandidate(1, foundation, address, int(port), 1, "UDP", "host"))
        await self.ice.addRemoteCandidate(None)
        await self.ice.start(
            RTCIceParameters(
                usernameFragment=self.value(r"a=ice-ufrag:(\S+)", remote),
                password=self.value(r"a=ice-pwd:(\S+)", remote),
                iceLite="a=ice-lite" in remote,
            )
        )
        # Who is active is the client; to an answer of "active" we are the server.
        self.dtls._set_role("server" if self.value(r"a=setup:(\w+)", remote) == "active" else "client")
        algorithm, value = self.value(r"a=fingerprint:(\S+ \S+)", remote).split()
        await self.dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)]))
        self._changed.set()

    async def connected(self, seconds: float = 10.0) -> None:
        """Waits for the keys; asserts that there are any."""
        assert self._connecting is not None
        async with asyncio.timeout(seconds):
            await self._connecting
        assert (self.ice.state, self.dtls.state) == ("completed", "connected")

    def _take(self, data: bytes) -> None:
        self.packets += 1
        octet, kind = data[0], data[1] & 0x7F
        assert octet == 0x80, "neither padding nor extensions were agreed on"
        payload = data[12:]
        timestamp = struct.unpack_from("!I", data, 4)[0]
        if kind == self.voice.event_type:
            if timestamp not in self._events:
                self._events.add(timestamp)
                self.keys += KEYS[payload[0]]
        elif kind == self.voice.payload_type and self._decode is not None:
            self._heard.append(self._decode(payload))
        else:
            raise AssertionError(f"payload type {kind} was not agreed on")
        self._changed.set()

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, hertz: float, at_least: float = 0.5) -> None:
        """Waits until `hertz` was heard for so many seconds from now on."""
        start = len(self._heard)
        await self.until(
            lambda: len(self._heard) > start and seconds_of(np.concatenate(self._heard[start:]), hertz) >= at_least
        )

    def say(self, hertz: float) -> None:
        """Sends a tone from now on."""
        if self._speaking is not None:
            self._speaking.cancel()
        self._speaking = asyncio.create_task(self._speak(list(self.voice.encoded(sine(hertz, 1.0)))))

    async def _speak(self, packets: list[bytes]) -> None:
        await self.connected()
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for packet in packets:
                await self._send(packet, self.voice.payload_type)
                self._timestamp += self.voice.clock // 50
                due += 0.02
                await asyncio.sleep(due - loop.time())

    async def press(self, keys: str) -> None:
        """Sends keys by RFC 4733, 100 ms each."""
        step = self.voice.clock // 50
        for key in keys:
            timestamp = self._timestamp
            for place in (1, 2, 3, 4, 5, 5, 5):
                end = 0x80 if place == 5 else 0
                payload = struct.pack("!BBH", KEYS.index(key), end | 10, step * place)
                await self._send(payload, self.voice.event_type, timestamp)
                await asyncio.sleep(0.02)
            self._timestamp += 10 * step

    async def _send(self, payload: bytes, kind: int, timestamp: int | None = None) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        stamp = (self._timestamp if timestamp is None else timestamp) & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, kind, self._sequence, stamp, 0xABCDE124)
        await self.dtls._send_rtp(header + payload)

    async def close(self) -> None:
        """Lets everything go."""
        for task in (self._speaking, self._connecting):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self.dtls.stop()
        await self.ice.stop()


@asynccontextmanager
async def browser_media(*voices: Voice) -> AsyncIterator[BrowserMedia]:
    """A peer connection that has gathered its candidates: loopback alone, which aioice leaves out by itself."""
    media = BrowserMedia(voices or (OPUS, PCMU))
    with mock.patch("aioice.ice.get_host_addresses", lambda **_: [HOST]):
        await media.gatherer.gather()
    try:
        yield media
    finally:
        await media.close()
