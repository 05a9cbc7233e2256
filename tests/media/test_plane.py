"""The plane as a whole: sessions come and go, deadlines are kept, and everything is given back."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from media import (
    MediaConfig,
    MediaPlane,
    PortsExhausted,
    PromptAudio,
    StreamParameters,
    try_uring,
)
from media import plane as plane_module
from media.kernel import constants
from media.kernel.codecs import decode, encode
from media.plane import RESTING_ROWS
from tests.media.support import Phone, compiled_only, hears, tone

PORTS = (44_000, 44_199)


def ignore(_: object) -> None:
    """Take an event."""


async def started(**changes) -> MediaPlane:
    plane = MediaPlane(MediaConfig(**{"rtp_ports": PORTS, "capacity": 64, **changes}))
    await plane.start()
    return plane


@pytest.fixture
async def plane():
    made = await started()
    yield made
    await made.close()


def parameters(phone: Phone, **changes) -> StreamParameters:
    return StreamParameters(*phone.address, "PCMU", 0, 0, 101, 101, **changes)


async def test_the_priority_that_was_granted_is_told(plane: MediaPlane) -> None:
    await asyncio.sleep(0)
    assert plane.realtime == "SCHED_FIFO 10" or plane.realtime.startswith(("nice -10", "none: "))


@pytest.mark.parametrize(("threads", "uring"), [(1, True), (2, True), (1, False), (2, False)])
async def test_parties_hear_each_other_however_datagrams_go(threads: int, uring: bool) -> None:
    plane = await started(threads=threads, uring=uring)
    phones = [await Phone().open() for _ in range(4)]
    sessions = [plane.open("127.0.0.1", ignore) for _ in phones]
    pitches = (500.0, 800.0, 1100.0, 1400.0)
    for phone, session in zip(phones, sessions, strict=True):
        session.start(parameters(phone))
    for one, other in ((0, 1), (2, 3)):
        sessions[one].hear(sessions[other])
        sessions[other].hear(sessions[one])
    async with asyncio.timeout(10):
        await asyncio.gather(
            *(
                phone.speak(session.local, encode(tone(pitch, 1.0), "PCMU"))
                for phone, session, pitch in zip(phones, sessions, pitches, strict=True)
            )
        )
    for place, phone in enumerate(phones):
        heard = decode(np.frombuffer(b"".join(packet.payload for packet in phone.heard[15:45]), np.uint8), "PCMU")
        party = place ^ 1
        assert hears(heard, pitches[party], tuple(pitch for pitch in pitches if pitch != pitches[party]))
        phone.close()
    told = {"io_uring"} if uring and try_uring() is None else {plane.datagrams}
    assert {core.datagrams for core in plane._cores} == told
    if not uring:
        assert plane.datagrams == "one by one: as configured"
    await plane.close()


async def test_real_time_priority_can_be_left_alone() -> None:
    plane = await started(realtime=False)
    assert plane.realtime == "off"
    await plane.close()


async def test_a_session_has_an_even_port_of_the_range(plane: MediaPlane) -> None:
    session = plane.open("0.0.0.0", ignore)
    assert session.local[0] == "0.0.0.0"
    assert session.local[1] % 2 == 0
    assert PORTS[0] <= session.local[1] < PORTS[1]


async def test_a_port_is_free_again_after_the_close() -> None:
    plane = await started(rtp_ports=(44_200, 44_203))
    first, second = plane.open("127.0.0.1", ignore), plane.open("127.0.0.1", ignore)
    assert plane.statistics().free_ports == 0
    with pytest.raises(PortsExhausted, match="all 2 RTP port pairs"):
        plane.open("127.0.0.1", ignore)
    await first.close()
    assert plane.open("127.0.0.1", ignore).local == first.local
    assert second.local != first.local
    await plane.close()


async def test_a_port_stays_bound_for_a_while_after_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_module, "DRAIN_SECONDS", 0.3)
    plane = await started(rtp_ports=(44_200, 44_203))
    session = plane.open("127.0.0.1", ignore)
    await session.close()
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe, pytest.raises(OSError, match="in use"):
        probe.bind(session.local)
    async with asyncio.timeout(5):
        while plane._draining:
            await asyncio.sleep(0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(session.local)
    await plane.close()


async def test_rows_are_limited_by_the_capacity() -> None:
    plane = await started(capacity=2)
    plane.open("127.0.0.1", ignore)
    session = plane.open("127.0.0.1", ignore)
    with pytest.raises(PortsExhausted, match="all 2 media sessions"):
        plane.open("127.0.0.1", ignore)
    await session.close()
    plane.open("127.0.0.1", ignore)
    await plane.close()


async def test_calls_one_after_the_other_use_few_rows_and_the_same_one_late() -> None:
    plane = await started(capacity=400)
    slots = []
    for _ in range(300):
        session = plane.open("127.0.0.1", ignore)
        slots.append(session.slot)
        await session.close()
    assert set(slots) == set(range(RESTING_ROWS))
    assert slots.index(slots[0], 1) == RESTING_ROWS
    await plane.close()


async def test_a_plane_that_does_not_run_opens_nothing() -> None:
    plane = MediaPlane(MediaConfig(rtp_ports=PORTS, capacity=4))
    with pytest.raises(PortsExhausted, match="not running"):
        plane.open("127.0.0.1", ignore)
    await plane.close()


@pytest.mark.parametrize("address", ["nowhere", "192.0.2.1", ""])
async def test_an_address_that_is_not_ours_is_a_value_error(plane: MediaPlane, address: str) -> None:
    with pytest.raises(ValueError):
        plane.open(address, ignore)
    assert plane.statistics().sessions == 0
    assert plane.statistics().free_ports == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rtp_ports": (10, 5)}, "rtp_ports"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": 10**6}, "capacity"),
        ({"threads": 0}, "threads"),
        ({"threads": 99}, "threads"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
    ],
)
def test_a_configuration_that_cannot_work_names_its_key(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MediaPlane(MediaConfig(**changes))


async def test_closing_the_plane_closes_sessions_threads_and_descriptors() -> None:
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))
    plane = await started()
    playback = None
    for _ in range(20):
        session = plane.open("127.0.0.1", ignore)
        session.start(StreamParameters("127.0.0.1", 9, "PCMU", 0, 0, None, None))
        playback = session.play_silence(10_000)
    await plane.close()
    assert (await playback.wait()).reason == "stopped"
    assert session.closed
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


async def test_sessions_come_and_go_by_the_hundred(plane: MediaPlane) -> None:
    phone = await Phone().open()
    audio = PromptAudio(tone(440, 0.04), "short")
    for _ in range(10):
        sessions = [plane.open("127.0.0.1", ignore) for _ in range(40)]
        playbacks = []
        for session in sessions:
            session.start(parameters(phone))
            playbacks.append(session.play(audio))
        results = await asyncio.gather(*(playback.wait() for playback in playbacks))
        assert {(result.reason, result.played_ms) for result in results} == {("finished", 40)}
        await asyncio.gather(*(session.close() for session in sessions))
    statistics = plane.statistics()
    assert (statistics.sessions, statistics.free_ports, statistics.events_lost) == (0, 100, 0)
    assert statistics.commands_refused == 0
    phone.close()


@compiled_only
async def test_a_busy_python_thread_delays_no_packet(plane: MediaPlane) -> None:
    """The interpreter is kept from everybody else, asyncio included; the kernel keeps its pace."""
    phones = [await Phone().open() for _ in range(4)]
    audio = PromptAudio(tone(440, 30), "long")
    for phone in phones:
        session = plane.open("127.0.0.1", ignore)
        session.start(parameters(phone))
        session.play(audio)
    for phone in phones:
        await phone.hear(5)
    ticks, served = plane.statistics().ticks, [int(session._row["packets_sent"]) for session in plane._sessions[:4]]
    begun = time.monotonic()
    # One call into C that holds the GIL for good: no switch interval helps here.
    data = np.arange(4_000_000)
    while time.monotonic() - begun < 1.0:
        sum(range(2_000_000))
        data.tolist()
    passed = time.monotonic() - begun
    sent = [int(session._row["packets_sent"]) for session in plane._sessions[:4]]
    due = passed * 50
    for before, after in zip(served, sent, strict=True):
        assert after - before >= due * 0.9 - 2
    assert plane.statistics().ticks - ticks >= passed * 200 * 0.9 - 8
    for phone in phones:
        packets = await phone.hear(5 + round(due * 0.9))
        for before, after in itertools.pairwise(packets):
            assert (after.sequence - before.sequence) & 0xFFFF == 1
        phone.close()


async def test_statistics_tell_what_the_plane_did(plane: MediaPlane) -> None:
    phone = await Phone().open()
    session = plane.open("127.0.0.1", ignore)
    session.start(parameters(phone))
    phone.sock.sendto(b"garbage", session.local)
    phone.send(session.local, b"\xff" * 160)
    await phone.hear(10)
    statistics = plane.statistics()
    assert statistics.sessions == 1
    assert statistics.packets_out >= 10
    assert statistics.packets_in == 1
    assert statistics.dropped["malformed"] == 1
    assert sum(statistics.late.values()) == statistics.ticks >= 36
    assert next(iter(statistics.late)) == "<0.25 ms"
    assert statistics.syscalls >= 20
    phone.close()


async def test_a_playing_call_weighs_less_than_its_limit() -> None:
    plane = await started(rtp_ports=(44_300, 44_999), capacity=400)
    audio = PromptAudio(tone(440, 5), "shared")
    audio.encoded("PCMU")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    async def calls(count: int) -> None:
        for _ in range(count):
            session = plane.open("127.0.0.1", ignore)
            session.start(StreamParameters("127.0.0.1", 9, "PCMU", 0, 0, 101, 101))
            session.play(audio, loops=0)
        await asyncio.sleep(0.1)

    await calls(50)
    before = resident()
    await calls(250)
    assert (resident() - before) / 250 < 40_000
    await plane.close()


async def test_what_was_meant_for_the_last_session_of_a_row_does_not_reach_the_next(plane: MediaPlane) -> None:
    frames: list[object] = []
    session = plane.open("127.0.0.1", ignore)
    session.tap(frames.append)
    closing = asyncio.create_task(session.close())
    await asyncio.sleep(0)
    plane._take_event([constants.EVENT_CLOSED, session.slot, session.generation - 1, 0, 0, 0, 0, 0])
    assert not closing.done()
    await asyncio.sleep(0)
    assert plane.statistics().free_ports == 99
    await closing
    other = plane.open("127.0.0.1", ignore)
    other.tap(frames.append)
    plane._take_frame(other.slot, other.generation - 1, 0, 0, np.zeros(160, np.int16))
    assert frames == []
    plane._take_frame(other.slot, other.generation, 0, 0, np.zeros(160, np.int16))
    assert len(frames) == 1


async def test_a_kernel_that_fails_ends_every_session_cleanly(plane: MediaPlane) -> None:
    session = plane.open("127.0.0.1", ignore)
    playback = session.play_silence(1000)
    assert plane.running
    plane._fail(RuntimeError("as if"))
    assert not plane.running
    assert (await playback.wait()).reason == "stopped"
    await session.close()
    with pytest.raises(PortsExhausted):
        plane.open("127.0.0.1", ignore)
