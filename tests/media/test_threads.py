"""Several kernel threads: sessions are spread over them, and bridges and rooms reach across."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from media import MediaConfig, MediaPlane, PromptAudio, StreamParameters
from tests.media.support import compiled_only
from tests.support.tones import level, sine, tones_in

TONES = (440.0, 700.0, 1000.0, 1300.0)
BEEP = 2000.0


class Party:
    """A phone on a plane of its own that speaks a tone, and the session that it is connected with."""

    def __init__(self, plane: MediaPlane, phones: MediaPlane, hertz: float) -> None:
        self.hertz = hertz
        self.phone = phones.open("127.0.0.1", lambda _: None)
        self.session = plane.open("127.0.0.1", lambda _: None)
        self.frames: list[np.ndarray] = []
        self._changed = asyncio.Event()
        self.phone.tap(self._hear)
        for one, other in ((self.phone, self.session), (self.session, self.phone)):
            one.start(StreamParameters(*other.local, "PCMU", 0, 0, None, None))
        self.phone.play(PromptAudio(sine(hertz, 30.0), f"{hertz} Hz"))

    def _hear(self, frame: np.ndarray) -> None:
        self.frames.append(frame.copy())
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, *tones: float) -> None:
        """Waits until exactly these have been heard for 0.4 s."""
        await self.until(
            lambda: len(self.frames) >= 20 and tones_in(np.concatenate(self.frames[-20:]), (*TONES, BEEP)) == set(tones)
        )

    async def hears_without_a_gap(self, hertz: float, seconds: float) -> None:
        """Every 20 ms from now on hold the tone at full level."""
        begun, count = len(self.frames), round(seconds * 50)
        await self.until(lambda: len(self.frames) >= begun + count)
        assert min(level(frame, hertz) for frame in self.frames[begun : begun + count]) > 0.2


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    made = MediaPlane(MediaConfig(rtp_ports=(43_200, 43_299), capacity=16, threads=2, realtime=False))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def parties(plane: MediaPlane) -> AsyncIterator[list[Party]]:
    phones = MediaPlane(MediaConfig(rtp_ports=(43_300, 43_399), capacity=16, realtime=False))
    await phones.start()
    yield [Party(plane, phones, hertz) for hertz in TONES]
    await phones.close()


@compiled_only
async def test_two_calls_on_different_threads_hear_each_other_until_they_are_parted(parties: list[Party]) -> None:
    one, other, third, fourth = parties
    assert [party.session.core.index for party in parties] == [0, 1, 0, 1], "sessions go where there are fewest"
    one.session.hear(other.session)
    other.session.hear(one.session)
    third.session.hear(other.session)
    await one.hears(other.hertz)
    await third.hears(other.hertz)
    await other.hears(one.hertz)
    await asyncio.gather(one.hears_without_a_gap(other.hertz, 1.0), other.hears_without_a_gap(one.hertz, 1.0))
    assert other.session._row["hearers"] == 2
    one.session.hear(third.session)
    third.session.hear(None)
    await one.hears(third.hertz)
    await third.hears()
    assert other.session._row["hearers"] == 0
    other.session.hear(fourth.session)
    await other.hears(fourth.hertz)
    fourth.session.hear(one.session)
    await fourth.hears(one.hertz)
    await one.session.close()
    await fourth.hears()


@compiled_only
async def test_a_room_has_members_on_two_threads(plane: MediaPlane, parties: list[Party]) -> None:
    room = plane.room()
    heard: list[np.ndarray] = []
    room.tap(lambda frame: heard.append(frame.copy()))
    for party in parties[1:]:
        party.session.join(room)
    for party in parties[1:]:
        await party.hears(*(other.hertz for other in parties[1:] if other is not party))
    parties[0].session.join(room)
    for party in parties:
        await party.hears(*(other.hertz for other in parties if other is not party))
    assert tones_in(np.concatenate(heard[-20:]), TONES) == set(TONES)
    room.play(PromptAudio(sine(BEEP, 5.0), "beep"))
    await parties[0].hears(*TONES[1:], BEEP)
    await parties[1].hears(TONES[0], *TONES[2:], BEEP)
    # Those of one thread are gone: the others go on, and so does whoever listens.
    for party in (parties[1], parties[3]):
        party.session.leave()
    count = len(heard)
    await parties[0].hears(TONES[2])
    await parties[2].hears(TONES[0])
    await parties[1].hears()
    assert len(heard) > count
    assert tones_in(np.concatenate(heard[-15:]), TONES) == {TONES[0], TONES[2]}
    room.close()
    await parties[0].hears()
