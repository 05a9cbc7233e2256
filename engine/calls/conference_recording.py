"""The recording of a conference: one file of what is said in its room (contract §10.7).

It runs while somebody is there who has ordered it, and belongs to the call of the last of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.recording_files import RecordingFile
from media import Room, SessionRecording
from voyloml.capabilities import Recorded

if TYPE_CHECKING:
    from engine.calls.conference import Member


class ConferenceRecording:
    """What is recorded of one room, for those who have ordered it."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._for: list[Member] = []
        self._running: tuple[RecordingFile, SessionRecording] | None = None
        self._beginning = asyncio.Lock()

    async def ordered(self, member: Member) -> None:
        """A member wants the room recorded; one whose application forbids it gets no recording."""
        async with self._beginning:
            if self._running is None or not member.recordings.allowed:
                begun = await member.recordings.begin(self._room, "conference")
                if begun is None:
                    return
                self._running = begun
            self._for.append(member)
            if not member.there:
                # The conference ended while the file was being created.
                self.left(member)

    def left(self, member: Member) -> None:
        """A member has left; the recording is over where nobody else has ordered it."""
        if member in self._for:
            self._for.remove(member)
            if not self._for:
                member.recorded = self._finish(member)

    def ended(self, by: Member) -> None:
        """The conference is over: everybody who has ordered the recording gets it."""
        if self._for:
            finishing = self._finish(by if by in self._for else self._for[0])
            for member in self._for:
                member.recorded = finishing
            self._for.clear()

    def _finish(self, owner: Member) -> asyncio.Task[Recorded | None]:
        assert self._running is not None
        running, self._running = self._running, None
        return asyncio.create_task(_keep(owner, *running), name=f"recording {running[0].id}")


async def _keep(owner: Member, made: RecordingFile, audio: SessionRecording) -> Recorded | None:
    file = await audio.stop()
    return None if file is None else await owner.recordings.keep(made, file)
