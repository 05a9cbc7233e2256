"""The media plane: the kernel's threads, the ports, and the sessions on them.

Built by the server with its configuration, started before the first call and closed after the last. A session is
served by one thread for its life, the one with the fewest when it is opened; bridges and rooms reach across them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from media.events import MediaEvent
from media.kernel import constants as c
from media.kernel.addresses import address_text, address_words, ip_address
from media.kernel.arrays import Samples
from media.kernel.core import MediaCore, MediaMemory
from media.kernel.limits import raise_descriptor_limit
from media.kernel.lodging import Address, Lodging, Lodgings
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

DRAIN_SECONDS = 2.0
"""So long does a port stay bound after its call, so that what is still on its way to it reaches nobody else."""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """What an operator may set: `media.rtp_ports` (inclusive), `media.timeout_seconds`, and how far it may grow.

    `capacity` is the number of sessions at a time, `realtime` whether to ask for real-time priority, `threads`
    (`media.threads`) how many kernel threads share the sessions, `uring` (`media.io_uring`) whether to ask for a ring
    for their datagrams.
    """

    rtp_ports: tuple[int, int] = (10000, 10999)
    timeout_seconds: float = 60
    capacity: int = 4096
    realtime: bool = True
    threads: int = 1
    uring: bool = True


def _together(words: Iterable[str]) -> str:
    """What all threads say where they say the same, else each of the things that are said."""
    return ", ".join(dict.fromkeys(words))


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
        if not 1 <= config.threads <= c.CORES:
            raise ValueError(f"media.threads: {config.threads} is not from 1 to {c.CORES}")
        self._config = config
        self._lodgings = Lodgings(PortPool(*config.rtp_ports), config.capacity, config.threads)
        memory = MediaMemory(config.capacity, config.threads)
        self._cores = tuple(
            MediaCore(
                config.capacity,
                realtime=config.realtime,
                uring=config.uring,
                on_event=self._take_event,
                on_frame=self._take_frame,
                on_failure=self._fail,
                memory=memory,
                index=index,
            )
            for index in range(config.threads)
        )
        self._sessions: list[MediaSession | None] = [None] * (config.capacity * config.threads)
        self._untouched = [deque(range(core.first_slot, core.first_slot + core.capacity)) for core in self._cores]
        self._rested: list[deque[int]] = [deque() for _ in self._cores]
        self._loads = [0] * config.threads
        # Ended sessions by their slots, in the order of the times at which they are forgotten.
        self._draining: dict[int, tuple[float, int, MediaCore, Lodging]] = {}
        self._drain: asyncio.TimerHandle | None = None
        self._rooms: list[Room | None] = [None] * config.capacity
        self._free_rooms = deque(range(config.capacity))
        self._generation = 0
        self._running = False

    async def start(self) -> None:
        """Start the kernel; returns when it is ready to serve."""
        needed = 2 * min(self._config.capacity, self._lodgings.size) + _OTHER_DESCRIPTORS
        granted = raise_descriptor_limit(needed)
        if granted < needed:
            _log.warning("%d file descriptors are granted, %d wanted for all RTP ports", granted, needed)
        for core in self._cores:
            await core.start()
        self._running = True
        _log.info(
            "media kernel runs, threads %d, priority %s, datagrams %s",
            len(self._cores),
            self.realtime,
            self.datagrams,
        )

    @property
    def realtime(self) -> str:
        """What the kernel's threads were granted: "SCHED_FIFO 10", "nice -10", "none: <reason>", or "off"."""
        return _together(core.realtime for core in self._cores)

    @property
    def datagrams(self) -> str:
        """How the kernel's threads take and send datagrams: by "io_uring", or "one by one: <reason>"."""
        return _together(core.datagrams for core in self._cores)

    @property
    def running(self) -> bool:
        """Whether sessions can be opened: from `start` until `close`, or until the kernel has failed."""
        return self._running

    def open(
        self,
        address: str,
        on_event: Callable[[MediaEvent], None],
        *,
        remote: Address | None = None,
        seen_from: str | None = None,
    ) -> MediaSession:
        """Open a session whose sockets are bound on a local IPv4 or IPv6 address ("0.0.0.0" and "::" are every one).

        `on_event` is called on the asyncio thread. Where its offer is known, `remote` is where the far end says it is,
        and `seen_from` the host that its messages come from: where no port is left, they decide which one can be
        shared. Raises PortsExhausted where no port, descriptor or row is left, and ValueError where the address is none
        of this machine's or the far end's is none at all.
        """
        ip_address(address)
        if not self._running:
            raise PortsExhausted("the media plane is not running")
        if sum(self._loads) >= self._config.capacity:
            raise PortsExhausted(f"all {self._config.capacity} media sessions are in use")
        order = sorted(range(len(self._cores)), key=self._loads.__getitem__)
        far = None if remote is None or remote[1] == 0 else address_text(*address_words(*remote))
        lodging = self._lodgings.take(address, order, remote=far, seen_from=seen_from)
        core = self._cores[lodging.pair.core]
        slot = self._take_row(core.index)
        self._loads[core.index] += 1
        self._generation += 1
        session = MediaSession(
            core, slot, self._generation, lodging, on_event, self._release, self._config.timeout_seconds
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
        room = Room(self._cores, slot, self._generation, self._close_room)
        self._rooms[slot] = room
        return room

    def _close_room(self, room: Room) -> None:
        self._free_rooms.append(room.slot)

    def _take_row(self, core: int) -> int:
        """A row that rested for long, so that old statistics stay readable for a while; a new one costs memory."""
        if self._untouched[core] and len(self._rested[core]) < RESTING_ROWS:
            return self._untouched[core].popleft()
        slot = self._rested[core].popleft()
        if slot in self._draining:
            self._forget(slot)
        return slot

    def _release(self, session: MediaSession) -> None:
        core = session.core.index
        self._loads[core] -= 1
        self._sessions[session.slot] = None
        self._rested[core].append(session.slot)
        loop = asyncio.get_running_loop()
        self._draining[session.slot] = (
            loop.time() + DRAIN_SECONDS,
            session.generation,
            session.core,
            session.lodging,
        )
        if self._drain is None:
            self._drain = loop.call_later(DRAIN_SECONDS, self._forget_drained)

    def _forget_drained(self) -> None:
        """Forget whose time is over, and come back for the next."""
        self._drain = None
        loop = asyncio.get_running_loop()
        while self._draining:
            slot, (due, *_) = next(iter(self._draining.items()))
            if due > loop.time():
                self._drain = loop.call_at(due, self._forget_drained)
                return
            self._forget(slot)

    def _forget(self, slot: int) -> None:
        _, generation, core, lodging = self._draining.pop(slot)
        if self._running:
            core.push([(c.COMMAND_FORGET, slot, generation)])
        lodging.forget()

    def statistics(self) -> PlaneStatistics:
        """Return what the plane has done since it was started."""
        return read_plane(self._cores, self._lodgings.free)

    async def close(self) -> None:
        """Close every session, then the kernel."""
        sessions = [session for session in self._sessions if session is not None]
        await asyncio.gather(*(session.close() for session in sessions))
        self._running = False
        for core in self._cores:
            await core.close()
        if self._drain is not None:
            self._drain.cancel()
        for slot in list(self._draining):
            self._forget(slot)

    def _take_event(self, event: list[int]) -> None:
        session = self._sessions[event[1]]
        if session is not None and session.generation == event[2]:
            session.take_event(event)

    def _take_frame(self, slot: int, generation: int, track: int, tick: int, samples: Samples) -> None:
        if slot < 0:  # a room's slot comes as -1 and below
            room = self._rooms[(-1 - slot) % self._config.capacity]
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
