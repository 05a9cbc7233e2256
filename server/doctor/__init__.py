"""`voylo doctor`: looks at what the engine needs and says what to change (contract §22.1).

It changes nothing and leaves nothing behind; each look is made for real: a port is bound, a word is spoken, a file is
written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from server.config import Config
from server.doctor.browsers import check_browsers
from server.doctor.finding import Finding, fail
from server.doctor.host import check_clock, check_compile_cache, check_files, check_priority
from server.doctor.keys import check_keys
from server.doctor.network import check_addresses, check_ports, check_rtp
from server.doctor.storage import check_data_dir, check_database

__all__ = ["Finding", "examine"]


async def examine(config: Config) -> list[Finding]:
    """Make every look and return what was found, in a fixed order. Raises nothing."""
    looks: dict[str, Callable[[], Awaitable[Iterable[Finding]]]] = {
        "config": lambda: asyncio.to_thread(_all, check_keys, config),
        "ports": lambda: asyncio.to_thread(_all, check_ports, config),
        "addresses": lambda: asyncio.to_thread(_all, check_addresses, config),
        "rtp": lambda: asyncio.to_thread(_all, check_rtp, config),
        "browsers": lambda: asyncio.to_thread(_all, check_browsers, config),
        "storage": lambda: asyncio.to_thread(_all, check_data_dir, config),
        "database": lambda: _database(config),
        "speech": lambda: _heard(config),
        "priority": lambda: asyncio.to_thread(_all, check_priority),
        "files": lambda: asyncio.to_thread(_all, check_files, config),
        "compiler": lambda: asyncio.to_thread(_all, check_compile_cache),
        "clock": lambda: asyncio.to_thread(_all, check_clock),
    }
    found: list[Finding] = []
    for name, look in looks.items():
        try:
            found.extend(await look())
        except Exception as error:  # one look that goes wrong must not hide what the others see
            reason = f"could not be looked at: {type(error).__name__}: {error}"
            found.append(fail(name, reason, "report this as a fault of voylo doctor"))
    return found


def _all(look: Callable[..., Iterable[Finding]], *arguments: Config) -> list[Finding]:
    return list(look(*arguments))


async def _database(config: Config) -> list[Finding]:
    return [await check_database(config)]


async def _heard(config: Config) -> list[Finding]:
    # The rooms are the heaviest import of all, and an install in which they cannot be loaded is itself a finding.
    try:
        from server.doctor.audio import check_buffers, check_datagrams
        from server.doctor.codecs import check_codecs
        from server.doctor.speech import check_recogniser, check_speech
    except ImportError as error:
        return [fail("codecs", f"the engine's rooms cannot be loaded: {error}", "reinstall voylo-engine with pip")]
    datagrams = await asyncio.to_thread(check_datagrams, config)
    return [
        check_codecs(config),
        datagrams,
        check_buffers(config),
        await check_speech(config),
        await check_recogniser(config),
    ]
