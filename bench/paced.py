"""Requests to the API at a fixed rate, each sent when it is due: a queue that grows shows in the delays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp

from bench.engine import API_KEY


async def paced(
    ask: Callable[[aiohttp.ClientSession, int], AbstractAsyncContextManager[aiohttp.ClientResponse]],
    *,
    per_second: int,
    seconds: float,
    status: int,
) -> list[float]:
    """Make the requests that `ask` begins, by number; how long each answer took, in ms, from when it was due, sorted.

    Raises RuntimeError in a group for an answer with another status.
    """
    waits: list[float] = []

    async def request(session: aiohttp.ClientSession, number: int, due: float) -> None:
        async with ask(session, number) as answer:
            await answer.read()
            if answer.status != status:
                raise RuntimeError(f"a request got {answer.status}, not {status}")
        waits.append((time.monotonic() - due) * 1000)

    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=64)) as session,
        asyncio.TaskGroup() as running,
    ):
        began = time.monotonic()
        for number in range(round(seconds * per_second)):
            due = began + number / per_second
            if (ahead := due - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            running.create_task(request(session, number, due))
    return sorted(waits)
