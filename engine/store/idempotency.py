"""What requests with an Idempotency-Key led to (contract §6.2), for as long as a repetition may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select

from engine.store.database import Store
from engine.store.prepared import PreparedQuery, RowStatement
from engine.store.tables import idempotency_keys

FORGET_KEYS: Final = RowStatement(
    4, delete(idempotency_keys).where(idempotency_keys.c.created_at < bindparam("oldest"))
)
"""Keys that count no more: parameter `oldest` (milliseconds)."""

INSERT_KEY: Final = RowStatement(5, insert(idempotency_keys))
"""A key's first use: parameters of `key_values`, and `result`."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that was used: the request it stands for, what it led to, and when, in milliseconds."""

    request: str
    result: str
    created_at: int


def key_values(workspace_id: str, method: str, path: str, key: str, request: str, at: int) -> Mapping[str, Any]:
    """Parameters of `INSERT_KEY` but for `result`."""
    return {
        "workspace_id": workspace_id,
        "method": method,
        "path": path,
        "key": key,
        "request": request,
        "created_at": at,
    }


_FIND: Final = PreparedQuery(
    select(idempotency_keys.c.request, idempotency_keys.c.result, idempotency_keys.c.created_at).where(
        *(idempotency_keys.c[name] == bindparam(name) for name in ("workspace_id", "method", "path", "key"))
    ),
    at_once=True,
)


async def find_key(store: Store, workspace_id: str, method: str, path: str, key: str) -> StoredKey | None:
    """The first use of a key, however long ago."""
    rows = await store.fetch(_FIND, {"workspace_id": workspace_id, "method": method, "path": path, "key": key})
    return StoredKey(*rows[0]) if rows else None
