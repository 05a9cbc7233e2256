"""The clients: every resource of the API, over one transport."""

from __future__ import annotations

from types import TracebackType

import httpx

from voylo.generated.async_resources import AsyncResources
from voylo.generated.resources import Resources
from voylo.requests import MAX_RETRIES, TIMEOUT, Session, settings
from voylo.transport import AsyncTransport, Transport


class VoyloClient(Resources):
    """The API of one engine.

    `api_key`, `workspace_id` and `base_url` come from `VOYLO_API_KEY`, `VOYLO_WORKSPACE_ID` and `VOYLO_API_URL` where
    they are absent. The base URL is without `/v1`; the workspace is sent with each request as `X-Workspace-Id`, and
    without it the key decides. `timeout` is in seconds, for connecting and for each wait within an attempt; a request
    that failed is repeated up to `max_retries` times, where repeating is safe. `http_client` is used, and left open,
    instead of a client made here.
    """

    def __init__(
        self,
        api_key: str | Session | None = None,
        workspace_id: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._transport = Transport(settings(api_key, workspace_id, base_url, timeout, max_retries), http_client)
        super().__init__(self._transport)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> VoyloClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncVoyloClient(AsyncResources):
    """The same for asyncio, with the same arguments."""

    def __init__(
        self,
        api_key: str | Session | None = None,
        workspace_id: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._transport = AsyncTransport(settings(api_key, workspace_id, base_url, timeout, max_retries), http_client)
        super().__init__(self._transport)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> AsyncVoyloClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
