"""Counting the contexts of libsrtp."""

from __future__ import annotations

import pytest

from media.kernel import keys


def count_contexts(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return a set that holds the contexts that exist, from now on; one that is freed twice fails."""
    contexts: set[int] = set()
    create, free = keys.create_context, keys.free_context

    def counted_create(suite: keys.SrtpSuite, key: bytes, *, sending: bool) -> int:
        context = create(suite, key, sending=sending)
        contexts.add(context)
        return context

    def counted_free(context: int) -> None:
        contexts.remove(context)
        free(context)

    monkeypatch.setattr(keys, "create_context", counted_create)
    monkeypatch.setattr(keys, "free_context", counted_free)
    return contexts
