"""Looks at what the operating system grants: real-time priority, open files, the clock, a cache for compiled code."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import resource
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server.config import Config
from server.doctor.finding import Finding, fail, ok, warn

# An answered call with two legs holds an RTP and an RTCP socket for each; the rest is for HTTP, the database and logs.
_FILES_PER_CALL = 4
_FILES_BESIDES = 256
# No clock that is right shows a time before this engine was written.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_PRIORITY = 10
# sys/timex.h: the state that adjtimex returns for a clock that nothing keeps in step.
_TIME_ERROR = 5
_TIMEX_BYTES = 512


def check_priority() -> Iterator[Finding]:
    """Try to get the real-time priority that the audio thread asks for, in a thread that ends at once."""
    refusal: list[str | None] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
        except OSError as error:
            refusal.append(error.strerror or str(error))
        else:
            refusal.append(None)

    thread = threading.Thread(target=ask, name="priority-probe")
    thread.start()
    thread.join()
    if refusal == [None]:
        yield ok("priority", "real-time priority (SCHED_FIFO) can be had: other programs do not disturb the audio")
        return
    yield warn(
        "priority",
        f"no real-time priority ({refusal[0]}): audio may stutter while other programs keep the machine busy",
        "raise the limit on real-time priority (systemd: LimitRTPRIO=20; container: ulimit rtprio 20)",
    )


def check_files(config: Config) -> Iterator[Finding]:
    """Compare the limit on open files with what `limits.concurrent_calls` calls need."""
    calls = config.limits.concurrent_calls
    needed = calls * _FILES_PER_CALL + _FILES_BESIDES
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The engine raises the soft limit to the hard one by itself when it starts.
    if hard == resource.RLIM_INFINITY or hard >= needed:
        shown = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
        yield ok("files", f"open files: {shown}, {needed} needed for {calls} calls")
        return
    yield fail(
        "files",
        f"open files: at most {hard}, {needed} needed for limits.concurrent_calls {calls}",
        f"raise the limit (`ulimit -Hn {needed}`; systemd: LimitNOFILE={needed}), or lower limits.concurrent_calls",
    )


def check_clock() -> Iterator[Finding]:
    """Check that the clock shows a possible time, and whether something keeps it in step."""
    now = datetime.now(UTC)
    shown = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < _EARLIEST:
        yield fail("clock", f"the clock shows {shown}", "set the clock: call records and signatures carry its time")
        return
    if _unsynchronised():
        yield warn("clock", f"{shown}, and nothing keeps the clock in step", "run chrony or systemd-timesyncd")
        return
    yield ok("clock", shown)


def _unsynchronised() -> bool:
    """Whether the kernel says that no time service disciplines the clock; False where it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    # All zero means: change nothing, only tell.
    return bool(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) == _TIME_ERROR)


def check_compile_cache() -> Iterator[Finding]:
    """Check that compiled code of the media kernel can be kept; without that each start compiles it again."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        places = [Path(named)]
    else:
        # Where numba puts it: beside the compiled modules, else into the user's cache.
        media = importlib.util.find_spec("media")
        room = Path(media.origin).parent if media is not None and media.origin else Path.cwd()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        places = [room / "kernel" / "__pycache__", cache / "numba"]
    for place in places:
        if _writable(place):
            yield ok("compiler", f"compiled code is kept in {place}")
            return
    yield warn(
        "compiler",
        f"compiled code cannot be kept in {' or '.join(str(place) for place in places)}: each start takes longer",
        "set the environment variable NUMBA_CACHE_DIR to a directory that the engine may write",
    )


def _writable(place: Path) -> bool:
    """Whether a directory, or the nearest existing one above it, may be written."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
