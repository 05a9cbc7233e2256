"""What is usually built first: one asyncio task per call, in plain Python, that awaits its socket and its clock.

The baseline of `bench.kernel`. It does for each call what the kernel does for each call, as one would write it with
objects: packets parsed with every check, sources checked, RFC 3550 statistics, an adaptive jitter buffer played out
every tick, keys recognised with their length, a queue of prompts with loops and stop keys, RTCP, time-outs. Audio
passes through the call as linear samples, encoded and decoded frame by frame; that the kernel keeps prompts encoded,
and decodes only for a listener, is part of what is compared. Nothing else is in it that the work does not need.
Run as a process of its own; directions on stdin.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bench.generator import measured_cpu, say, when_ready
from media.kernel.arrays import Samples
from media.kernel.g711 import decode, encode
from media.kernel.limits import raise_descriptor_limit

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_SENDER_REPORT = struct.Struct("!BBHIIIIII")
_TICK = 0.02
_SAMPLES = 160
_RATE = 8000
_SILENCE = b"\xff" * _SAMPLES
_EVENT_TYPE = 101
_KEYS = "0123456789*#ABCD"


@dataclass(slots=True)
class Packet:
    """One RTP packet."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Packet":
        """Take a datagram apart; raises ValueError for what is no RTP packet."""
        if len(data) < 12:
            raise ValueError("shorter than the header")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first >> 6 != 2:
            raise ValueError("not version 2")
        at = 12 + 4 * (first & 0x0F)
        if first & 0x10:
            if at + 4 > len(data):
                raise ValueError("extension cut")
            at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
        end = len(data)
        if first & 0x20:
            if not 0 < data[-1] <= end - at:
                raise ValueError("padding longer than the packet")
            end -= data[-1]
        if at > end:
            raise ValueError("header longer than the packet")
        return cls(second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[at:end])

    def __bytes__(self) -> bytes:
        second = self.payload_type | self.marker << 7
        return _HEADER.pack(0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


@dataclass(slots=True)
class Reception:
    """The statistics of RFC 3550 for one stream (appendices A.1, A.3 and A.8)."""

    ssrc: int
    base: int
    highest: int
    bad: int = -1
    received: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    jitter: float = 0.0
    transit: float | None = None
    timestamp: int | None = None
    seen: deque[int] = field(default_factory=lambda: deque(maxlen=48))

    def count(self, packet: Packet) -> int | None:
        """Count a packet and return its extended sequence number; None for one not to be used."""
        step = (packet.sequence - self.highest + 0x8000 & 0xFFFF) - 0x8000
        if not -100 < step < 3000:
            if packet.sequence != self.bad:
                self.bad = packet.sequence + 1 & 0xFFFF
                return None
            self.base = self.highest = packet.sequence
            self.seen.clear()
            step = 0
        extended = self.highest + step
        if extended in self.seen:
            self.duplicates += 1
            return None
        self.seen.append(extended)
        if step > 0:
            self.highest = extended
        elif step < 0:
            self.out_of_order += 1
        self.received += 1
        return extended

    def extend(self, timestamp: int) -> int:
        """Return a timestamp without its wrap."""
        if self.timestamp is None:
            self.timestamp = timestamp
        extended = self.timestamp + (timestamp - self.timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        self.timestamp = max(self.timestamp, extended)
        return extended

    def measure(self, transit: float) -> None:
        """Update the interarrival jitter."""
        if self.transit is not None:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit


@dataclass(slots=True)
class JitterBuffer:
    """Packets by sequence number, played by timestamp, at a delay that follows the network's."""

    waiting: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    play_sequence: int = 0
    position: int = 0
    highest: int = -1
    base: float = 0.0
    peak: float = 320.0
    target: int = 320
    ready_at: float = 0.0
    playing: bool = False
    excess: int = 0
    late: int = 0
    concealed: int = 0

    def put(self, sequence: int, timestamp: int, payload: bytes, transit: float, now: float) -> None:
        """Keep a packet, or count it as late."""
        if not self.waiting and not self.playing:
            self.play_sequence, self.position, self.base = sequence, timestamp, transit
            self.ready_at = now + self.target / _RATE
        self.base = min(self.base + 0.03, transit)
        delay = min(transit - self.base, 1600)
        self.peak = max(delay, self.peak - (self.peak - delay) / 512)
        self.target = max(160, min(-(-int(self.peak) // 160) * 160, 1600))
        if self.playing and timestamp + len(payload) <= self.position:
            self.late += 1
            return
        self.waiting[sequence] = (timestamp, payload)
        self.highest = max(self.highest, sequence)

    def pull(self, now: float) -> bytes:
        """Return the next 20 ms."""
        if not self.playing:
            if not self.waiting or now < self.ready_at:
                return _SILENCE
            self.playing = True
        if now * _RATE - self.base - self.position > self.target + 320:
            self.excess += 1
            if self.excess >= 50:
                self.excess = 0
                self.position += _SAMPLES
        else:
            self.excess = 0
        frame = b""
        while len(frame) < _SAMPLES:
            place = self.position + len(frame)
            while self.play_sequence <= self.highest:
                entry = self.waiting.get(self.play_sequence)
                if entry is not None and entry[0] + len(entry[1]) > place:
                    break
                self.waiting.pop(self.play_sequence, None)
                self.play_sequence += 1
            else:
                self.playing = False
                break
            timestamp, payload = entry
            if timestamp > place:
                gap = min(timestamp - place, _SAMPLES - len(frame))
                self.concealed += gap
                frame += _SILENCE[:gap]
                continue
            frame += payload[place - timestamp : place - timestamp + _SAMPLES - len(frame)]
        self.position += len(frame)
        return frame + _SILENCE[len(frame) :]


@dataclass(slots=True)
class KeyDetector:
    """Telephone events (RFC 4733) become keys, each once."""

    on_key: Callable[[str], None]
    ssrc: int = -1
    timestamp: int = -1
    key: int = -1
    units: int = 0
    last: float = 0.0
    active: bool = False
    ended: list[tuple[str, int]] = field(default_factory=list)

    def take(self, packet: Packet, now: float) -> None:
        """Use one event packet."""
        if len(packet.payload) < 4:
            return
        key, flags, units = _EVENT.unpack_from(packet.payload)
        if key >= len(_KEYS):
            return
        if packet.ssrc == self.ssrc:
            step = (packet.timestamp - self.timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if step < 0 or (step == 0 and not self.active):
                return
        if not self.active or packet.timestamp != self.timestamp:
            self.end()
            self.ssrc, self.timestamp, self.key, self.active = packet.ssrc, packet.timestamp, key, True
            self.on_key(_KEYS[key])
        self.units, self.last = units, now
        if flags & 0x80:
            self.end()

    def end(self) -> None:
        """Close the key that is held."""
        if self.active:
            self.active = False
            self.ended.append((_KEYS[self.key], self.units // 8))

    def tick(self, now: float) -> None:
        """Give up a key whose end was lost."""
        if self.active and now - self.last > 0.12:
            self.end()


@dataclass(slots=True)
class Item:
    """One prompt of the queue."""

    samples: Samples
    loops: int = 1
    stop_keys: str = ""


class Player:
    """The queue of prompts."""

    def __init__(self) -> None:
        self.queue: deque[Item] = deque()
        self.position = 0
        self.played = 0

    def key(self, key: str) -> None:
        """End the queue where its first item listens for a key."""
        if self.queue and key in self.queue[0].stop_keys:
            self.queue.clear()
            self.position = 0

    def next_frame(self) -> Samples:
        """Return the next 20 ms, across the border of two items where need be."""
        frame = np.zeros(_SAMPLES, np.int16)
        filled = 0
        while filled < _SAMPLES and self.queue:
            item = self.queue[0]
            part = item.samples[self.position : self.position + _SAMPLES - filled]
            frame[filled : filled + len(part)] = part
            filled += len(part)
            self.position += len(part)
            self.played += len(part)
            if self.position >= len(item.samples):
                self.position = 0
                if item.loops == 1:
                    self.queue.popleft()
                else:
                    item.loops = max(item.loops - 1, 0)
        return frame


class Call:
    """One call: a socket, its player, and what is known of the far end."""

    def __init__(self, ssrc: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("127.0.0.1", 0))
        self.ssrc = ssrc
        self.sequence = random.randrange(65536)
        self.timestamp = random.randrange(1 << 32)
        self.packets = self.octets = self.dropped = 0
        self.player = Player()
        self.buffer = JitterBuffer()
        self.keys = KeyDetector(self.player.key)
        self.reception: Reception | None = None
        self.source: tuple[str, int] | None = None
        self.alive = 0.0
        self.timed_out = False

    def listener(self, frame: Samples) -> None:
        """Hear 20 ms of the far end; nobody wants them here."""

    def receive(self, data: bytes, addr: tuple[str, int]) -> None:
        """Use one datagram."""
        try:
            packet = Packet.parse(data)
        except ValueError:
            self.dropped += 1
            return
        if packet.payload_type not in {0, 13, _EVENT_TYPE} or addr != self.source:
            self.dropped += 1
            return
        now = asyncio.get_running_loop().time()
        if self.reception is None or self.reception.ssrc != packet.ssrc:
            self.reception = Reception(packet.ssrc, packet.sequence, packet.sequence - 1)
        sequence = self.reception.count(packet)
        if sequence is None:
            return
        self.alive = now
        if packet.payload_type == _EVENT_TYPE:
            self.keys.take(packet, now)
        elif packet.payload_type == 0:
            timestamp = self.reception.extend(packet.timestamp)
            transit = now * _RATE - timestamp
            self.reception.measure(transit)
            self.buffer.put(sequence, timestamp, packet.payload, transit, now)

    def send_report(self, reports: socket.socket, target: tuple[str, int]) -> None:
        """Send a sender report."""
        seconds = int(asyncio.get_running_loop().time())
        report = _SENDER_REPORT.pack(
            0x80, 200, 6, self.ssrc, seconds, 0, self.timestamp & 0xFFFFFFFF, self.packets, self.octets & 0xFFFFFFFF
        )
        reports.sendto(report, (target[0], target[1] + 1))

    async def run(self, target: tuple[str, int], begin: float, reports: socket.socket) -> None:
        """Be the call: await the socket and the clock; take what arrives, and send a packet every 20 ms."""
        loop = asyncio.get_running_loop()
        self.source = target
        self.alive = begin
        self.next_report = begin + random.uniform(2.5, 7.5)
        due = begin
        while True:
            try:
                async with asyncio.timeout_at(due):
                    while True:
                        self.receive(*await loop.sock_recvfrom(self.sock, 2048))
            except TimeoutError:
                self.tick(target, reports)
                due += _TICK

    def tick(self, target: tuple[str, int], reports: socket.socket) -> None:
        """Play out what came in, and send the next frame."""
        now = asyncio.get_running_loop().time()
        self.listener(decode(np.frombuffer(self.buffer.pull(now), np.uint8), "PCMU"))
        self.keys.tick(now)
        frame = encode(self.player.next_frame(), "PCMU").tobytes()
        packet = Packet(0, self.packets == 0, self.sequence, self.timestamp, self.ssrc, frame)
        self.sock.sendto(bytes(packet), target)
        self.packets += 1
        self.octets += len(frame)
        self.sequence = self.sequence + 1 & 0xFFFF
        self.timestamp = self.timestamp + _SAMPLES & 0xFFFFFFFF
        if now >= self.next_report:
            self.send_report(reports, target)
            self.next_report = now + random.uniform(2.5, 7.5)
        if now - self.alive > 60:
            self.timed_out = True


async def serve(count: int) -> None:
    """Hold so many calls for one measurement."""
    loop = asyncio.get_running_loop()
    prompt = (8000 * np.sin(2 * np.pi * 440 * np.arange(80_000) / _RATE)).astype(np.int16)
    calls = []
    for ssrc in range(count):
        call = Call(ssrc)
        call.player.queue.append(Item(prompt, loops=0, stop_keys="5"))
        calls.append(call)
    say({"ports": [call.sock.getsockname()[1] for call in calls]})
    message = json.loads(await asyncio.to_thread(sys.stdin.readline))
    targets = message["ports"]
    reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reports.setblocking(False)
    begin = loop.time() + 0.1
    tasks = []
    for place, call in enumerate(calls):
        target = ("127.0.0.1", targets[place // (count // len(targets))])
        # Spread over the 20 ms, as the kernel's are.
        tasks.append(asyncio.create_task(call.run(target, begin + place % 20 * 0.001, reports)))
    seconds = await asyncio.to_thread(lambda: measured_cpu(when_ready()))
    await asyncio.sleep(0.2)
    say({"cpu": seconds})
    for task in tasks:
        task.cancel()
    reports.close()


def main() -> None:
    """Be the baseline for one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--core", type=int)
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    raise_descriptor_limit(arguments.calls + 64)
    asyncio.run(serve(arguments.calls))


if __name__ == "__main__":
    main()
