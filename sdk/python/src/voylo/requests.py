"""Requests without I/O: what is sent, how an answer is read, and when one may be sent again."""

from __future__ import annotations

import json
import os
import random
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypedDict
from urllib.parse import quote, urlsplit

import httpx

from voylo.bodies import decode
from voylo.errors import (
    VoyloAnswerError,
    VoyloApiError,
    VoyloConfigurationError,
    VoyloError,
    VoyloNetworkError,
    VoyloTimeoutError,
    api_error,
)
from voylo.unset import UNSET

TIMEOUT: Final = 30.0
MAX_RETRIES: Final = 2
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 8.0
LONGEST_RETRY_AFTER: Final = 60
"""Seconds; a longer `Retry-After` is the caller's to wait for."""

REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
TRANSIENT: Final = frozenset({500, 502, 503, 504})
SESSION_COOKIE: Final = "voylo_session"
_COOKIE = re.compile(rf"{SESSION_COOKIE}=([^;]*)")


class Session(Enum):
    """The type of `SESSION`."""

    SESSION = "session"


SESSION: Final = Session.SESSION
"""Instead of an API key: a client that signs in with `auth.login` and sends the session's cookie from then on."""


class RequestOptions(TypedDict, total=False):
    """What may be set for one request.

    `timeout` and `max_retries` are as those of the client. `idempotency_key` is sent as `Idempotency-Key`;
    what creates something makes one by itself.
    """

    timeout: float
    max_retries: int
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the resources describe it.

    `path` begins with `/v1` and is percent-encoded. A `keyed` request carries an `Idempotency-Key`, so that it may be
    sent again although it creates something.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = UNSET
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Where requests go and as whom."""

    api_key: str | None
    workspace_id: str | None
    base_url: str
    timeout: float
    max_retries: int


def settings(
    api_key: str | Session | None,
    workspace_id: str | None,
    base_url: str | None,
    timeout: float,
    max_retries: int,
) -> Settings:
    """The arguments of a client, with the environment for those that are absent. Raises VoyloConfigurationError."""
    key = os.environ.get("VOYLO_API_KEY") if api_key is None else api_key
    if not key:
        raise VoyloConfigurationError("No API key: pass api_key or set VOYLO_API_KEY")
    url = base_url or os.environ.get("VOYLO_API_URL")
    if not url:
        raise VoyloConfigurationError("No base URL: pass base_url or set VOYLO_API_URL")
    return Settings(
        api_key=None if isinstance(key, Session) else key,
        workspace_id=workspace_id or os.environ.get("VOYLO_WORKSPACE_ID") or None,
        base_url=_checked_url(url),
        timeout=_checked_timeout(timeout),
        max_retries=_checked_retries(max_retries),
    )


class Exchange:
    """One request and its attempts, for a transport that sends them.

    Send what `attempt` returns and give the answer to `read`, or what httpx raised to `failure`. After an error ask
    `wait`: seconds until the next attempt, or None when there must be none.
    """

    def __init__(self, settings: Settings, request: Request, options: RequestOptions | None) -> None:
        given: RequestOptions = options or {}
        self._settings = settings
        self._request = request
        self.timeout = _checked_timeout(given.get("timeout", settings.timeout))
        self._left = _checked_retries(given.get("max_retries", settings.max_retries))
        key = given.get("idempotency_key")
        self._key = key if key is not None else str(uuid.uuid4()) if request.keyed else None
        self._repeatable = request.method in REPEATABLE or request.keyed
        self._attempts = 0
        self._unanswered = False

    def attempt(self, session: str | None) -> dict[str, Any]:
        """The arguments of httpx's `request`; `session` is the cookie of a client without a key."""
        headers = {"Accept": "application/json", "User-Agent": "voylo-python"}
        if self._settings.api_key is not None:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        elif session is not None:
            headers["Cookie"] = f"{SESSION_COOKIE}={session}"
        if self._settings.workspace_id is not None:
            headers["X-Workspace-Id"] = self._settings.workspace_id
        if self._key is not None:
            headers["Idempotency-Key"] = self._key
        content: bytes | None = None
        if self._request.body is not UNSET:
            headers["Content-Type"] = "application/json"
            content = json.dumps(self._request.body, ensure_ascii=False, separators=(",", ":")).encode()
        return {
            "method": self._request.method,
            "url": f"{self._settings.base_url}{self._request.path}",
            "params": {name: _written(value) for name, value in self._request.query.items() if value is not UNSET},
            "headers": headers,
            "content": content,
            "timeout": self.timeout,
        }

    def read(self, response: httpx.Response, of: Any) -> Any:
        """The answer as the type `of`, its octets for `bytes`, None where it has no body.

        Raises VoyloApiError and VoyloAnswerError.
        """
        if not response.is_success:
            raise api_error(response.status_code, _parsed(response), response.headers)
        if of is None or response.status_code == 204:
            return None
        if of is bytes:
            return response.content
        try:
            value = response.json()
        except ValueError:
            raise VoyloAnswerError(f"{self._what}: the answer is not JSON") from None
        return decode(of, value)

    def failure(self, error: httpx.HTTPError) -> VoyloNetworkError:
        """What to raise from an error of httpx."""
        if isinstance(error, httpx.TimeoutException):
            return VoyloTimeoutError(f"{self._what}: no answer within {self.timeout:g} s")
        return VoyloNetworkError(f"{self._what}: {error or type(error).__name__}")

    def already_deleted(self, error: VoyloError) -> bool:
        """True when an earlier attempt, whose answer was lost, has done what this one was to do."""
        deleting = self._request.method == "DELETE" and isinstance(error, VoyloApiError) and error.status == 404
        return deleting and self._unanswered

    def wait(self, error: VoyloError) -> float | None:
        """Seconds before the next attempt; None where there must be none.

        GET, PUT and DELETE are repeated, and what carries a key of its own; after 429, which did nothing, anything.
        """
        wait = self._wait(error)
        if wait is None or self._left == 0:
            return None
        self._left -= 1
        self._attempts += 1
        self._unanswered |= isinstance(error, VoyloNetworkError)
        return wait

    def _wait(self, error: VoyloError) -> float | None:
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._attempts)
        back_off = longest / 2 + random.random() * longest / 2
        if isinstance(error, VoyloNetworkError):
            return back_off if self._repeatable else None
        if not isinstance(error, VoyloApiError):
            return None
        # 409 with Retry-After: the first request with this Idempotency-Key is still at work.
        at_work = self._key is not None and error.status == 409 and error.retry_after is not None
        if not (error.status == 429 or at_work or (self._repeatable and error.status in TRANSIENT)):
            return None
        if error.retry_after is None:
            return back_off
        return None if error.retry_after > LONGEST_RETRY_AFTER else max(float(error.retry_after), back_off)

    @property
    def _what(self) -> str:
        return f"{self._request.method} {self._request.path}"


def session_of(response: httpx.Response) -> str | None:
    """The session's cookie that an answer sets; empty when it ends the session, None when it says nothing."""
    for cookie in response.headers.get_list("set-cookie"):
        match = _COOKIE.match(cookie)
        if match:
            return match.group(1)
    return None


def path(template: str, *identifiers: str) -> str:
    """A path with its parameters percent-encoded. Raises TypeError for one that would name another path."""
    for identifier in identifiers:
        if not isinstance(identifier, str) or identifier in {"", ".", ".."}:
            raise TypeError(f"An id must be a non-empty string, not {identifier!r}")
    return template.format(*(quote(identifier, safe="") for identifier in identifiers))


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        fit = False
    if not fit:
        raise VoyloConfigurationError(f"base_url must be an http or https URL, without a query: {url}")
    return url.rstrip("/").removesuffix("/v1")


def _checked_timeout(timeout: float) -> float:
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout < float("inf"):
        return float(timeout)
    raise VoyloConfigurationError(f"timeout must be a number of seconds above 0: {timeout!r}")


def _checked_retries(max_retries: int) -> int:
    if isinstance(max_retries, int) and not isinstance(max_retries, bool) and max_retries >= 0:
        return max_retries
    raise VoyloConfigurationError(f"max_retries must be a whole number, 0 or more: {max_retries!r}")
