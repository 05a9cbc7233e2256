"""Accounts, workspaces, users and API keys, and the first start that creates one of each (contract §2, §16, §22.3).

Passwords are hashed with argon2, in a thread; API keys are recognised in memory (`engine.keyring`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import argon2
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import Conflict, EngineError, FieldError, NotFound, Unauthorized, ValidationFailed
from engine.idempotency import Keep, no_key
from engine.ids import (
    KEY_DISPLAY_LENGTH,
    is_api_key,
    is_workspace_id,
    new_account_id,
    new_api_key,
    new_password,
    new_uuid,
    new_workspace_id,
)
from engine.keyring import KeyRing, hash_key
from engine.model import Account, ApiKey, Page, Role, User, Workspace
from engine.store import Store, run_rows
from engine.store import accounts as queries
from engine.store.config import lock_config
from engine.store.times import to_ms

logger = structlog.get_logger(__name__)

KEY_TOUCH_SECONDS: Final = 60
"""`lastUsedAt` is stored at most this often (contract §2)."""

PASSWORD_MIN: Final = 8
PASSWORD_MAX: Final = 128
NAME_MAX: Final = 120
EMAIL_MAX: Final = 254

NAME_PATTERN: Final = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+"
"""Names of keys, workspaces and users are shown on one line."""

_NAME: Final = re.compile(NAME_PATTERN)
_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]+")
PASSWORD_HASHER: Final = argon2.PasswordHasher()
"""argon2id with the library's parameters, which follow RFC 9106."""

DEFAULT_NAME: Final = "Default"
DEFAULT_TIMEZONE: Final = "UTC"
DEFAULT_OWNER: Final = "owner@localhost"


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """Fixed values for the first start; None is generated (contract §22.3)."""

    workspace_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    email: str = DEFAULT_OWNER
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """What the first start created; the only time the key and the password are known in clear."""

    workspace_id: str
    api_key: str = field(repr=False)
    owner_email: str
    owner_password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key with its raw text, which is not kept."""

    key: ApiKey
    raw: str = field(repr=False)


class Accounts:
    """Who may use the engine. `clock` gives the current time in UTC."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        hasher: argon2.PasswordHasher = PASSWORD_HASHER,
    ) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher
        self._keys = KeyRing(store)
        self._touched: dict[str, datetime] = {}

    async def bootstrap(self, settings: BootstrapSettings | None = None) -> BootstrapResult | None:
        """Creates the first account, workspace, owner and key (role `owner`) when the database has no account.

        Otherwise changes nothing and returns None. Raises ValidationFailed when a fixed value is malformed.
        """
        settings = settings or BootstrapSettings()
        _check_bootstrap(settings)
        if not await self._store.read(queries.is_empty):
            await self._warn_of_unused(settings)
            return None
        result = BootstrapResult(
            workspace_id=settings.workspace_id or new_workspace_id(),
            api_key=settings.api_key or new_api_key(),
            owner_email=settings.email,
            owner_password=settings.password or new_password(),
        )
        password_hash = await self.hash_password(result.owner_password)
        now = self._clock()
        account = Account(id=new_account_id(), name=DEFAULT_NAME, created_at=now)
        workspace = Workspace(
            id=result.workspace_id,
            account_id=account.id,
            name=DEFAULT_NAME,
            timezone=DEFAULT_TIMEZONE,
            created_at=now,
        )
        user = User(id=new_uuid(), email=settings.email, name="Owner", created_at=now)
        key = _new_key(workspace.id, "bootstrap", "owner", result.api_key, now, None)

        async def work(connection: AsyncConnection) -> bool:
            # Of two processes that start on the same empty database, the second waits here and finds it filled.
            await lock_config(connection)
            if not await queries.is_empty(connection):
                return False
            await queries.insert_account(connection, account)
            await queries.insert_workspace(connection, workspace)
            await queries.insert_user(connection, user, password_hash)
            await queries.insert_membership(connection, new_uuid(), workspace.id, user.id, "owner", to_ms(now))
            await queries.insert_key(connection, key, hash_key(result.api_key))
            return True

        return result if await self._store.write(work) else None

    async def _warn_of_unused(self, settings: BootstrapSettings) -> None:
        """Fixed values that this database does not have: whoever set them expects them to work."""
        hint = "fixed values take effect on an empty database only"
        if settings.api_key is not None and await self._keys.find(settings.api_key) is None:
            logger.warning("bootstrap.key_unknown", variable="VOYLO_BOOTSTRAP_API_KEY", hint=hint)
        workspace_id = settings.workspace_id
        if workspace_id is not None and await self._get_workspace(workspace_id) is None:
            logger.warning("bootstrap.workspace_unknown", variable="VOYLO_BOOTSTRAP_WORKSPACE_ID", hint=hint)

    async def authenticate(self, raw: str) -> ApiKey:
        """The key whose raw text this is. Raises Unauthorized for a malformed, unknown, revoked or expired one.

        Remembers the use, at most once a minute and without waiting for the store.
        """
        if not is_api_key(raw):
            raise Unauthorized("The API key is not valid")
        key = await self._keys.find(raw)
        now = self._clock()
        if key is None or not key.usable(now):
            raise Unauthorized("The API key is not valid")
        touched = self._touched.get(key.id)
        if touched is None or now - touched >= timedelta(seconds=KEY_TOUCH_SECONDS):
            self._touch(key, now)
        return key

    def _touch(self, key: ApiKey, now: datetime) -> None:
        self._touched[key.id] = now
        try:
            stored = self._store.write_rows([(queries.TOUCH_KEY, {"key": key.id, "at": to_ms(now)})])
        except EngineError:
            return  # the store has said why; when a key was last used is not worth refusing the request
        stored.add_done_callback(lambda future: future.exception())

    async def create_key(
        self,
        workspace_id: str,
        name: str,
        role: Role = "developer",
        expires_at: datetime | None = None,
        created_by: str | None = None,
        keep: Keep[CreatedKey] = no_key,
    ) -> CreatedKey:
        """A new key of a workspace; `created_by` is the id of the user who makes it.

        Raises NotFound for an unknown workspace, ValidationFailed for a bad name.
        """
        check_name(name)
        raw = new_api_key()
        created = CreatedKey(_new_key(workspace_id, name, role, raw, self._clock(), expires_at, created_by), raw)

        async def work(connection: AsyncConnection) -> None:
            if await queries.get_workspace(connection, workspace_id) is None:
                raise NotFound("Workspace not found")
            await queries.insert_key(connection, created.key, hash_key(raw))
            await run_rows(connection, keep(created))

        await self._store.write(work)
        await self._keys.refresh()
        return created

    async def list_keys(self, workspace_id: str | None = None) -> list[ApiKey]:
        """The keys of a workspace, or of every workspace, newest first; revoked ones too."""
        return await self._store.read(lambda connection: queries.list_keys(connection, workspace_id))

    async def page_of_keys(self, workspace_id: str, page: int, limit: int) -> Page[ApiKey]:
        """A page of a workspace's keys, newest first; revoked ones too."""
        return await self._store.read(lambda connection: queries.page_of_keys(connection, workspace_id, page, limit))

    async def key(self, workspace_id: str, key_id: str) -> ApiKey:
        """One key of a workspace, revoked or not. Raises NotFound."""
        found = await self._store.read(lambda connection: queries.get_key(connection, workspace_id, key_id))
        if found is None:
            raise NotFound("API key not found")
        return found

    async def refresh_keys(self) -> None:
        """Takes over changes to keys that were committed before this call."""
        await self._keys.refresh()

    async def revoke_key(self, key_id: str, workspace_id: str | None = None) -> None:
        """Revokes a key, effective at once. Raises NotFound when there is none (in this workspace)."""
        at = to_ms(self._clock())
        if not await self._store.write(lambda connection: queries.revoke_key(connection, workspace_id, key_id, at)):
            raise NotFound("API key not found")
        await self._keys.refresh()

    async def workspace(self, workspace_id: str) -> Workspace:
        """One workspace. Raises NotFound."""
        found = await self._get_workspace(workspace_id)
        if found is None:
            raise NotFound("Workspace not found")
        return found

    async def _get_workspace(self, workspace_id: str) -> Workspace | None:
        return await self._store.read(lambda connection: queries.get_workspace(connection, workspace_id))

    async def list_workspaces(self) -> list[Workspace]:
        """Every workspace of the server, oldest first."""
        return await self._store.read(queries.list_workspaces)

    async def create_workspace(
        self, name: str, account_id: str | None = None, timezone: str = DEFAULT_TIMEZONE
    ) -> Workspace:
        """A new workspace of this account, or of the server's first one. Raises NotFound, ValidationFailed."""
        check_name(name)
        now = self._clock()

        async def work(connection: AsyncConnection) -> Workspace:
            if account_id is None:
                oldest = await queries.oldest_account(connection)
                owner = None if oldest is None else oldest.id
            else:
                owner = account_id if await queries.account_exists(connection, account_id) else None
            if owner is None:
                raise NotFound("Account not found")
            workspace = Workspace(id=new_workspace_id(), account_id=owner, name=name, timezone=timezone, created_at=now)
            await queries.insert_workspace(connection, workspace)
            return workspace

        return await self._store.write(work)

    async def create_user(
        self, email: str, workspace_id: str, role: Role = "owner", name: str = "", password: str | None = None
    ) -> tuple[User, str]:
        """A new console user, member of a workspace, with the password, which is generated when None.

        Raises Conflict when the e-mail address is taken, NotFound for an unknown workspace, ValidationFailed.
        """
        errors = [*_email_errors("email", email), *_password_errors("password", password)]
        if errors:
            raise ValidationFailed(errors)
        secret = password or new_password()
        password_hash = await self.hash_password(secret)
        now = self._clock()
        user = User(id=new_uuid(), email=email, name=name or email.partition("@")[0], created_at=now)

        async def work(connection: AsyncConnection) -> None:
            if await queries.get_workspace(connection, workspace_id) is None:
                raise NotFound("Workspace not found")
            if await queries.get_user_by_email(connection, email) is not None:
                raise Conflict("A user with this e-mail address exists")
            await queries.insert_user(connection, user, password_hash)
            await queries.insert_membership(connection, new_uuid(), workspace_id, user.id, role, to_ms(now))

        await self._store.write(work)
        return user, secret

    async def verify_password(self, email: str, password: str) -> User | None:
        """The user when the password is right. Takes as long for an address that nobody has."""
        found = await self._store.read(lambda connection: queries.get_user_by_email(connection, email))
        user, password_hash = found if found is not None else (None, await self.hash_password(new_password()))
        return user if await self.password_matches(password_hash, password) else None

    async def hash_password(self, password: str) -> str:
        """The argon2 hash of a password."""
        # Slow by intent, so not on the event loop.
        return await asyncio.to_thread(self._hasher.hash, password)

    async def password_matches(self, password_hash: str, password: str) -> bool:
        """Whether the hash is that of the password."""
        try:
            return await asyncio.to_thread(self._hasher.verify, password_hash, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def _new_key(
    workspace_id: str,
    name: str,
    role: Role,
    raw: str,
    now: datetime,
    expires_at: datetime | None,
    created_by: str | None = None,
) -> ApiKey:
    return ApiKey(
        id=new_uuid(),
        workspace_id=workspace_id,
        name=name,
        prefix=raw[:KEY_DISPLAY_LENGTH],
        role=role,
        created_at=now,
        expires_at=expires_at,
        created_by=created_by,
    )


def _check_bootstrap(settings: BootstrapSettings) -> None:
    errors = [
        *_email_errors("VOYLO_BOOTSTRAP_EMAIL", settings.email),
        *_password_errors("VOYLO_BOOTSTRAP_PASSWORD", settings.password),
    ]
    if settings.workspace_id is not None and not is_workspace_id(settings.workspace_id):
        errors.append(FieldError("VOYLO_BOOTSTRAP_WORKSPACE_ID", "must be ws_ and 12 lower-case hex digits"))
    if settings.api_key is not None and not is_api_key(settings.api_key):
        errors.append(FieldError("VOYLO_BOOTSTRAP_API_KEY", "must be vlx_live_ and 40 letters and digits"))
    if errors:
        raise ValidationFailed(errors)


def check_name(name: str) -> None:
    """Raises ValidationFailed for what cannot be the name of a key or a workspace."""
    if len(name) > NAME_MAX or not _NAME.fullmatch(name):
        raise ValidationFailed.of("name", f"must be 1 to {NAME_MAX} printable characters")


def _email_errors(field_name: str, email: str) -> list[FieldError]:
    # No more than what a typing error would break: whether an address exists, only mail can tell.
    if len(email) <= EMAIL_MAX and _EMAIL.fullmatch(email):
        return []
    return [FieldError(field_name, "must be an e-mail address")]


def _password_errors(field_name: str, password: str | None) -> list[FieldError]:
    if password is None or PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return []
    return [FieldError(field_name, f"must be {PASSWORD_MIN} to {PASSWORD_MAX} characters")]
