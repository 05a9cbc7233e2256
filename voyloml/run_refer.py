"""Carries out `Refer` (contract §10.8)."""

from __future__ import annotations

import asyncio
from typing import cast

from voyloml.binding import Bound
from voyloml.capabilities import Referred, Referrer
from voyloml.documents import Parameters
from voyloml.execution import Execution, Outcome, RunResult


async def run_refer(run: Execution, verb: Bound) -> Outcome:
    """Transfers an answered caller; one who is not answered has no dialog to refer in. Raises DocumentUnavailable.

    Once it is accepted the leg is over: the action is requested and its answer ignored.
    """
    referrer = cast("Referrer", run.control)
    uri = verb.content or next((child.content for child in verb.children if child.usable), None)
    referred = Referred(accepted=False, code=0)
    if uri is not None and run.control.answered:
        try:
            referred = await referrer.refer(uri)
        except asyncio.CancelledError:
            # Phones hang up once they are connected elsewhere, often before they say so.
            run.owe(verb, lambda: _later(run, verb, referrer))
            raise
    parameters = _tell(run, verb, referred)
    if not referred.accepted:
        return await run.act(verb, parameters)

    async def given() -> Parameters:
        return parameters

    run.owe(verb, given)
    return RunResult("hangup", "referred")


async def _later(run: Execution, verb: Bound, referrer: Referrer) -> Parameters:
    return _tell(run, verb, referrer.referred())


def _tell(run: Execution, verb: Bound, referred: Referred) -> Parameters:
    run.control.log("refer", {"accepted": referred.accepted, "code": referred.code, **verb.element.place})
    parameters = [("ReferStatus", "accepted" if referred.accepted else "failed")]
    if referred.code:
        parameters.append(("ReferSipCode", str(referred.code)))
    return parameters
