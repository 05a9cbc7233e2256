"""Trunks with phones that nobody here wrote: baresip as a trunk's destination and as a PBX that calls out, sipp as a
destination that answers too late, and as one that is found dead (contract §9.1, §9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.engine.test_destination_health import INTERVAL, checked, on_a_movable_clock, pass_interval, until_shown
from tests.interop.baresip_phone import baresip
from tests.interop.phones import VOICE
from tests.interop.sipp_run import Sipp
from tests.support.callee import a_callee
from tests.support.engine import TestEngine, running_engine
from tests.support.phone import a_phone
from tests.support.tones import level, read_wav, seconds_of, sine, wav

pytestmark = pytest.mark.interop

NUMBER = "+15550100"
TO = "+201091447677"

Program = Callable[[str], str]
Port = Callable[[], int]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[TestEngine]:
    async with running_engine(tmp_path / "data") as started:
        yield started


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    tone = tmp_path / "voice.wav"
    tone.write_bytes(wav(sine(VOICE, 60)))
    return tone


async def number_on_trunk(engine: TestEngine, *uris: str) -> None:
    """A number and its trunk, whose destinations ring for a second."""
    body = {"name": "Agents", "destinations": [{"uri": uri} for uri in uris], "failover": {"noAnswerMs": 1000}}
    made = await engine.post("/v1/trunks/inbound", {**body, "health": {"enabled": False}})
    await engine.number(NUMBER, None, destination={"kind": "trunk", "id": made["id"]})


async def test_a_number_rings_baresip_through_its_trunk(
    engine: TestEngine, tmp_path: Path, program: Program, free_port: Port, voice: Path
) -> None:
    desk = baresip(program("baresip"), tmp_path / "desk", free_port, voice, user="desk", answers="auto")
    async with desk as called, a_phone() as phone:
        await number_on_trunk(engine, f"sip:desk@127.0.0.1:{called.sip[1]}")
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        call.say(440)
        await call.hears(VOICE)
        await call.press("7")
        await called.gets_key("7")
        await asyncio.sleep(0.5)
        await called.hang_up()
        await call.hung_up()
        record = await engine.ended_call()
        heard, rate = read_wav(called.heard())
    assert seconds_of(heard, 440, rate) > 0.5
    assert level(heard, VOICE, rate) < 0.01, "and never itself"
    assert (record["outcome"], record["hangupBy"]) == ("answered", "callee")
    assert [it["result"] for it in record["routingAttempts"]] == ["answered"]


async def test_baresip_registered_as_an_outbound_trunk_calls_out(
    engine: TestEngine, tmp_path: Path, program: Program, free_port: Port, voice: Path
) -> None:
    made = await engine.post("/v1/trunks/outbound", {"name": "PBX"})
    host, port = engine.sip
    pbx = baresip(
        program("baresip"), tmp_path / "pbx", free_port, voice, user=made["sip"]["username"],
        password=made["sip"]["password"], registrar=f"{host}:{port}",
    )  # fmt: skip
    async with pbx as phone, a_callee() as carrier:
        number = await engine.number(NUMBER, None, sip={"outbound": carrier.carrier})
        path = f"/v1/trunks/outbound/{made['id']}"
        changed = await engine.client.patch(path, json={"defaultNumberId": number["id"]})
        assert changed.status_code == 200
        async with asyncio.timeout(10):
            while (await engine.client.get(path)).json()["registration"]["state"] != "registered":
                await asyncio.sleep(0.02)
        await phone.dial(f"sip:{TO}@{host}:{port}")
        rung = await carrier.call()
        assert rung.incoming.request.from_.uri.user == NUMBER
        rung.answer(880)
        await phone.wait_for("CALL_ESTABLISHED")
        await rung.hears(VOICE)
        await asyncio.sleep(1.0)
        await phone.press("5")
        await rung.until(lambda: rung.keys == "5")
        await phone.hang_up()
        await rung.hung_up()
        record = await engine.ended_call()
        await phone.wait_for("CALL_CLOSED")
        heard, rate = read_wav(phone.heard())
    assert seconds_of(heard, 880, rate) > 0.5
    assert (record["direction"], record["from"], record["to"]) == ("outbound", NUMBER, TO)
    assert (record["trunkId"], record["destinationKind"]) == (made["id"], "pstn")
    assert (record["outcome"], record["hangupBy"]) == ("answered", "caller")


async def test_a_destination_that_answers_after_it_was_given_up_is_hung_up(engine: TestEngine, sipp: Sipp) -> None:
    async with sipp.waits("uas-answers-anyway") as late, a_callee() as second, a_phone() as phone:
        second.on_call = lambda call: call.answer(880)
        await number_on_trunk(engine, str(late), second.uri)
        call = phone.call(NUMBER, engine.sip)
        await call.hears(880)
        call.outgoing.hangup()
        record = await engine.ended_call()
    assert [it["result"] for it in record["routingAttempts"]] == ["no_answer", "answered"]


async def test_a_destination_whose_answer_to_options_is_503_is_down_and_passed_over(
    tmp_path: Path, sipp: Sipp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        on_a_movable_clock(tmp_path / "data", monkeypatch) as (engine, clock),
        a_callee() as second,
        a_phone() as phone,
    ):
        second.on_call = lambda call: call.answer(880)
        async with sipp.waits("options-dead", "-m", "2") as dead:
            destinations = [{"uri": str(dead)}, {"uri": second.uri}]
            body = {"name": "Agents", "destinations": destinations, "health": {"intervalS": INTERVAL}}
            made = await engine.post("/v1/trunks/inbound", body)
            await engine.number(NUMBER, None, destination={"kind": "trunk", "id": made["id"]})
            assert (await checked(engine, made["id"]))["state"] == "unknown", "one failure is none"
            await pass_interval(engine, clock)
            await until_shown(engine, made["id"], state="down")
        call = phone.call(NUMBER, engine.sip)
        await call.hears(880)
        call.outgoing.hangup()
        record = await engine.ended_call()
    assert [it["result"] for it in record["routingAttempts"]] == ["skipped_down", "answered"]
