"""Applications in the store: what is kept, what is shared with the call routing, what another workspace sees."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.applications import TEMPLATE_ERRORS_SHOWN, NewApplication, language_limits
from engine.errors import FieldError, NotFound
from engine.limits import Limits
from tests.engine.opened import START, Opened, opened

FULL = NewApplication(
    name="Menu",
    action_url="https://flows.example/a",
    action_url_headers={"Authorization": "Bearer x"},
    xml_template="<Response/>",
    finished_url="https://flows.example/f",
    finished_url_headers={"X-A": "b"},
    recording="always",
    allowed_caller_ids=("+2004446",),
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def test_what_is_created_is_read_back_whole(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    assert await engine.applications.get(engine.workspace_id, created.id) == created
    assert (created.name, created.action_url, created.recording) == ("Menu", "https://flows.example/a", "always")
    assert created.created_at == created.updated_at == START
    assert created.signing_secret.startswith("whsec_")


async def test_the_signing_secret_is_stored_encrypted_and_hidden_in_logs(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    connection = sqlite3.connect(engine.path / "voylo.db")
    (stored,) = connection.execute("SELECT signing_secret FROM applications").fetchone()
    connection.close()
    assert created.signing_secret not in stored
    assert created.signing_secret not in repr(created)


async def test_a_change_keeps_what_it_does_not_name(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    later = engine.clock.advance(seconds=5)
    changed = await engine.applications.update(engine.workspace_id, created.id, {"name": "Night", "action_url": None})
    assert (changed.name, changed.action_url, changed.updated_at) == ("Night", None, later)
    assert changed.finished_url == FULL.finished_url
    assert changed.signing_secret == created.signing_secret
    assert changed.created_at == START
    assert await engine.applications.get(engine.workspace_id, created.id) == changed


async def test_changes_at_the_same_time_are_all_kept(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    await asyncio.gather(
        engine.applications.update(engine.workspace_id, created.id, {"name": "A"}),
        engine.applications.update(engine.workspace_id, created.id, {"recording": "never"}),
        engine.applications.update(engine.workspace_id, created.id, {"finished_url": None}),
    )
    stored = await engine.applications.get(engine.workspace_id, created.id)
    assert (stored.name, stored.recording, stored.finished_url) == ("A", "never", None)


async def test_call_routing_sees_each_change_when_the_method_returns(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    assert engine.directory.application(created.id) == created
    changed = await engine.applications.update(engine.workspace_id, created.id, {"name": "Night"})
    assert engine.directory.application(created.id) == changed
    secret = await engine.applications.rotate_signing_secret(engine.workspace_id, created.id)
    found = engine.directory.application(created.id)
    assert found is not None
    assert found.signing_secret == secret != created.signing_secret
    await engine.applications.delete(engine.workspace_id, created.id)
    assert engine.directory.application(created.id) is None


async def test_another_workspace_sees_and_changes_nothing(engine: Opened) -> None:
    created = await engine.applications.create(engine.workspace_id, FULL)
    other, _ = await engine.other_workspace()
    with pytest.raises(NotFound):
        await engine.applications.get(other, created.id)
    with pytest.raises(NotFound):
        await engine.applications.update(other, created.id, {"name": "Mine"})
    with pytest.raises(NotFound):
        await engine.applications.rotate_signing_secret(other, created.id)
    with pytest.raises(NotFound):
        await engine.applications.delete(other, created.id)
    assert (await engine.applications.page(other, 1, 10)).items == ()
    assert not await engine.applications.exists(other, created.id)
    assert await engine.applications.get(engine.workspace_id, created.id) == created


async def test_pages_run_from_the_newest_to_the_oldest(engine: Opened) -> None:
    for number in range(5):
        engine.clock.advance(seconds=1)
        await engine.applications.create(engine.workspace_id, NewApplication(f"App {number}"))
    first = await engine.applications.page(engine.workspace_id, 1, 2)
    last = await engine.applications.page(engine.workspace_id, 3, 2)
    past = await engine.applications.page(engine.workspace_id, 10**15, 100)
    assert [item.name for item in first.items] == ["App 4", "App 3"]
    assert (first.total_items, first.total_pages) == (5, 3)
    assert [item.name for item in last.items] == ["App 0"]
    assert past.items == ()
    assert past.total_items == 5


@pytest.mark.parametrize(
    ("search", "found"),
    [("GRÜSSE", ["Grüße"]), ("100%", ["100% off"]), ("_", ["a_b"]), ("a", ["a_b"]), ("%", ["100% off"]), ("\\", [])],
)
async def test_the_search_takes_its_text_literally_and_in_any_case(
    engine: Opened, search: str, found: list[str]
) -> None:
    for name in ("Grüße", "100% off", "a_b"):
        await engine.applications.create(engine.workspace_id, NewApplication(name))
    page = await engine.applications.page(engine.workspace_id, 1, 10, search)
    assert [item.name for item in page.items] == found
    assert page.total_items == len(found)


async def test_a_template_is_faulted_with_the_place_of_each_fault(engine: Opened) -> None:
    assert engine.applications.template_errors("<Response><Say>Hi {{name}}</Say></Response>") == []
    (fault,) = engine.applications.template_errors("<Response>\n  <Gather numDigits='no'/></Response>")
    assert fault.startswith("line 2, column 3: numDigits")
    many = "<Response>" + "<Nope/>" * 50 + "</Response>"
    assert len(engine.applications.template_errors(many)) == TEMPLATE_ERRORS_SHOWN


async def test_the_limits_of_the_configuration_are_those_of_the_language(tmp_path: Path) -> None:
    async with opened(tmp_path, Limits(document_elements=2, variables=1)) as engine:
        (fault,) = engine.applications.template_errors("<Response><Hangup/><Hangup/></Response>")
        assert "elements" in fault
        assert engine.applications.variable_errors({"a": 1}) == []
        assert engine.applications.variable_errors({"a": 1, "b": 2}) == [
            FieldError("variables", "must have at most 1 keys, not 2")
        ]
    assert language_limits(Limits()).document_bytes == 262_144


async def test_every_fault_of_variables_is_named(engine: Opened) -> None:
    errors = engine.applications.variable_errors({"order id": 1, "ok": True, "list": []})
    assert [error.field for error in errors] == ["variables.order id", "variables.list"]
