"""Call flows of `examples/call_flows` as real calls: keys, spoken answers, tones, and the words that are heard."""

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from numpy.typing import NDArray

from media import PromptAudio
from sip import Answered, Credentials
from tests.engine.calls.test_agent_calls import registered
from tests.engine.calls.test_machine_detection import answer, greeting
from tests.support.callee import Callee, CalleeCall, callees
from tests.support.engine import LOOPBACK, TestEngine
from tests.support.flow import Flow, Handler
from tests.support.phone import Phone, PhoneCall
from tests.support.recordings import fetch, samples_of
from tests.support.tones import seconds_of, sine, wav
from tests.support.voice import spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parents[3] / "examples" / "call_flows"
NUMBER = "+20223456700"
MUSIC, DESK, CALLER = 660.0, 880.0, 500.0


@pytest_asyncio.fixture(loop_scope="module")
async def desks() -> AsyncIterator[list[Callee]]:
    async with callees(2) as started:
        yield started


def documents(name: str, chosen: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, str | Handler]:
    """The files of an example by their paths; `chosen` names the parameter that decides what a path leads to."""
    folder = EXAMPLES / name
    found: dict[str, str | Handler] = {f"/{file.stem}": file.read_text() for file in folder.glob("*.xml")}

    def by(parameter: str, choices: Mapping[str, str]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            file = choices[str((await request.post()).get(parameter, ""))]
            return web.Response(text=(folder / file).read_text(), content_type="application/xml")

        return handle

    return found | {path: by(parameter, choices) for path, (parameter, choices) in chosen.items()}


def application_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"live_{name}", EXAMPLES / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def served(application: Callable[..., Any], *paths: str) -> dict[str, str | Handler]:
    """A WSGI application at these paths."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        environ = {
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        text = b"".join(application(environ, lambda *_: None)).decode()
        return web.Response(text=text, content_type="application/xml")

    return dict.fromkeys(paths, handle)


async def sound(_: web.Request) -> web.StreamResponse:
    return web.Response(body=wav(sine(MUSIC, 1.0)), content_type="audio/wav")


async def calling(engine: TestEngine, phone: Phone, flow: Flow, carrier: Callee | None = None) -> PhoneCall:
    """A call to a number whose application is the example's."""
    application = await engine.application(actionUrl=flow.url("/main"))
    out = {} if carrier is None else {"outbound": carrier.carrier}
    await engine.number(NUMBER, application, sip={"allowedSourceIps": LOOPBACK, **out})
    return phone.call(NUMBER, engine.sip)


async def until_spoken_to(call: PhoneCall | CalleeCall, seconds: float = 0.9, after: int = 0) -> int:
    """Waits until something was heard for so long behind a sample; how many samples there are then."""

    def loud() -> bool:
        heard = call.heard[after:]
        return int(np.count_nonzero(np.abs(heard.astype(np.int32)) > 300)) > seconds * 2400

    await (call.until(loud) if isinstance(call, CalleeCall) else call._until(loud, 10.0))
    return len(call.heard)


def was_said(heard: NDArray[np.int16], text: str) -> bool:
    """Whether these words, in the engine's voice, were heard: half a second of them, found by correlation."""
    words = spoken(text)[1600:5600].astype(float)
    sound = heard.astype(float)
    size = 1 << int(np.ceil(np.log2(len(sound) + len(words))))
    match = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(words, size)), size)[: len(sound)]
    power = np.convolve(sound**2, np.ones(len(words)), "full")[len(words) - 1 :]
    norm = np.sqrt(np.maximum(power, 1e6) * np.sum(words**2))
    return bool(np.max(match / norm) > 0.7)


async def test_the_menu_tells_the_hours_and_finds_the_desk(
    engine: TestEngine, phone: Phone, desks: list[Callee]
) -> None:
    choices = {"1": "bookings.xml", "2": "bookings.xml", "3": "hours.xml"}
    made = await engine.post("/v1/agents", {"email": "bookings@example.com"})
    credentials = Credentials("bookings", made["password"])
    desks[0].on_call = lambda call: call.answer(DESK)
    async with (
        Flow(documents("ivr_menu", {"/choice": ("Digits", choices)})) as flow,
        registered(engine, desks[0], "bookings", credentials),
    ):
        first = await calling(engine, phone, flow)
        await first.answered()
        await until_spoken_to(first)
        await first.press("9")  # which means nothing
        await first.press("3")
        await first.hung_up()
        second = phone.call(NUMBER, engine.sip, from_="+15550124")
        await second.answered()
        await until_spoken_to(second)
        await second.press("1")
        await second.hears(DESK)
        desks[0].calls[-1].incoming.hangup()
        ended = await flow.wait_for("/after-call")
        await second.hung_up()
    assert was_said(first.heard, "We are here from nine to five.")
    assert not was_said(first.heard, "Good bye.")
    assert was_said(second.heard, "We are connecting you with our bookings desk.")
    assert was_said(second.heard, "Good bye.")
    assert (ended.form["DialStatus"], ended.form["From"]) == ("completed", "+15550124")


async def test_the_phone_that_presses_1_gets_the_screened_call(
    engine: TestEngine, phone: Phone, desks: list[Callee]
) -> None:
    mobile, desk = desks
    mobile.on_call = lambda call: call.answer()
    found = documents("call_screening", {}) | {"/sounds/you-have-a-call.wav": sound}
    main = found["/main"]
    assert isinstance(main, str)
    found["/main"] = main.replace("sip:desk@example.com", desk.uri)
    async with Flow(found) as flow:
        caller = await calling(engine, phone, flow, carrier=mobile)
        voicemail, rung = await mobile.call(), await desk.call()
        await voicemail.hears(MUSIC)
        rung.answer(DESK)
        await rung.hears(MUSIC)
        assert not caller.has(Answered)
        assert rung.session is not None
        await rung.session.send_digits("1")
        await caller.hears(DESK)
        await voicemail.hung_up()
        caller.say(CALLER)
        await rung.hears(CALLER)
        rung.incoming.hangup()
        screened = await flow.wait_for("/screened")
        await caller.hung_up()
    assert (screened.form["DialStatus"], screened.form["DialTo"]) == ("completed", desk.uri)
    assert seconds_of(voicemail.heard, CALLER) == 0
    assert was_said(caller.heard, "Thank you for calling.")


async def test_a_message_is_left_for_a_phone_that_is_busy(
    engine: TestEngine, phone: Phone, desks: list[Callee]
) -> None:
    choices = {"busy": "leave-message.xml", "no-answer": "leave-message.xml"}
    made = await engine.post("/v1/agents", {"email": "anna@example.com"})
    desks[0].on_call = lambda call: call.incoming.reject(486)
    found = documents("voicemail", {"/after-ring": ("DialStatus", choices)}) | {"/recording-ready": ""}
    async with (
        Flow(found) as flow,
        registered(engine, desks[0], "anna", Credentials("anna", made["password"])),
    ):
        caller = await calling(engine, phone, flow)
        await caller.hears(1000, at_least=0.1, seconds=20)  # the beep
        caller.say(CALLER, 1.5)
        await asyncio.sleep(1.7)
        await caller.press("#")
        recorded = await flow.wait_for("/recorded")
        audio = samples_of(await fetch(recorded.form["RecordingUrl"]))
        await flow.wait_for("/recording-ready")
        await caller.hung_up()
    assert recorded.form["Digits"] == "#"
    assert seconds_of(audio, CALLER) > 0.8
    assert was_said(caller.heard, "Anna is not available.")
    assert was_said(caller.heard, "Thank you. Good bye.")


async def test_the_patient_confirms_the_appointment(engine: TestEngine, desks: list[Callee]) -> None:
    desk, patient = desks[0], "+201001234567"
    found = documents("appointment_reminder", {"/answer": ("Digits", {"1": "confirmed.xml", "2": "cancelled.xml"})})
    template = (EXAMPLES / "appointment_reminder" / "main.xml").read_text()
    async with Flow(found) as flow:
        application = await engine.application(
            xmlTemplate=template.replace("https://practice.example.com", flow.url(""))
        )
        await engine.number(NUMBER, None, sip={"outbound": desk.carrier})
        body = {
            "from": NUMBER,
            "to": patient,
            "applicationId": application["id"],
            "variables": {"name": "Mona & Karim", "day": "Tuesday", "time": "half past nine"},
            "machineDetection": "enable",
        }
        desk.on_call = lambda call: call.incoming.ring()
        await engine.post("/v1/calls", body, status=202)
        call = await desk.call()
        answer(call, greeting("Hello?", beep=False))
        await until_spoken_to(call, 1.0)
        assert call.session is not None
        await call.session.send_digits("1")
        asked = await flow.wait_for("/answer")
        await call.hung_up()
        record = await engine.ended_call()
    assert (asked.form["Digits"], asked.form["day"], asked.form["var_name"]) == ("1", "Tuesday", "Mona & Karim")
    assert record["answeredBy"] == "human"
    assert was_said(call.heard, "Thank you. We will see you then.")


async def test_the_second_doctor_is_found_at_night(engine: TestEngine, phone: Phone, desks: list[Callee]) -> None:
    module = application_of("after_hours")
    module.now = lambda: datetime(2026, 1, 6, 22, 30, tzinfo=UTC)  # type: ignore[attr-defined]
    tried: list[str] = []

    def on_call(call: CalleeCall) -> None:
        tried.append(call.incoming.request.uri.user or "")
        if len(tried) == 1:
            call.incoming.reject(486)
        else:
            call.answer(DESK)

    desks[0].on_call = on_call
    found = documents("after_hours", {}) | served(module.application, "/route", "/night", "/dialled")
    async with Flow(found) as flow:
        caller = await calling(engine, phone, flow, carrier=desks[0])
        await caller.answered()
        await until_spoken_to(caller, 1.6)
        await caller.press("2")
        await caller.hears(DESK)
        desks[0].calls[-1].incoming.hangup()
        dialled = await flow.wait_for("/dialled")
        await caller.hung_up()
    assert tried == ["+201001234567", "+201007654321"]
    assert (dialled.form["DialStatus"], dialled.form["DialTo"]) == ("completed", "+201007654321")
    assert was_said(caller.heard, "We are closed. To leave a message press 1, in an emergency press 2.")


async def test_a_guest_answers_by_voice(engine: TestEngine, phone: Phone) -> None:
    found = documents("speech_survey", {}) | {"/rated": "", "/reason": ""}
    found["/rated"] = (EXAMPLES / "speech_survey" / "reason.xml").read_text()
    found["/reason"] = (EXAMPLES / "speech_survey" / "thanks.xml").read_text()
    async with Flow(found) as flow:
        caller = await calling(engine, phone, flow)
        await caller.answered()
        await until_spoken_to(caller)
        caller.session.play(PromptAudio(spoken("four"), "four"))
        rated = await flow.wait_for("/rated")
        await until_spoken_to(caller, 0.3, len(caller.heard))
        reason = await flow.wait_for("/reason", seconds=15)
        await caller.hung_up()
    assert (rated.form["SpeechResult"], rated.form["InputType"]) == ("four", "speech")
    assert reason.form["Digits"] == ""  # nothing was said, and the action is wanted even so
    assert was_said(caller.heard, "What did you like most?")
    assert was_said(caller.heard, "Thank you very much.")


async def test_the_third_pin_is_right(engine: TestEngine, phone: Phone) -> None:
    found = documents("pin_entry", {}) | served(application_of("pin_entry").application, "/ask", "/check")
    async with Flow(found) as flow:
        caller = await calling(engine, phone, flow)
        await caller.answered()
        for number, pin in enumerate(("1111", "47#", "4711"), 1):
            await until_spoken_to(caller, after=len(caller.heard))
            await caller.press(pin)
            asked = await flow.wait_for("/check", **{"try": str(number)})
            assert asked.form["Digits"] == pin.removesuffix("#")
        await caller.hung_up()
    assert was_said(caller.heard, "Please enter your PIN.")
    assert was_said(caller.heard, "That was not right. Please try again.")
    assert was_said(caller.heard, "Your balance is ninety pounds.")
