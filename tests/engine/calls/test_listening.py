"""`Gather` with speech on live calls: what the caller says is what the action gets (contract §10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from media import PromptAudio
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import Phone, PhoneCall, a_phone
from tests.support.tones import seconds_of
from tests.support.voice import spoken
from voyloml import verify_signature
from voyloml.reference.gather_table import GATHER_ROWS

HINTS = "billing, technical support, opening hours"
NOT_A_PHRASE = "purple elephants"
PROMPT_HERTZ, PROMPT_SECONDS = 440.0, 2.0
HANG_UP = "<Response><Hangup/></Response>"
NO_INPUT = "no input"


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with a_phone() as started:
        yield started


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the truth table as a call. `does` is what the caller does, so many seconds after the prompt has begun:
    it says a phrase, or presses a key. `least` is how long it takes at least until the Gather is over."""

    table: tuple[str, str]
    attributes: str
    does: tuple[tuple[float, str], ...]
    result: str
    least: float
    prompt_until: float = PROMPT_SECONDS


_SPEECH, _BOTH = 'input="speech"', 'input="dtmf speech"'
_BILLING_EARLY, _BILLING_LATE = "says “billing” from 1 to 2 s", "says “billing” from 6 to 7 s"
_SAID = "SpeechResult=billing"

ROWS = (
    Row((_SPEECH, "nothing"), _SPEECH, (), NO_INPUT, 4),
    Row((_SPEECH, _BILLING_EARLY), _SPEECH, ((0.5, "billing"),), _SAID, 2.2, 1.3),
    Row((_SPEECH, _BILLING_LATE), _SPEECH, ((2.5, "billing"),), _SAID, 4.2),
    Row((f'{_SPEECH} speechTimeout="3"', _BILLING_LATE), f'{_SPEECH} speechTimeout="3"',
        ((2.5, "billing"),), _SAID, 5.7),
    Row((_SPEECH, "says “my” from 6 to 7 s, “bill” from 8 to 9 s"), _SPEECH,
        ((2.3, "opening hours"), (4.2, "billing")), "SpeechResult=opening hours billing", 6),
    Row((f'{_SPEECH} timeout="3"', "speaks from 6 s for longer than the timeout"), f'{_SPEECH} timeout="1"',
        ((2.4, "opening hours"),), "SpeechResult=opening hours", 4.6),
    Row((_SPEECH, "mumbles from 6 to 7 s"), _SPEECH, ((2.5, NOT_A_PHRASE),), NO_INPUT, 6.5),
    Row((f'{_SPEECH} bargeIn="false"', _BILLING_EARLY), f'{_SPEECH} bargeIn="false"', ((0.5, "billing"),), NO_INPUT, 4),
    Row((_SPEECH, "5 at 6 s"), _SPEECH, ((2.5, "5"),), NO_INPUT, 4),
    Row((f'{_BOTH} numDigits="1"', "5 at 1 s"), f'{_BOTH} numDigits="1"', ((0.5, "5"),), "Digits=5", 0.4, 1.0),
    Row((_BOTH, _BILLING_EARLY), _BOTH, ((0.5, "billing"),), _SAID, 2.2, 1.3),
    Row((_BOTH, "says “er” from 6 to 7 s, 5 at 7.5 s"), _BOTH, ((2.4, "billing"), (3.4, "5")), "Digits=5", 5.2),
    Row((_BOTH, "5 at 6 s, says “billing” from 7 to 8 s"), _BOTH, ((2.5, "5"), (3.2, "billing")), "Digits=5", 4.3),
    Row((_BOTH, "says “er” from 6 to 7 s, # at 7.5 s"), _BOTH, ((2.4, "billing"), (3.4, "#")), NO_INPUT, 3.2),
    Row((_BOTH, "nothing"), _BOTH, (), NO_INPUT, 4),
)  # fmt: skip


def document(attributes: str, hints: str = HINTS) -> str:
    timeout = "" if "timeout=" in attributes else 'timeout="2"'
    return (
        f'<Response><Gather {attributes} {timeout} hints="{hints}" action="/got">'
        f'<Play loop="{PROMPT_SECONDS:g}">/tone-{PROMPT_HERTZ:g}.wav</Play></Gather>'
        "<Redirect>/nothing</Redirect></Response>"
    )


class Caller:
    """One call, from the first of the prompt to what the Gather asks for."""

    def __init__(self, engine: TestEngine, phone: Phone, flow: Flow) -> None:
        self._engine = engine
        self._phone = phone
        self._flow = flow
        self.secret = ""

    async def runs(self, number: str, attributes: str, does: tuple[tuple[float, str], ...]) -> tuple[str, float, float]:
        """The result, when it came, and for how long the prompt was heard."""
        self._flow.documents[f"/{number}"] = document(attributes)
        application = await self._engine.application(actionUrl=self._flow.url(f"/{number}"))
        self.secret = application["signingSecret"]
        await self._engine.number(f"+1{number}", application)
        call = self._phone.call(f"+1{number}", self._engine.sip, from_=f"+1999{number[3:]}")
        await call.hears(PROMPT_HERTZ, at_least=0.05)
        began = asyncio.get_running_loop().time() - 0.05
        for at, what in does:
            await asyncio.sleep(began + at - asyncio.get_running_loop().time())
            act(call, what)
        form = await self._ended(f"+1999{number[3:]}")
        took = asyncio.get_running_loop().time() - began
        names = [name for name in ("Digits", "SpeechResult") if name in form]
        result = " ".join(f"{name}={form[name]}" for name in names) or NO_INPUT
        await call.hung_up()
        return result, took, seconds_of(call.heard, PROMPT_HERTZ)

    async def _ended(self, caller: str) -> dict[str, str]:
        async with asyncio.timeout(30):
            while True:
                for asked in self._flow.asked:
                    if asked.path in {"/got", "/nothing"} and asked.form["From"] == caller:
                        return asked.form
                await asyncio.sleep(0.02)


def act(call: PhoneCall, what: str) -> None:
    if what in "0123456789*#":
        call.press(what)
    else:
        call.session.play(PromptAudio(spoken(what), what))


class TestTruthTable:
    def test_every_row_with_speech_is_a_call(self) -> None:
        rows = {(row.attributes, row.does) for row in GATHER_ROWS if row.group in {"Speech", "Keys and speech"}}
        assert {row.table for row in ROWS} == rows

    async def test_what_a_caller_says_and_presses_is_what_the_table_says(self, tmp_path: Path, phone: Phone) -> None:
        async with running_engine(tmp_path) as engine, Flow({"/got": HANG_UP, "/nothing": HANG_UP}) as flow:
            for row in ROWS:
                for _, what in row.does:
                    spoken(what)
            # An engine that has listened before has detectors; each takes a third of a second to make.
            detectors = engine.process.hearing.detectors
            for detector in [await detectors.take() for _ in ROWS]:
                detectors.give_back(detector)
            caller = Caller(engine, phone, flow)
            ran = await asyncio.gather(
                *(caller.runs(f"5550{100 + index}", row.attributes, row.does) for index, row in enumerate(ROWS))
            )
        for row, (result, took, heard) in zip(ROWS, ran, strict=True):
            assert result == row.result, row
            assert row.least - 0.3 <= took <= row.least + 1.8, (row, took)
            if row.prompt_until < PROMPT_SECONDS:
                assert heard <= row.prompt_until, (row, heard)
            else:
                assert heard >= PROMPT_SECONDS - 0.15, (row, heard)


class TestResult:
    async def test_the_action_gets_confidence_and_kind_and_the_log_no_words(self, tmp_path: Path, phone: Phone) -> None:
        async with running_engine(tmp_path) as engine, Flow({"/got": HANG_UP, "/nothing": HANG_UP}) as flow:
            result, _, _ = await Caller(engine, phone, flow).runs("5550100", _SPEECH, ((0.3, "technical support"),))
            asked = await flow.wait_for("/got")
            assert result in {"SpeechResult=technical support", "SpeechResult=support"}
            assert asked.form["InputType"] == "speech"
            assert 0 < float(asked.form["Confidence"]) <= 1

    async def test_partial_results_are_told_while_the_caller_speaks(self, tmp_path: Path, phone: Phone) -> None:
        attributes = f'{_SPEECH} partialResultCallback="/partial?a=1" partialResultCallbackMethod="GET"'
        did = ((0.3, "technical support"), (2.3, "four two seven one nine"))
        async with running_engine(tmp_path) as engine, Flow({"/got": HANG_UP, "/nothing": HANG_UP}) as flow:
            for _, what in did:
                spoken(what)
            await engine.process.hearing.recogniser.start()
            caller = Caller(engine, phone, flow)
            result, _, _ = await caller.runs("5550100", attributes, did)
            asked = [one for one in flow.asked if one.path == "/partial"]
            paths = [one.path for one in flow.asked]
            url = f"/v1/calls/{(await engine.ended_call())['publicId']}/events"
            log = (await engine.client.get(url)).text
        assert "/partial?a=1" in log
        assert not any(word in log for word in ("support", "four", "SpeechResult"))
        # The very beginning may be lost on a loaded machine, and guesses be few.
        assert result.endswith("support four two seven one nine"), result
        forms = [one.form for one in asked]
        assert [form["SequenceNumber"] for form in forms] == [str(number) for number in range(len(forms))]
        stable, unstable = ([form[f"{kind}SpeechResult"] for form in forms] for kind in ("Stable", "Unstable"))
        assert stable == sorted(stable)
        assert {"technical support", "support"} & set(stable), stable
        assert any(text.startswith("four") for text in unstable), unstable
        assert {form["Stability"] for form in forms if not form["UnstableSpeechResult"]} == {"1"}
        assert (forms[0]["CallStatus"], forms[0]["Step"], forms[0]["From"]) == ("in-progress", "gather", "+19990100")
        assert paths.index("/partial") < paths.index("/got")
        assert {(one.method, one.body, one.form["a"]) for one in asked} == {("GET", b"", "1")}
        assert all(verify_signature(caller.secret, b"", one.headers["Voylo-Signature"]) for one in asked)

    async def test_an_engine_without_a_recogniser_says_so_in_the_log(self, tmp_path: Path, phone: Phone) -> None:
        async with (
            running_engine(tmp_path, speech={"stt": "none"}) as engine,
            Flow({"/got": HANG_UP, "/nothing": HANG_UP}) as flow,
        ):
            result, _, _ = await Caller(engine, phone, flow).runs(
                "5550100", f'{_SPEECH} timeout="1"', ((0.3, "billing"),)
            )
            assert result == NO_INPUT
            assert "no recogniser is configured" in await logged(engine, "speech_unavailable")

    async def test_a_recogniser_over_http_gets_what_was_said_and_the_hints(self, tmp_path: Path, phone: Phone) -> None:
        posted: list[tuple[dict[str, object], str | None]] = []

        async def recognise(request: web.Request) -> web.Response:
            posted.append((dict(await request.post()), request.headers.get("Authorization")))
            return web.json_response({"text": " I would like\nto pay "})

        app = web.Application()
        app.router.add_post("/inference", recognise)
        async with Flow({"/got": HANG_UP, "/nothing": HANG_UP}) as flow, TestServer(app) as server:
            speech = {"stt": "http", "stt_url": str(server.make_url("/inference")), "stt_key": "sesame"}
            async with running_engine(tmp_path, speech=speech) as engine:
                result, _, _ = await Caller(engine, phone, flow).runs("5550100", _SPEECH, ((0.3, "billing"),))
                assert result == "SpeechResult=I would like to pay"
                ((form, key),) = posted
                assert (form["language"], form["prompt"], key) == ("en", HINTS, "Bearer sesame")
                file = form["file"]
                assert isinstance(file, web.FileField)
                assert file.content_type == "audio/wav"
                await self.parts_are_told_and_nobody_waits_for_it(Caller(engine, phone, flow), flow)

    async def parts_are_told_and_nobody_waits_for_it(self, caller: Caller, flow: Flow) -> None:
        async def never(_: web.Request) -> web.Response:
            await asyncio.sleep(3600)
            raise AssertionError

        flow.documents["/partial"] = never
        attributes = f'{_SPEECH} partialResultCallback="/partial"'
        result, took, _ = await caller.runs("5550101", attributes, ((0.3, "billing"), (2.0, "billing")))
        assert result == "SpeechResult=I would like to pay I would like to pay"
        assert took < 6
        (told,) = [one for one in flow.asked if one.path == "/partial"]
        assert (told.method, told.form["SequenceNumber"]) == ("POST", "0")
        assert (told.form["StableSpeechResult"], told.form["UnstableSpeechResult"]) == ("I would like to pay", "")


async def logged(engine: TestEngine, kind: str) -> str:
    record = await engine.ended_call()
    body = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
    entries = body if isinstance(body, list) else body["data"]
    (entry,) = [entry for entry in entries if entry["type"] == kind]
    return str(entry)
