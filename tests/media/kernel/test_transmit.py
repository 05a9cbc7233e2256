"""What goes out each tick, as captured on the wire."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.support import Desk, Kernel


@pytest.fixture
def phone(kernel: Kernel):
    desk = Desk(kernel)
    desk.open(sequence=65_530)
    desk.start(remote=desk.far_address)
    yield desk
    desk.close()


OCTETS = np.array([n % 251 for n in range(16_000)], np.uint8)


def play(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_PLAY, 0, desk.generation, 1, OCTETS.ctypes.data, len(OCTETS), 1, 0, 0)


def test_a_stream_is_one_packet_a_tick_through_the_wraps(phone: Desk) -> None:
    phone.row["timestamp_base"] = 0xFFFFFF00 - (phone.tick_number + 1) * 160 & 0xFFFFFFFF
    phone.tick(20)
    packets = phone.sent_rtp()
    assert [packet.sequence for packet in packets] == [(65_530 + n) & 0xFFFF for n in range(20)]
    assert [packet.timestamp for packet in packets] == [(0xFFFFFF00 + 160 * n) & 0xFFFFFFFF for n in range(20)]
    assert {(packet.ssrc, packet.payload_type, len(packet.payload)) for packet in packets} == {(0xABCDEF01, 0, 160)}
    assert [packet.marker for packet in packets] == [True] + [False] * 19


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
def test_every_packet_time_carries_every_sample_under_its_timestamp(phone: Desk, ptime: int) -> None:
    phone.start(remote=phone.far_address, ptime=ptime)
    play(phone)
    phone.tick(60)
    packets = phone.sent_rtp()
    assert {len(packet.payload) for packet in packets} == {ptime * 8}
    assert len(packets) == 1200 // ptime
    assert b"".join(packet.payload for packet in packets) == OCTETS[: len(packets) * ptime * 8].tobytes()
    first = packets[0]
    for place, packet in enumerate(packets):
        assert (packet.timestamp - first.timestamp) & 0xFFFFFFFF == place * ptime * 8
        assert (packet.sequence - first.sequence) & 0xFFFF == place


def test_a_stall_is_a_gap_in_time_and_not_a_burst_nor_a_loss_of_audio(phone: Desk) -> None:
    play(phone)
    phone.tick(5)
    phone.tick_number += 10
    phone.now += 10 * 20_000_000
    phone.tick(5)
    packets = phone.sent_rtp()
    assert len(packets) == 10
    assert [packet.sequence for packet in packets] == [(65_530 + n) & 0xFFFF for n in range(10)]
    assert packets[5].timestamp - packets[4].timestamp == 11 * 160
    assert packets[5].marker
    assert not packets[6].marker
    assert b"".join(packet.payload for packet in packets) == OCTETS[:1600].tobytes()


def test_a_hold_is_a_pause_with_a_marker_after_it(phone: Desk) -> None:
    phone.tick(3)
    phone.start(remote=phone.far_address, send=False)
    phone.tick(10)
    assert len(phone.sent_rtp()) == 3
    phone.start(remote=phone.far_address)
    phone.tick(3)
    packets = phone.sent_rtp()
    assert [packet.marker for packet in packets] == [True, False, False]
    assert [packet.sequence for packet in packets] == [65_533, 65_534, 65_535]


def test_time_goes_on_during_a_hold(phone: Desk) -> None:
    play(phone)
    phone.tick(2)
    phone.start(remote=phone.far_address, send=False)
    phone.tick(3)
    phone.start(remote=phone.far_address)
    phone.tick(1)
    packets = phone.sent_rtp()
    assert packets[2].payload == OCTETS[5 * 160 : 6 * 160].tobytes()
    assert packets[2].timestamp - packets[0].timestamp == 5 * 160


def test_a_change_of_codec_goes_on_at_the_same_sample(phone: Desk) -> None:
    other = 255 - OCTETS
    play(phone)
    phone.tick(2)
    phone.command(phone.c.COMMAND_RECODE, 0, phone.generation, 1, other.ctypes.data, len(other))
    phone.start(remote=phone.far_address, codec="PCMA", payload_type=8, receive_payload_type=8)
    phone.tick(2)
    packets = phone.sent_rtp()
    assert [packet.payload_type for packet in packets] == [0, 0, 8, 8]
    assert b"".join(packet.payload for packet in packets[2:]) == other[320:640].tobytes()


def test_what_cannot_be_sent_is_counted_and_the_next_is_tried(phone: Desk) -> None:
    fd = int(phone.sock["rtp_fd"])
    phone.sock["rtp_fd"] = -1
    phone.tick(2)
    phone.sock["rtp_fd"] = fd
    phone.tick(1)
    assert (phone.row["send_errors"], phone.row["packets_sent"]) == (2, 1)
    # The numbers say that two are missing.
    assert phone.sent_rtp()[0].sequence == (65_530 + 2) & 0xFFFF


def test_octets_are_counted_without_headers(phone: Desk) -> None:
    phone.tick(10)
    assert (phone.row["packets_sent"], phone.row["octets_sent"]) == (10, 1600)
    assert phone.core["packets_out"] == 10
