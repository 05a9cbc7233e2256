"""Requests over httpx, once with and once without async."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from voylo.errors import VoyloError
from voylo.requests import Exchange, Request, RequestOptions, Settings, session_of


class Transport:
    """Sends requests, and sends again what may be."""

    def __init__(self, settings: Settings, http_client: httpx.Client | None) -> None:
        self._settings = settings
        self._owned = http_client is None
        self._client = httpx.Client() if http_client is None else http_client
        self._session: str | None = None

    def request(self, request: Request, of: Any, options: RequestOptions | None) -> Any:
        """The answer as the type `of`. Raises VoyloError."""
        exchange = Exchange(self._settings, request, options)
        while True:
            try:
                return self._attempt(exchange, of)
            except VoyloError as error:
                if exchange.already_deleted(error):
                    return None
                wait = exchange.wait(error)
                if wait is None:
                    raise
            time.sleep(wait)

    def close(self) -> None:
        """Closes the connections, unless the httpx client is the caller's."""
        if self._owned:
            self._client.close()

    def _attempt(self, exchange: Exchange, of: Any) -> Any:
        try:
            response = self._client.request(**exchange.attempt(self._session), follow_redirects=False)
        except httpx.HTTPError as error:
            raise exchange.failure(error) from error
        answer = exchange.read(response, of)
        self._session = _kept(self._settings, self._session, response)
        return answer


class AsyncTransport:
    """The same for asyncio."""

    def __init__(self, settings: Settings, http_client: httpx.AsyncClient | None) -> None:
        self._settings = settings
        self._owned = http_client is None
        self._client = httpx.AsyncClient() if http_client is None else http_client
        self._session: str | None = None

    async def request(self, request: Request, of: Any, options: RequestOptions | None) -> Any:
        """The answer as the type `of`. Raises VoyloError."""
        exchange = Exchange(self._settings, request, options)
        while True:
            try:
                return await self._attempt(exchange, of)
            except VoyloError as error:
                if exchange.already_deleted(error):
                    return None
                wait = exchange.wait(error)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Closes the connections, unless the httpx client is the caller's."""
        if self._owned:
            await self._client.aclose()

    async def _attempt(self, exchange: Exchange, of: Any) -> Any:
        try:
            response = await self._client.request(**exchange.attempt(self._session), follow_redirects=False)
        except httpx.HTTPError as error:
            raise exchange.failure(error) from error
        answer = exchange.read(response, of)
        self._session = _kept(self._settings, self._session, response)
        return answer


class Resource:
    """The base of all resources."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class AsyncResource:
    """The base of all resources of the async client."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


def _kept(settings: Settings, session: str | None, response: httpx.Response) -> str | None:
    told = session_of(response) if settings.api_key is None else None
    return session if told is None else told or None
