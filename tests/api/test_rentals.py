"""`/v1/rentals` and the operator's review over HTTP (contract §15.2)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.client import ADMIN_TOKEN, Api, error, invalid
from tests.api.test_event_schemas import problems
from tests.engine.billing.book import BOOK
from tests.engine.opened import opened

PDF = b"%PDF-1.4\n%of a passport\n"
NUMBER = "+97142345678"
# one number with two channels: 6.0000 + 2 · 12.0000
MONTH = 300_000
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An engine that charges, with a price book and an empty wallet."""
    async with opened(tmp_path, charging=True) as engine:
        await engine.billing.import_prices(BOOK)
        yield Api(engine)


DRAFT: dict[str, Any] = {
    "country": "AE",
    "areaCode": "4",
    "channels": 2,
    "status": "draft",
    "monthlyPrice": "30.0000",
    "currency": "USD",
    "kyc": {"fields": {}, "documents": [], "missing": ["companyName", "passport"]},
    "note": None,
    "numberId": None,
    "e164": None,
    "periodStart": None,
    "periodEnd": None,
    "releasedAt": None,
    "createdAt": "2026-06-23T10:31:00.000Z",
    "updatedAt": "2026-06-23T10:31:00.000Z",
}


def passport(data: bytes = PDF, **members: Any) -> dict[str, Any]:
    document = {
        "name": "passport",
        "filename": "passport.pdf",
        "contentType": "application/pdf",
        "dataBase64": base64.b64encode(data).decode(),
    }
    return document | members


KYC: dict[str, Any] = {"fields": {"companyName": "Example Ltd"}, "documents": [passport()]}


async def pay_in(api: Api, amount: int) -> None:
    account_id = (await api.get("/v1/billing")).body["accountId"]
    await api.engine.billing.adjust(account_id, amount, "paid")


async def balance(api: Api) -> str:
    shown: str = (await api.get("/v1/billing/wallet")).body["balance"]
    return shown


async def order(api: Api, **members: Any) -> Any:
    return await api.post("/v1/rentals", {"country": "AE", "channels": 2} | members)


async def review(api: Api, rental_id: str, act: str, **body: Any) -> Any:
    return await api.post(f"/v1/admin/rentals/{rental_id}/{act}", body, key=ADMIN_TOKEN)


async def live(api: Api) -> Any:
    """A rental that was approved."""
    await pay_in(api, MONTH)
    rental_id = (await order(api, kyc=KYC)).body["id"]
    answer = await review(api, rental_id, "approve", e164=NUMBER)
    assert answer.status == 200, answer.body
    return (await api.get(f"/v1/rentals/{rental_id}")).body


async def test_countries_show_prices_and_what_they_want_to_know(api: Api) -> None:
    (country,) = (await api.get("/v1/rentals/countries")).body
    assert country == {
        "country": "AE",
        "name": "United Arab Emirates",
        "didPrice": "6.0000",
        "channelPrice": "12.0000",
        "localRate": "0.0450",
        "internationalRate": "0.1900",
        "currency": "USD",
        "kyc": {
            "fields": [
                {"name": "companyName", "label": "Company", "required": True},
                {"name": "website", "label": "Website", "required": False},
            ],
            "documents": [
                {"name": "passport", "label": "Passport", "required": True},
                {"name": "lease", "label": "Lease", "required": False},
            ],
        },
    }


async def test_a_rental_goes_from_payment_over_the_review_to_a_live_number(api: Api) -> None:
    await pay_in(api, MONTH)
    answer = await order(api, areaCode="4")
    rental = answer.body
    path = f"/v1/rentals/{rental['id']}"
    assert tuple(answer) == (201, DRAFT | {"id": rental["id"]})
    assert tuple(await api.get(path)) == (200, rental)
    reviewed = rental | {
        "accountId": (await api.get("/v1/billing")).body["accountId"],
        "workspaceId": api.engine.workspace_id,
    }
    listed = await api.get("/v1/admin/rentals?status=draft", key=ADMIN_TOKEN)
    assert listed.body == {
        "data": [reviewed],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }
    assert await balance(api) == "0.0000"
    # only the fields: still a draft
    half = await api.put(f"{path}/kyc", {"fields": KYC["fields"]})
    assert (half.status, half.body["status"], half.body["kyc"]["missing"]) == (200, "draft", ["passport"])
    whole = await api.put(f"{path}/kyc", KYC)
    assert (whole.body["status"], whole.body["kyc"]["missing"]) == ("in_review", [])
    assert [shown["sizeBytes"] for shown in whole.body["kyc"]["documents"]] == [len(PDF)]
    assert (await api.put(f"{path}/kyc", KYC)).status == 409

    asked = await review(api, rental["id"], "request-changes", note="The passport has expired")
    assert (asked.status, asked.body["status"], asked.body["note"]) == (
        200,
        "changes_requested",
        "The passport has expired",
    )
    again = await api.put(f"{path}/kyc", {"fields": KYC["fields"], "documents": [passport(PDF + b"new")]})
    assert (again.body["status"], again.body["note"]) == ("in_review", None)
    assert [shown["sizeBytes"] for shown in again.body["kyc"]["documents"]] == [len(PDF) + 3]

    approved = await review(api, rental["id"], "approve", e164="+971 4 234 5678")
    assert (approved.status, approved.body["status"], approved.body["e164"]) == (200, "active", NUMBER)
    shown = (await api.get(path)).body
    assert (shown["periodStart"], shown["periodEnd"]) == ("2026-06-23T10:31:00.000Z", "2026-07-23T10:31:00.000Z")
    number = (await api.get(f"/v1/numbers/{shown['numberId']}")).body
    assert (number["e164"], number["kind"], number["status"], number["channels"], number["sip"]) == (
        NUMBER,
        "rental",
        "active",
        2,
        None,
    )
    assert number["rentalId"] == rental["id"]
    assert api.engine.directory.lookup(NUMBER) is not None
    assert (await api.get("/v1/billing")).body["rentals"] == {"count": 1, "monthlyTotal": "30.0000"}
    events = (await api.get("/v1/monitor/events")).body["data"]
    assert [event["type"] for event in reversed(events)] == [
        "rental.kyc.updated",
        "rental.kyc.updated",
        "rental.kyc.updated",
        "number.activated",
        "rental.kyc.updated",
    ]
    query = text("SELECT type, payload FROM call_events")
    stored = await api.engine.store.read(lambda connection: connection.execute(query))
    assert [problem for row in stored for problem in problems(row.type, json.loads(row.payload))] == []
    # the month was paid once
    transactions = (await api.get("/v1/billing/wallet/transactions")).body["data"]
    assert [(one["type"], one["amount"], one["rentalId"]) for one in transactions if one["type"] == "rental"] == [
        ("rental", "-30.0000", rental["id"])
    ]


async def test_too_little_money_keeps_the_rental_until_it_is_paid(api: Api) -> None:
    await pay_in(api, MONTH - 1)
    answer = await order(api, kyc=KYC)
    rental_id = answer.body["rentalId"]
    assert tuple(answer) == (
        402,
        error(402, "Payment Required", "The wallet does not cover the first month of 30.0000")
        | {"rentalId": rental_id},
    )
    assert await balance(api) == "29.9999"
    path = f"/v1/rentals/{rental_id}"
    assert (await api.get(path)).body["status"] == "pending_payment"
    assert (await api.post(f"{path}/pay")).status == 402
    await pay_in(api, 1)
    paid = await api.post(f"{path}/pay")
    # complete already, so it goes to review at once
    assert (paid.status, paid.body["status"]) == (200, "in_review")
    assert await balance(api) == "0.0000"
    assert (await api.post(f"{path}/pay")).status == 409


async def test_a_rejected_rental_is_refunded_once(api: Api) -> None:
    await pay_in(api, MONTH)
    rental_id = (await order(api, kyc=KYC)).body["id"]
    rejected = await review(api, rental_id, "reject", note="No such company")
    assert (rejected.body["status"], rejected.body["note"]) == ("rejected", "No such company")
    assert await balance(api) == "30.0000"
    assert (await review(api, rental_id, "reject", note="Again")).status == 409
    assert (await api.delete(f"/v1/rentals/{rental_id}")).status == 409
    assert await balance(api) == "30.0000"


async def test_a_number_that_exists_cannot_be_given_to_a_rental(api: Api) -> None:
    await pay_in(api, MONTH)
    await api.number(NUMBER)
    rental_id = (await order(api, kyc=KYC)).body["id"]
    answer = await review(api, rental_id, "approve", e164=NUMBER)
    assert tuple(answer) == (409, error(409, "Conflict", f"The number {NUMBER} already exists on this server"))
    assert (await api.get(f"/v1/rentals/{rental_id}")).body["status"] == "in_review"


async def test_channels_are_paid_and_refunded_by_days(api: Api) -> None:
    rental = await live(api)
    path = f"/v1/rentals/{rental['id']}"
    # 20 days later 10 of the 30 days are left: one channel more costs 12.0000 · 10 / 30 = 4.0000
    api.engine.clock.advance(days=20)
    assert (await api.patch(path, {"channels": 3})).status == 402
    await pay_in(api, 40_000)
    more = await api.patch(path, {"channels": 3})
    assert (more.status, more.body["channels"], more.body["monthlyPrice"]) == (200, 3, "42.0000")
    assert await balance(api) == "0.0000"
    assert (await api.get(f"/v1/numbers/{rental['numberId']}")).body["channels"] == 3
    # five days later two fewer: 24.0000 · 5 / 30 = 4.0000
    api.engine.clock.advance(days=5)
    fewer = await api.patch(path, {"channels": 1})
    assert fewer.body["channels"] == 1
    assert await balance(api) == "4.0000"
    assert (await api.patch(path, {"channels": 0})).status == 400


async def test_a_rental_that_is_given_up_before_it_is_live_is_refunded(api: Api) -> None:
    await pay_in(api, MONTH)
    rental_id = (await order(api)).body["id"]
    # two channels fewer... one: 12.0000 of the month come back, the rest when it is given up
    assert (await api.patch(f"/v1/rentals/{rental_id}", {"channels": 1})).status == 200
    assert await balance(api) == "12.0000"
    assert (await api.delete(f"/v1/rentals/{rental_id}")).status == 204
    assert await balance(api) == "30.0000"
    assert (await api.get(f"/v1/rentals/{rental_id}")).body["status"] == "canceled"
    assert (await api.post(f"/v1/rentals/{rental_id}/resume")).status == 409


async def test_a_live_rental_can_be_given_up_and_kept_after_all(api: Api) -> None:
    rental = await live(api)
    path = f"/v1/rentals/{rental['id']}"
    assert (await api.delete(path)).status == 204
    assert (await api.get(path)).body["status"] == "canceled"
    assert (await api.get(f"/v1/numbers/{rental['numberId']}")).body["status"] == "active"
    assert (await api.post(f"{path}/resume")).body["status"] == "active"
    assert (await api.delete(f"/v1/numbers/{rental['numberId']}")).status == 409


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (passport(b"GIF89a"), {"documents__0__dataBase64": "must be application/pdf, as contentType says"}),
        (passport(name="visa"), {"documents__0__name": "is not asked for in this country"}),
        (passport(PDF + bytes(5 << 20)), {"documents__0__dataBase64": "must be base64 of at most 5242880 bytes"}),
        (
            passport(filename="../../etc/passwd"),
            {"documents__0__filename": "must be 1 to 120 characters, none of them a slash"},
        ),
        (passport(dataBase64="?"), {"documents__0__dataBase64": "must be base64 of at most 5242880 bytes"}),
    ],
)
async def test_what_is_no_proper_document_is_refused_and_leaves_no_file(
    api: Api, document: Any, complaint: dict[str, str | list[str]]
) -> None:
    await pay_in(api, MONTH)
    rental_id = (await order(api)).body["id"]
    answer = await api.put(f"/v1/rentals/{rental_id}/kyc", {"fields": {}, "documents": [document]})
    assert tuple(answer) == (400, invalid(**complaint))
    assert not list((api.engine.path / "kyc").rglob("*")) if (api.engine.path / "kyc").exists() else True


async def test_a_document_of_the_largest_size_is_kept_for_the_operator_alone(api: Api) -> None:
    await pay_in(api, MONTH)
    data = PDF + bytes((5 << 20) - len(PDF))
    answer = await order(api, kyc={"fields": KYC["fields"], "documents": [passport(data)]})
    assert (answer.status, answer.body["status"]) == (201, "in_review")
    document_id = answer.body["kyc"]["documents"][0]["id"]
    path = f"/v1/admin/rentals/{answer.body['id']}/documents/{document_id}"
    assert (await api.get(path, key=ADMIN_TOKEN)).content == data
    assert (await api.get(path)).status == 401
    (file,) = (path for path in (api.engine.path / "kyc").rglob("*") if path.is_file())
    assert file.stat().st_mode & 0o777 == 0o600
    missing = await api.get(f"/v1/admin/rentals/{answer.body['id']}/documents/{UNKNOWN}", key=ADMIN_TOKEN)
    assert missing.status == 404


async def test_only_who_may_pay_rents_and_only_the_operator_reviews(api: Api) -> None:
    await pay_in(api, MONTH)
    rental_id = (await order(api, kyc=KYC)).body["id"]
    for role, status in (("developer", 403), ("viewer", 403), ("billing", 201), ("admin", 403)):
        await pay_in(api, MONTH)
        key = await api.key_of(role)
        answer = await api.post("/v1/rentals", {"country": "AE", "channels": 2}, key=key)
        assert answer.status == status, role
        assert (await api.get("/v1/rentals", key=key)).status == 200
    assert (await api.post(f"/v1/admin/rentals/{rental_id}/approve", {"e164": NUMBER})).status == 401
    _, other_key = await api.engine.other_workspace()
    assert (await api.get(f"/v1/rentals/{rental_id}", key=other_key)).status == 404
    assert (await api.get("/v1/rentals", key=other_key)).body["data"] == []
    waiting = (await api.get("/v1/admin/rentals?status=in_review", key=ADMIN_TOKEN)).body["data"]
    assert [(one["id"], one["workspaceId"]) for one in waiting] == [(rental_id, api.engine.workspace_id)]
    assert (await api.get("/v1/rentals?status=draft")).body["pagination"]["totalItems"] == 1


async def test_a_country_without_numbers_and_unasked_answers_are_refused(api: Api) -> None:
    rule = "must be a country in which numbers can be rented"
    assert tuple(await order(api, country="DE")) == (400, invalid(country=rule))
    answer = await order(api, kyc={"fields": {"shoeSize": "42"}})
    assert tuple(answer) == (400, invalid(kyc__fields__shoeSize="is not asked for in this country"))
    assert (await api.get("/v1/rentals")).body["data"] == []


async def test_a_workspace_with_rentals_stays(api: Api) -> None:
    await pay_in(api, MONTH)
    rental_id = (await order(api)).body["id"]
    session = await api.session()
    await api.post("/v1/workspaces", {"name": "Second"}, **session)
    answer = await api.delete(f"/v1/workspaces/{api.engine.workspace_id}", **session)
    assert tuple(answer) == (409, error(409, "Conflict", "The workspace has rentals"))
    await api.delete(f"/v1/rentals/{rental_id}")
    assert (await api.delete(f"/v1/workspaces/{api.engine.workspace_id}", **session)).status == 204


async def test_without_charging_rentals_cost_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        await engine.billing.import_prices(BOOK)
        api = Api(engine)
        rental_id = (await order(api, kyc=KYC)).body["id"]
        assert (await review(api, rental_id, "reject", note="x")).status == 200
        assert await balance(api) == "0.0000"
