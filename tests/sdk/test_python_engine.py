"""The Python clients with a running engine: every operation once, real errors, many pages, lost answers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import voylo
import voylo.requests
from voylo import AsyncVoyloClient, VoyloClient

from server.process import EngineProcess
from tests.api.client import ADMIN_TOKEN
from tests.engine.billing.book import BOOK
from tests.engine.opened import a_call
from tests.sdk.locking import Lock
from tests.sdk.servers import Losing, serving
from tests.support.engine import running_engine
from tests.support.tones import sine, wav

pytestmark = pytest.mark.timeout(120)

CALLS = 45
ITEMS = 250
AUDIO = wav(sine(440, 1.0))
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass
class Running:
    """A running engine, how to reach it, and what has been asked of it."""

    url: str
    key: str
    workspace: str
    owner: str
    password: str
    calls: list[str]
    recording: str
    make_invoices: Callable[[], object]
    sent: list[httpx.Request] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def client(self, api_key: Any = None, workspace_id: str | None = None, **settings: Any) -> Any:
        """A sync client whose methods and requests are noted."""
        http = httpx.Client(event_hooks={"request": [self.sent.append]})
        given = {"max_retries": 0, "http_client": http, **settings}
        sdk = VoyloClient(api_key or self.key, workspace_id or self.workspace, self.url, **given)
        return Watched(sdk, "", self.used)


class Watched:
    """A client or a resource, noting which of its methods are called."""

    def __init__(self, target: Any, name: str, used: set[str]) -> None:
        self._target, self._name, self._used = target, name, used

    def __getattr__(self, member: str) -> Any:
        value, name = getattr(self._target, member), f"{self._name}.{member}".removeprefix(".")
        if inspect.ismethod(value):
            self._used.add(name)
            return value
        return Watched(value, name, self._used)


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(voylo.requests, "FIRST_WAIT", 0.01)
    generous = {"requests_per_minute": 1_000_000, "request_burst": 1_000_000}
    billing, security = {"enabled": True}, {"admin_token": ADMIN_TOKEN}
    async with running_engine(tmp_path, limits=generous, billing=billing, security=security) as running:
        await running.process.billing.import_prices(BOOK)
        first = running.process.first_start
        assert first is not None
        for _ in range(CALLS):
            await running.process.records.create(a_call(first.workspace_id))
        newest_first = [call["publicId"] for call in (await running.client.get("/v1/calls?limit=100")).json()]
        assert len(newest_first) == CALLS
        recording = await a_recording(running.process, newest_first[0])
        loop = asyncio.get_running_loop()

        def make_invoices() -> None:
            """Those of the period that is running, as if it had ended; called from another thread."""
            later = datetime.now(UTC) + timedelta(days=40)
            asyncio.run_coroutine_threadsafe(running.process.invoices.run(later), loop).result(10)

        url, password = running.process.bound.http, first.owner_password or ""
        yield Running(
            url,
            first.api_key,
            first.workspace_id,
            first.owner_email,
            password,
            newest_first,
            recording,
            make_invoices,
        )


async def a_recording(process: EngineProcess, public_id: str) -> str:
    """The id of a recording of a call, whose audio is AUDIO."""
    assert process.first_start is not None
    workspace = process.first_start.workspace_id
    call = await process.records.get(workspace, public_id)
    recording_id, path = process.recordings.new_file(workspace)
    path.parent.mkdir(parents=True)
    path.write_bytes(AUDIO)
    await process.recordings.add(
        recording_id,
        path,
        call_id=call.id,
        workspace_id=workspace,
        source="record",
        seconds=1.0,
        channels=1,
        size_bytes=len(AUDIO),
    )
    return recording_id


def methods(resource: type, name: str, instance: Any) -> Iterator[str]:
    """The names of all methods below a resource, as a caller writes them."""
    yield from (f"{name}.{each}" for each in vars(resource) if not each.startswith("_"))
    for inner, value in vars(instance).items():
        if not inner.startswith("_"):
            yield from methods(type(value), f"{name}.{inner}", value)


async def test_every_operation_once_each_with_the_workspace(engine: Running) -> None:
    await asyncio.to_thread(every_operation, engine)
    bare = VoyloClient("k", base_url=engine.url)
    resources = {name: value for name, value in vars(bare).items() if not name.startswith("_")}
    every = {each for name, value in resources.items() for each in methods(type(value), name, value)}
    assert len(every) > 80
    assert every - engine.used == set()
    assert len(engine.sent) > 80
    assert {request.headers.get("x-workspace-id") for request in engine.sent} >= {engine.workspace}
    assert all("x-workspace-id" in request.headers for request in engine.sent)


def every_operation(engine: Running) -> None:
    sdk = engine.client()
    applications(sdk)
    numbers(sdk)
    trunks_and_agents(sdk)
    widget(sdk, engine)
    webhooks(sdk)
    documents_keys_and_members(sdk, engine)
    workspaces(sdk, engine)
    calls(sdk, engine)
    billing(sdk, engine)


def applications(sdk: Any) -> None:
    made = sdk.applications.create(name="Menu", action_url_headers={"X-Flow": "a", "snake_case": "b"})
    assert made.signing_secret.startswith("whsec_")
    # Values of headers are not shown again; their names come back as they were given.
    assert set(made.action_url_headers) == {"X-Flow", "snake_case"}
    assert sdk.applications.get(made.id).name == "Menu"
    assert sdk.applications.update(made.id, name="Main").name == "Main"
    assert sdk.applications.replace(made.id, name="Put").name == "Put"
    assert sdk.applications.rotate_signing_secret(made.id).signing_secret != made.signing_secret
    assert [each.id for each in sdk.applications.list()] == [made.id]
    assert list(sdk.applications.list_deliveries(made.id)) == []
    with pytest.raises(voylo.NotFoundError):
        sdk.applications.get_delivery(made.id, UNKNOWN)
    with pytest.raises(voylo.NotFoundError):
        sdk.applications.resend_delivery(made.id, UNKNOWN)
    assert sdk.applications.delete(made.id) is None
    with pytest.raises(voylo.NotFoundError):
        sdk.applications.get(made.id)


def numbers(sdk: Any) -> None:
    sip = {"allowed_source_ips": ["203.0.113.10/32"], "outbound": {"host": "sip.carrier.example"}}
    made = sdk.numbers.import_(e164="+97142345678", label="Main line", sip=sip)
    assert made.sip.allowed_source_ips == ["203.0.113.10/32"]
    assert made.sip.outbound.host == "sip.carrier.example"
    with pytest.raises(voylo.ConflictError):
        sdk.numbers.create(e164="+97142345678")
    assert [each.id for each in sdk.numbers.list(search="main line")] == [made.id]
    assert sdk.numbers.get(made.id).e164 == "+97142345678"
    assert sdk.numbers.update(made.id, label="Desk").label == "Desk"
    assert sdk.numbers.update(made.id, label=None).label is None
    target = sdk.applications.create(name="Destination").id
    routed = sdk.numbers.set_destination(made.id, {"kind": "application", "id": target})
    assert (routed.destination.kind, routed.destination.id) == ("application", target)
    assert sdk.numbers.set_destination(made.id, None).destination is None
    assert not sdk.numbers.set_direction(made.id, inbound_enabled=True, outbound_enabled=False).outbound_enabled
    assert sdk.numbers.set_sip_credentials(made.id, username="carrier-a").password
    assert sdk.numbers.get_sip_credentials(made.id).username == "carrier-a"
    sdk.numbers.rotate_sip_credentials(made.id)
    sdk.numbers.delete_sip_credentials(made.id)
    sdk.numbers.delete(made.id)


def trunks_and_agents(sdk: Any) -> None:
    into, out = sdk.trunks.inbound, sdk.trunks.outbound
    trunk = into.create(name="In", destinations=[{"uri": "sip:a@127.0.0.1:5999"}], failover={"no_answer_ms": 9000})
    assert (trunk.destinations[0].uri, trunk.failover.no_answer_ms) == ("sip:a@127.0.0.1:5999", 9000)
    assert into.get(trunk.id).name == "In"
    assert into.update(trunk.id, name="Into").name == "Into"
    assert len(list(into.list())) == 1
    into.delete(trunk.id)
    made = out.create(name="Out")
    assert out.get(made.id).name == "Out"
    assert out.update(made.id, name="PBX").name == "PBX"
    assert len(list(out.list())) == 1
    assert out.rotate_credentials(made.id).password != made.sip.password
    out.delete(made.id)
    agent = sdk.agents.create(email="berta@customer.example")
    assert sdk.agents.get(agent.id).email == "berta@customer.example"
    assert sdk.agents.update(agent.id, label="Berta").label == "Berta"
    assert len(list(sdk.agents.list())) == 1
    assert sdk.agents.rotate_credentials(agent.id).password != agent.password
    sdk.agents.delete(agent.id)


def widget(sdk: Any, engine: Running) -> None:
    session = sdk.agent_widget.session(agent_email="carla@customer.example", display_name="Carla")
    assert (session.agent.username, session.agent.label) == ("carla", "Carla")
    assert session.widget_url == f"{engine.url}/embed?token={session.token}"
    line = engine.client(session.token).agent_widget.exchange()
    assert line.username.startswith("carla~")
    assert line.sip_uri.startswith("sip:carla@")
    assert (line.ws_uri, line.ice_servers, line.caller_numbers) == (None, [], [])
    with pytest.raises(voylo.UnauthorizedError):
        sdk.agent_widget.exchange()
    sdk.agents.delete(session.agent.id)


def webhooks(sdk: Any) -> None:
    made = sdk.webhooks.create(url="https://crm.example/voylo", events=["call.completed"])
    assert sdk.webhooks.get(made.id).url == made.url
    assert sdk.webhooks.update(made.id, description="CRM").description == "CRM"
    assert len(list(sdk.webhooks.list())) == 1
    assert "call.completed" in sdk.webhooks.list_events()
    assert sdk.webhooks.rotate_secret(made.id).secret != made.secret
    delivery = sdk.webhooks.test(made.id).delivery_id
    assert [each.id for each in sdk.webhooks.list_deliveries(made.id)] == [delivery]
    assert sdk.webhooks.get_delivery(made.id, delivery).id == delivery
    # Refused while its first attempt is still under way.
    with contextlib.suppress(voylo.ConflictError):
        sdk.webhooks.resend_delivery(made.id, delivery)
    sdk.webhooks.delete(made.id)


def documents_keys_and_members(sdk: Any, engine: Running) -> None:
    document = str(voylo.VoyloResponse().say("Hello").hangup())
    judged = sdk.voyloml.validate(xml=document)
    assert (judged.valid, judged.errors, judged.warnings) == (True, [], [])
    (fault,) = sdk.voyloml.validate(xml="<Response><Speak/></Response>").errors
    assert (fault.code, fault.line) == ("unknown_verb", 1)
    key = sdk.api_keys.create(name="ci", role="viewer")
    viewer = engine.client(key.key)
    with pytest.raises(voylo.ForbiddenError):
        viewer.applications.create(name="no")
    assert len(list(sdk.api_keys.list())) == 2
    sdk.api_keys.delete(key.id)
    with pytest.raises(voylo.UnauthorizedError):
        viewer.applications.list().first()
    invited = sdk.members.create_invitation(email="carla@customer.example", role="viewer")
    other = sdk.members.create_invitation(email="dora@customer.example", role="viewer")
    assert len(list(sdk.members.list_invitations())) == 2
    sdk.members.delete_invitation(other.id)
    carla = engine.client(voylo.SESSION)
    carla.auth.accept_invitation(token=invited.token, name="Carla", password="a-good-password")
    assert carla.auth.me().user.email == "carla@customer.example"
    (member,) = [each for each in sdk.members.list() if each.email == "carla@customer.example"]
    assert sdk.members.update(member.id, role="developer").role == "developer"
    sdk.members.delete(member.id)
    assert sdk.monitor.get().calls.active >= 0
    assert isinstance(sdk.monitor.list_events().first().data, list)
    assert sdk.meta.openapi()["openapi"].startswith("3.1")


def workspaces(sdk: Any, engine: Running) -> None:
    assert [each.id for each in sdk.workspaces.list()] == [engine.workspace]
    with pytest.raises(voylo.ForbiddenError):
        sdk.workspaces.create(name="Second")
    owner = engine.client(voylo.SESSION)
    owner.auth.login(email=engine.owner, password=engine.password)
    made = owner.workspaces.create(name="Second")
    assert len(owner.workspaces.list()) == 2
    owner.auth.logout()
    with pytest.raises(voylo.UnauthorizedError):
        owner.auth.me()
    second = engine.client(voylo.SESSION, made.id)
    second.auth.login(email=engine.owner, password=engine.password)
    assert second.workspaces.update(made.id, name="Other").name == "Other"
    second.workspaces.delete(made.id)


def calls(sdk: Any, engine: Running) -> None:
    def ids(found: Any) -> list[str]:
        return [each.public_id for each in found]

    assert ids(sdk.calls.list(limit=10)) == engine.calls
    assert ids(sdk.calls.list()) == engine.calls
    assert ids(sdk.calls.list(page=1, limit=10)) == engine.calls
    assert ids(sdk.calls.list(before=engine.calls[4], limit=3)) == engine.calls[5:]
    assert ids(sdk.calls.list(pending=True)) == engine.calls
    assert ids(sdk.calls.list(pending=False)) == []
    assert ids(sdk.calls.list(limit=3).first().data) == engine.calls[:3]
    with pytest.raises(voylo.BadRequestError):
        list(sdk.calls.list(before="cl_000000000000"))
    running = sdk.calls.get(engine.calls[0])
    assert isinstance(running, voylo.models.PendingCall)
    assert isinstance(sdk.calls.list_events(engine.calls[0]), list)
    (recording,) = sdk.calls.list_recordings(engine.calls[0])
    assert (recording.id, recording.duration_s) == (engine.recording, 1)
    assert sdk.recordings.get(recording.id).size_bytes == len(AUDIO)
    assert sdk.recordings.get_audio(recording.id) == AUDIO
    assert httpx.get(recording.url).content == AUDIO
    sdk.recordings.delete(recording.id)
    with pytest.raises(voylo.NotFoundError):
        sdk.recordings.get_audio(recording.id)
    application = sdk.applications.create(name="Out", xml_template="<Response/>").id
    # Without a carrier: it is taken, and fails without a try.
    sdk.numbers.import_(e164="+12015550188")
    call = {"from_": "+12015550188", "to": "+12015550199", "application_id": application}
    once: Any = {"idempotency_key": "once"}
    placed = sdk.calls.create(**call, variables={"order_id": "7"}, options=once)
    assert placed.status == "dialing"
    assert sdk.calls.create(**call, variables={"order_id": "7"}, options=once) == placed
    with pytest.raises(voylo.ConflictError):
        sdk.calls.create(**call, timeout=10, options=once)
    record = sdk.calls.get(placed.public_id)
    while isinstance(record, voylo.models.PendingCall):
        record = sdk.calls.get(placed.public_id)
    assert isinstance(record, voylo.models.CallRecord)
    assert (record.hangup_cause, record.from_, record.variables) == ("unreachable", "+12015550188", {"order_id": "7"})
    with pytest.raises(voylo.ConflictError):
        sdk.calls.hangup(placed.public_id)
    with pytest.raises(voylo.ConflictError):
        sdk.calls.redirect(placed.public_id, xml="<Response/>")
    with pytest.raises(voylo.ConflictError):
        sdk.calls.pause_recording(placed.public_id, behavior="skip")
    with pytest.raises(voylo.ConflictError):
        sdk.calls.resume_recording(placed.public_id)


def adjust(engine: Running, account_id: str, amount: str) -> None:
    """Puts money into the wallet, as the operator does."""
    operators(engine, f"accounts/{account_id}/wallet/adjust", {"amount": amount, "note": "Paid"})


def operators(engine: Running, path: str, body: Any) -> Any:
    answer = httpx.post(f"{engine.url}/v1/admin/{path}", json=body, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def billing(sdk: Any, engine: Running) -> None:
    account = sdk.billing.get()
    assert account.plan is None
    assert sdk.billing.get_wallet().balance == "0.0000"
    assert sdk.billing.create_wallet_topup(amount="5.0000").status == "pending"
    assert list(sdk.billing.list_wallet_transactions()) == []
    assert isinstance(sdk.billing.get_usage(group_by="day").rows, list)
    small, large = sdk.plans.list()
    assert (small.code, large.monthly_price) == ("small", "99.0000")
    assert sdk.plans.get(small.id) == small
    assert sdk.billing.set_wallet(low_balance_threshold="7.5000").low_balance_threshold == "7.5000"
    with pytest.raises(voylo.BadRequestError):
        sdk.billing.change_plan(plan_id=UNKNOWN)
    with pytest.raises(voylo.PaymentRequiredError) as raised:
        sdk.billing.change_plan(plan_id=large.id)
    assert (raised.value.status, raised.value.body["error"]) == (402, "Payment Required")
    adjust(engine, account.account_id, "100")
    sdk.billing.change_plan(plan_id=large.id)
    assert sdk.billing.get().plan.code == "large"
    assert sdk.billing.get_wallet().balance == "1.0000"
    # The dearest first: another one begins with the next period.
    assert sdk.billing.change_plan(plan_id=small.id) is not None
    assert [each.amount for each in sdk.billing.list_wallet_transactions()] == ["-99.0000", "100.0000"]
    engine.make_invoices()
    (invoice,) = sdk.billing.list_invoices()
    assert sdk.billing.get_invoice(invoice.id).id == invoice.id
    assert sdk.billing.get_invoice_pdf(invoice.id).startswith(b"%PDF-")
    rentals(sdk, engine, account.account_id)


def rentals(sdk: Any, engine: Running, account_id: str) -> None:
    (country,) = sdk.rentals.list_countries()
    assert (country.country, country.kyc.documents[0].name) == ("AE", "passport")
    with pytest.raises(voylo.PaymentRequiredError) as raised:
        sdk.rentals.create(country="AE", channels=2)
    rental = sdk.rentals.get(raised.value.body["rentalId"])
    assert (rental.status, rental.monthly_price) == ("pending_payment", "30.0000")
    with pytest.raises(voylo.PaymentRequiredError):
        sdk.rentals.pay(rental.id)
    adjust(engine, account_id, "80")
    assert sdk.rentals.pay(rental.id).status == "draft"
    passport = {
        "name": "passport",
        "filename": "passport.pdf",
        "content_type": "application/pdf",
        "data_base64": base64.b64encode(b"%PDF-1.4\n").decode(),
    }
    given = sdk.rentals.set_kyc(rental.id, fields={"companyName": "Example Ltd"}, documents=[passport])
    assert (given.status, given.kyc.missing, given.kyc.documents[0].size_bytes) == ("in_review", [], 9)
    operators(engine, f"rentals/{rental.id}/approve", {"e164": "+97142345679"})
    live = sdk.rentals.get(rental.id)
    assert (live.status, live.e164) == ("active", "+97142345679")
    assert sdk.numbers.get(live.number_id).kind == "rental"
    assert sdk.rentals.update(rental.id, channels=3).channels == 3
    assert [each.id for each in sdk.rentals.list()] == [rental.id]
    sdk.rentals.delete(rental.id)
    assert sdk.rentals.resume(rental.id).status == "active"
    assert sdk.rentals.create(country="AE", channels=1).status == "draft"


async def test_many_items_over_several_pages_each_once(engine: Running) -> None:
    names = {f"page {index}" for index in range(ITEMS)}
    async with AsyncVoyloClient(engine.key, engine.workspace, engine.url) as sdk:
        for name in sorted(names):
            await sdk.applications.create(name=name)
        seen = [each.name async for each in sdk.applications.list(search="page ", limit=100)]
        assert (len(seen), set(seen)) == (ITEMS, names)
        sizes = [len(page.data) async for page in sdk.applications.list(search="page ", limit=100).pages()]
        assert sizes == [100, 100, 50]
        third = await sdk.applications.list(search="page ", page=3, limit=100).first()
        assert (len(third.data), third.pagination) == (50, voylo.Pagination(3, 100, ITEMS, 3))
        assert [each.public_id async for each in sdk.calls.list(limit=10)] == engine.calls
        assert [each async for each in sdk.applications.list(search="nothing")] == []

    def seen_without_async() -> list[str]:
        return [each.name for each in engine.client().applications.list(search="page ")]

    assert sorted(await asyncio.to_thread(seen_without_async)) == sorted(names)


async def test_errors_of_the_engine_come_as_their_classes(engine: Running) -> None:
    await asyncio.to_thread(errors, engine)


def errors(engine: Running) -> None:
    sdk = engine.client()
    with pytest.raises(voylo.BadRequestError) as raised:
        sdk.applications.create(name="", recording="sometimes")
    assert {each.field for each in raised.value.fields} == {"name", "recording"} == set(raised.value.details)
    with pytest.raises(voylo.UnauthorizedError):
        engine.client("vlx_live_unknown").billing.get()
    with pytest.raises(voylo.ForbiddenError):
        engine.client(workspace_id="ws_ffffffffffff").billing.get()
    with pytest.raises(voylo.NotFoundError) as missing:
        sdk.calls.get("cl_000000000000")
    assert missing.value.request_id
    with pytest.raises(voylo.PayloadTooLargeError):
        sdk.applications.create(name="a" * 1_100_000)

    def as_text(request: httpx.Request) -> None:
        request.headers["content-type"] = "text/plain"

    with (
        httpx.Client(event_hooks={"request": [as_text]}) as untyped,
        pytest.raises(voylo.UnsupportedMediaTypeError),
    ):
        engine.client(http_client=untyped).applications.create(name="a")

    def as_put(request: httpx.Request) -> None:
        request.method = "PUT"

    with httpx.Client(event_hooks={"request": [as_put]}) as putting, pytest.raises(voylo.MethodNotAllowedError):
        engine.client(http_client=putting).billing.get()


async def test_too_many_requests_come_as_their_class_and_are_waited_for(tmp_path: Path) -> None:
    async with running_engine(tmp_path, limits={"requests_per_minute": 60, "request_burst": 2}) as running:
        first = running.process.first_start
        assert first is not None
        async with AsyncVoyloClient(first.api_key, base_url=running.process.bound.http) as sdk:
            with pytest.raises(voylo.TooManyRequestsError) as raised:
                for _ in range(10):
                    await sdk.billing.get(options={"max_retries": 0})
            assert raised.value.retry_after == 1
            assert (await sdk.billing.get()).plan is None


async def test_a_database_that_does_not_answer_is_a_server_error_and_waited_for_where_that_is_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(tmp_path, monkeypatch)
    async with running_engine(tmp_path) as running:
        first = running.process.first_start
        assert first is not None
        statuses: list[int] = []

        async def note(response: httpx.Response) -> None:
            statuses.append(response.status_code)
            if len(statuses) == 2:
                lock.release()

        # PATCH is sent once, PUT again.
        http = httpx.AsyncClient(event_hooks={"response": [note]})
        async with http, AsyncVoyloClient(first.api_key, base_url=running.process.bound.http, http_client=http) as sdk:
            application = await running.application(name="before")
            await asyncio.to_thread(lock.take)
            with pytest.raises(voylo.ServerError) as raised:
                await sdk.applications.update(application["id"], name="never")
            assert (raised.value.status, raised.value.retry_after) == (503, 1)
            assert raised.value.body["error"] == "Service Unavailable"
            assert (await sdk.applications.replace(application["id"], name="after")).name == "after"
            await asyncio.to_thread(lock.damage)
            # Reading is tried again, which does not mend it.
            with pytest.raises(voylo.ServerError) as raised:
                await sdk.applications.get(application["id"], options={"max_retries": 1})
            assert (raised.value.status, raised.value.body) == (
                500,
                {"statusCode": 500, "error": "Internal Server Error", "message": "Something went wrong on our side"},
            )
            assert raised.value.request_id
            await asyncio.to_thread(lock.mend)
        assert statuses == [503, 503, 200, 500, 500]
        assert [each["name"] for each in (await running.client.get("/v1/applications")).json()["data"]] == ["after"]


async def test_lost_answers_are_asked_for_again_and_nothing_is_done_twice(engine: Running) -> None:
    await asyncio.to_thread(lost_answers, engine)


def lost_answers(engine: Running) -> None:
    sdk = engine.client()
    made = sdk.applications.create(name="lost", xml_template="<Response/>")
    with serving(Losing(engine.url, 2)) as proxy, VoyloClient(engine.key, engine.workspace, proxy.url) as lossy:
        assert lossy.applications.get(made.id).name == "lost"
        assert len(proxy.seen) == 3
    with serving(Losing(engine.url, 1)) as proxy, VoyloClient(engine.key, engine.workspace, proxy.url) as lossy:
        assert lossy.applications.create(name="only once").name == "only once"
        assert len(proxy.seen) == 2
    assert len(list(sdk.applications.list(search="only once"))) == 1
    with serving(Losing(engine.url, 1)) as proxy, VoyloClient(engine.key, engine.workspace, proxy.url) as lossy:
        with pytest.raises(voylo.VoyloNetworkError):
            lossy.applications.rotate_signing_secret(made.id)
        assert len(proxy.seen) == 1
    sdk.numbers.import_(e164="+12015550188")
    with serving(Losing(engine.url, 2)) as proxy, VoyloClient(engine.key, engine.workspace, proxy.url) as lossy:
        placed = lossy.calls.create(from_="+12015550188", to="+12015550199", application_id=made.id)
        assert len(proxy.seen) == 3
    assert [each.public_id for each in sdk.calls.list(to="+12015550199")] == [placed.public_id]
    spare = sdk.applications.create(name="spare")
    with serving(Losing(engine.url, 1)) as proxy, VoyloClient(engine.key, engine.workspace, proxy.url) as lossy:
        assert lossy.applications.delete(spare.id) is None
        assert len(proxy.seen) == 2
