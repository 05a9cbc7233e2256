"""Caches follow the changes of numbers, applications and keys, in this process and in others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import Unavailable
from engine.store import Store
from engine.store import config as config_module
from engine.store.config import Changes, ConfigFollower, changes_since, config_version, record_change
from tests.engine.opened import database_url


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(database_url(tmp_path))
    yield store
    await store.close()


async def change(store: Store, entity_id: str) -> None:
    await store.write(lambda connection: record_change(connection, "number", entity_id))


async def since(store: Store, version: int) -> Changes:
    return await changes_since(store, version)


async def test_each_change_makes_a_version_and_says_what_changed(store: Store) -> None:
    for name in ("a", "b", "a"):
        await change(store, name)
    assert await config_version(store) == 3
    found = await since(store, 1)
    assert (found.version, found.complete, sorted(found.ids("number"))) == (3, True, ["a", "b"])
    assert found.ids("key") == []
    assert await since(store, 3) == Changes(3, frozenset(), complete=True)


async def test_whoever_is_too_far_behind_is_told_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "CHANGES_KEPT", 4)
    monkeypatch.setattr(config_module, "_PRUNE_EVERY", 5)
    for number in range(10):
        await change(store, str(number))
    assert not (await since(store, 0)).complete
    assert (await since(store, 6)).complete


class Cache:
    """Remembers what it was told to load."""

    def __init__(self, store: Store) -> None:
        self.loads: list[list[str] | None] = []
        self.follower = ConfigFollower(store, self.load)

    async def load(self, changes: Changes | None) -> None:
        self.loads.append(None if changes is None else sorted(changes.ids("number")))


async def test_a_follower_loads_everything_once_and_then_what_changed(store: Store) -> None:
    cache = Cache(store)
    assert cache.follower.age == float("inf")
    await cache.follower.refresh()
    await cache.follower.refresh()
    await change(store, "a")
    await change(store, "b")
    await cache.follower.refresh()
    assert cache.loads == [None, ["a", "b"]]
    assert cache.follower.age < 60


async def test_a_follower_too_far_behind_loads_everything_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "CHANGES_KEPT", 1)
    monkeypatch.setattr(config_module, "_PRUNE_EVERY", 1)
    cache = Cache(store)
    await cache.follower.refresh()
    for name in "abc":
        await change(store, name)
    await cache.follower.refresh()
    assert cache.loads == [None, None]


async def test_every_caller_sees_the_changes_committed_before_its_call(store: Store) -> None:
    cache = Cache(store)
    await cache.follower.refresh()

    async def change_and_refresh(name: str) -> bool:
        await change(store, name)
        await cache.follower.refresh()
        return any(name in (load or ()) for load in cache.loads)

    assert all(await asyncio.gather(*(change_and_refresh(str(number)) for number in range(30))))
    assert len(cache.loads) < 30


async def test_a_failed_refresh_is_raised_and_the_next_one_makes_up_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(store)
    await cache.follower.refresh()
    await change(store, "a")

    async def fails(*_: object) -> None:
        raise Unavailable("the database did not answer")

    with monkeypatch.context() as patch:
        patch.setattr(store, "fetch", fails)
        with pytest.raises(Unavailable):
            await cache.follower.refresh()
    await cache.follower.refresh()
    assert cache.loads == [None, ["a"]]
