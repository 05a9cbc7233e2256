"""Audio files of strangers to `PromptAudio`: WAV (PCM, float, A-law, µ-law, any rate) and MP3 (contract §10.4).

The file is recognised by its content and decoded in a child process with bounded memory and time, so a hostile or
broken one ends in an AudioError and nothing else. Fetching files is not done here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog

from media.prompt import PromptAudio
from media.worker.errors import Refused, WorkerCrashed, WorkerError, WorkerTimeout
from media.worker.process import MEBIBYTE, WorkerProcess, WorkerSpec, WorkerStatistics
from media.worker.sniff import sniff

# A file up to this size does not wait behind a larger one: it has a child process of its own.
SMALL_FILE_BYTES = MEBIBYTE
# A child that has had nothing to decode for so long ends and gives its memory back.
_IDLE_SECONDS = 60.0

OnWarning = Callable[[str, str], None]

_log = structlog.get_logger(__name__)


class AudioError(ValueError):
    """A file is not playable audio; the message says why."""


class DecoderUnavailable(AudioError):
    """The file was not decoded and nothing is known against it: the decoder is overloaded or closed."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """How much one file may ask for.

    `file_bytes` is the size of the file (contract §20, `limits.audio_bytes`); `sound_seconds` the length of the sound,
    which at 8 kHz and 16 bit bounds the output to 57.6 MB; `decode_seconds` and `cpu_seconds` the time to decode it;
    `memory_bytes` the address space of a child; `pending` the files that wait.
    """

    file_bytes: int = 20 * MEBIBYTE
    sound_seconds: float = 3600.0
    decode_seconds: float = 30.0
    cpu_seconds: int = 20
    memory_bytes: int = 1024 * MEBIBYTE
    pending: int = 32


class AudioDecoder:
    """Decodes files in child processes, which start with the first file: an engine that plays none carries no decoder.

    `on_warning(name, message)` is told what was wrong with a file that is played all the same; by default it is logged.
    """

    def __init__(self, limits: AudioLimits | None = None, *, on_warning: OnWarning | None = None) -> None:
        self.limits = limits or AudioLimits()
        self._on_warning = on_warning or _log_warning
        self._small = WorkerProcess(self._spec("small file decoder", min(SMALL_FILE_BYTES, self.limits.file_bytes)))
        self._large = WorkerProcess(self._spec("large file decoder", self.limits.file_bytes))

    def _spec(self, name: str, file_bytes: int) -> WorkerSpec:
        limits = self.limits
        return WorkerSpec(
            name=name,
            entry="media.worker.decode:handle",
            request_seconds=limits.decode_seconds,
            cpu_seconds=limits.cpu_seconds,
            memory_bytes=limits.memory_bytes,
            body_bytes=file_bytes,
            # A little over the longest sound, which the child itself checks exactly.
            reply_bytes=int(limits.sound_seconds + 1) * 16_000,
            pending=limits.pending,
            idle_seconds=_IDLE_SECONDS,
            # Files are decoded well before anybody hears them; calls come first.
            niceness=10,
        )

    async def decode(self, data: bytes, name: str) -> PromptAudio:
        """The sound of a file, at 8 kHz and mixed to mono. `name` (such as its URL) goes into logs.

        Raises AudioError with the reason, DecoderUnavailable when the fault is not the file's.
        """
        if len(data) > self.limits.file_bytes:
            raise AudioError(f"too large: {len(data)} bytes; at most {self.limits.file_bytes} are played")
        worker = self._small if len(data) <= self._small.spec.body_bytes else self._large
        try:
            request = {"format": sniff(data), "seconds": self.limits.sound_seconds}
            reply = await worker.request(request, data)
        except Refused as error:
            raise AudioError(str(error)) from None
        except (WorkerCrashed, WorkerTimeout) as error:
            raise AudioError(f"cannot be decoded: {error}") from None
        except WorkerError as error:
            raise DecoderUnavailable(f"not decoded: {error}") from None
        if not reply.body or len(reply.body) % 2:
            raise DecoderUnavailable("not decoded: the decoder gave half a sample")
        for warning in reply.header.get("warnings", ()):
            self._on_warning(name, str(warning))
        return PromptAudio(np.frombuffer(reply.body, np.int16), name)

    @property
    def pids(self) -> tuple[int | None, int | None]:
        """Process ids of the children for small and for large files, None where none runs."""
        return self._small.pid, self._large.pid

    @property
    def statistics(self) -> tuple[WorkerStatistics, WorkerStatistics]:
        """Counters of the children for small and for large files."""
        return self._small.statistics, self._large.statistics

    async def close(self) -> None:
        """End the child processes; files being decoded fail with DecoderUnavailable."""
        await self._small.close()
        await self._large.close()


def _log_warning(name: str, message: str) -> None:
    _log.warning("audio.warning", file=name, reason=message)
