"""Deliveries: signed, retried, parallel, apart from each other, and never lost (contract §13.3–13.5)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine import delivery_sender as sender_module
from engine.applications import NewApplication
from engine.delivery_attempt import BODY_KEPT, RETRY_SECONDS, retry_seconds
from engine.delivery_sender import FAILING_REQUESTS, LANE_REQUESTS, DeliverySender, SenderSettings
from engine.errors import Conflict, Unavailable
from engine.http import OutboundHttp, OutboundHttpConfig
from engine.model import CallOutcome, Delivery, Webhook
from engine.store import Store
from engine.store.deliveries import count_waiting
from engine.webhooks import NewWebhook
from tests.engine.opened import Opened, a_call, database_url, opened
from tests.engine.receiver import Receiver, receiving
from voyloml.signature import verify_signature

PROJECT = Path(__file__).parents[2]


@asynccontextmanager
async def sending(
    engine: Opened, settings: SenderSettings | None = None, *, allow_private: bool = True
) -> AsyncIterator[DeliverySender]:
    """A sender over the engine's outbox."""
    client = OutboundHttp(OutboundHttpConfig(allow_private, connections=0))
    await client.start()
    sender = DeliverySender(
        engine.store, engine.webhook_directory, client.beginning, settings or SenderSettings(), engine.clock
    )
    engine.outbox.on_commit = sender.wake
    await sender.start()
    try:
        yield sender
    finally:
        await sender.close()
        await client.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def hook(engine: Opened, url: str, *events: str, **members: Any) -> Webhook:
    return await engine.webhooks.create(engine.workspace_id, NewWebhook(url, events or ("*",), **members))


async def event(engine: Opened, **values: Any) -> Any:
    """One call that has come in, and so its first event."""
    call = a_call(engine.workspace_id, engine.clock.now, **values)
    await engine.records.create(call)
    return call


async def log(engine: Opened, target_id: str) -> list[Delivery]:
    return list((await engine.deliveries.page(target_id, 1, 100)).items)


async def settled(engine: Opened, target_id: str, attempts: int, seconds: float = 20) -> Delivery:
    """The only delivery to a target, once so many attempts are stored."""
    async with asyncio.timeout(seconds):
        while True:
            (delivery,) = await log(engine, target_id)
            if delivery.attempts >= attempts:
                return delivery
            await asyncio.sleep(0.02)


async def test_an_event_is_posted_with_its_payload_and_signed_over_the_very_bytes(
    engine: Opened, receiver: Receiver
) -> None:
    webhook = await hook(engine, f"{receiver.base}/a?b=c", "call.received", headers={"X-Mine": "1", "voylo-event": "x"})
    async with sending(engine):
        call = await event(engine)
        (request,) = await receiver.until(1)
        delivery = await settled(engine, webhook.id, 1)
    assert request.json == delivery_payload(engine, call, delivery.event_id)
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Voylo/1.0"
    assert headers["x-mine"] == "1"
    assert (headers["voylo-event"], headers["voylo-event-id"], headers["voylo-delivery-id"]) == (
        "call.received", delivery.event_id, delivery.id,
    )  # fmt: skip
    assert headers["content-length"] == str(len(request.body))
    now = engine.clock.now.timestamp()
    assert verify_signature(webhook.secret, request.body, headers["voylo-signature"], now=now)
    assert not verify_signature("whsec_other", request.body, headers["voylo-signature"], now=now)
    assert (delivery.status, delivery.response_status, delivery.last_error) == ("delivered", 200, None)
    assert (delivery.delivered_at, delivery.next_attempt_at) == (engine.clock.now, engine.clock.now)


def delivery_payload(engine: Opened, call: Any, event_id: str) -> dict[str, Any]:
    return {
        "event": "call.received",
        "event_id": event_id,
        "created_at": "2026-06-23T10:31:00.000Z",
        "workspace_id": engine.workspace_id,
        "call_id": call.id,
        "public_id": call.public_id,
        "application_id": None,
        "number_id": None,
        "trunk_id": None,
        "direction": "inbound",
        "from": "+2004446",
        "to": "+97142345678",
        "status": "ringing",
        "outcome": None,
        "hangup_by": None,
        "hangup_cause": None,
        "sip_code": None,
        "answered_by": None,
        "destination_kind": "none",
        "started_at": "2026-06-23T10:31:00.000Z",
        "answered_at": None,
        "ended_at": None,
        "ring_s": None,
        "duration_s": None,
        "billed_s": None,
        "recording_url": None,
        "routing_attempts": [],
        "variables": {},
        "cost": "0.0000",
        "currency": "USD",
    }


async def test_a_webhook_gets_the_events_it_wants_of_its_own_workspace(engine: Opened, receiver: Receiver) -> None:
    other, _ = await engine.other_workspace()
    await hook(engine, f"{receiver.base}/answered", "call.answered")
    await hook(engine, f"{receiver.base}/every")
    await engine.webhooks.create(other, NewWebhook(f"{receiver.base}/other", ("*",)))
    await hook(engine, f"{receiver.base}/off", enabled=False)
    async with sending(engine):
        call = await event(engine)
        await engine.records.answered(call.id, call.created_at)
        await engine.records.finish(call.id, CallOutcome("answered", "caller", "normal", call.created_at))
        every = await receiver.until(3, "/every")
        await receiver.until(1, "/answered")
    names = {request.json["event"] for request in every}
    assert names == {"call.received", "call.answered", "call.completed"}
    assert [request.json["event"] for request in receiver.at("/answered")] == ["call.answered"]
    assert len(receiver.requests) == 4


async def test_the_finished_url_gets_the_terminal_event_signed_with_the_applications_secret(
    engine: Opened, receiver: Receiver
) -> None:
    application = await engine.applications.create(
        engine.workspace_id,
        NewApplication("x", finished_url=f"{receiver.base}/end", finished_url_headers={"Authorization": "Bearer a"}),
    )
    async with sending(engine):
        call = await event(engine, application_id=application.id)
        await engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", call.created_at))
        (request,) = await receiver.until(1)
        delivery = await settled(engine, application.id, 1)
    assert request.json["event"] == "call.failed"
    assert request.headers["authorization"] == "Bearer a"
    signature = request.headers["voylo-signature"]
    assert verify_signature(application.signing_secret, request.body, signature, now=engine.clock.now.timestamp())
    detail = await engine.deliveries.get(application.id, delivery.id)
    assert detail.request_headers["Authorization"] == "********"
    assert detail.request_headers["Voylo-Signature"] == signature
    assert detail.payload == request.json


async def test_a_replaced_secret_signs_as_well_for_a_day(engine: Opened, receiver: Receiver) -> None:
    webhook = await hook(engine, receiver.base)
    second = await engine.webhooks.rotate_secret(engine.workspace_id, webhook.id)
    async with sending(engine):
        await event(engine)
        await receiver.until(1)
        engine.clock.advance(hours=24)
        await event(engine)
        during, after = await receiver.until(2)
    assert during.headers["voylo-signature"].count("v1=") == 2
    at = (engine.clock.now - timedelta(hours=24)).timestamp()
    for secret in (webhook.secret, second):
        assert verify_signature(secret, during.body, during.headers["voylo-signature"], now=at)
    assert after.headers["voylo-signature"].count("v1=") == 1
    assert verify_signature(second, after.body, after.headers["voylo-signature"], now=engine.clock.now.timestamp())


async def test_what_fails_is_tried_again_by_the_plan_and_given_up_in_the_end(
    engine: Opened, receiver: Receiver
) -> None:
    receiver.status = 500
    webhook = await hook(engine, receiver.base)
    async with sending(engine) as sender:
        await event(engine)
        for attempts in range(1, 9):
            delivery = await settled(engine, webhook.id, attempts)
            assert delivery.attempts == attempts
            assert (delivery.response_status, delivery.last_error) == (500, "The answer was 500")
            waited = (delivery.next_attempt_at - engine.clock.now).total_seconds()
            if attempts < 8:
                planned = RETRY_SECONDS[attempts - 1]
                assert delivery.status == "pending"
                assert planned * 0.9 - 0.01 <= waited <= planned * 1.1
                engine.clock.now = delivery.next_attempt_at
                sender.wake([("webhook", webhook.id)])
        assert (delivery.status, waited, delivery.delivered_at) == ("failed", 0, None)
        engine.clock.advance(days=1)
        sender.wake([("webhook", webhook.id)])
        await asyncio.sleep(0.1)
    assert len(receiver.requests) == 8
    ids = {(request.headers["voylo-delivery-id"], request.body) for request in receiver.requests}
    assert len(ids) == 1
    signatures = {request.headers["voylo-signature"] for request in receiver.requests}
    assert len(signatures) == 8


def test_the_plan_of_waits() -> None:
    assert [retry_seconds(attempts, 0) for attempts in range(1, 10)] == [*RETRY_SECONDS, 43_200, 43_200]
    assert (retry_seconds(1, -1), retry_seconds(1, 1)) == (9, 11)


async def redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/elsewhere"})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 1000)


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


async def test_a_redirect_is_a_failure_and_is_not_followed(engine: Opened, receiver: Receiver) -> None:
    receiver.answers["/"] = redirect
    webhook = await hook(engine, receiver.base)
    async with sending(engine):
        await event(engine)
        delivery = await settled(engine, webhook.id, 1)
    assert (delivery.status, delivery.response_status) == ("pending", 302)
    assert [request.path for request in receiver.requests] == ["/"]


async def test_of_an_endless_answer_the_beginning_is_kept(engine: Opened, receiver: Receiver) -> None:
    receiver.answers["/"] = endless
    webhook = await hook(engine, receiver.base)
    async with sending(engine):
        await event(engine)
        delivery = await settled(engine, webhook.id, 1)
    assert (delivery.status, delivery.response_body) == ("delivered", "x" * BODY_KEPT)


async def test_no_answer_in_time_and_no_listener_are_failures(engine: Opened, receiver: Receiver) -> None:
    receiver.answers["/"] = silent
    slow = await hook(engine, receiver.base)
    async with sending(engine, SenderSettings(seconds=0.2)):
        await event(engine)
        late = await settled(engine, slow.id, 1)
    nobody = await hook(engine, "http://127.0.0.1:9/")
    async with sending(engine):
        await event(engine)
        refused = await settled(engine, nobody.id, 1)
    assert (late.status, late.last_error) == ("pending", "no complete answer within 0.2 s")
    assert refused.last_error is not None
    assert refused.last_error.startswith("cannot connect to 127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.1.1"])
async def test_a_private_target_is_not_called_where_the_server_forbids_it(engine: Opened, host: str) -> None:
    webhook = await hook(engine, f"http://{host}:9/")
    async with sending(engine, allow_private=False):
        await event(engine)
        delivery = await settled(engine, webhook.id, 1)
    assert delivery.last_error is not None
    assert delivery.last_error.endswith("is at an address that this server does not call")


async def test_requests_to_one_target_run_side_by_side_up_to_a_limit(engine: Opened, receiver: Receiver) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.Response()

    receiver.answers["/"] = slow
    await hook(engine, receiver.base)
    async with sending(engine):
        await asyncio.gather(*(event(engine) for _ in range(100)))
        await receiver.until(100)
    assert receiver.most == LANE_REQUESTS
    assert len({request.headers["voylo-delivery-id"] for request in receiver.requests}) == 100
    assert len(receiver.requests) == 100


async def test_dead_targets_delay_neither_calls_nor_living_targets(engine: Opened, receiver: Receiver) -> None:
    receiver.answers["/dead"] = silent
    for _ in range(15):
        await hook(engine, f"{receiver.base}/dead")
    await hook(engine, f"{receiver.base}/alive")
    async with sending(engine, SenderSettings(seconds=30)):
        for _ in range(20):
            await event(engine)
        await receiver.until(20, "/alive", seconds=10)
        began = time.monotonic()
        await event(engine)
        assert time.monotonic() - began < 2
        await receiver.until(21, "/alive", seconds=5)


async def test_a_target_that_keeps_failing_gets_fewer_requests_at_once(engine: Opened, receiver: Receiver) -> None:
    receiver.status = 500
    webhook = await hook(engine, receiver.base)
    async with sending(engine):
        for _ in range(3):
            await event(engine)
        await receiver.until(3)
        while [delivery.attempts for delivery in await log(engine, webhook.id)] != [1, 1, 1]:
            await asyncio.sleep(0.02)

        async def slow(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.02)
            return web.Response(status=500)

        receiver.answers["/"], receiver.most = slow, 0
        await asyncio.gather(*(event(engine) for _ in range(20)))
        await receiver.until(23)
    assert receiver.most == FAILING_REQUESTS


async def test_an_event_that_is_not_stored_is_not_delivered(engine: Opened, receiver: Receiver) -> None:
    webhook = await hook(engine, receiver.base)
    async with sending(engine) as sender:
        call = await event(engine)
        with pytest.raises(Conflict):
            await engine.records.create(call)
        await settled(engine, webhook.id, 1)
        assert len(await log(engine, webhook.id)) == 1
        while sender.lanes:
            await asyncio.sleep(0.02)
    assert len(receiver.requests) == 1


async def test_what_waits_for_a_disabled_or_deleted_webhook_is_not_sent(engine: Opened, receiver: Receiver) -> None:
    receiver.status = 500
    disabled, deleted = await hook(engine, f"{receiver.base}/a"), await hook(engine, f"{receiver.base}/b")
    async with sending(engine) as sender:
        await event(engine)
        await settled(engine, disabled.id, 1)
        await settled(engine, deleted.id, 1)
        await engine.webhooks.update(engine.workspace_id, disabled.id, {"enabled": False})
        await engine.webhooks.delete(engine.workspace_id, deleted.id)
        engine.clock.advance(days=1)
        sender.wake([("webhook", disabled.id), ("webhook", deleted.id)])
        while sender.lanes:
            await asyncio.sleep(0.02)
        await event(engine)
    assert len(receiver.requests) == 2
    (stopped,) = await log(engine, disabled.id)
    assert (stopped.status, stopped.last_error) == ("failed", "The webhook was disabled")
    assert await engine.store.read(count_waiting) == 0


async def test_sending_again_during_an_attempt_is_not_lost(engine: Opened, receiver: Receiver) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await release.wait()
        return web.Response()

    receiver.answers["/"] = held
    webhook = await hook(engine, receiver.base)
    async with sending(engine):
        await event(engine)
        await arrived.wait()
        (delivery,) = await log(engine, webhook.id)
        engine.clock.advance(seconds=1)
        await engine.deliveries.resend("webhook", webhook.id, delivery.id)
        release.set()
        first, second = await receiver.until(2)
        delivery = await settled(engine, webhook.id, 1)
    assert first.body == second.body
    assert (delivery.status, delivery.attempts) == ("delivered", 1)


async def test_a_test_event_goes_to_one_webhook_alone(engine: Opened, receiver: Receiver) -> None:
    await hook(engine, f"{receiver.base}/other")
    webhook = await hook(engine, f"{receiver.base}/tested", "call.failed")
    async with sending(engine):
        delivery_id = await engine.webhooks.test(engine.workspace_id, webhook.id)
        (request,) = await receiver.until(1)
        delivery = await settled(engine, webhook.id, 1)
    assert delivery.id == delivery_id
    assert request.path == "/tested"
    assert request.json == {
        "event": "webhook.test",
        "event_id": delivery.event_id,
        "created_at": "2026-06-23T10:31:00.000Z",
        "workspace_id": engine.workspace_id,
        "data": {"webhook_id": webhook.id, "message": "Deliveries to this URL work"},
    }


async def test_old_deliveries_are_removed_and_recent_ones_stay(engine: Opened, receiver: Receiver) -> None:
    webhook = await hook(engine, receiver.base)
    async with sending(engine) as sender:
        await engine.webhooks.test(engine.workspace_id, webhook.id)
        await settled(engine, webhook.id, 1)
        engine.clock.advance(days=29)
        await engine.webhooks.test(engine.workspace_id, webhook.id)
        await receiver.until(2)
        engine.clock.advance(days=1, seconds=1)
        await sender._prune()
    assert len(await log(engine, webhook.id)) == 1


async def test_a_result_that_is_not_stored_is_sent_again_after_a_rest(
    engine: Opened, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "STORE_PAUSE_SECONDS", 0.3)
    webhook = await hook(engine, receiver.base)
    async with sending(engine) as sender:
        store = sender.store
        lost = 0

        async def loses_one(delivery: Any, attempt: Any) -> None:
            nonlocal lost
            lost += 1
            if lost == 1:
                raise Unavailable("the database does not keep up")
            await store(delivery, attempt)

        monkeypatch.setattr(sender, "store", loses_one)
        began = time.monotonic()
        await event(engine)
        delivery = await settled(engine, webhook.id, 1)
        assert time.monotonic() - began >= 0.3
    assert (delivery.status, delivery.attempts, len(receiver.requests)) == ("delivered", 1, 2)


async def test_what_another_process_has_stored_is_found(engine: Opened, receiver: Receiver) -> None:
    webhook = await hook(engine, receiver.base)
    async with sending(engine) as sender:
        engine.outbox.on_commit = lambda targets: None
        await event(engine)
        await sender._rescan()
        await receiver.until(1)
        assert (await settled(engine, webhook.id, 1)).status == "delivered"


async def test_what_is_stored_after_the_end_waits_for_the_next_start(engine: Opened, receiver: Receiver) -> None:
    webhook = await hook(engine, receiver.base)
    async with sending(engine):
        pass
    await event(engine)
    assert [delivery.status for delivery in await log(engine, webhook.id)] == ["pending"]
    async with sending(engine):
        await receiver.until(1)


KILLED = """
import asyncio, sys
from pathlib import Path
from engine.model import CallOutcome
from engine.webhooks import NewWebhook
from engine.delivery_sender import DeliverySender, SenderSettings
from engine.http import OutboundHttp, OutboundHttpConfig
from tests.engine.opened import a_call, opened

async def main():
    async with opened(Path(sys.argv[1])) as engine:
        client = OutboundHttp(OutboundHttpConfig())
        await client.start()
        sender = DeliverySender(engine.store, engine.webhook_directory, client.beginning, SenderSettings())
        engine.outbox.on_commit = sender.wake
        await sender.start()
        webhook = await engine.webhooks.create(engine.workspace_id, NewWebhook(sys.argv[2], ("*",)))
        print(webhook.secret, flush=True)
        async def one():
            call = a_call(engine.workspace_id)
            await engine.records.create(call)
            print(call.id, "call.received", flush=True)
            await engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", call.created_at))
            print(call.id, "call.failed", flush=True)
        while True:
            await asyncio.gather(*(one() for _ in range(20)))

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_delivery_of_an_event_it_has_stored(tmp_path: Path, receiver: Receiver) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(tmp_path), receiver.base),
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    secret = (await process.stdout.readline()).decode().strip()
    reported = [(await process.stdout.readline()).decode() for _ in range(200)]
    os.kill(process.pid, signal.SIGKILL)
    reported += (await process.stdout.read()).decode().splitlines(keepends=True)
    await process.wait()
    stored = {tuple(line.split()) for line in reported if line.endswith("\n")}
    store = await Store.open(database_url(tmp_path))
    waiting = await store.read(count_waiting)
    await store.close()
    assert waiting > 0, "the process was killed while deliveries waited"
    async with reopened(tmp_path) as sender:
        async with asyncio.timeout(40):
            while sender.lanes:
                await asyncio.sleep(0.05)
    arrived: dict[str, bytes] = {}
    for request in receiver.requests:
        payload = request.json
        assert arrived.setdefault(payload["event_id"], request.body) == request.body
        stored.discard((payload["call_id"], payload["event"]))
        now = int(request.headers["voylo-signature"].partition("t=")[2].partition(",")[0])
        assert verify_signature(secret, request.body, request.headers["voylo-signature"], now=now)
    assert stored == set()


@asynccontextmanager
async def reopened(path: Path) -> AsyncIterator[DeliverySender]:
    """A sender on the database that another process has left."""
    from engine.directory import NumberDirectory
    from engine.secrets import SecretBox
    from engine.webhook_directory import WebhookDirectory

    store = await Store.open(database_url(path))
    secrets = SecretBox.open(path)
    numbers = NumberDirectory(store, secrets)
    directory = WebhookDirectory(store, secrets, numbers.application)
    await directory.start()
    client = OutboundHttp(OutboundHttpConfig())
    await client.start()
    sender = DeliverySender(store, directory, client.beginning, SenderSettings())
    await sender.start()
    try:
        yield sender
    finally:
        await sender.close()
        await client.close()
        await directory.close()
        await store.close()
