"""Everything compiled, or loaded from the cache, before the first call needs it.

`python -m media.kernel.warm` fills the cache, as when an image is built, and prints how long that took.
"""

import asyncio
import contextlib
import fcntl
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from media.kernel import constants as c
from media.kernel.codecs import encode
from media.kernel.compiled import CACHE_DIRECTORY, JIT_DISABLED
from media.kernel.layout import CoreRow, RoomRow, SessionRow, SocketRow, allocate
from media.kernel.live import publish, push_samples
from media.kernel.loop import run
from media.kernel.messages import ENDING, read_message, write_message
from media.kernel.record import frames_taped
from media.kernel.ring import push_rows, take_frames, take_rows

_log = logging.getLogger(__name__)

_PYTHON = f"py{sys.version_info.major}{sys.version_info.minor}"
_PROJECT = Path(__file__).parents[2]


def is_warm() -> bool:
    """Whether the whole kernel has been compiled on this machine, by this Python."""
    return CACHE_DIRECTORY is not None and any(CACHE_DIRECTORY.glob(f"*/loop.run-*.{_PYTHON}*.nbi"))


async def fill_cache() -> None:
    """Compile in a child process where this has not been done on this machine yet, so that asyncio goes on meanwhile.

    It also keeps the compiler's memory out of this process. Where the child fails, this process compiles for itself.
    """
    if JIT_DISABLED:
        return
    if CACHE_DIRECTORY is None:
        _log.warning("the media kernel is compiled at every start: no cache directory is writable, set NUMBA_CACHE_DIR")
        return
    if is_warm():
        return
    _log.info("compiling the media kernel, once for this machine")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media.kernel.warm",
        cwd=_PROJECT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await child.communicate()
    if child.returncode != 0:
        last_line = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        _log.warning("the media kernel could not be compiled ahead: %s", last_line)


def warm_up() -> None:
    """Run the loop over nothing, with the argument types that the engine uses, and the functions asyncio calls."""
    sessions, sockets, cores = allocate(SessionRow, 1), allocate(SocketRow, 1), allocate(CoreRow, 1)
    rooms = allocate(RoomRow, 1)
    core = cores[0]
    core["event_fd"] = core["wake_fd"] = -1
    command = np.zeros((1, c.COMMAND_WORDS), np.int64)
    command[0, 0] = c.COMMAND_SHUTDOWN
    cursors = core["cursors"]
    push_rows(cursors, core["commands"], c.CURSOR_COMMAND_TAIL, c.CURSOR_COMMAND_HEAD, command, 1)
    groups = np.zeros((c.GROUPS, 1), np.int64)
    run(sessions, sockets, rooms, cores, groups, sessions.ctypes.data, sessions.itemsize)
    events = np.zeros((1, c.EVENT_WORDS), np.int64)
    take_rows(cursors, core["events"], c.CURSOR_EVENT_TAIL, c.CURSOR_EVENT_HEAD, events)
    heads, audio = np.zeros((1, c.TAP_WORDS), np.int64), np.zeros((1, c.TICK_SAMPLES), np.int16)
    encode(np.zeros(c.TICK_SAMPLES, np.int16), "G722")
    frames_taped(sessions[0]["taped"], 0)
    take_frames(cursors, core["tap_heads"], core["tap_frames"], heads, audio)
    live = sessions[0]["live_cursors"]
    samples = np.zeros(c.TICK_SAMPLES, np.int16)
    push_samples(live, sessions[0]["live_samples"], samples, 0)
    read_message(b"AAAA" + ENDING, 0, 4 + len(ENDING), b"", live, sessions[0]["live_samples"], 0)
    write_message(b"", samples, 0, np.zeros(2 * c.TICK_SAMPLES, np.uint8))
    publish(live, c.LIVE_SKIP, 0)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Engines that start at once on a new machine compile once: who comes second waits, and loads."""
    if CACHE_DIRECTORY is None:
        yield
        return
    with (CACHE_DIRECTORY / "compiling").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    begun = time.perf_counter()
    with _one_at_a_time():
        warm_up()
    place = CACHE_DIRECTORY or "nowhere: no directory is writable"
    sys.stdout.write(f"media kernel ready in {time.perf_counter() - begun:.2f} s, cached in {place}\n")
