"""Live sources and listeners through the real kernel, on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import numpy as np
import pytest

from media import LiveSource, MediaConfig, MediaPlane, MediaSession, StreamParameters
from media.kernel import g711
from media.kernel.messages import ENDING
from tests.media.support import Phone, hears, tone


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    made = MediaPlane(MediaConfig(rtp_ports=(43_200, 43_299), capacity=8))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    made = await Phone().open()
    yield made
    made.close()


def started(plane: MediaPlane, phone: Phone) -> MediaSession:
    session = plane.open("127.0.0.1", lambda _: None)
    session.start(StreamParameters(*phone.address, "PCMU", 0, 0, 101, 101))
    return session


def heard(phone: Phone) -> np.ndarray:
    return g711.decode(np.frombuffer(b"".join(packet.payload for packet in phone.heard), np.uint8), "PCMU")


async def reached(source: LiveSource, seconds: float = 10.0) -> None:
    """Returns when everything written so far was sent."""
    event = asyncio.Event()
    source.mark(event.set)
    async with asyncio.timeout(seconds):
        await event.wait()


class TestLiveSource:
    async def test_more_than_the_ring_holds_is_heard_to_the_last_sample_and_marks_come_in_order(
        self, plane: MediaPlane, phone: Phone
    ) -> None:
        session = started(plane, phone)
        # Written before the kernel has opened the session, and more than its ring takes.
        source = session.open_source()
        sound = tone(700, 3.0)
        marks: list[tuple[str, float]] = []
        source.write(sound[:4000])
        source.mark(lambda: marks.append(("half a second", source.seconds)))
        source.write(sound[4000:])
        source.mark(lambda: marks.append(("all", source.seconds)))
        assert source.seconds == pytest.approx(3.0, abs=0.1)
        await reached(source)
        await phone.hear(len(phone.heard) + 1)
        samples = heard(phone)
        first = int(np.flatnonzero(samples)[0])
        expected = g711.decode(g711.encode(sound, "PCMU"), "PCMU")
        start = int(np.flatnonzero(expected)[0])
        assert np.array_equal(samples[first : first + 23_000], expected[start : start + 23_000])
        assert [name for name, _ in marks] == ["half a second", "all"]
        assert 1.5 <= marks[0][1] <= 2.5
        assert marks[1][1] == 0

    async def test_messages_are_heard_in_turn_with_what_is_written_and_refused_whole_where_there_is_no_room(
        self, plane: MediaPlane, phone: Phone
    ) -> None:
        session = started(plane, phone)
        source = session.open_source()
        message = b"<" + base64.b64encode(g711.encode(tone(700, 0.5), "PCMU").tobytes()) + ENDING
        # Before the kernel has opened the session it is somebody else's turn.
        assert not source.write_message(message, 0, len(message), b"<")
        source.write(tone(700, 0.5))
        await phone.hear(10)
        assert not source.write_message(message, 0, len(message), b">")
        for expected in (True, True, True, False):
            assert source.write_message(message, 0, len(message), b"<") is expected
        assert source.seconds == pytest.approx(1.9, abs=0.2)
        source.write(tone(1500, 0.5))
        await reached(source)
        await phone.hear(len(phone.heard) + 1)
        samples = heard(phone)
        first = int(np.flatnonzero(samples)[0])
        assert hears(samples[first : first + 16_000], 700, (1500,))
        assert hears(samples[first + 16_000 : first + 20_000], 1500, (700,))
        source.close()
        assert not source.write_message(message, 0, len(message), b"<")

    async def test_what_is_cleared_is_not_heard_and_its_marks_are_reached_at_once(
        self, plane: MediaPlane, phone: Phone
    ) -> None:
        session = started(plane, phone)
        source = session.open_source()
        source.write(tone(700, 20.0))
        marks: list[str] = []
        source.mark(lambda: marks.append("cleared"))
        await phone.hear(20)
        source.clear()
        assert marks == ["cleared"]
        source.write(tone(1500, 0.5))
        await reached(source, 2.0)
        assert source.seconds == 0
        late = heard(phone)[-4000:]
        assert hears(late[:3200], 1500, (700,))

    async def test_a_closed_source_is_silent_and_gives_place_to_another(self, plane: MediaPlane, phone: Phone) -> None:
        session = started(plane, phone)
        source = session.open_source()
        with pytest.raises(RuntimeError, match="has a live source"):
            session.open_source()
        source.write(tone(700, 5.0))
        marks: list[str] = []
        source.mark(lambda: marks.append("never"))
        await phone.hear(20)
        source.close()
        source.close()
        source.write(tone(700, 1.0))
        again = session.open_source()
        again.write(tone(1500, 0.5))
        await reached(again, 2.0)
        assert marks == []
        assert hears(heard(phone)[-4000:][:3200], 1500, (700,))

    async def test_the_end_of_the_session_is_the_end_of_its_source(self, plane: MediaPlane, phone: Phone) -> None:
        session = started(plane, phone)
        source = session.open_source()
        source.write(tone(700, 5.0))
        await session.close()
        source.write(tone(700, 5.0))
        source.clear()
        late: list[str] = []
        source.mark(lambda: late.append("at once"))
        assert late == ["at once"]
        other = started(plane, phone)
        fresh = other.open_source()
        fresh.write(tone(1500, 0.3))
        await reached(fresh, 2.0)


class TestListeners:
    async def test_several_listen_to_both_directions_and_each_ends_by_itself(
        self, plane: MediaPlane, phone: Phone
    ) -> None:
        session = started(plane, phone)
        got: dict[str, list[tuple[int, np.ndarray]]] = {"one": [], "two": [], "sent": []}
        ends = {
            name: session.listen(lambda frame, tick, name=name: got[name].append((tick, frame)), sent=name == "sent")
            for name in got
        }
        session.open_source().write(tone(1500, 2.0))
        await phone.speak(session.local, g711.encode(tone(700, 0.6), "PCMU"))
        ends["one"]()
        ends["one"]()
        before = len(got["one"])
        await phone.speak(session.local, g711.encode(tone(700, 0.4), "PCMU"))
        assert len(got["one"]) <= before + 1
        assert len(got["two"]) > before + 10
        for name, hertz in (("two", 700), ("sent", 1500)):
            samples = np.concatenate([frame for _, frame in got[name]])
            loud = samples[int(np.flatnonzero(samples)[0]) :][:4000]
            assert hears(loud, hertz, (1500 if hertz == 700 else 700,))
        ticks = [tick for tick, _ in got["sent"]]
        assert ticks == sorted(set(ticks))
        ends["two"]()
        ends["sent"]()
        count = len(phone.heard)
        await phone.hear(count + 5)
        assert (session._row["tapped"], session._row["sent_tapped"]) == (0, 0)
