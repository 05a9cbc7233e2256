"""The jitter buffer: what is heard of a stream that was lost, doubled, shuffled, delayed or paused on the way."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.media.support import MS, Desk, Kernel, level_of, opened_desk, rtp, tone

SAMPLES_PER_MS = 8
# Where each octet says when it was spoken: a ramp that no two packets near each other share.
RAMP = np.array([n % 251 for n in range(8000 * 20)], np.uint8)


@pytest.fixture
def tapped(kernel: Kernel):
    with opened_desk(kernel) as desk:
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
        yield desk


def packet(number: int, *, ms: int = 20, first_timestamp: int = 1000, first_sequence: int = 10, **changes) -> bytes:
    size = ms * SAMPLES_PER_MS
    octets = RAMP[number * size : (number + 1) * size].tobytes()
    return rtp(first_sequence + number, first_timestamp + number * size, octets, **changes)


def play(desk: Desk, arrivals: list[tuple[float, bytes]], *, seconds: float) -> np.ndarray:
    """Let packets arrive at times in ms from now, tick by tick, and return what the listener heard."""
    begun = desk.now
    waiting = sorted(arrivals, key=lambda arrival: arrival[0])
    heard = []
    for _ in range(round(seconds * 50)):
        while waiting and begun + waiting[0][0] * MS <= desk.now + 20 * MS:
            at, data = waiting.pop(0)
            desk.give(data, at=begun + round(at * MS))
        desk.tick()
        heard.append(desk.frames())
    return np.concatenate(heard)


def octets_heard(desk: Desk, heard: np.ndarray) -> list[int]:
    """Return the octets behind the samples (the ramp has no two with the same value), silence left out."""
    octet_of = {int(sample): octet for octet, sample in enumerate(desk.k.g711.ULAW_TO_LINEAR) if octet != 127}
    return [octet_of[int(sample)] for sample in heard if sample != 0]


def expected(numbers: range | list[int], *, ms: int = 20) -> list[int]:
    size = ms * SAMPLES_PER_MS
    spoken = [int(RAMP[n * size + i]) for n in numbers for i in range(size)]
    return [octet for octet in spoken if octet != 127]


def is_all_but_for_a_hole(heard: list[int], packets: int, missing: int) -> bool:
    """Whether the octets of so many packets were heard, with something made up in place of one of them.

    What follows it comes in over 4 ms, so the first 32 octets of the next one are not as they were sent.
    """
    before = expected(range(missing))
    after = [int(octet) for octet in RAMP[(missing + 1) * 160 + 32 : packets * 160] if octet != 127]
    between = len(heard) - len(before) - len(after)
    return heard[: len(before)] == before and heard[-len(after) :] == after and 150 <= between <= 192


@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
def test_every_sample_of_a_steady_stream_is_heard_once_in_order(tapped: Desk, ms: int) -> None:
    count = 1200 // ms
    arrivals = [(n * ms + 3.0, packet(n, ms=ms)) for n in range(count)]
    heard = play(tapped, arrivals, seconds=1.6)
    assert octets_heard(tapped, heard) == expected(range(count), ms=ms)
    assert (tapped.row["late"], tapped.row["concealed"]) == (0, 0)


def test_the_stream_is_heard_through_the_wraps_of_both_counters(tapped: Desk) -> None:
    arrivals = [(n * 20 + 3.0, packet(n, first_sequence=65530, first_timestamp=(1 << 32) - 800)) for n in range(30)]
    assert octets_heard(tapped, play(tapped, arrivals, seconds=1)) == expected(range(30))


def test_packets_out_of_order_are_heard_in_order(tapped: Desk) -> None:
    order = [0, 1, 3, 2, 4, 5, 7, 6, 8, 9]
    arrivals = [(place * 20 + 3.0, packet(n)) for place, n in enumerate(order)]
    assert octets_heard(tapped, play(tapped, arrivals, seconds=0.6)) == expected(range(10))
    assert tapped.row["out_of_order"] == 2


def test_the_first_two_packets_may_be_swapped(tapped: Desk) -> None:
    arrivals = [(3.0, packet(1)), (4.0, packet(0)), *((n * 20 + 3.0, packet(n)) for n in range(2, 10))]
    assert octets_heard(tapped, play(tapped, arrivals, seconds=0.6)) == expected(range(10))


def sung(desk: Desk, lost: set[int], *, hertz: float = 440.0, packets: int = 40) -> np.ndarray:
    """A tone of so many packets, some of them lost, as it is heard."""
    octets = desk.k.g711.encode(tone(hertz, packets / 50), "PCMU")
    arrivals = [
        (n * 20 + 3.0, rtp(10 + n, n * 160, octets[n * 160 :][:160].tobytes())) for n in range(packets) if n not in lost
    ]
    heard = play(desk, arrivals, seconds=packets / 50 + 0.3)
    spoken = np.flatnonzero(heard)
    return heard[spoken[0] - 1 :][: packets * 160]


def test_a_lost_packet_is_made_up_and_the_stream_keeps_its_length(tapped: Desk) -> None:
    heard = sung(tapped, {20})
    gap = heard[20 * 160 : 21 * 160]
    assert tapped.row["concealed"] == 160
    assert level_of(gap[:80], 440) > 6500, "at full level at first"
    assert 5500 < level_of(gap, 440) < 8000, "the same tone, getting softer"
    # Neither edge is a click: no step is larger than the tone's own.
    steps = np.abs(np.diff(heard[19 * 160 : 22 * 160].astype(int)))
    assert steps.max() < 1.4 * np.abs(np.diff(heard[10 * 160 : 15 * 160].astype(int))).max()
    after = heard[22 * 160 : 40 * 160]
    assert np.array_equal(after, tapped.k.g711.decode(tapped.k.g711.encode(tone(440, 0.8), "PCMU"), "PCMU")[22 * 160 :])


def test_what_is_made_up_is_silence_after_60_ms(tapped: Desk) -> None:
    tapped.row["jb_target"] = tapped.c.JITTER_MAX_SAMPLES
    heard = sung(tapped, {20, 21, 22, 23, 24})
    levels = [level_of(heard[n * 160 : (n + 1) * 160], 440) for n in range(19, 26)]
    assert levels[0] > 7500
    assert levels[1] > levels[2] > levels[3] > 300
    assert max(levels[4:6]) < 50
    assert levels[6] > 7000
    assert tapped.row["concealed"] == 5 * 160


def test_a_pause_without_loss_is_not_made_up_but_comfort_noise_at_the_level_given(tapped: Desk) -> None:
    octets = tapped.k.g711.encode(tone(440, 0.4), "PCMU")
    arrivals = [(n * 20 + 3.0, rtp(10 + n, n * 160, octets[n * 160 :][:160].tobytes())) for n in range(20)]
    arrivals += [(403.0, rtp(30, 20 * 160, bytes([40, 100, 90]), payload_type=tapped.c.COMFORT_NOISE))]
    arrivals += [(1003.0 + n * 20, rtp(31 + n, (50 + n) * 160, octets[:160].tobytes())) for n in range(5)]
    heard = play(tapped, arrivals, seconds=1.4).astype(float)
    begun = int(np.flatnonzero(heard)[0])
    noise = heard[begun + 21 * 160 : begun + 45 * 160]
    # 40 dB below overload, evenly spread.
    assert 20 * np.log10(np.sqrt(np.mean(noise**2)) / 32768) == pytest.approx(-40, abs=1.0)
    assert max(level_of(noise, hertz) for hertz in (440, 1000, 2500)) < 60
    assert heard[-160:].any() == 0, "and no more of it once speech has come and gone"
    assert tapped.row["concealed"] == 0


def test_doubled_packets_are_heard_once(tapped: Desk) -> None:
    arrivals = [(n * 20 + 3.0 + copy, packet(n)) for n in range(20) for copy in (0, 1)]
    assert octets_heard(tapped, play(tapped, arrivals, seconds=0.8)) == expected(range(20))
    assert tapped.row["duplicates"] == 20


def test_a_packet_after_its_time_is_late_and_not_heard(tapped: Desk) -> None:
    arrivals = [(n * 20 + (203.0 if n == 5 else 3.0), packet(n)) for n in range(30)]
    heard = octets_heard(tapped, play(tapped, arrivals, seconds=1.2))
    assert is_all_but_for_a_hole(heard, 30, 5)
    assert tapped.row["late"] == 1


@pytest.mark.parametrize("delay", range(0, 200, 10))
def test_every_packet_is_heard_or_counted_as_late(tapped: Desk, delay: int) -> None:
    arrivals = [(n * 20 + (delay if n == 5 else 0) + 3.0, packet(n)) for n in range(20)]
    heard = octets_heard(tapped, play(tapped, arrivals, seconds=1))
    late = int(tapped.row["late"])
    assert is_all_but_for_a_hole(heard, 20, 5) if late else heard == expected(range(20))
    assert tapped.row["concealed"] == late * 160


def test_a_stream_with_stragglers_is_delayed_until_they_are_in_time(tapped: Desk) -> None:
    # The others keep the buffer from running empty, so only a frame put in can deepen it.
    arrivals = [(n * 20 + (90 if n % 10 == 5 else 0) + 3.0, rtp(10 + n, 1000 + n * 160)) for n in range(400)]
    play(tapped, arrivals, seconds=9)
    assert 2 <= tapped.row["put_in"] <= 6
    assert 1 <= tapped.row["late"] <= 5


def test_steady_jitter_deepens_the_buffer_until_nothing_is_late(tapped: Desk) -> None:
    rng = random.Random(5)
    arrivals = [(n * 20 + rng.uniform(0, 90), packet(n % 900)) for n in range(400)]
    arrivals = [(at, rtp(10 + n, 1000 + n * 160)) for n, (at, _) in enumerate(arrivals)]
    play(tapped, arrivals[:200], seconds=4)
    late_before = int(tapped.row["late"])
    begun = 200 * 20
    play(tapped, [(at - begun, data) for at, data in arrivals[200:]], seconds=4)
    assert tapped.row["jb_target"] >= 80 * SAMPLES_PER_MS
    assert tapped.row["late"] - late_before <= 4


def test_the_buffer_becomes_shallow_again_on_a_steady_network(tapped: Desk) -> None:
    rng = random.Random(6)
    jittery = [(n * 20 + rng.uniform(0, 120), rtp(10 + n, 1000 + n * 160)) for n in range(100)]
    steady = [(n * 20 + 3.0, rtp(10 + n, 1000 + n * 160)) for n in range(100, 2000)]
    play(tapped, jittery + steady, seconds=40)
    delay = tapped.k.jitter.playout_delay(tapped.row, tapped.now // 1000 * 8000 // 1_000_000)
    assert tapped.row["jb_target"] <= 40 * SAMPLES_PER_MS
    assert delay <= 100 * SAMPLES_PER_MS
    assert tapped.row["left_out"] > 0


@pytest.mark.parametrize("drift", [0.9998, 1.0002])
def test_a_clock_that_runs_differently_neither_overflows_nor_starves(tapped: Desk, drift: float) -> None:
    arrivals = [(n * 20 * drift + 3.0, rtp(10 + n, 1000 + n * 160)) for n in range(4500)]
    play(tapped, arrivals, seconds=90)
    assert tapped.row["late"] <= 2
    assert tapped.row["left_out"] + tapped.row["put_in"] <= 6
    delay = tapped.k.jitter.playout_delay(tapped.row, tapped.now // 1000 * 8000 // 1_000_000)
    assert delay <= 120 * SAMPLES_PER_MS


def test_a_pause_of_the_sender_starts_anew_without_loss(tapped: Desk) -> None:
    # Silence suppression: sequence numbers go on, timestamps show the two seconds that were not sent.
    before = [(n * 20 + 3.0, packet(n)) for n in range(20)]
    after = [(2000 + n * 20 + 3.0, packet(n, first_timestamp=1000 + 2000 * 8)) for n in range(20, 40)]
    heard = play(tapped, before + after, seconds=3.4)
    assert octets_heard(tapped, heard) == expected(range(40))
    assert tapped.row["late"] == 0
    # The pause is neither skipped nor played twice.
    spoken = np.flatnonzero(heard)
    assert abs((spoken[-1] - spoken[0]) - (2400 + 400) * 8) <= 60 * SAMPLES_PER_MS


def test_a_timeline_that_jumps_back_is_followed(tapped: Desk) -> None:
    before = [(n * 20 + 3.0, packet(n, first_timestamp=1_000_000)) for n in range(20)]
    after = [(n * 20 + 3.0, packet(n, first_timestamp=5000)) for n in range(20, 40)]
    heard = octets_heard(tapped, play(tapped, before + after, seconds=1.4))
    assert heard[: len(expected(range(18)))] == expected(range(18))
    assert heard[-len(expected(range(22, 40))) :] == expected(range(22, 40))


def test_another_ssrc_from_the_same_source_is_heard_on(tapped: Desk) -> None:
    before = [(n * 20 + 3.0, packet(n)) for n in range(20)]
    after = [
        (n * 20 + 3.0, packet(n, ssrc=0x7777, first_sequence=40_000, first_timestamp=77_000_000)) for n in range(20, 40)
    ]
    heard = octets_heard(tapped, play(tapped, before + after, seconds=1.4))
    # One packet of the new stream is spent on believing it.
    assert heard[-len(expected(range(21, 40))) :] == expected(range(21, 40))
    assert tapped.row["drops"][tapped.c.DROP_SSRC] == 1


def test_a_third_stream_does_not_confirm_the_second(tapped: Desk) -> None:
    for number in range(3):
        tapped.give(packet(number))
    tapped.give(rtp(700, 0, ssrc=0x7777))
    tapped.give(rtp(701, 0, ssrc=0x8888))
    assert tapped.row["stream_ssrc"] == 0x1234
    tapped.give(rtp(702, 0, ssrc=0x8888))
    assert tapped.row["stream_ssrc"] == 0x8888


def test_two_interleaved_streams_do_not_reset_each_other(tapped: Desk) -> None:
    own = [(n * 20 + 3.0, packet(n)) for n in range(40)]
    other = [(n * 20 + 5.0, rtp(9000 + 3 * n, n * 160, bytes(160), ssrc=0x7777)) for n in range(40)]
    assert octets_heard(tapped, play(tapped, own + other, seconds=1.2)) == expected(range(40))


def test_a_burst_after_a_stall_of_the_network_fits_or_starts_anew(tapped: Desk) -> None:
    arrivals = [(n * 20 + 3.0 if n < 20 or n > 60 else 1205.0 + n * 0.01, packet(n)) for n in range(100)]
    heard = octets_heard(tapped, play(tapped, arrivals, seconds=3))
    assert heard[-len(expected(range(65, 100))) :] == expected(range(65, 100))


def test_frames_are_silence_before_and_after_the_stream(tapped: Desk) -> None:
    heard = play(tapped, [(203.0, packet(0))], seconds=0.6)
    assert len(heard) == 30 * 160
    assert np.count_nonzero(heard[: 200 * 8]) == 0
    assert octets_heard(tapped, heard) == expected([0])


def test_a_law_frames_are_decoded_and_silent_as_a_law(kernel: Kernel) -> None:
    with opened_desk(kernel, codec="PCMA", payload_type=8, receive_payload_type=8) as desk:
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
        heard = play(desk, [(3.0, rtp(1, 160, bytes([0x2A]) * 160, payload_type=8))], seconds=0.2)
        values, counts = np.unique(heard, return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
            int(kernel.g711.ALAW_TO_LINEAR[0x2A]): 160,
            int(kernel.g711.ALAW_TO_LINEAR[0xD5]): 9 * 160,
        }


def test_without_a_listener_the_statistics_are_the_same(kernel: Kernel) -> None:
    rng = random.Random(9)
    arrivals = [(n * 20 + rng.uniform(0, 70), rtp(10 + n, n * 160)) for n in range(300) if n % 17]
    measured = []
    for listening in (0, 1):
        with opened_desk(kernel) as desk:
            desk.command(desk.c.COMMAND_TAP, 0, desk.generation, listening)
            play(desk, arrivals, seconds=7)
            names = ("late", "concealed", "left_out", "put_in", "jb_target", "received", "out_of_order")
            measured.append([int(desk.row[name]) for name in names])
    assert measured[0] == measured[1]


def test_any_pattern_of_arrivals_leaves_the_buffer_within_its_bounds() -> None:
    from tests.media.support import kernel_form

    for seed in range(6):
        rng = random.Random(seed)
        with opened_desk(kernel_form("plain")) as desk:
            desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
            sequence, timestamp = rng.randrange(65536), rng.randrange(1 << 32)
            for _ in range(600):
                if rng.random() < 0.03:
                    sequence, timestamp = rng.randrange(65536), rng.randrange(1 << 32)
                sequence += rng.choice([1, 1, 1, 1, 2, -3, 40, -80])
                timestamp += rng.choice([160, 160, 160, 0, 480, -320, 8000, 100_000])
                size = rng.choice([160, 80, 480, 0, 1, 512, 513])
                desk.give(rtp(sequence, timestamp, bytes(size)), at=desk.now - rng.randrange(40) * MS)
                if rng.random() < 0.6:
                    desk.tick()
                row = desk.row
                if row["jb_state"] != desk.c.JITTER_IDLE:
                    assert row["jb_high_sequence"] - row["jb_play_sequence"] < desk.c.JITTER_SLOTS
                assert desk.c.JITTER_MIN_SAMPLES <= row["jb_target"] <= desk.c.JITTER_MAX_SAMPLES
