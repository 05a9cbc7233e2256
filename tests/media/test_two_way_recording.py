"""Recording both directions to a WAV file, with a session that is a tape and nothing else; and one real session."""

from __future__ import annotations

import asyncio
import threading
import wave
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from media import (
    MediaConfig,
    MediaPlane,
    MediaSession,
    PromptAudio,
    StreamParameters,
    TwoWayRecording,
    finish_left_behind,
)
from media import two_way_recording as module
from media.wav_file import HEADER_BYTES, PART_SUFFIX, WavWriter
from tests.support.tones import level, sine


class Reader:
    """What `TwoWayRecording` uses of a tape: gives what was put in."""

    def __init__(self) -> None:
        self.samples: list[NDArray[np.int16]] = []
        self.open = True

    def take(self) -> NDArray[np.int16]:
        taken, self.samples = self.samples, []
        return np.concatenate(taken) if taken else np.zeros((0, 2), np.int16)

    def close(self) -> None:
        self.open = False


class Line:
    """A session that is a tape."""

    def __init__(self) -> None:
        self.reader = Reader()

    def tape(self) -> Reader:
        return self.reader

    def pass_on(self, left: NDArray[np.int16], right: NDArray[np.int16]) -> None:
        self.reader.samples.append(np.stack([left, right], axis=1))


def channels(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return data[::2], data[1::2]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "one.wav"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.02)


def record(line: Line, path: Path, part: Path | None = None) -> TwoWayRecording:
    return TwoWayRecording(cast(MediaSession, line), path, part)


async def until_written(path: Path, octets: int) -> None:
    async with asyncio.timeout(5):
        while not path.exists() or path.stat().st_size < HEADER_BYTES + octets:
            await asyncio.sleep(0.01)


class TestFile:
    async def test_every_sample_of_both_directions_is_on_its_channel(self, line: Line, path: Path) -> None:
        left, right = sine(440, 1.5), sine(880, 1.5)
        started = record(line, path)
        line.pass_on(left, right)
        whole = await started.stop()
        assert whole is not None
        assert (whole.path, whole.seconds, whole.channels) == (path, 1.5, 2)
        assert whole.size_bytes == path.stat().st_size == HEADER_BYTES + 4 * len(left)
        assert [np.array_equal(*pair) for pair in zip(channels(path), (left, right), strict=True)] == [True, True]
        assert not line.reader.open
        assert await started.stop() == whole
        assert [file.name for file in path.parent.iterdir()] == ["one.wav"]

    async def test_what_is_paused_is_left_out(self, line: Line, path: Path) -> None:
        started = record(line, path)
        line.pass_on(sine(440, 0.5), sine(440, 0.5))
        started.pause()
        line.pass_on(sine(700, 0.5), sine(700, 0.5))
        started.resume()
        line.pass_on(sine(880, 0.5), sine(880, 0.5))
        whole = await started.stop()
        assert whole is not None
        assert whole.seconds == 1.0
        left, _ = channels(path)
        assert np.array_equal(left, np.concatenate([sine(440, 0.5), sine(880, 0.5)]))

    async def test_a_pause_that_keeps_its_time_is_silence_on_both_channels(self, line: Line, path: Path) -> None:
        started = record(line, path)
        line.pass_on(sine(440, 0.5), sine(660, 0.5))
        started.pause(keep_time=True)
        line.pass_on(sine(700, 0.5), sine(700, 0.5))
        started.resume()
        line.pass_on(sine(880, 0.5), sine(990, 0.5))
        whole = await started.stop()
        assert whole is not None
        assert whole.seconds == 1.5
        for samples, before, after in zip(channels(path), (440, 660), (880, 990), strict=True):
            assert np.array_equal(samples, np.concatenate([sine(before, 0.5), np.zeros(4000), sine(after, 0.5)]))

    async def test_nothing_at_all_leaves_no_file(self, line: Line, path: Path) -> None:
        assert await record(line, path).stop() is None
        assert list(path.parent.iterdir()) == []


class TestCrash:
    async def test_what_is_left_behind_can_be_played_and_finished(self, line: Line, path: Path, quick: None) -> None:
        part = path.with_name("left.part")
        started = record(line, path, part)
        for place in range(3):
            line.pass_on(sine(440, 0.5), sine(880, 0.5))
            await until_written(part, (place + 1) * 16000)
            await asyncio.sleep(0.05)
        copy = path.with_name("copy.part")
        copy.write_bytes(part.read_bytes())
        left, right = channels(copy)
        assert len(left) == len(right) == 12000
        finished = path.with_name("finished.wav")
        whole = finish_left_behind(copy, finished)
        assert whole is not None
        assert (whole.seconds, whole.channels, whole.size_bytes) == (1.5, 2, HEADER_BYTES + 48000)
        assert not copy.exists()
        await started.stop()

    def test_samples_beyond_the_header_are_saved_and_half_a_frame_is_not(self, path: Path) -> None:
        writer = WavWriter(path, 2)
        writer.append(np.stack([sine(440, 0.5), sine(880, 0.5)], axis=1))
        with path.open("ab") as file:
            file.write(np.full(10, 5, "<i2").tobytes() + b"\1\2\3")
        whole = finish_left_behind(path, path.with_suffix(".whole"))
        assert whole is not None
        left, right = channels(path.with_suffix(".whole"))
        assert (len(left), left[-1], right[-1]) == (4005, 5, 5)
        assert whole.size_bytes == HEADER_BYTES + 4 * 4005

    def test_a_file_without_a_sample_is_no_recording(self, path: Path) -> None:
        for content in (b"", b"RIFF", None):
            if content is None:
                WavWriter(path)
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            assert finish_left_behind(path, path.with_suffix(".whole")) is None
            assert list(path.parent.iterdir()) == []

    def test_what_is_no_recording_of_ours_stays(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"something else" * 10)
        with pytest.raises(ValueError, match="header"):
            finish_left_behind(path, path.with_suffix(".whole"))
        assert path.exists()


class TestTrouble:
    async def test_a_file_that_cannot_be_made_fails_the_recording(self, line: Line, tmp_path: Path) -> None:
        (tmp_path / "recordings").write_text("in the way")
        started = record(line, tmp_path / "recordings" / "one.wav")
        line.pass_on(sine(440, 0.5), sine(440, 0.5))
        assert await started.stop() is None
        assert started.failed

    async def test_a_write_that_fails_ends_it_without_a_file(
        self, line: Line, path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: WavWriter, samples: Any) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(WavWriter, "append", fail)
        started = record(line, path)
        line.pass_on(sine(440, 0.5), sine(440, 0.5))
        async with asyncio.timeout(5):
            while not started.failed:
                await asyncio.sleep(0.01)
        assert await started.stop() is None
        assert not line.reader.open
        assert list(path.parent.iterdir()) == []

    async def test_audio_is_taken_in_time_while_the_disk_is_slow_and_a_minute_of_it_is_too_much(
        self, line: Line, path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = threading.Event()
        append = WavWriter.append

        def wait(self: WavWriter, samples: Any) -> None:
            free.wait(5)
            append(self, samples)

        monkeypatch.setattr(WavWriter, "append", wait)
        started = record(line, path)
        for _ in range(2):
            line.pass_on(sine(440, 1.0), sine(440, 1.0))
            async with asyncio.timeout(5):
                while line.reader.samples:
                    await asyncio.sleep(0.005)
        assert not started.failed
        line.pass_on(sine(440, 61.0), sine(440, 61.0))
        await asyncio.sleep(0.1)
        free.set()
        assert await started.stop() is None
        assert started.failed
        assert part_files(path) == []


def part_files(path: Path) -> list[str]:
    return [file.name for file in path.parent.iterdir() if file.name.endswith(PART_SUFFIX)]


class TestSession:
    """A real session, spoken to by a real one."""

    @pytest.fixture
    async def plane(self) -> Any:
        plane = MediaPlane(MediaConfig(rtp_ports=(43_200, 43_219), realtime=False))
        await plane.start()
        yield plane
        await plane.close()

    async def test_two_recordings_of_one_session_hold_what_it_heard_and_said(
        self, plane: MediaPlane, tmp_path: Path
    ) -> None:
        ours, theirs = _pair(plane)
        whole = TwoWayRecording(ours, tmp_path / "whole.wav")
        ours.play(PromptAudio(sine(880, 5.0), "880 Hz"))
        theirs.play(PromptAudio(sine(440, 5.0), "440 Hz"))
        await asyncio.sleep(0.6)
        later = TwoWayRecording(ours, tmp_path / "later.wav")
        await asyncio.sleep(0.4)
        short = await later.stop()
        await asyncio.sleep(0.4)
        long = await whole.stop()
        assert short is not None
        assert long is not None
        assert long.seconds > short.seconds + 0.5
        assert 0.2 < short.seconds < 1.0
        for path in (tmp_path / "whole.wav", tmp_path / "later.wav"):
            left, right = channels(path)
            assert level(left[-1600:], 440) > 0.95
            assert level(right[-1600:], 880) > 0.95
        async with asyncio.timeout(5):
            while ours._row["tapped"]:
                await asyncio.sleep(0.01)

    async def test_the_end_of_the_session_loses_nothing_and_a_closed_one_has_no_audio(
        self, plane: MediaPlane, tmp_path: Path
    ) -> None:
        ours, theirs = _pair(plane)
        recording = TwoWayRecording(ours, tmp_path / "one.wav")
        theirs.play(PromptAudio(sine(440, 5.0), "440 Hz"))
        await asyncio.sleep(0.5)
        await ours.close()
        other, _ = _pair(plane)
        other.tape()
        await asyncio.sleep(0.1)
        whole = await recording.stop()
        assert whole is not None
        assert 0.3 < whole.seconds < 0.8
        assert await TwoWayRecording(ours, tmp_path / "none.wav").stop() is None


def _pair(plane: MediaPlane) -> tuple[MediaSession, MediaSession]:
    """Two sessions that talk to each other."""
    sessions = plane.open("127.0.0.1", lambda event: None), plane.open("127.0.0.1", lambda event: None)
    for session, other in (sessions, sessions[::-1]):
        session.start(StreamParameters("127.0.0.1", other.local[1], "PCMU", 0, 0, 101, 101))
    return sessions
