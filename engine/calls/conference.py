"""`Conference` on live calls: rooms by name within a workspace, and who is in them (contract §10.7).

A conference starts with the first caller who may start it. Until then nobody hears anybody; from then on the media
plane mixes. It ends with the last caller, or with one whose leaving ends it; the next one of that name is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from engine.calls.conference_recording import ConferenceRecording
from engine.calls.speakers import Speakers, SpeechEvent
from engine.calls.status_callback import StatusCallbacks
from engine.ids import new_conference_id
from media import MediaPlane, Room, entry_tone, exit_tone
from voyloml import PlayFile, told
from voyloml.capabilities import ConferenceOrder, Recorded
from voyloml.control import Prompting, PromptItem

if TYPE_CHECKING:
    from engine.calls.call import Call

Prompt = Callable[[Sequence[PromptItem]], Prompting]

_ENTRY_BEEPS: Final = frozenset({"true", "onEnter"})
_EXIT_BEEPS: Final = frozenset({"true", "onExit"})

_SPEECH_WAITING: Final = 50
"""Requests to one URL that may wait for those before them; more of who speaks is left out."""


class ConferenceRooms:
    """Every conference of every workspace. `most` members are in one, whatever a document says."""

    def __init__(self, plane: MediaPlane, callbacks: StatusCallbacks, most: int) -> None:
        self.callbacks = callbacks
        self._plane = plane
        self._most = most
        self._conferences: dict[tuple[str, str], LiveConference] = {}

    def __len__(self) -> int:
        return len(self._conferences)

    async def join(self, call: Call, order: ConferenceOrder, prompt: Prompt) -> Member | None:
        """Puts an answered call into the conference, which is made where there is none; None when it is full.

        `prompt` plays to the caller.
        """
        key = (call.new.workspace_id, order.room)
        conference = self._conferences.get(key)
        if conference is None:
            conference = LiveConference(order.room, self._plane.room(), self.callbacks, lambda: self._end(key))
            self._conferences[key] = conference
        elif len(conference) >= min(order.max_participants, self._most):
            return None
        member = Member(conference, call, order, prompt)
        conference.enter(member)
        call.log("conference_joined", {"room": order.room, "sid": conference.sid, "members": len(conference)})
        if order.record:
            try:
                await conference.recording.ordered(member)
            except asyncio.CancelledError:
                member.part()
                raise
        return member

    def _end(self, key: tuple[str, str]) -> None:
        del self._conferences[key]


class Member:
    """voyloml's `Membership`: a caller in a conference, in its room or waiting for it to start."""

    def __init__(self, conference: LiveConference, call: Call, order: ConferenceOrder, prompt: Prompt) -> None:
        self.call = call
        self.recordings = call.recordings
        self.order = order
        self.recorded: asyncio.Task[Recorded | None] | None = None
        self._conference = conference
        self._prompt = prompt
        self._music: Prompting | None = None

    @property
    def sid(self) -> str:
        """The id of the conference."""
        return self._conference.sid

    @property
    def there(self) -> bool:
        """Whether the caller has not left."""
        return self in self._conference

    async def ended(self) -> None:
        """Returns when the conference has ended for everybody."""
        await self._conference.over.wait()

    async def leave(self) -> Recorded | None:
        """Takes the caller out; the recording, where this was the last caller who had ordered it."""
        self.part()
        return None if self.recorded is None else await asyncio.shield(self.recorded)

    def part(self) -> None:
        """Takes the caller out at once; safe at any time."""
        self._conference.leave(self)

    def wait(self) -> None:
        """Lets the caller hear what is heard by those who are alone."""
        if self.order.wait_sound is not None and self._music is None:
            self._music = self._prompt([PlayFile(self.order.wait_sound, loop=0)])

    def stop_waiting(self) -> None:
        """Somebody is there: the music is over."""
        if self._music is not None:
            self._music.stop()

    def enter(self, room: Room) -> None:
        """Lets the caller hear and, unless muted, be heard in the room."""
        self.call.leg.session.join(room, muted=self.order.muted)

    def go(self) -> None:
        """Lets the caller hear neither room nor music."""
        self.stop_waiting()
        if self.call.leg.has_audio:
            self.call.leg.session.leave()


class LiveConference:
    """One conference. `on_end` is called when it is over."""

    def __init__(self, name: str, room: Room, callbacks: StatusCallbacks, on_end: Callable[[], None]) -> None:
        self.sid = new_conference_id()
        self.over = asyncio.Event()
        self.recording = ConferenceRecording(room)
        self._name = name
        self._room = room
        self._callbacks = callbacks
        self._on_end = on_end
        self._members: list[Member] = []
        self._listeners: dict[tuple[str, str], _Listener] = {}
        self._started_at: float | None = None
        self._speakers = Speakers(room, self._members, self._tell_speech)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    def enter(self, member: Member) -> None:
        """Takes a caller in: to the others once the conference has started, to wait for it before."""
        self._members.append(member)
        self._listen(member)
        self._tell("join", member, {"Muted": _flag(member.order.muted)})
        if self._started_at is not None:
            member.enter(self._room)
        elif member.order.start_on_enter:
            self._start(member)
        together = self._started_at is not None and len(self._members) > 1
        if not together:
            member.wait()
            return
        for one in self._members:
            one.stop_waiting()
        if member.order.beep in _ENTRY_BEEPS:
            self._room.play(entry_tone())

    def _start(self, by: Member) -> None:
        self._started_at = asyncio.get_running_loop().time()
        for member in self._members:
            member.enter(self._room)
        self._tell("start", by, {})

    def leave(self, member: Member) -> None:
        """Takes a caller out, and ends the conference where it was the last one or one who ends it."""
        if member not in self._members:
            return
        if member.order.end_on_exit or len(self._members) == 1:
            self._end(member)
            return
        self._remove(member)
        self.recording.left(member)
        if self._started_at is not None and member.order.beep in _EXIT_BEEPS:
            self._room.play(exit_tone())

    def _remove(self, member: Member) -> None:
        self._members.remove(member)
        member.go()
        self._speakers.left(member)
        self._tell("leave", member, {})

    def _end(self, by: Member) -> None:
        self.recording.ended(by)
        for member in (by, *(other for other in self._members if other is not by)):
            self._remove(member)
        began = self._started_at
        seconds = 0.0 if began is None else asyncio.get_running_loop().time() - began
        self._tell("end", by, {"ConferenceDuration": str(round(seconds))})
        self._on_end()
        self._speakers.close()
        self._room.close()
        self.over.set()

    def _listen(self, member: Member) -> None:
        url = member.order.status_callback
        if url is not None:
            # The same document runs for every caller as a rule; what it wants to know it is told once.
            listener = self._listeners.setdefault((url, member.call.application.id), _Listener(member, url))
            if listener.hears_speech:
                self._speakers.watch()

    def _tell(self, event: str, about: Member, more: dict[str, str]) -> None:
        form = self._form(event, about, more)
        for listener in self._listeners.values():
            listener.tell(self._callbacks, event, about, form)

    def _tell_speech(self, event: SpeechEvent, about: Member, level: float) -> None:
        form = self._form(event, about, {"SpeechLevel": f"{level:.1f}"})
        for listener in self._listeners.values():
            listener.tell_speech(self._callbacks, about, form)

    def _form(self, event: str, about: Member, more: dict[str, str]) -> dict[str, str]:
        return told.of_conference(self.sid, self._name, event, about.call.now(), len(self._members), more)


class _Listener:
    """A URL that is told of a conference, event after event, on behalf of the first member who gave it."""

    def __init__(self, member: Member, url: str) -> None:
        self._member = member
        self._url = url
        self._count = self._waiting = 0
        self._last: asyncio.Task[None] | None = None
        self._speech_logged = False

    @property
    def hears_speech(self) -> bool:
        return "speaker" in self._member.order.status_events

    def tell(self, callbacks: StatusCallbacks, event: str, about: Member, form: dict[str, str]) -> None:
        if event in self._member.order.status_events:
            self._request(callbacks, about, form, logged=True)

    def tell_speech(self, callbacks: StatusCallbacks, about: Member, form: dict[str, str]) -> None:
        if not self.hears_speech:
            return
        if self._waiting >= _SPEECH_WAITING:
            # The number that is missing tells of it.
            self._count += 1
            return
        # The log of a call is bounded: a long conversation must not take the place of everything else.
        self._request(callbacks, about, form, logged=not self._speech_logged)
        self._speech_logged = True

    def _request(self, callbacks: StatusCallbacks, about: Member, form: dict[str, str], *, logged: bool) -> None:
        numbered = {**form, "SequenceNumber": str(self._count)}
        self._count += 1
        self._waiting += 1
        self._last = callbacks.tell(
            self._member.call, "conference", self._url, numbered, about=about.call, after=self._last, logged=logged
        )
        self._last.add_done_callback(self._done)

    def _done(self, _request: asyncio.Task[None]) -> None:
        self._waiting -= 1


def _flag(value: bool) -> str:
    return "true" if value else "false"
