"""SRTP sessions of the real kernel: heard both ways, rotated while they speak, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from media import SRTP_SUITES, MediaConfig, MediaPlane, MediaSession, PromptAudio, SrtpParameters, StreamParameters
from media.kernel.keys import SUITES
from tests.media.srtp_support import count_contexts
from tests.media.support import hears, rtp, tone

PORTS = (43_300, 43_699)


@pytest.fixture
async def plane() -> AsyncIterator[MediaPlane]:
    started = MediaPlane(MediaConfig(rtp_ports=PORTS, capacity=256, realtime=False))
    await started.start()
    yield started
    await started.close()


def keys(suite: str = SRTP_SUITES[0]) -> tuple[SrtpParameters, SrtpParameters]:
    """New keys, as either side has them."""
    one, other = (os.urandom(SUITES[suite].key_octets) for _ in range(2))
    return SrtpParameters(suite, one, other), SrtpParameters(suite, other, one)


def start(session: MediaSession, to: tuple[str, int], srtp: SrtpParameters | None) -> None:
    session.start(StreamParameters(*to, "PCMU", 0, 0, 101, 101, srtp=srtp))


class Pair:
    """Two sessions that speak a tone each, and what each of them hears."""

    def __init__(self, plane: MediaPlane) -> None:
        self.sessions = [plane.open("127.0.0.1", lambda _: None) for _ in range(2)]
        self.heard: list[list[np.ndarray]] = [[], []]
        for session, heard, hertz in zip(self.sessions, self.heard, (440, 1000), strict=True):
            session.tap(heard.append)
            session.play(PromptAudio(tone(hertz, 1), f"{hertz} Hz"), loops=0)

    def start(self, ones: SrtpParameters | None, others: SrtpParameters | None) -> None:
        one, other = self.sessions
        start(one, other.local, ones)
        start(other, one.local, others)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.02)

    def hear_each_other(self, frames: int = 20) -> bool:
        return all(
            len(heard) >= frames and hears(np.concatenate(heard[-frames:]), hertz)
            for heard, hertz in zip(self.heard, (1000, 440), strict=True)
        )

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()


@pytest.mark.parametrize("suite", SRTP_SUITES)
async def test_both_sides_hear_each_other_and_go_on_through_a_change_of_keys(plane: MediaPlane, suite: str) -> None:
    pair = Pair(plane)
    pair.start(*keys(suite))
    await pair.until(pair.hear_each_other)
    for heard in pair.heard:
        heard.clear()
    before = [session.statistics() for session in pair.sessions]
    pair.start(*keys(suite))
    await pair.until(lambda: pair.hear_each_other(50))
    for session, earlier in zip(pair.sessions, before, strict=True):
        statistics = session.statistics()
        assert statistics.packets_in > earlier.packets_in + 40
        # What was on its way while one side alone had the new keys, and nothing else.
        assert statistics.lost == statistics.dropped["authentication"] <= 5
        assert not statistics.dropped["replay"]
    await pair.close()


async def test_one_side_without_the_key_is_not_heard_but_counted(plane: MediaPlane) -> None:
    pair = Pair(plane)
    pair.start(keys()[0], keys()[1])
    one, other = pair.sessions
    await pair.until(lambda: one.statistics().dropped["authentication"] > 20)
    assert (one.statistics().packets_in, one.statistics().remote) == (0, None)
    assert not np.concatenate(pair.heard[0]).any()
    start(other, one.local, None)
    before = one.statistics().dropped["authentication"]
    await pair.until(lambda: one.statistics().dropped["authentication"] > before + 20)
    assert one.statistics().packets_in == 0
    await pair.close()


async def test_contexts_of_ended_sessions_are_freed(plane: MediaPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = count_contexts(monkeypatch)
    for _ in range(10):
        sessions = [plane.open("127.0.0.1", lambda _: None) for _ in range(100)]
        for session in sessions:
            start(session, ("127.0.0.1", 9), keys()[0])
        assert len(alive) == 200
        await asyncio.sleep(0.03)
        await asyncio.gather(*(session.close() for session in sessions))
        assert alive == set()


async def test_contexts_that_were_rotated_away_are_freed_while_the_session_goes_on(
    plane: MediaPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = count_contexts(monkeypatch)
    session = plane.open("127.0.0.1", lambda _: None)
    most = 0
    for _ in range(60):
        start(session, ("127.0.0.1", 9), keys()[0])
        most = max(most, len(alive))
        await asyncio.sleep(0.025)
    # Two in use, the far end's old key, and what is told of twice a second.
    assert most <= 60
    async with asyncio.timeout(10):
        while len(alive) > 2:
            await asyncio.sleep(0.05)
    start(session, ("127.0.0.1", 9), None)
    async with asyncio.timeout(10):
        while alive:
            await asyncio.sleep(0.05)
    await session.close()


async def test_a_plane_that_fails_frees_them_as_well(plane: MediaPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = count_contexts(monkeypatch)
    session = plane.open("127.0.0.1", lambda _: None)
    start(session, ("127.0.0.1", 9), keys()[0])
    await plane.close()
    assert alive == set()
    start(session, ("127.0.0.1", 9), keys()[0])
    assert alive == set()


async def test_packets_of_a_stranger_move_nothing(plane: MediaPlane) -> None:
    pair = Pair(plane)
    pair.start(*keys())
    await pair.until(pair.hear_each_other)
    one = pair.sessions[0]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=one.local
    )
    for number in range(200):
        transport.sendto(rtp(number, number * 160))
    await pair.until(lambda: one.statistics().dropped["authentication"] >= 200)
    for heard in pair.heard:
        heard.clear()
    await pair.until(lambda: pair.hear_each_other(50))
    assert one.statistics().remote == pair.sessions[1].local
    assert (one.statistics().lost, one.statistics().dropped_foreign) == (0, 0)
    transport.close()
    await pair.close()
