"""`kill -9` at random moments while calls run both ways: nothing stored is lost, nothing is told twice (contract §11.6,
§13.5, §22.4)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.receiver import Receiver, receiving
from tests.support.callee import Callee, a_callee
from tests.support.forked import Forge
from tests.support.phone import a_phone

KILLS = 10
"""Of each of the two engines that are killed beside each other."""

NUMBER = "+15550100"
DOCUMENT = '<Response><Play digits="w"/><Pause length="1"/></Response>'
TERMINAL = {"call.completed", "call.failed"}


class Lane:
    """One data directory, and what its engines were asked and said over all their lives."""

    def __init__(self, path: Path, forge: Forge, callee: Callee, receiver: Receiver) -> None:
        self.data = path
        self._forge = forge
        self.settings = {"VOYLO_MEDIA__RTP_PORTS": "23200-23399", "VOYLO_LIMITS__CALLS_PER_SECOND": "1000"}
        self.accepted: set[str] = set()
        self._callee = callee
        self._receiver = receiver
        self._application = ""

    async def prepare(self) -> None:
        """A number that calls both ways, and a webhook for everything."""
        async with self._forge.serving(self.data, **self.settings) as engine, engine.client() as client:
            created = await client.post("/v1/applications", json={"name": "a", "xmlTemplate": DOCUMENT})
            self._application = created.json()["id"]
            number = {
                "e164": NUMBER,
                "destination": {"kind": "application", "id": self._application},
                "sip": {"allowedSourceIps": ["127.0.0.1/32"], "outbound": self._callee.carrier},
            }
            assert (await client.post("/v1/numbers/import", json=number)).status_code == 201
            hook = {"url": f"{self._receiver.base}/{self.data.name}", "events": ["*"]}
            assert (await client.post("/v1/webhooks", json=hook)).status_code == 201

    async def live_and_die(self, seconds: float) -> None:
        """An engine under load, killed so many seconds after it was ready."""
        async with self._forge.serving(self.data, **self.settings) as engine, engine.client() as client:
            calls = [asyncio.create_task(self._place(client)) for _ in range(12)]
            async with a_phone() as phone:
                for _ in range(8):
                    phone.call(NUMBER, engine.sip)
                await asyncio.sleep(seconds)
                await engine.kill()
            await asyncio.gather(*calls)

    async def _place(self, client: httpx.AsyncClient) -> None:
        order = {"from": NUMBER, "to": "+201091447677", "applicationId": self._application}
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.post("/v1/calls", json=order)
            assert answer.status_code == 202, answer.text
            self.accepted.add(answer.json()["publicId"])

    async def outcome(self) -> list[Any]:
        """Every call, once a last engine has closed what was left and delivered everything."""
        async with self._forge.serving(self.data, **self.settings) as engine, engine.client() as client:
            await self._delivered(client)
            calls: list[Any] = []
            while page := (
                await client.get(
                    "/v1/calls", params={"limit": 100} | ({"before": calls[-1]["publicId"]} if calls else {})
                )
            ).json():
                calls += page
            return calls

    async def _delivered(self, client: httpx.AsyncClient) -> None:
        (hook,) = (await client.get("/v1/webhooks")).json()["data"]
        async with asyncio.timeout(60):
            while True:
                waiting = await client.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"status": "pending"})
                if waiting.json()["pagination"]["totalItems"] == 0:
                    return
                await asyncio.sleep(0.2)

    def told(self) -> dict[str, list[Any]]:
        """By event id, the different payloads that were received for it."""
        found: dict[str, list[Any]] = defaultdict(list)
        for request in self._receiver.at(f"/{self.data.name}"):
            if request.json not in found[request.json["event_id"]]:
                found[request.json["event_id"]].append(request.json)
        return found

    def stored(self, query: str) -> list[Any]:
        """Rows of the database, which no process has open."""
        with contextlib.closing(sqlite3.connect(self.data / "voylo.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.mark.timeout(300)
async def test_twenty_kills_under_load_lose_nothing_and_tell_nothing_twice(tmp_path: Path) -> None:
    moments = random.Random(4711)
    async with a_callee() as callee, receiving() as receiver:
        callee.on_call = lambda call: call.incoming.reject(486)
        forge = Forge()
        lanes = [Lane(tmp_path / name, forge, callee, receiver) for name in ("one", "two")]
        seconds = [[moments.uniform(0.0, 1.4) for _ in range(KILLS)] for _ in lanes]

        async def run(lane: Lane, lives: list[float]) -> list[Any]:
            await lane.prepare()
            for life in lives:
                await lane.live_and_die(life)
            return await lane.outcome()

        results = await asyncio.gather(*(run(lane, lives) for lane, lives in zip(lanes, seconds, strict=True)))
    for lane, calls in zip(lanes, results, strict=True):
        assert lane.stored("PRAGMA integrity_check") == [("ok",)]
        assert lane.stored("PRAGMA foreign_key_check") == []
        assert lane.accepted <= {call["publicId"] for call in calls}
        assert len(lane.accepted) > KILLS
        assert {call["direction"] for call in calls} == {"inbound", "outbound"}
        assert not any(call["pending"] for call in calls)
        causes = {call["hangupCause"] for call in calls}
        assert "network_error" in causes, "some calls were running when the process was killed"
        told = lane.told()
        assert [payloads for payloads in told.values() if len(payloads) != 1] == []
        terminal = [payloads[0]["call_id"] for payloads in told.values() if payloads[0]["event"] in TERMINAL]
        assert sorted(terminal) == sorted(call["id"] for call in calls)
        stored = lane.stored("SELECT event_id FROM deliveries")
        assert {event_id for (event_id,) in stored} == set(told)
