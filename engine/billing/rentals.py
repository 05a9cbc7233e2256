"""Rentals as customers see them: country, channels, KYC, payment, change, cancelling (contract §15.2).

The review is in `rental_review`, what the calendar does in `rental_terms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing import rental_states
from engine.billing.kyc import DocumentFiles, NewDocument, check_answers, missing_answers
from engine.billing.periods import share
from engine.billing.prices import CountryPrices, Kyc
from engine.billing.rental_desk import RentalDesk, Visit, account_of
from engine.billing.rental_states import OPEN_KYC, PAID_BEFORE_REVIEW, RentalStatus
from engine.errors import Conflict, NotFound, PaymentRequired, ValidationFailed
from engine.idempotency import Keep, no_key
from engine.ids import new_uuid
from engine.model import Page, money
from engine.store import billing as prices
from engine.store import rentals as queries
from engine.store import run_rows
from engine.store.billing_accounts import billing_account
from engine.store.rentals import Rental


class RentalUnpaid(PaymentRequired):
    """The wallet does not cover a rental's first month; the rental is kept (contract §15.2)."""

    def __init__(self, rental: Rental) -> None:
        super().__init__(f"The wallet does not cover the first month of {money(rental.monthly)}")
        self.rental_id = rental.id


@dataclass(frozen=True, slots=True)
class RentalOrder:
    """What a customer wants to rent."""

    country: str
    channels: int
    area_code: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    documents: Sequence[NewDocument] = ()


@dataclass(frozen=True, slots=True)
class OrderedRental:
    """A rental that was just ordered, and the names of what is required and not there."""

    rental: Rental
    missing: list[str]


class Rentals:
    """The rentals of every workspace; each method acts within the one it is given."""

    def __init__(
        self, desk: RentalDesk, files: DocumentFiles, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._desk = desk
        self._files = files
        self._clock = clock

    async def countries(self) -> Sequence[CountryPrices]:
        """Where numbers can be rented, by name."""
        return await self._desk.store.read(prices.countries)

    async def page(self, workspace_id: str, page: int, limit: int, status: RentalStatus | None = None) -> Page[Rental]:
        """A page of rentals, newest first."""
        return await self._desk.store.read(
            lambda connection: queries.page_of_rentals(connection, page, limit, workspace_id, status)
        )

    async def get(self, workspace_id: str, rental_id: str) -> Rental:
        """One rental. Raises NotFound."""
        return await self._desk.store.read(lambda connection: _found(connection, workspace_id, rental_id))

    async def missing(self, rental: Rental) -> list[str]:
        """The names of what is required and not there."""
        kyc = await self._desk.store.read(lambda connection: _kyc(connection, rental.country))
        return missing_answers(kyc, rental.fields, [document.name for document in rental.documents])

    async def order(self, workspace_id: str, order: RentalOrder, keep: Keep[OrderedRental] = no_key) -> Rental:
        """A new rental, whose first month is paid at once.

        Raises ValidationFailed for a country without numbers and for answers that it does not ask for, RentalUnpaid
        when the wallet does not cover the month; the rental is then there and waits.
        """
        country = await self._desk.store.read(lambda connection: prices.country_prices(connection, order.country))
        if country is None:
            raise ValidationFailed.of("country", "must be a country in which numbers can be rented")
        check_answers(country.kyc, order.fields, order.documents, "kyc.")
        now, rental_id = self._clock(), new_uuid()
        files = await self._files.write(rental_id, order.documents)

        async def work(visit: Visit) -> Rental:
            connection = visit.connection
            account_id = await account_of(connection, workspace_id)
            rental = Rental(
                id=rental_id,
                account_id=account_id,
                workspace_id=workspace_id,
                country=country.country,
                area_code=order.area_code,
                channels=order.channels,
                status="pending_payment",
                did_price=country.did_price,
                channel_price=country.channel_price,
                paid=0,
                fields=dict(order.fields),
                note=None,
                number_id=None,
                e164=None,
                anchor=None,
                period_start=None,
                period_end=None,
                released_at=None,
                created_at=now,
                updated_at=now,
            )
            await queries.insert_rental(connection, rental)
            await queries.put_documents(connection, rental_id, files, now)
            rental = await self._pay(visit, await _locked(connection, workspace_id, rental_id), now)
            if rental.status != "pending_payment":
                names = [document.name for document in rental.documents]
                missing = missing_answers(country.kyc, rental.fields, names)
                await run_rows(connection, keep(OrderedRental(rental, missing)))
            return rental

        try:
            rental = await self._desk.commit(work)
        except BaseException:
            await self._files.delete(rental_id, [file.id for file in files])
            raise
        return _paid_or_raise(rental)

    async def pay(self, workspace_id: str, rental_id: str) -> Rental:
        """Pays the first month of a rental that waits for it. Raises NotFound, Conflict, RentalUnpaid."""
        now = self._clock()

        async def work(visit: Visit) -> Rental:
            connection = visit.connection
            rental = await _locked(connection, workspace_id, rental_id)
            rental_states.after(rental.status, "pay")
            country = await prices.country_prices(connection, rental.country)
            if country is not None:
                rental = replace(rental, did_price=country.did_price, channel_price=country.channel_price)
            return await self._pay(visit, rental, now)

        return _paid_or_raise(await self._desk.commit(work))

    async def _pay(self, visit: Visit, rental: Rental, now: datetime) -> Rental:
        """The rental after the try; still `pending_payment` when the wallet did not cover it."""
        what = f"First month of a number in {rental.country}"
        if not await visit.charge(rental, rental.monthly, "first", what, now):
            return rental
        paid = rental.monthly if self._desk.enabled else 0
        rental = replace(rental, status=rental_states.after(rental.status, "pay"), paid=paid, updated_at=now)
        return await self._submit_if_complete(visit, rental, now)

    async def _submit_if_complete(self, visit: Visit, rental: Rental, now: datetime) -> Rental:
        connection = visit.connection
        kyc = await _kyc(connection, rental.country)
        names = [document.name for document in rental.documents]
        if rental.status != "pending_payment" and not missing_answers(kyc, rental.fields, names):
            rental = replace(rental, status=rental_states.after(rental.status, "submit"), note=None)
            await visit.tell_kyc(rental, "Fields and documents are in review", now)
        await queries.update_rental(connection, rental)
        return rental

    async def put_kyc(
        self, workspace_id: str, rental_id: str, fields: Mapping[str, str], documents: Sequence[NewDocument]
    ) -> Rental:
        """Replaces the fields, and the documents with the same names; what is complete goes to review.

        Raises NotFound, Conflict while it is in review or over, ValidationFailed for what the country does not ask for.
        """
        now = self._clock()
        current = await self.get(workspace_id, rental_id)
        kyc = await self._desk.store.read(lambda connection: _kyc(connection, current.country))
        check_answers(kyc, fields, documents)
        files = await self._files.write(rental_id, documents)

        async def work(visit: Visit) -> tuple[Rental, list[str]]:
            connection = visit.connection
            rental = await _locked(connection, workspace_id, rental_id)
            if rental.status not in OPEN_KYC:
                raise Conflict(f"Fields and documents cannot be changed while the rental is {rental.status}")
            replaced = await queries.put_documents(connection, rental_id, files, now)
            rental = await _locked(connection, workspace_id, rental_id)
            rental = replace(rental, fields=dict(fields), updated_at=now)
            return await self._submit_if_complete(visit, rental, now), replaced

        try:
            rental, replaced = await self._desk.commit(work)
        except BaseException:
            await self._files.delete(rental_id, [file.id for file in files])
            raise
        await self._files.delete(rental_id, replaced)
        return rental

    async def set_channels(self, workspace_id: str, rental_id: str, channels: int) -> Rental:
        """Changes the channels; what is left of the paid month is charged or refunded for the difference, by days.

        Raises NotFound, Conflict for a rental that is over, PaymentRequired.
        """
        now, change = self._clock(), new_uuid()

        async def work(visit: Visit) -> Rental:
            connection = visit.connection
            rental = await _locked(connection, workspace_id, rental_id)
            if rental.status in {"rejected", "canceled"}:
                raise Conflict(f"The rental is {rental.status}")
            difference = (channels - rental.channels) * rental.channel_price
            due = await self._share_of(connection, rental, abs(difference), now)
            if difference > 0:
                what = f"{channels} instead of {rental.channels} channels"
                if not await visit.charge(rental, due, change, what, now):
                    raise PaymentRequired(f"The wallet does not cover {money(due)} for the rest of the month")
            else:
                what = f"{channels} instead of {rental.channels} channels"
                await visit.refund(rental, due, change, what, now)
            if rental.status in PAID_BEFORE_REVIEW and self._desk.enabled:
                rental = replace(rental, paid=rental.paid + (due if difference > 0 else -due))
            rental = replace(rental, channels=channels, updated_at=now)
            await queries.update_rental(connection, rental)
            await visit.set_number(rental, channels=channels, at=now)
            return rental

        return await self._desk.commit(work)

    async def _share_of(self, connection: AsyncConnection, rental: Rental, amount: int, now: datetime) -> int:
        if rental.status in PAID_BEFORE_REVIEW:
            return amount
        if rental.period_start is None or rental.period_end is None or rental.period_end <= now:
            return 0
        account = await billing_account(connection, rental.account_id)
        assert account is not None
        return share(amount, rental.period_start, rental.period_end, now, account.zone)

    async def cancel(self, workspace_id: str, rental_id: str) -> None:
        """Gives a rental up: a live number goes at the end of the paid month, any other is refunded at once.

        Raises NotFound, and Conflict for one that is over.
        """
        now = self._clock()

        async def work(visit: Visit) -> None:
            connection = visit.connection
            rental = await _locked(connection, workspace_id, rental_id)
            status = rental_states.after(rental.status, "cancel")
            if rental.paid and rental.number_id is None:
                what = f"Number in {rental.country} given up before it was there"
                await visit.refund(rental, rental.paid, "first", what, now)
                rental = replace(rental, paid=0)
            await queries.update_rental(connection, replace(rental, status=status, updated_at=now))

        await self._desk.commit(work)

    async def resume(self, workspace_id: str, rental_id: str) -> Rental:
        """Takes a cancelling back. Raises NotFound, and Conflict once the number has gone or where it never was."""
        now = self._clock()

        async def work(visit: Visit) -> Rental:
            connection = visit.connection
            rental = await _locked(connection, workspace_id, rental_id)
            status = rental_states.after(rental.status, "resume")
            if rental.period_end is None or rental.released_at is not None or rental.period_end <= now:
                raise Conflict("The number has gone")
            rental = replace(rental, status=status, updated_at=now)
            await queries.update_rental(connection, rental)
            return rental

        return await self._desk.commit(work)


async def _found(connection: AsyncConnection, workspace_id: str, rental_id: str) -> Rental:
    rental = await queries.get_rental(connection, rental_id, workspace_id)
    if rental is None:
        raise NotFound("Rental not found")
    return rental


async def _locked(connection: AsyncConnection, workspace_id: str, rental_id: str) -> Rental:
    rental = await queries.get_rental(connection, rental_id, workspace_id, lock=True)
    if rental is None:
        raise NotFound("Rental not found")
    return rental


async def _kyc(connection: AsyncConnection, country: str) -> Kyc:
    found = await prices.country_prices(connection, country)
    return Kyc() if found is None else found.kyc


def _paid_or_raise(rental: Rental) -> Rental:
    if rental.status == "pending_payment":
        raise RentalUnpaid(rental)
    return rental
