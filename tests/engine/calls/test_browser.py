"""Calls of a browser, registered over secure WebSocket: ICE, DTLS-SRTP, Opus and G.711 (contract §14.1, §17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sip import Credentials
from tests.engine.calls.test_outbound_trunks import NUMBER, TO, number
from tests.support.browser_media import OPUS, PCMU, BrowserMedia, Voice, browser_media
from tests.support.callee import Callee, a_callee
from tests.support.certificates import Certificates, make_certificates
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import Phone, PhoneCall
from tests.support.shared_engine import MANY_REQUESTS
from tests.support.tones import seconds_of, tones_in
from tests.support.websocket_phone import WebSocketPhone, websocket_phone

BROWSER, TELEPHONE = 440, 880
NOBODYS = "sha-256 " + ":".join(["5E"] * 32)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"), "localhost")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestEngine]:
    """The engine, with SIP over secure WebSocket."""
    sip = {"wss": "127.0.0.1:0", "tls_cert": str(certificates.certificate), "tls_key": str(certificates.key)}
    async with running_engine(tmp_path_factory.mktemp("data"), limits=MANY_REQUESTS, sip=sip) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def carrier() -> AsyncIterator[Callee]:
    async with a_callee() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def anna(engine: TestEngine, carrier: Callee, certificates: Certificates) -> AsyncIterator[WebSocketPhone]:
    """The phone of an agent, in a browser, who may call out through the carrier."""
    number_id = await number(engine, NUMBER, carrier)
    made = await engine.post("/v1/agents", {"email": "anna@example.com", "outboundNumberId": number_id})
    port = engine.process.user_agent.bound["wss"][0][1]
    async with websocket_phone(port, made["username"], made["password"], certificates.authority) as phone:
        await phone.register()
        yield phone


@pytest.mark.parametrize("voice", [OPUS, PCMU], ids=lambda voice: voice.name)
async def test_a_browser_calls_a_telephone_and_both_hear_each_other_and_each_others_keys(
    engine: TestEngine, anna: WebSocketPhone, carrier: Callee, voice: Voice
) -> None:
    carrier.on_call = lambda call: call.answer(TELEPHONE)
    async with browser_media(voice) as media:
        dialog, answer = await anna.call(TO, media.description(setup="actpass"))
        assert answer.status == 200, answer
        media.connect(answer.body)
        media.say(BROWSER)
        rung = await carrier.call()
        await media.hears(TELEPHONE)
        await rung.hears(BROWSER)
        # Not how clean: both sides are paced by Python, and the jitter buffer follows.
        assert tones_in(media.heard[-3200:], (TELEPHONE, BROWSER)) == {TELEPHONE}
        assert tones_in(rung.heard[-3200:], (TELEPHONE, BROWSER)) == {BROWSER}
        await media.press("4A#")
        await rung.until(lambda: rung.keys == "4A#")
        assert rung.session is not None
        await rung.session.send_digits("79")
        await media.until(lambda: media.keys == "79")
        await anna.hang_up(dialog)
        await rung.hung_up()
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupBy"], record["from"]) == ("answered", "caller", NUMBER)


async def test_a_telephone_calls_a_browser_which_holds_the_call_and_restarts_ice(
    engine: TestEngine, anna: WebSocketPhone, phone: Phone
) -> None:
    call = await call_of_berta(engine, phone)
    dialog = await anna.called()
    assert dialog.invite is not None
    offer = dialog.invite.body
    assert "m=audio " in offer
    assert " UDP/TLS/RTP/SAVPF " in offer
    async with browser_media(PCMU) as media:
        await anna.respond(dialog.invite, 180, "Ringing")
        media.connect(offer)
        await anna.respond(dialog.invite, 200, "OK", media.description(setup="active"))
        await call.answered()
        call.say(TELEPHONE)
        media.say(BROWSER)
        await media.hears(TELEPHONE)
        await call.hears(BROWSER)

        held = await anna.reinvite(dialog, media.description(setup="actpass", direction="sendonly"))
        assert (held.status, "a=recvonly" in held.body) == (200, True)
        packets = media.packets
        await call.hears(BROWSER, seconds_of(call.heard, BROWSER) + 0.3)
        assert media.packets - packets <= 2, "who holds the call is sent nothing"
        resumed = await anna.reinvite(dialog, media.description(setup="actpass"))
        assert ours(resumed.body) == ours(held.body), "the ICE session and the role stay"
        await media.hears(TELEPHONE)

        restarted = await anna.reinvite(dialog, media.description(setup="actpass", credentials="another"))
        assert restarted.status == 200
        assert ours(restarted.body)[0] != ours(held.body)[0], "an ICE restart is answered with one"
        assert ours(restarted.body)[1:] == ours(held.body)[1:]
        await media.hears(TELEPHONE, at_least=0.2)
        foreign = media.description(setup="actpass", fingerprint=NOBODYS)
        assert (await anna.reinvite(dialog, foreign)).status == 488
        await media.hears(TELEPHONE, at_least=0.2)
        call.outgoing.hangup()
        await anna.hung_up(dialog)


async def call_of_berta(engine: TestEngine, phone: Phone) -> PhoneCall:
    """Another agent, at an ordinary phone, calls the browser."""
    made = await engine.post("/v1/agents", {"email": "berta@example.com"})
    credentials = Credentials(made["username"], made["password"])
    return phone.call("anna", engine.sip, from_="berta", credentials=credentials)


async def test_who_calls_a_browser_that_is_somebody_else_is_hung_up(
    engine: TestEngine, anna: WebSocketPhone, phone: Phone
) -> None:
    call = await call_of_berta(engine, phone)
    dialog = await anna.called()
    assert dialog.invite is not None
    async with browser_media(PCMU) as media:
        media.connect(dialog.invite.body)
        await anna.respond(dialog.invite, 200, "OK", media.description(setup="active", fingerprint=NOBODYS))
        await call.hung_up()
        await anna.hung_up(dialog)
        assert media.packets == 0
    await until_logged(engine, "certificate is not the one of its SDP")


def ours(body: str) -> tuple[str, str, str]:
    """ICE fragment, fingerprint and role in the engine's SDP."""
    return (
        BrowserMedia.value(r"a=ice-ufrag:(\S+)", body),
        BrowserMedia.value(r"a=fingerprint:(\S+ \S+)", body),
        BrowserMedia.value(r"a=setup:(\w+)", body),
    )


@pytest.mark.parametrize(
    ("left_out", "said"),
    [("a=fingerprint", "fingerprint"), ("a=rtcp-mux", "rtcp-mux"), ("a=ice-", "no way to the media but ICE")],
)
async def test_an_offer_that_no_secure_call_can_come_of_is_refused(
    anna: WebSocketPhone, carrier: Callee, left_out: str, said: str
) -> None:
    async with browser_media() as media:
        whole = media.description(setup="actpass")
        offer = "".join(line for line in whole.splitlines(keepends=True) if not line.startswith(left_out))
        _, answer = await anna.call(TO, offer)
    assert answer.status == 488
    assert said in answer.one("warning")
    assert not carrier.calls


async def test_a_call_whose_media_cannot_be_secured_ends_and_disturbs_no_other(
    engine: TestEngine, anna: WebSocketPhone, carrier: Callee, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier.on_call = lambda call: call.answer(TELEPHONE)
    async with browser_media() as good, browser_media() as bad:
        lasting, answer = await anna.call(TO, good.description(setup="actpass"))
        good.connect(answer.body)
        await good.hears(TELEPHONE)
        # somebody else's certificate
        dialog, answer = await anna.call(TO, bad.description(setup="actpass", fingerprint=NOBODYS))
        bad.connect(answer.body)
        await anna.hung_up(dialog)
        assert bad.packets == 0
        await until_logged(engine, "certificate is not the one of its SDP")
        # checks that do not know the password
        monkeypatch.setattr("media.webrtc.link.SECURING_SECONDS", 0.5)
        async with browser_media() as lost:
            dialog, answer = await anna.call(TO, lost.description(setup="actpass", credentials="wrong"))
            lost.connect(answer.body)
            await anna.hung_up(dialog)
        await until_logged(engine, "ICE: no check of the far end has reached UDP 127.0.0.1 port")
        await good.hears(TELEPHONE)
        await anna.hang_up(lasting)


async def until_logged(engine: TestEngine, reason: str) -> None:
    """Waits for the newest call that ended without keys: its record, and why in its log."""
    async with asyncio.timeout(5):
        while True:
            for call in await engine.calls():
                if call["pending"]:
                    continue
                log = (await engine.client.get(f"/v1/calls/{call['publicId']}/events")).json()
                if reason in str(log):
                    assert (call["hangupBy"], call["hangupCause"]) == ("platform", "network_error")
                    return
            await asyncio.sleep(0.02)
