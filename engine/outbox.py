"""The outbox: an event and its deliveries as rows of one write, so that neither is ever stored without the other.

Who stores the rows calls `wake` with the result once they are committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.call_events import event_payload, general_payload, recording_payload
from engine.ids import new_event_id, new_uuid
from engine.model import Call, EventType, GeneralEventType, Recording, TargetKind
from engine.store import Row
from engine.store.calls import INSERT_EVENT
from engine.store.deliveries import INSERT_DELIVERY
from engine.store.json_text import dump_json
from engine.store.times import to_ms
from engine.webhook_directory import Target

RECORDING_COMPLETED: Final = "recording.completed"

TargetKey = tuple[TargetKind, str]
ToldOf = Callable[[str, str, str | None], Sequence[Target]]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Rows to be stored in one write, the deliveries among them by id, and who is to be woken after the commit."""

    rows: Sequence[Row]
    delivery_ids: Sequence[str]
    targets: Sequence[TargetKey]


def nobody(workspace_id: str, event: str, application_id: str | None = None) -> Sequence[Target]:
    """The targets of an engine that tells nobody."""
    return ()


class Outbox:
    """Makes the rows. `told_of` names the targets of an event; `on_commit` is called with those that have something."""

    def __init__(self, told_of: ToldOf = nobody) -> None:
        self._told_of = told_of
        self.on_commit: Callable[[Sequence[TargetKey]], None] = lambda targets: None

    def call_event(self, event: EventType, call: Call, at: datetime) -> StoredEvent:
        """An event about a call as it stands after the event."""
        event_id = new_event_id()
        payload = event_payload(event, event_id, at, call)
        targets = self._told_of(call.workspace_id, event, call.application_id)
        return _stored(event, event_id, call.workspace_id, call.id, payload, at, targets)

    def recording_event(self, recording: Recording, call: Call, at: datetime) -> StoredEvent:
        """`recording.completed`, about a recording that became available after the terminal event of its call."""
        event_id = new_event_id()
        payload = recording_payload(event_id, at, call, recording)
        targets = self._told_of(call.workspace_id, RECORDING_COMPLETED, call.application_id)
        return _stored(RECORDING_COMPLETED, event_id, call.workspace_id, call.id, payload, at, targets)

    def event(
        self,
        event: GeneralEventType,
        workspace_id: str,
        data: Mapping[str, object],
        at: datetime,
        only: Target | None = None,
    ) -> StoredEvent:
        """An event that is not about a call, for everybody who wants it, or for `only` one."""
        event_id = new_event_id()
        payload = general_payload(event, event_id, at, workspace_id, data)
        targets = self._told_of(workspace_id, event, None) if only is None else (only,)
        return _stored(event, event_id, workspace_id, None, payload, at, targets)

    def wake(self, stored: StoredEvent) -> None:
        """Has the deliveries of an event sent, which is committed."""
        if stored.targets:
            self.on_commit(stored.targets)


def _stored(
    event: str,
    event_id: str,
    workspace_id: str,
    call_id: str | None,
    payload: Mapping[str, object],
    at: datetime,
    targets: Sequence[Target],
) -> StoredEvent:
    created_at = to_ms(at)
    rows: list[Row] = [
        (
            INSERT_EVENT,
            {
                "id": event_id,
                "workspace_id": workspace_id,
                "type": event,
                "call_id": call_id,
                "payload": dump_json(payload),
                "created_at": created_at,
            },
        )
    ]
    ids = [new_uuid() for _ in targets]
    rows += [
        (
            INSERT_DELIVERY,
            {
                "id": delivery_id,
                "workspace_id": workspace_id,
                "target_kind": target.kind,
                "target_id": target.id,
                "event_id": event_id,
                "event_type": event,
                "call_id": call_id,
                "status": "pending",
                "attempts": 0,
                "response_status": None,
                "last_error": None,
                "next_attempt_at": created_at,
                "created_at": created_at,
                "delivered_at": None,
                "target_url": target.url,
                "request_headers": "{}",
                "response_body": None,
                "payload": None,
            },
        )
        for delivery_id, target in zip(ids, targets, strict=True)
    ]
    return StoredEvent(rows, ids, [(target.kind, target.id) for target in targets])
