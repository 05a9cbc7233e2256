"""Carries out `Redirect`, `Hangup` and `Reject` (contract §10.8), and what stands in for verbs this version has not
got."""

from __future__ import annotations

from voyloml.binding import Bound
from voyloml.execution import Execution, Outcome, RunResult


async def run_redirect(run: Execution, verb: Bound) -> Outcome:
    """`Redirect`: the document at its URL takes over. Raises DocumentUnavailable."""
    return await run.follow(verb, verb.content)


async def run_hangup(run: Execution, verb: Bound) -> RunResult:
    """`Hangup` and `Reject`: both end an answered call and refuse an unanswered one."""
    if run.control.answered:
        return RunResult("hangup")
    return RunResult("rejected", verb.text("reason") or "")


async def run_unavailable(run: Execution, verb: Bound) -> Outcome:
    """A verb that is part of the language but is not carried out yet.

    It never answers the call. A verb that can fail, fails: its action is requested with the parameters of a failure,
    so that an application that minds can do something else. The others are passed over.
    """
    name = verb.spec.name
    message = f"<{name}> is not available in this version"
    run.control.log("verb_unavailable", {"verb": name, "message": message, **verb.element.place})
    if not verb.spec.unavailable or verb.text("action") is None:
        return None
    return await run.follow(verb, verb.text("action"), verb.spec.unavailable)
