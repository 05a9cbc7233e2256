"""Call routing in memory: complete after the start, fresh after changes elsewhere, safe with foreign secrets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from engine import polling
from engine.applications import NewApplication
from engine.directory import NumberDirectory
from engine.errors import Unavailable
from engine.numbers import NewNumber
from engine.secrets import KEY_FILE, SecretBox, SecretUnreadable
from tests.engine.opened import Opened, opened

WITH_PASSWORD = NewNumber("+2004446", sip={"auth": {"username": "u", "password": "password"}})


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def test_after_the_start_everything_is_known_with_its_secrets(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, WITH_PASSWORD)
    application = await engine.applications.create(engine.workspace_id, NewApplication("Menu"))
    second = NumberDirectory(engine.store, engine.secrets)
    assert second.lookup("+2004446") is None
    await second.start()
    assert second.lookup("+2004446") == second.number(number.id) == number
    assert second.application(application.id) == application
    assert second.lookup("+2004447") is None
    assert second.application(number.id) is None
    await second.close()
    await second.close()


async def test_a_change_of_another_process_arrives_by_itself(engine: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)
    second = NumberDirectory(engine.store, engine.secrets)
    await second.start()
    number = await engine.numbers.import_(engine.workspace_id, WITH_PASSWORD)
    async with asyncio.timeout(10):
        while second.lookup("+2004446") != number:
            await asyncio.sleep(0.01)
        await engine.numbers.delete(engine.workspace_id, number.id)
        while second.lookup("+2004446") is not None:
            await asyncio.sleep(0.01)
    await second.close()


async def test_polling_outlives_a_database_that_does_not_answer(
    engine: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)
    second = NumberDirectory(engine.store, engine.secrets)
    await second.start()
    failures: list[Exception] = [Unavailable("the database did not answer"), ZeroDivisionError()]
    failed = asyncio.Event()

    async def fails(*_: object) -> None:
        if len(failures) == 1:
            failed.set()
        raise failures.pop()

    with monkeypatch.context() as patch:
        patch.setattr(engine.store, "fetch", fails)
        await asyncio.wait_for(failed.wait(), 10)
    number = await engine.numbers.import_(engine.workspace_id, WITH_PASSWORD)
    async with asyncio.timeout(10):
        while second.lookup("+2004446") != number:
            await asyncio.sleep(0.01)
    await second.close()


async def test_without_its_key_file_the_engine_does_not_start(engine: Opened, tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(SecretUnreadable, match="another key"):
        await NumberDirectory(engine.store, SecretBox.open(tmp_path)).start()


async def test_a_restored_key_file_is_as_good_as_the_old_one(engine: Opened, tmp_path: Path) -> None:
    number = await engine.numbers.import_(engine.workspace_id, WITH_PASSWORD)
    shutil.copy(tmp_path / KEY_FILE, tmp_path / "backup")
    (tmp_path / KEY_FILE).unlink()
    shutil.copy(tmp_path / "backup", tmp_path / KEY_FILE)
    second = NumberDirectory(engine.store, SecretBox.open(tmp_path))
    await second.start()
    assert second.lookup("+2004446") == number
    await second.close()


async def test_one_unreadable_secret_takes_only_its_number_out_of_service(engine: Opened) -> None:
    await engine.numbers.import_(engine.workspace_id, WITH_PASSWORD)
    good = await engine.numbers.import_(engine.workspace_id, NewNumber("+2004447"))
    application = await engine.applications.create(engine.workspace_id, NewApplication("Menu"))
    await engine.store.write(
        lambda connection: connection.execute(
            text("UPDATE numbers SET sip = replace(sip, 'v1.', 'v9.') WHERE e164 = '+2004446'")
        )
    )
    await engine.store.write(
        lambda connection: connection.execute(text("UPDATE applications SET signing_secret = 'v1.damaged'"))
    )
    second = NumberDirectory(engine.store, engine.secrets)
    await second.start()
    assert second.lookup("+2004446") is None
    assert second.lookup("+2004447") == good
    assert second.application(application.id) is None
    await second.close()


async def test_addresses_that_may_call_a_number_are_trusted_unless_nearly_everybody_may(engine: Opened) -> None:
    directory = engine.directory
    assert not directory.trusts("192.0.2.7")
    sources = ["192.0.2.0/24", "2001:db8::1", "0.0.0.0/0"]
    number = await engine.numbers.import_(
        engine.workspace_id, NewNumber("+2004446", sip={"allowed_source_ips": sources})
    )
    assert directory.trusts("192.0.2.7")
    assert directory.trusts("2001:db8::1")
    assert not directory.trusts("198.51.100.1")
    assert not directory.trusts("a name")
    await engine.numbers.delete(engine.workspace_id, number.id)
    assert not directory.trusts("192.0.2.7")
