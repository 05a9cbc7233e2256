"""Who is told of what, in memory, so that storing an event asks no query: webhooks, and finished URLs of applications.

Kept fresh like the numbers (`engine.directory`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from engine.model import Application, TargetKind, Webhook
from engine.polling import ConfigPolling
from engine.sealing import unseal_webhook
from engine.secrets import SecretBox, SecretUnreadable
from engine.store import Store
from engine.store.config import Changes, ConfigFollower
from engine.store.tables import TERMINAL_EVENTS
from engine.store.webhooks import load_webhooks

logger = structlog.get_logger(__name__)

EVERY_EVENT: Final = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """Where deliveries go: every one of `secrets` signs."""

    kind: TargetKind
    id: str
    url: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)


class WebhookDirectory:
    """`start` loads everything and keeps it fresh. `application` finds an application by its id."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        application: Callable[[str], Application | None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._application = application
        self._clock = clock
        self._follower = ConfigFollower(store, self._load)
        self._polling = ConfigPolling(self._follower, "webhooks")
        self._webhooks: dict[str, Webhook] = {}
        self._enabled: dict[str, dict[str, Webhook]] = {}

    def told_of(self, workspace_id: str, event: str, application_id: str | None = None) -> Sequence[Target]:
        """The targets of an event of a workspace, which is about a call of this application."""
        targets = [
            self._of_webhook(webhook)
            for webhook in self._enabled.get(workspace_id, {}).values()
            if EVERY_EVENT in webhook.events or event in webhook.events
        ]
        if application_id is not None and event in TERMINAL_EVENTS:
            target = self.target("application", application_id)
            if target is not None:
                targets.append(target)
        return targets

    def target(self, kind: TargetKind, target_id: str) -> Target | None:
        """Where deliveries to this target go now; None when it is gone, disabled, or without a URL."""
        if kind == "webhook":
            webhook = self._webhooks.get(target_id)
            return self._of_webhook(webhook) if webhook is not None and webhook.enabled else None
        application = self._application(target_id)
        if application is None or application.finished_url is None:
            return None
        return Target(
            "application",
            application.id,
            application.finished_url,
            application.finished_url_headers,
            (application.signing_secret,),
        )

    def _of_webhook(self, webhook: Webhook) -> Target:
        secrets: tuple[str, ...] = (webhook.secret,)
        previous, until = webhook.previous_secret, webhook.previous_until
        if previous is not None and until is not None and self._clock() < until:
            secrets += (previous,)
        return Target("webhook", webhook.id, webhook.url, webhook.headers, secrets)

    async def start(self) -> None:
        """Loads everything and begins to poll for changes. Raises Unavailable when the database does not answer."""
        await self._follower.refresh()
        self._polling.start()

    async def close(self) -> None:
        """Stops polling."""
        await self._polling.close()

    async def refresh(self) -> None:
        """Takes over every change that was committed before this call."""
        await self._follower.refresh()

    async def _load(self, changes: Changes | None) -> None:
        ids = None if changes is None else changes.ids("webhook")
        if ids == []:
            return
        webhooks = await self._store.read(lambda connection: load_webhooks(connection, ids))
        for webhook_id in tuple(self._webhooks) if ids is None else ids:
            self._forget(webhook_id)
        for sealed in webhooks:
            self._add(sealed)

    def _forget(self, webhook_id: str) -> None:
        webhook = self._webhooks.pop(webhook_id, None)
        if webhook is not None:
            self._enabled.get(webhook.workspace_id, {}).pop(webhook_id, None)

    def _add(self, sealed: Webhook) -> None:
        try:
            webhook = unseal_webhook(self._secrets, sealed)
        except SecretUnreadable as error:
            logger.error("directory.secret_unreadable", webhook=sealed.id, reason=error.message)  # noqa: TRY400
            return
        self._webhooks[webhook.id] = webhook
        if webhook.enabled:
            self._enabled.setdefault(webhook.workspace_id, {})[webhook.id] = webhook
