"""`Say` through a server of speech (`speech.tts = "http"`): each voice is heard, and a failure costs its own text."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from tests.engine.calls.test_dial import DONE, calling, log_of
from tests.support.engine import running_engine
from tests.support.flow import Flow
from tests.support.phone import a_phone
from tests.support.tones import sine, wav

TONES = {"alloy": 440.0, "high": 880.0}
START = (
    "<Response><Say>Hello.</Say><Say voice='broken'>Nobody hears this.</Say>"
    "<Say voice='high'><prosody pitch='high'>Code <say-as interpret-as='digits'>12</say-as></prosody></Say>"
    "<Redirect>/done</Redirect></Response>"
)


async def test_every_voice_is_heard_and_a_text_that_fails_is_skipped_and_logged(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    async def speak(request: web.Request) -> web.Response:
        wanted = await request.json()
        asked.append((wanted["voice"], wanted["input"]))
        hertz = TONES.get(wanted["voice"])
        return web.Response(status=500) if hertz is None else web.Response(body=wav(sine(hertz, 0.8)))

    async with Flow({"/start": START, "/done": DONE, "/speech": speak}) as flow:
        speech = {"tts": "http", "tts_url": flow.url("/speech")}
        async with running_engine(tmp_path, speech=speech) as engine, a_phone() as phone:
            call = await calling(engine, phone, flow)
            await call.hears(440, at_least=0.6)
            await call.hears(880, at_least=0.6)
            await call.hung_up()
            (skipped,) = await log_of(engine, "say_skipped")
            (remark,) = await log_of(engine, "say_remark")
    assert sorted(asked) == [("alloy", "Hello."), ("broken", "Nobody hears this."), ("high", "Code one two")]
    assert "status 500" in str(skipped)
    assert "pitch" in str(remark)
