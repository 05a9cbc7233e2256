"""The migrations lead from an empty database to the tables of the program, once, whoever starts first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from engine.store import SchemaUnknown, Store
from engine.store.accounts import list_keys
from engine.store.migration import MIGRATIONS, schema_revision
from engine.store.tables import SCHEMA_REVISION, metadata
from tests.engine.opened import database_url


async def opened_and_closed(path: Path) -> None:
    await (await Store.open(database_url(path))).close()


def test_the_program_names_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


async def test_an_empty_database_gets_exactly_the_tables_of_the_program(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'voylo.db'}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        assert differences == []
        assert schema_revision(connection) == SCHEMA_REVISION
        partial = {index["name"] for index in inspect(connection).get_indexes("call_events") if index["unique"]}
        assert "uq_call_events_terminal" in partial
    engine.dispose()


async def test_processes_that_start_together_on_an_empty_database_make_one_schema(tmp_path: Path) -> None:
    await asyncio.gather(*(opened_and_closed(tmp_path) for _ in range(4)))
    engine = create_engine(f"sqlite:///{tmp_path / 'voylo.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM meta")).scalar() == 2
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(SCHEMA_REVISION,)]
    engine.dispose()


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'voylo.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaUnknown, match="9999"):
        await Store.open(database_url(tmp_path))
    with engine.connect() as connection:
        assert schema_revision(connection) == "9999"
    engine.dispose()


def test_every_table_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert index.name is not None
            assert len(index.name) <= 63
            assert str(CreateIndex(index).compile(dialect=dialect))


async def test_a_database_of_an_earlier_program_is_upgraded_with_what_is_in_it(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{tmp_path / 'voylo.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('acc_1', 'A', 0)"))
        connection.execute(text("INSERT INTO workspaces VALUES ('ws_1', 'acc_1', 'W', 'UTC', 0)"))
        connection.execute(
            text("INSERT INTO api_keys VALUES ('k', 'ws_1', 'ci', 'vlx_live_abcd', 'h', 'owner', 0, NULL, NULL, NULL)")
        )
        # two answered calls in one quarter of an hour, one in the next, and one that is still running
        for number, created_at, ended_at in ((1, 900_000, 1), (2, 1_799_999, 1), (3, 1_800_000, 1), (4, 0, None)):
            connection.execute(
                text(
                    "INSERT INTO calls (id, public_id, workspace_id, direction, from_number, to_number, status,"
                    " destination_kind, variables, started_at, answered_at, ended_at, billed_s, cost, currency,"
                    " routing_attempts, created_at) VALUES (:id, :id, 'ws_1', 'inbound', 'a', 'b', 'completed', 'none',"
                    " '{}', 0, 1, :ended_at, 60, 450, 'USD', '[]', :created_at)"
                ),
                {"id": str(number), "created_at": created_at, "ended_at": ended_at},
            )
    store = await Store.open(database_url(tmp_path))
    (key,) = await store.read(lambda connection: list_keys(connection, "ws_1"))
    assert (key.name, key.role, key.created_by) == ("ci", "owner", None)
    await store.close()
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        assert differences == []
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        assert connection.execute(text("SELECT * FROM usage_totals ORDER BY slot")).all() == [
            ("ws_1", 900_000, "", 2, 120, 900),
            ("ws_1", 1_800_000, "", 1, 60, 450),
        ]
    engine.dispose()
