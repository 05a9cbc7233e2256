"""Conferences and queues of simulated calls."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Final

from voyloml import told
from voyloml.capabilities import ConferenceOrder, Recorded
from voyloml.control import PlayFile
from voyloml.simulate.phone import Phone, Playing
from voyloml.simulate.script import ConferenceScript, QueueScript, after
from voyloml.simulate.timeline import What

_BEEPS: Final = {
    "true": "",
    "onEnter": "no tone when he leaves",
    "onExit": "no tone when he enters",
    "false": "no tones",
}


class SimulatedMembership:
    """A caller in a room."""

    def __init__(self, phone: Phone, order: ConferenceOrder, script: ConferenceScript) -> None:
        self.sid = f"cf_{order.room}"
        self._phone = phone
        self._order = order
        self._script = script
        self._began = phone.now
        self._in = True
        self._waiting: Playing | None = None
        self._numbered = 0
        how = ["muted" if order.muted else "", _BEEPS[order.beep]]
        how.append("" if order.start_on_enter or self._others else "it does not start for him")
        words = "".join(f", {word}" for word in how if word)
        phone.note(What.CALL, f"in conference {order.room}{words}", {**asdict(order), "others": self._others})
        self._tell("join", 1, {"Muted": "true" if order.muted else "false"})
        self._started = order.start_on_enter and not self._others
        if self._started:
            self._tell("start", 1)
        if order.wait_sound is not None and not self._others:
            self._waiting = phone.prompt([PlayFile(order.wait_sound, loop=0)])

    @property
    def _others(self) -> int:
        return self._script.others

    def _tell(self, event: str, himself: int, more: dict[str, str] | None = None) -> None:
        order = self._order
        if order.status_callback is None or event not in order.status_events:
            return
        numbered = {**(more or {}), "SequenceNumber": str(self._numbered)}
        self._numbered += 1
        participants = self._others + himself
        self._phone.tell(
            order.status_callback,
            told.of_conference(self.sid, order.room, event, self._phone.date, participants, numbered),
        )

    async def ended(self) -> None:
        """Waits for the end that the script has."""
        await after(self._script.ends_after)

    async def leave(self) -> Recorded | None:
        """Leaves; the room ends with him where he ends it or was alone."""
        phone, order = self._phone, self._order
        if self._in:
            self._in = False
            if self._waiting is not None:
                self._waiting.stop()
            ends = order.end_on_exit and self._others
            words = ", which ends it for everybody" if ends else ""
            phone.note(What.CALL, f"out of conference {order.room}{words}", {"room": order.room})
            self._tell("leave", 0)
            if ends or not self._others:
                # How long it has lasted is known where it began with him.
                lasted = {"ConferenceDuration": str(round(phone.now - self._began))} if self._started else {}
                self._tell("end", 0, lasted)
        return phone.recorded(phone.now - self._began) if order.record else None


class SimulatedWaiting:
    """A caller in a queue, who moves up evenly until his turn."""

    def __init__(self, phone: Phone, queue: str, script: QueueScript) -> None:
        self._phone = phone
        self._queue = queue
        self._script = script
        self._began = phone.now
        self._in = True

    @property
    def position(self) -> int:
        """Place in the queue."""
        ahead, turn = self._script.ahead, self._script.taken_after
        if not turn:
            return ahead + 1
        return max(1, ahead + 1 - int((ahead + 1) * (self._phone.now - self._began) / turn))

    @property
    def size(self) -> int:
        """Callers in the queue."""
        return self.position

    async def taken(self) -> None:
        """Waits for the turn."""
        await after(self._script.taken_after)
        self._phone.note(What.CALL, f"taken out of queue {self._queue}", {"queue": self._queue})

    async def bridge_over(self) -> None:
        """Talks."""
        await asyncio.sleep(self._script.talk)

    async def leave(self) -> None:
        """Leaves."""
        if self._in:
            self._in = False
            self._phone.note(What.CALL, f"out of queue {self._queue}", {"queue": self._queue})
