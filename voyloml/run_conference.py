"""Carries out `Conference`, by itself and inside `Dial` (contract §10.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal, cast

from voyloml.binding import Bound
from voyloml.capabilities import ConferenceOrder, Conferences, Recorded
from voyloml.dial import recording_parameters, whole_seconds
from voyloml.documents import Parameters
from voyloml.execution import Execution, Outcome
from voyloml.racing import first_of


async def run_conference(run: Execution, verb: Bound) -> Outcome:
    """A `Conference` that is a verb. Raises DocumentUnavailable."""
    return await _hold(run, verb, verb)


async def run_dialled_conference(run: Execution, dial: Bound) -> Outcome:
    """A `Dial` whose only child is a `Conference`: the Dial's action is requested, with the parameters of both."""
    return await _hold(run, dial, dial.children[0])


async def _hold(run: Execution, verb: Bound, room: Bound) -> Outcome:
    """Puts the caller into the room of `room` until it is over, then asks the action of `verb`."""
    await run.answer()
    dialled = verb is not room
    name = room.content or ""
    membership = await cast("Conferences", run.control).join(_order(run, verb, room))
    if membership is None:
        run.control.log("conference", {"room": name, "reason": "full", **verb.element.place})
        return await run.act(verb, _parameters(name, "", 0, "full", None, dialled=dialled))
    loop = asyncio.get_running_loop()
    began = loop.time()
    waits: dict[str, Coroutine[Any, Any, None]] = {"ended": membership.ended()}
    if room.flag("hangupOnStar") or verb.flag("hangupOnStar"):
        waits["left"] = _star(run)
    limit = min(room.integer("timeLimit"), verb.integer("timeLimit"))
    try:
        how, _ = await first_of(waits, seconds=limit)
    except asyncio.CancelledError:
        seconds = loop.time() - began

        async def parameters() -> Parameters:
            recorded = await membership.leave()
            return _parameters(name, membership.sid, seconds, "hangup", recorded, dialled=dialled)

        run.owe(verb, parameters)
        raise
    seconds = loop.time() - began
    reason = "ended" if how == "ended" else "left"
    recorded = await membership.leave()
    await run.drop_keys()
    run.control.log("conference", {"room": name, "reason": reason, **verb.element.place})
    return await run.act(verb, _parameters(name, membership.sid, seconds, reason, recorded, dialled=dialled))


def _order(run: Execution, verb: Bound, room: Bound) -> ConferenceOrder:
    beep = room.text("beep")
    assert beep in {"true", "false", "onEnter", "onExit"}
    return ConferenceOrder(
        room=room.content or "",
        muted=room.flag("muted"),
        beep=cast('Literal["true", "false", "onEnter", "onExit"]', beep),
        start_on_enter=room.flag("startConferenceOnEnter"),
        end_on_exit=room.flag("endConferenceOnExit"),
        max_participants=room.integer("maxParticipants"),
        wait_sound=run.url(room, "waitSound"),
        record=room.flag("record") or verb.flag("record"),
        status_callback=run.url(room, "statusCallback"),
        status_events=room.words("statusCallbackEvent"),
    )


async def _star(run: Execution) -> None:
    while await run.control.key() != "*":
        pass


def _parameters(
    name: str, sid: str, seconds: float, reason: str, recorded: Recorded | None, *, dialled: bool
) -> list[tuple[str, str]]:
    pairs = []
    if dialled:
        status = "failed" if reason == "full" else "completed"
        pairs = [("DialStatus", status), ("DialTo", name), ("DialDuration", whole_seconds(seconds))]
    pairs += [
        ("ConferenceName", name),
        ("ConferenceSid", sid),
        ("ConferenceDuration", whole_seconds(seconds)),
        ("ConferenceEndReason", reason),
        *recording_parameters(recorded),
    ]
    return [(key, value) for key, value in pairs if value]
