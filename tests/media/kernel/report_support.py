"""RTCP of the far end written, and what the kernel writes taken apart."""

from __future__ import annotations

import struct

import numpy as np

from tests.media.support import Kernel

OURS = 0xABCDEF01
THEIRS = 0x1234
BLOCK = struct.Struct("!IIIIII")


def packets_of(kernel: Kernel, data: bytes) -> list[dict] | None:
    """Return what the kernel finds in a compound packet, in the words of the index; None where it refuses it."""
    m = kernel.rtcp
    out = np.zeros(8, np.int64)
    buffer = np.full(4096, 0xEE, np.uint8)
    buffer[60 : 60 + len(data)] = np.frombuffer(data, np.uint8)
    count = m.check_compound(buffer, 60, len(data), out)
    if count < 0:
        return None
    packets, at, end = [], 60, 60 + len(data)
    while at < end:
        assert m.read_packet(buffer, at, end, out)
        body = buffer[out[m.BODY_AT] : out[m.BODY_AT] + out[m.BODY_LENGTH]].tobytes()
        packets.append({"type": int(out[m.TYPE]), "count_or_fmt": int(out[m.COUNT]), "body": body})
        at = out[m.NEXT_AT]
    assert len(packets) == count
    return packets


def receiver_report(
    ssrc: int, *, lsr: int = 0, dlsr: int = 0, fraction: int = 0, lost: int = 0, jitter: int = 0
) -> bytes:
    """A receiver report of theirs with one block, about the source `ssrc`."""
    block = BLOCK.pack(ssrc, fraction << 24 | lost & 0xFFFFFF, 0, jitter, lsr, dlsr)
    return struct.pack("!BBHI", 0x81, 201, 7, THEIRS) + block
