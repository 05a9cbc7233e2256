"""RTCP of a session: when reports go where, what they say, and what we learn from the far end's."""

from __future__ import annotations

import itertools
import struct

import pytest

from tests.media.kernel.report_support import BLOCK, OURS, THEIRS, packets_of, receiver_report
from tests.media.support import SECOND, Desk, Kernel, rtp


@pytest.fixture
def phone(kernel: Kernel):
    """A desk whose far end hears reports on its RTP port, as with rtcp-mux."""
    desk = Desk(kernel)
    desk.open()
    desk.start(remote=desk.far_address, rtcp_mux=True)
    yield desk
    desk.close()


def reports(desk: Desk) -> list[list[dict]]:
    compounds = [packets_of(desk.k, data) for data in desk.sent() if 192 <= data[1] <= 223]
    assert all(compound is not None for compound in compounds)
    return compounds  # type: ignore[return-value]


def rtcp_target(desk: Desk) -> tuple[str, int]:
    desk.k.reports.send_report(desk.row, desk.sock, desk.core, 0, desk.now, 0)
    return desk.k.addresses.address_text(*desk.row["rtcp_remote"].tolist()[:3])


def test_reports_come_about_every_five_seconds_and_not_in_step(phone: Desk) -> None:
    times = []
    for _ in range(50 * 120):
        phone.tick()
        if any(192 <= data[1] <= 223 for data in phone.sent()):
            times.append(phone.now)
    gaps = [(b - a) / SECOND for a, b in itertools.pairwise(times)]
    assert all(2.0 <= gap <= 8.1 for gap in gaps)
    assert 4 <= sum(gaps) / len(gaps) <= 6.5
    assert len({round(gap) for gap in gaps}) > 2


def test_a_report_says_what_was_sent_and_received(phone: Desk) -> None:
    for number in (1, 2, 3, 5, 6, 7, 8, 10):
        phone.give(rtp(number, number * 160, ssrc=THEIRS), source=phone.far_address)
        phone.tick()
    phone.sent()
    phone.k.reports.send_report(phone.row, phone.sock, phone.core, 4242, phone.now, 0)
    ((sender, description),) = reports(phone)
    assert (sender["type"], sender["count_or_fmt"], description["type"]) == (200, 1, 202)
    ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack_from("!IIIIII", sender["body"])
    wall = 1_700_000_000
    assert (ssrc, seconds, fraction, timestamp) == (OURS, wall + 2_208_988_800, 0, 4242)
    assert (packets, octets) == (8, 8 * 160)
    about, lost, highest, _, lsr, dlsr = BLOCK.unpack_from(sender["body"], 24)
    assert (about, lost & 0xFFFFFF, lost >> 24, highest, lsr, dlsr) == (THEIRS, 2, 256 * 2 // 10, 10, 0, 0)
    assert description["body"] == struct.pack("!IBB", OURS, 1, 16) + b"abcdefghijklmnop\0\0"


def test_the_fraction_lost_is_of_the_time_since_the_last_report(phone: Desk) -> None:
    def report() -> int:
        phone.sent()
        phone.k.reports.send_report(phone.row, phone.sock, phone.core, 0, phone.now, 0)
        ((first, _),) = reports(phone)
        return BLOCK.unpack_from(first["body"], 24 if first["type"] == 200 else 4)[1] >> 24

    for number in range(0, 20, 2):
        phone.give(rtp(number, number * 160, ssrc=THEIRS), source=phone.far_address)
    phone.tick()
    assert report() == 256 * 9 // 19
    for number in range(19, 30):
        phone.give(rtp(number, number * 160, ssrc=THEIRS), source=phone.far_address)
    assert report() == 0


def test_without_anything_sent_since_the_last_it_is_a_receiver_report(phone: Desk) -> None:
    phone.tick()
    for kind in (200, 201):
        phone.sent()
        phone.k.reports.send_report(phone.row, phone.sock, phone.core, 0, phone.now, 0)
        assert reports(phone)[0][0]["type"] == kind


def test_closing_says_goodbye(phone: Desk) -> None:
    phone.tick()
    phone.sent()
    phone.command(phone.c.COMMAND_CLOSE, 0, phone.generation)
    ((*_, goodbye),) = reports(phone)
    assert (goodbye["type"], goodbye["body"]) == (203, struct.pack("!I", OURS))


def test_the_senders_report_comes_back_in_our_block(phone: Desk) -> None:
    phone.give(rtp(1, 160, ssrc=THEIRS), source=phone.far_address)
    phone.give(
        struct.pack("!BBHIIIIII", 0x80, 200, 6, THEIRS, 0xAABBCCDD, 0x11223344, 0, 0, 0), source=phone.far_address
    )
    phone.now += SECOND // 2
    phone.k.reports.send_report(phone.row, phone.sock, phone.core, 0, phone.now, 0)
    ((first, _),) = reports(phone)
    *_, lsr, dlsr = BLOCK.unpack_from(first["body"], 4)
    assert (lsr, dlsr) == (0xCCDD1122, 32768)


def test_round_trip_time_is_what_is_left_after_the_far_ends_delay(desk: Desk) -> None:
    wall = desk.now - int(desk.core["wall_offset"])
    # Our report left 700 ms ago and was held for 500 ms over there.
    desk.give_report(receiver_report(OURS, lsr=desk.k.reports.ntp_middle(wall - 700_000_000), dlsr=32768))
    assert desk.row["round_trip_ns"] / 1e6 == pytest.approx(200, abs=1)
    assert desk.row["round_trip_known"] == 1


def test_a_round_trip_below_zero_is_zero(desk: Desk) -> None:
    wall = desk.now - int(desk.core["wall_offset"])
    desk.give_report(receiver_report(OURS, lsr=desk.k.reports.ntp_middle(wall), dlsr=65536))
    assert desk.row["round_trip_ns"] == 0


def test_the_far_ends_loss_and_jitter_are_kept(desk: Desk) -> None:
    desk.give_report(receiver_report(OURS, fraction=64, lost=-2, jitter=80))
    assert (desk.row["remote_fraction_lost"], desk.row["remote_lost"], desk.row["remote_jitter"]) == (64, -2, 80)
    assert desk.row["round_trip_known"] == 0


def test_a_block_about_somebody_else_is_passed_over(desk: Desk) -> None:
    desk.give_report(receiver_report(OURS + 1, fraction=64))
    assert desk.row["reports_received"] == 0


def test_reports_go_to_the_next_port_of_where_audio_goes(desk: Desk) -> None:
    assert rtcp_target(desk) == ("127.0.0.1", 4001)
    for number in range(3):
        desk.give(rtp(number, number), source=("127.0.0.1", 50_255))
    assert rtcp_target(desk) == ("127.0.0.1", 50_256)


def test_reports_go_to_the_signalled_rtcp_address(desk: Desk) -> None:
    desk.start(rtcp_address=("127.0.0.1", 9000))
    assert rtcp_target(desk) == ("127.0.0.1", 9000)


def test_reports_go_back_to_where_the_far_ends_come_from(desk: Desk) -> None:
    desk.give_report(receiver_report(OURS), source=("127.0.0.1", 7777))
    assert rtcp_target(desk) == ("127.0.0.1", 7777)
    desk.start(remote=("127.0.0.1", 4004))
    assert rtcp_target(desk) == ("127.0.0.1", 4005)


@pytest.mark.parametrize("remote", [("127.0.0.1", 0), ("0.0.0.0", 4000), ("0.0.0.0", 0)])
def test_nothing_is_reported_to_nowhere(desk: Desk, remote: tuple[str, int]) -> None:
    desk.start(remote=remote)
    desk.tick(50 * 20)
    assert desk.core["reports_out"] == 0


def test_a_hold_that_names_a_host_is_still_reported_to(desk: Desk) -> None:
    desk.start(send=False)
    desk.tick(50 * 20)
    assert desk.core["reports_out"] >= 2


def test_reports_from_a_stranger_are_dropped(desk: Desk) -> None:
    desk.give_report(receiver_report(OURS, fraction=64), source=("203.0.113.9", 4001))
    assert desk.row["reports_received"] == 0
    assert desk.row["drops"][desk.c.DROP_FOREIGN] == 1
    assert rtcp_target(desk) == ("127.0.0.1", 4001)


def test_muxed_reports_count_only_from_whom_we_listen_to(phone: Desk) -> None:
    phone.give(receiver_report(OURS, fraction=64), source=phone.far_address)
    assert phone.row["reports_received"] == 0
    phone.give(rtp(1, 160, ssrc=THEIRS), source=phone.far_address)
    phone.give(receiver_report(OURS, fraction=64), source=phone.far_address)
    assert phone.row["reports_received"] == 1


def test_malformed_reports_are_counted(desk: Desk) -> None:
    desk.give_report(b"\x81\xc9\x00\x07")
    assert desk.row["drops"][desk.c.DROP_RTCP] == 1


def test_goodbye_is_told_once_and_only_about_the_far_ends_stream(desk: Desk) -> None:
    desk.give(rtp(1, 160, ssrc=THEIRS))
    desk.give_report(struct.pack("!BBHI", 0x81, 203, 1, 0x9999))
    assert not desk.events(desk.c.EVENT_BYE)
    for _ in range(2):
        desk.give_report(struct.pack("!BBHI", 0x81, 203, 1, THEIRS))
    assert len(desk.events(desk.c.EVENT_BYE)) == 1
