"""Prepared statements: the short form for SQLite has the same parameters as the statement itself."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.dialects import postgresql

from engine.store import PreparedQuery, RowStatement, accounts, calls, config, meta

PREPARED = {
    f"{module.__name__}.{name}": statement
    for module in (accounts, calls, config, meta)
    for name, statement in vars(module).items()
    if isinstance(statement, (PreparedQuery, RowStatement))
}


@pytest.mark.parametrize("name", sorted(PREPARED))
def test_every_parameter_is_one_that_the_caller_names(name: str) -> None:
    text = PREPARED[name].sqlite_text
    named = set(re.findall(r":(\w+)", text))
    assert "?" not in text
    assert not [parameter for parameter in named if re.search(r"_\d+$", parameter)], "a literal became a parameter"


@pytest.mark.parametrize("name", sorted(PREPARED))
def test_every_statement_can_be_said_to_postgresql(name: str) -> None:
    assert str(PREPARED[name].statement.compile(dialect=postgresql.dialect()))


def test_statements_about_a_call_are_ranked_in_the_order_of_its_life() -> None:
    order = [calls.INSERT_CALL, calls.SET_RINGING, calls.SET_ANSWERED, calls.SET_ENDED, calls.INSERT_EVENT]
    assert [statement.rank for statement in order] == sorted({statement.rank for statement in order})


def test_a_column_that_numbers_itself_is_left_to_the_database() -> None:
    assert ":seq" not in calls.INSERT_EVENT.sqlite_text
    assert ":id" in calls.INSERT_EVENT.sqlite_text
