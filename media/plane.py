"""The media plane: the kernel thread, the ports, and the sessions on them.

Built by the server with its configuration, started before the first call and closed after the last. One media core
serves all sessions; several can live beside each other behind this same face.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from media.events import MediaEvent
from media.kernel.addresses import ip_address
from media.kernel.arrays import Samples
from media.kernel.core import MediaCore
from media.kernel.limits import raise_descriptor_limit
from media.kernel.ports import PortPool, PortsExhausted
from media.kernel.statistics import PlaneStatistics, read_plane
from media.room import Room
from media.session import MediaSession

_log = logging.getLogger(__name__)

CAPACITY_LIMIT = 65_536
TIMEOUT_LIMIT_SECONDS = 86_400

# Descriptors beside those of the sessions: SIP, HTTP, the store, recordings.
_OTHER_DESCRIPTORS = 1024


RESTING_ROWS = 64
"""Rows of ended sessions that are left alone before the next one is used again."""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """What an operator may set: `media.rtp_ports` (inclusive), `media.timeout_seconds`, and how far it may grow.

    `capacity` is the number of sessions at a time, `realtime` whether to ask for real-time priority.
    """

    rtp_ports: tuple[int, int] = (10000, 10999)
    timeout_seconds: float = 60
    capacity: int = 4096
    realtime: bool = True


class MediaPlane:
    """Opens media sessions. All methods are called on the asyncio thread that called `start`."""

    def __init__(self, config: MediaConfig) -> None:
        """Raise ValueError where the configuration cannot work; the message names the key."""
        if not 1 <= config.capacity <= CAPACITY_LIMIT:
            raise ValueError(f"capacity: {config.capacity} is not from 1 to {CAPACITY_LIMIT}")
        if not 1 <= config.timeout_seconds <= TIMEOUT_LIMIT_SECONDS:
            raise ValueError(
                f"media.timeout_seconds: {config.timeout_seconds} is not from 1 to {TIMEOUT_LIMIT_SECONDS}"
            )
        self._config = config
        self._ports = PortPool(*config.rtp_ports)
        self._core = MediaCore(
            config.capacity,
            realtime=config.realtime,
            on_event=self._take_event,
            on_frame=self._take_frame,
            on_failure=self._fail,
        )
        self._sessions: list[MediaSession | None] = [None] * config.capacity
        self._untouched = deque(range(config.capacity))
        self._rested: deque[int] = deque()
        self._rooms: list[Room | None] = [None] * config.capacity
        self._free_rooms = deque(range(config.capacity))
        self._generation = 0
        self._running = False

    async def start(self) -> None:
        """Start the kernel; returns when it is ready to serve."""
        needed = min(2 * self._config.capacity, 2 * self._ports.size) + _OTHER_DESCRIPTORS
        granted = raise_descriptor_limit(needed)
        if granted < needed:
            _log.warning("%d file descriptors are granted, %d wanted for all RTP ports", granted, needed)
        await self._core.start()
        self._running = True
        _log.info("media kernel runs, priority %s", self.realtime)

    @property
    def realtime(self) -> str:
        """What the kernel's thread was granted: "SCHED_FIFO 10", "nice -10", "none: <reason>", or "off"."""
        return self._core.realtime

    @property
    def running(self) -> bool:
        """Whether sessions can be opened: from `start` until `close`, or until the kernel has failed."""
        return self._running

    def open(self, address: str, on_event: Callable[[MediaEvent], None]) -> MediaSession:
        """Open a session whose sockets are bound on a local IPv4 or IPv6 address ("0.0.0.0" and "::" are every one).

        `on_event` is called on the asyncio thread. Raises PortsExhausted where no port, descriptor or row is left, and
        ValueError where the address is none of this machine's.
        """
        ip_address(address)
        if not self._running:
            raise PortsExhausted("the media plane is not running")
        if not self._untouched and not self._rested:
            raise PortsExhausted(f"all {self._config.capacity} media sessions are in use")
        sockets = self._ports.bind(address)
        slot = self._take_row()
        self._generation += 1
        session = MediaSession(
            self._core, slot, self._generation, sockets, on_event, self._release, self._config.timeout_seconds
        )
        self._sessions[slot] = session
        return session

    def room(self) -> Room:
        """Open a room that sessions of this plane can join. Raises PortsExhausted where there are as many rooms as
        there can be sessions."""
        if not self._free_rooms:
            raise PortsExhausted(f"all {self._config.capacity} rooms are in use")
        # The one that has been free for longest: the kernel has long done with what was played there.
        slot = self._free_rooms.popleft()
        self._generation += 1
        room = Room(self._core, slot, self._generation, self._close_room)
        self._rooms[slot] = room
        return room

    def _close_room(self, room: Room) -> None:
        self._free_rooms.append(room.slot)

    def _take_row(self) -> int:
        """A row that rested for long, so that old statistics stay readable for a while; a new one costs memory."""
        if self._untouched and len(self._rested) < RESTING_ROWS:
            return self._untouched.popleft()
        return self._rested.popleft()

    def _release(self, session: MediaSession) -> None:
        self._sessions[session.slot] = None
        self._rested.append(session.slot)
        self._ports.release(session.local[1])

    def statistics(self) -> PlaneStatistics:
        """Return what the plane has done since it was started."""
        return read_plane(self._core, self._ports.free)

    async def close(self) -> None:
        """Close every session, then the kernel."""
        sessions = [session for session in self._sessions if session is not None]
        await asyncio.gather(*(session.close() for session in sessions))
        self._running = False
        await self._core.close()

    def _take_event(self, event: list[int]) -> None:
        session = self._sessions[event[1]]
        if session is not None and session.generation == event[2]:
            session.take_event(event)

    def _take_frame(self, slot: int, generation: int, track: int, tick: int, samples: Samples) -> None:
        if slot < 0:  # a room's slot comes as -1 and below
            room = self._rooms[-1 - slot]
            if room is not None and room.generation == generation:
                room.take_frame(samples)
            return
        session = self._sessions[slot]
        if session is not None and session.generation == generation:
            session.take_frame(track, tick, samples)

    def _fail(self, _failure: BaseException | None) -> None:
        self._running = False
        for session in list(self._sessions):
            if session is not None:
                session.abandon()
