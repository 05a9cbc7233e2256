"""Every usable API key in memory, so that recognising one costs no query (contract §2).

A key that is revoked stops working at once in this process, and within `KEY_CHECK_SECONDS` in every other one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from engine.ids import KEY_DISPLAY_LENGTH
from engine.model import ApiKey
from engine.store import Store
from engine.store.accounts import load_keys
from engine.store.config import Changes, ConfigFollower

KEY_CHECK_SECONDS: Final = 0.5
"""How long the keys in memory are used before the store is asked whether any has changed."""


def hash_key(raw: str) -> str:
    """The hex SHA-256 of a raw key, which is all that is stored of it."""
    return hashlib.sha256(raw.encode()).hexdigest()


class KeyRing:
    """The keys by their display prefix; among those of one prefix the hash decides, compared in constant time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._follower = ConfigFollower(store, self._load)
        self._by_prefix: dict[str, dict[str, tuple[str, ApiKey]]] = {}
        self._prefixes: dict[str, str] = {}

    async def find(self, raw: str) -> ApiKey | None:
        """The key with this raw text, revoked ones excepted. One that is unknown here is looked for in the store."""
        if self._follower.age > KEY_CHECK_SECONDS:
            await self._follower.refresh()
        found = self._match(raw)
        if found is None:
            await self._follower.refresh()
            found = self._match(raw)
        return found

    async def refresh(self) -> None:
        """Takes over what was committed before this call."""
        await self._follower.refresh()

    def _match(self, raw: str) -> ApiKey | None:
        digest = hash_key(raw)
        for key_hash, key in self._by_prefix.get(raw[:KEY_DISPLAY_LENGTH], {}).values():
            if hmac.compare_digest(key_hash, digest):
                return key
        return None

    async def _load(self, changes: Changes | None) -> None:
        ids = None if changes is None else changes.ids("key")
        if ids is not None and not ids:
            return
        keys = await self._store.read(lambda connection: load_keys(connection, ids))
        if ids is None:
            self._by_prefix.clear()
            self._prefixes.clear()
        for key_id in ids or ():
            self._forget(key_id)
        for key_hash, key in keys:
            if key.revoked_at is None:
                self._by_prefix.setdefault(key.prefix, {})[key.id] = (key_hash, key)
                self._prefixes[key.id] = key.prefix

    def _forget(self, key_id: str) -> None:
        prefix = self._prefixes.pop(key_id, None)
        if prefix is None:
            return
        sharing = self._by_prefix[prefix]
        del sharing[key_id]
        if not sharing:
            del self._by_prefix[prefix]
