"""Single named values about the database itself."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.prepared import RowStatement
from engine.store.tables import meta

ALIVE_NAME: Final = "alive_at"

TOUCH_ALIVE: Final = RowStatement(
    95, update(meta).where(meta.c.name == literal_column(f"'{ALIVE_NAME}'")).values(number=bindparam("at"))
)
"""Notes that calls were running at `at` (milliseconds)."""


async def get_or_set_text(connection: AsyncConnection, name: str, value: str) -> str:
    """The stored text of this name; `value`, which is then stored, when there is none."""
    stored = (await connection.execute(select(meta.c.text).where(meta.c.name == name))).scalar()
    if stored is not None:
        return str(stored)
    await connection.execute(insert(meta).values(name=name, text=value))
    return value


async def alive_at(connection: AsyncConnection) -> int | None:
    """When calls were last known to run, in milliseconds; None when never."""
    number = (await connection.execute(select(meta.c.number).where(meta.c.name == ALIVE_NAME))).scalar()
    return None if number is None else int(number)
