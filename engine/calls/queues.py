"""`Enqueue` and `<Dial><Queue>` on live calls: queues by name within a workspace, first come, first served (contract
§10.6, §10.8).

A caller waits until a Dial takes it; a Dial that finds nobody waits for a caller, for as long as it may ring. Neither
side ever waits while the other does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.calls.keys import KeyBuffer
from engine.calls.prompting import CallLog, LegPrompting, PromptSources
from media import MediaSession
from voyloml.capabilities import AnsweredBy, Unreached
from voyloml.control import PromptItem

if TYPE_CHECKING:
    from engine.calls.call import Call


class CallQueues:
    """Every queue of every workspace; one that nobody waits in is not kept."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], CallQueue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def enqueue(self, call: Call, name: str, *, most: int) -> WaitingCaller | None:
        """Puts an answered call at the end of a queue; None when `most` are waiting already."""
        queue = self._queue(call.new.workspace_id, name)
        if queue.size >= most:
            return None
        caller = WaitingCaller(queue, call)
        queue.put(caller)
        call.log("queue_entered", {"queue": name, "position": caller.position, "size": queue.size})
        return caller

    async def take(self, workspace_id: str, name: str) -> WaitingCaller:
        """Takes the caller who has waited longest, when there is one. A wait that is cancelled takes nobody."""
        return await self._queue(workspace_id, name).take()

    def _queue(self, workspace_id: str, name: str) -> CallQueue:
        key = (workspace_id, name)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = CallQueue(lambda: self._forget(key))
        return queue

    def _forget(self, key: tuple[str, str]) -> None:
        self._queues.pop(key, None)


class CallQueue:
    """Those who wait in one queue: callers, or Dials that want one. `on_empty` is called when nobody does any more."""

    def __init__(self, on_empty: Callable[[], None]) -> None:
        self._on_empty = on_empty
        self._callers: deque[WaitingCaller] = deque()
        self._dials: deque[asyncio.Future[WaitingCaller]] = deque()
        # Dials that wait or have just been given a caller, whom they may still give back.
        self._taking = 0

    @property
    def size(self) -> int:
        """Callers who wait."""
        return len(self._callers)

    def position(self, caller: WaitingCaller) -> int:
        """The place of a caller, from 1; 0 of one who is not waiting."""
        return self._callers.index(caller) + 1 if caller in self._callers else 0

    def put(self, caller: WaitingCaller) -> None:
        """Lets a caller wait at the end, unless a Dial is waiting for one."""
        while self._dials:
            dial = self._dials.popleft()
            if not dial.done():
                dial.set_result(caller)
                return
        self._callers.append(caller)

    def remove(self, caller: WaitingCaller) -> None:
        """Lets a caller wait no longer; nothing for one who does not."""
        if caller in self._callers:
            self._callers.remove(caller)
            self._look()

    async def take(self) -> WaitingCaller:
        """See `CallQueues.take`."""
        if self._callers:
            caller = self._callers.popleft()
            self._look()
            return caller
        wanted: asyncio.Future[WaitingCaller] = asyncio.get_running_loop().create_future()
        self._dials.append(wanted)
        self._taking += 1
        try:
            return await wanted
        except asyncio.CancelledError:
            if wanted.done() and not wanted.cancelled():
                # Given and given up in the same moment: the caller is still the first.
                self._callers.appendleft(wanted.result())
            raise
        finally:
            if wanted in self._dials:
                self._dials.remove(wanted)
            self._taking -= 1
            self._look()

    def _look(self) -> None:
        if not self._callers and not self._taking:
            self._on_empty()


class WaitingCaller:
    """voyloml's `Waiting`: a caller in a queue, and then bridged with the Dial that took it."""

    def __init__(self, queue: CallQueue, call: Call) -> None:
        self.call = call
        self.gone = asyncio.Event()
        self._queue = queue
        self._party: QueuedParty | None = None
        self._taken = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def position(self) -> int:
        """Place in the queue, from 1."""
        return self._queue.position(self)

    @property
    def size(self) -> int:
        """Callers in the queue."""
        return self._queue.size

    async def taken(self) -> None:
        """Returns when a Dial has taken this caller."""
        await self._taken.wait()

    async def bridge_over(self) -> None:
        """Returns when the Dial has let the caller go."""
        await self._over.wait()

    async def leave(self) -> None:
        """Takes the caller out, of the bridge too."""
        self.part()

    def part(self) -> None:
        """Takes the caller out at once; safe at any time."""
        self._queue.remove(self)
        self.gone.set()
        if self._party is not None:
            self._party.part()

    def take(self, party: QueuedParty) -> None:
        """A Dial has taken this caller."""
        self._party = party
        self._taken.set()

    def let_go(self) -> None:
        """The Dial is over: the caller's document goes on."""
        self._over.set()

    def press(self, key: str) -> None:
        """A key of the caller, for the Dial that took it."""
        if self._party is not None:
            self._party.press(key)


class QueuedParty:
    """voyloml's `Party` for `<Queue>`: nobody is rung, the oldest caller of a queue is taken."""

    def __init__(self, queues: CallQueues, workspace_id: str, name: str, sources: PromptSources, log: CallLog) -> None:
        self.address = name
        self.on_key: Callable[[str], object] = lambda _key: None
        self.on_part: Callable[[], None] = lambda: None
        self._queues = queues
        self._workspace_id = workspace_id
        self._sources = sources
        self._write = log
        self._keys = KeyBuffer()
        self._caller: WaitingCaller | None = None
        self._prompting: LegPrompting | None = None

    @property
    def sid(self) -> str:
        """The public id of the call that was taken; empty before."""
        return "" if self._caller is None else self._caller.call.new.public_id

    @property
    def session(self) -> MediaSession:
        """The caller's audio. Raises RuntimeError while nobody was taken."""
        return self._taken.call.leg.session

    @property
    def _taken(self) -> WaitingCaller:
        if self._caller is None:
            raise RuntimeError("nobody was taken out of the queue")
        return self._caller

    async def ring(self) -> Unreached | None:
        """Returns None when a caller was taken, now or when one comes."""
        self._write("dial_queue", {"queue": self.address})
        while True:
            caller = await self._queues.take(self._workspace_id, self.address)
            if not caller.gone.is_set():
                break
        self._caller = caller
        caller.take(self)
        self._write("dial_queue_taken", {"queue": self.address, "leg": self.sid})
        return None

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> LegPrompting:
        """Plays to the caller who was taken."""
        self._prompting = LegPrompting(self.session, self._sources, items, interrupt_keys, self._write)
        return self._prompting

    async def key(self) -> str:
        """The next key of the caller who was taken."""
        return await self._keys.next()

    async def detect(self, *, message_end: bool, timeout: float) -> AnsweredBy:
        """Who has called us is no machine that has answered."""
        return "human"

    async def gone(self) -> None:
        """Returns when the caller has left the queue's bridge."""
        await self._taken.gone.wait()

    async def hangup(self) -> None:
        """Lets the caller go, whose own document goes on."""
        if self._caller is not None:
            self.part()
            self._caller.let_go()

    def part(self) -> None:
        """The bridge is over at once, whoever ends it."""
        if self._prompting is not None:
            self._prompting.stop()
            self._prompting = None
        self.on_part()

    def press(self, key: str) -> None:
        """A key of the caller."""
        if self._prompting is not None and key in self._prompting.interrupt_keys:
            self._prompting.interrupt()
        self._keys.press(key)
        self.on_key(key)
