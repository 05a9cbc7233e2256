"""Whole messages in one frame of a WebSocket, client's side (RFC 6455 §5.2), without the library's generators.

Every other frame (control, fragments, what is wrong) is only measured here, so that the library gets it whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from websockets.frames import Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

_FIN: Final = 0x80
_MASKED: Final = 0x80
_SHORT: Final = 2
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127

# First octets of a whole message without extensions, and whether it is text.
_PLAIN: Final = {_FIN | Opcode.TEXT: True, _FIN | Opcode.BINARY: False}


_MASKS: Final = 1024


def masks() -> Iterator[int]:
    """Masks of frames, from a strong source as §5.3 has it; so many at a time, which costs as much as one would."""
    while True:
        octets = os.urandom(4 * _MASKS)
        for at in range(0, len(octets), 4):
            yield int.from_bytes(octets[at : at + 4])


def scan_frame(data: bytes, at: int, limit: int) -> tuple[int, int, bool | None]:
    """Where a server's frame ends, where its payload begins, and whether it is text; None where it is no whole message.

    The end is that as far as can be told by what has come of the frame: beyond the data while it is not whole, and of
    one that the library will refuse, with a mask or of more than `limit` octets, the end of the header.
    """
    have = len(data) - at
    if have < _SHORT:
        return at + _SHORT, at, None
    length = data[at + 1]
    first = at + _SHORT
    if length >= _LENGTH_16:
        if length & _MASKED:
            return first, first, None
        first += 2 if length == _LENGTH_16 else 8
        if at + have < first:
            return first, first, None
        length = int.from_bytes(data[at + _SHORT : first])
        if length > limit:
            return first, first, None
    return first + length, first, _PLAIN.get(data[at])


def write_frame(opcode: Opcode, message: bytes) -> bytes:
    """A whole message in one frame, masked as a client's has to be (§5.3)."""
    length = len(message)
    if length < _LENGTH_16:
        header = bytes((_FIN | opcode, _MASKED | length))
    elif length <= 0xFFFF:
        header = bytes((_FIN | opcode, _MASKED | _LENGTH_16)) + length.to_bytes(2)
    else:
        header = bytes((_FIN | opcode, _MASKED | _LENGTH_64)) + length.to_bytes(8)
    mask = os.urandom(4)
    return header + mask + apply_mask(message, mask)
