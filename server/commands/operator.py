"""Billing as a command of the operator works on it: straight on the database, beside a running engine or without one.

Events that a command causes are stored with their deliveries; the engine sends them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.billing.accounts import Billing
from engine.billing.billing_details import BillingDetails
from engine.billing.kyc import DocumentFiles
from engine.billing.rental_desk import RentalDesk
from engine.billing.rental_review import RentalReview
from engine.directory import NumberDirectory
from engine.errors import EngineError, ValidationFailed
from engine.outbox import Outbox
from engine.secrets import SecretBox
from engine.store import Store
from engine.webhook_directory import WebhookDirectory
from server.commands.console import FAILED, WRONG_USAGE, leave, log_quietly, read_config
from server.config import Config


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator may do with every account."""

    billing: Billing
    review: RentalReview
    details: BillingDetails


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Operator]:
    store = await Store.open(config.database_url)
    try:
        secrets = SecretBox.open(config.storage.data_dir)
        directory = NumberDirectory(store, secrets)
        await directory.refresh()
        webhooks = WebhookDirectory(store, secrets, directory.application)
        await webhooks.refresh()
        outbox, enabled = Outbox(webhooks.told_of), config.billing.enabled
        desk = RentalDesk(store, outbox, directory, enabled=enabled)
        yield Operator(
            billing=Billing(store, outbox=outbox, enabled=enabled),
            review=RentalReview(desk, DocumentFiles(config.storage.data_dir)),
            details=BillingDetails(store),
        )
    finally:
        await store.close()


def run_as_operator(config_file: Path | None, work: Callable[[Operator], Awaitable[None]]) -> None:
    """Run work on the database of a configuration; end the program with a complaint where something fails."""
    config = read_config(config_file)
    log_quietly(config)
    file = config.database_file
    if file is not None and not file.exists():
        leave(FAILED, [f"there is no database at {file}: `voylo init` or `voylo serve` makes it"])

    async def run() -> None:
        async with _opened(config) as operator:
            await work(operator)

    try:
        asyncio.run(run())
    except ValidationFailed as error:
        leave(WRONG_USAGE, [f"{wrong.field}: {wrong.message}" for wrong in error.errors])
    except EngineError as error:
        leave(FAILED, [error.message])
