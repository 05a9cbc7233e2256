"""Numbers in octets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.support import Kernel


def test_numbers_read_back_as_written(kernel: Kernel) -> None:
    data = np.zeros(16, np.uint8)
    kernel.octets.put16(data, 1, 0xFFEE)
    kernel.octets.put32(data, 5, 0xFEDCBA98)
    assert data.tobytes() == bytes.fromhex("00ffee0000fedcba98") + bytes(7)
    assert kernel.octets.get16(data, 1) == 0xFFEE
    assert kernel.octets.get32(data, 5) == 0xFEDCBA98
    assert kernel.octets.octet(data, 1) == 0xFF


@pytest.mark.parametrize(("difference", "signed"), [(0, 0), (1, 1), (-1, -1), (0x7FFF, 0x7FFF), (0x8000, -0x8000)])
def test_16_bit_differences_are_signed(kernel: Kernel, difference: int, signed: int) -> None:
    assert kernel.octets.signed16(difference) == signed
    assert kernel.octets.signed16(difference + 0x30000) == signed


@pytest.mark.parametrize(("difference", "signed"), [(0, 0), (-1, -1), (0xFFFFFFFF, -1), (0x80000000, -0x80000000)])
def test_32_bit_differences_are_signed(kernel: Kernel, difference: int, signed: int) -> None:
    assert kernel.octets.signed32(difference) == signed
