"""Carries out `Play`, `Say`, `Pause`, `PreAnswer` and `SendDigits` (contract §10.4, §10.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from voyloml.binding import Bound, Problem
from voyloml.capabilities import EarlyMedia, SeamlessPrompts, offers
from voyloml.control import PlayDigits, PlayFile, PromptItem, Speak
from voyloml.errors import Code
from voyloml.execution import Execution, PromptRow


async def run_prompt(run: Execution, verb: Bound) -> None:
    """`Play` or `Say`: answers, plays, and waits until it is over. Keys pressed meanwhile are kept.

    Those that follow it are played in the same list where the call can do that.
    """
    if run.row is not None and run.row.next_is(verb):
        await run.row.hear()
        return
    items = run.prompt_items((verb,))
    if not items:
        return
    await run.answer()
    row = _row(run, verb, items) if offers(run.control, SeamlessPrompts) else [(verb, len(items))]
    if len(row) == 1:
        await _hear(run, items)
        return
    run.row = PromptRow(cast("SeamlessPrompts", run.control).prompt_in_a_row(items), row)
    await run.row.hear()


def _row(run: Execution, verb: Bound, items: list[PromptItem]) -> list[tuple[Bound, int]]:
    """Adds to the items of a verb those of the prompts that follow it, up to one that has no end; each with the number
    of items up to its own last one."""
    row = [(verb, len(items))]
    for follower in run.prompts_ahead():
        if any(isinstance(item, PlayFile | PlayDigits | Speak) and item.loop == 0 for item in items):
            break
        items += run.prompt_items((follower,))
        row.append((follower, len(items)))
    return row


async def run_pause(run: Execution, verb: Bound) -> None:
    """`Pause`: time passes, in whatever state the call is."""
    await asyncio.sleep(verb.integer("length"))


async def run_pre_answer(run: Execution, verb: Bound) -> None:
    """`PreAnswer`: its prompts as early media; on an answered call they are prompts like any other."""
    items = run.prompt_items(verb.children)
    if not items:
        return
    if not run.control.answered:
        await cast("EarlyMedia", run.control).pre_answer()
    await _hear(run, items)


async def run_send_digits(run: Execution, verb: Bound) -> None:
    """`SendDigits`: it does not answer, and before the answer nobody could hear the digits."""
    if not run.control.answered:
        message = "<SendDigits> sends nothing: the call is not answered"
        run.warn(Problem(verb.element, Code.BAD_NESTING, message))
        return
    await _hear(run, [PlayDigits(verb.content or "")])


async def _hear(run: Execution, items: Sequence[PromptItem]) -> None:
    prompting = run.control.prompt(items)
    try:
        await prompting.wait()
    finally:
        prompting.stop()
