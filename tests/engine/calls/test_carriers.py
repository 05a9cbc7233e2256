"""Header fields of several sources in one INVITE."""

from __future__ import annotations

from engine.calls.carriers import merged


def test_a_name_goes_once_as_the_last_source_writes_it() -> None:
    several = {"X-A": "1", "X-B": "2"}, {"x-a": "3"}, {"X-C": "4", "x-b": "5"}
    assert merged(*several) == {"x-a": "3", "x-b": "5", "X-C": "4"}
    assert merged() == {}
