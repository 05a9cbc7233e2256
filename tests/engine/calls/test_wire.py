"""Calls that are not as our own would be on the wire: through a network that loses, delays, reorders and repeats
packets, in packets of other lengths, with payload types that differ from one way to the other."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from media import SPOKEN_CODECS
from sip.sdp import OPUS, Codec
from tests.engine.calls.test_dial import log_of
from tests.support.callee import Callee, callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.lobby import Lobby
from tests.support.phone import PCMU, Phone
from tests.support.recordings import channels_at
from tests.support.relay import Fate, Passing, Weather, a_relay
from tests.support.tones import frames_of, seconds_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
CALLER, PROMPT = 1250.0, 660.0
EVENT = 101


def share_of(samples: NDArray[np.int16], hertz: float) -> float:
    """The share of the frames in which a tone is heard, from its beginning on; asserts that nothing else ever is."""
    right, wrong = frames_of(samples[int(np.argmax(np.abs(samples) > 1000)) :], hertz)
    assert wrong == 0
    return right


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
        await call.hears(PROMPT, at_least=2.0)
        heard, sent, lost = call.heard, len(relay.to_phone.came), relay.to_engine.lost
        theirs = call.session.statistics()
        call.outgoing.hangup()
        (entry,) = await log_of(engine, "media")
        left, right = await channels_at((await engine.ended_call())["recordingUrl"])

    assert share_of(heard, PROMPT) >= 0.93
    assert share_of(left[:-800], CALLER) >= 0.9
    assert share_of(right[:-800], PROMPT) == 1, "what is played meets the weather behind the recording"
    assert abs(len(left) / 8000 - sent * 0.02) <= 0.2

    media = entry["data"]
    assert lost >= 4
    assert abs(media["lost"] - lost) <= 3
    assert 5 <= media["jitterMs"] <= 35
    assert 40 <= media["depthMs"] <= 200, "as deep as the network needs"
    assert 3 <= media["mos"] <= 4.2
    assert theirs.duplicates >= 1
    assert theirs.out_of_order >= 5
    assert abs(theirs.lost - relay.to_phone.lost) <= 3


async def test_keys_arrive_once_each_and_in_order(engine: TestEngine, phone: Phone) -> None:
    documents = {
        "/start": '<Response><Play digits="1120"/><Gather numDigits="6" finishOnKey="" action="/done"/></Response>',
        "/done": "<Response><Hangup/></Response>",
    }
    to_engine, to_phone = (Keys(Weather(seed, loss=0.2, jitter=0.02)) for seed in (3, 4))
    async with Flow(documents) as flow, a_relay(to_engine, to_phone) as relay:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
        call = phone.call(NUMBER, engine.sip, relay=relay)
        await call.answered()
        await call.until_pressed("1120")
        await call.press("*33#40")
        assert (await flow.wait_for("/done")).form["Digits"] == "*33#40"
        await call.hung_up()
        (entry,) = await log_of(engine, "media")
    assert call.keys == "1120"
    assert (to_engine.events, to_phone.events) == (6, 4)
    assert relay.to_engine.lost >= 0.15 * len(relay.to_engine.came)
    # What is lost after the engine's BYE is known to the relay alone.
    assert 0.75 <= entry["data"]["lost"] / relay.to_engine.lost <= 1.1


async def test_audio_is_whole_both_ways_in_packets_as_long_as_the_peer_wants_them(
    engine: TestEngine, phone: Phone
) -> None:
    template = f'<Response><Play loop="9">{{}}/tone-{PROMPT:g}.wav</Play></Response>'
    async with Flow({}) as flow:
        application = await engine.application(xmlTemplate=template.format(flow.url("")), recording="always")
        await engine.number(NUMBER, application)
        calls = {ptime: phone.call(NUMBER, engine.sip, ptime=ptime) for ptime in (10, 30, 40, 60)}
        for call in calls.values():
            await call.answered()
            call.say(CALLER)
        for ptime, call in calls.items():
            await call.hears(PROMPT, at_least=1.2)
            statistics, heard = call.session.statistics(), call.heard
            call.outgoing.hangup()
            assert call.negotiated
            assert call.negotiated.ptime == ptime
            assert statistics.bytes_in == statistics.packets_in * 8 * ptime
            assert statistics.bytes_out == statistics.packets_out * 8 * ptime
            assert share_of(heard, PROMPT) >= 0.97, ptime
        await engine.ended_call()
        for record in await engine.calls():
            left, right = await channels_at(record["recordingUrl"])
            assert share_of(left[:-800], CALLER) >= 0.95, "it spoke all the time"
            assert seconds_of(left, CALLER) >= 1
            assert share_of(right[:-800], PROMPT) == 1


async def test_payload_types_may_differ_from_one_way_to_the_other(engine: TestEngine, phone: Phone) -> None:
    """A caller and the one whom it reaches for each codec, all at once: the engine offers, and is answered in types of
    the callee's own."""
    answers = {PCMU: {101: 96}, OPUS: {96: 107, 97: 110}}
    if "opus" not in SPOKEN_CODECS:
        del answers[OPUS]
    async with callees(len(answers)) as reached, Lobby() as lobby:
        await lobby.open(engine)

        async def speaks(callee: Callee, codec: Codec) -> None:
            callee.codecs, callee.types = (codec,), answers[codec]
            callee.on_call = lambda rung: rung.answer(PROMPT)
            caller = await lobby.caller(phone, engine, f'<Dial action="/done">{callee.uri}</Dial>', CALLER)
            rung = await callee.call()
            assert rung.session
            assert rung.session.parameters
            assert rung.session.parameters.dtmf_receive_pt in callee.types.values()
            assert rung.session.parameters.dtmf_send_pt in callee.types
            await caller.call.hears(PROMPT)
            await rung.hears(CALLER)
            await caller.call.press("12")
            await rung.session.send_digits("34")
            await rung.until(lambda: rung.keys == "12")
            await caller.call.until_pressed("34")
            assert rung.session.statistics().dropped["payload_type"] == 0
            rung.incoming.hangup()
            await caller.call.hung_up()

        await asyncio.gather(*map(speaks, reached, answers))
        entries = await log_of(engine, "media")
    assert len(entries) == 2
    assert all("payload_type" not in entry["data"]["dropped"] for entry in entries)
