"""Refused callers are logged once a minute and source, whatever they send."""

from __future__ import annotations

import pytest
import structlog

from engine.refusals import REMEMBERED_SOURCES, RefusalLog


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_of_a_kind_is_logged_at_once_the_rest_as_a_count_each_minute() -> None:
    clock = Clock()
    log = RefusalLog(clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(50):
            log.refused("call.unknown_number", "192.0.2.1", to="1000")
        log.refused("call.foreign_address", "192.0.2.1")
        log.refused("call.unknown_number", "192.0.2.2", to="1000")
        clock.now += 60
        log.refused("call.unknown_number", "192.0.2.1", to="1001")
    assert [(line["event"], line["source"], line["refused"]) for line in lines] == [
        ("call.unknown_number", "192.0.2.1", 1),
        ("call.foreign_address", "192.0.2.1", 1),
        ("call.unknown_number", "192.0.2.2", 1),
        ("call.unknown_number", "192.0.2.1", 50),
    ]


def test_any_number_of_sources_is_remembered_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RefusalLog(Clock())
    with structlog.testing.capture_logs() as lines:
        for number in range(REMEMBERED_SOURCES + 100):
            log.refused("call.unknown_number", f"s{number}")
        log.refused("call.unknown_number", f"s{REMEMBERED_SOURCES}")
        log.refused("call.unknown_number", "s0")
    assert len(log._seen) == REMEMBERED_SOURCES
    assert len(lines) == REMEMBERED_SOURCES + 101
