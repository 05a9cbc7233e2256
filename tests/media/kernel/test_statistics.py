"""What has been measured, in the units it is told in."""

from __future__ import annotations

import pytest

from media.kernel.quality import mean_opinion
from media.kernel.statistics import SessionStatistics, read_session
from tests.media.kernel.report_support import OURS, receiver_report
from tests.media.support import MS, Desk, kernel_form, opened_desk, rtp


@pytest.fixture
def desk():
    with opened_desk(kernel_form("compiled")) as opened:
        yield opened


def read(desk: Desk) -> SessionStatistics:
    return read_session(desk.row, desk.generation)


def test_a_silent_session_knows_nothing(desk: Desk) -> None:
    statistics = read(desk)
    assert (statistics.packets_in, statistics.lost, statistics.depth_ms, statistics.jitter_ms) == (0, 0, 0.0, 0.0)
    assert (statistics.remote, statistics.rtt_ms, statistics.remote_lost) == (None, None, None)
    assert (statistics.remote_fraction_lost, statistics.remote_jitter_ms) == (None, None)
    assert set(statistics.dropped.values()) == {0}


def test_a_row_that_still_shows_its_last_session_tells_nothing(desk: Desk) -> None:
    desk.give(rtp(1, 160))
    assert read(desk).packets_in == 1
    later = read_session(desk.row, desk.generation + 1)
    assert (later.packets_in, later.remote) == (0, None)


def test_packets_octets_loss_and_source_are_told(desk: Desk) -> None:
    for number in (1, 2, 3, 3, 6, 5):
        desk.give(rtp(number, number * 160))
    desk.give(rtp(9, 9), source=("203.0.113.5", 9))
    desk.give(b"garbage")
    statistics = read(desk)
    assert (statistics.packets_in, statistics.bytes_in, statistics.lost) == (5, 800, 1)
    assert (statistics.duplicates, statistics.out_of_order, statistics.dropped_foreign) == (1, 1, 1)
    assert statistics.dropped["malformed"] == 1
    assert statistics.remote == Desk.PEER


def test_depth_is_the_time_between_playing_and_the_newest_packet(desk: Desk) -> None:
    for number in range(20):
        desk.give(rtp(number, number * 160), at=desk.now + 3 * MS)
        desk.tick()
    # The target is 40 ms at first; the last packet of the 20 came before the last tick.
    assert 20 <= read(desk).depth_ms <= 60


def test_jitter_is_in_ms(desk: Desk) -> None:
    for number in range(200):
        desk.give(rtp(number, number * 160), at=desk.now + number % 2 * 10 * MS)
        desk.now += 20 * MS
    assert read(desk).jitter_ms == pytest.approx(10, rel=0.1)


def test_the_far_ends_report_is_in_ms_and_fractions(desk: Desk) -> None:
    wall = desk.now - int(desk.core["wall_offset"])
    lsr = desk.k.reports.ntp_middle(wall - 250 * MS)
    desk.give_report(receiver_report(OURS, lsr=lsr, dlsr=0, fraction=64, lost=12, jitter=80))
    statistics = read(desk)
    assert statistics.rtt_ms == pytest.approx(250, abs=1)
    assert (statistics.remote_lost, statistics.remote_fraction_lost, statistics.remote_jitter_ms) == (12, 0.25, 10.0)


def test_the_scores_fall_with_loss_on_either_side(desk: Desk) -> None:
    assert (read(desk).mos, read(desk).remote_mos) == (None, None)
    for number in range(100):
        desk.give(rtp(number, number * 160))
    clean = read(desk).mos
    assert clean == pytest.approx(4.37, abs=0.03)
    for number in range(100, 200, 2):
        desk.give(rtp(number, number * 160))
    assert read(desk).mos < clean - 1
    desk.tick(100)
    desk.give_report(receiver_report(OURS, lost=10))
    assert 3 < read(desk).remote_mos < 4
    assert read(desk).target_ms == 40


@pytest.mark.parametrize(
    ("lost", "delay_ms", "made_up", "score"),
    # What the E-model's formulas give by hand: R = 93.2 - 0.024 d - 0.11 (d - 177.3) - 95 P / (P + Bpl).
    [(0, 0, True, 4.41), (0, 300, True, 3.71), (2, 60, True, 4.19), (2, 60, False, 3.18), (100, 60, True, 1.14)],
)
def test_the_score_is_that_of_the_e_model(lost: int, delay_ms: float, made_up: bool, score: float) -> None:
    assert mean_opinion(lost, 100, delay_ms, made_up=made_up) == pytest.approx(score, abs=0.01)


def test_a_score_is_never_outside_of_its_scale() -> None:
    assert mean_opinion(500, 100, 10_000, made_up=False) == 1
    assert mean_opinion(0, 0, 0, made_up=True) == pytest.approx(4.41, abs=0.01)
