"""G.711 (ITU-T G.711; RFC 3551 §4.5.14) as tables: 16-bit linear samples to µ-law and A-law octets and back.

The encoders take the upper 14 (µ-law) and 13 (A-law) bits of a sample as the recommendation's decision values do;
bit for bit the result of the reference algorithm. The tables are built once, at import.
"""

import numpy as np
import numpy.typing as npt

from media.kernel.arrays import Octets, Samples
from media.kernel.constants import PCMA, PCMU

_ULAW_BIAS = 33
_ULAW_CLIP = 8159

_CODECS = {"PCMU": PCMU, "PCMA": PCMA}


def _bit_lengths(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.floor(np.log2(np.maximum(values, 1))).astype(np.int64) + 1


def _decode_ulaw() -> Samples:
    octet = ~np.arange(256, dtype=np.int64) & 0xFF
    magnitude = ((((octet & 0x0F) << 3) + (_ULAW_BIAS << 2)) << (octet >> 4 & 7)) - (_ULAW_BIAS << 2)
    return np.where(octet & 0x80, -magnitude, magnitude).astype(np.int16)


def _decode_alaw() -> Samples:
    octet = np.arange(256, dtype=np.int64) ^ 0x55
    segment = octet >> 4 & 7
    mantissa = ((octet & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, mantissa, (mantissa + 0x100) << np.maximum(segment - 1, 0))
    return np.where(octet & 0x80, magnitude, -magnitude).astype(np.int16)


def _encode_ulaw() -> Octets:
    """Return the table whose index is a sample taken as an unsigned 16-bit number."""
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64) >> 2
    magnitude = np.minimum(np.abs(value), _ULAW_CLIP) + _ULAW_BIAS
    segment = _bit_lengths(magnitude) - 6
    octet = np.where(segment >= 8, 0x7F, segment << 4 | (magnitude >> (segment + 1) & 0x0F))
    return (octet ^ np.where(value < 0, 0x7F, 0xFF)).astype(np.uint8)


def _encode_alaw() -> Octets:
    """Return the table whose index is a sample taken as an unsigned 16-bit number."""
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64) >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.maximum(_bit_lengths(magnitude) - 5, 0)
    octet = segment << 4 | (magnitude >> np.maximum(segment, 1) & 0x0F)
    return (octet ^ np.where(value < 0, 0x55, 0xD5)).astype(np.uint8)


ULAW_TO_LINEAR: Samples = _decode_ulaw()
ALAW_TO_LINEAR: Samples = _decode_alaw()
LINEAR_TO_ULAW: Octets = _encode_ulaw()
LINEAR_TO_ALAW: Octets = _encode_alaw()


def encode(samples: Samples, codec: str) -> Octets:
    """Encode int16 samples as octets of "PCMU" or "PCMA", one per sample; about 1 ns a sample."""
    table = LINEAR_TO_ULAW if _CODECS[codec] == PCMU else LINEAR_TO_ALAW
    return table[samples.view(np.uint16)]


def decode(octets: Octets, codec: str) -> Samples:
    """Decode octets of "PCMU" or "PCMA" to int16 samples, one per octet."""
    return (ULAW_TO_LINEAR if _CODECS[codec] == PCMU else ALAW_TO_LINEAR)[octets]
