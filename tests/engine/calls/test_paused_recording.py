"""Pausing and resuming what is recorded of a call: what is said in a pause is in no file, and the rest stays in step
and in its limits (contract §6.5, §6.6)."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from media import PromptAudio
from tests.api.client import error
from tests.support.callee import callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone, PhoneCall
from tests.support.recordings import channels_at, fetch, samples_of
from tests.support.tones import level, seconds_of, sine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
CALLER, SECRET, CALLEE, BEEP = 1200, 1600, 660, 1000
"""What is heard, in Hz: the caller, the caller in a pause, the callee, the tone before `Record`."""

UNDERWAY = 0.15
"""Seconds after which what was sent has come through the jitter buffer."""


async def says(call: PhoneCall, hertz: float, seconds: float) -> None:
    await call.session.play(PromptAudio(sine(hertz, seconds), f"{hertz} Hz")).wait()
    await asyncio.sleep(UNDERWAY)


async def control(engine: TestEngine, public_id: str, action: str, body: Any = None) -> tuple[int, Any]:
    path = f"/v1/calls/{public_id}/recording/{action}"
    response = await engine.client.post(path, **({} if body is None else {"json": body}))
    message = response.json()["message"] if response.content else None
    if response.status_code == 409:
        assert response.json() == error(409, "Conflict", message)
    return response.status_code, message


async def log_of(engine: TestEngine, public_id: str) -> list[tuple[str, str, str | None]]:
    entries = (await engine.client.get(f"/v1/calls/{public_id}/events")).json()
    kinds = ("recording_paused", "recording_resumed")
    return [(e["type"], e["data"]["source"], e["data"].get("behavior")) for e in entries if e["type"] in kinds]


def pause_in(samples: NDArray[np.int16]) -> tuple[int, int]:
    """The longest run of nothing at all in the middle of a channel: its first sample and how many there are."""
    sounding = np.flatnonzero(samples)
    gaps = np.diff(sounding)
    longest = int(gaps.argmax())
    return int(sounding[longest]) + 1, int(gaps[longest]) - 1


async def test_both_sides_of_a_call_are_left_out_alike_and_stay_in_step(engine: TestEngine, phone: Phone) -> None:
    async with callees(1) as (callee,):
        template = f'<Response><Dial record="true">{callee.uri}</Dial></Response>'
        await engine.number(NUMBER, await engine.application(xmlTemplate=template, recording="always"))
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        (await callee.call()).answer(CALLEE)
        await call.hears(CALLEE, at_least=0.3)
        (pending,) = await engine.calls()
        public_id = pending["publicId"]
        assert await control(engine, public_id, "resume") == (409, "The recording is not paused")
        status, message = await control(engine, public_id, "pause", {"behavior": "mute"})
        assert (status, message[0]["field"]) == (400, "behavior")

        await says(call, CALLER, 0.6)
        assert await control(engine, public_id, "pause", {"behavior": "skip"}) == (204, None)
        assert await control(engine, public_id, "pause") == (409, "The recording is paused already")
        await says(call, SECRET, 0.6)
        assert await control(engine, public_id, "resume") == (204, None)
        await says(call, CALLER, 0.6)
        assert await control(engine, public_id, "pause") == (204, None)
        await says(call, SECRET, 0.6)
        assert await control(engine, public_id, "resume", {}) == (204, None)
        await says(call, CALLER, 0.6)
        call.outgoing.hangup()
        ended = await engine.ended_call()
        urls = {shown["source"]: shown["url"] for shown in ended["recordings"]}
        whole, dialled = await channels_at(urls["call"]), await channels_at(urls["dial"])
    assert await control(engine, public_id, "pause") == (409, "The call has ended")
    assert await control(engine, public_id, "resume") == (409, "The call has ended")

    for left, right in (whole, dialled):
        assert level(left, SECRET) < 0.0005
        assert 1.6 <= seconds_of(left, CALLER) <= 2.0, "three times 0.6 s, each counted in steps of 50 ms"
        began, length = pause_in(left)
        assert 0.6 <= length / 8000 <= 3, "the pause that keeps its time, and what was silent around it"
        silent, muted = pause_in(right)
        assert 0.6 <= muted / 8000 <= 2
        assert began <= silent and silent + muted <= began + length
        at = silent // 400 * 400
        assert seconds_of(right[at - 1600 : at], CALLEE) >= 0.15, "the callee is heard right up to the pause"
    assert len(whole[0]) == len(whole[1])
    skipped = ended["durationS"] - len(whole[0]) / 8000
    assert 0.2 <= skipped <= 2.5, "one pause of 0.75 s or more is left out, in a duration of whole seconds"
    expected = [
        (kind, behavior)
        for kind, behavior in (("recording_paused", "skip"), ("recording_paused", "silence"))
        for _ in range(2)
    ]
    told = await log_of(engine, public_id)
    assert [(kind, behavior) for kind, _, behavior in told if behavior] == expected
    assert {source for _, source, _ in told} == {"call", "dial"}
    assert [kind for kind, _, _ in told] == 2 * (2 * ["recording_paused"] + 2 * ["recording_resumed"])


@pytest.mark.parametrize(("behavior", "kept"), [("silence", (2.6, 4.0)), ("skip", (1.0, 2.2))])
async def test_a_pause_is_no_silence_that_ends_a_message_and_its_ends_are_trimmed(
    engine: TestEngine, phone: Phone, behavior: str, kept: tuple[float, float]
) -> None:
    documents = {
        "/": '<Response><Pause/><Record timeout="1" action="/recorded"/></Response>',
        "/recorded": "<Response/>",
    }
    async with Flow(documents) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        (pending,) = await engine.calls()
        public_id = pending["publicId"]
        assert await control(engine, public_id, "pause") == (409, "Nothing of this call is being recorded")
        await call.hears(BEEP, at_least=0.3)
        await asyncio.sleep(0.3)
        await says(call, CALLER, 0.5)
        assert await control(engine, public_id, "pause", {"behavior": behavior}) == (204, None)
        await says(call, SECRET, 1.4)
        assert "/recorded" not in flow.steps()
        assert await control(engine, public_id, "resume") == (204, None)
        await says(call, CALLER, 0.5)
        asked = await flow.wait_for("/recorded")
        audio = samples_of(await fetch(asked.form["RecordingUrl"]))
        await engine.ended_call()
    assert asked.form["Digits"] == ""
    assert asked.form["RecordingDuration"] == str(round(len(audio) / 8000))
    assert level(audio, SECRET) < 0.0005
    assert 0.85 <= seconds_of(audio, CALLER) <= 1.1
    assert kept[0] <= len(audio) / 8000 <= kept[1], "silence at the ends is trimmed, in the middle it is the pause"


async def test_the_length_of_a_message_counts_through_a_pause_that_it_ends_in(engine: TestEngine, phone: Phone) -> None:
    record = '<Record maxLength="2" timeout="0" trim="do-not-trim" action="/recorded"/>'
    async with Flow({"/": f"<Response>{record}</Response>", "/recorded": "<Response/>"}) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
        call = phone.call(NUMBER, engine.sip)
        await call.hears(BEEP, at_least=0.3)
        await asyncio.sleep(0.3)
        await says(call, CALLER, 0.6)
        (pending,) = await engine.calls()
        assert await control(engine, pending["publicId"], "pause") == (204, None)
        call.say(SECRET)
        asked = await flow.wait_for("/recorded")
        audio = samples_of(await fetch(asked.form["RecordingUrl"]))
        await engine.ended_call()
    assert (asked.form["Digits"], asked.form["RecordingDuration"]) == ("", "2")
    assert 1.8 <= len(audio) / 8000 <= 2.4
    assert level(audio, SECRET) < 0.0005
    assert 0.5 <= seconds_of(audio, CALLER) <= 0.65
