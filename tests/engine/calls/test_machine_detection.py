"""Machine detection on live calls: a phone that greets, and what is made of it (contract §6.1, §10.6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from media import PromptAudio
from tests.support.callee import Callee, CalleeCall, a_callee
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.tones import sine
from tests.support.voice import spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
TO = "+201091447677"
DONE = "<Response><Hangup/></Response>"
TELL = '<Response><Play loop="0">/tone-880.wav</Play></Response>'
MACHINE = "You have reached the Miller family. Please leave your message after the tone."
BEEP_SECONDS = 0.5


@pytest_asyncio.fixture(loop_scope="module")
async def callee() -> AsyncIterator[Callee]:
    async with a_callee() as started:
        yield started


def greeting(text: str, *, beep: bool) -> NDArray[np.int16]:
    parts = [np.zeros(1600, np.int16), spoken(text)]
    if beep:
        parts += [np.zeros(4000, np.int16), sine(1000, BEEP_SECONDS)]
    return np.concatenate(parts)


def answer(call: CalleeCall, sound: NDArray[np.int16]) -> float:
    """Answers and greets; returns when the greeting will be over."""
    call.answer()
    assert call.session is not None
    call.session.play(PromptAudio(sound, "greeting"))
    return asyncio.get_running_loop().time() + len(sound) / 8000


class TestPlacedCall:
    async def order(self, engine: TestEngine, callee: Callee, flow: Flow, detection: str) -> None:
        application = await engine.application(actionUrl=flow.url("/start"))
        await engine.number(NUMBER, None, sip={"outbound": callee.carrier})
        body = {"from": NUMBER, "to": TO, "applicationId": application["id"], "machineDetection": detection}
        await engine.post("/v1/calls", body, status=202)

    @pytest.mark.parametrize(("text", "expected"), [("Hello?", "human"), (MACHINE, "machine")])
    async def test_who_answered_is_in_the_first_request_and_in_the_record(
        self, engine: TestEngine, callee: Callee, text: str, expected: str
    ) -> None:
        async with Flow({"/start": DONE}) as flow:
            await self.order(engine, callee, flow, "enable")
            over = answer(await callee.call(), greeting(text, beep=False))
            asked = await flow.wait_for("/start")
            early = over - asyncio.get_running_loop().time()
            record = await engine.ended_call()
        assert asked.form["AnsweredBy"] == expected
        assert record["answeredBy"] == expected
        if expected == "machine":
            assert early > 0.5, "it is known in the middle of the greeting"

    async def test_the_application_begins_when_the_beep_is_over(self, engine: TestEngine, callee: Callee) -> None:
        async with Flow({"/start": TELL}) as flow:
            await self.order(engine, callee, flow, "detectMessageEnd")
            call = await callee.call()
            over = answer(call, greeting(MACHINE, beep=True))
            asked = await flow.wait_for("/start")
            late = asyncio.get_running_loop().time() - over
            assert asked.form["AnsweredBy"] == "machine"
            await call.hears(880)
            call.incoming.hangup()
            record = await engine.ended_call()
        assert -0.1 <= late <= 0.8, "the beep is found within half a second"
        assert record["answeredBy"] == "machine"

    async def test_one_that_is_hung_up_first_was_answered_by_nobody_known(
        self, engine: TestEngine, callee: Callee
    ) -> None:
        async with Flow({"/start": DONE}) as flow:
            await self.order(engine, callee, flow, "enable")
            call = await callee.call()
            call.answer()
            await asyncio.sleep(0.3)
            call.incoming.hangup()
            record = await engine.ended_call()
            assert flow.steps() == []
        assert (record["outcome"], record["answeredBy"]) == ("answered", None)

    async def test_another_word_is_refused(self, engine: TestEngine) -> None:
        body = {"from": NUMBER, "to": TO, "applicationId": "x", "machineDetection": "maybe"}
        response = await engine.client.post("/v1/calls", json=body)
        assert response.status_code == 400
        assert "machineDetection" in response.text


class TestDial:
    @pytest.mark.parametrize(
        ("attributes", "text", "expected"),
        [
            ('machineDetection="enable"', "Hello?", "human"),
            ('machineDetection="detectMessageEnd"', MACHINE, "machine"),
            ('machineDetection="enable" machineDetectionTimeout="1"', "", "unknown"),
        ],
    )
    async def test_the_action_hears_who_answered_and_the_bridge_comes_after_it(
        self, engine: TestEngine, phone: Phone, callee: Callee, attributes: str, text: str, expected: str
    ) -> None:
        dial = f'<Response><Dial action="/done" {attributes}>{callee.uri}</Dial></Response>'
        async with Flow({"/start": dial, "/done": DONE}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
            call = phone.call(NUMBER, engine.sip)
            rung = await callee.call()
            beep = "detectMessageEnd" in attributes
            over = answer(rung, greeting(text, beep=beep) if text else np.zeros(160, np.int16))
            call.say(440)
            await rung.hears(440, at_least=0.1)
            late = asyncio.get_running_loop().time() - over
            rung.incoming.hangup()
            done = await flow.wait_for("/done")
            await call.hung_up()
        assert (done.form["DialStatus"], done.form["AnsweredBy"]) == ("completed", expected)
        if beep:
            assert 0 <= late <= 1.0
