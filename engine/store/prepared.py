"""Statements that are prepared once and run for every call or request.

On SQLite they go to the driver directly: a statement then costs one switch to the driver's thread and no processing of
its values in Python, about a quarter of what it costs through SQLAlchemy. Any other database runs the same statement in
the usual way. The values must be what the driver takes and gives: text, integers and None.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import Select

Parameters = Mapping[str, Any]

INTEGRITY_ERRORS: Final = (IntegrityError, sqlite3.IntegrityError)
DATABASE_ERRORS: Final = (SQLAlchemyError, sqlite3.Error, OSError)

_SQLITE: Final = sqlite_dialect(paramstyle="named")


class RowStatement:
    """An insert, update or delete that is run for many rows at once.

    `rank` orders the statements of a transaction: lower ones run first, whichever write they belong to. Statements
    about the same row must be ranked in the order of that row's life.
    """

    def __init__(self, rank: int, statement: Insert | Update | Delete | TextClause) -> None:
        self.rank = rank
        self.statement = statement

    @cached_property
    def sqlite_text(self) -> str:
        """The statement for SQLite, with parameters by name."""
        columns = None
        if isinstance(self.statement, Insert):
            columns = [
                column.name for column in self.statement.table.columns if column is not _numbered(self.statement)
            ]
        return str(self.statement.compile(dialect=_SQLITE, column_keys=columns))


class PreparedQuery:
    """A select that is run with parameters by name.

    `at_once`: it finds a few rows by an index, so that it costs less where it is asked for than a change of threads
    (`engine.store.sqlite_reads`).
    """

    def __init__(self, statement: Select[Any], *, at_once: bool = False) -> None:
        self.statement = statement
        self.at_once = at_once

    @cached_property
    def sqlite_text(self) -> str:
        """The query for SQLite, with parameters by name."""
        return str(self.statement.compile(dialect=_SQLITE))


def _numbered(statement: Insert) -> Any:
    """The column that the database fills by itself, if there is one."""
    return getattr(statement.table, "autoincrement_column", None)


async def execute_rows(connection: AsyncConnection, statement: RowStatement, rows: Sequence[Parameters]) -> None:
    """Runs the statement for each of `rows`, in the transaction of `connection`."""
    driver = await driver_of(connection)
    if driver is None:
        await connection.execute(statement.statement, rows)
        return
    cursor = await driver.executemany(statement.sqlite_text, rows)
    await cursor.close()


async def driver_of(connection: AsyncConnection) -> aiosqlite.Connection | None:
    """The driver's own connection when it is SQLite's."""
    driver = (await connection.get_raw_connection()).driver_connection
    return driver if isinstance(driver, aiosqlite.Connection) else None
