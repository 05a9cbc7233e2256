"""One media core as asyncio sees it: the memory, the thread that runs the kernel's loop, and both rings.

All methods are called on the asyncio thread and none blocks. Several cores can live beside each other, in memory of
their own or in shared one; nothing here is global. What the events mean is the business of whoever is given them.
"""

import asyncio
import contextlib
import logging
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from media.kernel import constants as c
from media.kernel.arrays import Samples, Words
from media.kernel.layout import CoreRow, RoomRow, SessionRow, SocketRow, allocate, check_platform
from media.kernel.loop import run
from media.kernel.priority import ask_for_realtime
from media.kernel.ring import push_rows, take_frames, take_rows
from media.kernel.uring import Uring, open_uring
from media.kernel.warm import fill_cache, warm_up

_log = logging.getLogger(__name__)

# Events taken from the ring in one go, and goes in one callback, before other callbacks of the loop get their turn.
_EVENTS_AT_ONCE = 512
_FRAMES_AT_ONCE = 256
_ROUNDS = 8
# While the command ring is full, commands wait in Python and are tried again after one sub-tick.
_RETRY_SECONDS = c.SUBTICK_NS / c.NANOSECONDS

Command = Sequence[int]

# Commands are written word by word into the memory that the kernel's thread copies them from.
_WORDS = tuple(struct.Struct(f"={count}q") for count in range(c.COMMAND_WORDS + 1))
_COMMAND_BYTES = 8 * c.COMMAND_WORDS


class MediaMemory:
    """The rows of so many cores, each with room for `capacity` sessions: those of the core `n` are the slots from
    `n * capacity` on. A core writes to its own only, and reads what sessions and rooms of the others publish."""

    def __init__(self, capacity: int, cores: int = 1) -> None:
        rows = capacity * cores
        self.capacity = capacity
        self.sessions: Any = allocate(SessionRow, rows)
        self.sockets: Any = allocate(SocketRow, rows)
        # A room for each session, should every one be alone in its own.
        self.rooms: Any = allocate(RoomRow, rows)
        self.cores: Any = allocate(CoreRow, cores)
        for row in range(cores):
            self.cores[row]["address"] = self.cores.ctypes.data + row * self.cores.itemsize


class MediaCore:
    """A kernel thread with room for `capacity` sessions; the `index`-th of those that share `memory`, where given.

    `on_event` gets each event as a list of words (kind, slot, generation, time, three of its own), `on_frame` the slot
    (of a room: -1 less its slot), the generation, the track, the tick and the `(160,) int16` samples of each tapped
    frame, `on_failure` what ended the thread unasked. A room's frames have no track and no tick of their own.
    """

    def __init__(
        self,
        capacity: int,
        *,
        realtime: bool,
        uring: bool = True,
        on_event: Callable[[list[int]], None],
        on_frame: Callable[[int, int, int, int, Samples], None],
        on_failure: Callable[[BaseException | None], None],
        memory: MediaMemory | None = None,
        index: int = 0,
    ) -> None:
        check_platform()
        memory = memory or MediaMemory(capacity)
        self.capacity = capacity
        self.index = index
        self.first_slot = index * capacity
        self.realtime = "not started"
        self.datagrams = "not started"
        self.sessions: Any = memory.sessions
        self._sockets: Any = memory.sockets
        self._rooms: Any = memory.rooms
        self._cores: Any = memory.cores[index : index + 1]
        self.row: Any = self._cores[0]
        self._groups = np.zeros((c.GROUPS, capacity), np.int64)
        self._wants_realtime = realtime
        self._wants_uring = uring
        self._on_event = on_event
        self._on_frame = on_frame
        self._on_failure = on_failure
        self._cursors: Words = self.row["cursors"]
        self._commands: Words = self.row["commands"]
        self._events: Words = self.row["events"]
        self._tap_heads: Words = self.row["tap_heads"]
        self._tap_frames: Samples = self.row["tap_frames"]
        self._staged = np.zeros((c.ITEMS + 3, c.COMMAND_WORDS), np.int64)
        self._staging = self._staged.data.cast("B")
        self._taken = np.zeros((_EVENTS_AT_ONCE, c.EVENT_WORDS), np.int64)
        self._waiting: deque[list[Command]] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._failure: BaseException | None = None

    async def start(self) -> None:
        """Start the thread, once; returns when its loop runs. The first start on a machine compiles for a while.

        Raises RuntimeError where the thread ends instead, or has been started before.
        """
        if self._thread is not None:
            raise RuntimeError("a media core starts once")
        self._loop = asyncio.get_running_loop()
        await fill_cache()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.row["wake_fd"] = self._wake_fd
        self.row["event_fd"] = self._event_fd
        self.row["random"] = int.from_bytes(os.urandom(4)) & 0x7FFFFFFF
        self._running: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=f"media-{self.index}", daemon=True)
        self._thread.start()
        self._loop.add_reader(self._event_fd, self._read)
        await asyncio.wait({self._running, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            raise RuntimeError("the media thread could not start") from self._failure

    def _run(self) -> None:
        failure: BaseException | None = None
        ring: Uring | None = None
        datagrams = "one by one: as configured"
        try:
            if self._wants_uring:
                ring, datagrams = open_uring()
            # Before the priority is raised: the first time on a machine this compiles for a while.
            warm_up()
            realtime = ask_for_realtime() if self._wants_realtime else "off"
            self._post(self._set_granted, realtime, datagrams)
            if ring is not None:
                ring.attach(self.row)
            run(
                self.sessions,
                self._sockets,
                self._rooms,
                self._cores,
                self._groups,
                self.sessions.ctypes.data,
                self.sessions.itemsize,
            )
        except BaseException as error:  # whatever ends this thread has to be told to the other one
            failure = error
        self.row["uring_on"] = 0
        if ring is not None:
            ring.close()
        self._post(self._finish, failure)

    def _post(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            _log.debug("the event loop was closed before the media thread")

    def _set_granted(self, realtime: str, datagrams: str) -> None:
        self.realtime = realtime
        self.datagrams = datagrams

    def _finish(self, failure: BaseException | None) -> None:
        self._failure = failure
        self._loop.remove_reader(self._event_fd)
        if not self._ended.done():
            self._ended.set_result(None)
        if not self._closing:
            _log.critical("the media thread ended", exc_info=failure)
            self._on_failure(failure)

    async def close(self) -> None:
        """End the thread and wait for it. Sessions are to be closed before."""
        if self._thread is None or self._closing:
            return
        self._closing = True
        self.push([(c.COMMAND_SHUTDOWN,)])
        await self._ended
        self._thread.join()
        if self._retry is not None:
            self._retry.cancel()
        os.close(self._wake_fd)
        os.close(self._event_fd)

    def push(self, commands: list[Command]) -> None:
        """Give the kernel commands that it will see together, after all earlier ones."""
        self._waiting.append(commands)
        if self._retry is None:
            self._flush()

    def _flush(self) -> None:
        self._retry = None
        while self._waiting:
            commands = self._waiting[0]
            for place, command in enumerate(commands):
                _WORDS[len(command)].pack_into(self._staging, place * _COMMAND_BYTES, *command)
            if not push_rows(
                self._cursors,
                self._commands,
                c.CURSOR_COMMAND_TAIL,
                c.CURSOR_COMMAND_HEAD,
                self._staged,
                len(commands),
            ):
                self._retry = self._loop.call_later(_RETRY_SECONDS, self._flush)
                break
            self._waiting.popleft()
        if self._cursors[c.CURSOR_ASLEEP]:
            os.eventfd_write(self._wake_fd, 1)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event_fd)
        for _ in range(_ROUNDS):
            events = self._take_events()
            frames = self._take_frames()
            if events < _EVENTS_AT_ONCE and frames < _FRAMES_AT_ONCE:
                return
        # More is waiting than one turn takes; nobody will signal it again.
        self._loop.call_soon(self._read_rest)

    def _read_rest(self) -> None:
        if not self._ended.done():
            self._read()

    def _take_events(self) -> int:
        count = take_rows(self._cursors, self._events, c.CURSOR_EVENT_TAIL, c.CURSOR_EVENT_HEAD, self._taken)
        events: Iterable[list[int]] = self._taken[:count].tolist()
        for event in events:
            if event[0] == c.EVENT_STARTED:
                if not self._running.done():
                    self._running.set_result(None)
            else:
                self._on_event(event)
        return count

    def _take_frames(self) -> int:
        waiting = int(self._cursors[c.CURSOR_TAP_TAIL] - self._cursors[c.CURSOR_TAP_HEAD])
        if waiting == 0:
            return 0
        heads = np.empty((_FRAMES_AT_ONCE, c.TAP_WORDS), np.int64)
        # Fresh memory each time: listeners may keep their frames.
        audio = np.empty((_FRAMES_AT_ONCE, c.TICK_SAMPLES), np.int16)
        count = take_frames(self._cursors, self._tap_heads, self._tap_frames, heads, audio)
        for place, (slot, generation, track, tick) in enumerate(heads[:count].tolist()):
            self._on_frame(slot, generation, track, tick, audio[place])
        return count
