"""Child processes: what they are asked they answer, and whatever becomes of one, the next request has another."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from media.worker.errors import Refused, WorkerBusy, WorkerCrashed, WorkerTimeout, WorkerUnavailable
from media.worker.process import MEBIBYTE, WorkerProcess, WorkerSpec

ROOT = Path(__file__).resolve().parents[2]


def spec(**changes: object) -> WorkerSpec:
    settings: dict[str, object] = {
        "name": "test",
        "entry": "tests.media.worker_entry:handle",
        "request_seconds": 20.0,
        "body_bytes": 8 * MEBIBYTE,
        "reply_bytes": 8 * MEBIBYTE,
        **changes,
    }
    return WorkerSpec(**settings)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def ended(pid: int, seconds: float = 20.0) -> bool:
    """Whether a process, ours or not, ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], seconds)
        return bool(ready)
    finally:
        os.close(descriptor)


def gone(pid: int) -> bool:
    """Whether nothing of a process is left, not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def pid_of(worker: WorkerProcess) -> int:
    return int((await worker.request({"do": "echo"})).header["pid"])


async def test_a_child_starts_with_the_first_request_and_answers_in_another_process() -> None:
    async with WorkerProcess(spec()) as worker:
        assert worker.pid is None
        reply = await worker.request({"do": "echo", "say": "grüß dich"}, b"\0\1\2")
        assert reply.header["said"] == "grüß dich"
        assert reply.body == b"\0\1\2"
        assert reply.header["pid"] == worker.pid != os.getpid()


async def test_bodies_larger_than_any_pipe_go_both_ways() -> None:
    body = os.urandom(5 * MEBIBYTE)
    async with WorkerProcess(spec()) as worker:
        assert (await worker.request({"do": "echo"}, body)).body == body


async def test_requests_made_at_once_are_each_given_their_own_answer() -> None:
    async with WorkerProcess(spec()) as worker:
        replies = await asyncio.gather(*(worker.request({"do": "echo", "say": n}) for n in range(20)))
        assert [reply.header["said"] for reply in replies] == list(range(20))
        assert worker.statistics.children == 1


async def test_a_refused_request_says_why_and_the_child_lives_on() -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        with pytest.raises(Refused, match="not this one"):
            await worker.request({"do": "refuse"})
        assert await pid_of(worker) == first
        assert worker.statistics.refused == 1


async def test_a_fault_in_the_handler_is_not_taken_for_bad_input() -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        with pytest.raises(WorkerCrashed, match="KeyError: 'a fault of ours'"):
            await worker.request({"do": "fail"})
        assert await pid_of(worker) == first


async def test_a_crash_fails_its_own_request_and_those_behind_it_go_to_another_child() -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        crash = asyncio.create_task(worker.request({"do": "die"}))
        behind = [asyncio.create_task(worker.request({"do": "echo", "say": n})) for n in range(3)]
        with pytest.raises(WorkerCrashed, match="was ended by SIGSEGV: last words"):
            await crash
        assert [(await task).header["said"] for task in behind] == [0, 1, 2]
        assert worker.pid != first
        assert gone(first)
        assert (worker.statistics.crashed, worker.statistics.children) == (1, 2)


async def test_a_child_killed_while_idle_costs_no_request() -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        os.kill(first, signal.SIGKILL)
        assert await pid_of(worker) != first
        assert worker.statistics.crashed == 0


async def test_a_request_that_takes_too_long_is_given_up_with_its_child() -> None:
    async with WorkerProcess(spec(request_seconds=1.0)) as worker:
        first = await pid_of(worker)
        slow = asyncio.create_task(worker.request({"do": "hang"}))
        behind = asyncio.create_task(worker.request({"do": "echo", "say": "next"}))
        with pytest.raises(WorkerTimeout, match=r"longer than 1 s"):
            await slow
        assert (await behind).header["said"] == "next"
        assert gone(first)


async def test_a_request_that_uses_too_much_processor_time_is_ended_by_the_kernel() -> None:
    async with WorkerProcess(spec(cpu_seconds=1)) as worker:
        with pytest.raises(WorkerCrashed, match="more than 1 s of processor time"):
            await worker.request({"do": "spin"})
        assert (await worker.request({"do": "echo", "say": "next"})).header["said"] == "next"


async def test_processor_time_is_counted_for_each_request_by_itself() -> None:
    async with WorkerProcess(spec(cpu_seconds=1)) as worker:
        first = await pid_of(worker)
        for _ in range(4):
            await worker.request({"do": "burn", "seconds": 0.6})
        assert await pid_of(worker) == first


async def test_a_request_that_needs_too_much_memory_is_refused_and_the_child_lives_on() -> None:
    async with WorkerProcess(spec(memory_bytes=256 * MEBIBYTE)) as worker:
        first = await pid_of(worker)
        with pytest.raises(Refused, match="more memory"):
            await worker.request({"do": "grow", "size": 512 * MEBIBYTE})
        assert (await worker.request({"do": "grow", "size": MEBIBYTE})).header["size"] == MEBIBYTE
        assert await pid_of(worker) == first


async def test_what_a_library_prints_does_not_get_between_the_frames() -> None:
    async with WorkerProcess(spec()) as worker:
        assert (await worker.request({"do": "print"})).header["read"] == ""
        assert (await worker.request({"do": "echo", "say": "clear"})).header["said"] == "clear"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 64,
        b"\0\0\0\4\0\0\0\0null",
        b"\0\0\0\2\0\0\0\0{}",
        b"\0\0\0\x09\0\0\0\0" + b'{"id":99}',
        b"\0\0\0\x0d\0\0\0\0" + b'{"id":"12345"',
    ],
    ids=["lengths", "not an object", "no id", "another id", "not JSON"],
)
async def test_a_child_that_sends_nonsense_is_replaced(nonsense: bytes) -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        with pytest.raises(WorkerCrashed, match="nonsense"):
            await worker.request({"do": "nonsense"}, nonsense)
        assert await pid_of(worker) != first
        assert gone(first)


async def test_a_reply_longer_than_allowed_is_not_read() -> None:
    async with WorkerProcess(spec(reply_bytes=1000)) as worker:
        assert len((await worker.request({"do": "flood", "size": 1000})).body) == 1000
        with pytest.raises(WorkerCrashed, match="1001 bytes; at most 1000"):
            await worker.request({"do": "flood", "size": 1001})


async def test_a_body_longer_than_allowed_is_refused_without_a_child() -> None:
    async with WorkerProcess(spec(body_bytes=10)) as worker:
        with pytest.raises(Refused, match="11 bytes; at most 10"):
            await worker.request({"do": "echo"}, bytes(11))
        assert worker.pid is None
        assert (await worker.request({"do": "echo"}, bytes(10))).body == bytes(10)


async def test_as_many_requests_wait_as_may_and_no_more() -> None:
    async with WorkerProcess(spec(pending=2)) as worker:
        tasks = [asyncio.create_task(worker.request({"do": "echo", "say": n})) for n in range(3)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[2], WorkerBusy)
        assert [result.header["said"] for result in results[:2]] == [0, 1]  # type: ignore[union-attr]
        assert worker.statistics.turned_away == 1
        assert (await worker.request({"do": "echo", "say": "room again"})).header["said"] == "room again"


async def test_a_caller_who_leaves_does_not_get_the_next_one_a_wrong_answer() -> None:
    async with WorkerProcess(spec()) as worker:
        await pid_of(worker)
        leaving = [asyncio.create_task(worker.request({"do": "echo", "say": n}, bytes(MEBIBYTE))) for n in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        assert (await worker.request({"do": "echo", "say": "mine"})).header["said"] == "mine"
        assert worker.statistics.children == 1


async def test_closing_ends_the_child_and_fails_what_waits() -> None:
    worker = WorkerProcess(spec())
    pid = await pid_of(worker)
    tasks = [asyncio.create_task(worker.request({"do": "hang"})), asyncio.create_task(worker.request({"do": "echo"}))]
    await asyncio.sleep(0)
    await worker.close()
    for task in tasks:
        with pytest.raises(WorkerUnavailable, match="closed"):
            await task
    with pytest.raises(WorkerUnavailable, match="closed"):
        await worker.request({"do": "echo"})
    await worker.close()
    assert gone(pid)
    assert worker.pid is None


async def test_an_idle_child_ends_and_the_next_request_starts_another() -> None:
    async with WorkerProcess(spec(idle_seconds=0.05)) as worker:
        first = await pid_of(worker)
        assert await ended(first)
        assert await pid_of(worker) != first
        assert worker.statistics.children == 2


async def test_a_child_survives_the_signals_that_stop_the_engine() -> None:
    async with WorkerProcess(spec()) as worker:
        first = await pid_of(worker)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(first, number)
        assert await pid_of(worker) == first


async def test_a_child_ends_with_the_engine_even_if_that_is_killed() -> None:
    script = """
import asyncio, sys
from media.worker.process import WorkerProcess
from tests.media.test_worker import spec

async def main():
    worker = WorkerProcess(spec())
    print((await worker.request({"do": "echo"})).header["pid"], file=sys.stderr, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as engine:
        assert engine.stderr is not None
        try:
            pid = int(await asyncio.to_thread(engine.stderr.readline))
        finally:
            engine.kill()
    assert await ended(pid)


async def test_a_child_that_cannot_start_says_why_and_is_not_tried_at_every_request() -> None:
    clock = Clock()
    async with WorkerProcess(spec(entry="tests.media.worker_entry:missing"), clock=clock) as worker:
        with pytest.raises(WorkerUnavailable, match="did not start: ended with status 1: AttributeError"):
            await worker.request({"do": "echo"})
        with pytest.raises(WorkerUnavailable, match=r"AttributeError.*tried again in 0\.5 s"):
            await worker.request({"do": "echo"})
        clock.now += 0.5
        with pytest.raises(WorkerUnavailable) as second:
            await worker.request({"do": "echo"})
        assert "tried again" not in str(second.value)
        with pytest.raises(WorkerUnavailable, match=r"tried again in 1\.0 s"):
            await worker.request({"do": "echo"})


async def test_a_child_is_bounded_has_no_secrets_and_carries_no_media_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYLO_SECURITY__ADMIN_TOKEN", "secret")
    async with WorkerProcess(spec(niceness=5)) as worker:
        process = (await worker.request({"do": "process"})).header
        assert "secret" not in process["environment"].values()
        assert process["limits"] == {"RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
        assert process["nice"] >= 5
        assert process["loaded"] == []
