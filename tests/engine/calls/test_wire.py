"""Calls through a network that loses, delays, reorders and repeats packets: what is heard, pressed, recorded and
counted all the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.calls.test_dial import log_of
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.recordings import channels_at
from tests.support.relay import Fate, Passing, Weather, a_relay
from tests.support.tones import frames_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
CALLER, PROMPT = 1250.0, 660.0
EVENT = 101


class Keys:
    """Weather in which every first key loses its end packets, every second one's other packets come after them, and
    every third one loses its beginning."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._events: list[int] = []

    def __call__(self, packet: Passing) -> Fate:
        fate = self._weather(packet)
        if packet.payload_type != EVENT:
            return fate
        begins = packet.timestamp not in self._events
        if begins:
            self._events.append(packet.timestamp)
        is_end = bool(packet.payload[1] & 0x80)
        match self._events.index(packet.timestamp) % 3:
            case 0:
                return () if is_end else fate
            case 1:
                return (0.0,) if is_end else (0.15,)
            case _:
                return () if begins else (0.0,)

    @property
    def events(self) -> int:
        """How many keys went through."""
        return len(self._events)


async def test_tones_are_heard_both_ways_a_recording_keeps_its_length_and_the_loss_is_counted(
    engine: TestEngine, phone: Phone
) -> None:
    bad = {"loss": 0.05, "jitter": 0.04, "overtaken": 0.03, "repeated": 0.03}
    documents = {"/start": f'<Response><Play loop="9">/tone-{PROMPT:g}.wav</Play></Response>'}
    async with Flow(documents) as flow, a_relay(Weather(1, **bad), Weather(2, **bad)) as relay:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start"), recording="always"))
        call = phone.call(NUMBER, engine.sip, relay=relay)
        await call.answered()
        call.say(CALLER)
        await call.hears(PROMPT, at_least=2.5)
        heard, sent, lost = call.heard, len(relay.to_phone.came), relay.to_engine.lost
        theirs = call.session.statistics()
        call.outgoing.hangup()
        (entry,) = await log_of(engine, "media")
        left, right = await channels_at((await engine.ended_call())["recordingUrl"])
    began, prompted = (int(np.argmax(np.abs(samples) > 1000)) for samples in (heard, right))
    spoken = int(np.argmax(np.abs(left) > 1000))

    right_frames, wrong_frames = frames_of(heard[began:], PROMPT)
    assert (right_frames >= 0.95, wrong_frames) == (True, 0), right_frames
    right_frames, wrong_frames = frames_of(left[spoken:-800], CALLER)
    assert (right_frames >= 0.9, wrong_frames) == (True, 0), right_frames
    assert frames_of(right[prompted:-800], PROMPT) == (1, 0), "what is played meets the weather behind the recording"
    assert abs(len(left) / 8000 - sent * 0.02) <= 0.2

    media = entry["data"]
    assert lost >= 5
    assert abs(media["lost"] - lost) <= 2
    assert 5 <= media["jitterMs"] <= 35
    assert 40 <= media["depthMs"] <= 200, "as deep as the network needs"
    assert 3 <= media["mos"] <= 4.2
    assert theirs.duplicates >= 1
    assert theirs.out_of_order >= 5
    assert abs(theirs.lost - relay.to_phone.lost) <= 2


async def test_keys_arrive_once_each_and_in_order(engine: TestEngine, phone: Phone) -> None:
    documents = {
        "/start": '<Response><Play digits="1122#90"/><Gather numDigits="9" action="/done"/></Response>',
        "/done": "<Response><Hangup/></Response>",
    }
    to_engine, to_phone = (Keys(Weather(seed, loss=0.2, jitter=0.02)) for seed in (3, 4))
    async with Flow(documents) as flow, a_relay(to_engine, to_phone) as relay:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip, relay=relay)
        await call.answered()
        await call.until_pressed("1122#90")
        await call.press("112*33445")
        assert (await flow.wait_for("/done")).form["Digits"] == "112*33445"
        await call.hung_up()
        (entry,) = await log_of(engine, "media")
    assert call.keys == "1122#90"
    assert (to_engine.events, to_phone.events) == (9, 7)
    assert relay.to_engine.lost >= 0.15 * len(relay.to_engine.came)
    assert abs(entry["data"]["lost"] - relay.to_engine.lost) <= 2
