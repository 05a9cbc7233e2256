"""Phones register with the engine as agents and call a number, over each transport; tones, hold and keys. And they are
called.

Held with baresip 1.0.0 and linphonec 5.1. baresip takes any certificate; that ours is checked is shown by linphonec.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.calls.call import Call
from sip import OutgoingCall
from tests.interop.baresip_phone import baresip
from tests.interop.linphone_phone import linphone
from tests.interop.phones import PHONES, VOICE, Phone
from tests.support.callee import a_callee
from tests.support.certificates import Certificates, make_certificates
from tests.support.engine import TestEngine, running_engine
from tests.support.flow import Flow
from tests.support.phone import a_phone
from tests.support.tones import level, read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

Program = Callable[[str], str]
Port = Callable[[], int]
GREETING = "<Response><Play>/tone-440.wav</Play><Redirect>/menu</Redirect></Response>"
MENU = """
<Response>
  <Gather numDigits="2" timeout="20" action="/pressed"><Play loop="20">/tone-660.wav</Play></Gather>
</Response>
"""
PRESSED = "<Response><Play>/tone-880.wav</Play><Hangup/></Response>"


def address(engine: TestEngine, kind: str, transport: str) -> str:
    """Host and port for the phone; linphonec looks for the host's name in a certificate and never for an address."""
    host, port = engine.process.user_agent.bound[transport][0]
    return f"{'localhost' if (kind, transport) == ('linphonec', 'tls') else host}:{port}"


@asynccontextmanager
async def agent_phone(
    kind: str,
    transport: str,
    program: Program,
    port: Port,
    folder: Path,
    engine: TestEngine,
    authority: Path,
    *,
    answers: bool = False,
) -> AsyncIterator[Phone]:
    """A phone of this kind that the engine knows as registered; one that `answers` picks up by itself."""
    path = program(kind)
    tone = folder / "voice.wav"
    tone.write_bytes(wav(sine(VOICE, 60)))
    agent = await engine.post("/v1/agents", {"email": "anna@example.com"})
    registrar = address(engine, kind, transport)
    if kind == "baresip":
        phone = baresip(
            path, folder / "phone", port, tone, user="anna", password=agent["password"], registrar=registrar,
            transport=transport, answers="auto" if answers else "manual",
        )  # fmt: skip
    else:
        phone = linphone(
            path, folder / "phone", port, tone, user="anna", password=agent["password"], registrar=registrar,
            transport=transport, authority=authority, answers=answers,
        )  # fmt: skip
    async with phone as running:
        async with asyncio.timeout(10):
            while not (bindings := engine.process.account_registrations.bindings(agent["id"])):
                await asyncio.sleep(0.02)
        assert bindings[0].source.transport == transport
        yield running


class Ear:
    """What the engine hears of a call, from its first frame on."""

    def __init__(self, call: Call) -> None:
        self.frames: list[NDArray[np.int16]] = []
        self._came = asyncio.Event()
        call.leg.session.tap(self._hear)

    def _hear(self, frame: NDArray[np.int16]) -> None:
        self.frames.append(frame.copy())
        self._came.set()

    async def hears(self, hertz: float, seconds: float) -> None:
        """Waits until it was heard so long from here on."""
        start = len(self.frames)
        async with asyncio.timeout(10):
            while len(self.frames) == start or seconds_of(np.concatenate(self.frames[start:]), hertz) < seconds:
                self._came.clear()
                await self._came.wait()


async def answered_call(engine: TestEngine) -> Call:
    """The one call, once it has audio."""
    async with asyncio.timeout(10):
        while True:
            for call in engine.process.switchboard:
                if call.answered:
                    return call
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "transport"),
    [("baresip", "udp"), ("baresip", "tcp"), ("baresip", "tls"), ("linphonec", "udp"), ("linphonec", "tls")],
)
async def test_an_agents_phone_calls_a_number_holds_it_and_presses_keys(
    program: Program, free_port: Port, tmp_path: Path, kind: str, transport: str
) -> None:
    made: Certificates = make_certificates(tmp_path / "pki", "localhost")
    listening = {
        "tcp": "127.0.0.1:0", "tls": "127.0.0.1:0", "tls_cert": str(made.certificate), "tls_key": str(made.key)
    }  # fmt: skip
    async with (
        Flow({"/greeting": GREETING, "/menu": MENU, "/pressed": PRESSED}) as flow,
        running_engine(tmp_path / "data", sip=listening) as engine,
        agent_phone(kind, transport, program, free_port, tmp_path, engine, made.authority) as phone,
    ):
        await engine.number("+15550100", await engine.application(actionUrl=flow.url("/greeting")))
        await phone.dial(f"sip:15550100@{address(engine, kind, transport)};transport={transport}")
        call = await answered_call(engine)
        assert call.leg.incoming.source.transport == transport
        ear = Ear(call)
        await ear.hears(VOICE, 0.5)
        await flow.wait_for("/menu")  # the greeting is over

        await phone.hold()
        async with asyncio.timeout(5):
            while call.leg.negotiated is None or not call.leg.negotiated.held:
                await asyncio.sleep(0.01)
        sent = call.leg.session.statistics().packets_out
        await asyncio.sleep(0.3)
        assert call.leg.session.statistics().packets_out == sent, "nothing is sent to who does not listen"
        await phone.resume()
        await ear.hears(VOICE, 0.3)
        assert call.leg.session.statistics().packets_out > sent

        await phone.press("4")
        await asyncio.sleep(0.4)  # nobody can tell two keys pressed at once apart
        await phone.press("2")
        pressed = await flow.wait_for("/pressed")
        record = await engine.ended_call()
    assert pressed.form["Digits"] == "42"
    samples, rate = read_wav(phone.heard())
    assert seconds_of(samples, 440, rate) >= 0.5, "the phone must hear the greeting"
    assert level(samples, VOICE, rate) < 0.01, "and never itself"
    assert level(np.concatenate(ear.frames), 440) < 0.01
    assert level(np.concatenate(ear.frames), 660) < 0.01
    assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "platform", 200)


async def test_a_registered_agents_phone_calls_out_through_the_carrier_of_its_number(
    program: Program, free_port: Port, tmp_path: Path
) -> None:
    async with (
        running_engine(tmp_path / "data") as engine,
        a_callee() as carrier,
        agent_phone("baresip", "udp", program, free_port, tmp_path, engine, tmp_path) as phone,
    ):
        (agent,) = (await engine.client.get("/v1/agents")).json()["data"]
        number = await engine.number("+15550100", None, sip={"outbound": carrier.carrier})
        changed = await engine.client.patch(f"/v1/agents/{agent['id']}", json={"outboundNumberId": number["id"]})
        assert changed.status_code == 200
        await phone.dial(f"sip:+201091447677@{address(engine, 'baresip', 'udp')}")
        rung = await carrier.call()
        assert rung.incoming.request.from_.uri.user == "+15550100"
        rung.answer(880)
        await phone.wait_for("CALL_ESTABLISHED")
        await rung.hears(VOICE)
        await asyncio.sleep(1.0)  # what the phone has heard is in its file when it hangs up
        await phone.hang_up()
        await rung.hung_up()
        record = await engine.ended_call()
        await phone.wait_for("CALL_CLOSED")
        heard, rate = read_wav(phone.heard())
    assert seconds_of(heard, 880, rate) > 0.5, "the phone must hear whom it has called"
    assert level(heard, VOICE, rate) < 0.01, "and never itself"
    assert (record["direction"], record["from"], record["to"]) == ("outbound", "+15550100", "+201091447677")
    assert (record["numberId"], record["destinationKind"], record["trunkId"]) == (number["id"], "pstn", None)
    assert (record["outcome"], record["hangupBy"]) == ("answered", "caller")


@pytest.mark.parametrize("kind", PHONES)
async def test_an_agents_phone_that_registered_over_tls_is_dialled_over_tls_and_both_sides_hear_each_other(
    program: Program, free_port: Port, tmp_path: Path, kind: str
) -> None:
    made = make_certificates(tmp_path / "pki", "localhost")
    listening = {"tls": "127.0.0.1:0", "tls_cert": str(made.certificate), "tls_key": str(made.key)}
    async with (
        running_engine(tmp_path / "data", sip=listening) as engine,
        agent_phone(kind, "tls", program, free_port, tmp_path, engine, made.authority, answers=True) as phone,
        a_phone() as telephone,
    ):
        application = await engine.application(xmlTemplate="<Response><Dial><Agent>anna</Agent></Dial></Response>")
        await engine.number("+15550100", application)
        call = telephone.call("+15550100", engine.sip)
        await call.answered()
        call.say(440)
        await call.hears(VOICE)
        core = engine.process.user_agent._core
        assert [it.flow.local.transport for it in core._calls if isinstance(it, OutgoingCall)] == ["tls"]
        await asyncio.sleep(1.0)  # what the phone has heard is in its file when the call ends
        call.outgoing.hangup()
        record = await engine.ended_call()
    heard, rate = read_wav(phone.heard())
    assert seconds_of(heard, 440, rate) > 0.5, "the phone must hear who calls"
    assert level(heard, VOICE, rate) < 0.01, "and never itself"
    assert level(call.heard, 440) < 0.01
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "caller", "normal")
