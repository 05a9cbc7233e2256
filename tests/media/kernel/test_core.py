"""The thread and its rings as asyncio uses them."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
import time

import numpy as np
import pytest

from media.kernel import constants as c
from media.kernel import core as under_test
from media.kernel.core import MediaCore


class Owner:
    """Keeps what a core tells."""

    def __init__(self) -> None:
        self.events: list[list[int]] = []
        self.frames: list[tuple[int, int, np.ndarray]] = []
        self.failures: list[BaseException | None] = []
        self.changed = asyncio.Event()

    def on_event(self, event: list[int]) -> None:
        self.events.append(event)
        self.changed.set()

    def on_frame(self, *frame) -> None:
        self.frames.append(frame)
        self.changed.set()

    async def until(self, condition) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture
async def owner() -> Owner:
    return Owner()


@pytest.fixture
async def core(owner: Owner):
    made = MediaCore(
        64, realtime=False, on_event=owner.on_event, on_frame=owner.on_frame, on_failure=owner.failures.append
    )
    await made.start()
    yield made
    await made.close()


def open_command(slot: int, generation: int) -> tuple[int, ...]:
    return (c.COMMAND_OPEN, slot, generation, -1, -1, 1, 2, 3, 60 * c.NANOSECONDS, 0, 0)


async def test_a_session_opens_and_closes(core: MediaCore, owner: Owner) -> None:
    core.push([open_command(5, 1)])
    core.push([(c.COMMAND_CLOSE, 5, 1)])
    await owner.until(lambda: owner.events)
    (event,) = owner.events
    assert event[:3] == [c.EVENT_CLOSED, 5, 1]
    assert abs(event[3] - time.monotonic_ns()) < 10 * c.NANOSECONDS


async def test_more_commands_than_the_ring_holds_arrive_in_order(core: MediaCore, owner: Owner) -> None:
    for generation in range(1, 3000):
        core.push([open_command(7, generation), (c.COMMAND_CLOSE, 7, generation)])
    await owner.until(lambda: len(owner.events) == 2999)
    assert [event[2] for event in owner.events] == list(range(1, 3000))
    assert core.row["commands_refused"] == 0


async def test_an_idle_kernel_uses_no_cpu(core: MediaCore) -> None:
    ticks = int(core.row["ticks"])
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.sleep(0.5)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert core.row["ticks"] == ticks
    assert used < 0.1


async def test_a_kernel_goes_back_to_sleep_after_its_last_session(core: MediaCore, owner: Owner) -> None:
    core.push([open_command(1, 1)])
    while core.row["ticks"] < 10:
        await asyncio.sleep(0.01)
    core.push([(c.COMMAND_CLOSE, 1, 1)])
    await owner.until(lambda: owner.events)
    ticks = int(core.row["ticks"])
    await asyncio.sleep(0.1)
    assert core.row["ticks"] <= ticks + 1


async def test_frames_arrive_whole_and_may_be_kept(core: MediaCore, owner: Owner) -> None:
    core.push([open_command(2, 1)])
    start = [0] * 17
    start[6:8] = (0, 0xFF)
    # Codec PCMU, receiving, and a listener: silence every 20 ms.
    core.push(
        [
            (c.COMMAND_START, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0, -1, -1, 8000, 160, 0, 1, 0),
            (c.COMMAND_TAP, 2, 1, 1),
        ]
    )
    await owner.until(lambda: len(owner.frames) >= 5)
    for slot, generation, track, _, samples in owner.frames:
        assert (slot, generation, track) == (2, 1, c.TRACK_RECEIVED)
        assert samples.shape == (160,)
        assert samples.dtype == np.int16
        assert not samples.any()
    ticks = [tick for _, _, _, tick, _ in owner.frames]
    assert ticks == sorted(set(ticks))


async def test_two_cores_live_beside_each_other(owner: Owner, core: MediaCore) -> None:
    other_owner = Owner()
    other = MediaCore(
        4, realtime=False, on_event=other_owner.on_event, on_frame=other_owner.on_frame, on_failure=lambda _: None
    )
    await other.start()
    other.push([open_command(0, 1), (c.COMMAND_CLOSE, 0, 1)])
    await other_owner.until(lambda: other_owner.events)
    assert owner.events == []
    await other.close()


async def test_closing_ends_the_thread_and_its_descriptors(owner: Owner) -> None:
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))
    core = MediaCore(
        4, realtime=False, on_event=owner.on_event, on_frame=owner.on_frame, on_failure=owner.failures.append
    )
    await core.start()
    await core.close()
    await core.close()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before
    assert owner.failures == []


async def test_a_core_starts_once(core: MediaCore) -> None:
    with pytest.raises(RuntimeError, match="starts once"):
        await core.start()


async def test_a_core_that_never_started_closes(owner: Owner) -> None:
    core = MediaCore(4, realtime=False, on_event=owner.on_event, on_frame=owner.on_frame, on_failure=lambda _: None)
    await core.close()


async def test_a_thread_that_ends_unasked_is_told(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = under_test.run

    def fail(*arguments) -> None:
        real(*arguments)
        raise MemoryError("no room")

    monkeypatch.setattr(under_test, "run", fail)
    core = MediaCore(
        4, realtime=False, on_event=owner.on_event, on_frame=owner.on_frame, on_failure=owner.failures.append
    )
    await core.start()
    core.push([(c.COMMAND_SHUTDOWN,)])
    while not owner.failures:
        await asyncio.sleep(0.01)
    assert isinstance(owner.failures[0], MemoryError)
    assert "the media thread ended" in caplog.text
    await core.close()


async def test_a_thread_that_cannot_start_is_an_error(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no compiler")

    monkeypatch.setattr(under_test, "warm_up", fail)
    core = MediaCore(
        4, realtime=False, on_event=owner.on_event, on_frame=owner.on_frame, on_failure=owner.failures.append
    )
    with pytest.raises(RuntimeError, match="could not start"):
        await core.start()
    await core.close()
