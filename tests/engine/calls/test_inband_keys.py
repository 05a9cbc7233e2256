"""Keys as tones on calls whose peer negotiated no telephone-event (contract §14.1)."""

from __future__ import annotations

from pathlib import Path

from engine.calls.keys import KeyWays
from tests.engine.calls.test_dial import NUMBER
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.phone import PCMA, a_phone

DOCUMENTS = {
    "/start": '<Response><Gather numDigits="4" timeout="20" action="/more"/></Response>',
    "/more": '<Response><Play digits="19w#"/><Pause length="1"/><Hangup/></Response>',
}


def test_a_tone_and_its_info_are_one_press() -> None:
    ways = KeyWays()
    presses = [("5", "info", 0.0), ("5", "inband", 0.1), ("5", "inband", 0.4), ("5", "info", 0.5)]
    assert [ways.is_new(*press) for press in presses] == [True, False, True, False]


async def test_tones_of_a_caller_are_gathered_and_digits_for_it_are_tones(tmp_path: Path) -> None:
    async with running_engine(tmp_path) as engine, a_phone() as phone, Flow(DOCUMENTS) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip, codecs=(PCMA,), telephone_event=False)
        await call.answered()
        assert call.negotiated
        assert call.negotiated.dtmf_send_pt is None
        assert await call.press("4071")
        assert (await flow.wait_for("/more")).form["Digits"] == "4071"
        await call.until_pressed("19#")
        await call.hung_up()
