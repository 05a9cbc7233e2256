"""Pages in Chromium that are an agent's phone: the example of docs/browsers.md over ws, and one that has put `phone.js`
in over wss.

Held with Chromium 156 and SIP.js 0.21.2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from sip import Credentials
from tests.engine.calls.test_outbound_trunks import NUMBER, TO, number
from tests.interop.chromium import Tab, chromium, page_server
from tests.interop.conftest import missing
from tests.support.callee import Callee, a_callee
from tests.support.certificates import make_certificates
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, PhoneCall, a_phone
from tests.support.tones import hears_only, level, sine, wav

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

PAGE = Path("examples/phones/browser/index.html")
SIP_JS = Path(".venv-sipjs/node_modules/sip.js")
BROWSER, TELEPHONE = 440, 880
# The server of the handshake chooses: the browser where it has called, the engine where it has.
CHOSEN_BY_CHROMIUM, CHOSEN_BY_US = "SRTP_AES128_CM_HMAC_SHA1_80", "SRTP_AEAD_AES_128_GCM"


@dataclass
class House:
    """An engine with the agents anna, who may call telephones, and berta, who has an ordinary phone; and a browser."""

    engine: TestEngine
    carrier: Callee
    phone: Phone
    tab: Tab
    anna: str
    berta: Credentials

    def call(self) -> PhoneCall:
        """Berta calls anna."""
        return self.phone.call("anna", self.engine.sip, from_="berta", credentials=self.berta)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("chromium")
    microphone = folder / "voice.wav"
    microphone.write_bytes(wav(sine(BROWSER, 1.0, rate=48000), 48000))
    made = make_certificates(folder / "tls")
    sip = {"ws": "127.0.0.1:0", "wss": "127.0.0.1:0", "tls_cert": str(made.certificate), "tls_key": str(made.key)}
    settings = {"sip": sip, "media": {"codecs": ["opus", "PCMU"]}}
    async with (
        chromium(program("chromium"), folder / "browser", microphone) as tab,
        running_engine(folder / "data", **settings) as engine,
        a_callee() as carrier,
        a_phone() as phone,
    ):
        number_id = await number(engine, NUMBER, carrier)
        anna = await engine.post("/v1/agents", {"email": "anna@example.com", "outboundNumberId": number_id})
        berta = await engine.post("/v1/agents", {"email": "berta@example.com"})
        carrier.on_call = lambda call: call.answer(TELEPHONE)
        yield House(engine, carrier, phone, tab, anna["password"], Credentials("berta", berta["password"]))


async def test_the_example_page_calls_and_is_called_and_presses_keys(house: House) -> None:
    if not SIP_JS.exists():
        missing(f"SIP.js is not in {SIP_JS}; .ci/run puts it there")
    engine, carrier, tab = house.engine, house.carrier, house.tab
    host, port = engine.process.user_agent.bound["ws"][0]
    async with page_server(PAGE, {"/node_modules/sip.js": SIP_JS.absolute()}) as url:
        await tab.open(url)
        account = {"server": f"ws://{host}:{port}", "user": "anna", "password": house.anna}
        await tab.run("".join(f"account.elements.{name}.value = {value!r};" for name, value in account.items()))
        await tab.run("account.requestSubmit()")
        assert await tab.run("ear.until('Registered')") == "Registered"

        await tab.run(f"line.elements.to.value = {TO!r}; line.requestSubmit()")
        assert await tab.run(f"ear.until('Established {TO}')") == f"Established {TO}"
        rung = await carrier.call()
        assert await tab.run(f"ear.hears({TELEPHONE}, 5)") == 5
        assert await tab.run("ear.media()") == media(CHOSEN_BY_CHROMIUM)
        await rung.hears(BROWSER)
        await hears_only(rung, BROWSER, 3200)
        for pressed in ("4", "4*"):
            button = f"[...document.querySelectorAll('#keys button')].find((b) => b.textContent === {pressed[-1]!r})"
            await tab.run(f"{button}.click()")
            await rung.until(lambda keys=pressed: rung.keys == keys)
        await tab.run("line.elements.hangup.click()")
        await rung.hung_up()

        call = house.call()
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


HOST_PAGE = """<!doctype html>
<title>A customer's page</title>
<div id="place"></div>
<script src="{engine}/v1/phone.js"></script>
<script>
  const told = [];
  function init(options) {{
    told.length = 0;
    window.phone = Voylo.init({{ sessionToken: "{token}", ...options }});
    for (const name of ["ready", "ringing", "answered", "ended", "error"])
      Voylo.on(name, (of) => told.push([name, of]));
  }}
  init({{ mode: "inline", target: "#place" }});
  async function until(name, count) {{
    for (let tries = 0; tries < 500 && told.filter(([one]) => one === name).length < count; tries += 1)
      await new Promise((done) => setTimeout(done, 20));
    return told;
  }}
</script>
"""


HOUR = 3_600_000
"""For which credentials hold, in ms."""

EXCHANGES = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/exchange')).length"
FLOATING = """(() => {
  const { position, display, right, bottom } = getComputedStyle(document.querySelector("body > iframe"));
  return [position, display, right, bottom];
})()"""


async def test_the_phone_in_a_customers_page(house: House, tmp_path: Path) -> None:
    engine, carrier, tab = house.engine, house.carrier, house.tab
    carrier.calls.clear()
    opened = await engine.post("/v1/agent-widget/session", {"agentEmail": "anna@example.com"}, 200)
    at = engine.process.bound.http.rstrip("/")
    bearer = {"Authorization": f"Bearer {opened['token']}"}
    bought = await engine.client.post("/v1/agent-widget/exchange", headers=bearer)
    host, port = engine.process.user_agent.bound["wss"][0]
    assert bought.json()["wsUri"] == f"wss://{host}:{port}"
    page = tmp_path / "page.html"
    page.write_text(HOST_PAGE.format(engine=at, token=opened["token"]))
    async with page_server(page, {}) as url:
        await tab.open(url)
        assert await tab.run("until('ready', 1)") == [["ready", {}]]
        await tab.run(f"phone.dial({TO!r})")
        told = await tab.run("until('answered', 1)")
        outbound = {"direction": "outbound", "number": TO}
        assert told[1:] == [["ringing", outbound], ["answered", outbound]]
        rung = await carrier.call()
        assert await tab.run(f"ear.hears({TELEPHONE}, 5)", origin=at) == 5
        await rung.hears(BROWSER)
        assert await tab.run(f"ear.later({HOUR})", origin=at) == [0.75 * HOUR]
        assert await tab.run(EXCHANGES, origin=at) == 1, "not in a call"
        await tab.run("Voylo.toggleMute()")
        await rung.until(lambda: level(rung.heard[-1600:], BROWSER) < 0.5)
        await tab.run("Voylo.hangup()")
        await rung.hung_up()
        assert (await tab.run("until('ready', 2)"))[3:] == [["ended", outbound], ["ready", {}]]
        await tab.run("ear.lose()", origin=at)
        assert (await tab.run("until('error', 1)"))[5:] == [["error", {"message": "The connection is lost"}]]
        assert await tab.run("ear.later(5000)", origin=at) == [5000]
        assert (await tab.run("until('ready', 3)"))[6:] == [["ready", {}]]
        assert await tab.run(f"ear.later({HOUR})", origin=at) == [0.75 * HOUR], "once, whatever was lost before"
        assert (await tab.run("until('ready', 4)"))[7:] == [["ready", {}]]
        assert await tab.run(EXCHANGES, origin=at) == 4

        call = house.call()
        inbound = {"direction": "inbound", "number": "berta"}
        assert (await tab.run("until('ringing', 2)"))[8:] == [["ringing", inbound]]
        await tab.run("phone.answer()")
        await call.answered()
        await call.hears(BROWSER)
        call.outgoing.hangup()
        assert (await tab.run("until('ended', 2)"))[9:] == [["answered", inbound], ["ended", inbound]]

        declined = house.call()
        await tab.run("until('ringing', 3)")
        await tab.run("phone.decline()")
        assert (await declined.rejected()).status == 603
        carrier.calls.clear()
        await tab.run(f"phone.dial({TO!r})")
        await tab.run("until('answered', 3)")
        await tab.run("phone.destroy()")
        await (await carrier.call()).hung_up()
        assert await tab.run("document.querySelectorAll('iframe').length") == 0

        carrier.calls.clear()
        await tab.run("init({})")
        assert await tab.run("until('ready', 1)") == [["ready", {}]]
        assert await tab.run(FLOATING) == ["fixed", "block", "16px", "16px"]
        await tab.run("Voylo.hide()")
        assert (await tab.run(FLOATING))[1] == "none"
        await tab.run(f"Voylo.dial({TO!r})")
        assert (await tab.run("until('answered', 1)"))[1:] == [["ringing", outbound], ["answered", outbound]]
        rung = await carrier.call()
        await rung.hears(BROWSER)
        await tab.run("Voylo.show()")
        assert (await tab.run(FLOATING))[1] == "block"
        rung.incoming.hangup()
        assert (await tab.run("until('ended', 1)"))[3:] == [["ended", outbound]]
