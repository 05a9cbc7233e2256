"""Everything compiled, or loaded from the cache, before the first call needs it.

`python -m media.kernel.warm` fills the cache, as when an image is built, and prints how long that took.
"""

import sys
import time

import numpy as np

from media.kernel import constants as c
from media.kernel.compiled import CACHE_DIRECTORY
from media.kernel.layout import CoreRow, SessionRow, SocketRow, allocate
from media.kernel.loop import run
from media.kernel.ring import push_rows, take_frames, take_rows


def warm_up() -> None:
    """Run the loop over nothing, with the argument types that the engine uses, and the functions asyncio calls."""
    sessions, sockets, cores = allocate(SessionRow, 1), allocate(SocketRow, 1), allocate(CoreRow, 1)
    core = cores[0]
    core["event_fd"] = core["wake_fd"] = -1
    command = np.zeros((1, c.COMMAND_WORDS), np.int64)
    command[0, 0] = c.COMMAND_SHUTDOWN
    cursors = core["cursors"]
    push_rows(cursors, core["commands"], c.CURSOR_COMMAND_TAIL, c.CURSOR_COMMAND_HEAD, command, 1)
    groups = np.zeros((c.GROUPS, 1), np.int64)
    run(sessions, sockets, cores, groups, sessions.ctypes.data, sessions.itemsize)
    events = np.zeros((1, c.EVENT_WORDS), np.int64)
    take_rows(cursors, core["events"], c.CURSOR_EVENT_TAIL, c.CURSOR_EVENT_HEAD, events)
    heads, audio = np.zeros((1, c.TAP_WORDS), np.int64), np.zeros((1, c.TICK_SAMPLES), np.int16)
    take_frames(cursors, core["tap_heads"], core["tap_frames"], heads, audio)


if __name__ == "__main__":
    begun = time.perf_counter()
    warm_up()
    place = CACHE_DIRECTORY or "nowhere: no directory is writable"
    sys.stdout.write(f"media kernel ready in {time.perf_counter() - begun:.2f} s, cached in {place}\n")
