"""Brings the schema of a database to that of this program, at start, by the migrations packaged beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from engine.errors import EngineError
from engine.store.tables import SCHEMA_REVISION

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_REVISION_TABLE: Final = "alembic_version"
_ADVISORY_LOCK: Final = 0x766F796C6F  # "voylo" in ASCII; any number of our own would do


class SchemaUnknown(EngineError):
    """The database is at a revision that this program does not know: a newer one wrote it."""


def schema_revision(connection: Connection) -> str | None:
    """The revision the database is at; None for one that has none of our tables."""
    if not inspect(connection).has_table(_REVISION_TABLE):
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {_REVISION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if revision is None else str(revision)


def upgrade(connection: Connection) -> None:
    """Runs the missing migrations in the transaction of `connection`; does nothing at the newest revision.

    Two processes that start at once wait for each other: on SQLite by the write lock that the transaction began with,
    on PostgreSQL by an advisory lock. Raises SchemaUnknown.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    current = schema_revision(connection)
    if current == SCHEMA_REVISION:
        return
    # Alembic is loaded only here: most starts find the schema as it should be.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaUnknown(
            f"the database is at schema {current}, which this program (schema {SCHEMA_REVISION}) does not know"
        ) from error
