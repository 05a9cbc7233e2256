"""Inbound trunks in memory: found by id and name within their workspace, told of when they change (contract §10.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.applications import NewApplication
from engine.directory import NumberDirectory
from engine.inbound_trunks import NewInboundTrunk
from engine.model import InboundTrunk
from tests.engine.opened import Opened, opened

DESTINATION = {"uri": "sip:desk@192.0.2.1", "username": "voylo", "password": "a-long-secret"}
TRUNK = NewInboundTrunk("Agents", (DESTINATION,))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def test_a_trunk_is_found_by_id_and_name_within_its_workspace(engine: Opened) -> None:
    workspace, trunks = engine.workspace_id, engine.directory.inbound_trunks
    other, _ = await engine.other_workspace()
    foreign = await engine.inbound_trunks.create(other, TRUNK)
    first = await engine.inbound_trunks.create(workspace, TRUNK)
    engine.clock.advance(seconds=1)
    second = await engine.inbound_trunks.create(workspace, TRUNK)
    assert [it.id for it in (trunks.find(workspace, second.id), trunks.find(workspace, "Agents")) if it] == [
        second.id,
        first.id,
    ]
    assert trunks.find(workspace, foreign.id) is None
    assert trunks.find(workspace, "agents") is None
    assert trunks.get(foreign.id) is not None
    await engine.inbound_trunks.delete(workspace, first.id)
    found = trunks.find(workspace, "Agents")
    assert found is not None
    assert found.id == second.id


async def test_passwords_are_in_clear_after_a_change_and_after_a_start(engine: Opened) -> None:
    made = await engine.inbound_trunks.create(engine.workspace_id, TRUNK)
    again = NumberDirectory(engine.store, engine.secrets)
    await again.start()
    for directory in (engine.directory, again):
        trunk = directory.inbound_trunks.get(made.id)
        assert trunk is not None
        assert trunk.destinations[0].password == "a-long-secret"
    await again.close()


async def test_the_watcher_hears_of_what_is_there_and_of_each_change_once(engine: Opened) -> None:
    heard: list[tuple[str, str | None]] = []

    def watch(trunk_id: str, trunk: InboundTrunk | None) -> None:
        heard.append((trunk_id, None if trunk is None else trunk.name))
        raise RuntimeError("a fault of the watcher is nobody else's")

    made = await engine.inbound_trunks.create(engine.workspace_id, TRUNK)
    engine.directory.inbound_trunks.watch(watch)
    await engine.inbound_trunks.update(engine.workspace_id, made.id, {"name": "Desk"})
    await engine.directory.refresh()
    await engine.inbound_trunks.delete(engine.workspace_id, made.id)
    assert heard == [(made.id, "Agents"), (made.id, "Desk"), (made.id, None)]


async def test_the_application_on_a_trunk_is_known_until_it_leaves_it(engine: Opened) -> None:
    workspace, directory = engine.workspace_id, engine.directory
    trunk = await engine.inbound_trunks.create(workspace, TRUNK)
    assert directory.application_on(trunk.id) is None
    one = await engine.applications.create(workspace, NewApplication("One", inbound_trunk_id=trunk.id))
    found = directory.application_on(trunk.id)
    assert found is not None
    assert found.id == one.id
    await engine.applications.update(workspace, one.id, {"inbound_trunk_id": None})
    assert directory.application_on(trunk.id) is None
    await engine.applications.create(workspace, NewApplication("Two", inbound_trunk_id=trunk.id))
    await engine.inbound_trunks.delete(workspace, trunk.id)
    assert directory.application_on(trunk.id) is None
