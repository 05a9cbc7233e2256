"""Name look-ups: remembered, bounded, never raising."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sip.transport.resolver import FAILURE_SECONDS, REMEMBERED_NAMES, REMEMBERED_SECONDS, Resolver
from tests.sip.support import Clock

BOTH = frozenset({socket.AF_INET, socket.AF_INET6})
FOUND = [
    (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::9", 0, 0, 0)),
    (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.9", 0)),
]


class Names:
    """Stands in for the system's resolver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, result: object = FOUND) -> None:
        self.asked: list[str] = []
        self.result = result
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, _port: object, **_more: object) -> Any:
        self.asked.append(host)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


async def test_an_address_needs_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    assert await Resolver(Clock(), BOTH).resolve("192.0.2.1") == "192.0.2.1"
    assert names.asked == []


@pytest.mark.parametrize(
    ("families", "wanted"), [(BOTH, "2001:db8::9"), (frozenset({socket.AF_INET}), "192.0.2.9"), (frozenset(), None)]
)
async def test_only_addresses_we_can_reach_count(
    monkeypatch: pytest.MonkeyPatch, families: frozenset[socket.AddressFamily], wanted: str | None
) -> None:
    Names(monkeypatch)
    assert await Resolver(Clock(), families).resolve("peer.example.com") == wanted


async def test_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    names, clock = Names(monkeypatch), Clock()
    resolver = Resolver(clock, BOTH)
    for _ in range(3):
        await resolver.resolve("peer.example.com")
    assert len(names.asked) == 1
    clock.now += REMEMBERED_SECONDS + 1
    await resolver.resolve("peer.example.com")
    assert len(names.asked) == 2


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), TimeoutError()])
async def test_failures_are_none_and_believed_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    names, clock = Names(monkeypatch, error), Clock()
    resolver = Resolver(clock, BOTH)
    assert await resolver.resolve("nowhere.invalid") is None
    assert await resolver.resolve("nowhere.invalid") is None
    assert len(names.asked) == 1
    clock.now += FAILURE_SECONDS + 1
    names.result = FOUND
    assert await resolver.resolve("nowhere.invalid") == "2001:db8::9"


async def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch)
    resolver = Resolver(Clock(), BOTH)
    for number in range(REMEMBERED_NAMES + 20):
        await resolver.resolve(f"host{number}.example.com")
    assert len(resolver._known) == REMEMBERED_NAMES


async def test_a_real_name_is_found() -> None:
    assert await Resolver(Clock(), frozenset({socket.AF_INET})).resolve("localhost") == "127.0.0.1"
