"""What every step of a rental needs: its transaction with the events of it, money to and fro, its number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.billing.notices import tell, tell_of_low
from engine.billing.renewal import spendable
from engine.directory import NumberDirectory
from engine.errors import NotFound
from engine.model import NumberStatus
from engine.outbox import Outbox, StoredEvent
from engine.store import Store
from engine.store import billing as prices
from engine.store import numbers as number_queries
from engine.store.ledger import Cause, Posting, post
from engine.store.rentals import Rental

T = TypeVar("T")


class RentalDesk:
    """Over a store; `enabled` says whether rentals are charged at all. `directory` routes calls to the numbers."""

    def __init__(self, store: Store, outbox: Outbox, directory: NumberDirectory, *, enabled: bool) -> None:
        self.store = store
        self.outbox = outbox
        self.directory = directory
        self.enabled = enabled

    async def commit(self, work: Callable[[Visit], Awaitable[T]]) -> T:
        """The result of `work`, once it is committed; its events are then sent and its numbers routed."""

        async def visited(connection: AsyncConnection) -> tuple[T, list[StoredEvent]]:
            # It may run a second time: what is to be told is that of the last
            visit = Visit(self, connection)
            return await work(visit), visit.told

        result, told = await self.store.write(visited)
        for event in told:
            self.outbox.wake(event)
        await self.directory.refresh()
        return result


class Visit:
    """One transaction about a rental, on `connection`; `told` are the events that are sent once it is committed."""

    def __init__(self, desk: RentalDesk, connection: AsyncConnection) -> None:
        self.connection = connection
        self.told: list[StoredEvent] = []
        self._outbox = desk.outbox
        self._enabled = desk.enabled

    async def charge(self, rental: Rental, amount: int, cause: str, what: str, at: datetime) -> bool:
        """Takes `amount` from the wallet, once for each `cause` of a rental; False when it is not there."""
        if not self._enabled or not amount:
            return True
        if await spendable(self.connection, rental.account_id) < amount:
            return False
        await self._post(rental, "rental", -amount, cause, what, at)
        return True

    async def refund(self, rental: Rental, amount: int, cause: str, what: str, at: datetime) -> None:
        """Gives `amount` back to the wallet, once for each `cause` of a rental."""
        if self._enabled and amount:
            await self._post(rental, "refund", amount, cause, what, at)

    async def _post(self, rental: Rental, kind: Cause, amount: int, cause: str, what: str, at: datetime) -> None:
        posting = Posting(
            account_id=rental.account_id,
            cause=kind,
            cause_id=f"{rental.id}:{cause}",
            amount=amount,
            description=what,
            at=at,
            rental_id=rental.id,
        )
        posted = await post(self.connection, posting)
        if posted.low is not None:
            self.told += await tell_of_low(self.connection, self._outbox, [posted.low], at)

    async def tell_kyc(self, rental: Rental, message: str, at: datetime) -> None:
        """`rental.kyc.updated`."""
        data = {
            "subject_id": rental.id,
            "message": message,
            "rental_id": rental.id,
            "status": rental.status,
            "note": rental.note,
        }
        event = await tell(self.connection, self._outbox, "rental.kyc.updated", rental.workspace_id, data, at)
        self.told.append(event)

    async def tell_activated(self, rental: Rental, at: datetime) -> None:
        """`number.activated`."""
        data = {
            "subject_id": rental.number_id,
            "message": f"{rental.e164} is live",
            "number_id": rental.number_id,
            "rental_id": rental.id,
            "e164": rental.e164,
        }
        event = await tell(self.connection, self._outbox, "number.activated", rental.workspace_id, data, at)
        self.told.append(event)

    async def set_number(
        self, rental: Rental, *, at: datetime, status: NumberStatus | None = None, channels: int | None = None
    ) -> None:
        """Changes the number of a rental, if it has one."""
        if rental.number_id is None:
            return
        number = await number_queries.get_number(self.connection, rental.workspace_id, rental.number_id, lock=True)
        if number is None or (status in {None, number.status} and channels in {None, number.channels}):
            return
        await number_queries.update_number(
            self.connection,
            replace(number, status=status or number.status, channels=channels or number.channels, updated_at=at),
        )


async def account_of(connection: AsyncConnection, workspace_id: str) -> str:
    """The account of a workspace. Raises NotFound."""
    account_id = await prices.account_of(connection, workspace_id)
    if account_id is None:
        raise NotFound("Workspace not found")
    return account_id
