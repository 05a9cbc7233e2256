"""The page of docs/browsers.md in Chromium: registers over WebSocket, calls a telephone and is called by another agent.

Held with Chromium 156 and SIP.js 0.21.2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sip import Credentials
from tests.engine.calls.test_outbound_trunks import NUMBER, TO, number
from tests.interop.chromium import chromium, page_server
from tests.interop.conftest import missing
from tests.support.callee import a_callee
from tests.support.engine import running_engine
from tests.support.phone import a_phone
from tests.support.tones import level, sine, wav

pytestmark = pytest.mark.interop

PAGE = Path("examples/phones/browser/index.html")
SIP_JS = Path(".venv-sipjs/node_modules/sip.js")
BROWSER, TELEPHONE = 440, 880
# The server of the handshake chooses: the browser where it has called, the engine where it has.
CHOSEN_BY_CHROMIUM, CHOSEN_BY_US = "SRTP_AES128_CM_HMAC_SHA1_80", "SRTP_AEAD_AES_128_GCM"


async def test_chromium_calls_and_is_called_and_presses_keys(program: Callable[[str], str], tmp_path: Path) -> None:
    path = program("chromium")
    if not SIP_JS.exists():
        missing(f"SIP.js is not in {SIP_JS}; .ci/run puts it there")
    microphone = tmp_path / "voice.wav"
    microphone.write_bytes(wav(sine(BROWSER, 1.0, rate=48000), 48000))
    settings = {"sip": {"ws": "127.0.0.1:0"}, "media": {"codecs": ["opus", "PCMU"]}}
    async with (
        running_engine(tmp_path / "data", **settings) as engine,
        a_callee() as carrier,
        a_phone() as phone,
        page_server(PAGE, {"/node_modules/sip.js": SIP_JS.absolute()}) as url,
        chromium(path, tmp_path / "browser", url, microphone) as tab,
    ):
        number_id = await number(engine, NUMBER, carrier)
        anna = await engine.post("/v1/agents", {"email": "anna@example.com", "outboundNumberId": number_id})
        berta = await engine.post("/v1/agents", {"email": "berta@example.com"})
        host, port = engine.process.user_agent.bound["ws"][0]
        account = {"server": f"ws://{host}:{port}", "user": "anna", "password": anna["password"]}
        await tab.run("".join(f"account.elements.{name}.value = {value!r};" for name, value in account.items()))
        await tab.run("account.requestSubmit()")
        assert await tab.run("ear.until('Registered')") == "Registered"

        carrier.on_call = lambda call: call.answer(TELEPHONE)
        await tab.run(f"line.elements.to.value = {TO!r}; line.requestSubmit()")
        assert await tab.run(f"ear.until('Established {TO}')") == f"Established {TO}"
        rung = await carrier.call()
        assert await tab.run(f"ear.hears({TELEPHONE}, 5)") == 5
        assert await tab.run("ear.media()") == media(CHOSEN_BY_CHROMIUM)
        await rung.hears(BROWSER)
        assert level(rung.heard[-3200:], BROWSER) > 0.95
        for pressed in ("4", "4*"):
            button = f"[...document.querySelectorAll('#keys button')].find((b) => b.textContent === {pressed[-1]!r})"
            await tab.run(f"{button}.click()")
            await rung.until(lambda keys=pressed: rung.keys == keys)
        await tab.run("line.elements.hangup.click()")
        await rung.hung_up()

        call = phone.call("anna", engine.sip, from_="berta", credentials=Credentials("berta", berta["password"]))
        assert await tab.run("ear.until('berta calls')") == "berta calls"
        await tab.run("line.elements.answer.click()")
        await call.answered()
        call.say(TELEPHONE)
        assert await tab.run("ear.until('Established berta')") == "Established berta"
        assert await tab.run(f"ear.hears({TELEPHONE}, 5)") == 5
        assert await tab.run("ear.media()") == media(CHOSEN_BY_US)
        await call.hears(BROWSER)
        call.outgoing.hangup()
        assert await tab.run("ear.until('Terminated berta')") == "Terminated berta"


def media(suite: str) -> dict[str, object]:
    return {"codec": "audio/opus", "lost": 0, "srtp": suite}
