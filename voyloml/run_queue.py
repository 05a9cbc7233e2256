"""Carries out `Enqueue` and `Leave` (contract §10.8).

While the caller waits, `waitUrl` is a document that runs over and over, as any other document does; it may hold the
verbs of `WAITING_VERBS`. Without one `waitSound` is played, or there is silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, cast

from voyloml.binding import Bound, Problem
from voyloml.capabilities import Queues, Waiting
from voyloml.control import PlayFile
from voyloml.dial import whole_seconds
from voyloml.documents import DocumentUnavailable, Page, Parameters
from voyloml.errors import Code
from voyloml.execution import Execution, LeaveQueue, Outcome, RunResult
from voyloml.racing import first_of

WAITING_VERBS: Final = frozenset({"Play", "Say", "Pause", "Gather", "Redirect", "Leave", "Hangup"})
ROUND_SECONDS: Final = 1.0
"""A waiting document that is over sooner begins again only then: it must not ask its URL without end."""


async def run_enqueue(run: Execution, verb: Bound) -> Outcome:
    """Waits until a Dial takes the caller, and until their bridge is over. Raises DocumentUnavailable."""
    await run.answer()
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiting = await cast("Queues", run.control).enqueue(verb.content or "", most=verb.integer("maxQueueSize"))
    if waiting is None:
        return await _act(run, verb, "full", 0)
    page = run.page
    taken: float | None = None
    over: RunResult | None = None
    try:
        waits: dict[str, Coroutine[Any, Any, Any]] = {"taken": waiting.taken(), "wait": _wait(run, verb, waiting)}
        try:
            name, over = await first_of(waits)
        finally:
            run.waiting = False
            run.page = page
        if name == "taken":
            taken = loop.time()
            await waiting.bridge_over()
            await run.drop_keys()
    except asyncio.CancelledError:
        await waiting.leave()
        result = "hangup" if taken is None else "bridged"
        given = _parameters(result, (taken or loop.time()) - began)

        async def parameters() -> Parameters:
            return given

        run.owe(verb, parameters)
        raise
    await waiting.leave()
    if over is not None:
        return over
    if taken is not None:
        return await _act(run, verb, "bridged", taken - began)
    return await _act(run, verb, "leave", loop.time() - began)


async def run_leave(run: Execution, verb: Bound) -> Outcome:
    """`Leave`: only where its document runs while the caller waits."""
    if run.waiting:
        raise LeaveQueue
    message = "<Leave> does nothing here: the caller is not waiting in a queue"
    run.warn(Problem(verb.element, Code.BAD_NESTING, message))
    return None


async def _act(run: Execution, verb: Bound, result: str, seconds: float) -> Outcome:
    run.control.log("queue", {"queue": verb.content, "result": result, **verb.element.place})
    return await run.act(verb, _parameters(result, seconds))


def _parameters(result: str, seconds: float) -> list[tuple[str, str]]:
    return [("QueueResult", result), ("QueueTime", whole_seconds(seconds))]


async def _wait(run: Execution, verb: Bound, waiting: Waiting) -> RunResult | None:
    """What the caller hears; returns when a document of `waitUrl` has ended the waiting (None) or the call."""
    assert run.page is not None
    if verb.text("waitUrl") is not None and (url := run.url(verb, "waitUrl")) is not None:
        run.waiting = True
        try:
            return await _run_documents(run, verb, url, waiting)
        except LeaveQueue:
            return None
        except DocumentUnavailable as error:
            message = f"the caller waits in silence: {error}"
            run.warn(Problem(verb.element, Code.BAD_URL, message))
    elif (sound := run.url(verb, "waitSound")) is not None:
        prompting = run.control.prompt([PlayFile(sound, loop=0)])
        try:
            await prompting.wait()
        finally:
            prompting.stop()
    await asyncio.get_running_loop().create_future()
    raise AssertionError("the future is never done")


async def _run_documents(run: Execution, verb: Bound, url: str, waiting: Waiting) -> RunResult:
    loop = asyncio.get_running_loop()
    began = loop.time()
    method = verb.text("waitUrlMethod") or "POST"
    verbs = run.verbs
    while True:
        round_began = loop.time()
        # A long wait must not use up what the call may do; each round has as much as was left before.
        run.verbs = verbs
        parameters = [
            ("QueuePosition", str(waiting.position)),
            ("CurrentQueueSize", str(waiting.size)),
            ("QueueTime", whole_seconds(loop.time() - began)),
        ]
        outcome: Outcome = await run.documents.fetch(url, method, "queue", parameters)
        while isinstance(outcome, Page):
            outcome = await run.run_page(outcome)
        if outcome is not None:
            return outcome
        await asyncio.sleep(max(0.0, round_began + ROUND_SECONDS - loop.time()))
