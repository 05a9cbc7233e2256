"""Recordings of whole calls and of what a Dial bridges: who is on which channel, when, and who is told (contract §6.1,
§6.6, §7, §10.6, §13.2)."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.calls import recording
from media.wav_file import WavWriter
from tests.api.test_event_schemas import problems
from tests.support.callee import callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.process import voylo_serve
from tests.support.recordings import channels_at, fetch, files
from tests.support.tones import seconds_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
TO = "+201091447677"
CALLER, CALLEE, PROMPT = 1200, 660, 880
"""What each party says, in Hz; none of them is in the ringing tone."""

DONE = "<Response><Hangup/></Response>"


def start_of(samples: NDArray[np.int16], hertz: int) -> float:
    """When a tone begins on a channel, in steps of 50 ms."""
    return next(at / 20 for at in range(len(samples) // 400) if seconds_of(samples[at * 400 : at * 400 + 400], hertz))


async def payload_of(flow: Flow, path: str) -> dict[str, Any]:
    return json.loads((await flow.wait_for(path)).body)


class TestWholeCall:
    async def test_an_application_that_records_always_has_both_sides_from_answer_to_end(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        documents = {"/finished": DONE}
        async with callees(1) as (callee,), Flow(documents) as flow:  # type: ignore[arg-type]
            flow.documents["/"] = f"<Response><Play>/tone-{PROMPT}.wav</Play><Dial>{callee.uri}</Dial></Response>"
            await engine.number(
                NUMBER,
                await engine.application(
                    actionUrl=flow.url("/"), finishedUrl=flow.url("/finished"), recording="always"
                ),
            )
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            call.outgoing.hangup()
            finished = await payload_of(flow, "/finished")
            ended = await engine.ended_call()
            left, right = await channels_at(finished["recording_url"])
        (shown,) = ended["recordings"]
        assert (shown["source"], shown["channels"], shown["format"]) == ("call", 2, "wav")
        assert shown["id"] in ended["recordingUrl"]
        assert shown["sizeBytes"] == 44 + 4 * len(left)
        assert abs(len(left) / 8000 - ended["durationS"]) <= 0.75
        assert seconds_of(left, CALLER) >= len(left) / 8000 - 0.6, "the caller speaks all the time"
        assert seconds_of(left, CALLEE) == seconds_of(left, PROMPT) == 0
        assert 0.9 <= seconds_of(right, PROMPT) <= 1.05
        assert seconds_of(right, CALLEE) >= 0.45
        assert seconds_of(right, CALLER) == 0
        assert start_of(right, PROMPT) < start_of(right, CALLEE)
        assert [path.suffix for path in files(engine)] == [".wav"]

    async def test_a_call_out_is_recorded_when_it_asks_for_it(self, engine: TestEngine) -> None:
        async with callees(1) as (callee,), Flow({}) as flow:
            await engine.number(NUMBER, None, sip={"outbound": callee.carrier})
            application = await engine.application(
                xmlTemplate=f"<Response><Play>{flow.url(f'/tone-{PROMPT}.wav')}</Play></Response>"
            )
            for record in (True, False):
                order = {"from": NUMBER, "to": TO, "applicationId": application["id"], "record": record}
                await engine.post("/v1/calls", order, 202)
                rung = await callee.call()
                callee.calls.clear()
                rung.answer(CALLEE)
                await rung.hung_up()
                ended = await engine.ended_call()
                assert len(ended["recordings"]) == record
                if record:
                    left, right = await channels_at(ended["recordingUrl"])
        assert ended["recordingUrl"] is None
        assert seconds_of(left, CALLEE) >= 0.8
        assert 0.9 <= seconds_of(right, PROMPT) <= 1.05
        assert seconds_of(left, PROMPT) == seconds_of(right, CALLEE) == 0

    async def test_an_application_that_never_records_is_stronger_than_the_call(self, engine: TestEngine) -> None:
        async with callees(1) as (callee,):
            await engine.number(NUMBER, None, sip={"outbound": callee.carrier})
            application = await engine.application(xmlTemplate=DONE, recording="never")
            order = {"from": NUMBER, "to": TO, "applicationId": application["id"], "record": True}
            await engine.post("/v1/calls", order, 202)
            (await callee.call()).answer(CALLEE)
            ended = await engine.ended_call()
        assert ended["recordings"] == []
        assert files(engine) == []
        log = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
        assert "recording_off" in [entry["type"] for entry in log]

    async def test_a_call_that_nobody_answers_has_no_recording(self, engine: TestEngine) -> None:
        async with callees(1) as (callee,):
            callee.on_call = lambda call: call.incoming.reject(486)
            await engine.number(NUMBER, None, sip={"outbound": callee.carrier})
            application = await engine.application(xmlTemplate=DONE, recording="always")
            await engine.post("/v1/calls", {"from": NUMBER, "to": TO, "applicationId": application["id"]}, 202)
            await callee.call()
            assert (await engine.ended_call())["recordings"] == []
        assert files(engine) == []


class TestDial:
    async def dialled(self, engine: TestEngine, phone: Phone, hang_up: str, **application: Any) -> Any:
        """The action's parameters and the record, after a recorded Dial that `hang_up` has ended."""
        async with callees(1) as (callee,), Flow({"/done": DONE}) as flow:
            flow.documents["/"] = (
                f"<Response><Play>/tone-{PROMPT}.wav</Play>"
                f'<Dial record="true" action="/done">{callee.uri}</Dial></Response>'
            )
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/"), **application))
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await call.hears(CALLEE)
            (rung.incoming if hang_up == "callee" else call.outgoing).hangup()
            form = (await flow.wait_for("/done")).form
            return form, await engine.ended_call()

    @pytest.mark.parametrize("hang_up", ["callee", "caller"])
    async def test_the_action_has_a_link_to_both_sides_of_the_bridged_part(
        self, engine: TestEngine, phone: Phone, hang_up: str
    ) -> None:
        form, ended = await self.dialled(engine, phone, hang_up)
        left, right = await channels_at(form["RecordingUrl"])
        assert form["DialStatus"] == "completed"
        assert form["RecordingDuration"] == str(round(len(left) / 8000))
        assert abs(len(left) / 8000 - int(form["DialDuration"])) <= 0.75
        assert seconds_of(left, CALLER) >= len(left) / 8000 - 0.2
        assert seconds_of(right, CALLEE) >= len(right) / 8000 - 0.4, "neither the prompt nor the ringing is in it"
        assert seconds_of(left, CALLEE) == seconds_of(right, CALLER) == 0
        (shown,) = ended["recordings"]
        assert (shown["source"], shown["channels"]) == ("dial", 2)
        assert shown["id"] in form["RecordingUrl"]

    async def test_beside_the_recording_of_the_whole_call(self, engine: TestEngine, phone: Phone) -> None:
        _, ended = await self.dialled(engine, phone, "callee", recording="always")
        sources = {shown["source"]: shown for shown in ended["recordings"]}
        assert set(sources) == {"call", "dial"}
        assert ended["recordingUrl"] == sources["call"]["url"]
        # The prompt before the Dial lasts a second.
        assert sources["call"]["sizeBytes"] >= sources["dial"]["sizeBytes"] + 4 * 8000

    async def test_not_where_the_application_forbids_it(self, engine: TestEngine, phone: Phone) -> None:
        form, ended = await self.dialled(engine, phone, "callee", recording="never")
        assert form["DialStatus"] == "completed"
        assert "RecordingUrl" not in form
        assert ended["recordings"] == []


class TestEvents:
    async def test_a_recording_that_is_late_tells_of_itself_after_the_terminal_event(
        self, engine: TestEngine, phone: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = WavWriter.finish

        def slowly(self: WavWriter, *arguments: Any) -> int:
            time.sleep(0.5)
            return finish(self, *arguments)

        monkeypatch.setattr(WavWriter, "finish", slowly)
        monkeypatch.setattr(recording, "FINISH_SECONDS", 0.05)
        async with Flow({"/hook": DONE, "/finished": DONE}) as flow:
            hook = {"url": flow.url("/hook"), "events": ["*"]}
            webhook = await engine.post("/v1/webhooks", hook)
            template = f"<Response><Play>{flow.url(f'/tone-{PROMPT}.wav')}</Play></Response>"
            await engine.number(
                NUMBER,
                await engine.application(xmlTemplate=template, recording="always", finishedUrl=flow.url("/finished")),
            )
            await phone.call(NUMBER, engine.sip).hung_up()
            finished = await payload_of(flow, "/finished")
            async with asyncio.timeout(10):
                while not (told := self.told(flow, "recording.completed")):
                    await asyncio.sleep(0.02)
            ended = await engine.ended_call()
            events = [json.loads(asked.body)["event"] for asked in flow.asked if asked.path == "/hook"]
            finished_events = [json.loads(asked.body)["event"] for asked in flow.asked if asked.path == "/finished"]
            _, right = await channels_at(told["recording_url"])
            log = (await engine.client.get(f"/v1/calls/{ended['publicId']}/events")).json()
            base = f"/v1/webhooks/{webhook['id']}/deliveries"
            (item,) = (await self.settled(engine, f"{base}?eventType=recording.completed"))["data"]
            delivery = (await engine.client.get(f"{base}/{item['id']}")).json()
        assert seconds_of(right, PROMPT) >= 0.9
        assert finished["recording_url"] is None
        assert finished_events == ["call.completed"]
        assert sorted(events) == ["call.answered", "call.completed", "call.received", "recording.completed"]
        assert (told["call_id"], told["public_id"]) == (ended["id"], ended["publicId"])
        assert (told["status"], told["duration_s"]) == ("completed", ended["durationS"])
        assert told["recording_id"] == ended["recordings"][0]["id"]
        assert (told["recording_source"], told["recording_channels"]) == ("call", 2)
        assert problems("recording.completed", told) == []
        kinds = [entry["type"] for entry in log]
        assert kinds.index("call.completed") < kinds.index("recording.completed")
        assert delivery["payload"] == told

    @staticmethod
    def told(flow: Flow, event: str) -> dict[str, Any] | None:
        bodies = [json.loads(asked.body) for asked in flow.asked if asked.path == "/hook"]
        return next((body for body in bodies if body["event"] == event), None)

    async def test_the_delivery_log_has_the_link_as_sent_and_resending_signs_it_anew(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with Flow({"/finished": DONE}) as flow:
            template = f"<Response><Play>{flow.url(f'/tone-{PROMPT}.wav')}</Play></Response>"
            application = await engine.application(
                xmlTemplate=template, recording="always", finishedUrl=flow.url("/finished")
            )
            await engine.number(NUMBER, application)
            await phone.call(NUMBER, engine.sip).hung_up()
            first = await payload_of(flow, "/finished")
            base = f"/v1/applications/{application['id']}/deliveries"
            (item,) = (await self.settled(engine, base))["data"]
            detail = (await engine.client.get(f"{base}/{item['id']}")).json()
            assert detail["payload"] == first
            assert first["recording_url"] is not None
            await asyncio.sleep(1.1)  # the link tells when it ends in whole seconds
            assert (await engine.client.post(f"{base}/{item['id']}/resend")).status_code == 204
            async with asyncio.timeout(10):
                while len(again := [asked for asked in flow.asked if asked.path == "/finished"]) < 2:
                    await asyncio.sleep(0.02)
            await self.settled(engine, base)
            detail = (await engine.client.get(f"{base}/{item['id']}")).json()
        second = json.loads(again[1].body)
        assert detail["payload"] == second
        assert second["recording_url"] != first["recording_url"]
        assert {**second, "recording_url": None} == {**first, "recording_url": None}

    @staticmethod
    async def settled(engine: TestEngine, path: str) -> Any:
        async with asyncio.timeout(10):
            while True:
                page = (await engine.client.get(path)).json()
                if page["data"] and page["data"][0]["status"] == "delivered":
                    return page
                await asyncio.sleep(0.02)


async def test_a_killed_process_leaves_a_recording_and_the_next_start_lists_it(tmp_path: Path, phone: Phone) -> None:
    data = tmp_path / "data"
    async with callees(1) as (callee,), Flow({"/finished": DONE}) as flow:
        document = f'<Response><Dial record="true">{callee.uri}</Dial></Response>'
        async with voylo_serve(data) as engine, engine.client() as client:
            body = {"name": "a", "xmlTemplate": document, "recording": "always", "finishedUrl": flow.url("/finished")}
            application = (await client.post("/v1/applications", json=body)).json()
            number = {
                "e164": NUMBER,
                "destination": {"kind": "application", "id": application["id"]},
                "sip": {"allowedSourceIps": ["127.0.0.0/8"]},
            }
            assert (await client.post("/v1/numbers/import", json=number)).status_code == 201
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            call.say(CALLER)
            rung = await callee.call()
            rung.answer(CALLEE)
            await call.hears(CALLEE, at_least=2.5, seconds=20)
            bridged = len(rung.heard) / 8000
            engine.process.kill()
            await engine.process.wait()
        parts = sorted(data.glob("recordings/*/*"))
        assert [path.suffix for path in parts] == [".part", ".part"]
        async with voylo_serve(data) as engine, engine.client() as client:
            finished = await payload_of(flow, "/finished")
            (ended,) = (await client.get("/v1/calls")).json()
            sources = {shown["source"]: shown for shown in ended["recordings"]}
            left, right = await channels_at(sources["dial"]["url"])
            whole = (await fetch(finished["recording_url"])).status_code
        assert set(sources) == {"call", "dial"}
        assert ended["hangupCause"] == "network_error"
        assert whole == 200
        assert sources["call"]["id"] in finished["recording_url"]
        assert len(left) / 8000 >= bridged - 1.5, "all but the last second"
        assert seconds_of(left, CALLER) >= len(left) / 8000 - 0.3
        assert seconds_of(right, CALLEE) >= len(right) / 8000 - 0.5
        assert sorted(path.suffix for path in data.glob("recordings/*/*")) == [".wav", ".wav"]
