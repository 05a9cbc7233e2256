"""`Record` on a live call: what the caller said is what the link gives (contract §6.6, §10.7)."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest

from media import PromptAudio
from media.recording import FRAMES_PER_SECOND, MARGIN_FRAMES
from tests.media.sounds import audio_file, shared_files
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.recordings import fetch, files, samples_of
from tests.support.tones import seconds_of, wav_samples
from voyloml import verify_signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
RECORD = '<Response><Record action="/recorded" {attributes}/><Play>/tone-880.wav</Play></Response>'
GOODBYE = "<Response><Hangup/></Response>"
TONE, BEEP = 620.0, 1000.0


async def engine_hears(engine: TestEngine, seconds: float) -> None:
    """Waits until the recording that runs has so many seconds on the disk, in writes of a second each."""
    async with asyncio.timeout(10):
        while not any(path.stat().st_size >= 44 + seconds * 16000 for path in files(engine)):
            await asyncio.sleep(0.02)


class TestRecord:
    async def test_the_action_gets_a_link_to_what_the_caller_said(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow({"/": RECORD.format(attributes='timeout="1"'), "/recorded": GOODBYE}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(BEEP, at_least=0.3)
            call.say(TONE, 1.5)
            asked = await flow.wait_for("/recorded")
            audio = samples_of(await fetch(asked.form["RecordingUrl"]))
            ended = await engine.ended_call()
        assert 1.3 <= seconds_of(audio, TONE) <= 1.5
        assert seconds_of(audio, BEEP) == 0, "the tone is for the caller, not for the recording"
        assert 1.4 <= len(audio) / 8000 <= 1.8, "silence at the ends is trimmed"
        assert asked.form["RecordingDuration"] == "2"
        assert asked.form["Digits"] == ""
        (shown,) = ended["recordings"]
        assert shown["id"] == asked.form["RecordingSid"]
        assert (shown["source"], shown["durationS"], shown["channels"], shown["format"]) == ("record", 2, 1, "wav")
        assert shown["sizeBytes"] == 44 + 2 * len(audio)
        assert ended["recordingUrl"] == shown["url"]
        assert np.array_equal(samples_of(await fetch(shown["url"])), audio)
        assert [path.name for path in files(engine)] == [f"{shown['id']}.wav"]

    async def test_only_the_silence_at_both_ends_of_a_message_is_trimmed(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        said, _ = wav_samples(audio_file("record_trim.wav"))
        expected = shared_files()["record_trim.wav"]["expected"]["trimmed_seconds"]

        def stalled() -> int:
            return sum(plane.statistics().skipped_ticks for plane in (engine.process.plane, phone.plane))

        stalls = stalled()
        async with Flow({"/": RECORD.format(attributes='timeout="0"'), "/recorded": GOODBYE}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(BEEP, at_least=0.3)
            await call.session.play(PromptAudio(said, "a message")).wait()
            await call.press("#")
            asked = await flow.wait_for("/recorded")
            audio = samples_of(await fetch(asked.form["RecordingUrl"]))
            await engine.ended_call()
        # Where the machine stood still the clock went on, and what was said took so much longer.
        stalls = stalled() - stalls
        more = len(audio) / 8000 - 2 * MARGIN_FRAMES / FRAMES_PER_SECOND - expected
        assert -0.05 <= more <= 0.05 + stalls / FRAMES_PER_SECOND
        assert asked.form["RecordingDuration"] == str(round(len(audio) / 8000))

    async def test_hanging_up_ends_it_and_the_finished_url_has_the_link(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow({"/": RECORD.format(attributes=""), "/recorded": GOODBYE, "/finished": GOODBYE}) as flow:
            await engine.number(
                NUMBER, await engine.application(actionUrl=flow.url("/"), finishedUrl=flow.url("/finished"))
            )
            call = phone.call(NUMBER, engine.sip)
            await call.hears(BEEP, at_least=0.3)
            call.say(TONE, 1.0)
            await engine_hears(engine, 1.0)
            call.outgoing.hangup()
            asked = await flow.wait_for("/recorded")
            finished = await flow.wait_for("/finished")
            ended = await engine.ended_call()
            payload = httpx.Response(200, content=finished.body).json()
            audio = samples_of(await fetch(payload["recording_url"]))
        assert (asked.form["Digits"], asked.form["CallStatus"]) == ("hangup", "completed")
        assert payload["call_id"] == ended["id"]
        assert ended["recordings"][0]["id"] in payload["recording_url"]
        assert seconds_of(audio, TONE) >= 0.8

    async def test_a_key_ends_it_and_the_status_callback_is_told_signed(self, engine: TestEngine, phone: Phone) -> None:
        attributes = 'timeout="0" recordingStatusCallback="/kept"'
        async with Flow({"/": RECORD.format(attributes=attributes), "/recorded": GOODBYE, "/kept": GOODBYE}) as flow:
            application = await engine.application(actionUrl=flow.url("/"))
            await engine.number(NUMBER, application)
            call = phone.call(NUMBER, engine.sip)
            await call.hears(BEEP, at_least=0.3)
            call.say(TONE, 1.0)
            await engine_hears(engine, 1.0)
            await call.press("5")
            asked = await flow.wait_for("/recorded")
            kept = await flow.wait_for("/kept")
            await call.hung_up()
        assert asked.form["Digits"] == "5"
        assert (kept.form["RecordingStatus"], kept.form["RecordingSid"]) == ("completed", asked.form["RecordingSid"])
        assert kept.form["CallSid"] == asked.form["CallSid"]
        assert verify_signature(application["signingSecret"], kept.body, kept.headers["Voylo-Signature"])

    async def test_nothing_audible_is_no_recording_and_the_next_verb_follows(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with Flow({"/": RECORD.format(attributes='timeout="1"'), "/recorded": GOODBYE}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(880, at_least=0.9)
            await call.hung_up()
            ended = await engine.ended_call()
            assert "/recorded" not in flow.steps()
        assert (ended["recordings"], ended["recordingUrl"]) == ([], None)
        assert files(engine) == []

    async def test_an_application_that_never_records_goes_on_at_once(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow({"/": RECORD.format(attributes='timeout="0"'), "/recorded": GOODBYE}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/"), recording="never"))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(880, at_least=0.9)
            await call.hung_up()
            ended = await engine.ended_call()
            assert "/recorded" not in flow.steps()
        assert seconds_of(call.heard, BEEP) == 0
        assert ended["recordings"] == []
        log = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
        assert "recording_off" in [entry["type"] for entry in log]
