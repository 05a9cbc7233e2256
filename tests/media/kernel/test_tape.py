"""Readers of a session's tapes: what they take, what they miss, and how long the memory stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from media.kernel import constants as c
from media.kernel.core import Command
from media.kernel.tape import Tapes
from tests.media.support import Desk, Kernel, opened_desk

GENERATION = 1


class Deck:
    """A desk whose session sends frames that tell their tick, and its tapes."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.commands: list[Command] = []
        self.tapes = Tapes(0, GENERATION, desk.row["taped"], self._push)
        # Octets of µ-law that tell ten frames apart, round and round.
        self.prompt = np.repeat(np.arange(0, 100, 10, dtype=np.uint8), 160)
        desk.command(c.COMMAND_PLAY, 0, GENERATION, 1, self.prompt.ctypes.data, len(self.prompt), 0, 0, c.NO_GROUP)
        self.values = [int(desk.k.g711.ULAW_TO_LINEAR[octet]) for octet in range(0, 100, 10)]

    def _push(self, commands: list[Command]) -> None:
        self.commands += commands
        for command in commands:
            self.desk.command(*command)

    def told(self) -> None:
        for event in self.desk.events(c.EVENT_TAPE_ENDED):
            self.tapes.ended(event.words[0])

    def sent(self, taken: np.ndarray) -> list[int]:
        """The places in the prompt of the frames taken, -1 for silence."""
        frames = taken[:, 1].reshape(-1, 160)
        assert (frames == frames[:, :1]).all()
        return [self.values.index(value) if value else -1 for value in frames[:, 0].tolist()]


@pytest.fixture
def deck(kernel: Kernel) -> Iterator[Deck]:
    with opened_desk(kernel) as desk:
        yield Deck(desk)


def test_a_reader_takes_every_frame_once_and_in_order(deck: Deck) -> None:
    reader = deck.tapes.open()
    deck.desk.tick(7)
    first = reader.take()
    assert first.shape == (7 * 160, 2)
    assert not reader.take().size
    deck.desk.tick(5)
    assert deck.sent(np.concatenate([first, reader.take()])) == [*range(10), 0, 1]


def test_each_reader_begins_where_it_was_made_and_one_that_ends_leaves_the_others(deck: Deck) -> None:
    early = deck.tapes.open()
    deck.desk.tick(4)
    late = deck.tapes.open()
    deck.desk.tick(2)
    assert deck.sent(late.take()) == [4, 5]
    late.close()
    late.close()
    deck.desk.tick(2)
    assert deck.sent(early.take()) == list(range(8))
    assert [command[0] for command in deck.commands] == [c.COMMAND_TAPE]


def test_what_was_overwritten_is_silence_and_the_rest_in_its_place(deck: Deck) -> None:
    reader = deck.tapes.open()
    deck.desk.tick(c.TAPE_FRAMES + 20)
    sent = deck.sent(reader.take())
    assert sent[:21] == [-1] * 21
    assert sent[21:] == [frame % 10 for frame in range(21, c.TAPE_FRAMES + 20)]


def test_the_memory_stays_until_the_kernel_has_let_go_of_it(deck: Deck) -> None:
    reader = deck.tapes.open()
    memory = weakref.ref(reader._tape.audio)
    deck.desk.tick(3)
    reader.close()
    del reader
    deck.tapes.open().close()
    gc.collect()
    assert memory() is not None
    deck.told()
    gc.collect()
    assert memory() is None


def test_another_tape_after_the_last_reader_begins_empty(deck: Deck) -> None:
    reader = deck.tapes.open()
    deck.desk.tick(3)
    reader.close()
    again = deck.tapes.open()
    deck.desk.tick(2)
    assert deck.sent(again.take()) == [3, 4]
    assert deck.sent(reader.take()) == []


def test_after_the_end_of_the_session_a_reader_has_its_audio_and_a_new_one_has_none(deck: Deck) -> None:
    reader = deck.tapes.open()
    deck.desk.tick(3)
    deck.tapes.release()
    deck.desk.row["taped"][0] = 0
    assert deck.sent(reader.take()) == [0, 1, 2]
    commands = len(deck.commands)
    assert not deck.tapes.open().take().size
    assert len(deck.commands) == commands


def test_the_count_of_another_session_in_the_same_row_is_not_taken_for_its_own(deck: Deck) -> None:
    deck.tapes.open()
    deck.desk.tick(3)
    later = Tapes(0, GENERATION + 1, deck.desk.row["taped"], lambda commands: None)
    assert not later.open().take().size
