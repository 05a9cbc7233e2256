"""Carries out `Gather` (contract §10.5): drives the machine of `voyloml.gather` with a live call.

Speech needs a recogniser; without one a Gather that listens to speech alone ends after its silence, with no input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from voyloml.binding import Bound
from voyloml.control import CallControl, PromptItem
from voyloml.execution import Execution, Outcome
from voyloml.gather import GatherMachine, GatherRules, Phase, Step


async def run_gather(run: Execution, verb: Bound) -> Outcome:
    """Plays the prompts, collects keys and requests the action. Raises DocumentUnavailable."""
    await run.answer()
    rules = GatherRules.of(verb)
    items = run.prompt_items(verb.children)
    machine = GatherMachine(rules, prompts=bool(items))
    await _collect(run.control, machine, rules, items)
    digits = machine.digits
    # The digits may be a PIN, so the log only counts them.
    run.control.log("gather", {"digits": len(digits), **verb.element.place})
    if not digits and not verb.flag("actionOnEmptyResult"):
        return None
    parameters = [("Digits", digits)]
    if digits:
        parameters.append(("InputType", "dtmf"))
    return await run.follow(verb, verb.text("action"), parameters)


async def _collect(
    control: CallControl, machine: GatherMachine, rules: GatherRules, items: Sequence[PromptItem]
) -> None:
    """Runs the machine to its end."""
    while machine.listening and control.pending_keys():
        machine.key(await control.key())
    if machine.phase is Phase.PROMPTING:
        await _play(control, machine, rules, items)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rules.timeout
    if not machine.listening and machine.phase is Phase.COLLECTING:
        await asyncio.sleep(rules.timeout)
        machine.timer_over()
    while machine.phase is Phase.COLLECTING:
        try:
            async with asyncio.timeout_at(deadline):
                step = machine.key(await control.key())
        except TimeoutError:
            machine.timer_over()
            return
        if Step.START_TIMER in step:
            deadline = loop.time() + rules.timeout


async def _play(control: CallControl, machine: GatherMachine, rules: GatherRules, items: Sequence[PromptItem]) -> None:
    """Plays the prompts until they are over or a key has stopped them; the machine is past PROMPTING afterwards."""
    prompting = control.prompt(items, interrupt_keys=rules.interrupt_keys)
    over = asyncio.ensure_future(prompting.wait())
    key: asyncio.Future[str] | None = None
    try:
        while machine.phase is Phase.PROMPTING:
            if machine.listening and key is None:
                key = asyncio.ensure_future(control.key())
            await asyncio.wait((over,) if key is None else (over, key), return_when=asyncio.FIRST_COMPLETED)
            # A key first: where both are done, the key was pressed while the prompts could still be heard.
            if key is not None and key.done():
                machine.key(key.result())
                key = None
            else:
                over.result()
                machine.prompts_over()
    finally:
        prompting.stop()
        for waiting in (over, key):
            if waiting is not None:
                waiting.cancel()
        await asyncio.gather(*(waiting for waiting in (over, key) if waiting is not None), return_exceptions=True)
