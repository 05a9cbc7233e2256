"""The loop's sense of time, and what it does once in a while."""

from __future__ import annotations

import time

import pytest

from tests.media.support import MS, SECOND, Desk, Kernel, rtp


@pytest.mark.parametrize(
    ("late_ms", "skipped"),
    [(0, 0), (3, 0), (19, 0), (25, 1), (70, 3), (1005, 50)],
)
def test_whole_ticks_that_passed_are_left_out_and_nothing_else(kernel: Kernel, late_ms: int, skipped: int) -> None:
    desk = Desk(kernel)
    deadline = time.monotonic_ns() - late_ms * MS
    desk.core["deadline"] = deadline
    desk.core["subtick"] = 1002
    kernel.loop._keep_time(desk.core)
    # A busy machine may add to the lateness, never take from it.
    over = int(desk.core["skipped_ticks"])
    assert over >= skipped
    assert desk.core["subtick"] == 1002 + 4 * over
    assert desk.core["deadline"] == deadline + over * 20 * MS
    assert desk.core["now"] - desk.core["deadline"] < 20 * MS
    assert desk.core["late"].sum() == desk.core["ticks"] == 1
    desk.close()


def test_the_next_deadline_is_waited_for(kernel: Kernel) -> None:
    desk = Desk(kernel)
    deadline = time.monotonic_ns() + 15 * MS
    desk.core["deadline"] = deadline
    kernel.loop._keep_time(desk.core)
    assert time.monotonic_ns() >= deadline
    assert abs(desk.core["now"] - desk.core["wall_offset"] - time.time_ns()) < 1 * SECOND
    desk.close()


def test_lateness_is_counted_in_its_class(kernel: Kernel) -> None:
    desk = Desk(kernel)
    bounds = [us * 1000 for us in desk.c.LATE_CLASSES_US]
    for late in (0, *(bound - 1 for bound in bounds), *bounds):
        kernel.loop._count_lateness(desk.core, late)
    assert desk.core["late"].tolist() == [2, *[2] * (len(bounds) - 1), 1]
    assert desk.core["late_max_ns"] == bounds[-1]
    desk.close()


def test_a_session_is_served_in_one_of_four_sub_ticks(kernel: Kernel) -> None:
    desk = Desk(kernel, sessions=8)
    for slot in range(8):
        desk.open(slot)
        desk.start(slot, remote=desk.far_address)
    for subtick in range(400, 408):
        desk.core["subtick"] = subtick
        desk.serve_group()
        assert len(desk.sent_rtp()) == 2
    assert [int(row["packets_sent"]) for row in desk.sessions] == [2] * 8
    desk.close()


def test_a_closing_session_leaves_when_its_end_can_be_reported(kernel: Kernel) -> None:
    desk = Desk(kernel, sessions=3)
    for slot in range(3):
        desk.open(slot)
        desk.start(slot, remote=desk.far_address)
    desk.core["event_tail"] += desk.c.EVENTS
    for slot in range(3):
        desk.command(desk.c.COMMAND_CLOSE, slot, slot + 1)
    for subtick in range(4):
        desk.core["subtick"] = subtick
        desk.serve_group()
    assert desk.core["sessions"] == 3
    desk.core["event_tail"] -= desk.c.EVENTS
    desk.core["event_head_seen"] = 0
    for subtick in range(4):
        desk.core["subtick"] = subtick
        desk.serve_group()
    assert desk.core["sessions"] == 0
    assert len(desk.events(desk.c.EVENT_CLOSED)) == 3
    desk.close()


def test_a_listener_gets_a_frame_for_every_tick_also_for_those_left_out(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
    desk.tick(5)
    desk.tick_number += 7
    desk.now += 7 * 20 * MS
    desk.tick(1)
    assert len(desk.frames()) == 13 * 160


def test_frames_of_a_stall_are_those_that_were_due_in_it(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
    desk.tick(1)
    desk.frames()
    # Two packets arrive 100 ms into a stall of 200 ms, and are due 40 ms later.
    for number in range(2):
        desk.give(rtp(number, number * 160, bytes([0x10]) * 160), at=desk.now + 100 * MS)
    desk.tick_number += 9
    desk.now += 9 * 20 * MS
    desk.tick(1)
    sounding = [bool(frame.any()) for frame in desk.frames().reshape(-1, 160)]
    assert sounding == [False] * 6 + [True] * 2 + [False] * 2


def test_after_a_long_stall_the_frames_are_bounded(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
    desk.tick(1)
    desk.frames()
    desk.tick_number += 10_000
    desk.now += 10_000 * 20 * MS
    desk.tick(1)
    assert len(desk.frames()) == (1 + desk.k.loop._CATCH_UP_FRAMES) * 160


def test_compiled_arithmetic_is_of_whole_numbers_only() -> None:
    from tests.media.support import kernel_form

    kernel = kernel_form("compiled")
    floats = [
        f"{name}.{function.__name__}"
        for name, module in kernel._modules.items()
        for function in vars(module).values()
        if hasattr(function, "signatures")
        for signature in function.nopython_signatures
        if "float" in str(signature.return_type)
    ]
    # An unsigned octet that meets a signed word silently becomes a float.
    assert floats == []
