"""The play queue, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.support import Desk, Kernel, opened_desk

PCMU_SILENCE = 0xFF
ANY_KEY = 0xFFFF


class Queue:
    """One session's queue and the audio it points into."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.kept: list[np.ndarray] = []
        self.frame = np.zeros(160, np.uint8)

    def add(self, identity: int, octets: np.ndarray, *, loops: int = 1, keys: int = 0, group: int = 0) -> bool:
        self.kept.append(octets)
        return self.desk.k.player.append_item(
            self.desk.row, identity, octets.ctypes.data, len(octets), loops, keys, group
        )

    def silence(self, identity: int, samples: int) -> bool:
        return self.desk.k.player.append_item(self.desk.row, identity, 0, samples, 1, 0, 0)

    def play(self, frames: int) -> np.ndarray:
        played = []
        for _ in range(frames):
            self.desk.k.player.fill_audio(self.desk.row, self.frame.ctypes.data)
            self.desk.k.player.report_items(self.desk.row, self.desk.core)
            played.append(self.frame.copy())
        return np.concatenate(played)

    def ended(self) -> list[tuple[int, int, int]]:
        """Return id, reason and played octets of what has ended since the last call."""
        return [event.words for event in self.desk.events(self.desk.c.EVENT_ITEM_ENDED)]


@pytest.fixture
def queue(desk: Desk) -> Queue:
    return Queue(desk)


def ramp(length: int, start: int = 0) -> np.ndarray:
    return np.array([(start + n) % 251 for n in range(length)], np.uint8)


def test_an_empty_queue_is_silence(queue: Queue) -> None:
    assert set(queue.play(2).tolist()) == {PCMU_SILENCE}


def test_items_follow_each_other_without_a_sample_between(queue: Queue, desk: Desk) -> None:
    parts = [ramp(100), ramp(333, 7), ramp(1, 9), ramp(500, 3)]
    for identity, part in enumerate(parts):
        assert queue.add(identity, part)
    whole = np.concatenate(parts)
    played = queue.play(7)
    assert played[: len(whole)].tolist() == whole.tolist()
    assert set(played[len(whole) :].tolist()) == {PCMU_SILENCE}
    finished = desk.c.REASON_FINISHED
    assert queue.ended() == [(0, finished, 100), (1, finished, 333), (2, finished, 1), (3, finished, 500)]


def test_an_item_is_over_with_the_frame_of_its_last_sample(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(320))
    queue.play(1)
    assert queue.ended() == []
    queue.play(1)
    assert queue.ended() == [(1, desk.c.REASON_FINISHED, 320)]


def test_loops_repeat_without_a_seam(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(70), loops=5)
    queue.add(2, ramp(30, 100))
    expected = np.concatenate([np.tile(ramp(70), 5), ramp(30, 100)])
    assert queue.play(3)[:380].tolist() == expected.tolist()
    assert queue.ended() == [(1, desk.c.REASON_FINISHED, 350), (2, desk.c.REASON_FINISHED, 30)]


def test_endless_loop_goes_on_until_stopped(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(100), loops=0)
    assert queue.play(200).tolist() == np.tile(ramp(100), 320).tolist()
    desk.command(desk.c.COMMAND_STOP, 0, desk.generation, desk.c.ALL_GROUPS)
    assert set(queue.play(1).tolist()) == {PCMU_SILENCE}
    assert queue.ended() == [(1, desk.c.REASON_STOPPED, 32000)]


@pytest.mark.parametrize("loops", [0, 1, 5])
def test_audio_without_samples_is_over_at_once(queue: Queue, desk: Desk, loops: int) -> None:
    queue.add(1, ramp(0), loops=loops)
    queue.add(2, ramp(160))
    assert queue.play(1).tolist() == ramp(160).tolist()
    assert queue.ended() == [(1, desk.c.REASON_FINISHED, 0), (2, desk.c.REASON_FINISHED, 160)]


def test_silence_lasts_to_the_sample_and_is_the_codecs(kernel: Kernel) -> None:
    for codec, payload_type, octet in (("PCMU", 0, 0xFF), ("PCMA", 8, 0xD5)):
        with opened_desk(kernel, codec=codec, payload_type=payload_type, receive_payload_type=payload_type) as desk:
            queue = Queue(desk)
            queue.add(1, ramp(50))
            queue.silence(2, 203)
            queue.add(3, ramp(50))
            expected = [*ramp(50).tolist(), *[octet] * 203, *ramp(50).tolist(), *[octet] * 17]
            assert queue.play(2).tolist() == expected


def test_a_key_in_the_mask_ends_the_queue(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(1000), keys=1 << 5)
    queue.add(2, ramp(1000))
    queue.play(1)
    desk.k.player.stop_by_key(desk.row, 4)
    queue.play(1)
    assert queue.ended() == []
    desk.k.player.stop_by_key(desk.row, 5)
    assert set(queue.play(1).tolist()) == {PCMU_SILENCE}
    assert queue.ended() == [(1, desk.c.REASON_KEY + 5, 320), (2, desk.c.REASON_KEY + 5, 0)]


def test_only_the_mask_of_the_item_that_plays_counts(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(320))
    queue.add(2, ramp(320), keys=ANY_KEY)
    queue.play(1)
    desk.k.player.stop_by_key(desk.row, 1)
    assert queue.play(1).tolist() == ramp(320)[160:].tolist()
    desk.k.player.stop_by_key(desk.row, 1)
    assert set(queue.play(1).tolist()) == {PCMU_SILENCE}


def test_late_items_of_a_group_that_a_key_ended_are_not_heard(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(1000), keys=ANY_KEY, group=7)
    queue.play(1)
    desk.k.player.stop_by_key(desk.row, 15)
    queue.add(2, ramp(1000), group=7)
    queue.add(3, ramp(160, 50), group=8)
    assert queue.play(1).tolist() == ramp(160, 50).tolist()
    key = desk.c.REASON_KEY + 15
    assert queue.ended() == [(1, key, 160), (2, key, 0), (3, desk.c.REASON_FINISHED, 160)]


def test_items_without_a_group_are_heard_after_a_key(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(1000), keys=ANY_KEY)
    queue.play(1)
    desk.k.player.stop_by_key(desk.row, 1)
    queue.add(2, ramp(160, 50))
    assert queue.play(1).tolist() == ramp(160, 50).tolist()


def test_each_flushed_group_remembers_its_own_key(queue: Queue, desk: Desk) -> None:
    for group, key in ((3, 1), (4, 2)):
        queue.add(group, ramp(1000), keys=ANY_KEY, group=group)
        queue.play(1)
        desk.k.player.stop_by_key(desk.row, key)
    queue.play(1)
    queue.ended()
    queue.add(30, ramp(160), group=3)
    queue.add(40, ramp(160), group=4)
    queue.play(1)
    assert queue.ended() == [(30, desk.c.REASON_KEY + 1, 0), (40, desk.c.REASON_KEY + 2, 0)]


def test_stopping_a_group_leaves_the_others(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(320), group=1)
    queue.add(2, ramp(160, 50), group=2)
    queue.add(3, ramp(160), group=1)
    queue.play(1)
    desk.command(desk.c.COMMAND_STOP, 0, desk.generation, 1)
    assert queue.play(1).tolist() == ramp(160, 50).tolist()
    queue.play(1)
    stopped, finished = desk.c.REASON_STOPPED, desk.c.REASON_FINISHED
    assert queue.ended() == [(1, stopped, 160), (2, finished, 160), (3, stopped, 0)]


def test_recoding_goes_on_at_the_same_sample(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(480))
    queue.play(1)
    other = ramp(480, 100)
    desk.k.player.recode_item(desk.row, 1, other.ctypes.data, len(other))
    assert queue.play(2).tolist() == other[160:].tolist()


def test_a_full_queue_refuses_and_reports_make_room(queue: Queue, desk: Desk) -> None:
    for identity in range(desk.c.ITEMS):
        assert queue.add(identity, ramp(10))
    assert not queue.add(99, ramp(10))
    queue.play(1)
    assert queue.add(99, ramp(10))


def test_ends_that_are_not_reported_yet_take_room(queue: Queue, desk: Desk) -> None:
    for identity in range(desk.c.ITEMS):
        queue.add(identity, ramp(10))
    desk.core["event_tail"] += desk.c.EVENTS
    queue.play(2)
    assert desk.row["item_head"] == desk.c.ITEMS
    assert not queue.add(99, ramp(10))


def test_a_key_is_for_the_first_item_that_is_not_over(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(1000), group=1)
    queue.add(2, ramp(1000), keys=ANY_KEY, group=2)
    queue.play(1)
    desk.k.player.flush_items(desk.row, 1, desk.c.REASON_STOPPED)
    desk.k.player.stop_by_key(desk.row, 3)
    queue.play(1)
    assert queue.ended() == [(1, desk.c.REASON_STOPPED, 160), (2, desk.c.REASON_KEY + 3, 0)]


def test_an_end_that_cannot_be_reported_yet_is_reported_later(queue: Queue, desk: Desk) -> None:
    queue.add(1, ramp(10))
    desk.core["event_tail"] += desk.c.EVENTS
    queue.play(1)
    assert desk.row["item_reported"] == 0
    desk.core["event_tail"] -= desk.c.EVENTS
    queue.play(1)
    assert queue.ended() == [(1, desk.c.REASON_FINISHED, 10)]
