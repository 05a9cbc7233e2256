"""Attributes and names of the language that no other live call uses (contract §10), by what is heard and asked."""

from __future__ import annotations

import pytest

from tests.engine.calls.test_agent_calls import an_agent, registered
from tests.engine.calls.test_dial import DONE, calling
from tests.support.callee import callees, referral
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.streamer import a_stream_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_keys_are_sent_after_a_wait_and_a_finish_key_ends_what_is_gathered(
    engine: TestEngine, phone: Phone
) -> None:
    documents = {
        "/start": "<Response><Play>/tone-440.wav</Play><Wait length='2'/><SendDigits>1w2#</SendDigits>"
        "<Gather finishOnKey='9' timeout='5' action='/got' language='de-DE'><Say loop='2' voice='en' language='en-GB'>"
        "Go.</Say></Gather></Response>",
        "/got": DONE,
    }
    async with Flow(documents) as flow:
        call = await calling(engine, phone, flow)
        await call.hears(440)
        before = len(call.heard)
        await call.until_pressed("12#")
        assert len(call.heard) - before >= 2 * 8000, "the rest of the tone, and the wait"
        await call.press("4#9")
        assert (await flow.wait_for("/got")).form["Digits"] == "4#"
        await call.hung_up()


@pytest.mark.parametrize(("reason", "status"), [("busy", 486), ("rejected", 603)])
async def test_a_hangup_before_the_answer_refuses_as_its_reason_says(
    engine: TestEngine, phone: Phone, reason: str, status: int
) -> None:
    async with Flow({"/start": f"<Response><Hangup reason='{reason}'/></Response>"}) as flow:
        call = await calling(engine, phone, flow)
        assert (await call.rejected()).status == status


async def test_agents_under_twilios_names_are_rung_in_turn_with_their_parameters(
    engine: TestEngine, phone: Phone
) -> None:
    anna = await an_agent(engine, phone)
    berta = await an_agent(engine, phone, "berta@example.com")
    documents = {
        "/start": "<Response><Dial sequential='true' timeout='1' action='/done'><User>anna</User><Client>"
        "<Identity>berta</Identity><Parameter name='Case' value='4711'/></Client></Dial></Response>",
        "/done": DONE,
    }
    async with (
        callees(2) as (first, second),
        registered(engine, first, "anna", anna.credentials),
        registered(engine, second, "berta", berta.credentials),
        Flow(documents) as flow,
    ):
        call = await calling(engine, phone, flow)
        one = await first.call()
        assert second.calls == []
        await one.cancelled()
        other = await second.call()
        assert (one.header("X-Case"), other.header("X-Case")) == (None, "4711")
        other.answer(880)
        await call.hears(880)
        other.incoming.hangup()
        assert (await flow.wait_for("/done")).form["DialTo"] == "berta"
        await call.hung_up()


async def test_connect_and_refer_ask_their_actions_with_get(engine: TestEngine, phone: Phone) -> None:
    async with a_stream_server() as server, Flow({}) as flow:
        flow.documents |= {
            "/start": f"<Response><Connect method='GET' action='/next'><Stream url='{server.url()}'/></Connect>"
            "</Response>",
            "/next": "<Response><Refer method='GET' action='/done'>sip:anna@127.0.0.1</Refer></Response>",
            "/done": DONE,
        }
        call = await calling(engine, phone, flow)
        await (await server.stream()).socket.close()
        await call._until(lambda: referral(call.events) is not None, 10)
        asked = referral(call.events)
        assert asked is not None
        asked.respond.reject(603)
        done = await flow.wait_for("/done")
        next_ = await flow.wait_for("/next")
        assert [(one.method, one.body) for one in (next_, done)] == [("GET", b""), ("GET", b"")]
        assert (next_.form["Step"], done.form["ReferStatus"]) == ("stream", "failed")
        await call.hung_up()
