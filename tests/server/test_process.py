"""The process from outside: what it prints, how it stops, and what a killed one leaves (§22.3, §22.4, §11.6)."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from tests.api.client import error
from tests.support.engine import LOOPBACK
from tests.support.phone import a_phone
from tests.support.process import API_KEY, WORKSPACE, VoyloProcess, voylo_serve
from tests.support.tones import seconds_of

NUMBER = "+15550100"
SPEAKS = '<Response><Say loop="0">This call goes on until somebody ends it.</Say></Response>'


async def route(engine: VoyloProcess, document: str) -> str:
    """A number that loopback may call, with a static document; the id of its application."""
    async with engine.client() as client:
        created = await client.post("/v1/applications", json={"name": "test", "xmlTemplate": document})
        assert created.status_code == 201, created.text
        application: str = created.json()["id"]
        body = {
            "e164": NUMBER,
            "destination": {"kind": "application", "id": application},
            "sip": {"allowedSourceIps": LOOPBACK},
        }
        imported = await client.post("/v1/numbers/import", json=body)
        assert imported.status_code == 201, imported.text
        return application


async def test_the_first_start_prints_workspace_and_key_once(tmp_path: Path) -> None:
    async with voylo_serve(tmp_path / "data") as engine:
        text = "\n".join(engine.lines)
        assert WORKSPACE in text
        assert API_KEY in text
        async with engine.client() as client:
            assert (await client.get("/v1/calls")).json() == []
    async with voylo_serve(tmp_path / "data") as engine:
        assert API_KEY not in "\n".join(engine.lines)
        async with engine.client() as client:
            assert (await client.get("/v1/calls")).status_code == 200


async def test_a_call_cut_off_by_kill_9_is_closed_at_the_next_start(tmp_path: Path) -> None:
    async with a_phone() as phone:
        async with voylo_serve(tmp_path / "data") as engine:
            await route(engine, SPEAKS)
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            async with engine.client() as client, asyncio.timeout(5):
                while (await client.get("/v1/calls")).json()[0]["pendingStatus"] != "answered":
                    await asyncio.sleep(0.02)
            engine.process.kill()
            await engine.process.wait()
        async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
            (record,) = (await client.get("/v1/calls")).json()
            assert record["pending"] is False
            assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == (
                "answered",
                "platform",
                "network_error",
            )
            assert record["endedAt"] is not None
            assert record["media"] == [], "nobody counted"
            again = phone.call(NUMBER, engine.sip)
            await again.answered()
            again.outgoing.hangup()


async def test_sigterm_refuses_new_calls_waits_then_hangs_up_and_writes_the_record(tmp_path: Path) -> None:
    async with a_phone() as phone:
        async with voylo_serve(tmp_path / "data", VOYLO_LIMITS__DRAIN_SECONDS="1.5") as engine:
            application = await route(engine, SPEAKS)
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            engine.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            rejected = await phone.call(NUMBER, engine.sip).rejected()
            assert rejected.status == 503
            assert rejected.headers.get("Retry-After")
            async with engine.client() as client:
                order = {"from": NUMBER, "to": "+201091447677", "applicationId": application}
                refused = await client.post("/v1/calls", json=order)
            stopping = error(503, "Service Unavailable", "The engine is stopping")
            assert (refused.status_code, refused.json()) == (503, stopping)
            assert refused.headers["Retry-After"] == "2", "whole seconds"
            await call.hung_up()
            assert await engine.process.wait() == 0
        async with voylo_serve(tmp_path / "data") as engine, engine.client() as client:
            (record,) = (await client.get("/v1/calls")).json()
            assert (record["outcome"], record["hangupBy"]) == ("answered", "platform")
            assert record["hangupCause"] != "network_error", "it was closed by the stop, not by the next start"


async def test_a_second_signal_skips_the_wait(tmp_path: Path) -> None:
    async with a_phone() as phone, voylo_serve(tmp_path / "data", VOYLO_LIMITS__DRAIN_SECONDS="600") as engine:
        await route(engine, SPEAKS)
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        engine.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        engine.process.send_signal(signal.SIGINT)
        await call.hung_up()
        async with asyncio.timeout(20):
            assert await engine.process.wait() == 0


async def test_a_taken_port_stops_the_start_and_names_it(tmp_path: Path) -> None:
    async with voylo_serve(tmp_path / "one") as engine:
        host, port = engine.sip
        try:
            async with voylo_serve(tmp_path / "two", VOYLO_SIP__UDP=f"{host}:{port}"):
                raise RuntimeError("it started on a port that is taken")
        except AssertionError as error:
            assert f"{host}:{port}" in str(error)


async def test_the_demo_calls_itself_and_tells_what_it_heard_and_pressed(tmp_path: Path) -> None:
    async with voylo_serve(tmp_path / "data", "--demo") as engine:
        assert engine.process.stdout is not None
        told: list[str] = []
        began = time.monotonic()
        async with asyncio.timeout(55):
            async for raw in engine.process.stdout:
                told.append(raw.decode().rstrip())
                if told[-1].startswith("demo call: "):
                    break
        text = "\n".join(told)
        assert told[-1] == "demo call: it works", text
        for expected in (
            "sent      INVITE",
            "180",
            "200 OK, PCMU",
            "menu begins to speak",
            "pressed   1",
            "dBFS",
            "BYE",
        ):
            assert expected in text, text
        assert "softphone account" in text
        assert time.monotonic() - began < 50
        async with engine.client() as client:
            (record,) = (await client.get("/v1/calls")).json()
            assert (record["outcome"], record["to"]) == ("answered", "+15550100")
            log = (await client.get(f"/v1/calls/{record['publicId']}/events")).json()
            assert [entry["data"]["digits"] for entry in log if entry["type"] == "gather"] == [1, 1]
        async with a_phone() as phone:
            call = phone.call("+15550100", engine.sip)
            await call.answered()
            call.outgoing.hangup()
            assert seconds_of(call.heard, 440) == 0


async def test_random_octets_change_nothing_for_a_call_in_progress(tmp_path: Path) -> None:
    import random
    import socket

    noise = random.Random(7)
    async with a_phone() as phone, voylo_serve(tmp_path / "data") as engine:
        await route(engine, '<Response><Play loop="0" digits="wwww"/></Response>')
        call = phone.call(NUMBER, engine.sip)
        await call.answered()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.7", 0))
            valid = b"INVITE sip:15550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.7;branch=z9hG4bKx\r\n"
            for size in (0, 1, 4, 100, 1400, 9000, 65000):
                sock.sendto(noise.randbytes(size), engine.sip)
            for cut in range(0, len(valid), 7):
                sock.sendto(valid[:cut], engine.sip)
                sock.sendto(valid[:cut] + noise.randbytes(200), engine.sip)
        async with engine.client() as client:
            (record,) = (await client.get("/v1/calls")).json()
            assert record["pendingStatus"] == "answered"
        again = phone.call(NUMBER, engine.sip)
        await again.answered()
        again.outgoing.hangup()
        call.outgoing.hangup()
