"""System calls through the C library, compiled and through ctypes."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from tests.media.support import MS, Desk, Kernel, rtp


def test_clocks_are_the_systems(desk: Desk) -> None:
    native, c = desk.k.native, desk.c
    for clock, now in ((c.CLOCK_MONOTONIC, time.monotonic_ns), (c.CLOCK_REALTIME, time.time_ns)):
        before = now()
        assert before <= native.read_clock(desk.core, clock) <= now()


def test_sleep_ends_after_its_deadline_and_not_long_after(desk: Desk) -> None:
    deadline = time.monotonic_ns() + 30 * MS
    desk.k.native.sleep_until(desk.core, deadline)
    assert time.monotonic_ns() >= deadline
    begun = time.monotonic_ns()
    desk.k.native.sleep_until(desk.core, begun - 1)
    assert time.monotonic_ns() - begun < 1000 * MS


def test_wait_ends_with_a_wake_up_and_takes_it(desk: Desk) -> None:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    desk.core["wake_fd"] = fd
    timer = threading.Timer(0.02, os.eventfd_write, (fd, 3))
    os.eventfd_write(fd, 1)
    desk.k.native.wait_for_wake(desk.core)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(fd)
    if desk.k.name == "plain":
        # The compiled form holds the GIL when called from here, so nobody could wake it.
        timer.start()
        desk.k.native.wait_for_wake(desk.core)
        timer.join()
    os.close(fd)


def test_events_are_signalled_through_the_descriptor(desk: Desk) -> None:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    desk.core["event_fd"] = fd
    desk.k.native.signal_events(desk.core)
    assert os.eventfd_read(fd) == 1
    os.close(fd)


def test_a_failed_receive_is_told_apart_from_an_empty_socket(desk: Desk) -> None:
    assert desk.k.receive.receive_batch(desk.core, -1) == 0
    assert desk.core["receive_errors"] == 1
    assert desk.k.receive.receive_batch(desk.core, desk._near[0].fileno()) == 0
    assert desk.core["receive_errors"] == 1


def test_copies_carry_every_octet(desk: Desk) -> None:
    octets = np.arange(160, dtype=np.uint8)
    desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
    desk.give(rtp(1, 160, octets.tobytes()))
    place = (1 + desk.k.reception.FIRST_CYCLE) % desk.c.JITTER_SLOTS * desk.c.PAYLOAD_BYTES
    assert desk.row["jb_payloads"][place : place + 160].tolist() == octets.tolist()


def test_published_words_are_read_back(kernel: Kernel) -> None:
    # The ring's functions are the callers; a word goes through both of them.
    cursors, ring = np.zeros(16, np.int64), np.zeros((4, 1), np.int64)
    assert kernel.ring.push_rows(cursors, ring, 0, 8, np.array([[5]]), 1)
    assert cursors[0] == 1
    assert kernel.ring.take_rows(cursors, ring, 0, 8, np.zeros((1, 1), np.int64)) == 1
    assert cursors[8] == 1
