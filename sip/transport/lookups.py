"""Look-ups that run beside everything else, each a task, with a bound on those that datagrams wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from sip.endpoint import Endpoint
from sip.transport.addresses import is_numeric
from sip.transport.resolver import Resolver
from sip.uri import SipUri

WAITING_DATAGRAMS = 1024
"""Look-ups at once beyond which a datagram is dropped that needs another one, as a network would."""


class LookUps:
    """Finds addresses for whoever cannot wait for them; what is still running at `close` comes to nothing."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether no datagram should wait any more."""
        return len(self._tasks) >= WAITING_DATAGRAMS

    def locate(self, uri: SipUri, hop: Endpoint, found: Callable[[Sequence[Endpoint]], None]) -> None:
        """The addresses of a URI's server (RFC 3263), none when there are none; `hop` is what the URI says by itself.

        `found` is called at once for a numeric address.
        """
        if is_numeric(hop.host):
            found([hop])
        else:
            self._run(self._locate(uri, hop, found))

    def resolve(self, host: str, found: Callable[[str | None], None]) -> None:
        """One address of a name."""
        self._run(self._resolve(host, found))

    async def close(self) -> None:
        """Give up what is running."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _locate(self, uri: SipUri, hop: Endpoint, found: Callable[[Sequence[Endpoint]], None]) -> None:
        found(await self._resolver.locate(uri, hop))

    async def _resolve(self, host: str, found: Callable[[str | None], None]) -> None:
        found(await self._resolver.resolve(host))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
