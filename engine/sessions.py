"""Console users signing in: sessions behind a cookie (contract §2). Of a token only the SHA-256 is stored.

Passwords are slow to check by intent, so attempts are limited: for each e-mail address, and in number at a time.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.accounts import Accounts
from engine.errors import TooManyRequests, Unauthorized
from engine.ids import new_session_token
from engine.model import Role, User
from engine.store import Store
from engine.store import sessions as queries
from engine.store.times import to_ms

SESSION_SECONDS: Final = 7 * 86_400
"""How long a session lasts after the sign-in."""

ATTEMPTS: Final = 10
"""Attempts to sign in with one e-mail address within ATTEMPT_SECONDS."""

ATTEMPT_SECONDS: Final = 60

CHECKS_AT_ONCE: Final = 8
"""Passwords being checked at the same time; each takes 64 MiB and a tenth of a second of CPU."""

ADDRESSES_COUNTED: Final = 10_000


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has begun, with the token of its cookie."""

    user: User
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session belongs to; `role` is None where the user is no member of the workspace asked about."""

    user: User
    role: Role | None
    id: str
    """The hash of its token, which names the session without opening it."""


class SignInThrottle:
    """Counts attempts by e-mail address, and those under way. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: dict[str, tuple[float, int]] = {}
        self._running = 0

    def __enter__(self) -> None:
        if self._running >= CHECKS_AT_ONCE:
            raise TooManyRequests("Too many people sign in at this moment")
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1

    def attempt(self, email: str) -> None:
        """Counts one attempt. Raises TooManyRequests when there were too many."""
        now, name = self._clock(), email.casefold()
        since, count = self._attempts.get(name, (now, 0))
        if now - since >= ATTEMPT_SECONDS:
            since, count = now, 0
        if count >= ATTEMPTS:
            raise TooManyRequests("Too many attempts to sign in", math.ceil(since + ATTEMPT_SECONDS - now) or 1)
        if name not in self._attempts and len(self._attempts) >= ADDRESSES_COUNTED:
            del self._attempts[next(iter(self._attempts))]
        self._attempts[name] = (since, count + 1)

    def succeeded(self, email: str) -> None:
        """Forgets the attempts with this address."""
        self._attempts.pop(email.casefold(), None)


class Sessions:
    """The sessions of every user. `clock` gives the current time in UTC."""

    def __init__(
        self, store: Store, accounts: Accounts, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._throttle = SignInThrottle()

    async def check_password(self, email: str, password: str) -> User:
        """The user whose password this is. Raises Unauthorized, and TooManyRequests after many attempts."""
        self._throttle.attempt(email)
        with self._throttle:
            user = await self._accounts.verify_password(email, password)
        if user is None:
            raise Unauthorized("The e-mail address or the password is wrong")
        self._throttle.succeeded(email)
        return user

    async def begin(self, user: User) -> NewSession:
        """A new session of a user who has proven to be that."""
        token = new_session_token()
        now = self._clock()
        expires_at = now + timedelta(seconds=SESSION_SECONDS)
        await self._store.write(
            lambda connection: queries.insert_session(
                connection, hash_token(token), user.id, to_ms(now), to_ms(expires_at)
            )
        )
        return NewSession(user, token)

    async def find(self, token: str, workspace_id: str | None) -> SignedIn:
        """Whose session it is, with the role in this workspace. Raises Unauthorized for an unknown or expired one."""
        session_id = hash_token(token)
        found = await queries.find_session(self._store, session_id, workspace_id or "")
        if found is None or found.expires_at <= self._clock():
            raise Unauthorized("The session is not valid; sign in again")
        return SignedIn(found.user, found.role, session_id)

    async def end(self, session_id: str) -> None:
        """Ends a session; nothing happens when it has ended already."""
        await self._store.write(lambda connection: queries.delete_session(connection, session_id))


def hash_token(token: str) -> str:
    """The hex SHA-256 of a token of 238 random bits, which needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()
