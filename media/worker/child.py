"""The child's side of a worker: bounds the process, then answers one request after the other until stdin ends.

The end of stdin is the only way to stop a child, and it comes by itself however the engine ends.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from media.worker.errors import Refused
from media.worker.frames import Body, FrameError, Header, read_frame, write_frame

Handle = Callable[[Header, bytes], tuple[Header, Body]]

# A child opens what its libraries load, and its pipes.
_OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What one child may use: processor seconds a request, bytes of address space, bytes of a request's body."""

    cpu_seconds: int
    memory_bytes: int
    body_bytes: int
    niceness: int = 0


@contextlib.contextmanager
def serve(limits: ChildLimits) -> Iterator[Callable[[Handle], None]]:
    """Take the process's stdin and stdout for frames.

    Yields a function that bounds the process and runs a handler on each request. A handler returns the reply's header
    and body, or raises Refused with the reason the request cannot be fulfilled. What else it raises is reported as a
    fault of ours.
    """
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as replies:
        # A library that prints must not write between two frames, one that reads must not take a frame.
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # Ctrl-C and a service manager's SIGTERM reach the whole group, but the engine still drains its calls then.
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.SIG_IGN)
        yield lambda handle: _run(handle, requests, replies, limits)


def _bound(limits: ChildLimits) -> None:
    os.nice(limits.niceness)
    _lower(resource.RLIMIT_AS, limits.memory_bytes)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    # Nothing a child does writes a file.
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (bound, bound))


def _allow_processor_time(seconds: int) -> None:
    """The kernel ends the process (SIGPROF) once it has used so many more seconds.

    A timer and not RLIMIT_CPU: that one counts from the start of the process, by ticks, and drifts away from every
    clock that the process could read to move it.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _run(handle: Handle, requests: BinaryIO, replies: BinaryIO, limits: ChildLimits) -> None:
    # After the handler's libraries are loaded: those may be cached as files, and are trusted.
    _bound(limits)
    with contextlib.suppress(BrokenPipeError):
        write_frame(replies, {"ready": True})
        while (frame := _next(requests, limits.body_bytes)) is not None:
            _allow_processor_time(limits.cpu_seconds)
            request, body = frame
            number = request.pop("id")
            # Tells a request that was never looked at, and may be given to another child, from one that ended this one.
            write_frame(replies, {"id": number, "begun": True})
            reply, result = _answer(handle, request, body)
            write_frame(replies, {"id": number, **reply}, result)


def _next(requests: BinaryIO, max_body: int) -> tuple[Header, bytes] | None:
    try:
        return read_frame(requests, max_body)
    except FrameError as error:
        sys.exit(f"the engine sent a bad frame: {error}")


def _answer(handle: Handle, request: Header, body: bytes) -> tuple[Header, Body]:
    try:
        reply, result = handle(request, body)
    except Refused as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": "needs more memory than one request may use"}, b""
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"[:1000]}, b""
    return {"reply": reply}, result
