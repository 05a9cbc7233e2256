"""Attributes that other live calls leave at their defaults (contract §10): actions asked with GET, headers of dialled
legs, a recording without its tone."""

from __future__ import annotations

import pytest

from tests.support.callee import callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
BEEP_FREE = 'playBeep="false" trim="do-not-trim" maxLength="1" timeout="0"'


def documents(callee: str) -> dict[str, str]:
    """One verb after the other, each asking for its action with GET."""
    return {
        "/start": '<Response><Gather method="GET" numDigits="1" action="/gathered" language="en-US">'
        '<Say voice="en" language="en-US">Press one.</Say></Gather></Response>',
        "/gathered": f'<Response><Record method="GET" action="/recorded" {BEEP_FREE}/></Response>',
        "/recorded": '<Response><Dial method="GET" action="/dialled" sipHeaders="X-Team=sales">'
        f'<Sip headers="X-Desk=7">{callee}</Sip></Dial></Response>',
        "/dialled": '<Response><Conference method="GET" action="/left" hangupOnStar="true">room</Conference>'
        "</Response>",
        "/left": '<Response><Enqueue waitUrl="/wait" waitUrlMethod="GET" method="GET" action="/dequeued">line</Enqueue>'
        "</Response>",
        "/wait": "<Response><Leave/></Response>",
        "/dequeued": '<Response><Redirect method="GET">/end</Redirect></Response>',
        "/end": "<Response><Hangup/></Response>",
    }


async def test_every_action_is_asked_with_get_and_a_dialled_leg_has_the_headers(
    engine: TestEngine, phone: Phone
) -> None:
    async with callees(1) as (callee,), Flow({}) as flow:
        flow.documents |= documents(callee.uri)
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        await call.press("1")
        call.say(440, 20)
        await flow.wait_for("/recorded")
        rung = await callee.call()
        assert (rung.header("X-Team"), rung.header("X-Desk")) == ("sales", "7")
        rung.incoming.reject(486)
        dialled = await flow.wait_for("/dialled")
        await call.press("*")
        left = await flow.wait_for("/left")
        dequeued = await flow.wait_for("/dequeued")
        await call.hung_up()
        await engine.ended_call()
    asked = {one.path: one for one in flow.asked}
    assert {path: one.method for path, one in asked.items()} == {
        path: "POST" if path == "/start" else "GET" for path in documents("")
    }
    assert all(one.body == b"" for path, one in asked.items() if path != "/start")
    assert asked["/gathered"].form["Digits"] == "1"
    assert asked["/recorded"].form["RecordingDuration"] == "1"
    assert dialled.form["DialStatus"] == "busy"
    assert left.form["ConferenceName"] == "room"
    assert dequeued.form["QueueResult"] == "leave"
