"""Few ports for many sessions: real RTP on loopback, where each hears its own far end only or is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from media import MediaConfig, MediaEvent, MediaPlane, MediaSession, PortsExhausted, PromptAudio, StreamParameters
from media.events import Latched
from media.kernel.stream import StreamError
from tests.media.support import Phone, compiled_only, tone
from tests.support.tones import level

FEW = (45_000, 45_003)
LOOPBACK = "127.0.0.1"


def ignore(_: MediaEvent) -> None:
    """Take an event."""


def towards(local: tuple[str, int], **changes: bool) -> StreamParameters:
    return StreamParameters(*local, "PCMU", 0, 0, 101, 101, **changes)


@asynccontextmanager
async def running(ports: tuple[int, int], capacity: int, threads: int = 1) -> AsyncIterator[MediaPlane]:
    plane = MediaPlane(MediaConfig(rtp_ports=ports, capacity=capacity, realtime=False, threads=threads))
    await plane.start()
    try:
        yield plane
    finally:
        await plane.close()


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    async with running(FEW, 100) as made:
        yield made


@pytest.fixture
async def phones() -> AsyncIterator[MediaPlane]:
    async with running((46_000, 47_199), 600) as made:
        yield made


class Ear:
    """What a session receives, as samples."""

    def __init__(self, session: MediaSession) -> None:
        self.frames: list[np.ndarray] = []
        session.tap(lambda frame: self.frames.append(frame.copy()))

    def loudest(self, tones: list[float]) -> list[float]:
        """Which of the tones were there in the last 0.4 s."""
        heard = np.concatenate(self.frames[-20:])
        return [hertz for hertz in tones if level(heard, hertz) > 0.02]


@compiled_only
@pytest.mark.parametrize("threads", [1, 2])
async def test_sixty_calls_on_four_ports_hear_each_its_own_tone(phones: MediaPlane, threads: int) -> None:
    async with running(FEW, 100, threads) as plane:
        await sixty_calls(plane, phones)


async def sixty_calls(plane: MediaPlane, phones: MediaPlane) -> None:
    tones = [320.0 + 50 * number for number in range(60)]
    ears, far_ears = [], []
    for number, hertz in enumerate(tones):
        phone = phones.open(LOOPBACK, ignore)
        found = asyncio.Event()

        def note(event: MediaEvent, found: asyncio.Event = found) -> None:
            if isinstance(event, Latched):
                found.set()

        # Every third is a call of ours, whose far end is not known while it rings.
        known = None if number % 3 == 2 else phone.local
        session = plane.open(LOOPBACK, note, remote=known, seen_from=LOOPBACK)
        phone.start(towards(session.local))
        session.start(towards(phone.local))
        ears.append(Ear(session))
        far_ears.append(Ear(phone))
        phone.play(PromptAudio(tone(hertz, 20), f"{hertz} there"))
        session.play(PromptAudio(tone(tones[number - 1], 20), f"{hertz} back"))
        if known is None:
            await asyncio.wait_for(found.wait(), 5)
    await asyncio.sleep(0.9)
    assert [ear.loudest(tones) for ear in ears] == [[hertz] for hertz in tones]
    assert [ear.loudest(tones) for ear in far_ears] == [[tones[number - 1]] for number in range(60)]
    ports = {session.local[1] for session in plane._sessions if session is not None}
    assert ports == {45_000, 45_002}
    assert plane.statistics().dropped["foreign"] == 0


@compiled_only
async def test_twenty_ports_carry_five_hundred_calls(phones: MediaPlane) -> None:
    async with running((45_000, 45_019), 500) as plane:
        await five_hundred_calls(plane, phones)


async def five_hundred_calls(plane: MediaPlane, phones: MediaPlane) -> None:
    audio = PromptAudio(tone(440, 20), "tone")
    pairs = []
    for _ in range(500):
        phone = phones.open(LOOPBACK, ignore)
        session = plane.open(LOOPBACK, ignore, remote=phone.local, seen_from=LOOPBACK)
        for one, other in ((phone, session), (session, phone)):
            one.start(towards(other.local))
            one.play(audio)
        pairs.append((phone, session))
        if len(pairs) % 50 == 0:
            await asyncio.sleep(0)
    with pytest.raises(PortsExhausted, match="media sessions"):
        plane.open(LOOPBACK, ignore)
    await asyncio.sleep(1.5)
    lost = 0
    for phone, session in pairs:
        heard, far = session.statistics(), phone.statistics()
        assert heard.remote == phone.local
        assert session._row["stream_ssrc"] == phone._row["ssrc"]
        assert phone._row["stream_ssrc"] == session._row["ssrc"]
        assert heard.packets_in > 40
        assert heard.dropped_foreign == far.dropped_foreign == 0
        lost += heard.lost + far.lost
    # Of about 75,000; the machine may have stood still for a moment.
    assert lost < 100
    assert len({session.local[1] for _, session in pairs}) == 10


async def test_where_nothing_tells_two_calls_apart_the_second_is_refused(plane: MediaPlane) -> None:
    phone = await Phone().open()
    first = plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
    first.start(towards(phone.address))
    second = plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
    second.start(towards(phone.address))
    assert first.local != second.local
    with pytest.raises(PortsExhausted, match="all 2 RTP port pairs"):
        plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
    other = await Phone().open()
    third = plane.open(LOOPBACK, ignore, remote=other.address, seen_from=LOOPBACK)
    third.start(towards(other.address))
    # Nor can a call come to share an address that it could not have begun with.
    with pytest.raises(StreamError, match="far end of another call"):
        third.start(towards(phone.address))
    third.start(towards(other.address, send=False))
    await first.close()
    plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
    for one in (phone, other):
        one.close()


async def test_only_one_far_end_of_a_port_can_be_unknown(plane: MediaPlane) -> None:
    ringing = [plane.open(LOOPBACK, ignore) for _ in range(2)]
    with pytest.raises(PortsExhausted):
        plane.open(LOOPBACK, ignore)
    with pytest.raises(PortsExhausted):
        # A phone that may be behind a NAT, as its messages come from elsewhere.
        plane.open(LOOPBACK, ignore, remote=("10.1.2.3", 4000), seen_from="192.0.2.1")
    phone = await Phone().open()
    # What is known to be true needs no port of its own …
    plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
    # … and one that has answered, and was heard from where it said, makes room for the next.
    heard = asyncio.Event()
    ringing[0]._on_event = lambda event: heard.set() if isinstance(event, Latched) else None
    other = await Phone().open()
    ringing[0].start(towards(other.address))
    other.send(ringing[0].local, b"\xff" * 160)
    await asyncio.wait_for(heard.wait(), 5)
    assert plane.open(LOOPBACK, ignore).local == ringing[0].local
    # By now the host is known to say the truth.
    for port in range(5):
        plane.open(LOOPBACK, ignore, remote=(LOOPBACK, 7000 + port))
    for one in (phone, other):
        one.close()


async def test_a_stranger_cannot_speak_into_a_shared_port(plane: MediaPlane) -> None:
    legs = []
    for _ in range(4):
        phone = await Phone().open()
        session = plane.open(LOOPBACK, ignore, remote=phone.address, seen_from=LOOPBACK)
        session.start(towards(phone.address))
        legs.append((phone, session))
    stranger = await Phone().open()
    for _ in range(30):
        for phone, session in legs:
            phone.send(session.local, b"\xff" * 160)
            stranger.send(session.local, b"\x00" * 160)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    for phone, session in legs:
        assert session.statistics().remote == phone.address
        assert session.statistics().packets_in == 30
        phone.close()
    assert plane.statistics().dropped["foreign"] >= 100
    stranger.close()
