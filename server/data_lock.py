"""One engine to a data directory: a lock that the system lets go when its process ends, however it ends.

Start-up closes the calls that a crash left open (contract §11.6). A second engine on the same data would close those of
the first, which are still up.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_FILE = "engine.lock"


class DataDirectoryInUse(OSError):
    """Another engine runs on this data directory."""


class DataLock:
    """The lock on a data directory, held from `take` until `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, data_dir: Path) -> DataLock:
        """Lock the directory. Raises DataDirectoryInUse when an engine holds it, OSError when it cannot be written."""
        path = data_dir / LOCK_FILE
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            known = f" (process {holder})" if holder.isdigit() else ""
            raise DataDirectoryInUse(
                f"storage.data_dir {data_dir}: another engine{known} runs on it; stop that one or give this one its own"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let another engine have the directory."""
        os.close(self._descriptor)
