"""The operator's side of rentals: who waits, approve with a number, ask for changes, reject (contract §15.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing import rental_states
from engine.billing.kyc import DocumentFiles
from engine.billing.periods import period_of
from engine.billing.rental_desk import RentalDesk, Visit
from engine.billing.rental_states import RentalAction, RentalStatus
from engine.errors import Conflict, NotFound
from engine.ids import new_uuid
from engine.model import Number, Page
from engine.store import numbers as number_queries
from engine.store import rentals as queries
from engine.store.billing_accounts import billing_account
from engine.store.rentals import Document, Rental


class RentalReview:
    """The rentals of every account, for the operator."""

    def __init__(
        self, desk: RentalDesk, files: DocumentFiles, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._desk = desk
        self._files = files
        self._clock = clock

    async def page(self, page: int, limit: int, status: RentalStatus | None) -> Page[Rental]:
        """A page of rentals, newest first."""
        return await self._desk.store.read(
            lambda connection: queries.page_of_rentals(connection, page, limit, None, status)
        )

    async def get(self, rental_id: str) -> Rental:
        """One rental. Raises NotFound."""
        rental = await self._desk.store.read(lambda connection: queries.get_rental(connection, rental_id))
        if rental is None:
            raise NotFound("Rental not found")
        return rental

    def file(self, rental: Rental, document: Document) -> Path:
        """Where the file of a document lies."""
        return self._files.path(rental.id, document.id)

    async def document(self, rental_id: str, document_id: str) -> Path:
        """Where the file of a document lies. Raises NotFound."""
        rental = await self.get(rental_id)
        for document in rental.documents:
            if document.id == document_id:
                return self.file(rental, document)
        raise NotFound("Document not found")

    async def approve(self, rental_id: str, e164: str) -> Rental:
        """Makes a number of a rental, live at once; its first month begins.

        Raises NotFound, and Conflict when it is not in review, or when the number exists on this server already.
        """
        number_id = new_uuid()

        async def work(visit: Visit, rental: Rental, now: datetime) -> Rental:
            connection = visit.connection
            await _make_room(connection, e164)
            number = Number(
                id=number_id,
                workspace_id=rental.workspace_id,
                e164=e164,
                label=None,
                kind="rental",
                country=rental.country,
                status="active",
                inbound_enabled=True,
                outbound_enabled=True,
                destination=None,
                channels=rental.channels,
                rental_id=rental.id,
                sip=None,
                created_at=now,
                updated_at=now,
            )
            await number_queries.insert_number(connection, number)
            account = await billing_account(connection, rental.account_id)
            assert account is not None, "a rental belongs to an account"
            start, end = period_of(now, now, account.zone)
            rental = replace(
                rental,
                number_id=number.id,
                e164=e164,
                anchor=now,
                period_start=start,
                period_end=end,
                paid=0,
                note=None,
            )
            await visit.tell_activated(rental, now)
            return rental

        return await self._act(rental_id, "approve", f"Approved: {e164}", work)

    async def request_changes(self, rental_id: str, note: str) -> Rental:
        """Asks the customer for other fields or documents. Raises NotFound, Conflict."""

        async def work(visit: Visit, rental: Rental, now: datetime) -> Rental:
            return replace(rental, note=note)

        return await self._act(rental_id, "request_changes", note, work)

    async def reject(self, rental_id: str, note: str) -> Rental:
        """Refuses a rental and refunds its first month. Raises NotFound, Conflict."""

        async def work(visit: Visit, rental: Rental, now: datetime) -> Rental:
            what = f"Number in {rental.country} refused"
            await visit.refund(rental, rental.paid, "first", what, now)
            return replace(rental, note=note, paid=0)

        return await self._act(rental_id, "reject", note, work)

    async def _act(
        self,
        rental_id: str,
        action: RentalAction,
        message: str,
        change: Callable[[Visit, Rental, datetime], Awaitable[Rental]],
    ) -> Rental:
        now = self._clock()

        async def work(visit: Visit) -> Rental:
            connection = visit.connection
            rental = await queries.get_rental(connection, rental_id, lock=True)
            if rental is None:
                raise NotFound("Rental not found")
            status = rental_states.after(rental.status, action)
            rental = await change(visit, replace(rental, status=status, updated_at=now), now)
            await queries.update_rental(connection, rental)
            await visit.tell_kyc(rental, message, now)
            return rental

        return await self._desk.commit(work)


async def _make_room(connection: AsyncConnection, e164: str) -> None:
    """Lets a number that was released be rented again. Raises Conflict when it is in use."""
    number = await number_queries.number_with(connection, e164)
    if number is None:
        return
    if number.status != "released":
        raise Conflict(f"The number {e164} already exists on this server")
    await number_queries.delete_number(connection, number.id)
