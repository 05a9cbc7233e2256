"""The asyncio half of a recording's tapes: their memory, and who reads from it.

A session has one tape at a time, whoever records it; each reader has a place of its own. The kernel writes to a tape
until it has said that it does not any more, or the session is closed, and so long the memory stays.
"""

from collections.abc import Callable

import numpy as np

from media.kernel import constants as c
from media.kernel.arrays import Samples, Words
from media.kernel.core import Command
from media.kernel.record import frames_taped

CHANNELS = 2

# The kernel's word keeps the number of the last tape of whatever session had the row before: no two are to be alike.
_NUMBERS_BITS = 4
_NUMBER_LIMIT = 2**31 - 1


class _Tape:
    """What the kernel writes: frames received and frames sent, the last five seconds of either."""

    def __init__(self, number: int, taped: Words) -> None:
        self.number = number
        self.audio: Samples = np.zeros((CHANNELS, c.TAPE_FRAMES, c.TICK_SAMPLES), np.int16)
        self._taped = taped
        self._final: int | None = None

    @property
    def count(self) -> int:
        """How many frames there were."""
        return frames_taped(self._taped, self.number) if self._final is None else self._final

    def end(self) -> None:
        """The word that counts is going to be another session's."""
        self._final = self.count


class TapeReader:
    """Takes what a session has received and sent since the last time, beginning with its making."""

    def __init__(self, tape: _Tape, on_close: Callable[["TapeReader"], None]) -> None:
        self._tape = tape
        self._on_close = on_close
        self._next = tape.count

    def take(self) -> Samples:
        """Return `(n, 2) int16` samples at 8 kHz, received and sent. What nobody took in five seconds is silence."""
        tape, first, end = self._tape, self._next, self._tape.count
        self._next = end
        frames: Samples = np.zeros((end - first, c.TICK_SAMPLES, CHANNELS), np.int16)
        kept = range(max(first, end - c.TAPE_FRAMES + 1), end)
        places = np.arange(kept.start, kept.stop) % c.TAPE_FRAMES
        frames[kept.start - first :] = tape.audio[:, places].transpose(1, 2, 0)
        # The kernel has gone on meanwhile.
        torn = tape.count - c.TAPE_FRAMES + 1 - first
        if torn > 0:
            frames[:torn] = 0
        return frames.reshape(-1, CHANNELS)

    def close(self) -> None:
        """Take no more; may be called again."""
        self._on_close(self)


class Tapes:
    """The tapes of one session, whose commands are given to `push`."""

    def __init__(self, slot: int, generation: int, taped: Words, push: Callable[[list[Command]], None]) -> None:
        self._command = (c.COMMAND_TAPE, slot, generation)
        self._first_number = generation << _NUMBERS_BITS
        self._taped = taped
        self._push = push
        self._opened = 0
        self._released = False
        self._tapes: dict[int, _Tape] = {}
        self._readers: set[TapeReader] = set()
        self._current: _Tape

    def open(self) -> TapeReader:
        """Return a new reader."""
        if not self._readers:
            self._begin()
        reader = TapeReader(self._current, self._closed)
        self._readers.add(reader)
        return reader

    def _begin(self) -> None:
        self._opened += 1
        number = (self._first_number + self._opened % (1 << _NUMBERS_BITS)) & _NUMBER_LIMIT
        tape = self._current = _Tape(number, self._taped)
        if self._released:
            tape.end()
            return
        self._tapes[number] = tape
        self._push([(*self._command, number, tape.audio.ctypes.data, c.TAPE_FRAMES)])

    def _closed(self, reader: TapeReader) -> None:
        if reader not in self._readers:
            return
        self._readers.discard(reader)
        if not self._readers and not self._released:
            self._push([(*self._command, self._current.number, 0, 0)])

    def ended(self, number: int) -> None:
        """The kernel does not write to a tape any more."""
        self._tapes.pop(number, None)

    def release(self) -> None:
        """The session is closed."""
        self._released = True
        for tape in self._tapes.values():
            tape.end()
        self._tapes.clear()
