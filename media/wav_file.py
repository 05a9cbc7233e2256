"""WAV files that grow while they are recorded: 8 kHz, 16 bit PCM, one channel or two (contract §6.6).

The header is right after every write, so that what a killed process leaves behind can be played, and finished later.
Everything here blocks: it is for another thread than asyncio's.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

RATE: Final = 8000
SAMPLE_BYTES: Final = 2
PART_SUFFIX: Final = ".part"
HEADER_BYTES: Final = 44
_MOVED_AT_ONCE: Final = 1 << 20
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM: Final = 1


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A recording that is whole: its length after trimming in seconds, and its size in bytes."""

    path: Path
    seconds: float
    size_bytes: int
    channels: int = 1


class WavWriter:
    """A WAV file under a temporary name. Every method raises OSError."""

    def __init__(self, path: Path, channels: int = 1) -> None:
        """Creates `path`, which must not exist, and its folder."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.channels = channels
        self._file = path.open("x+b")
        self._octets = 0
        self._write_header(0)

    def append(self, samples: npt.NDArray[np.int16]) -> None:
        """Adds `(n,)` or `(n, channels) int16` samples, and then says so in the header."""
        data = samples.astype("<i2", copy=False).tobytes()
        self._file.seek(HEADER_BYTES + self._octets)
        self._file.write(data)
        self._file.flush()
        self._octets += len(data)
        self._write_header(self._octets)

    def finish(self, path: Path, first: int, count: int) -> int:
        """Keeps `count` octets of the samples from `first` on and gives the file its own name; returns its size."""
        if first:
            self._move_down(first, count)
        # The header first: at no moment does it promise more than there is.
        self._write_header(count)
        self._file.truncate(HEADER_BYTES + count)
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(path)
        return HEADER_BYTES + count

    def discard(self) -> None:
        """Deletes the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _move_down(self, first: int, count: int) -> None:
        for at in range(0, count, _MOVED_AT_ONCE):
            self._file.seek(HEADER_BYTES + first + at)
            data = self._file.read(min(_MOVED_AT_ONCE, count - at))
            self._file.seek(HEADER_BYTES + at)
            self._file.write(data)

    def _write_header(self, octets: int) -> None:
        self._file.seek(0)
        self._file.write(_header(octets, self.channels))
        self._file.flush()


def finish_left_behind(part: Path, path: Path) -> RecordedFile | None:
    """Makes a whole file of what a killed process was recording, with every sample that reached the disk.

    None, and no file, where there is not one sample. Raises OSError, and ValueError for what is none of our files.
    """
    with part.open("r+b") as file:
        channels = _channels_of(file.read(HEADER_BYTES))
        frame = channels * SAMPLE_BYTES
        octets = max(0, part.stat().st_size - HEADER_BYTES) // frame * frame
        file.seek(0)
        file.write(_header(octets, channels))
        file.truncate(HEADER_BYTES + octets)
        file.flush()
        os.fsync(file.fileno())
    if octets == 0:
        part.unlink()
        return None
    part.rename(path)
    return RecordedFile(path, octets / frame / RATE, HEADER_BYTES + octets, channels)


def _channels_of(header: bytes) -> int:
    if len(header) < HEADER_BYTES:
        return 1  # cut off before the header was written: there are no samples either
    riff, _, wave, _, _, kind, channels, rate, _, _, bits, _, _ = _HEADER.unpack(header)
    if (riff, wave, kind, rate, bits) != (b"RIFF", b"WAVE", _PCM, RATE, 8 * SAMPLE_BYTES) or channels not in (1, 2):
        raise ValueError("the header is not one that a recording begins with")
    return int(channels)


def _header(octets: int, channels: int) -> bytes:
    """The header of a WAV file with so many octets of samples ("Multimedia Programming Interface", RIFF WAVE)."""
    frame = channels * SAMPLE_BYTES
    return _HEADER.pack(
        b"RIFF",
        HEADER_BYTES - 8 + octets,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        RATE,
        RATE * frame,
        frame,
        8 * SAMPLE_BYTES,
        b"data",
        octets,
    )
