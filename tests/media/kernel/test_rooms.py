"""Rooms: each hears the sum of all others and not itself, in any codec; mute, deaf, tones, levels, who goes when."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from media.kernel import codecs
from tests.media.support import MS, Desk, Kernel, Rtp, compiled_only, kernel_form, level_of, rtp, tone

PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9}
TONES = (440.0, 700.0, 1000.0, 1300.0)


class Members:
    """Sessions of one desk, each sending to a socket of its own and speaking a tone, in rooms 0 and 1."""

    def __init__(self, kernel: Kernel, names: tuple[str, ...] = ("PCMU",) * 3) -> None:
        self.desk = Desk(kernel, sessions=len(names))
        self.c = kernel.constants
        self.names = names
        self.far = []
        self.sequence = 0
        for slot, codec in enumerate(names):
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.bind(("127.0.0.1", 0))
            far.setblocking(False)
            self.far.append(far)
            self.desk.open(slot)
            number = PAYLOAD_TYPES[codec]
            self.desk.start(
                slot, remote=far.getsockname(), codec=codec, payload_type=number, receive_payload_type=number
            )
        for room in (0, 1):
            self.desk.command(self.c.COMMAND_ROOM_OPEN, room, 100 + room)

    def join(self, *slots: int, room: int = 0, flags: int = 0, generation: int | None = None) -> None:
        for slot in slots:
            self.desk.command(self.c.COMMAND_JOIN, slot, slot + 1, room, generation or 100 + room, flags)

    def leave(self, slot: int) -> None:
        self.desk.command(self.c.COMMAND_LEAVE, slot, slot + 1)

    def speak(self, sounds: dict[int, np.ndarray]) -> list[np.ndarray]:
        """Each sends its octets in packets of 20 ms; returns what each of all members was sent meanwhile."""
        self.heard()
        ticks = max(len(octets) for octets in sounds.values()) // 160
        for tick in range(ticks):
            self.tick({slot: octets[tick * 160 :][:160] for slot, octets in sounds.items()})
        return self.heard()

    def tick(self, frames: dict[int, np.ndarray]) -> None:
        desk = self.desk
        for slot, frame in frames.items():
            desk.row = desk.sessions[slot]
            desk.give(
                rtp(
                    self.sequence,
                    self.sequence * 160,
                    frame.tobytes(),
                    payload_type=PAYLOAD_TYPES[self.names[slot]],
                    ssrc=slot,
                ),
                source=self.far[slot].getsockname(),
            )
        self.sequence += 1
        desk.now += 20 * MS
        desk.tick_number += 1
        for slot in range(len(self.names)):
            desk.serve(slot)

    def heard(self) -> list[np.ndarray]:
        """The samples that each has been sent since the last call."""
        everything = []
        for far, codec in zip(self.far, self.names, strict=True):
            payloads = [np.zeros(0, np.uint8)]
            while True:
                try:
                    packet = Rtp.parse(far.recv(2048))
                except BlockingIOError:
                    break
                payloads.append(np.frombuffer(packet.payload, np.uint8))
            everything.append(codecs.decode(np.concatenate(payloads), codec))
        return everything

    def close(self) -> None:
        for far in self.far:
            far.close()
        self.desk.close()


def spoken(hertz: float, codec: str = "PCMU", *, level: float = 4000.0, seconds: float = 0.5) -> np.ndarray:
    return codecs.encode(tone(hertz, seconds, level=level), codec)


def tones_in(samples: np.ndarray) -> set[float]:
    """Which of the parties' tones are there, at about the level they were spoken with; others are not there at all."""
    settled = samples[1600:]
    levels = {hertz: level_of(settled, hertz) for hertz in TONES}
    assert all(level < 150 or 3400 < level < 4600 for level in levels.values()), levels
    return {hertz for hertz, level in levels.items() if level > 3000}


@pytest.fixture
def members(kernel: Kernel) -> Iterator[Members]:
    made = Members(kernel)
    yield made
    made.close()


def test_each_hears_all_others_and_not_itself(members: Members) -> None:
    members.join(0, 1, 2)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0, 1000.0}, {440.0, 1000.0}, {440.0, 700.0}]


@compiled_only
def test_a_room_of_250_in_three_codecs() -> None:
    names = tuple(("PCMU", "PCMA", "G722")[slot % 3] for slot in range(250))
    members = Members(kernel_form("compiled"), names)
    members.join(*range(250))
    heard = members.speak({slot: spoken(TONES[slot], names[slot]) for slot in range(3)})
    voices = set(TONES[:3])
    assert [tones_in(samples) for samples in heard[:3]] == [voices - {TONES[slot]} for slot in range(3)]
    assert all(tones_in(samples) == voices for samples in heard[3:])
    members.close()


def test_every_codec_is_heard_in_every_other(kernel: Kernel) -> None:
    members = Members(kernel, ("PCMU", "PCMA", "G722", "PCMU"))
    members.join(0, 1, 2, 3)
    heard = members.speak({slot: spoken(TONES[slot], members.names[slot]) for slot in range(4)})
    assert [tones_in(samples) for samples in heard] == [set(TONES) - {TONES[slot]} for slot in range(4)]
    members.close()


def test_a_lone_voice_reaches_the_others_sample_by_sample_one_tick_later(members: Members) -> None:
    members.join(0, 1)
    octets = spoken(440)
    heard = members.speak({0: octets})
    said = codecs.decode(octets, "PCMU")
    began = np.flatnonzero(heard[1])[0] // 160 * 160
    assert np.array_equal(heard[1][began:], said[: len(heard[1]) - began])
    # 40 ms of the jitter buffer, and the tick that it takes to be summed up.
    assert began <= 4 * 160
    assert not heard[0].any()
    assert not heard[2].any()


def test_a_sum_too_large_is_the_largest_sample_and_does_not_wrap(members: Members) -> None:
    members.join(0, 1, 2)
    loud = spoken(440, level=30_000.0)
    heard = members.speak({0: loud, 1: loud})
    assert heard[2].max() > 32_000
    settled = heard[2][1600:].astype(int)
    # A wrapped sum jumps from one end to the other; a clipped one moves as the tone does.
    assert np.abs(np.diff(settled)).max() < 24_000
    assert np.array_equal(np.sign(settled), np.sign(heard[1][1600:].astype(int)))


def test_who_is_muted_is_not_heard_and_hears_everybody(members: Members) -> None:
    members.join(0, 1)
    members.join(2, flags=members.c.ROOM_MUTED)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0}, {440.0}, {440.0, 700.0}]
    members.join(2)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0, 1000.0}, {440.0, 1000.0}, {440.0, 700.0}]
    members.join(0, flags=members.c.ROOM_MUTED)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0, 1000.0}, {1000.0}, {700.0}]


def test_who_is_deaf_hears_nothing_and_is_heard(members: Members) -> None:
    members.join(0, 1)
    members.join(2, flags=members.c.ROOM_DEAF)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard[:2]] == [{700.0, 1000.0}, {440.0, 1000.0}]
    assert not heard[2].any()


def test_rooms_do_not_hear_each_other(kernel: Kernel) -> None:
    members = Members(kernel, ("PCMU",) * 4)
    members.join(0, 1)
    members.join(2, 3, room=1)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(4)})
    assert [tones_in(samples) for samples in heard] == [{700.0}, {440.0}, {1300.0}, {1000.0}]
    members.join(1, room=1)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(4)})
    assert [tones_in(samples) for samples in heard] == [set(), {1000.0, 1300.0}, {700.0, 1300.0}, {700.0, 1000.0}]
    members.close()


def test_what_was_said_in_one_room_is_not_taken_off_the_next(kernel: Kernel) -> None:
    members = Members(kernel, ("PCMU",) * 4)
    members.join(0)
    members.join(2, room=1)
    members.join(3, room=1, flags=members.c.ROOM_MUTED)
    sounds = {slot: spoken(TONES[slot]) for slot in range(3)}
    members.speak(sounds)
    members.join(0, room=1)
    heard = members.speak({slot: octets[:160] for slot, octets in sounds.items()})
    assert heard[0].any()
    assert np.array_equal(heard[0], heard[3])
    members.close()


def test_who_leaves_hears_nobody_and_is_not_heard(members: Members) -> None:
    members.join(0, 1, 2)
    members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    members.leave(2)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0}, {440.0}, set()]
    assert members.desk.sessions[2]["tapped"] == 0


def test_a_closed_session_leaves_and_its_place_is_another_ones(members: Members) -> None:
    members.join(0, 1, 2)
    members.desk.command(members.c.COMMAND_CLOSE, 2, 3)
    members.desk.open(2)
    members.desk.start(2, remote=members.far[2].getsockname())
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert [tones_in(samples) for samples in heard] == [{700.0}, {440.0}, set()]


def test_a_room_that_is_gone_cannot_be_joined(members: Members) -> None:
    members.join(0, 1)
    members.join(2, generation=99)
    assert members.desk.sessions[2]["room"] == -1
    members.desk.command(members.c.COMMAND_ROOM_OPEN, 0, 200)
    heard = members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    assert not any(samples.any() for samples in heard)


def test_a_tone_is_heard_by_the_whole_room_together_with_who_speaks(members: Members) -> None:
    members.join(0, 1)
    members.join(2, flags=members.c.ROOM_MUTED)
    signal = tone(1300, 0.45, level=4000.0)
    members.desk.command(members.c.COMMAND_ROOM_TONE, 0, 100, signal.ctypes.data, len(signal))
    octets = spoken(440)
    heard = members.speak({0: octets, 1: np.full(len(octets), 0xFF, np.uint8)})
    # It began a tick after the command, ahead of who speaks by what the jitter buffer holds.
    parts = [samples[1600:3600] for samples in heard]
    assert [{hertz for hertz in TONES if level_of(part, hertz) > 3000} for part in parts] == [
        {1300.0},
        {440.0, 1300.0},
        {440.0, 1300.0},
    ]
    assert np.count_nonzero(heard[0]) < len(signal) + 160
    members.speak({0: octets})
    assert tones_in(members.speak({0: octets})[1]) == {440.0}


def test_a_tone_is_played_once_sample_by_sample(members: Members) -> None:
    members.join(0)
    signal = codecs.decode(spoken(700, seconds=0.09), "PCMU")
    members.desk.command(members.c.COMMAND_ROOM_TONE, 0, 100, signal.ctypes.data, len(signal))
    heard = members.speak({1: spoken(440)})[0]
    began = np.flatnonzero(heard)[0] // 160 * 160
    assert np.array_equal(heard[began : began + len(signal)], signal)
    assert not heard[began + len(signal) :].any()


def test_a_new_tone_ends_the_one_before(members: Members) -> None:
    members.join(0)
    first, second = tone(700, 1.0, level=4000.0), tone(1000, 1.0, level=4000.0)
    for signal in (first, second):
        members.desk.command(members.c.COMMAND_ROOM_TONE, 0, 100, signal.ctypes.data, len(signal))
        last = members.speak({1: spoken(440)})[0]
    assert tones_in(last) == {1000.0}


def test_what_a_member_plays_goes_first_and_the_room_goes_on_behind_it(members: Members) -> None:
    members.join(0, 1)
    prompt = codecs.encode(tone(1300, 0.2, level=4000.0), "PCMU")
    members.desk.command(members.c.COMMAND_PLAY, 1, 2, 7, prompt.ctypes.data, len(prompt), 1, 0, 0)
    heard = members.speak({0: spoken(440, seconds=0.6)})
    assert {hertz for hertz in TONES if level_of(heard[1][:1600], hertz) > 3000} == {1300.0}
    assert tones_in(heard[1]) == {440.0}


def test_levels_follow_who_speaks(members: Members) -> None:
    members.join(0, 1)
    members.speak({0: spoken(440, level=8000.0), 1: spoken(440, level=800.0)})
    loud, quiet, absent = (int(row["room_level"]) for row in members.desk.sessions)
    # The mean of a sine's size is 2/π of its amplitude.
    assert abs(loud - 8000 * 2 / np.pi) < 250
    assert abs(quiet - 800 * 2 / np.pi) < 40
    assert absent == 0
    members.join(0, flags=members.c.ROOM_MUTED)
    assert members.desk.sessions[0]["room_level"] == 0


def test_the_rooms_tap_gives_the_sum_of_all(members: Members) -> None:
    members.join(0, 1)
    members.desk.command(members.c.COMMAND_ROOM_TAP, 0, 100, 1)
    members.speak({slot: spoken(TONES[slot]) for slot in range(3)})
    core, c = members.desk.core, members.c
    heads = np.zeros((c.TAPS, c.TAP_WORDS), np.int64)
    audio = np.zeros((c.TAPS, c.TICK_SAMPLES), np.int16)
    count = members.desk.k.ring.take_frames(core["cursors"], core["tap_heads"], core["tap_frames"], heads, audio)
    # The sum of the last tick is given with the next one.
    assert count == 24
    assert {tuple(head[:2]) for head in heads[:count].tolist()} == {(-1, 100)}
    assert tones_in(audio[:count].reshape(-1)) == {440.0, 700.0}
    members.desk.command(members.c.COMMAND_ROOM_TAP, 0, 100, 0)
    members.speak({0: spoken(440)})
    assert members.desk.frames().size == 0


def test_a_member_on_hold_is_silence_and_hears_again_afterwards(members: Members) -> None:
    members.join(0, 1)
    members.speak({0: spoken(440), 1: spoken(700)})
    members.desk.generation = 1
    members.desk.start(0, remote=members.far[0].getsockname(), send=False, receive=False)
    heard = members.speak({0: spoken(440), 1: spoken(700)})
    assert (heard[0].size, tones_in(heard[1])) == (0, set())
    members.desk.generation = 1
    members.desk.start(0, remote=members.far[0].getsockname())
    heard = members.speak({0: spoken(440), 1: spoken(700)})
    assert [tones_in(samples) for samples in heard[:2]] == [{700.0}, {440.0}]


def test_after_a_stall_nothing_old_is_heard(members: Members) -> None:
    members.join(0, 1)
    members.speak({0: spoken(440)})
    members.desk.tick_number += 7
    members.desk.now += 140 * MS
    members.tick({})
    assert not members.heard()[1].any()
