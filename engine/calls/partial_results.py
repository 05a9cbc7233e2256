"""Partial results of a `Gather`, told to its `partialResultCallback` while the caller speaks (contract §10.5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.calls.status_callback import StatusCallbacks
from media import Partial
from voyloml import told
from voyloml.capabilities import PartialOrder, PartialSpeech

if TYPE_CHECKING:
    from engine.calls.call import Call


class PartialTelling:
    """One request at a time, in order. While one is under way only the newest result waits; older ones are dropped."""

    def __init__(self, call: Call, callbacks: StatusCallbacks, order: PartialOrder) -> None:
        self._call = call
        self._callbacks = callbacks
        self._order = order
        self._sequence = 0
        self._next: Partial | None = None
        self._under_way: asyncio.Task[None] | None = None

    def tell(self, partial: Partial) -> None:
        """Tells it as soon as may be."""
        self._next = partial
        if self._under_way is None:
            self._send()

    def stop(self) -> None:
        """What still waits is not told; a request that is under way goes on."""
        self._next = None

    def _send(self) -> None:
        partial, self._next = self._next, None
        if partial is None:
            self._under_way = None
            return
        said = PartialSpeech(partial.stable, partial.unstable, partial.stability)
        form = {**self._order.form(), **told.of_partial(self._sequence, said)}
        self._sequence += 1
        self._under_way = self._callbacks.tell(self._call, "partial", self._order.url, form, method=self._order.method)
        self._under_way.add_done_callback(lambda _: self._send())
