"""Numbers that want to be registered with their carrier: who is told, and when (contract §8.1, §14.3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from engine.directory import NumberDirectory
from engine.model import Number
from engine.numbers import NewNumber
from tests.engine.opened import Opened, opened

REGISTERS = NewNumber("+2004446", sip={"outbound": {"host": "sip.carrier.example", "register": True}})
DOES_NOT = NewNumber("+2004447", sip={"outbound": {"host": "sip.carrier.example"}})


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


class Watcher:
    """What was told since it was last asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Number | None]] = []

    def __call__(self, number_id: str, number: Number | None) -> None:
        self.heard.append((number_id, number))

    def take(self) -> list[tuple[str, Number | None]]:
        heard, self.heard = self.heard, []
        return heard


async def test_a_watcher_hears_what_there_is_then_each_start_and_end(engine: Opened) -> None:
    registrations, workspace, watcher = engine.directory.registrations, engine.workspace_id, Watcher()
    first = await engine.numbers.import_(workspace, REGISTERS)
    second = await engine.numbers.import_(workspace, DOES_NOT)
    stop = registrations.watch(watcher)
    assert watcher.take() == [(first.id, first)]
    started = await engine.numbers.update(workspace, second.id, {}, {"outbound": {"register": True}})
    assert watcher.take() == [(second.id, started)]
    assert {number.id for number in registrations} == {first.id, second.id}
    await engine.numbers.update(workspace, second.id, {}, {"outbound": None})
    assert watcher.take() == [(second.id, None)]
    await engine.numbers.delete(workspace, first.id)
    assert watcher.take() == [(first.id, None)]
    assert len(registrations) == 0
    stop()
    stop()
    await engine.numbers.import_(workspace, REGISTERS)
    assert watcher.take() == []


async def test_only_what_concerns_the_registration_is_told(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, REGISTERS)
    watcher = Watcher()
    engine.directory.registrations.watch(watcher)
    watcher.take()
    await engine.numbers.update(engine.workspace_id, number.id, {"label": "Main", "outbound_enabled": False})
    assert watcher.take() == []
    changed = await engine.numbers.update(engine.workspace_id, number.id, {}, {"outbound": {"port": 5080}})
    assert watcher.take() == [(number.id, changed)]


async def test_a_number_that_neither_rings_nor_calls_needs_no_registration(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, REGISTERS)
    watcher = Watcher()
    engine.directory.registrations.watch(watcher)
    watcher.take()
    off = {"inbound_enabled": False, "outbound_enabled": False}
    await engine.numbers.update(engine.workspace_id, number.id, off)
    assert watcher.take() == [(number.id, None)]


async def test_loading_everything_again_tells_the_differences_alone(engine: Opened) -> None:
    kept = await engine.numbers.import_(engine.workspace_id, REGISTERS)
    gone = await engine.numbers.import_(
        engine.workspace_id, NewNumber("+2004448", sip={"outbound": {"host": "h", "register": True}})
    )
    directory, watcher = NumberDirectory(engine.store, engine.secrets), Watcher()
    await directory.refresh()
    directory.registrations.watch(watcher)
    assert {number_id for number_id, _ in watcher.take()} == {kept.id, gone.id}
    directory.registrations.replaced([kept])
    assert watcher.take() == [(gone.id, None)]


async def test_a_watcher_that_fails_disturbs_neither_the_change_nor_the_others(engine: Opened) -> None:
    watcher = Watcher()

    def fails(number_id: str, number: Number | None) -> None:
        raise ZeroDivisionError

    engine.directory.registrations.watch(fails)
    engine.directory.registrations.watch(watcher)
    with structlog.testing.capture_logs() as lines:
        number = await engine.numbers.import_(engine.workspace_id, REGISTERS)
    assert watcher.take() == [(number.id, number)]
    assert [line["event"] for line in lines] == ["registrations.watcher_failed"]
