"""Big-endian numbers in octet arrays. The caller has checked that the offset lies inside."""

from typing import Any

import numpy as np

from media.kernel.arrays import Octets
from media.kernel.compiled import compiled


@compiled
def octet(data: Octets, at: int) -> int:
    """Return the octet at an offset as a signed word: unsigned ones would turn arithmetic with others into floats."""
    number: Any = np.int64(data[at])
    return number


@compiled
def get16(data: Octets, at: int) -> int:
    """Return the 16-bit number at an offset."""
    return octet(data, at) << 8 | octet(data, at + 1)


@compiled
def get32(data: Octets, at: int) -> int:
    """Return the unsigned 32-bit number at an offset."""
    return octet(data, at) << 24 | octet(data, at + 1) << 16 | octet(data, at + 2) << 8 | octet(data, at + 3)


@compiled
def put16(data: Octets, at: int, value: int) -> None:
    """Write the low 16 bits of a number at an offset."""
    data[at] = (value >> 8) & 0xFF
    data[at + 1] = value & 0xFF


@compiled
def put32(data: Octets, at: int, value: int) -> None:
    """Write the low 32 bits of a number at an offset."""
    data[at] = (value >> 24) & 0xFF
    data[at + 1] = (value >> 16) & 0xFF
    data[at + 2] = (value >> 8) & 0xFF
    data[at + 3] = value & 0xFF


@compiled
def signed32(value: int) -> int:
    """Return the difference of two 32-bit counters as a number from -2^31 to 2^31 - 1."""
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@compiled
def signed16(value: int) -> int:
    """Return the difference of two 16-bit counters as a number from -32768 to 32767."""
    return ((value + 0x8000) & 0xFFFF) - 0x8000
