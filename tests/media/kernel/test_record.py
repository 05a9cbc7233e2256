"""What a tape holds: both directions in step, tick by tick, whatever is lost, held, played or left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from media.kernel import codecs
from tests.media.support import MS, Desk, Kernel, level_of, rtp, tone

PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9}
FRAME = 160
FRAMES = 250


class Taped:
    """Two sessions of a desk that hear each other; the first one is taped and both are spoken to."""

    def __init__(self, kernel: Kernel, codec: str = "PCMU", **changes: Any) -> None:
        self.desk = Desk(kernel, sessions=2)
        self.c = kernel.constants
        self.codec = codec
        self.sequence = 0
        for slot in (0, 1):
            self.desk.open(slot)
            self.start(slot, **(changes if slot == 0 else {}))
        for slot in (0, 1):
            self.desk.command(self.c.COMMAND_HEAR, slot, slot + 1, 1 - slot, 2 - slot)
        self.audio = np.full((2, FRAMES, FRAME), 77, np.int16)
        self.collected: list[np.ndarray] = []
        self.taken = 0

    def start(self, slot: int, **changes: Any) -> None:
        self.desk.generation = slot + 1
        payload_type = PAYLOAD_TYPES[self.codec]
        self.desk.start(slot, codec=self.codec, payload_type=payload_type, receive_payload_type=payload_type, **changes)

    def tape(self, number: int = 5, frames: int = FRAMES) -> None:
        self.desk.command(self.c.COMMAND_TAPE, 0, 1, number, self.audio.ctypes.data, frames)
        self.number = number

    def stop(self) -> None:
        self.desk.command(self.c.COMMAND_TAPE, 0, 1, self.number, 0, 0)

    @property
    def count(self) -> int:
        return int(self.desk.k.record.frames_taped(self.desk.sessions[0]["taped"], self.number))

    def tick(self, first: bytes | None, second: bytes | None, missed: int = 0) -> None:
        desk = self.desk
        for slot, payload in ((0, first), (1, second)):
            if payload is not None:
                desk.row = desk.sessions[slot]
                desk.give(rtp(self.sequence, self.sequence * FRAME, payload, payload_type=PAYLOAD_TYPES[self.codec]))
        self.sequence += 1 + missed
        desk.now += 20 * MS * (1 + missed)
        desk.tick_number += 1 + missed
        for slot in (0, 1):
            desk.serve(slot)
        if desk.sessions[0]["tapped"] & self.c.TAPPED_RECORDER:
            self._collect()

    def _collect(self) -> None:
        for frame in range(self.taken, self.count):
            self.collected.append(self.audio[:, frame % FRAMES].copy())
        self.taken = self.count

    def speak(self, first: np.ndarray | None, second: np.ndarray | None) -> None:
        length = len(first if first is not None else second)  # type: ignore[arg-type]
        for at in range(0, length, FRAME):
            self.tick(*(None if each is None else each[at : at + FRAME].tobytes() for each in (first, second)))

    @property
    def channels(self) -> tuple[np.ndarray, np.ndarray]:
        frames = np.array(self.collected)
        return frames[:, 0].reshape(-1), frames[:, 1].reshape(-1)


@pytest.fixture
def taped(kernel: Kernel) -> Iterator[Taped]:
    made = Taped(kernel)
    yield made
    made.desk.close()


@pytest.mark.parametrize("codec", PAYLOAD_TYPES)
def test_each_direction_is_on_its_own_channel(kernel: Kernel, codec: str) -> None:
    taped = Taped(kernel, codec)
    taped.tape()
    taped.speak(codecs.encode(tone(700, 1.0), codec), codecs.encode(tone(1100, 1.0), codec))
    received, sent = taped.channels
    assert len(received) == len(sent) == 8000
    for samples, own, other in ((received, 700, 1100), (sent, 1100, 700)):
        assert abs(level_of(samples[1600:7200], own) - 8000) < 400
        assert level_of(samples[1600:7200], other) < 100
    taped.desk.close()


def beats(channel: np.ndarray) -> np.ndarray:
    """The frames of a channel in which it is loud."""
    return np.flatnonzero(np.abs(channel.reshape(-1, FRAME)).max(axis=1) > 1000)


@pytest.mark.parametrize("trouble", [False, True])
def test_both_stay_in_step_over_a_minute(kernel: Kernel, trouble: bool) -> None:
    """Both parties beat at the same time, all ten seconds; with `trouble` there is loss, a hold and a stall between."""
    if kernel.name == "plain":
        pytest.skip("a minute of ticks takes long uncompiled")
    taped = Taped(kernel)
    taped.tape()
    marks = range(100, 3000, 200)
    loud, quiet = b"\x10" * FRAME, b"\xff" * FRAME
    tick = 0
    while tick < 3000:
        if trouble and tick in (1050, 1080):
            taped.start(0, **({"send": False, "receive": False} if tick == 1050 else {}))
        missed = 40 if trouble and tick == 1550 else 0
        payload: bytes | None = loud if tick in marks else quiet
        if trouble and tick % 97 == 0 and tick not in marks:
            payload = None
        taped.tick(payload, payload, missed)
        tick += 1 + missed
    received, sent = taped.channels
    assert len(received) == len(sent) == 3000 * FRAME
    for channel in (received, sent):
        late = beats(channel) - np.array(marks)
        assert late.min() >= 0
        assert np.ptp(late) <= 1, f"20 ms at most in a minute: {late}"
    apart = beats(sent) - beats(received)
    assert np.ptp(apart) <= 1
    if not trouble:
        assert np.abs(apart).max() <= 1
    taped.desk.close()


def test_what_is_played_is_on_the_channel_of_what_is_sent(taped: Taped) -> None:
    prompt = codecs.encode(tone(900, 0.4), "PCMU")
    taped.tape()
    taped.desk.command(taped.c.COMMAND_PLAY, 0, 1, 7, prompt.ctypes.data, len(prompt), 1, 0, taped.c.NO_GROUP)
    taped.speak(None, codecs.encode(tone(1100, 0.8), "PCMU"))
    received, sent = taped.channels
    assert not received.any()
    assert level_of(sent[:3200], 900) > 7000
    assert level_of(sent[:3200], 1100) < 400
    assert level_of(sent[3200:], 1100) > 7000


@pytest.mark.parametrize("ptime", [10, 30])
def test_the_length_of_packets_does_not_matter(kernel: Kernel, ptime: int) -> None:
    taped = Taped(kernel, ptime=ptime)
    taped.tape()
    taped.speak(None, codecs.encode(tone(1100, 0.6), "PCMU"))
    _, sent = taped.channels
    assert level_of(sent[1600:], 1100) > 7500
    taped.desk.close()


def test_a_held_direction_is_silence_and_counts_on(taped: Taped) -> None:
    taped.tape()
    both = codecs.encode(tone(700, 0.4), "PCMU"), codecs.encode(tone(1100, 0.4), "PCMU")
    taped.speak(*both)
    taped.start(0, send=False, receive=False)
    taped.speak(*both)
    received, sent = taped.channels
    assert len(received) == 6400
    assert not received[3200:].any()
    assert not sent[3200:].any()


def test_digits_sent_as_events_are_silence(taped: Taped) -> None:
    taped.tape()
    taped.speak(None, codecs.encode(tone(1100, 0.2), "PCMU"))
    word = int.from_bytes(bytes([5]).ljust(8, b"\0"), "little")
    taped.desk.command(taped.c.COMMAND_DIGITS, 0, 1, 0, 1, 160, 80, word)
    taped.speak(None, codecs.encode(tone(1100, 0.14), "PCMU"))
    _, sent = taped.channels
    assert level_of(sent[800:1600], 1100) > 7000
    assert not sent[1760:2560].any()


def test_after_the_end_nothing_is_written_and_it_is_said_which_tape_is_free(taped: Taped) -> None:
    taped.tape(number=9)
    taped.speak(codecs.encode(tone(700, 0.2), "PCMU"), None)
    taped.desk.events()
    taped.stop()
    (ended,) = taped.desk.events(taped.c.EVENT_TAPE_ENDED)
    assert (ended.slot, ended.words[0]) == (0, 9)
    before = taped.audio.copy()
    taped.speak(codecs.encode(tone(700, 0.2), "PCMU"), None)
    assert np.array_equal(taped.audio, before)
    assert taped.count == 10
    taped.stop()
    assert not taped.desk.events(taped.c.EVENT_TAPE_ENDED)


def test_that_a_tape_is_free_is_told_later_where_there_is_no_room(taped: Taped) -> None:
    taped.tape(number=9)
    core = taped.desk.core
    room = taped.c.EVENTS - int(core["event_tail"] - core["cursors"][taped.c.CURSOR_EVENT_HEAD])
    for _ in range(room):
        assert taped.desk.k.ring.post(core, taped.desk.sessions[0], taped.c.EVENT_BYE, 0, 0, 0, 0, 0)
    taped.stop()
    assert not taped.desk.events(taped.c.EVENT_TAPE_ENDED)
    for _ in range(taped.c.HOUSEKEEPING_TICKS):
        taped.tick(None, None)
    assert [event.words[0] for event in taped.desk.events(taped.c.EVENT_TAPE_ENDED)] == [9]


def test_another_tape_begins_empty_and_the_count_belongs_to_its_number(taped: Taped) -> None:
    taped.tape(number=9)
    taped.speak(codecs.encode(tone(700, 0.2), "PCMU"), None)
    taped.stop()
    taped.tape(number=10)
    assert taped.count == 0
    assert taped.desk.k.record.frames_taped(taped.desk.sessions[0]["taped"], 9) == 0
    taped.tick(None, None)
    assert taped.count == 1


def test_only_what_fits_is_written_and_nothing_beside_it(taped: Taped) -> None:
    taped.tape(frames=10)
    taped.speak(codecs.encode(tone(700, 1.0), "PCMU"), codecs.encode(tone(700, 1.0), "PCMU"))
    flat = taped.audio.reshape(-1)
    assert (flat[2 * 10 * FRAME :] == 77).all()
    assert not (flat[: 2 * 10 * FRAME] == 77).all()


def test_who_is_not_taped_keeps_nothing(taped: Taped) -> None:
    taped.desk.command(taped.c.COMMAND_HEAR, 1, 2, -1, 0)
    taped.tape()
    assert taped.desk.sessions[0]["tapped"] == taped.c.TAPPED_RECORDER
    taped.stop()
    assert taped.desk.sessions[0]["tapped"] == 0
