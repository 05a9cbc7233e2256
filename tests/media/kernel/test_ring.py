"""The rings between asyncio and the kernel."""

from __future__ import annotations

import numpy as np

from tests.media.support import Desk, Kernel

TAIL, HEAD = 0, 8


class Ring:
    def __init__(self, kernel: Kernel, size: int = 8, words: int = 3) -> None:
        self.kernel = kernel
        self.cursors = np.zeros(16, np.int64)
        self.rows = np.zeros((size, words), np.int64)

    def push(self, *values: int) -> bool:
        rows = np.array([[value, value + 1, value + 2] for value in values], np.int64).reshape(-1, 3)
        return self.kernel.ring.push_rows(self.cursors, self.rows, TAIL, HEAD, rows, len(values))

    def take(self, count: int = 100) -> list[int]:
        out = np.zeros((count, 3), np.int64)
        taken = self.kernel.ring.take_rows(self.cursors, self.rows, TAIL, HEAD, out)
        assert all((row[1], row[2]) == (row[0] + 1, row[0] + 2) for row in out[:taken].tolist())
        return out[:taken, 0].tolist()


def test_rows_come_out_in_order_however_often_the_ring_goes_round(kernel: Kernel) -> None:
    ring = Ring(kernel)
    for turn in range(50):
        assert ring.push(turn * 10, turn * 10 + 1, turn * 10 + 2)
        assert ring.take() == [turn * 10, turn * 10 + 1, turn * 10 + 2]


def test_a_batch_that_does_not_fit_is_refused_as_a_whole(kernel: Kernel) -> None:
    ring = Ring(kernel)
    assert ring.push(*range(6))
    assert not ring.push(6, 7, 8)
    assert ring.push(6, 7)
    assert not ring.push(8)
    assert ring.take() == list(range(8))
    assert ring.push(8)


def test_taking_stops_at_the_room_there_is(kernel: Kernel) -> None:
    ring = Ring(kernel)
    ring.push(*range(5))
    assert ring.take(3) == [0, 1, 2]
    assert ring.take(3) == [3, 4]
    assert ring.take(3) == []


def post(desk: Desk, reserve: int) -> bool:
    return desk.k.ring.post(desk.core, desk.row, 9, desk.now, 1, 2, 3, reserve)


def test_the_last_part_of_the_event_ring_is_kept_for_what_calls_wait_for(desk: Desk) -> None:
    written = 0
    while post(desk, desk.c.EVENT_RESERVE):
        written += 1
    assert written == desk.c.EVENTS - desk.c.EVENT_RESERVE
    while post(desk, 0):
        written += 1
    assert written == desk.c.EVENTS
    assert len(desk.events()) == desk.c.EVENTS
    assert post(desk, desk.c.EVENT_RESERVE)


def test_an_event_nobody_waits_for_is_counted_when_it_is_lost(desk: Desk) -> None:
    while post(desk, 0):
        pass
    desk.k.ring.tell(desk.core, desk.row, 9, desk.now, 1, 2, 3, 0)
    assert desk.core["events_lost"] == 1


def test_an_event_says_whose_and_when(desk: Desk) -> None:
    desk.row["slot"] = 5
    desk.k.ring.post(desk.core, desk.row, 9, 123, -1, 2, 3, 0)
    (event,) = desk.events()
    assert (event.kind, event.slot, event.at, event.words) == (9, 5, 123, (-1, 2, 3))
    assert desk.core["unsignalled"] == 1


def test_frames_that_nobody_takes_are_dropped_and_counted(desk: Desk) -> None:
    desk.core["frame"][:] = 0x80
    for _ in range(desk.c.TAPS + 3):
        desk.k.ring.post_frame(desk.core, desk.row, desk.c.TRACK_RECEIVED, 7)
    assert desk.core["taps_lost"] == 3
    samples = desk.frames()
    assert len(samples) == desk.c.TAPS * 160
    assert set(samples.tolist()) == {int(desk.k.g711.ULAW_TO_LINEAR[0x80])}
    desk.k.ring.post_frame(desk.core, desk.row, desk.c.TRACK_RECEIVED, 8)
    assert len(desk.frames()) == 160
