"""Conferences on live calls: who hears whom, how it starts and ends, and what is told of it (contract §10.7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media import SPOKEN_CODECS
from sip.sdp import OPUS, Codec
from tests.api.documented import documented_client
from tests.support.engine import TestEngine, running_engine
from tests.support.lobby import Lobby
from tests.support.phone import PCMA, PCMU, Phone
from tests.support.tones import level, tones_in, wav_samples
from voyloml import verify_signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BERT, CARL, DORA, MUSIC = 500.0, 700.0, 1100.0, 1500.0, 660.0
ENTRY, EXIT = 880.0, 440.0
TONES = (ANNA, BERT, CARL, DORA, MUSIC, ENTRY, EXIT)


def conference(attributes: str = "", room: str = "room") -> str:
    return f'<Conference beep="false" action="/done" {attributes}>{room}</Conference>'


def sounded(samples: NDArray[np.int16], hertz: float) -> bool:
    """Whether a tone was there for a tenth of a second, also while somebody spoke."""
    parts = [samples[at : at + 800] for at in range(0, len(samples) - 799, 400)]
    loud = [part for part in parts if np.sqrt(np.mean(part.astype(np.float64) ** 2)) >= 300]
    return any(level(part, hertz) >= 0.2 for part in loud)


async def in_another_workspace(engine: TestEngine, lobby: Lobby) -> str:
    """A number of another workspace, with an application that does as that of the first one."""
    first, number = engine.process.first_start, "+15550199"
    assert first is not None
    async with documented_client(base_url=engine.process.bound.http) as client:
        signed_in = await client.post(
            "/v1/auth/login", json={"email": first.owner_email, "password": first.owner_password}
        )
        assert signed_in.status_code == 200, signed_in.text
        client.headers["X-Workspace-Id"] = first.workspace_id
        made = await client.post("/v1/workspaces", json={"name": "Another"})
        assert made.status_code == 201, made.text
        client.headers["X-Workspace-Id"] = made.json()["id"]
        other = TestEngine(engine.process, client)
        await other.number(number, await other.application(actionUrl=lobby.url("/start")))
    return number


async def over(engine: TestEngine) -> None:
    """Everybody's record is closed, and nothing is left of rooms and sessions."""
    await engine.ended_call()
    assert engine.process.plane.statistics().sessions == 0
    assert len(engine.process.conferences) == 0


class TestHearing:
    async def test_each_hears_exactly_the_others_from_the_start_to_the_end(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        waiting = 'startConferenceOnEnter="false" waitSound="/tone-660.wav"'
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, conference(waiting), ANNA)
            carl = await lobby.caller(phone, engine, conference(waiting), CARL)
            await anna.hears(MUSIC, of=TONES)
            await carl.hears(MUSIC, of=TONES)
            host = 'endConferenceOnExit="true" hangupOnStar="true"'
            bert = await lobby.caller(phone, engine, conference(host), BERT)
            await anna.hears(BERT, CARL, of=TONES)
            await bert.hears(ANNA, CARL, of=TONES)
            await carl.hears(ANNA, BERT, of=TONES)
            carl.hang_up()
            await anna.hears(BERT, of=TONES)
            await bert.hears(ANNA, of=TONES)
            await bert.call.press("1*")
            left, ended, hung_up = await bert.ended(), await anna.ended(), await carl.ended()
            reasons = [form["ConferenceEndReason"] for form in (left, ended, hung_up)]
            assert reasons == ["left", "ended", "hangup"]
            assert {form["ConferenceName"] for form in (left, ended, hung_up)} == {"room"}
            assert len({form["ConferenceSid"] for form in (left, ended, hung_up)}) == 1
            assert left["ConferenceSid"].startswith("cf_")
            assert (left["Step"], hung_up["CallStatus"]) == ("conference", "completed")
            assert 1 <= int(left["ConferenceDuration"]) <= int(ended["ConferenceDuration"])
            await over(engine)

    async def test_every_codec_in_one_room_and_one_who_is_muted(self, engine: TestEngine, phone: Phone) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, conference(), ANNA, (PCMA,))
            bert = await lobby.caller(phone, engine, conference(), BERT, (Codec("G722", 8000, 9),))
            carl = await lobby.caller(phone, engine, conference('muted="true"'), CARL, (PCMU,))
            everybody, talking = [anna, bert, carl], {anna: ANNA, bert: BERT}
            if "opus" in SPOKEN_CODECS:
                dora = await lobby.caller(phone, engine, conference(), DORA, (replace(OPUS, payload_type=111),))
                everybody.append(dora)
                talking[dora] = DORA
            spoken = [one.call.negotiated and one.call.negotiated.codec.name for one in everybody]
            assert spoken == ["PCMA", "G722", "PCMU", "opus"][: len(everybody)]
            for one in everybody:
                await one.hears(*(tone for other, tone in talking.items() if other is not one), of=TONES)

    async def test_other_rooms_and_other_workspaces_are_not_heard(self, engine: TestEngine, phone: Phone) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine)
            elsewhere = await in_another_workspace(engine, lobby)
            anna = await lobby.caller(phone, engine, conference(), ANNA)
            carl = await lobby.caller(phone, engine, conference(room="Room"), CARL)
            dora = await lobby.caller(phone, engine, conference(), MUSIC, called=elsewhere)
            bert = await lobby.caller(phone, engine, conference(), BERT)
            await anna.hears(BERT, of=TONES)
            await bert.hears(ANNA, of=TONES)
            assert (tones_in(carl.lately, TONES), tones_in(dora.lately, TONES)) == (set(), set())
            assert len(engine.process.conferences) == 3

    async def test_who_is_alone_hears_the_waiting_sound_until_somebody_comes(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, conference('waitUrl="/tone-660.wav"'), ANNA)
            await anna.hears(MUSIC, of=TONES)
            await lobby.caller(phone, engine, conference('waitUrl="/tone-660.wav"'), BERT)
            await anna.hears(BERT, of=TONES)

    async def test_tones_tell_the_room_who_comes_and_goes(self, engine: TestEngine, phone: Phone) -> None:
        beeps = {"true": (True, True), "onEnter": (True, False), "onExit": (False, True), "false": (False, False)}
        async with Lobby() as lobby:
            await lobby.open(engine)

            async def visited(beep: str) -> tuple[bool, bool]:
                anna = await lobby.caller(phone, engine, conference(room=beep))
                bert = await lobby.caller(phone, engine, f'<Conference beep="{beep}">{beep}</Conference>', BERT)
                await anna.hears(BERT, of=TONES)
                bert.hang_up()
                await anna.hears(of=TONES)
                heard = anna.call.heard
                return sounded(heard, ENTRY), sounded(heard, EXIT)

            heard = await asyncio.gather(*(visited(beep) for beep in beeps))
        assert dict(zip(beeps, heard, strict=True)) == beeps


class TestEnding:
    async def test_a_full_room_is_not_joined(self, engine: TestEngine, phone: Phone) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine)
            for _ in range(2):
                await lobby.caller(phone, engine, conference('maxParticipants="2"'))
            third = await lobby.caller(phone, engine, conference('maxParticipants="2"'))
            form = await third.ended()
            assert (form["ConferenceEndReason"], form["ConferenceDuration"]) == ("full", "0")
            assert "ConferenceSid" not in form
            more = await lobby.caller(phone, engine, conference('maxParticipants="3" timeLimit="1"'))
            assert (await more.ended())["ConferenceEndReason"] == "left"

    async def test_the_configured_limit_holds_whatever_the_document_says(self, tmp_path: Path, phone: Phone) -> None:
        async with running_engine(tmp_path, limits={"conference_members": 1}) as engine, Lobby() as lobby:
            await lobby.open(engine)
            await lobby.caller(phone, engine, conference())
            second = await lobby.caller(phone, engine, conference('maxParticipants="9"'))
            assert (await second.ended())["ConferenceEndReason"] == "full"

    async def test_a_dialled_conference_tells_the_action_of_the_dial(self, engine: TestEngine, phone: Phone) -> None:
        dialled = '<Dial action="/done" timeLimit="1"><Conference beep="false">room</Conference></Dial>'
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, dialled, ANNA)
            form = await anna.ended()
            assert (form["Step"], form["DialStatus"], form["DialTo"]) == ("dial", "completed", "room")
            assert (form["ConferenceEndReason"], form["ConferenceDuration"]) == ("left", "1")
            await over(engine)

    async def test_another_document_takes_a_member_out(self, engine: TestEngine, phone: Phone) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, conference(), ANNA)
            bert = await lobby.caller(phone, engine, conference(), BERT)
            await anna.hears(BERT, of=TONES)
            (call,) = [call for call in engine.process.switchboard if call.new.from_ == bert.number]
            assert call.replace_document(xml='<Response><Play loop="9">/tone-660.wav</Play></Response>')
            await anna.hears(of=TONES)
            assert ("/done", bert.number) not in [(asked.path, asked.form.get("From")) for asked in lobby.asked]


class TestWhatIsTold:
    async def test_status_callbacks_are_signed_and_in_order(self, engine: TestEngine, phone: Phone) -> None:
        told = conference('statusCallback="/events" startConferenceOnEnter="{}"')
        async with Lobby(events="") as lobby:
            application = await lobby.open(engine)
            anna = await lobby.caller(phone, engine, told.format("false"))
            bert = await lobby.caller(phone, engine, told.format("true"))
            anna.hang_up()
            await lobby.wait_for("/events", StatusCallbackEvent="leave")
            bert.hang_up()
            await lobby.wait_for("/events", StatusCallbackEvent="end")
        events = [asked for asked in lobby.asked if asked.path == "/events"]
        seen = [(one.form["StatusCallbackEvent"], one.form["Participants"]) for one in events]
        assert seen == [("join", "1"), ("join", "2"), ("start", "2"), ("leave", "1"), ("leave", "0"), ("end", "0")]
        assert [one.form["SequenceNumber"] for one in events] == list("012345")
        assert {one.form["ConferenceName"] for one in events} == {"room"}
        calls = {call["from"]: call["publicId"] for call in (await engine.calls())[:2]}
        about = [one.form["CallSid"] for one in events]
        first, second = calls[anna.number], calls[bert.number]
        assert about == [first, second, second, first, second, second]
        for one in events:
            assert verify_signature(application["signingSecret"], one.body, one.headers["Voylo-Signature"])

    async def test_only_the_events_that_were_asked_for_are_told(self, engine: TestEngine, phone: Phone) -> None:
        told = conference('statusCallback="/events" statusCallbackEvent="start end" timeLimit="1"')
        async with Lobby(events="") as lobby:
            await lobby.open(engine)
            await lobby.caller(phone, engine, told)
            await lobby.wait_for("/events", StatusCallbackEvent="end")
        events = [asked.form for asked in lobby.asked if asked.path == "/events"]
        assert [form["StatusCallbackEvent"] for form in events] == ["start", "end"]
        assert events[1]["ConferenceDuration"] == "1"

    async def test_who_speaks_and_how_loud_is_told_but_not_of_who_is_muted(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        told = 'statusCallback="/events" statusCallbackEvent="leave speaker"'
        async with Lobby(events="") as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, conference(told))
            carl = await lobby.caller(phone, engine, conference('muted="true"'), CARL)
            bert = await lobby.caller(phone, engine, conference())
            await carl.hears(of=TONES)
            bert.call.say(BERT, 0.8)
            await carl.hears(BERT, of=TONES)
            await lobby.wait_for("/events", StatusCallbackEvent="participant-speech-stop")
            anna.call.say(ANNA)
            numbers = {call["from"]: call["publicId"] for call in await engine.calls()}
            await lobby.wait_for(
                "/events", StatusCallbackEvent="participant-speech-start", CallSid=numbers[anna.number]
            )
            anna.hang_up()
            await lobby.wait_for("/events", StatusCallbackEvent="leave")
            events = [asked.form for asked in lobby.asked if asked.path == "/events"]
            record = (await engine.client.get(f"/v1/calls/{numbers[anna.number]}/events")).json()
        start, stop = "participant-speech-start", "participant-speech-stop"
        about = [(form["StatusCallbackEvent"], form["CallSid"]) for form in events]
        first, second = numbers[bert.number], numbers[anna.number]
        assert about == [(start, first), (stop, first), (start, second), (stop, second), ("leave", second)]
        assert [form["SequenceNumber"] for form in events] == list("01234")
        assert [form["Participants"] for form in events] == list("33322")
        began, ended, *_ = (float(form["SpeechLevel"]) for form in events[:4])
        # A sine at 0.3 of full scale: the mean size of its samples is 0.191 of it.
        assert -24 <= began <= ended
        assert -15 <= ended <= -14
        assert "SpeechLevel" not in events[4]
        lasted = datetime.fromisoformat(events[1]["Timestamp"]) - datetime.fromisoformat(events[0]["Timestamp"])
        assert 1.5 <= lasted.total_seconds() <= 5, "0.8 s of it, and a second of silence"
        assert len([entry for entry in record if entry["type"] == "conference_callback"]) == 2, "of speech the first"


class TestRecording:
    async def test_everybody_is_in_the_file_that_the_last_one_who_ordered_it_gets(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        recorded = conference('record="true" hangupOnStar="true"')
        async with Lobby() as lobby:
            await lobby.open(engine)
            anna = await lobby.caller(phone, engine, recorded, ANNA)
            bert = await lobby.caller(phone, engine, recorded, BERT)
            await anna.hears(BERT, of=TONES)
            await anna.call.press("*")
            assert "RecordingUrl" not in await anna.ended()
            await bert.call.press("*")
            form = await bert.ended()
            async with documented_client() as client:
                audio, rate = wav_samples((await client.get(form["RecordingUrl"])).content)
            await over(engine)
            calls = {call["from"]: call for call in (await engine.calls())[:2]}
        assert rate == 8000
        both = [tones_in(audio[at : at + 4000], TONES) for at in range(0, len(audio), 4000)]
        assert {ANNA, BERT} in both
        (shown,) = calls[bert.number]["recordings"]
        assert (shown["source"], shown["channels"]) == ("conference", 1)
        assert calls[anna.number]["recordings"] == []
        assert abs(len(audio) / 8000 - float(form["RecordingDuration"])) <= 0.6

    async def test_an_application_that_forbids_recordings_gets_none(self, engine: TestEngine, phone: Phone) -> None:
        async with Lobby() as lobby:
            await lobby.open(engine, recording="never")
            anna = await lobby.caller(phone, engine, conference('record="true" timeLimit="1"'), ANNA)
            assert "RecordingUrl" not in await anna.ended()
            record = await engine.ended_call()
            entries = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
        assert "recording_off" in [entry["type"] for entry in entries]


async def test_a_crowd_comes_and_goes_and_nothing_is_left(engine: TestEngine, phone: Phone) -> None:
    async with Lobby() as lobby:
        await lobby.open(engine)
        crowd = [await lobby.caller(phone, engine, conference(), ANNA)]
        crowd += [await lobby.caller(phone, engine, conference()) for _ in range(7)]
        await asyncio.gather(*(one.hears(ANNA, of=TONES) for one in crowd[1:]))
        for one in crowd:
            one.hang_up()
        await over(engine)
