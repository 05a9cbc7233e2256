"""Whom and what a simulated call reaches: dialled parties, conferences, queues, sockets, transfers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from voyloml.capabilities import (
    AnsweredBy,
    ConferenceOrder,
    DialRefused,
    DialTarget,
    Recorded,
    Referred,
    StreamOrder,
    Unreached,
)
from voyloml.control import PromptItem
from voyloml.simulate.phone import ENDLESS, Keys, Phone, Playing
from voyloml.simulate.rooms import SimulatedMembership, SimulatedWaiting
from voyloml.simulate.script import ConferenceScript, PartyScript, QueueScript, ReferScript, StreamScript, World, after
from voyloml.simulate.streams import SimulatedStream
from voyloml.simulate.timeline import Timeline, What

_CAUSES = {
    **dict.fromkeys((486, 600), "busy"),
    **dict.fromkeys((408, 480), "no_answer"),
    **dict.fromkeys((603, 607, 608), "rejected"),
    **dict.fromkeys((404, 410, 484, 604), "unallocated_number"),
}


class SimulatedCall(Phone):
    """A call with everything around it: also `Dialler`, `Conferences`, `Queues`, `Streams` and `Referrer`."""

    _legs = 0
    _sockets = 0

    def __init__(self, timeline: Timeline, world: World, *, answered: bool) -> None:
        super().__init__(timeline, world, answered=answered)
        self._streams: list[SimulatedStream] = []

    async def parties(
        self, targets: Sequence[DialTarget], *, caller_id: str | None, headers: Sequence[str]
    ) -> Sequence[SimulatedParty]:
        """A party for each target, out of the script."""
        allowed = self.world.caller_ids
        by_number = any(target.kind == "number" for target in targets)
        if by_number and caller_id is not None and allowed is not None and caller_id not in allowed:
            message = f"callerId {caller_id} must not be shown: nothing is dialled"
            raise DialRefused("caller_id_not_allowed", message, 403)
        return [SimulatedParty(self, target, [*headers, *target.headers]) for target in targets]

    def next_leg(self) -> int:
        """A number for one more leg."""
        self._legs += 1
        return self._legs

    def ringback(self, *, real: bool) -> Ringing:
        """What the caller hears meanwhile."""
        self.note(What.HEARS, "the far side's early media" if real else "ringing")
        return Ringing()

    async def bridge(self, party: SimulatedParty, *, record: bool) -> SimulatedBridge:
        """Connects the two."""
        self.note(What.CALL, f"bridged with {party.address}", {"party": party.address, "recorded": record})
        self.changed()
        return SimulatedBridge(self, record=record)

    async def join(self, order: ConferenceOrder) -> SimulatedMembership | None:
        """Enters a room."""
        script = self.world.conferences.get(order.room) or self.world.conferences.get("*") or ConferenceScript()
        if script.full or script.others >= order.max_participants:
            return None
        return SimulatedMembership(self, order, script)

    async def enqueue(self, queue: str, *, most: int) -> SimulatedWaiting | None:
        """Waits in a queue."""
        script = self.world.queues.get(queue) or self.world.queues.get("*") or QueueScript()
        if script.ahead >= most:
            return None
        self.note(What.CALL, f"in queue {queue} at {script.ahead + 1}", {"queue": queue, "position": script.ahead + 1})
        return SimulatedWaiting(self, queue, script)

    async def stream(self, order: StreamOrder) -> SimulatedStream:
        """Opens a socket."""
        script = self.world.streams.get(order.url) or self.world.streams.get("*") or StreamScript()
        self._sockets += 1
        stream = SimulatedStream(self, order, script, self._sockets)
        self._streams.append(stream)
        return stream

    def end_streams(self) -> None:
        """Closes the sockets that are still open."""
        for stream in self._streams:
            stream.end()

    async def refer(self, uri: str) -> Referred:
        """Transfers the caller."""
        script = self.world.refers.get(uri) or self.world.refers.get("*") or ReferScript()
        self.note(What.CALL, f"REFER to {uri}", {"refer": uri})
        await asyncio.sleep(script.after)
        return Referred(200 <= script.code < 300, script.code)

    def referred(self) -> Referred:
        """The caller has left before the script said what becomes of the transfer."""
        return Referred(accepted=False, code=0)


def _cause(code: int) -> str:
    """The word for a refusal, as live calls have it (contract §14.3)."""
    return _CAUSES.get(code) or ("network_error" if code >= 500 else "rejected")


class Ringing:
    """A ringing tone."""

    interrupted = False

    async def wait(self) -> None:
        """Never ends by itself."""
        await asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        """Nothing to do."""


class SimulatedParty:
    """Someone who is dialled, and does what the script says."""

    def __init__(self, call: SimulatedCall, target: DialTarget, headers: Sequence[str]) -> None:
        self.address = target.address
        self._login = (target.username, target.password)
        self.sid = f"cl_leg{call.next_leg()}"
        self._call = call
        self._headers = headers
        self._script: PartyScript = call.world.party(
            f"queue:{self.address}" if target.kind == "queue" else self.address
        )
        self._keys = Keys()
        self._playing: Playing | None = None
        self._rung = False
        self._answered = False
        self._over = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    def _note(self, text: str) -> None:
        self._call.note(What.PARTY, f"{self.address} {text}", {"party": self.address})

    async def ring(self) -> Unreached | None:
        """Rings."""
        script = self._script
        self._rung = True
        with_headers = f" with {', '.join(self._headers)}" if self._headers else ""
        self._note(f"is dialled{with_headers}")
        if script.login is not None and script.login != self._login:
            self._note("gives 401")
            self._over.set()
            return Unreached("failed", _cause(401), 401)
        if script.answers_after is None:
            await after(script.fails_after)
            self._note(f"gives {script.code}")
            self._over.set()
            cause = _cause(script.code)
            status: Literal["busy", "no-answer", "failed"] = "failed"
            if cause == "busy":
                status = "busy"
            elif cause == "no_answer":
                status = "no-answer"
            return Unreached(status, cause, script.code, rang=script.rings)
        await asyncio.sleep(script.answers_after)
        self._answered = True
        self._note("answers")
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(at, self._press, key) for at, key in script.presses]
        if script.hangs_up_after is not None:
            self._timers.append(loop.call_later(script.hangs_up_after, self._hang_up))
        return None

    def _press(self, key: str) -> None:
        self._note(f"presses {key}")
        if self._playing is not None and key in self._playing.interrupt_keys:
            self._playing.interrupt()
        self._keys.press(key)

    def _hang_up(self) -> None:
        if not self._over.is_set():
            self._note("hangs up")
            self._end()

    def _end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._over.set()

    def prompt(self, items: Sequence[PromptItem], *, interrupt_keys: str = "") -> Playing:
        """The party hears something."""
        self._playing = Playing(self._call, items, interrupt_keys, f"{self.address} hears ")
        return self._playing

    async def key(self) -> str:
        """The next key."""
        return await self._keys.next()

    async def detect(self, *, message_end: bool, timeout: float) -> AnsweredBy:
        """Who answered, as the script has it."""
        script = self._script
        machine = script.answered_by == "machine"
        needed = script.message_ends_after if machine and message_end else script.decides_after
        if script.answered_by == "unknown":
            needed = ENDLESS
        await asyncio.sleep(min(needed, timeout))
        found: AnsweredBy = script.answered_by if script.decides_after <= timeout else "unknown"
        self._note(f"is taken for {found}")
        return found

    async def gone(self) -> None:
        """Waits for the party to hang up."""
        await self._over.wait()

    async def hangup(self) -> None:
        """Ends the leg."""
        if not self._rung or self._over.is_set():
            return
        self._note("is hung up" if self._answered else "is cancelled")
        if self._playing is not None:
            self._playing.stop()
        self._end()


class SimulatedBridge:
    """Two who talk."""

    def __init__(self, call: SimulatedCall, *, record: bool) -> None:
        self._call = call
        self._began = call.now
        self._record = record

    async def stop(self) -> Recorded | None:
        """Parts them."""
        if not self._record:
            return None
        self._record = False
        return self._call.recorded(self._call.now - self._began)
