"""Reads the header of a WAV file (RIFF WAVE) to say in words what is wrong with it, before FFmpeg decodes it.

It decodes nothing. The layout is that of Microsoft's "Multiple Channel Audio Data and WAVE Files".
"""

from __future__ import annotations

import struct

from media.resample import MAX_RATE, MIN_RATE
from media.worker.errors import Refused

MAX_CHANNELS = 8

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_BITS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _ALAW: (8,), _MULAW: (8,)}
_NAMES = {
    0x0002: "ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x0161: "WMA",
}
# A writer that could not seek back leaves the length of the data open: 0, or as much as the field holds.
_OPEN_LENGTH = 0x7FFF_0000
_FORMAT = struct.Struct("<HHIIHH")


def inspect(data: bytes) -> list[str]:
    """Check a WAV file. Returns warnings for the user. Raises Refused when it cannot be played."""
    at = 12
    known_format = False
    while at + 8 <= len(data):
        name = data[at : at + 4]
        (size,) = struct.unpack_from("<I", data, at + 4)
        at += 8
        if name == b"fmt ":
            _check_format(data[at : at + min(size, 40)])
            known_format = True
        elif name == b"data":
            if not known_format:
                raise Refused("damaged WAV: no fmt chunk before the data chunk")
            return _check_length(size, len(data) - at)
        # Chunks begin at even offsets.
        at += size + (size & 1)
    raise Refused("damaged WAV: no data chunk" if known_format else "damaged WAV: no fmt chunk")


def _check_length(says: int, present: int) -> list[str]:
    if present == 0:
        raise Refused("empty WAV: its data chunk holds no audio")
    if says in range(present + 1, _OPEN_LENGTH):
        return [f"truncated WAV: data chunk says {says} bytes, {present} present; what is there is played"]
    return []


def _check_format(fields: bytes) -> None:
    if len(fields) < _FORMAT.size:
        raise Refused("damaged WAV: its fmt chunk is too short")
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(fields)
    if tag == _EXTENSIBLE:
        # The first two bytes of the sub-format's GUID are the tag.
        if len(fields) < 26:
            raise Refused("damaged WAV: its extensible fmt chunk is too short")
        (tag,) = struct.unpack_from("<H", fields, 24)
    if tag not in _BITS:
        kind = _NAMES.get(tag, f"format 0x{tag:04x}")
        raise Refused(f"not playable: WAV with {kind} audio; send PCM, A-law, µ-law or float, or MP3")
    if bits not in _BITS[tag]:
        raise Refused(f"not playable: WAV with {bits} bits a sample")
    if not 1 <= channels <= MAX_CHANNELS:
        raise Refused(f"not playable: WAV with {channels} channels; 1 to {MAX_CHANNELS} are possible")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise Refused(f"not playable: WAV of {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are possible")
    if block != channels * bits // 8:
        raise Refused(f"damaged WAV: blocks of {block} bytes for {channels} channels of {bits} bits")
