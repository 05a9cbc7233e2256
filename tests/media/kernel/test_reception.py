"""Sequence numbers, loss and jitter as RFC 3550 counts them."""

from __future__ import annotations

import pytest

from tests.media.support import Desk, Kernel, opened_desk


@pytest.fixture
def row(desk: Desk):
    return desk.row


def count(kernel: Kernel, row, sequences: list[int], ssrc: int = 7) -> list[int]:
    """Count packets as the receiver does and return the verdicts."""
    if not row["stream_started"]:
        kernel.reception.begin_stream(row, ssrc, sequences[0])
    return [kernel.reception.count_packet(row, ssrc, sequence) for sequence in sequences]


def lost(kernel: Kernel, row) -> int:
    return kernel.reception.expected_packets(row) - kernel.reception.counted_packets(row)


def test_consecutive_packets_through_the_wrap_lose_nothing(kernel: Kernel, row) -> None:
    sequences = [n & 0xFFFF for n in range(65500, 65600)]
    assert count(kernel, row, sequences) == [kernel.reception.NEXT] * 100
    assert kernel.reception.expected_packets(row) == 100
    assert lost(kernel, row) == 0
    assert row["max_sequence"] - row["base_sequence"] == 99


def test_a_hole_is_a_loss_until_it_is_filled(kernel: Kernel, row) -> None:
    m = kernel.reception
    assert count(kernel, row, [10, 11, 14]) == [m.NEXT] * 3
    assert lost(kernel, row) == 2
    assert count(kernel, row, [12, 13]) == [m.REORDERED] * 2
    assert lost(kernel, row) == 0
    assert row["out_of_order"] == 2


def test_a_duplicate_is_no_packet_and_no_reordering(kernel: Kernel, row) -> None:
    m = kernel.reception
    assert count(kernel, row, [10, 11, 11, 10, 13, 12, 12]) == [
        m.NEXT,
        m.NEXT,
        m.DUPLICATE,
        m.DUPLICATE,
        m.NEXT,
        m.REORDERED,
        m.DUPLICATE,
    ]
    assert (row["duplicates"], row["out_of_order"], lost(kernel, row)) == (3, 1, 0)


def test_a_packet_before_the_first_one_heard_is_reordered(kernel: Kernel, row) -> None:
    assert count(kernel, row, [0, 65535]) == [kernel.reception.NEXT, kernel.reception.REORDERED]
    assert row["this_sequence"] == row["base_sequence"] - 1


def test_a_jump_is_refused_until_the_next_packet_confirms_it(kernel: Kernel, row) -> None:
    m = kernel.reception
    assert count(kernel, row, [10, 11, 5000 + 11, 12]) == [m.NEXT, m.NEXT, m.REFUSED, m.NEXT]
    assert count(kernel, row, [30_000, 30_001, 30_002]) == [m.REFUSED, m.NEXT, m.NEXT]
    # What was expected and received before is kept: 10 to 12 and the two that were believed.
    assert m.expected_packets(row) == 5
    assert lost(kernel, row) == 0


def test_a_jump_within_the_dropout_is_loss(kernel: Kernel, row) -> None:
    limit = kernel.constants.MAX_DROPOUT
    assert count(kernel, row, [1, limit])[1] == kernel.reception.NEXT
    assert lost(kernel, row) == limit - 2
    assert count(kernel, row, [limit + limit]) == [kernel.reception.REFUSED]


def test_older_than_the_misorder_limit_is_refused(kernel: Kernel, row) -> None:
    m = kernel.reception
    assert count(kernel, row, [1000, 1001, 1001 - 99]) == [m.NEXT, m.NEXT, m.REORDERED]
    assert count(kernel, row, [1001 - 100]) == [m.REFUSED]


def test_timestamps_are_extended_through_the_wrap_both_ways(kernel: Kernel, row) -> None:
    extend = kernel.reception.extend_timestamp
    count(kernel, row, [1])
    first = extend(row, 0xFFFFFF00)
    assert extend(row, 0x00000100) - first == 0x200
    assert extend(row, 0xFFFFFE00) - first == -0x100
    assert extend(row, 0x00000200) - first == 0x300


def test_jitter_is_that_of_the_appendix(kernel: Kernel, row) -> None:
    arrivals = [place * 160 + (place * 37) % 101 for place in range(300)]
    jitter, transit = 0.0, None
    for place, arrival in enumerate(arrivals):
        kernel.reception.measure_jitter(row, 50_000 + arrival, 9_000 + place * 160)
        now = arrival - place * 160
        if transit is not None:
            jitter += (abs(now - transit) - jitter) / 16
        transit = now
    assert row["jitter"] / 16 == pytest.approx(jitter, rel=0.05)


def test_a_clock_that_jumps_is_no_jitter(kernel: Kernel, row) -> None:
    kernel.reception.measure_jitter(row, 50_000, 9_000)
    kernel.reception.measure_jitter(row, 50_160, 900_000)
    assert row["jitter"] == 0


def test_a_session_that_heard_nothing_expects_nothing(kernel: Kernel) -> None:
    with opened_desk(kernel) as desk:
        assert kernel.reception.expected_packets(desk.row) == 0
        assert kernel.reception.counted_packets(desk.row) == 0
