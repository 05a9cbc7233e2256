"""Waiting for whichever of several things happens first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any


async def first_of(waits: Mapping[str, Coroutine[Any, Any, Any]], *, seconds: float | None = None) -> tuple[str, Any]:
    """The name and the result of the wait that is over first; of several at once, the one named first.

    `("time", None)` after `seconds`. The others are cancelled and have ended when this returns, also when it is
    cancelled itself. What the first raises is raised.
    """
    tasks = {name: asyncio.ensure_future(wait) for name, wait in waits.items()}
    try:
        done, _ = await asyncio.wait(tasks.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for name, task in tasks.items():
            if task in done:
                return name, task.result()
        return "time", None
    finally:
        await drop(*tasks.values())


async def drop(*tasks: asyncio.Future[Any]) -> None:
    """Cancels tasks and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
