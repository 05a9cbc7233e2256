"""`voylo admin rentals` and `voylo admin account`: the review of rentals, the details of accounts (contract §15.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, cast, get_args

from engine.billing.rental_review import RentalReview
from engine.billing.rental_states import RentalStatus
from engine.errors import NotFound, ValidationFailed
from engine.ids import parse_uuid
from engine.model import money, timestamp
from engine.phone import PhoneNumberError, normalise
from engine.store.rentals import Rental
from server.commands.accounts import print_table
from server.commands.console import print_json
from server.commands.operator import Operator, run_as_operator

SHOWN: Final = 1000


def list_rentals(config_file: Path | None, status: str | None, *, as_json: bool) -> None:
    """Print the rentals of every account, the newest first."""

    async def work(operator: Operator) -> None:
        if status is not None and status not in get_args(RentalStatus):
            raise ValidationFailed.of("--status", f"must be one of {', '.join(get_args(RentalStatus))}")
        page = await operator.review.page(1, SHOWN, cast("RentalStatus | None", status))
        if as_json:
            print_json([_members(operator.review, rental) for rental in page.items])
            return
        rows = (
            (
                one.id,
                one.account_id,
                one.country,
                str(one.channels),
                one.status,
                one.e164 or "",
                timestamp(one.created_at),
            )
            for one in page.items
        )
        print_table(("id", "account", "country", "channels", "status", "number", "since"), rows)

    run_as_operator(config_file, work)


def show_rental(config_file: Path | None, rental_id: str, *, as_json: bool) -> None:
    """Print a rental with its fields, and where its documents lie."""

    async def work(operator: Operator) -> None:
        _print(operator.review, await operator.review.get(_uuid(rental_id)), as_json=as_json)

    run_as_operator(config_file, work)


def approve_rental(config_file: Path | None, rental_id: str, number: str, *, as_json: bool) -> None:
    """Give a rental its number."""

    async def act(review: RentalReview) -> Rental:
        try:
            e164 = normalise(number)
        except PhoneNumberError as error:
            raise ValidationFailed.of("NUMBER", str(error)) from None
        return await review.approve(_uuid(rental_id), e164)

    _act(config_file, act, as_json=as_json)


def request_changes(config_file: Path | None, rental_id: str, note: str, *, as_json: bool) -> None:
    """Ask a customer for other fields or documents."""
    _act(config_file, lambda review: review.request_changes(_uuid(rental_id), note), as_json=as_json)


def reject_rental(config_file: Path | None, rental_id: str, note: str, *, as_json: bool) -> None:
    """Refuse a rental; its first month is refunded."""
    _act(config_file, lambda review: review.reject(_uuid(rental_id), note), as_json=as_json)


def set_account(
    config_file: Path | None, account_id: str, timezone: str | None, customer: dict[str, str | None], *, as_json: bool
) -> None:
    """Set the time zone of an account, and who its invoices are for."""

    async def work(operator: Operator) -> None:
        given = {name: value for name, value in customer.items() if value is not None}
        account = await operator.details.change(account_id, timezone=timezone, customer=given)
        members = {"accountId": account.account_id, "timezone": account.timezone, "customer": dict(account.customer)}
        if as_json:
            print_json(members)
            return
        print(f"account   {account.account_id}\ntimezone  {account.timezone}")
        for name, value in account.customer.items():
            print(f"{name:<8}  {value}")

    run_as_operator(config_file, work)


def _act(config_file: Path | None, act: Callable[[RentalReview], Awaitable[Rental]], *, as_json: bool) -> None:
    async def work(operator: Operator) -> None:
        _print(operator.review, await act(operator.review), as_json=as_json)

    run_as_operator(config_file, work)


def _uuid(text: str) -> str:
    found = parse_uuid(text)
    if found is None:
        raise NotFound("Rental not found")
    return found


def _print(review: RentalReview, rental: Rental, *, as_json: bool) -> None:
    if as_json:
        print_json(_members(review, rental))
        return
    print(f"rental   {rental.id}  {rental.status}")
    print(f"account  {rental.account_id}  workspace {rental.workspace_id}")
    area = f", area {rental.area_code}" if rental.area_code else ""
    print(f"wanted   {rental.country}{area}, {rental.channels} channels, {money(rental.monthly)} a month")
    if rental.e164 is not None:
        print(f"number   {rental.e164}")
    if rental.note is not None:
        print(f"note     {rental.note}")
    for name, value in rental.fields.items():
        print(f"{name}: {value}")
    for document in rental.documents:
        print(f"{document.name}: {document.filename}, {document.content_type}, {review.file(rental, document)}")


def _members(review: RentalReview, rental: Rental) -> dict[str, object]:
    return {
        "id": rental.id,
        "accountId": rental.account_id,
        "workspaceId": rental.workspace_id,
        "country": rental.country,
        "areaCode": rental.area_code,
        "channels": rental.channels,
        "status": rental.status,
        "monthlyPrice": money(rental.monthly),
        "e164": rental.e164,
        "note": rental.note,
        "fields": dict(rental.fields),
        "documents": [
            {
                "name": document.name,
                "filename": document.filename,
                "contentType": document.content_type,
                "file": str(review.file(rental, document)),
            }
            for document in rental.documents
        ],
        "createdAt": timestamp(rental.created_at),
    }
