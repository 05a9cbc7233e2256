"""A room of media sessions that all hear each other, and nobody itself (contract §10.7).

Made by `MediaPlane.room`; sessions enter with `MediaSession.join`. A room that nobody is in costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from media.kernel import constants as c
from media.kernel.core import MediaCore
from media.prompt import PromptAudio

if TYPE_CHECKING:
    from media.session import MediaSession, TapListener

_log = logging.getLogger(__name__)


class Room:
    """Who is in it, what all of them hear, and what is said there. Ends with `close`."""

    def __init__(
        self, cores: Sequence[MediaCore], slot: int, generation: int, on_closed: Callable[[Room], None]
    ) -> None:
        self.slot = slot
        self.generation = generation
        self.closed = False
        self._cores = cores
        # Where tones are played and the room is listened to: the thread of a member, while there are any.
        self._home = cores[0]
        self._on_closed = on_closed
        self._members: set[MediaSession] = set()
        self._listener: TapListener | None = None
        # What the kernel may be reading, for as long as the room's place is not another's.
        self._tones: dict[int, PromptAudio] = {}
        for core in cores:
            self._command(core, c.COMMAND_ROOM_OPEN, len(cores), slot, core.capacity)

    def __repr__(self) -> str:
        return f"<Room {self.slot} of {len(self._members)}>"

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[MediaSession]:
        return iter(tuple(self._members))

    def row_on(self, core: MediaCore) -> int:
        """The row of the room's part on a core."""
        return core.first_slot + self.slot

    def _command(self, core: MediaCore, kind: int, *arguments: int) -> None:
        if not self.closed:
            core.push([(kind, self.row_on(core), self.generation, *arguments)])

    def play(self, audio: PromptAudio) -> None:
        """Let everybody in the room hear audio once, mixed with what is said; it ends audio that is still played."""
        self._tones[id(audio)] = audio
        self._command(self._home, c.COMMAND_ROOM_TONE, audio.samples.ctypes.data, len(audio.samples))

    def tap(self, listener: TapListener | None) -> None:
        """Give what is said in the room, tones included, to a listener, as `MediaSession.tap` does; None ends it.

        While nobody is in the room there are no frames.
        """
        self._listener = listener
        self._command(self._home, c.COMMAND_ROOM_TAP, 0 if listener is None else 1)

    def levels(self) -> dict[MediaSession, int]:
        """How loud each member speaks: the mean size of its samples over the last 160 ms, 0 to 32768."""
        return {session: session.speaking_level for session in self._members}

    def close(self) -> None:
        """Put everybody out. Safe more than once."""
        if self.closed:
            return
        for session in self:
            session.leave()
        self.tap(None)
        self.closed = True
        self._on_closed(self)

    def entered(self, session: MediaSession) -> None:
        """Note a member; called by the session."""
        if not self._members:
            self._move_home(session.core)
        self._members.add(session)

    def left(self, session: MediaSession) -> None:
        """Note that a member is gone; called by the session."""
        self._members.discard(session)
        if self._members and all(member.core is not self._home for member in self._members):
            self._move_home(next(iter(self._members)).core)

    def _move_home(self, core: MediaCore) -> None:
        if core is self._home:
            return
        listener = self._listener
        self.tap(None)
        self._home = core
        self.tap(listener)

    def take_frame(self, samples: npt.NDArray[np.int16]) -> None:
        """Give a frame to the listener; called by the plane."""
        if self._listener is None:
            return
        try:
            self._listener(samples)
        except Exception:
            _log.exception("the listener of %r failed", self)
