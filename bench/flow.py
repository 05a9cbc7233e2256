"""A small flow, whole: answer, a prompt of two seconds, a key sent to an action URL, its document, hang up, the record,
its events, and a webhook that is told of the end. The engine has one core; callers, action URL and webhook the other.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from bench.api import UNLIMITED
from bench.calls import NUMBER, make_calls, sound
from bench.engine import started
from bench.target import target

RATE = 150
CPU_MS = 5.0
FAILED_SHARE = 0.001
PROMPT_SECONDS = 2.0
SCENARIO = Path(__file__).with_name("sipp-flow.xml")
_WARM_SECONDS = 6.0


def run(*, quick: bool) -> dict[str, object]:
    """Prints and returns the figures; skipped with a word where sipp is not installed.

    Raises RuntimeError when an action or a webhook was not requested once a call.
    """
    if shutil.which("sipp") is None:
        print("sipp is not installed (Debian: sip-tester): skipped")
        return {"skipped": "sipp"}
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        sound(Path(folder), PROMPT_SECONDS) as prompt,
        target(cores[-1], "<Response><Hangup/></Response>") as (action, pressed),
        target(cores[-1]) as (webhook, told),
        started(Path(folder) / "data", core=cores[0], **UNLIMITED) as engine,
    ):
        document = f'<Response><Gather numDigits="1" action="{action}"><Play>{prompt}</Play></Gather></Response>'
        engine.route(NUMBER, document)
        engine.post("/v1/webhooks", {"url": webhook, "events": ["call.completed"]})
        warm = make_calls(engine, 30, _WARM_SECONDS, cores[-1], setup=False, scenario=SCENARIO)
        full = make_calls(engine, RATE, 10 if quick else 60, cores[-1], setup=True, scenario=SCENARIO)
        while len(told) < warm.calls + full.calls and full.failed == warm.failed == 0:
            time.sleep(0.1)
        print(full)
    made = warm.calls + full.calls
    if warm.failed == full.failed == 0 and not len(pressed) == len(told) == made:
        raise RuntimeError(f"{made} calls: {len(pressed)} actions and {len(told)} webhooks were requested")
    missed = [
        text
        for text, wrong in (
            (f"CPU of a flow: at most {CPU_MS:g} ms", full.cpu_ms > CPU_MS),
            (f"failed: under {100 * FAILED_SHARE:g} %", full.failed > full.calls * FAILED_SHARE),
            (f"held: {RATE} a second", full.held < RATE * 0.9),
        )
        if wrong
    ]
    for text in missed:
        print(f"missed  {text}")
    return {"cpu_ms": full.cpu_ms, "held": full.held, "failed": full.failed, "missed": bool(missed)}
