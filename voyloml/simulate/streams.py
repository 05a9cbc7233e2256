"""Sockets of simulated calls."""

from __future__ import annotations

import asyncio

from voyloml import told
from voyloml.capabilities import StreamFailed, StreamOrder
from voyloml.simulate.phone import Phone
from voyloml.simulate.script import StreamScript
from voyloml.simulate.timeline import What


class SimulatedStream:
    """A socket; opening it tells its status callback, and so does its end. Raises StreamFailed."""

    def __init__(self, phone: Phone, order: StreamOrder, script: StreamScript, number: int) -> None:
        self.order = order
        self._phone = phone
        self._sid = f"st_{number}"
        if script.fails:
            message = f"{order.url} cannot be reached"
            self._tell("stream-error", message)
            raise StreamFailed(message)
        track = "" if order.track == "inbound" else f", track {order.track}"
        data = {"url": order.url, "track": order.track, "name": order.name, "parameters": dict(order.parameters)}
        phone.note(What.CALL, f"streams to {order.url}{track}", data)
        self._tell("stream-started")
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        if script.closes_after is not None:
            self._timer = asyncio.get_running_loop().call_later(script.closes_after, self.end)

    def _tell(self, event: str, error: str | None = None) -> None:
        if self.order.status_callback is not None:
            form = told.of_stream(self._sid, event, self._phone.date, self.order.name, error)
            self._phone.tell(self.order.status_callback, form)

    def end(self) -> None:
        """The socket closes; safe at any time."""
        if self._over.is_set():
            return
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        self._tell("stream-stopped")

    async def closed(self) -> None:
        """Waits for the other side to close it."""
        await self._over.wait()

    async def stop(self) -> None:
        """Closes it."""
        self.end()
