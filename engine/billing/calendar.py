"""What the calendar does to billing: periods of plans, months of rentals, invoices, reservations left by a crash.

`run` brings everything up to a moment, by the clock of whoever calls it; `start` calls it every minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from engine.billing.invoices import Invoices
from engine.billing.metering import Metering
from engine.billing.plans import Plans
from engine.billing.rental_terms import RentalTerms
from engine.errors import EngineError

logger = structlog.get_logger(__name__)

TICK_SECONDS: Final = 60


class BillingCalendar:
    """`start`, then `close`. Processes that share a store may all have one: each thing is done once."""

    def __init__(
        self,
        plans: Plans,
        terms: RentalTerms,
        invoices: Invoices,
        metering: Metering,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._plans = plans
        self._terms = terms
        self._invoices = invoices
        self._metering = metering
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Does whatever is due."""
        now = self._clock()
        await self._metering.sweep(now)
        await self._plans.renew_due(now)
        await self._terms.run(now)
        await self._invoices.run(now)

    def start(self) -> None:
        """Runs at once and then every minute."""
        self._task = asyncio.create_task(self._tick(), name="billing calendar")

    async def close(self) -> None:
        """Stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _tick(self) -> None:
        while True:
            try:
                await self.run()
            except EngineError as error:
                logger.warning("billing.calendar_late", reason=error.message)
            except Exception:
                logger.exception("billing.calendar_failed")
            await asyncio.sleep(TICK_SECONDS)
