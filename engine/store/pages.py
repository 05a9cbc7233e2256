"""A page of any table that has `created_at` and `id`: newest first (contract §4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Page

T = TypeVar("T")


async def page_of(
    connection: AsyncConnection,
    table: Table,
    conditions: Sequence[ColumnElement[bool]],
    page: int,
    limit: int,
    make: Callable[[Row[Any]], T],
    query: Select[Any] | None = None,
) -> Page[T]:
    """The rows of `table` that meet the conditions, as `make` gives them; `query` selects more than the table."""
    total = (await connection.execute(select(func.count()).select_from(table).where(*conditions))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        (select(table) if query is None else query)
        .where(*conditions)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(make(row) for row in rows), page, limit, total)
