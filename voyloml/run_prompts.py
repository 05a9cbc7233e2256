"""Carries out `Play`, `Say` and `Pause` (contract §10.4, §10.8)."""

from __future__ import annotations

import asyncio

from voyloml.binding import Bound
from voyloml.execution import Execution


async def run_prompt(run: Execution, verb: Bound) -> None:
    """`Play` or `Say`: answers, plays, and waits until it is over. Keys pressed meanwhile are kept."""
    items = run.prompt_items((verb,))
    if not items:
        return
    await run.answer()
    prompting = run.control.prompt(items)
    try:
        await prompting.wait()
    finally:
        prompting.stop()


async def run_pause(run: Execution, verb: Bound) -> None:
    """`Pause`: time passes, in whatever state the call is."""
    await asyncio.sleep(verb.integer("length"))
