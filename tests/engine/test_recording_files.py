"""What a killed process was recording, at the next start: finished, listed, told of (contract §6.6, §11.6, §13.2)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engine.ids import new_uuid
from engine.model import CallOutcome, NewCall, RecordingSource
from engine.recording_files import RecordingFiles
from engine.webhooks import NewWebhook
from media.wav_file import HEADER_BYTES, WavWriter
from tests.engine.opened import START, Opened, a_call, opened
from tests.support.tones import sine, wav_channels

WRITTEN = datetime(2026, 6, 23, 10, 45, tzinfo=UTC)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as started:
        yield started


async def a_running_call(engine: Opened) -> NewCall:
    call = a_call(engine.workspace_id)
    await engine.records.create(call)
    await engine.records.answered(call.id, call.created_at)
    return call


def left_behind(engine: Opened, call: NewCall, source: RecordingSource = "call", seconds: float = 1.5) -> Path:
    """The file of a recording that was cut off, with two channels."""
    made = RecordingFiles(engine.recordings, engine.records).new(call.id, call.workspace_id, source)
    writer = WavWriter(made.part, 2)
    writer.append(np.stack([sine(440, seconds), sine(880, seconds)], axis=1))
    os.utime(made.part, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    return made.part


async def finish(engine: Opened) -> int:
    return await RecordingFiles(engine.recordings, engine.records).finish_parts(engine.clock.now)


async def events(engine: Opened, call: NewCall) -> list[str]:
    return [entry.type for entry in await engine.records.events(call.workspace_id, call.id)]


async def test_of_a_call_that_is_open_it_is_listed_and_the_terminal_event_tells_of_it(engine: Opened) -> None:
    call = await a_running_call(engine)
    part = left_behind(engine, call, "dial")
    assert await finish(engine) == 1
    (recording,) = await engine.recordings.of_call(call.id)
    path = engine.recordings.path(recording)
    assert part.name == f"{recording.id}.dial.{call.id}.part"
    assert [file.name for file in path.parent.iterdir()] == [f"{recording.id}.wav"]
    left, right = wav_channels(path.read_bytes())
    assert np.array_equal(left, sine(440, 1.5))
    assert np.array_equal(right, sine(880, 1.5))
    assert (recording.source, recording.channels, recording.duration_ms) == ("dial", 2, 1500)
    assert recording.size_bytes == path.stat().st_size == HEADER_BYTES + 4 * len(left)
    assert recording.created_at == WRITTEN
    assert "recording.completed" not in await events(engine, call)
    assert await finish(engine) == 0


async def test_of_a_call_that_has_ended_recording_completed_tells_in_the_same_write(engine: Opened) -> None:
    new = NewWebhook("http://127.0.0.1:9/hook", ("recording.completed",))
    webhook = await engine.webhooks.create(engine.workspace_id, new)
    call = await a_running_call(engine)
    await engine.records.finish(call.id, CallOutcome("answered", "caller", "normal", START))
    left_behind(engine, call)
    assert await finish(engine) == 1
    assert (await events(engine, call))[-1] == "recording.completed"
    (recording,) = await engine.recordings.of_call(call.id)
    (delivery,) = (await engine.deliveries.page(webhook.id, 1, 10)).items
    payload = (await engine.deliveries.get(webhook.id, delivery.id)).payload
    assert payload is not None
    assert (payload["event"], payload["call_id"], payload["recording_id"]) == (
        "recording.completed",
        call.id,
        recording.id,
    )
    assert payload["outcome"] == "answered"
    link = await engine.recordings.payload_link(call.id, recording.id)
    assert link is not None
    assert recording.id in link
    assert await engine.recordings.payload_link(call.id, new_uuid()) is None


async def test_a_file_without_a_sample_goes(engine: Opened) -> None:
    call = await a_running_call(engine)
    part = left_behind(engine, call, seconds=0)
    assert await finish(engine) == 0
    assert not part.exists()
    assert await engine.recordings.of_call(call.id) == []


async def test_what_cannot_be_finished_stays_and_the_rest_is_finished(engine: Opened) -> None:
    call = await a_running_call(engine)
    left_behind(engine, call)
    unknown = a_call(engine.workspace_id)
    strays = [left_behind(engine, unknown), left_behind(engine, unknown).with_name("one.wav.part")]
    strays[1].write_bytes(b"of an older version")
    broken = left_behind(engine, call)
    broken.write_bytes(b"x" * 100)
    other, _ = await engine.other_workspace()
    foreign = left_behind(engine, call)
    moved = engine.recordings.folder / other / foreign.name
    moved.parent.mkdir()
    foreign.rename(moved)
    assert await finish(engine) == 1
    assert all(file.exists() for file in (*strays, broken, moved))
    assert len(await engine.recordings.of_call(call.id)) == 1
