"""Rooms of sessions on loopback, in real time through the real kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from media import MediaConfig, MediaPlane, MediaSession, PortsExhausted, PromptAudio, StreamParameters
from tests.support.tones import level, sine, tones_in

TONES = (440.0, 700.0, 1000.0, 1300.0)


class Party:
    """A phone that speaks a tone, and the session that it is connected with."""

    def __init__(self, plane: MediaPlane, hertz: float) -> None:
        self.phone = plane.open("127.0.0.1", lambda event: None)
        self.session = plane.open("127.0.0.1", lambda event: None)
        self._heard: list[np.ndarray] = []
        self._changed = asyncio.Event()
        self.phone.tap(self._hear)
        for one, other in ((self.phone, self.session), (self.session, self.phone)):
            one.start(StreamParameters(*other.local, "PCMU", 0, 0, None, None))
        self.phone.play(PromptAudio(sine(hertz, 30.0), f"{hertz} Hz"))

    def _hear(self, frame: np.ndarray) -> None:
        self._heard.append(frame.copy())
        self._changed.set()

    async def hears(self, *tones: float) -> None:
        """Waits until exactly these have been heard for 0.4 s."""
        async with asyncio.timeout(10):
            while len(self._heard) < 20 or tones_in(np.concatenate(self._heard[-20:]), TONES) != set(tones):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    made = MediaPlane(MediaConfig(rtp_ports=(43_200, 43_299), capacity=16))
    await made.start()
    yield made
    await made.close()


async def test_members_hear_each_other_until_they_leave_or_the_room_is_closed(plane: MediaPlane) -> None:
    one, other, third = (Party(plane, hertz) for hertz in TONES[:3])
    room = plane.room()
    for party in (one, other, third):
        party.session.join(room)
    await one.hears(700, 1000)
    await other.hears(440, 1000)
    levels = room.levels()
    assert set(levels) == {one.session, other.session, third.session}
    # The mean of a sine at 0.3 of full scale, in the end.
    assert all(4000 < value < 6500 for value in levels.values()), levels
    third.session.join(room, muted=True)
    await one.hears(700)
    await third.hears(440, 700)
    assert third.session.speaking_level == 0
    other.session.leave()
    await third.hears(440)
    await other.hears()
    await one.session.close()
    assert list(room) == [third.session]
    room.close()
    room.close()
    await third.hears()
    assert (len(room), room.closed) == (0, True)
    other.session.join(room)
    assert len(room) == 0, "nobody enters a room that is closed"


async def test_what_is_said_and_played_in_a_room_can_be_listened_to(plane: MediaPlane) -> None:
    one, other = (Party(plane, hertz) for hertz in TONES[:2])
    room = plane.room()
    frames: list[np.ndarray] = []
    enough = asyncio.Event()

    def hear(frame: np.ndarray) -> None:
        frames.append(frame.copy())
        if len(frames) >= 60:
            enough.set()

    room.tap(hear)
    one.session.join(room)
    other.session.join(room)
    room.play(PromptAudio(sine(1300, 3.0), "tone"))
    await one.hears(700, 1300)
    async with asyncio.timeout(10):
        await enough.wait()
    room.tap(None)
    heard = np.concatenate(frames[-20:])
    assert tones_in(heard, TONES) == {440.0, 700.0, 1300.0}
    assert all(level(heard, hertz) > 0.25 for hertz in (440, 700, 1300))


async def test_a_session_is_in_one_room_at_a_time(plane: MediaPlane) -> None:
    one, other, third = (Party(plane, hertz) for hertz in TONES[:3])
    first, second = plane.room(), plane.room()
    one.session.join(first)
    other.session.join(first)
    third.session.join(second)
    await one.hears(700)
    other.session.join(second)
    await other.hears(1000)
    await one.hears()
    assert (list(first), set(second)) == ([one.session], {other.session, third.session})


async def test_there_are_as_many_rooms_as_sessions_and_their_places_are_used_again(plane: MediaPlane) -> None:
    rooms = [plane.room() for _ in range(16)]
    with pytest.raises(PortsExhausted, match="all 16 rooms are in use"):
        plane.room()
    rooms[3].close()
    assert plane.room().slot == rooms[3].slot


async def test_a_closed_session_joins_nothing(plane: MediaPlane) -> None:
    session: MediaSession = plane.open("127.0.0.1", lambda event: None)
    room = plane.room()
    await session.close()
    session.join(room)
    session.leave()
    assert len(room) == 0
