"""What requests with an Idempotency-Key led to (contract §6.2), for as long as a repetition may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.prepared import RowStatement
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


async def find_key(
    connection: AsyncConnection, workspace_id: str, method: str, path: str, key: str
) -> StoredKey | None:
    """The first use of a key, however long ago."""
    table = idempotency_keys
    query = select(table.c.request, table.c.result, table.c.created_at).where(
        table.c.workspace_id == workspace_id, table.c.method == method, table.c.path == path, table.c.key == key
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredKey(row.request, row.result, row.created_at)
