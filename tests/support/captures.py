"""Captures for sipp to play: RTP with a tone and RFC 4733 keys, in classic pcap, made here."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from tests.support.tones import encode_ulaw, sine

KEYS = "0123456789*#ABCD"
TICK = 160
EVENT_TICKS = 8


def rtp(
    payload_type: int, sequence: int, timestamp: int, payload: bytes, *, marker: bool = False, ssrc: int = 7
) -> bytes:
    """One RTP packet."""
    return struct.pack("!BBHII", 0x80, payload_type | marker << 7, sequence & 0xFFFF, timestamp, ssrc) + payload


def tone_and_keys(hertz: float, before: float, keys: str, after: float) -> list[tuple[float, bytes]]:
    """RTP packets with their send times in seconds: a µ-law tone, the keys (payload type 101), the tone again."""
    packets: list[tuple[float, bytes]] = []
    audio = encode_ulaw(sine(hertz, before + after + 1.0 + len(keys)))
    tick = sequence = 0

    def say(ticks: int) -> None:
        nonlocal tick, sequence
        for _ in range(ticks):
            payload = audio[tick * TICK : (tick + 1) * TICK]
            packets.append((tick * 0.02, rtp(0, sequence, tick * TICK, payload, marker=tick == 0)))
            tick += 1
            sequence += 1

    say(round(before / 0.02))
    for key in keys:
        start = tick
        for n in range(EVENT_TICKS + 3):
            end = n >= EVENT_TICKS
            duration = min(n + 1, EVENT_TICKS) * TICK
            event = struct.pack("!BBH", KEYS.index(key), 0x8A if end else 0x0A, duration)
            packets.append((tick * 0.02, rtp(101, sequence, start * TICK, event, marker=n == 0)))
            sequence += 1
            if not end:
                tick += 1
        say(6)
    say(round(after / 0.02))
    return packets


def write_pcap(path: Path, packets: list[tuple[float, bytes]]) -> None:
    """Ethernet, IPv4 and UDP around each packet; addresses and ports are replaced by the one who plays it."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, packet in packets:
            udp = struct.pack("!HHHH", 4000, 4002, 8 + len(packet), 0) + packet
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
            frame = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + udp
            file.write(struct.pack("<IIII", int(at), round(at % 1 * 1e6), len(frame), len(frame)) + frame)


if __name__ == "__main__":
    path, hertz, keys = sys.argv[1:]
    write_pcap(Path(path), tone_and_keys(float(hertz), before=2.0, keys=keys, after=2.0))
