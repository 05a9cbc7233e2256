"""Audio files named by URL: fetched over HTTP, decoded once, kept, and revalidated (contract §10.4).

A file is fresh for five minutes; after that it is asked for again with its ETag, and an unchanged file costs one small
request and no decoding. When the server of a file already held cannot be reached, the held copy is played.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urljoin

from engine.http import OutboundHttp
from media import AudioError, PromptAudio, PromptLibrary, Stored
from voyloml import HttpFailure, HttpReply, HttpRequest

STALE_SECONDS = 3600.0
REDIRECTS = 3
CONNECT_SECONDS = 3.0
DECODED_AT_ONCE = 16
"""Files with the decoder at a time; the others wait for their turn."""
_REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})

Decode = Callable[[bytes, str], Awaitable[PromptAudio]]


class PromptUnavailable(Exception):
    """An audio file cannot be had; the message says why, for the call's log."""


@dataclass(frozen=True, slots=True)
class _Version:
    """What a server said of the file it gave, and when it gave or confirmed it."""

    etag: str | None
    modified: str | None
    confirmed_at: float


class PromptFiles:
    """Audio files by URL.

    `decode(data, name)` turns the bytes of a file into `PromptAudio` and raises AudioError with a readable reason.
    `max_bytes` and `fetch_seconds` are contract §20 `audio_bytes` and `audio_seconds`.
    """

    def __init__(
        self,
        http: OutboundHttp,
        decode: Decode,
        *,
        max_bytes: int,
        fetch_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._decode = decode
        self._max_bytes = max_bytes
        self._fetch_seconds = fetch_seconds
        self._clock = clock
        self._decoding = asyncio.Semaphore(DECODED_AT_ONCE)
        self._library: PromptLibrary[_Version] = PromptLibrary(clock=clock)

    def held(self, url: str) -> PromptAudio | None:
        """The decoded audio behind `url` where it is in memory and fresh."""
        return self._library.held(url)

    async def get(self, url: str) -> PromptAudio:
        """The decoded audio behind `url`, from memory when fresh. Raises PromptUnavailable.

        Calls that want the same file at the same time share one fetch.
        """
        return await self._library.renew(url, lambda held: self._refresh(url, held))

    async def _refresh(self, url: str, held: Stored[_Version] | None) -> Stored[_Version]:
        version = held.tag if held is not None else None
        now = self._clock()
        try:
            reply = await self._fetch(url, version)
        except HttpFailure as error:
            if held is not None and version is not None and now - version.confirmed_at < STALE_SECONDS:
                return held
            raise PromptUnavailable(f"{url}: {error}") from None
        if reply.status == 304 and held is not None and version is not None:
            return Stored(held.audio, _Version(version.etag, version.modified, now))
        if not 200 <= reply.status < 300:
            raise PromptUnavailable(f"{url} answered {reply.status}")
        try:
            async with self._decoding:
                audio = await self._decode(reply.body, url)
        except AudioError as error:
            raise PromptUnavailable(f"{url}: {error}") from None
        return Stored(audio, _Version(reply.headers.get("etag"), reply.headers.get("last-modified"), now))

    async def _fetch(self, url: str, version: _Version | None) -> HttpReply:
        headers: dict[str, str] = {"Accept": "audio/*, */*;q=0.1"}
        if version is not None and version.etag:
            headers["If-None-Match"] = version.etag
        if version is not None and version.modified:
            headers["If-Modified-Since"] = version.modified
        deadline = self._clock() + self._fetch_seconds
        for _ in range(REDIRECTS + 1):
            left = deadline - self._clock()
            if left <= 0:
                raise HttpFailure("timeout", f"no complete answer within {self._fetch_seconds:g} s")
            reply = await self._http(
                HttpRequest(
                    method="GET",
                    url=url,
                    headers=headers,
                    body=b"",
                    connect_timeout=min(CONNECT_SECONDS, left),
                    total_timeout=left,
                    max_bytes=self._max_bytes,
                )
            )
            location = reply.headers.get("location")
            if reply.status not in _REDIRECT_STATUS or not location:
                return reply
            try:
                url = urljoin(url, location)
            except ValueError:
                raise HttpFailure("protocol", "the redirect leads to no URL") from None
        raise HttpFailure("protocol", f"more than {REDIRECTS} redirects")
