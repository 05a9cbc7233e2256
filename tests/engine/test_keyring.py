"""Keys in memory: recognised by prefix and hash, kept in step with the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from engine import keyring as keyring_module
from engine.keyring import KeyRing, hash_key
from tests.engine.opened import Opened, opened


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def test_a_known_key_is_found_without_asking_the_store(engine: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring_module, "KEY_CHECK_SECONDS", 3600)
    ring = KeyRing(engine.store)
    found = await ring.find(engine.first.api_key)
    assert found is not None
    await engine.store.close()
    assert await ring.find(engine.first.api_key) == found


async def test_what_shares_a_prefix_with_a_key_is_not_it(engine: Opened) -> None:
    ring = KeyRing(engine.store)
    for raw in (engine.first.api_key[:13], engine.first.api_key[:-1], engine.first.api_key + "x", ""):
        assert await ring.find(raw) is None


async def test_revoked_keys_are_forgotten_and_the_others_stay(engine: Opened) -> None:
    ring = KeyRing(engine.store)
    made = [await engine.accounts.create_key(engine.workspace_id, str(number)) for number in range(3)]
    assert [await ring.find(one.raw) for one in made] == [one.key for one in made]
    await engine.accounts.revoke_key(made[1].key.id)
    await ring.refresh()
    assert [await ring.find(one.raw) for one in made] == [made[0].key, None, made[2].key]
    assert made[1].key.prefix not in ring._by_prefix


async def test_after_a_gap_in_the_changes_everything_is_loaded_again(engine: Opened) -> None:
    ring = KeyRing(engine.store)
    made = await engine.accounts.create_key(engine.workspace_id, "ci")
    assert await ring.find(made.raw) is not None
    await engine.store.write(lambda connection: connection.execute(text("UPDATE api_keys SET revoked_at = 1")))
    await engine.store.write(lambda connection: connection.execute(text("UPDATE meta SET number = number + 5")))
    await ring.refresh()
    assert await ring.find(made.raw) is None
    assert await ring.find(engine.first.api_key) is None


def test_a_key_is_stored_as_its_sha_256() -> None:
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
