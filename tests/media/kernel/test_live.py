"""A live source: what is written is sent once, in order, at the pace of the ticks; what is cleared is not; and taps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.support import Desk, Kernel, level_of, opened_desk, tone

SILENCE = b"\xff" * 160


class Source:
    """The writer's side of one session's source."""

    def __init__(self, desk: Desk, position: int = 0) -> None:
        self.desk = desk
        self.live = desk.k.live
        self.tail = position
        self.row = desk.row
        desk.command(desk.c.COMMAND_LIVE, 0, desk.generation, 1, position)
        self.live.publish(self.row["live_cursors"], desk.c.LIVE_NOTIFY, desk.c.LIVE_NO_POSITION)

    def write(self, samples: np.ndarray) -> int:
        count = self.live.push_samples(self.row["live_cursors"], self.row["live_samples"], samples, self.tail)
        self.tail += count
        return count

    def skip(self) -> None:
        self.live.publish(self.row["live_cursors"], self.desk.c.LIVE_SKIP, self.tail)

    def notify(self, position: int) -> None:
        self.live.publish(self.row["live_cursors"], self.desk.c.LIVE_NOTIFY, position)

    @property
    def head(self) -> int:
        return int(self.row["live_cursors"][self.desk.c.LIVE_HEAD])


@pytest.fixture
def wired(kernel: Kernel):
    """A session that sends to the desk's far end."""
    desk = Desk(kernel)
    desk.open()
    desk.start(remote=desk.far_address)
    desk.events()
    yield desk
    desk.close()


def payloads(desk: Desk) -> list[bytes]:
    return [packet.payload for packet in desk.sent_rtp()]


def test_what_is_written_is_sent_once_and_in_order(wired: Desk) -> None:
    source = Source(wired)
    samples = wired.k.g711.decode(np.tile(np.arange(256, dtype=np.uint8), 25), "PCMU")
    assert source.write(samples) == 6400
    wired.tick(45)
    octets = b"".join(payloads(wired))
    # Negative zero is the one octet of µ-law that has no sample of its own.
    assert octets[:6400] == bytes(range(256)).replace(b"\x7f", b"\xff") * 25
    assert set(octets[6400:]) == {0xFF}
    assert source.head == 6400


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
def test_a_tone_is_heard_in_each_codec_and_goes_on_through_a_change(kernel: Kernel, codec: str) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.start(remote=desk.far_address)
    source = Source(desk)
    source.write(tone(700, 2.0))
    desk.tick(20)
    desk.sent()
    desk.start(remote=desk.far_address, codec=codec)
    desk.tick(50)
    octets = np.frombuffer(b"".join(payloads(desk)), np.uint8)
    heard = desk.k.codecs.decode(octets, codec)[800:]
    assert abs(level_of(heard, 700) - 8000) < 400
    desk.close()


def test_the_ring_takes_what_it_has_room_for_and_the_rest_later(wired: Desk) -> None:
    source = Source(wired)
    room = wired.c.LIVE_SAMPLES
    sound = tone(500, 4.0)
    assert source.write(sound) == room
    assert source.write(sound[room:]) == 0
    wired.tick(10)
    assert source.write(sound[room:]) == 1600
    wired.tick(200)
    octets = np.frombuffer(b"".join(payloads(wired)), np.uint8)[: room + 1600]
    assert np.array_equal(octets, wired.k.g711.encode(sound[: room + 1600], "PCMU"))


def test_left_out_means_silence_from_the_very_next_tick(wired: Desk) -> None:
    source = Source(wired)
    source.write(tone(500, 1.0))
    wired.tick(5)
    assert SILENCE not in payloads(wired)
    source.skip()
    wired.tick()
    assert payloads(wired) == [SILENCE]
    assert source.head == 8000
    source.write(tone(900, 0.2))
    wired.tick(4)
    assert payloads(wired)[-1] != SILENCE


def test_a_position_is_told_once_and_not_before_it_was_sent(wired: Desk) -> None:
    source = Source(wired)
    source.write(tone(500, 0.2))
    source.notify(800)
    wired.tick(4)
    assert wired.events(wired.c.EVENT_LIVE_REACHED) == []
    wired.tick()
    (event,) = wired.events(wired.c.EVENT_LIVE_REACHED)
    assert event.words[0] == 800
    wired.tick(5)
    assert wired.events(wired.c.EVENT_LIVE_REACHED) == []
    source.notify(1600)
    wired.tick()
    (event,) = wired.events(wired.c.EVENT_LIVE_REACHED)
    assert event.words[0] == 1600


def test_a_source_that_ran_dry_gathers_two_ticks_and_no_longer(wired: Desk) -> None:
    source = Source(wired)
    source.write(tone(500, 0.02))
    wired.tick(4)
    assert [payload != SILENCE for payload in payloads(wired)] == [False, False, True, False]


def test_a_source_that_is_fed_unevenly_is_heard_without_a_gap(wired: Desk) -> None:
    source = Source(wired)
    sound = tone(500, 2.0)
    written = 0
    for place in range(100):
        # A piece late by a tick every so often, and the two together after it.
        due = place + 1 if place % 7 else place
        source.write(sound[written * 160 : due * 160])
        written = max(written, due)
        wired.tick()
    heard = payloads(wired)
    first = next(place for place, payload in enumerate(heard) if payload != SILENCE)
    assert SILENCE not in heard[first:]


def test_what_the_queue_plays_goes_first_and_the_source_after_it(wired: Desk) -> None:
    source = Source(wired)
    prompt = np.full(480, 0x2A, np.uint8)
    wired.command(wired.c.COMMAND_PLAY, 0, wired.generation, 7, prompt.ctypes.data, len(prompt), 1, 0, wired.c.NO_GROUP)
    source.write(tone(500, 0.2))
    wired.tick(6)
    heard = payloads(wired)
    assert heard[:3] == [b"\x2a" * 160] * 3
    assert SILENCE not in heard[3:]


def test_an_end_is_silence_and_the_next_source_goes_on_at_its_own_position(wired: Desk) -> None:
    source = Source(wired)
    source.write(tone(500, 1.0))
    wired.tick(5)
    wired.sent()
    wired.command(wired.c.COMMAND_LIVE, 0, wired.generation, 0, source.tail)
    wired.tick(2)
    assert payloads(wired) == [SILENCE] * 2
    again = Source(wired, source.tail)
    again.write(tone(900, 0.1))
    wired.tick(5)
    assert SILENCE not in payloads(wired)
    assert again.head == source.tail + 800


def test_a_session_without_a_source_never_touches_its_ring(kernel: Kernel) -> None:
    with opened_desk(kernel) as desk:
        desk.row["live_samples"][:] = 77
        desk.tick(5)
        desk.command(desk.c.COMMAND_CLOSE, 0, desk.generation)
        desk.open()
        assert set(desk.row["live_samples"].tolist()) == {77}
        assert (desk.row["live"], desk.row["live_head"]) == (0, 0)


class TestSentFrames:
    """Taps of what is sent."""

    def tap(self, desk: Desk, *tracks: int) -> None:
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, sum(1 << track for track in tracks))

    def heads(self, desk: Desk) -> list[tuple[int, int]]:
        count = int(desk.core["cursors"][desk.c.CURSOR_TAP_TAIL])
        return [(row[2], row[3]) for row in desk.core["tap_heads"][:count].tolist()]

    def test_a_listener_gets_what_the_far_end_hears_each_tick(self, wired: Desk) -> None:
        self.tap(wired, wired.c.TRACK_SENT)
        Source(wired).write(tone(500, 0.2))
        wired.tick(12)
        samples = wired.frames()
        sent = wired.k.g711.decode(np.frombuffer(b"".join(payloads(wired)), np.uint8), "PCMU")
        assert np.array_equal(samples, sent)
        assert level_of(samples[:1600], 500) > 7500

    def test_both_directions_carry_the_number_of_their_tick(self, wired: Desk) -> None:
        self.tap(wired, wired.c.TRACK_RECEIVED, wired.c.TRACK_SENT)
        first = wired.tick_number + 1
        wired.tick(2)
        assert self.heads(wired) == [(0, first), (1, first), (0, first + 1), (1, first + 1)]

    def test_while_keys_are_sent_or_nothing_may_be_the_frames_are_silence(self, wired: Desk) -> None:
        self.tap(wired, wired.c.TRACK_SENT)
        Source(wired).write(tone(500, 1.0))
        wired.tick(5)
        assert np.abs(wired.frames()).max() > 7000
        key = np.frombuffer(bytes([5]).ljust(wired.c.DIGITS_MAX, b"\0"), np.int64).tolist()
        wired.command(wired.c.COMMAND_DIGITS, 0, wired.generation, 0, 1, 100, 60, *key)
        wired.tick(5)
        assert np.abs(wired.frames()).max() == 0
        wired.start(remote=wired.far_address, send=False)
        wired.tick(10)
        frames = wired.frames()
        assert (len(frames), np.abs(frames).max()) == (1600, 0)

    def test_frames_are_whole_whatever_the_length_of_packets(self, kernel: Kernel) -> None:
        desk = Desk(kernel)
        desk.open()
        desk.start(remote=desk.far_address, ptime=30)
        self.tap(desk, desk.c.TRACK_SENT)
        Source(desk).write(tone(500, 0.4))
        desk.tick(20)
        assert np.array_equal(desk.frames(), desk.k.g711.decode(desk.k.g711.encode(tone(500, 0.4), "PCMU"), "PCMU"))
        desk.close()

    def test_one_that_listens_already_is_not_disturbed_by_another(self, kernel: Kernel) -> None:
        with opened_desk(kernel, codec="G722", payload_type=9, receive_payload_type=9) as desk:
            self.tap(desk, desk.c.TRACK_RECEIVED)
            desk.row["tap_decoder"][0] = 99
            self.tap(desk, desk.c.TRACK_RECEIVED, desk.c.TRACK_SENT)
            assert desk.row["tap_decoder"][0] == 99
            self.tap(desk)
            self.tap(desk, desk.c.TRACK_RECEIVED)
            assert desk.row["tap_decoder"][0] != 99
