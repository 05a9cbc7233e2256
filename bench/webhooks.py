"""Deliveries to a fast target: what waits in the outbox when the engine starts, on one core, until it has arrived.

The target answers from the other core as soon as a request is complete. Each delivery is read from the store, signed,
sent, and its result stored; of the three events of a call the last is looked up for a recording.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench.api import UNLIMITED, fill
from bench.engine import started
from bench.target import target

PER_SECOND = 1000
EVENTS = ("call.received", "call.answered", "call.completed")

_EVENTS = """
INSERT INTO call_events (id, workspace_id, type, call_id, payload, created_at)
SELECT printf('evt_%s%010d', substr(:type, 6, 2), rowid), :workspace, :type, id,
    json_object('event', :type, 'id', printf('evt_%s%010d', substr(:type, 6, 2), rowid), 'call_id', public_id,
        'from', from_number, 'to', to_number, 'filling', printf('%.*c', 500, 'x')), created_at FROM calls
"""
_DELIVERIES = """
INSERT INTO deliveries (id, workspace_id, target_kind, target_id, event_id, event_type, call_id, status, attempts,
    next_attempt_at, created_at, target_url, request_headers)
SELECT printf('%08x-0000-4000-8000-%012x', seq, seq), :workspace, 'webhook', :webhook, id, type, call_id, 'pending', 0,
    created_at, created_at, :url, '{}' FROM call_events WHERE call_id IS NOT NULL
"""


def put_in_outbox(folder: Path, url: str, calls: int, core: int) -> None:
    """A database with the events of so many calls, each to be delivered to one webhook."""
    with started(folder, core=core, **UNLIMITED) as engine:
        webhook = engine.post("/v1/webhooks", {"url": url, "events": ["*"]})["id"]
        workspace = str(engine.get("/v1/workspaces")[0]["id"])
    fill(folder, workspace, calls)
    with closing(sqlite3.connect(folder / "voylo.db")) as connection:
        for kind in EVENTS:
            connection.execute(_EVENTS, {"type": kind, "workspace": workspace})
        connection.execute(_DELIVERIES, {"workspace": workspace, "webhook": webhook, "url": url})
        connection.commit()


def left(folder: Path) -> int:
    """How many deliveries the store does not know to have arrived."""
    with closing(sqlite3.connect(folder / "voylo.db")) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM deliveries WHERE status <> 'delivered'")
    return int(count)


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns deliveries a second. Raises RuntimeError when one was made twice or its result was lost."""
    cores = sorted(os.sched_getaffinity(0))
    calls = 1_500 if quick else 10_000
    count = calls * len(EVENTS)
    with tempfile.TemporaryDirectory() as folder, target(cores[-1]) as (url, arrivals):
        data = Path(folder) / "data"
        put_in_outbox(data, url, calls, cores[0])
        with started(data, core=cores[0], **UNLIMITED):
            while len(arrivals) < count:
                time.sleep(0.02)
        if (lost := left(data)) or len(arrivals) != count:
            raise RuntimeError(f"{count} deliveries: {len(arrivals)} arrived, {lost} are stored as open")
    # Without the first tenth: the engine is still starting.
    settled = arrivals[count // 10 :]
    rate = (len(settled) - 1) / (settled[-1] - settled[0])
    print(f"{count} deliveries to one fast target: {rate:.0f} a second")
    missed = rate < PER_SECOND
    if missed:
        print(f"missed  at least {PER_SECOND} a second")
    return {"per_second": rate, "missed": missed}
