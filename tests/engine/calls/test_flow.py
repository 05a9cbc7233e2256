"""Flows on live calls: keys, prompts, and every way in which an application's server can fail (contract §11.5)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.callee import a_callee
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import Phone
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import level, seconds_of
from voyloml import verify_signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
MENU = """
<Response>
  <Gather numDigits="{digits}" timeout="2" action="/pressed"><Play loop="0">/tone-440.wav</Play></Gather>
</Response>
"""
FAST = {"action_connect_seconds": 0.3, "action_seconds": 0.6, "audio_seconds": 0.6}
SETTINGS = {"limits": FAST | MANY_REQUESTS}
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><Response><Say>&j;</Say></Response>"
)


class TestKeys:
    async def test_the_action_gets_the_digits_and_its_document_takes_over(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        documents = {
            "/menu": MENU.format(digits=3),
            "/pressed": "<Response><Play>/tone-880.wav</Play></Response>",
        }
        async with Flow(documents) as flow:
            application = await engine.application(actionUrl=flow.url("/menu"))
            await engine.number(NUMBER, application)
            call = phone.call(NUMBER, engine.sip)
            await call.hears(440)
            await call.press("123")
            pressed = await flow.wait_for("/pressed")
            await call.hung_up()
        assert pressed.form["Digits"] == "123"
        assert pressed.form["CallStatus"] == "in-progress"
        assert pressed.form["From"] == "+15550123"
        assert pressed.form["To"] == NUMBER
        assert pressed.headers["User-Agent"] == "Voylo/1.0"
        signature = pressed.headers["Voylo-Signature"]
        assert verify_signature(application["signingSecret"], pressed.body, signature)
        assert not verify_signature("whsec_" + "x" * 40, pressed.body, signature)
        assert 0.9 <= seconds_of(call.heard, 880) <= 1.1

    @pytest.mark.parametrize("also_by_events", [False, True])
    async def test_keys_by_info_count_once_and_stop_the_prompt(
        self, engine: TestEngine, phone: Phone, also_by_events: bool
    ) -> None:
        documents = {"/menu": MENU.format(digits=3), "/pressed": "<Response><Hangup/></Response>"}
        async with Flow(documents) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(440)
            if also_by_events:
                call.press("**7")
            for body in (b"Signal=*\r\nDuration=160\r\n", b"Signal=10\r\n", b"Signal=7\r\n"):
                call.outgoing.aside("INFO", "application/dtmf-relay", body)
                await asyncio.sleep(0.15)
            pressed = await flow.wait_for("/pressed")
            await call.hung_up()
        assert pressed.form["Digits"] == "**7"

    async def test_a_key_stops_the_prompt_within_a_few_ticks(self, engine: TestEngine, phone: Phone) -> None:
        documents = {
            "/menu": MENU.format(digits=2),
            "/pressed": "<Response><Hangup/></Response>",
        }
        async with Flow(documents) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(440)
            await call.press("1")
            before = seconds_of(call.heard, 440)
            await asyncio.sleep(1.0)
            assert seconds_of(call.heard, 440) - before <= 0.2
            await call.press("2")
            await call.hung_up()
            assert (await flow.wait_for("/pressed")).form["Digits"] == "12"

    async def test_prompts_follow_each_other_without_a_gap(self, engine: TestEngine, phone: Phone) -> None:
        document = "<Response><Play>/tone-440.wav</Play><Play>/tone-880.wav</Play></Response>"
        async with Flow({"/menu": document}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call(NUMBER, engine.sip)
            await call.hung_up()
        assert seconds_of(call.heard, 440) >= 0.9
        assert seconds_of(call.heard, 880) >= 0.9

    async def test_a_static_document_speaks(self, engine: TestEngine, phone: Phone) -> None:
        whisper = '<prosody volume="-20dB">Hello, this is a call.</prosody>'
        document = f"<Response><Say>Hello, this is a call to {{{{To}}}}. {whisper}</Say></Response>"
        await engine.number(NUMBER, await engine.application(xmlTemplate=document))
        call = phone.call(NUMBER, engine.sip)
        await call.hung_up()
        loud = call.heard[abs(call.heard.astype(int)) > 1000]
        assert len(loud) > 2000, "speech must be heard"
        until = int(abs(call.heard.astype(int)).nonzero()[0][-1])
        whispered = abs(call.heard[until - 6400 : until].astype(int)).max()
        assert 200 < whispered < abs(loud.astype(int)).max() / 4
        assert (await engine.ended_call())["hangupCause"] == "normal"


class TestHangup:
    async def test_reject_refuses_without_answering(self, engine: TestEngine, phone: Phone) -> None:
        for number, reason, status, outcome in (
            ("+15550101", "busy", 486, "busy"),
            ("+15550102", "rejected", 603, "rejected"),
        ):
            document = f'<Response><Reject reason="{reason}"/></Response>'
            await engine.number(number, await engine.application(xmlTemplate=document))
            assert (await phone.call(number, engine.sip).rejected()).status == status
            record = await engine.ended_call()
            assert (record["outcome"], record["sipCode"], record["answeredAt"]) == (outcome, status, None)

    async def test_a_caller_who_gives_up_while_it_rings_is_canceled(self, engine: TestEngine, phone: Phone) -> None:
        await engine.number(NUMBER, await engine.application(xmlTemplate='<Response><Pause length="30"/></Response>'))
        call = phone.call(NUMBER, engine.sip)
        while 180 not in call.statuses:
            await asyncio.sleep(0.01)
        call.outgoing.cancel()
        assert (await call.rejected()).status == 487
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("canceled", "caller", "canceled")
        assert record["durationS"] == 0

    async def test_a_caller_who_hangs_up_ends_the_verb_that_runs(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow({"/menu": '<Response><Play loop="0">/tone-440.wav</Play></Response>'}) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call(NUMBER, engine.sip)
            await call.hears(440)
            call.outgoing.hangup()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "caller", "normal")
        assert engine.process.plane.statistics().sessions == 0

    async def test_a_call_over_its_time_limit_is_hung_up(self, tmp_path: Path, phone: Phone) -> None:
        async with running_engine(tmp_path / "limit", limits={"call_seconds": 1}) as engine:
            document = '<Response><Say>Hello</Say><Pause length="60"/></Response>'
            await engine.number(NUMBER, await engine.application(xmlTemplate=document))
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            await call.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "platform", "time_limit")

    async def test_a_call_without_any_audio_from_the_caller_is_hung_up(self, tmp_path: Path, phone: Phone) -> None:
        async with running_engine(tmp_path / "silent", media={"timeout_seconds": 1}) as engine:
            document = '<Response><Say>Hello</Say><Pause length="60"/></Response>'
            await engine.number(NUMBER, await engine.application(xmlTemplate=document))
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            await call.session.close()
            await call.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"]) == ("answered", "media_timeout")


class TestChangedApplication:
    """Calls in progress keep the version of the application that they began with (contract §7.2)."""

    async def test_a_call_goes_on_with_its_action_url_headers_and_secret_and_the_next_has_the_changed_ones(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        again = '<Response><Gather numDigits="1" timeout="20"><Play loop="0">/tone-{}.wav</Play></Gather></Response>'
        async with Flow({"/old": again.format(440), "/new": again.format(880)}) as flow:
            began = {"actionUrl": flow.url("/old"), "actionUrlHeaders": {"X-Version": "old"}}
            application = await engine.application(**began)
            path = f"/v1/applications/{application['id']}"
            await engine.number(NUMBER, application)
            first = phone.call(NUMBER, engine.sip)
            await first.hears(440)
            changes = {"actionUrl": flow.url("/new"), "actionUrlHeaders": {"X-Version": "new"}}
            changed = await engine.client.patch(path, json=changes)
            assert changed.status_code == 200, changed.text
            rotated = await engine.post(f"{path}/signing-secret/rotate", None, 200)
            await first.press("5")
            gathered = await flow.wait_for("/old", Step="gather")
            assert (gathered.form["Digits"], gathered.headers["X-Version"]) == ("5", "old")
            second = phone.call(NUMBER, engine.sip)
            await second.hears(880)
            started = await flow.wait_for("/new")
            assert (started.form["Step"], started.headers["X-Version"]) == ("start", "new")
            assert started.form["CallSid"] != gathered.form["CallSid"]
            assert seconds_of(second.heard, 440) == 0
            heard = seconds_of(first.heard, 440)
            await first.hears(440, heard + 0.3)
            assert seconds_of(first.heard, 880) == 0
            assert flow.steps() == ["/old", "/old", "/new"]
            for asked, secret in ((gathered, application["signingSecret"]), (started, rotated["signingSecret"])):
                assert verify_signature(secret, asked.body, asked.headers["Voylo-Signature"])

    async def test_a_call_goes_on_with_its_template_and_its_caller_ids_and_the_next_has_the_changed_ones(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        dial = '<Response><Gather numDigits="1" timeout="20"><Play loop="0">{tone}</Play></Gather>{then}</Response>'
        async with Flow({}) as flow, a_callee() as carrier:
            carrier.on_call = lambda call: call.incoming.reject(486)
            number = "<Dial><Number>+15550199</Number></Dial>"
            template = dial.format(tone=flow.url("/tone-440.wav"), then=number)
            application = await engine.application(xmlTemplate=template)
            await engine.number(
                NUMBER, application, sip={"allowedSourceIps": ["127.0.0.0/8"], "outbound": carrier.carrier}
            )
            first = phone.call(NUMBER, engine.sip)
            await first.hears(440)
            template = dial.format(tone=flow.url("/tone-880.wav"), then=number)
            changed = await engine.client.patch(
                f"/v1/applications/{application['id']}",
                json={"xmlTemplate": template, "allowedCallerIds": ["+15550101"]},
            )
            assert changed.status_code == 200, changed.text
            second = phone.call(NUMBER, engine.sip)
            await second.hears(880)
            assert seconds_of(second.heard, 440) == 0
            assert seconds_of(first.heard, 880) == 0
            await second.press("1")
            await second.hung_up()
            assert carrier.calls == [], "the changed application may not present this number"
            await first.press("1")
            rung = await carrier.call()
            assert rung.incoming.request.from_.uri.user == NUMBER
            await first.hung_up()


class TestApplicationWithoutLogic:
    """Neither an action URL nor a template (contract §7.1)."""

    async def test_a_call_in_is_refused_at_once(self, engine: TestEngine, phone: Phone) -> None:
        application = await engine.application()
        assert (application["actionUrl"], application["xmlTemplate"]) == (None, None)
        await engine.number(NUMBER, application)
        assert (await phone.call(NUMBER, engine.sip).rejected()).status == 503
        record = await engine.ended_call()
        assert (record["outcome"], record["sipCode"], record["answeredAt"]) == ("failed", 503, None)
        assert (record["hangupBy"], record["hangupCause"]) == ("platform", "application_error")
        assert record["applicationId"] == application["id"]

    async def test_a_call_out_is_hung_up_at_its_answer(self, engine: TestEngine) -> None:
        application = await engine.application()
        async with a_callee() as carrier:
            await engine.number(NUMBER, None, sip={"outbound": carrier.carrier})
            body = {"from": NUMBER, "to": "+201091447677", "applicationId": application["id"]}
            await engine.post("/v1/calls", body, 202)
            rung = await carrier.call()
            rung.answer()
            await rung.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["sipCode"]) == ("answered", 200)
        assert (record["hangupBy"], record["hangupCause"]) == ("platform", "application_error")

    async def test_it_runs_a_document_again_once_it_has_one(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow({}) as flow:
            play = f"<Response><Play loop='0'>{flow.url('/tone-440.wav')}</Play></Response>"
            application = await engine.application(xmlTemplate=play)
            path = f"/v1/applications/{application['id']}"
            await engine.number(NUMBER, application)
            first = phone.call(NUMBER, engine.sip)
            await first.hears(440)
            assert (await engine.client.patch(path, json={"xmlTemplate": None})).status_code == 200
            assert (await phone.call(NUMBER, engine.sip).rejected()).status == 503
            await first.hears(440, seconds_of(first.heard, 440) + 0.3)
            assert (await engine.client.patch(path, json={"xmlTemplate": play})).status_code == 200
            await phone.call(NUMBER, engine.sip).hears(440)


async def _slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response(text="<Response/>")


async def _500(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="broken")


async def _html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<!DOCTYPE html><html><body>It works!<br></body></html>", content_type="text/html")


async def _laughs(_: web.Request) -> web.StreamResponse:
    return web.Response(text=LAUGHS, content_type="application/xml")


BAD_ACTIONS = {"slow": _slow, "500": _500, "html": _html, "laughs": _laughs}


class TestBadActionUrl:
    @pytest.mark.parametrize("kind", [*BAD_ACTIONS, "down"])
    async def test_the_first_document_fails_with_503_and_a_clear_log_while_another_call_goes_on(
        self, engine: TestEngine, phone: Phone, kind: str
    ) -> None:
        documents = {
            "/bad": BAD_ACTIONS.get(kind, _500),
            "/good": '<Response><Play loop="0">/tone-440.wav</Play></Response>',
        }
        async with Flow(documents) as flow:
            url = "http://127.0.0.1:9/flow" if kind == "down" else flow.url("/bad")
            await engine.number("+15550101", await engine.application(actionUrl=flow.url("/good")))
            await engine.number(NUMBER, await engine.application(actionUrl=url))
            good = phone.call("+15550101", engine.sip)
            await good.hears(440)
            assert (await phone.call(NUMBER, engine.sip).rejected()).status == 503
            heard = seconds_of(good.heard, 440)
            await good.hears(440, heard + 0.5)
            assert level(good.heard, 440) > 0.95
            good.outgoing.hangup()
            await engine.ended_call()
            calls = await engine.calls()
            record = next(call for call in calls if call["to"] == NUMBER)
            assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "application_error", 503)
            log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
            assert any(url in str(entry["data"]) for entry in log), log

    async def test_after_the_answer_it_hangs_up(self, engine: TestEngine, phone: Phone) -> None:
        documents = {"/menu": "<Response><Play>/tone-440.wav</Play><Redirect>/bad</Redirect></Response>", "/bad": _500}
        async with Flow(documents) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/menu")))
            call = phone.call(NUMBER, engine.sip)
            await call.hung_up()
            record = await engine.ended_call()
            assert flow.steps() == ["/menu", "/bad", "/bad"], "one retry after a 5xx"
        assert (record["outcome"], record["hangupCause"], record["hangupBy"]) == (
            "answered",
            "application_error",
            "platform",
        )

    async def test_the_template_is_the_fallback_of_the_first_document(self, engine: TestEngine, phone: Phone) -> None:
        application = await engine.application(
            actionUrl="http://127.0.0.1:9/flow", xmlTemplate='<Response><Reject reason="busy"/></Response>'
        )
        await engine.number(NUMBER, application)
        assert (await phone.call(NUMBER, engine.sip).rejected()).status == 486


async def _404(_: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="not here")


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
    await response.prepare(request)
    try:
        for _ in range(50):
            await response.write(bytes(1 << 20))
    except ConnectionError:
        pass
    return response


BAD_PROMPTS = {"404": _404, "html": _html, "huge": _huge, "slow": _slow}


class TestBadPrompt:
    @pytest.mark.parametrize("kind", [*BAD_PROMPTS, "down"])
    async def test_a_prompt_that_cannot_be_had_is_skipped_with_a_warning(
        self, engine: TestEngine, phone: Phone, kind: str
    ) -> None:
        async with Flow({"/prompt.wav": BAD_PROMPTS.get(kind, _404)}) as flow:
            url = "http://127.0.0.1:9/prompt.wav" if kind == "down" else flow.url("/prompt.wav")
            document = f"<Response><Play>{url}</Play><Play>{flow.url('/tone-880.wav')}</Play></Response>"
            await engine.number(NUMBER, await engine.application(xmlTemplate=document))
            call = phone.call(NUMBER, engine.sip)
            await call.hung_up()
            record = await engine.ended_call()
            log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
        assert 0.9 <= seconds_of(call.heard, 880) <= 1.1, "the next prompt is played"
        (skipped,) = [entry for entry in log if entry["type"] == "play_skipped"]
        assert url in skipped["data"]["warning"]
        assert (record["outcome"], record["hangupCause"]) == ("answered", "normal")
