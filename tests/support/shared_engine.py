"""One engine for all tests of a module: after each test nothing is left of it."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import call_events, call_log, calls, deliveries, recordings
from tests.support.engine import TestEngine
from tests.support.recordings import files

COLLECTIONS = ("numbers", "trunks/inbound", "trunks/outbound", "applications", "agents", "webhooks")
"""Numbers come first: what they point at cannot be deleted before."""

MANY_REQUESTS = {"requests_per_minute": 100_000, "request_burst": 10_000}
"""`limits` of the engine: all tests have the same API key."""


async def clear(engine: TestEngine) -> None:
    """Hangs up every call and deletes everything that can be created, with the records of calls and their audio."""
    await engine.process.switchboard.hang_up_all()
    for collection in COLLECTIONS:
        path = f"/v1/{collection}"
        listed = (await engine.client.get(path, params={"limit": 100})).json()["data"]
        for item in listed:
            answer = await engine.client.delete(f"{path}/{item['id']}")
            assert answer.status_code == 204, answer.text
    await forget_calls(engine)


async def forget_calls(engine: TestEngine) -> None:
    """Hangs up every call and deletes the records of calls and their audio."""
    await engine.process.switchboard.hang_up_all()
    async with asyncio.timeout(10):
        while len(engine.process.switchboard):
            await asyncio.sleep(0.02)
    await engine.process.store.write(_forget_calls)
    for path in files(engine):
        path.unlink()


async def _forget_calls(connection: AsyncConnection) -> None:
    for table in (deliveries, call_events, call_log, recordings, calls):
        await connection.execute(delete(table))
