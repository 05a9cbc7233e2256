"""`voylo init`, `key`, `workspace` and `user`: accounts without HTTP, straight on the database (contract §22.1, §22.3).

They work beside a running engine: it notices a new or revoked key by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from engine.accounts import Accounts
from engine.errors import EngineError, ValidationFailed
from engine.model import ApiKey, Role
from engine.store import Store
from server.bootstrap import bootstrap_settings, first_start_members, first_start_text
from server.commands.console import FAILED, WRONG_USAGE, leave, log_quietly, print_json, read_config
from server.config import Config

# The directory holds the key that passwords are encrypted with: nobody else's business.
_DATA_DIR_MODE = 0o700


def init(config_file: Path | None, *, as_json: bool) -> None:
    """Create the data directory, the database and the first account; print the ids and secrets, this once."""
    config = read_config(config_file)

    async def work(accounts: Accounts) -> None:
        created = await accounts.bootstrap(bootstrap_settings())
        if created is not None:
            if as_json:
                print_json(first_start_members(created))
            else:
                print(first_start_text(created, config.http.base_url()), end="")
            return
        workspaces = await accounts.list_workspaces()
        workspace_id = workspaces[0].id if workspaces else None
        if as_json:
            members = {"workspaceId": workspace_id, "apiKey": None, "ownerEmail": None, "ownerPassword": None}
            print_json(members)
        else:
            print(f"already set up, nothing changed: the first workspace is {workspace_id}")
            print("`voylo key create` makes another API key")

    _run(config, work, create=True)


def create_key(config_file: Path | None, workspace_id: str, name: str, role: Role, *, as_json: bool) -> None:
    """Create an API key and print it, this once."""

    async def work(accounts: Accounts) -> None:
        created = await accounts.create_key(workspace_id, name, role)
        key = created.key
        if as_json:
            members = {"id": key.id, "name": key.name, "prefix": key.prefix, "role": key.role, "key": created.raw}
            print_json(members)
        else:
            print(f"key   {created.raw}\nid    {key.id}\nrole  {key.role}\nthe key is shown once, keep it")

    _run(read_config(config_file), work)


def list_keys(config_file: Path | None, workspace_id: str | None, *, as_json: bool) -> None:
    """Print the keys of a workspace, or of all, newest first."""

    async def work(accounts: Accounts) -> None:
        if workspace_id is not None:
            await accounts.workspace(workspace_id)
        keys = await accounts.list_keys(workspace_id)
        if as_json:
            print_json([_key_members(key) for key in keys])
        else:
            print_table(("id", "prefix", "role", "workspace", "state", "last used", "name"), map(_key_row, keys))

    _run(read_config(config_file), work)


def revoke_key(config_file: Path | None, key_id: str, *, as_json: bool) -> None:
    """Revoke a key for good."""

    async def work(accounts: Accounts) -> None:
        await accounts.revoke_key(key_id)
        if as_json:
            print_json({"id": key_id, "revoked": True})
        else:
            print(f"revoked {key_id}")

    _run(read_config(config_file), work)


def create_workspace(config_file: Path | None, name: str, *, as_json: bool) -> None:
    """Create a workspace in the server's account."""

    async def work(accounts: Accounts) -> None:
        workspace = await accounts.create_workspace(name)
        if as_json:
            print_json({"id": workspace.id, "name": workspace.name, "accountId": workspace.account_id})
        else:
            print(f"workspace  {workspace.id}\naccount    {workspace.account_id}")

    _run(read_config(config_file), work)


def create_user(config_file: Path | None, email: str, workspace_id: str | None, role: Role, *, as_json: bool) -> None:
    """Create a console user with a generated password and print it, this once."""

    async def work(accounts: Accounts) -> None:
        member_of = workspace_id
        if member_of is None:
            workspaces = await accounts.list_workspaces()
            if len(workspaces) != 1:
                raise ValidationFailed.of("--workspace", "must be given, as there is not exactly one workspace")
            member_of = workspaces[0].id
        user, password = await accounts.create_user(email, member_of, role)
        if as_json:
            members = {"id": user.id, "email": user.email, "workspaceId": member_of, "role": role}
            print_json({**members, "password": password})
        else:
            print(f"user       {user.email}\nworkspace  {member_of}\nrole       {role}\npassword   {password}")
            print("the password is shown once, keep it")

    _run(read_config(config_file), work)


def print_table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print columns as wide as their widest cell."""
    table = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _run(config: Config, work: Callable[[Accounts], Awaitable[None]], *, create: bool = False) -> None:
    """Run work on the accounts; end the program with a complaint where the work, the database or a file fails."""
    log_quietly(config)
    file = config.database_file
    if not create and file is not None and not file.exists():
        leave(FAILED, [f"there is no database at {file}: `voylo init` or `voylo serve` makes it"])

    async def run() -> None:
        async with _opened(config) as accounts:
            await work(accounts)

    try:
        asyncio.run(run())
    except ValidationFailed as error:
        leave(WRONG_USAGE, [f"{wrong.field}: {wrong.message}" for wrong in error.errors])
    except EngineError as error:
        leave(FAILED, [error.message])
    except OSError as error:
        leave(FAILED, [f"storage.data_dir {config.storage.data_dir}: {error}"])


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Accounts]:
    config.storage.data_dir.mkdir(mode=_DATA_DIR_MODE, parents=True, exist_ok=True)
    store = await Store.open(config.database_url)
    try:
        yield Accounts(store)
    finally:
        await store.close()


def _key_members(key: ApiKey) -> dict[str, str | None]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "role": key.role,
        "workspaceId": key.workspace_id,
        "createdAt": _time(key.created_at),
        "lastUsedAt": _time(key.last_used_at),
        "expiresAt": _time(key.expires_at),
        "revokedAt": _time(key.revoked_at),
    }


def _key_row(key: ApiKey) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at is not None else "active"
    if state == "active" and key.expires_at is not None:
        state = f"until {_time(key.expires_at)}"
    return key.id, key.prefix, key.role, key.workspace_id, state, _time(key.last_used_at) or "never", key.name


def _time(moment: datetime | None) -> str | None:
    """Return a time as the API writes it (contract §1)."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
