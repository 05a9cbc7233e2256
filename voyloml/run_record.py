"""Carries out `Record` (contract §10.7)."""

from __future__ import annotations

import asyncio
from typing import cast

from voyloml.binding import Bound
from voyloml.capabilities import AUDIBLE_SECONDS, Recorded, Recorder, RecordingOrder
from voyloml.dial import recording_parameters
from voyloml.documents import Parameters
from voyloml.execution import Execution, Outcome
from voyloml.racing import first_of


async def run_record(run: Execution, verb: Bound) -> Outcome:
    """Records until a key, silence or the length ends it. Raises DocumentUnavailable.

    Keys pressed before the recording begins are consumed: a key that skipped a prompt must not end it at once.
    """
    await run.answer()
    await run.drop_keys()
    recording = await cast("Recorder", run.control).record(
        RecordingOrder(
            beep=verb.flag("playBeep"),
            silence=verb.integer("timeout"),
            trim=verb.text("trim") == "trim-silence",
            status_callback=run.url(verb, "recordingStatusCallback"),
        )
    )
    try:
        name, key = await first_of(
            {"key": _finish_key(run, verb.text("finishOnKey") or ""), "silence": recording.silent()},
            seconds=verb.integer("maxLength"),
        )
    except asyncio.CancelledError:

        async def parameters() -> Parameters | None:
            return _parameters(await recording.stop(), "hangup")

        run.owe(verb, parameters)
        raise
    recorded = await recording.stop()
    run.control.log(
        "record", {"seconds": 0 if recorded is None else recorded.seconds, "ended": name, **verb.element.place}
    )
    given = _parameters(recorded, key or "")
    return None if given is None else await run.act(verb, given)


async def _finish_key(run: Execution, keys: str) -> str:
    while (key := await run.control.key()) not in keys:
        pass
    return key


def _parameters(recorded: Recorded | None, digits: str) -> list[tuple[str, str]] | None:
    """None when nothing audible was recorded."""
    if recorded is None or recorded.seconds < AUDIBLE_SECONDS:
        return None
    return [*recording_parameters(recorded), ("RecordingSid", recorded.sid), ("Digits", digits)]
