"""The truth tables of `Gather` and `Dial` that the reference pages show: one test a row."""

from __future__ import annotations

import pytest

from voyloml.reference.dial_table import DIAL_ROWS, DialRow
from voyloml.reference.gather_table import GATHER_ROWS, GatherRow


@pytest.mark.parametrize("row", GATHER_ROWS, ids=lambda row: f"{row.group}, {row.attributes or 'plain'}, {row.does}")
def test_gather(row: GatherRow) -> None:
    assert row.outcome() == (row.result, row.at, row.prompt_until)


@pytest.mark.parametrize("row", DIAL_ROWS, ids=lambda row: f"{row.group}, {row.attributes or 'plain'}, {row.does}")
def test_dial(row: DialRow) -> None:
    assert row.outcome() == (row.status, row.cause, row.seconds, row.at, dict(row.others))


def test_no_row_stands_twice() -> None:
    for rows in (GATHER_ROWS, DIAL_ROWS):
        situations = [(row.group, row.attributes, row.does) for row in rows]
        assert len(set(situations)) == len(situations)
