"""Datagrams from the socket to the session: what is used, what is dropped, and when it arrived."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from media.kernel.ports import PortPool
from tests.media.support import MS, SECOND, Desk, Kernel, event_payload, kernel_form, opened_desk, rtp


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"\x80\x00", "malformed"),
        (rtp(1, 160, bytes(513)), "malformed"),
        (rtp(1, 160, payload_type=18), "payload_type"),
        (rtp(1, 160, payload_type=96), "payload_type"),
        (b"\x80\xc8\x00\x00", "rtcp"),
    ],
)
def test_unusable_datagram_is_counted_and_changes_nothing(desk: Desk, data: bytes, reason: str) -> None:
    desk.give(data)
    names = desk.c.DROP_NAMES
    expected = [int(name == reason) for name in names]
    assert desk.row["drops"].tolist() == expected
    assert desk.core["drops"].tolist() == expected
    assert (desk.row["received"], desk.row["stream_started"]) == (0, 0)
    assert desk.events() == []


def test_a_refused_jump_is_counted_and_is_no_sign_of_life(desk: Desk) -> None:
    desk.give(rtp(100, 160))
    alive = int(desk.row["alive_since"])
    desk.now += SECOND
    desk.give(rtp(9000, 320))
    assert desk.row["drops"][desk.c.DROP_SEQUENCE] == 1
    assert desk.row["alive_since"] == alive


def test_packets_before_the_start_are_dropped(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.give(rtp(1, 160))
    assert desk.row["drops"][desk.c.DROP_EARLY] == 1
    desk.close()


def test_while_receiving_is_off_nothing_is_used_but_the_source_is_learned(kernel: Kernel) -> None:
    with opened_desk(kernel, receive=False) as desk:
        desk.give(rtp(1, 160))
        desk.give(rtp(2, 160, event_payload(5, 160), payload_type=101))
        assert desk.keys() == ""
        assert desk.row["drops"][desk.c.DROP_DIRECTION] == 2
        assert desk.row["source_rank"] == desk.c.RANK_SIGNALLED
        desk.start()
        desk.give(rtp(3, 480))
        assert desk.row["received"] == 1


def test_the_first_accepted_packet_is_reported_once(desk: Desk) -> None:
    for number in range(3):
        desk.give(rtp(number, number * 160))
    assert len(desk.events(desk.c.EVENT_FIRST_PACKET)) == 1


def test_comfort_noise_is_part_of_the_stream_and_heard_as_soft_as_it_says(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
    desk.give(rtp(0, 0, b"\xff" * 160))
    for number in range(1, 20):
        desk.give(rtp(number, number * 160, b"\x40", payload_type=desk.c.COMFORT_NOISE))
        desk.tick()
    assert (desk.row["received"], desk.row["duplicates"]) == (20, 0)
    assert 0 < np.abs(desk.frames()).max() < 50


def test_comfort_noise_teaches_no_source(desk: Desk) -> None:
    for number in range(10):
        noise = rtp(number, number * 160, b"\x40", payload_type=desk.c.COMFORT_NOISE)
        desk.give(noise)
        desk.give(noise, source=("127.0.0.1", 9999))
    assert (desk.row["received"], desk.row["source_rank"]) == (0, desk.c.RANK_NONE)


def test_padding_only_packets_are_counted_and_carry_nothing(desk: Desk) -> None:
    data = bytearray(rtp(1, 160, bytes(3) + b"\x04"))
    data[0] |= 0x20
    desk.give(bytes(data))
    assert (desk.row["received"], desk.row["octets_received"], desk.row["jb_state"]) == (1, 0, 0)


def test_events_and_audio_share_one_sequence(desk: Desk) -> None:
    desk.give(rtp(1, 160))
    desk.give(rtp(2, 320, event_payload(5, 160), payload_type=101))
    desk.give(rtp(3, 480))
    assert desk.k.reception.expected_packets(desk.row) == desk.k.reception.counted_packets(desk.row) == 3


def test_silence_is_told_once_and_again_after_a_packet(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open(timeout_seconds=60)
    desk.start()
    told = []
    for second in range(200):
        if second in (30, 120):
            desk.give(rtp(second, second * 8000))
        desk.tick(50)
        told += [second for _ in desk.events(desk.c.EVENT_MEDIA_TIMEOUT)]
    assert len(told) == 2
    assert 88 <= told[0] <= 91
    assert 178 <= told[1] <= 181
    desk.close()


def test_a_hold_stops_the_time_out_and_its_end_starts_it_again(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open(timeout_seconds=2)
    desk.start()
    desk.tick(75)
    desk.start(receive=False)
    desk.tick(500)
    assert not desk.events(desk.c.EVENT_MEDIA_TIMEOUT)
    desk.start()
    desk.tick(75)
    assert not desk.events(desk.c.EVENT_MEDIA_TIMEOUT)
    desk.tick(60)
    assert len(desk.events(desk.c.EVENT_MEDIA_TIMEOUT)) == 1
    desk.close()


def test_a_socket_is_emptied_in_order_with_the_systems_arrival_times(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    pool = PortPool(41_000, 41_400)
    near, other = pool.bind("127.0.0.1")
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    desk.start(remote=far.getsockname())
    desk.sock["rtp_fd"] = near.fileno()
    sent = []
    for number in range(40):
        sent.append(time.monotonic_ns())
        far.sendto(rtp(number, 160, event_payload(number % 10, 160), payload_type=101, ssrc=number), near.getsockname())
    desk.core["now"] = time.monotonic_ns()
    # The largest of a few: a pause between the two clocks makes it smaller.
    desk.core["wall_offset"] = max(time.monotonic_ns() - time.time_ns() for _ in range(5))
    desk.k.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
    now = time.monotonic_ns()
    keys = desk.events(desk.c.EVENT_DIGIT_STARTED)
    assert [event.words[0] for event in keys] == [number % 10 for number in range(40)]
    for event, moment in zip(keys, sent, strict=True):
        assert moment - MS <= event.at <= now + MS
    for sock in (near, other, far):
        sock.close()
    desk.close()


def test_a_flood_is_taken_in_bounded_portions(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    near, other = PortPool(41_000, 41_400).bind("127.0.0.1")
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    desk.start(remote=far.getsockname())
    desk.sock["rtp_fd"] = near.fileno()
    for number in range(150):
        far.sendto(rtp(number, number), near.getsockname())
    desk.core["now"] = time.monotonic_ns() + 20 * MS
    desk.core["wall_offset"] = time.monotonic_ns() - time.time_ns()
    desk.k.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
    assert desk.row["received"] == 1 + desk.c.BATCH * desk.c.BATCHES_PER_TICK == 65
    desk.core["now"] += 20 * MS
    desk.k.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
    assert desk.row["received"] == 130
    for sock in (near, other, far):
        sock.close()
    desk.close()


def test_a_socket_is_asked_again_only_where_the_stream_may_have_more(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    near, other = PortPool(41_000, 41_400).bind("127.0.0.1")
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    desk.start(remote=far.getsockname())
    desk.sock["rtp_fd"] = near.fileno()

    def receive(packets: list[bytes], *, after_ms: int = 0) -> tuple[int, int]:
        """Send packets and read them so much later; return what was received and the calls it took."""
        before = (int(desk.row["received"]), int(desk.core["syscalls"]))
        for data in packets:
            far.sendto(data, near.getsockname())
        desk.now = time.monotonic_ns() + after_ms * MS
        desk.core["wall_offset"] = time.monotonic_ns() - time.time_ns()
        desk.k.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
        return int(desk.row["received"]) - before[0], int(desk.core["syscalls"]) - before[1]

    assert receive([]) == (0, 1)
    receive([rtp(0, 0)])
    # On time, read within its 20 ms: the next cannot be there. Read later, it can.
    assert receive([rtp(1, 160)]) == (1, 1)
    assert receive([rtp(2, 320)], after_ms=40) == (1, 2)
    # What came early all the same is not lost.
    assert receive([rtp(3, 480), rtp(4, 640)]) == (1, 1)
    assert receive([], after_ms=20) == (1, 2)
    # Out of order, or no audio: nothing is known of what follows.
    assert receive([rtp(6, 960), rtp(5, 800)]) == (2, 2)
    assert receive([rtp(7, 1120, event_payload(5, 160), payload_type=101), rtp(8, 1120)]) == (2, 2)
    for sock in (near, other, far):
        sock.close()
    desk.close()


def test_a_datagram_longer_than_any_packet_is_malformed(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    near, other = PortPool(41_000, 41_400).bind("127.0.0.1")
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    desk.start(remote=far.getsockname())
    desk.sock["rtp_fd"] = near.fileno()
    far.sendto(rtp(1, 160, bytes(3000)), near.getsockname())
    far.sendto(b"", near.getsockname())
    far.sendto(rtp(2, 320), near.getsockname())
    desk.k.receive.receive_tick(desk.sessions, desk.row, desk.sock, desk.core)
    assert (desk.row["drops"][desk.c.DROP_MALFORMED], desk.row["received"]) == (2, 1)
    for sock in (near, other, far):
        sock.close()
    desk.close()


def test_an_arrival_time_off_the_clock_is_bounded(desk: Desk) -> None:
    m = desk.k.receive
    desk.core["headers"][0][5] = 32
    for wall, expected in ((-SECOND * 100, -5 * SECOND), (SECOND * 100, SECOND), (-MS, -MS)):
        stamp = desk.now - int(desk.core["wall_offset"]) + wall
        desk.core["controls"][0][:4] = (32, 1 | 35 << 32, stamp // SECOND, stamp % SECOND)
        assert m.arrival_of(desk.core, 0) - desk.now == expected
    desk.core["headers"][0][5] = 0
    assert m.arrival_of(desk.core, 0) == desk.now


def test_random_datagrams_break_nothing() -> None:
    rng = np.random.default_rng(3)
    with opened_desk(kernel_form("plain")) as desk:
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
        for number in range(3000):
            data = bytearray(rng.integers(0, 256, rng.integers(0, 80), np.uint8).tobytes())
            if number % 2 and len(data) > 12:
                data[0] = 0x80 | int(rng.choice([0, 0, 0x10, 0x20, 1, 0x0F]))
                data[1] = int(rng.choice([0, 13, 101, 0x80, 200, 201, 202, 203]))
            desk.give(bytes(data))
            if number % 10 == 0:
                desk.tick()
        taken = int(desk.row["received"] + desk.row["duplicates"] + desk.core["reports_in"])
        assert 0 < taken < 3000
        assert taken + int(desk.row["drops"].sum()) >= 3000
