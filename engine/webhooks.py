"""Webhooks of a workspace: create, read, change, delete, their secrets, and a test event (contract §13.1).

Values arrive checked for shape. Only `create` and `rotate_secret` show a secret; every other method leaves it
encrypted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, NotFound
from engine.idempotency import Keep, no_key
from engine.ids import SECRET_PREFIX, new_signing_secret, new_uuid
from engine.model import EventType, GeneralEventType, Page, Webhook
from engine.outbox import Outbox
from engine.sealing import seal_webhook, unseal_webhook
from engine.secrets import SecretBox
from engine.store import Store, run_rows
from engine.store import webhooks as queries
from engine.store.config import lock_config
from engine.store.deliveries import stop_pending
from engine.webhook_directory import WebhookDirectory

EVENTS: Final[tuple[str, ...]] = (*get_args(EventType), *get_args(GeneralEventType))
"""Every event that there is, by name (contract §13.2)."""

OVERLAP_SECONDS: Final = 86_400
"""How long a replaced secret signs as well."""

SECRET_SHOWN: Final = len(SECRET_PREFIX) + 6
"""Characters of a secret that stay readable."""

DISABLED: Final = "The webhook was disabled"
DELETED: Final = "The webhook was deleted"


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """What a webhook is created from."""

    url: str
    events: tuple[str, ...]
    description: str | None = None
    enabled: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


class WebhookChanges(TypedDict, total=False):
    """The members of a webhook to change."""

    url: str
    events: tuple[str, ...]
    description: str | None
    enabled: bool
    headers: Mapping[str, str]


class Webhooks:
    """The webhooks of every workspace; each method acts within the one it is given. `most` is how many one may have."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        directory: WebhookDirectory,
        outbox: Outbox,
        most: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._directory = directory
        self._outbox = outbox
        self._most = most
        self._clock = clock

    async def create(self, workspace_id: str, new: NewWebhook, keep: Keep[Webhook] = no_key) -> Webhook:
        """A new webhook with its secret in clear. Raises Conflict when the workspace has as many as it may."""
        now = self._clock()
        secret = new_signing_secret()
        webhook = Webhook(
            id=new_uuid(),
            workspace_id=workspace_id,
            url=new.url,
            events=new.events,
            description=new.description,
            enabled=new.enabled,
            headers=new.headers,
            secret=secret,
            secret_prefix=secret[:SECRET_SHOWN],
            previous_secret=None,
            previous_until=None,
            created_at=now,
            updated_at=now,
        )
        sealed = seal_webhook(self._secrets, webhook)

        async def work(connection: AsyncConnection) -> None:
            await lock_config(connection)
            if await queries.count_webhooks(connection, workspace_id) >= self._most:
                raise Conflict(f"A workspace has at most {self._most} webhooks")
            await queries.insert_webhook(connection, sealed)
            await run_rows(connection, keep(webhook))

        await self._store.write(work)
        await self._directory.refresh()
        return webhook

    async def get(self, workspace_id: str, webhook_id: str) -> Webhook:
        """One webhook. Raises NotFound when this workspace has none with the id."""
        webhook = await self._store.read(lambda connection: queries.get_webhook(connection, workspace_id, webhook_id))
        if webhook is None:
            raise NotFound("Webhook not found")
        return webhook

    async def page(self, workspace_id: str, page: int, limit: int) -> Page[Webhook]:
        """A page of webhooks, newest first."""
        return await self._store.read(
            lambda connection: queries.page_of_webhooks(connection, workspace_id, page, limit)
        )

    async def update(self, workspace_id: str, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Changes the members that are given; disabling ends what waits for it. Raises NotFound."""
        return await self._change(workspace_id, webhook_id, lambda current: replace(current, **changes))

    async def rotate_secret(self, workspace_id: str, webhook_id: str) -> str:
        """A new secret; the one before signs as well for a day. Raises NotFound."""
        secret = new_signing_secret()
        until = self._clock() + timedelta(seconds=OVERLAP_SECONDS)

        def change(current: Webhook) -> Webhook:
            clear = unseal_webhook(self._secrets, current)
            return seal_webhook(
                self._secrets,
                replace(
                    clear,
                    secret=secret,
                    secret_prefix=secret[:SECRET_SHOWN],
                    previous_secret=clear.secret,
                    previous_until=until,
                ),
            )

        await self._change(workspace_id, webhook_id, change)
        return secret

    async def delete(self, workspace_id: str, webhook_id: str) -> None:
        """Deletes a webhook and ends what waits for it. Raises NotFound."""

        async def work(connection: AsyncConnection) -> None:
            if not await queries.delete_webhook(connection, workspace_id, webhook_id):
                raise NotFound("Webhook not found")
            await stop_pending(connection, webhook_id, DELETED)

        await self._store.write(work)
        await self._directory.refresh()

    async def test(self, workspace_id: str, webhook_id: str, keep: Keep[str] = no_key) -> str:
        """Sends `webhook.test` to this webhook alone; the id of the delivery. Raises NotFound, Conflict if disabled."""
        await self.get(workspace_id, webhook_id)
        await self._directory.refresh()
        target = self._directory.target("webhook", webhook_id)
        if target is None:
            raise Conflict("The webhook is disabled")
        data = {"webhook_id": webhook_id, "message": "Deliveries to this URL work"}
        stored = self._outbox.event("webhook.test", workspace_id, data, self._clock(), only=target)
        delivery_id = stored.delivery_ids[0]
        await self._store.write_rows((*stored.rows, *keep(delivery_id)))
        self._outbox.wake(stored)
        return delivery_id

    async def _change(self, workspace_id: str, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        async def work(connection: AsyncConnection) -> Webhook:
            current = await queries.get_webhook(connection, workspace_id, webhook_id, lock=True)
            if current is None:
                raise NotFound("Webhook not found")
            changed = replace(change(current), updated_at=self._clock())
            await queries.update_webhook(connection, changed)
            if current.enabled and not changed.enabled:
                await stop_pending(connection, webhook_id, DISABLED)
            return changed

        webhook = await self._store.write(work)
        await self._directory.refresh()
        return webhook
