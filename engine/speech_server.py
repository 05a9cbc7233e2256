"""A server of speech at an address that the operator configures: one POST, one answer of bounded size and time.

The address is the operator's own, so it may be private; redirects are not followed, because they are not his.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from engine.http import USER_AGENT

SECONDS: Final = 10.0
"""How long one exchange may take."""


class NoAnswer(RuntimeError):
    """The server gave nothing to use; the message says why, and holds nothing of the answer."""


class SpeechServer:
    """Posts to `url`; `what` names it in messages, such as "recogniser". `key` is sent as a Bearer token.

    Connections are opened when they are needed.
    """

    def __init__(self, what: str, url: str, key: str | None, *, max_bytes: int) -> None:
        self._what = what
        self._url = url
        self._max_bytes = max_bytes
        self._headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._session: aiohttp.ClientSession | None = None

    async def post(self, form: aiohttp.FormData | None = None, *, json: Mapping[str, Any] | None = None) -> bytes:
        """The body of the answer to a form or to JSON. Raises NoAnswer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS))
        try:
            async with self._session.post(
                self._url, data=form, json=json, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise NoAnswer(f"the {self._what} answered with status {response.status}")
                return await self._body(response)
        except TimeoutError:
            raise NoAnswer(f"the {self._what} did not answer within {SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"the {self._what} cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            # aiohttp closes its sockets in the next round of the loop
            await asyncio.sleep(0)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in response.content.iter_any():
            body += part
            if len(body) > self._max_bytes:
                raise NoAnswer(f"the {self._what}'s answer has more than {self._max_bytes} octets")
        return bytes(body)
