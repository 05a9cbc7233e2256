"""What is played and said one after the other is one stream on the wire: no packet left out, no timestamp jumped over,
and not a sample of silence that the sounds do not have themselves (contract §10.4)."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray

from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import PCMU, Phone
from tests.support.relay import a_relay, assert_unbroken
from tests.support.tones import decode_ulaw, encode_ulaw, seconds_of, sine, wav
from tests.support.voice import spoken
from voyloml import PlayFile

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
FIRST, SECOND, THIRD = 440.0, 880.0, 1250.0
TEXT = "Please hold the line."
TICK = 160


def begin_of(audio: NDArray[np.int16], sound: NDArray[np.int16]) -> int:
    """Where a sound begins in the audio, to the sample."""
    silent = int(np.argmax(np.abs(audio.astype(int)) > 500))
    beginning = sound[:TICK].astype(int)
    apart = [np.abs(audio[at : at + TICK] - beginning).max() for at in range(max(silent - TICK, 0), silent + 1)]
    return max(silent - TICK, 0) + int(np.argmin(apart))


async def slowly(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.4)
    return web.Response(body=wav(sine(SECOND, 1.0)), content_type="audio/wav")


async def test_play_say_play_is_one_stream_without_a_gap(engine: TestEngine, phone: Phone) -> None:
    verbs = (
        f'<Play loop="3">/tone-{FIRST:g}.wav</Play><Say>{TEXT}</Say><Play>/slow.wav</Play>'
        f"<Play>/tone-{THIRD:g}.wav</Play>"
    )
    sounds = (*(sine(FIRST, 1.0),) * 3, spoken(TEXT), sine(SECOND, 1.0), sine(THIRD, 1.0))
    stalls = engine.process.plane.statistics().skipped_ticks
    async with Flow({"/menu": f"<Response>{verbs}</Response>", "/slow.wav": slowly}) as flow, a_relay() as relay:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
        call = phone.call(NUMBER, engine.sip, codecs=(PCMU,), relay=relay)
        await call.hung_up()
        packets = [*relay.to_phone.came]
    stalls = engine.process.plane.statistics().skipped_ticks - stalls
    assert {len(packet.payload) for packet in packets} == {TICK}
    assert_unbroken(packets, stalls)
    audio = decode_ulaw(b"".join(packet.payload for packet in packets))
    wanted = decode_ulaw(encode_ulaw(np.concatenate(sounds)))
    begin = begin_of(audio, wanted)
    heard = audio[begin : begin + len(wanted)]
    assert len(heard) == len(wanted)
    # The same words are not the same to the last bit each time; what is around them is, and where it is.
    said = slice(3 * 8000, 3 * 8000 + len(sounds[3]))
    assert np.corrcoef(heard[said], wanted[said])[0, 1] > 0.98
    wrong = np.abs(heard.astype(int) - wanted) > np.abs(wanted) / 10 + 16
    wrong[said] = False
    assert not wrong.any(), f"from sample {np.argmax(wrong)} on it is not what it should be"
    entries = (await engine.client.get(f"/v1/calls/{(await engine.ended_call())['publicId']}/events")).json()
    told = [entry["data"]["verb"] for entry in entries if entry["type"] == "verb"]
    assert told == ["Play", "Say", "Play", "Play"]


async def test_after_an_announcement_only_the_verb_that_played_begins_anew(engine: TestEngine, phone: Phone) -> None:
    document = (
        f"<Response><Play>/tone-{FIRST:g}.wav</Play><Play loop='2'>/tone-{SECOND:g}.wav</Play>"
        f"<Play>/tone-{FIRST:g}.wav</Play></Response>"
    )
    async with Flow({"/menu": document}) as flow:
        await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
        call = phone.call(NUMBER, engine.sip)
        await call.hears(SECOND)
        (running,) = engine.process.switchboard
        running.announce([PlayFile(flow.url(f"/tone-{THIRD:g}.wav"))])
        await call.hears(THIRD, at_least=0.8)
        assert 0.7 <= seconds_of(call.heard, FIRST) <= 1.2
        before = seconds_of(call.heard, SECOND)
        await call.hung_up()
    assert 1.4 <= seconds_of(call.heard, SECOND) - before <= 2.2, "both rounds of it"
    assert 1.4 <= seconds_of(call.heard, FIRST) <= 2.3, "what was over before is not played again"
