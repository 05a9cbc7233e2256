"""What the rows of the table are about: one of each thing, in the states in which requests are refused."""

from __future__ import annotations

from typing import Any

from api.app import OPERATIONS
from engine.model import CallOutcome
from engine.sessions import ATTEMPTS
from tests.api.client import ADMIN_TOKEN, Api
from tests.api.error_rows.bodies import KEY, right_body
from tests.api.test_recordings import a_recording
from tests.api.test_rentals import KYC, MONTH, NUMBER, pay_in, review
from tests.api.test_roles import ROLES
from tests.engine.billing.book import BOOK
from tests.engine.opened import a_call

TAKEN = "+97142000001"


async def built(api: Api) -> dict[str, str]:
    """The ids of everything, by name, and the credentials of every caller."""
    made: dict[str, str] = {}
    for build in (_resources, _calls, _deliveries, _rentals, _invited):
        made |= await build(api)
    await _use_keys(api, made)
    await _empty_wallet(api)
    unpaid = await api.post("/v1/rentals", {"country": "AE", "channels": 2})
    assert unpaid.status == 402, unpaid.body
    return made | {"unpaid": unpaid.body["rentalId"]} | await _callers(api)


async def _callers(api: Api) -> dict[str, str]:
    callers: dict[str, str] = {role: await api.key_of(role) for role in ROLES}
    session = await api.session()
    begun = (await api.post("/v1/agent-widget/session", {"agentEmail": "widget@customer.example"})).body
    return callers | {"session": session["headers"]["Cookie"], "operator": ADMIN_TOKEN, "widget": begun["token"]}


async def _use_keys(api: Api, made: dict[str, str]) -> None:
    """Every operation that takes an Idempotency-Key has been called with it once, rightly."""
    session = await api.session()
    await pay_in(api, MONTH)
    for operation in OPERATIONS:
        if not operation.keyed or operation.name == "createCall":
            continue
        options = session if operation.access == "account" else {}
        path = operation.path.format(id=made["webhook"])
        headers = {"Idempotency-Key": KEY} | options.get("headers", {})
        answer = await api.call(operation.method, path, right_body(operation), **options | {"headers": headers})
        assert answer.status == operation.status, (operation.name, answer.body)


async def _empty_wallet(api: Api) -> None:
    billing = api.engine.billing
    left = (await billing.wallet(api.engine.workspace_id)).wallet.balance
    await billing.adjust((await api.get("/v1/billing")).body["accountId"], -left, "spent")


async def _resources(api: Api) -> dict[str, str]:
    pointed_at, carrying, trunk = [await api.inbound_trunk(name) for name in ("Pointed at", "Carrying", "Free")]
    number = await api.number(TAKEN, destination={"kind": "trunk", "id": pointed_at["id"]})
    carried = await api.application("Carried", inboundTrunkId=carrying["id"])
    bare = await api.number("+97142000002")
    agent = await api.agent("first@customer.example", username="first")
    await api.agent("second@customer.example", username="second")
    (workspace,) = (await api.get("/v1/workspaces")).body
    members = (await api.get("/v1/members")).body["data"]
    key = await api.post("/v1/api-keys", {"name": "ci"})
    return {
        "application": (await api.application())["id"],
        "carried": carried["id"],
        "carrying": carrying["id"],
        "pointed_at": pointed_at["id"],
        "trunk": trunk["id"],
        "number": number["id"],
        "bare": bare["id"],
        "outbound": (await api.trunk())["id"],
        "agent": agent["id"],
        "workspace": workspace["id"],
        "account": workspace["accountId"],
        "member": members[0]["id"],
        "key": key.body["id"],
    }


async def _invited(api: Api) -> dict[str, str]:
    """The tokens of two invitations of users with other passwords; one of them has tried too often to sign in."""
    other, _ = await api.engine.other_workspace()
    tokens: dict[str, str] = {}
    for name in ("known", "throttled"):
        email = f"{name}@customer.example"
        await api.engine.accounts.create_user(email, other, "viewer", password="a-good-password")
        invited = await api.post("/v1/members/invitations", {"email": email, "role": "viewer"})
        tokens[name] = invited.body["token"]
    for _ in range(ATTEMPTS):
        assert (await api.sign_in("throttled@customer.example", "a-wrong-password")).status == 401
    return tokens


async def _calls(api: Api) -> dict[str, str]:
    call = a_call(api.engine.workspace_id)
    await api.engine.records.create(call)
    await api.engine.records.answered(call.id, call.created_at)
    await api.engine.records.finish(call.id, CallOutcome("answered", "caller", "normal", call.created_at))
    return {"call": call.public_id, "recording": (await a_recording(api, call.id)).id}


async def _deliveries(api: Api) -> dict[str, str]:
    webhook = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})).body["id"]
    disabled = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})).body["id"]
    tested = (await api.post(f"/v1/webhooks/{disabled}/test")).body["deliveryId"]
    await api.patch(f"/v1/webhooks/{disabled}", {"enabled": False})
    path = f"/v1/applications/{(await api.application('F', finishedUrl='https://flows.example'))['id']}"
    call = a_call(api.engine.workspace_id, application_id=path.rpartition("/")[2])
    await api.engine.records.create(call)
    await api.engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", call.created_at))
    finished = (await api.get(f"{path}/deliveries")).body["data"][0]["id"]
    await api.patch(path, {"finishedUrl": None})
    return {
        "webhook": webhook,
        "disabled": disabled,
        "tested": tested,
        "silent": path.rpartition("/")[2],
        "finished": finished,
    }


async def _rentals(api: Api) -> dict[str, str]:
    """A rental in every status that refuses something, and an invoice."""
    await api.engine.billing.import_prices(BOOK)

    async def rented(**members: Any) -> str:
        await pay_in(api, MONTH)
        answer = await api.post("/v1/rentals", {"country": "AE", "channels": 2} | members)
        assert answer.status == 201, answer.body
        return str(answer.body["id"])

    draft, reviewed, rejected, live = [await rented(), *[await rented(kyc=KYC) for _ in range(3)]]
    document = (await api.get(f"/v1/rentals/{reviewed}")).body["kyc"]["documents"][0]["id"]
    await review(api, rejected, "reject", note="No such company")
    assert (await review(api, live, "approve", e164=NUMBER)).status == 200
    number = (await api.get(f"/v1/rentals/{live}")).body["numberId"]
    await api.engine.invoices.run(api.engine.clock())
    api.engine.clock.advance(days=40)
    await api.engine.invoices.run(api.engine.clock())
    (invoice,) = (await api.get("/v1/billing/invoices")).body["data"]
    octets = len((await api.get(f"/v1/billing/invoices/{invoice['id']}/pdf")).content)
    plans = {plan["code"]: plan["id"] for plan in (await api.get("/v1/plans")).body}
    return plans | {
        "draft": draft,
        "reviewed": reviewed,
        "document": document,
        "rejected": rejected,
        "live": live,
        "rented": number,
        "invoice": invoice["id"],
        "invoice_size": f"The file has {octets} octets",
    }
