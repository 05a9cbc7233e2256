"""A process that ends every open call of a database, charging for it, until it is done or killed; it begins with a line
on stdin.

`python -m tests.engine.billing.closing_worker URL [POINT AFTER]`: with a point, it kills itself there at the so many-th
time: `begun` before a transaction has written anything, `written` before its commit, `committed` when a call that waits
is told of it. At `paused` it goes on no further after so many calls, and waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from engine.billing import closing
from engine.billing.charging import CallCharges
from engine.model import CallOutcome
from engine.outbox import Outbox
from engine.records import CallRecords
from engine.store import Store
from engine.store.calls import unfinished_calls
from engine.store.tables import call_legs

AT_ONCE = 40


class Suicide:
    """Counts what comes by, and ends the process at one of it without a chance to say anything."""

    def __init__(self, after: int) -> None:
        self._left = after

    def comes_by(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, after: int) -> None:
    """Kills this process at the point of a transaction that the module's text names."""
    end = Suicide(after)
    closer: Any = closing.ChargedClosing
    if point == "committed":
        real_done = closing._done

        def done(ending: Any) -> None:
            end.comes_by()
            real_done(ending)

        closing._done = done  # type: ignore[assignment]
        return
    real = closer._close_all

    async def close_all(self: Any, connection: Any, endings: Any) -> Any:
        if point == "begun":
            end.comes_by()
        result = await real(self, connection, endings)
        end.comes_by()
        return result

    closer._close_all = close_all


async def work(url: str, pause_after: int | None) -> None:
    """Ends what is open: each call lasted 61 seconds."""
    ended = 0
    store = await Store.open(url)
    records = CallRecords(store, Outbox(), CallCharges(store, enabled=True))
    dialled = set(await store.read(lambda connection: connection.scalars(select(call_legs.c.call_id))))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    while calls := await store.read(lambda connection: unfinished_calls(connection, AT_ONCE)):

        async def end(call: Any) -> None:
            outcome = CallOutcome(
                "answered",
                "caller",
                "normal",
                call.answered_at + timedelta(seconds=61),
                duration_seconds=61,
                telephones=call.id in dialled,
            )
            await records.finish(call.id, outcome)

        await asyncio.gather(*map(end, calls))
        print("\n".join(call.id for call in calls), flush=True)
        ended += len(calls)
        if pause_after is not None and ended >= pause_after:
            await asyncio.Event().wait()
    await records.close()
    await store.close()


if __name__ == "__main__":
    point, after = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else (None, None)
    if point is not None and after is not None and point != "paused":
        arm(point, after)
    asyncio.run(work(sys.argv[1], after if point == "paused" else None))
