"""Chromium with SIP.js, registered over WebSocket: calls a telephone and is called, in Opus over DTLS-SRTP.

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
        page_server({"/sip.js": SIP_JS.absolute()}) as url,
        chromium(path, tmp_path / "browser", url, microphone) as tab,
    ):
        number_id = await number(engine, NUMBER, carrier)
        anna = await engine.post("/v1/agents", {"email": "anna@example.com", "outboundNumberId": number_id})
        berta = await engine.post("/v1/agents", {"email": "berta@example.com"})
        host, port = engine.process.user_agent.bound["ws"][0]
        await tab.run(f"phone.register('ws://{host}:{port}', 'sip:anna@{host}', 'anna', {anna['password']!r})")

        carrier.on_call = lambda call: call.answer(TELEPHONE)
        await tab.run(f"phone.call('sip:{TO}@{host}')")
        rung = await carrier.call()
        assert await tab.run(f"phone.hears({TELEPHONE}, 5)") == 5
        assert await tab.run("phone.media()") == media(CHOSEN_BY_CHROMIUM)
        await rung.hears(BROWSER)
        assert level(rung.heard[-3200:], BROWSER) > 0.95
        await tab.run("phone.press('4A#')")
        await rung.until(lambda: rung.keys == "4A#")
        await tab.run("phone.hangUp()")
        await rung.hung_up()

        call = phone.call("anna", engine.sip, from_="berta", credentials=Credentials("berta", berta["password"]))
        await tab.run("phone.answer()")
        await call.answered()
        call.say(TELEPHONE)
        assert await tab.run(f"phone.hears({TELEPHONE}, 5)") == 5
        assert await tab.run("phone.media()") == media(CHOSEN_BY_US)
        await call.hears(BROWSER)
        call.outgoing.hangup()
        await tab.run("phone.hungUp()")


def media(suite: str) -> dict[str, object]:
    return {"codec": "audio/opus", "lost": 0, "srtp": suite}
