"""HTTP requests to the outside: action URLs, audio files, and everything else a customer can name by URL.

One exchange is one hop: redirects are the caller's business, so that each hop passes the address guard again. The guard
looks at the address a socket is about to connect to, after name resolution (contract §11.4), which covers IP literals,
rebinding and names with several addresses alike.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict

from voyloml import FailureKind, HttpFailure, HttpReply, HttpRequest

USER_AGENT = "Voylo/1.0"
CONNECTIONS = 512
CONNECTIONS_PER_HOST = 128
DNS_CACHE_SECONDS = 10
LOOK_UPS = 32
KEEP_ALIVE_SECONDS = 30
HEADER_FIELD_BYTES = 16_384

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Teredo and its neighbours, and 6to4: an IPv4 address of anywhere can be inside.
_CARRIES_IPV4 = (ipaddress.ip_network("2001::/23"), ipaddress.ip_network("2002::/16"))
_RELAYS_6TO4 = ipaddress.ip_network("192.88.99.0/24")


def is_public_address(address: str) -> bool:
    """True when `address` (an IPv4 or IPv6 literal, no brackets) is a unicast address of the public internet.

    Multicast, and IPv6 addresses that carry an IPv4 one (NAT64, 6to4, Teredo), are refused although the standard
    library calls some of them global; an IPv4-mapped address is judged as the IPv4 address in it. Raises ValueError
    when `address` is no IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public_address(str(ip.ipv4_mapped))
        return ip in _GLOBAL_UNICAST and ip.is_global and not any(ip in network for network in _CARRIES_IPV4)
    return ip.is_global and not ip.is_multicast and ip not in _RELAYS_6TO4


class _BlockedAddress(OSError):
    """The guard refused to connect to an address."""


@dataclass(frozen=True, slots=True)
class OutboundHttpConfig:
    """`allow_private` is contract §22.2 `security.allow_private_callbacks`; `connections` 0 sets no bound to
    them, nor to those to one host."""

    allow_private: bool = True
    connections: int = CONNECTIONS


class OutboundHttp:
    """An HTTP client with pooled connections, the address guard, and limits on time and size for each exchange.

    Implements voyloml's `HttpExchange`: `await client(request)` gives an `HttpReply` whatever the status, or raises
    `HttpFailure`. Call `start` once before, `close` once after.
    """

    def __init__(self, config: OutboundHttpConfig) -> None:
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Opens the connection pool; needs a running loop."""
        connector = aiohttp.TCPConnector(
            limit=self._config.connections,
            limit_per_host=CONNECTIONS_PER_HOST if self._config.connections else 0,
            ttl_dns_cache=DNS_CACHE_SECONDS,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            socket_factory=self._open_socket,
            resolver=Resolver(),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
            max_field_size=HEADER_FIELD_BYTES,
        )

    async def close(self) -> None:
        """Closes every connection. Safe to call twice."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open_socket(self, address_info: Any) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not self._config.allow_private and not is_public_address(address[0]):
            raise _BlockedAddress(f"{address[0]} is not a public address")
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        return sock

    async def __call__(self, request: HttpRequest) -> HttpReply:
        """One request and its response, redirects not followed.

        Raises HttpFailure with kind `blocked`, `dns`, `connect`, `timeout`, `too_large` or `protocol`. `elapsed_ms` is
        measured from the call to the last byte of the body.
        """
        return await self._exchange(request, _read_limited)

    async def beginning(self, request: HttpRequest) -> HttpReply:
        """As a call, but of a longer body only the first `max_bytes` are read; the rest is let go."""
        return await self._exchange(request, _read_beginning)

    async def _exchange(
        self, request: HttpRequest, read: Callable[[aiohttp.ClientResponse, int], Awaitable[bytes]]
    ) -> HttpReply:
        if self._session is None:
            raise RuntimeError("OutboundHttp is not started")
        began = time.monotonic()
        url = _parse_url(request.url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise HttpFailure("protocol", "only absolute http and https URLs can be requested")
        # Ours last: a body that came compressed would not be read.
        headers = CIMultiDict(request.headers)
        headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        try:
            async with asyncio.timeout(request.total_timeout):
                async with self._session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=request.body or None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=request.connect_timeout),
                ) as response:
                    body = await read(response, request.max_bytes)
                    return HttpReply(
                        status=response.status,
                        headers={name.lower(): value for name, value in response.headers.items()},
                        body=body,
                        elapsed_ms=round((time.monotonic() - began) * 1000),
                        url=str(response.url),
                    )
        except HttpFailure:
            raise
        except TimeoutError as error:
            kind: FailureKind = "connect" if isinstance(error, aiohttp.ConnectionTimeoutError) else "timeout"
            raise HttpFailure(kind, f"no complete answer within {request.total_timeout:.3g} s") from None
        except aiohttp.ClientConnectorDNSError as error:
            raise HttpFailure("dns", f"{url.host} does not resolve: {error.os_error}") from None
        except aiohttp.ClientConnectorError as error:
            if _was_blocked(error):
                raise HttpFailure("blocked", f"{url.host} is at an address that this server does not call") from None
            raise HttpFailure("connect", f"cannot connect to {url.host}: {error}") from None
        except _BlockedAddress:
            raise HttpFailure("blocked", f"{url.host} is at an address that this server does not call") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise HttpFailure("protocol", f"{url.host}: {error or type(error).__name__}") from None
        except OSError as error:
            raise HttpFailure("connect", f"{url.host}: {error}") from None


def _parse_url(text: str) -> yarl.URL:
    """The URL as its owner wrote it, escapes included: some are signed over their very characters."""
    try:
        return yarl.URL(text, encoded=text.isascii() and text.isprintable() and " " not in text)
    except ValueError as error:
        raise HttpFailure("protocol", f"bad URL: {error}") from None


class Resolver(AbstractResolver):
    """Names looked up in threads of our own, so that slow ones hold up nothing but requests like theirs."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=found_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for found_family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Lets go of the threads; a look-up under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _was_blocked(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _BlockedAddress):
            return True
        if isinstance(cause, aiohttp.ClientConnectorError) and isinstance(cause.os_error, _BlockedAddress):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


async def _read_beginning(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part[: max_bytes - size])
        size += len(part)
        if size > max_bytes:
            response.close()
            break
    return b"".join(parts)


async def _read_limited(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    declared = response.content_length
    if declared is not None and declared > max_bytes:
        response.close()
        raise HttpFailure("too_large", f"the body has {declared} bytes, more than {max_bytes}")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > max_bytes:
            response.close()
            raise HttpFailure("too_large", f"the body has more than {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)
