"""Whole messages in one frame of a WebSocket, client's side (RFC 6455 §5.2), without the library's generators.

Every other frame (control, fragments, what is wrong) is only measured here, so that the library gets it whole.
"""

from __future__ import annotations

import os
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


def _header(second: int) -> int:
    """The octets of the header of a server's frame, by its second octet."""
    return _SHORT if second < _LENGTH_16 else _SHORT + 2 if second == _LENGTH_16 else _SHORT + 8


def frame_end(data: bytes, at: int, limit: int) -> int:
    """Where the frame at a place ends, as far as can be told by what has come of it.

    Of a frame that the library will refuse, one with a mask or of more than `limit` octets, it is the end of the
    header.
    """
    have = len(data) - at
    if have < _SHORT:
        return at + _SHORT
    second = data[at + 1]
    length = second & ~_MASKED
    header = _header(length)
    if have < header:
        return at + header
    if length >= _LENGTH_16:
        length = int.from_bytes(data[at + _SHORT : at + header])
    return at + header if second & _MASKED or length > limit else at + header + length


def plain_message(data: bytes, at: int, end: int, limit: int) -> tuple[bytes, bool] | None:
    """The message, and whether it is text, of a frame that is a whole one; None for any other frame."""
    is_text = _PLAIN.get(data[at])
    second = data[at + 1]
    if is_text is None or second & _MASKED:
        return None
    header = _header(second)
    if second == _LENGTH_64 and int.from_bytes(data[at + _SHORT : at + header]) > limit:
        return None
    return data[at + header : end], is_text


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
