"""Strict isolation (contract §2, §5): for every path with an id, another workspace gets 404 and nothing changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api.app import OPERATIONS
from api.operation import Operation
from engine.model import CallOutcome
from engine.store.tables import metadata
from tests.api.client import Api, error
from tests.api.test_recordings import a_recording
from tests.engine.billing.book import BOOK
from tests.engine.opened import a_call, opened

# Plans are the server's, the same for everybody; the operator belongs to no workspace.
WITH_ID = [
    operation
    for operation in OPERATIONS
    if operation.path_parameters and operation.access != "operator" and operation.path != "/v1/plans/{id}"
]

NAMES = {
    "/v1/applications": "Application",
    "/v1/numbers": "Number",
    "/v1/agents": "Agent",
    "/v1/trunks/inbound": "Inbound trunk",
    "/v1/trunks/outbound": "Outbound trunk",
    "/v1/calls": "Call",
    "/v1/recordings": "Recording",
    "/v1/members/invitations": "Invitation",
    "/v1/members": "Member",
    "/v1/api-keys": "API key",
    "/v1/workspaces": "Workspace",
    "/v1/webhooks": "Webhook",
    "/v1/rentals": "Rental",
    "/v1/billing/invoices": "Invoice",
}

OF_ACCOUNTS = {"/v1/rentals", "/v1/billing/invoices"}
"""What all workspaces of an account have together: foreign to those of another account."""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An engine that charges, for there to be an invoice."""
    async with opened(tmp_path, charging=True) as engine:
        yield Api(engine)


async def everything(api: Api, *, rented: bool) -> dict[str, dict[str, str]]:
    """One of each resource, with `rented` those of the account too; the values of path parameters by the path of the
    collection."""
    application = await api.application(finishedUrl="https://flows.example/finished")
    number = await api.number(destination={"kind": "application", "id": application["id"]})
    call = a_call(api.engine.workspace_id, application_id=application["id"])
    await api.engine.records.create(call)
    await api.engine.records.finish(call.id, CallOutcome("failed", "caller", "canceled", call.created_at))
    webhook = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})).body
    tested = (await api.post(f"/v1/webhooks/{webhook['id']}/test")).body
    finished = (await api.get(f"/v1/applications/{application['id']}/deliveries")).body["data"]
    invited = await api.post("/v1/members/invitations", {"email": "new@customer.example", "role": "viewer"})
    key = await api.post("/v1/api-keys", {"name": "ci"})
    rental, invoice = await a_rental_and_an_invoice(api) if rented else ("", "")
    members = await api.get("/v1/members")
    return {
        "/v1/applications": {"id": application["id"], "deliveryId": finished[0]["id"]},
        "/v1/webhooks": {"id": webhook["id"], "deliveryId": tested["deliveryId"]},
        "/v1/numbers": {"id": number["id"]},
        "/v1/agents": {"id": (await api.agent())["id"]},
        "/v1/trunks/inbound": {"id": (await api.inbound_trunk())["id"]},
        "/v1/trunks/outbound": {"id": (await api.trunk())["id"]},
        "/v1/calls": {"publicId": call.public_id},
        "/v1/recordings": {"id": (await a_recording(api, call.id)).id},
        "/v1/members/invitations": {"id": invited.body["id"]},
        "/v1/members": {"id": members.body["data"][0]["id"]},
        "/v1/api-keys": {"id": key.body["id"]},
        "/v1/workspaces": {"id": api.engine.workspace_id},
        "/v1/rentals": {"id": rental},
        "/v1/billing/invoices": {"id": invoice},
    }


async def a_rental_and_an_invoice(api: Api) -> tuple[str, str]:
    """The ids of a rental, and of the invoice that its first month is on."""
    await api.engine.billing.import_prices(BOOK)
    account_id = (await api.get("/v1/workspaces")).body[0]["accountId"]
    await api.engine.billing.adjust(account_id, 1_000_000, "paid")
    rented = await api.post("/v1/rentals", {"country": "AE", "channels": 2})
    assert rented.status == 201, rented.body
    await api.engine.invoices.run(api.engine.clock())
    api.engine.clock.advance(days=40)
    await api.engine.invoices.run(api.engine.clock())
    invoices = (await api.get("/v1/billing/invoices")).body["data"]
    return rented.body["id"], invoices[0]["id"]


async def state(api: Api) -> dict[str, Any]:
    """Every row of every table, and every file beside the database."""

    async def read(connection: AsyncConnection) -> dict[str, Any]:
        rows = {}
        for table in metadata.sorted_tables:
            found = await connection.execute(select(table))
            rows[table.name] = sorted(repr(row) for row in found)
        return rows

    folder = api.engine.path
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("voylo.db")
    }
    return await api.engine.store.read(read) | {"files": files}


def collection_of(operation: Operation) -> str:
    return operation.path.partition("/{")[0]


@pytest.mark.parametrize("collection", sorted({collection_of(operation) for operation in WITH_ID}))
async def test_what_another_workspace_owns_is_not_found_and_stays_as_it_is(api: Api, collection: str) -> None:
    ids = await everything(api, rented=collection in OF_ACCOUNTS)
    _, other_key = await api.engine.other_workspace()
    of_others = await of_another_account(api) if collection in OF_ACCOUNTS | {"/v1/workspaces"} else {}
    # Notes when the caller's own key was used
    assert (await api.get("/v1/calls", **(of_others or {"key": other_key}))).status == 200
    before = await state(api)
    for operation in (each for each in WITH_ID if collection_of(each) == collection):
        path = operation.path.format(**ids[collection])
        body = await a_valid_body(api, operation)
        options: dict[str, Any] = {"key": other_key}
        if operation.access == "account" or collection in OF_ACCOUNTS:
            options = of_others
        answer = await api.call(operation.method, path, body, **options)
        assert tuple(answer) == (404, error(404, "Not Found", f"{NAMES[collection]} not found")), operation.name
        assert await state(api) == before, operation.name


async def test_the_state_shows_what_no_list_does(api: Api) -> None:
    application = await api.application()
    before = await state(api)
    await api.get("/v1/applications")
    assert await state(api) == before
    await api.post(f"/v1/applications/{application['id']}/signing-secret/rotate")
    assert await state(api) != before


async def a_valid_body(api: Api, operation: Operation) -> Any:
    if operation.body is None:
        return ...
    if operation.body_may_be_null:
        return None
    schemas = (await api.get("/openapi.json", key=None)).body["components"]["schemas"]
    return schemas[operation.body.__name__]["examples"][0]


async def of_another_account(api: Api) -> dict[str, Any]:
    """A signed-in owner of another account."""
    other, _ = await api.engine.other_workspace()
    await api.engine.store.write(
        lambda connection: connection.execute(
            text("INSERT INTO accounts (id, name, created_at) VALUES ('acc_other', 'Other', 0)")
        )
    )
    await api.engine.store.write(
        lambda connection: connection.execute(
            text("UPDATE workspaces SET account_id = 'acc_other' WHERE id = :id"), {"id": other}
        )
    )
    await api.engine.accounts.create_user("other@customer.example", other, "owner", password="a-good-password")
    return await api.session("other@customer.example", "a-good-password", workspace=other)
