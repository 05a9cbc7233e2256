"""Rendered speech on disk, so that a restart does not make a house render all its prompts again.

A cache and no more: whatever goes wrong with a file, the piece is rendered afresh. All methods block; they are called
from worker threads and may be called from several at once.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import threading
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import structlog

from media.resample import Samples

MAX_BYTES = 256 * 1024 * 1024

# A file is this header, then int16 samples, little-endian. The checksum is over the samples.
_HEADER = struct.Struct("<4sII")
_MAGIC = b"VSP1"
_SUFFIX = ".pcm"
_UNFINISHED = ".part"

_log = structlog.get_logger(__name__)


class PieceStore:
    """Pieces of speech by key, in files of one folder that belongs to it; least recently used out first.

    A key is a file name without a suffix. The folder is made when first needed, for the owner's eyes only: what callers
    are told may be nobody else's business.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] | None = None
        self._bytes = 0
        self._complained = False

    def load(self, key: str) -> Samples | None:
        """The samples kept under `key`, or None."""
        with self._lock:
            if key not in self._opened():
                return None
        path = self._path(key)
        try:
            samples = _unpack(path.read_bytes())
            if samples is not None:
                os.utime(path)
        except OSError as error:
            self._complain(error)
            samples = None
        with self._lock:
            sizes = self._opened()
            if samples is None:
                self._bytes -= sizes.pop(key, 0)
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            elif key in sizes:
                sizes.move_to_end(key)
        return samples

    def save(self, key: str, samples: Samples) -> None:
        """Keep samples under `key`: written beside and renamed, so that no half file is ever found under its name."""
        content = _pack(samples)
        if len(content) > self._max_bytes:
            return
        with self._lock:
            if key in self._opened():
                return
        try:
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=_UNFINISHED, delete=False) as file:
                try:
                    file.write(content)
                    file.close()
                    Path(file.name).replace(self._path(key))
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            self._complain(error)
            return
        with self._lock:
            sizes = self._opened()
            self._bytes += len(content) - sizes.pop(key, 0)
            sizes[key] = len(content)
            self._make_room()

    def holds(self, key: str) -> bool:
        """Whether `key` is known to be kept; False before anything was loaded or saved. Does not block."""
        sizes = self._sizes
        return sizes is not None and key in sizes

    def _path(self, key: str) -> Path:
        return self._folder / (key + _SUFFIX)

    def _opened(self) -> OrderedDict[str, int]:
        """What the folder holds, read at first use; called with the lock held."""
        if self._sizes is not None:
            return self._sizes
        found: list[tuple[float, str, int]] = []
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.endswith(_SUFFIX):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime, entry.name.removesuffix(_SUFFIX), status.st_size))
                    elif entry.name.endswith(_UNFINISHED):
                        # Left by a process that was killed while it wrote.
                        Path(entry.path).unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)
        self._sizes = OrderedDict((key, size) for _, key, size in sorted(found))
        self._bytes = sum(self._sizes.values())
        self._make_room()
        return self._sizes

    def _make_room(self) -> None:
        assert self._sizes is not None
        while self._bytes > self._max_bytes:
            key, size = self._sizes.popitem(last=False)
            self._bytes -= size
            with contextlib.suppress(OSError):
                self._path(key).unlink(missing_ok=True)

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("speech.cache_unusable", folder=str(self._folder), reason=str(error))


def _pack(samples: Samples) -> bytes:
    content = samples.astype("<i2").tobytes()
    return _HEADER.pack(_MAGIC, len(samples), zlib.crc32(content)) + content


def _unpack(file: bytes) -> Samples | None:
    """The samples in a file; None when it is damaged."""
    if len(file) < _HEADER.size:
        return None
    magic, count, checksum = _HEADER.unpack_from(file)
    content = file[_HEADER.size :]
    if magic != _MAGIC or len(content) != 2 * count or zlib.crc32(content) != checksum:
        return None
    return np.frombuffer(content, "<i2").astype(np.int16)
