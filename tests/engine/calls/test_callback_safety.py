"""Where private addresses are closed to customers (contract §11.4, §22.2 `allow_private_callbacks`): everything that a
URL is asked for, on a real call and after it, with redirects, names that change, and bodies that do not end.

127.0.0.2 stands for the public internet, 127.0.0.1 for what is private.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from engine import http, websocket
from engine.calls.partial_results import PartialTelling
from engine.http import Resolver
from media import Partial
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone
from voyloml.capabilities import PartialOrder

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER = "+15550100"
BEEP = 1000
PUBLIC = "127.0.0.2"
CLOSED = "is at an address that this server does not call"
SETTINGS: dict[str, dict[str, Any]] = {
    "security": {"allow_private_callbacks": False},
    "limits": {"audio_bytes": 100_000, "audio_seconds": 1, "action_seconds": 1, "action_retries": 0},
}


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address of this machine counts as public; names are found there, and at the next look somewhere private."""
    for module in (http, websocket):
        monkeypatch.setattr(module, "is_public_address", lambda address: address == PUBLIC)
    seen: set[str] = set()
    look_up = socket.getaddrinfo

    def changing(host: str, port: int, *more: Any) -> Any:
        if not host.endswith(".example"):
            return look_up(host, port, *more)
        address = "127.0.0.1" if host in seen else PUBLIC
        seen.add(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(http.socket, "getaddrinfo", changing)


def to(url: str) -> Any:
    """Redirects there."""

    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": url})

    return moved


def without_end(every: float, size: int) -> Any:
    """A body of so many octets at once, so often, for ever."""

    async def goes_on(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * size)
                await asyncio.sleep(every)
        except ConnectionError:
            return response

    return goes_on


async def seen_public(name: str) -> None:
    """Somebody looks the name up and finds it public; the engine's own look comes after that."""
    resolver = Resolver()
    assert [found["host"] for found in await resolver.resolve(name, 80)] == [PUBLIC]
    await resolver.close()


async def failed_deliveries(engine: TestEngine, path: str, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while True:
            listed = (await engine.client.get(f"{path}/deliveries")).json()["data"]
            errors = [item["lastError"] for item in listed if item["attempts"]]
            if len(errors) >= count:
                return errors
            await asyncio.sleep(0.02)


async def test_nothing_that_a_customer_names_reaches_a_private_address(
    engine: TestEngine, phone: Phone, guarded: None
) -> None:
    async with Flow({"/start": "<Response/>"}) as private, Flow({}, host=PUBLIC) as public:
        mapped = f"[::ffff:7f00:1]:{private.port}"
        rebound = [f"{name}.example:{private.port}" for name in ("play", "stream", "told", "partial", "finished")]
        for name in rebound:
            await seen_public(name.partition(":")[0])
        plays = [
            public.url("/moved.wav"), public.url("/endless.wav"), public.url("/slow.wav"),
            private.url("/tone-440.wav"), f"http://{mapped}/tone-440.wav", f"http://{rebound[0]}/tone-440.wav",
            public.url("/known.wav"),
        ]  # fmt: skip
        sockets = [f"ws://127.0.0.1:{private.port}/", f"ws://{mapped}/", f"ws://{rebound[1]}/"]
        told = [private.url("/told"), f"http://{rebound[2]}/told", public.url("/endless")]
        streams = "".join(
            f'<Connect><Stream url="{url}" statusCallback="{callback}"/></Connect>'
            for url, callback in zip(sockets, told, strict=True)
        )
        public.documents |= {
            "/start": (
                f"<Response>{''.join(f'<Play>{url}</Play>' for url in plays)}<Play>/tone-880.wav</Play>{streams}"
                '<Play digits="w"/><Redirect>/moved</Redirect></Response>'
            ),
            "/moved": to(private.url("/start")),
            "/moved.wav": to(private.url("/tone-440.wav")),
            "/known.wav": to(f"http://anna:secret@127.0.0.1:{private.port}/tone-440.wav"),
            "/endless.wav": without_end(0, 65_536),
            "/endless": without_end(0, 65_536),
            "/slow.wav": without_end(0.05, 1),
        }
        hooks = [
            await engine.post("/v1/webhooks", {"url": url, "events": ["call.completed"]})
            for url in (private.url("/hook"), f"http://{mapped}/hook")
        ]
        finished = f"http://{rebound[4]}/finished"
        application = await engine.application(actionUrl=public.url("/start"), finishedUrl=finished)
        await engine.number(NUMBER, application)
        call = phone.call(NUMBER, engine.sip)
        await call.hears(880)
        (running,) = await engine.calls()
        inside = engine.process.switchboard.get(running["publicId"])
        assert inside is not None
        for url in (private.url("/partial"), f"http://{rebound[3]}/partial"):
            order = PartialOrder(url, "POST", dict)
            PartialTelling(inside, engine.process.incoming._services.callbacks, order).tell(Partial("Hello", "", 1.0))
        await call.hung_up()
        record = await engine.ended_call()
        log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
        errors = await failed_deliveries(engine, f"/v1/applications/{application['id']}", 1)
        for hook in hooks:
            errors += await failed_deliveries(engine, f"/v1/webhooks/{hook['id']}", 1)

    def entries(kind: str) -> list[dict[str, Any]]:
        return [entry["data"] for entry in log if entry["type"] == kind]

    assert private.asked == []
    assert (record["outcome"], record["hangupCause"]) == ("answered", "application_error")
    skipped = [entry["warning"] for entry in entries("play_skipped")]
    assert len(skipped) == len(plays)
    assert "more than 100000 bytes" in skipped[1]
    assert "no complete answer within 1 s" in skipped[2]
    for warning in (skipped[0], *skipped[3:]):
        assert warning.endswith(CLOSED)
    assert [entry["message"].endswith(CLOSED) for entry in entries("stream_failed")] == [True] * 3
    callbacks = [entry["error"] for kind in ("partial", "stream") for entry in entries(f"{kind}_callback_failed")]
    assert [error.endswith(CLOSED) for error in callbacks] == [True] * 4 + [False]
    assert callbacks[-1] == "the body has more than 4096 bytes"
    (document,) = entries("document_failed")
    assert document["url"] == public.url("/moved")
    assert document["error"].endswith(CLOSED)
    assert len(errors) == 3
    assert all(error.endswith(CLOSED) for error in errors)


async def test_the_callbacks_of_a_recording_and_of_a_room_reach_nothing_private(
    engine: TestEngine, phone: Phone, guarded: None
) -> None:
    async with Flow({}) as private, Flow({}, host=PUBLIC) as public:
        rebound = f"room.example:{private.port}"
        await seen_public("room.example")
        kept = private.url("/kept")
        public.documents["/start"] = (
            f'<Response><Record timeout="1" action="/next" recordingStatusCallback="{kept}"/></Response>'
        )
        public.documents["/next"] = (
            f'<Response><Conference beep="false" timeLimit="1" statusCallback="http://{rebound}/room">open</Conference>'
            f'<Conference beep="false" timeLimit="1" statusCallback="{public.url("/moved")}">open</Conference>'
            "<Play>/tone-880.wav</Play></Response>"
        )
        public.documents["/moved"] = to(private.url("/room"))
        await engine.number(NUMBER, await engine.application(actionUrl=public.url("/start")))
        call = phone.call(NUMBER, engine.sip)
        await call.hears(BEEP, at_least=0.3)
        call.say(440, 1.0)
        await call.hears(880, seconds=15)
        await call.hung_up()
        record = await engine.ended_call()
        log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
    failed = {
        kind: [entry["data"]["error"] for entry in log if entry["type"] == f"{kind}_callback_failed"]
        for kind in ("recording", "conference")
    }
    assert private.asked == []
    assert record["outcome"] == "answered"
    assert len(failed["recording"]) == 1
    assert len(failed["conference"]) >= 4
    assert all(error.endswith(CLOSED) for error in failed["recording"] + failed["conference"])


async def test_a_document_without_end_is_given_up(engine: TestEngine, phone: Phone, guarded: None) -> None:
    async with Flow({"/large": without_end(0, 65_536), "/slow": without_end(0.05, 1)}, host=PUBLIC) as public:
        template = f"<Response><Redirect>{public.url('/slow')}</Redirect></Response>"
        application = await engine.application(actionUrl=public.url("/large"), xmlTemplate=template)
        await engine.number(NUMBER, application)
        rejected = await phone.call(NUMBER, engine.sip).rejected()
        record = await engine.ended_call()
        log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
    assert (rejected.status, record["outcome"], record["hangupCause"]) == (503, "failed", "application_error")
    failed = [(entry["data"]["url"], entry["data"]["error"]) for entry in log if entry["type"] == "document_failed"]
    assert failed == [
        (public.url("/large"), "the body has more than 262144 bytes"),
        (public.url("/slow"), "no document within 1 s"),
    ]
