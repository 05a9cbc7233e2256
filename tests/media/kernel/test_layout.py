"""The kernel's memory."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from media.kernel import layout
from tests.media.support import Kernel

ROWS = (layout.SessionRow, layout.SocketRow, layout.RoomRow, layout.CoreRow)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("row", ROWS)
def test_every_declared_field_is_there_and_aligned(row: type) -> None:
    dtype = layout.record_dtype(row)
    assert set(row.__annotations__) == set(dtype.names) - {"padding"}
    for name, (kind, offset, *_) in dtype.fields.items():
        if kind.base.itemsize == 8:
            assert offset % 8 == 0, name


@pytest.mark.parametrize("row", ROWS)
def test_rows_are_an_odd_number_of_cache_lines(row: type) -> None:
    lines, rest = divmod(layout.record_dtype(row).itemsize, 64)
    assert (rest, lines % 2) == (0, 1)


def test_capacity_costs_nothing_until_it_is_used() -> None:
    before = resident_bytes()
    rows = layout.allocate(layout.SessionRow, 4096)
    assert rows.nbytes > 80 << 20
    assert resident_bytes() - before < 1 << 20
    rows["state"][:100] = 1
    # A hundred sessions: a page or two each, not two megabytes each.
    assert resident_bytes() - before < 4 << 20


def test_a_session_weighs_less_than_its_limit() -> None:
    assert layout.CLEARED_BYTES < 25_000
    # And with a stream, in a bridge in Opus.
    assert layout.record_dtype(layout.SessionRow).itemsize < 65_536


def test_fresh_rows_are_zero_and_writable(kernel: Kernel) -> None:
    rows = kernel.layout.allocate(kernel.layout.SessionRow, 3)
    assert not rows["jb_slots"].any()
    rows[2]["ssrc"] = 7
    assert rows["ssrc"].tolist() == [0, 0, 7]


def test_a_core_knows_where_it_lies(kernel: Kernel) -> None:
    rows = kernel.layout.allocate(kernel.layout.CoreRow, 1)
    assert rows[0]["address"] == rows.ctypes.data
    packet = np.frombuffer(rows.tobytes(), np.uint8)
    rows[0]["packet"][:3] = (1, 2, 3)
    packet = np.frombuffer(rows.tobytes(), np.uint8)[kernel.layout.PACKET_AT :]
    assert packet[:4].tolist() == [1, 2, 3, 0]


def test_another_platform_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layout.check_platform()
    monkeypatch.setattr(layout.sys, "platform", "darwin")
    with pytest.raises(RuntimeError, match="64-bit little-endian Linux"):
        layout.check_platform()
