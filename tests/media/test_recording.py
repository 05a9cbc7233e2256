"""Recording a session to a WAV file, with a session that is a tap and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from media import MediaSession, SessionRecording, recording, wav_file
from media.recording import FRAMES_PER_SECOND, MARGIN_FRAMES, WAITING_FRAMES
from media.wav_file import HEADER_BYTES, PART_SUFFIX, WavWriter
from tests.media.sounds import audio_file, shared_files
from tests.support.tones import level, read_wav, sine, wav_samples

FRAME = 160
Listener = Callable[[NDArray[np.int16]], None]


class Line:
    """What `SessionRecording` uses of a session; `hear` gives the tap a sound frame by frame."""

    def __init__(self) -> None:
        self.listener: Listener | None = None

    def tap(self, listener: Listener | None) -> None:
        self.listener = listener

    def hear(self, samples: NDArray[np.int16]) -> None:
        shared = np.empty(FRAME, np.int16)
        for at in range(0, len(samples), FRAME):
            shared[:] = samples[at : at + FRAME]
            if self.listener is not None:
                self.listener(shared)


def silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * 8000), np.int16)


async def begin(line: Line, path: Path, **options: Any) -> SessionRecording:
    return await SessionRecording.begin(cast(MediaSession, line), path, **options)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "one.wav"


class TestWavFile:
    async def test_every_sample_that_was_heard_is_in_the_file(self, line: Line, path: Path) -> None:
        sound = sine(440, 1.5)
        started = await begin(line, path)
        line.hear(sound)
        whole = await started.stop()
        samples, rate = read_wav(path)
        assert rate == 8000
        assert np.array_equal(samples, sound)
        assert whole is not None
        assert (whole.path, whole.seconds) == (path, 1.5)
        assert whole.size_bytes == path.stat().st_size == HEADER_BYTES + 2 * len(sound)

    async def test_what_a_killed_process_leaves_behind_can_be_played(
        self, line: Line, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = asyncio.Event()
        loop = asyncio.get_running_loop()
        append = WavWriter.append

        def tell(self: WavWriter, samples: NDArray[np.int16]) -> None:
            append(self, samples)
            loop.call_soon_threadsafe(written.set)

        monkeypatch.setattr(WavWriter, "append", tell)
        monkeypatch.setattr(recording, "WRITE_SECONDS", 0.02)
        started = await begin(line, path)
        sound = sine(440, 1.0)
        for part in (sound[:4000], sound[4000:]):
            line.hear(part)
            written.clear()
            await written.wait()
        left, _ = read_wav(path.with_name(path.name + PART_SUFFIX))
        assert np.array_equal(left, sound)
        assert not path.exists(), "it has its own name only when it is whole"
        await started.stop()
        assert [file.name for file in path.parent.iterdir()] == ["one.wav"]

    def test_the_header_never_promises_more_than_there_is(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = WavWriter(path)
        writer.append(sine(440, 0.5))
        monkeypatch.setattr(writer, "_write_header", lambda octets: None)
        writer.append(sine(440, 0.5))
        samples, _ = read_wav(path)
        assert len(samples) == 4000, "cut off between the samples and the header, the file ends before them"
        writer.discard()
        assert not path.exists()


class TestTrimming:
    async def test_silence_at_both_ends_is_left_out_but_for_a_margin(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        for part in (silence(2), sine(440, 1.0), silence(1), sine(880, 1.0), silence(3)):
            line.hear(part)
        whole = await started.stop(trim=True)
        samples, _ = read_wav(path)
        assert whole is not None
        assert whole.seconds == len(samples) / 8000 == pytest.approx(3.2)
        assert not samples[:800].any()
        assert not samples[-800:].any()
        assert level(samples[800:8800], 440) > 0.95, "the silence between stays where it is"
        assert level(samples[-8800:-800], 880) > 0.95

    async def test_the_shared_message_keeps_its_words_and_the_pause_between_them(self, line: Line, path: Path) -> None:
        said, _ = wav_samples(audio_file("record_trim.wav"))
        expected = shared_files()["record_trim.wav"]["expected"]["trimmed_seconds"]
        started = await begin(line, path)
        line.hear(said[: len(said) // FRAME * FRAME])
        whole = await started.stop(trim=True)
        assert whole is not None
        assert abs(whole.seconds - 2 * MARGIN_FRAMES / FRAMES_PER_SECOND - expected) <= 0.05

    async def test_a_recording_longer_than_a_block_is_trimmed_whole(
        self, line: Line, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wav_file, "_MOVED_AT_ONCE", 1000)
        started = await begin(line, path)
        sound = sine(440, 2.0)
        line.hear(np.concatenate([silence(1), sound]))
        await started.stop(trim=True)
        samples, _ = read_wav(path)
        assert np.array_equal(samples[800:], sound)

    async def test_without_trimming_everything_stays(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        line.hear(np.concatenate([silence(2), sine(440, 1.0)]))
        whole = await started.stop()
        assert whole is not None
        assert whole.seconds == 3.0

    @pytest.mark.parametrize(("seconds", "kept"), [(0.0, False), (0.48, False), (0.5, True)])
    async def test_what_has_too_little_sound_leaves_no_file(
        self, line: Line, path: Path, seconds: float, kept: bool
    ) -> None:
        started = await begin(line, path)
        line.hear(np.concatenate([silence(1), sine(440, seconds), silence(1)]))
        assert (await started.stop(least=0.5) is not None) is kept
        assert len(list(path.parent.iterdir())) == kept


class TestSilence:
    async def test_it_is_told_after_as_much_of_it_in_a_row_as_ordered(self, line: Line, path: Path) -> None:
        started = await begin(line, path, silence=2)
        waiting = asyncio.ensure_future(started.silent())
        for part in (silence(1.9), sine(440, 0.1), silence(1.98)):
            line.hear(part)
        await asyncio.sleep(0)
        assert not waiting.done()
        line.hear(silence(0.02))
        await asyncio.wait_for(waiting, 1)
        await started.stop()

    async def test_none_is_ever_enough_where_none_was_ordered(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        waiting = asyncio.ensure_future(started.silent())
        line.hear(silence(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await started.stop()


class TestPause:
    async def test_what_is_heard_in_a_pause_is_left_out(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        line.hear(sine(440, 0.5))
        started.pause()
        line.hear(sine(880, 0.5))
        started.resume()
        line.hear(sine(440, 0.5))
        await started.stop()
        samples, _ = read_wav(path)
        assert len(samples) == 8000
        assert level(samples, 880) < 0.01

    async def test_a_pause_that_keeps_its_time_is_silence_that_ends_nothing(self, line: Line, path: Path) -> None:
        started = await begin(line, path, silence=0.5)
        line.hear(sine(440, 0.5))
        started.pause(keep_time=True)
        line.hear(sine(880, 1.0))
        waiting = asyncio.ensure_future(started.silent())
        await asyncio.sleep(0)
        assert not waiting.done()
        started.resume()
        line.hear(sine(440, 0.5))
        line.hear(silence(0.5))
        await waiting
        whole = await started.stop(trim=True, least=0.5)
        assert whole is not None
        assert whole.seconds == 2.1
        samples, _ = read_wav(path)
        expected = np.concatenate([sine(440, 0.5), silence(1.0), sine(440, 0.5), silence(0.1)])
        assert np.array_equal(samples, expected)

    async def test_what_is_heard_in_a_pause_is_not_audible(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        started.pause(keep_time=True)
        line.hear(sine(880, 1.0))
        assert await started.stop(trim=True, least=0.5) is None


class TestTrouble:
    async def test_stopping_again_gives_the_same_and_a_cancelled_wait_loses_nothing(
        self, line: Line, path: Path
    ) -> None:
        started = await begin(line, path)
        line.hear(sine(440, 1.0))
        waiting = asyncio.ensure_future(started.stop())
        await asyncio.sleep(0)
        waiting.cancel()
        whole = await started.stop()
        assert whole is not None
        assert whole is await started.stop()
        assert line.listener is None

    async def test_a_disk_that_fails_ends_it_without_a_file(
        self, line: Line, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: WavWriter, samples: NDArray[np.int16]) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(WavWriter, "append", fail)
        started = await begin(line, path)
        line.hear(sine(440, 1.0))
        assert await started.stop() is None
        assert list(path.parent.iterdir()) == []

    async def test_a_disk_that_does_not_keep_up_ends_it(self, line: Line, path: Path) -> None:
        started = await begin(line, path)
        line.hear(silence(WAITING_FRAMES / 50 + 1))
        assert line.listener is None
        assert await started.stop() is None

    async def test_a_folder_that_cannot_be_made_is_said(self, line: Line, tmp_path: Path) -> None:
        (tmp_path / "recordings").write_text("in the way")
        with pytest.raises(OSError, match="recordings"):
            await begin(line, tmp_path / "recordings" / "one.wav")
