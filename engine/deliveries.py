"""The log of deliveries to a webhook or a finished URL, and sending one again (contract §7.3, §13.1).

That the target belongs to the caller's workspace has been checked by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from engine.errors import Conflict, NotFound
from engine.model import Delivery, DeliveryStatus, Page, TargetKind
from engine.outbox import Outbox
from engine.store import Store
from engine.store import deliveries as queries
from engine.store.times import to_ms
from engine.webhook_directory import WebhookDirectory


class Deliveries:
    """The deliveries of every target."""

    def __init__(
        self,
        store: Store,
        directory: WebhookDirectory,
        outbox: Outbox,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._directory = directory
        self._outbox = outbox
        self._clock = clock

    async def page(
        self,
        target_id: str,
        page: int,
        limit: int,
        status: DeliveryStatus | None = None,
        event_type: str | None = None,
    ) -> Page[Delivery]:
        """A page, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_deliveries(connection, target_id, page, limit, status, event_type)
        )

    async def get(self, target_id: str, delivery_id: str) -> Delivery:
        """One delivery with its payload. Raises NotFound."""
        found = await self._store.read(lambda connection: queries.get_delivery(connection, target_id, delivery_id))
        if found is None:
            raise NotFound("Delivery not found")
        return found

    async def resend(self, kind: TargetKind, target_id: str, delivery_id: str) -> None:
        """Queues a delivery anew, with all its attempts. Raises NotFound, and Conflict when the target takes none."""
        await self.get(target_id, delivery_id)
        if self._directory.target(kind, target_id) is None:
            raise Conflict("The webhook is disabled" if kind == "webhook" else "The application has no finished URL")
        now = to_ms(self._clock())
        if not await self._store.write(lambda connection: queries.send_again(connection, target_id, delivery_id, now)):
            raise NotFound("Delivery not found")
        self._outbox.on_commit([(kind, target_id)])
