"""The first start, keys and users."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine import keyring
from engine.accounts import KEY_TOUCH_SECONDS, Accounts, BootstrapSettings
from engine.errors import Conflict, NotFound, Unauthorized, ValidationFailed
from engine.ids import is_api_key, is_workspace_id, new_api_key
from engine.store import Store
from tests.engine.opened import START, Opened, database_url, opened

FIXED = BootstrapSettings(
    workspace_id="ws_0123456789ab",
    api_key="vlx_live_" + "k" * 40,
    email="me@example.com",
    password="correct horse",
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(database_url(tmp_path))
    yield store
    await store.close()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path / "voylo.db")
    found = connection.execute(query).fetchall()
    connection.close()
    return found


async def test_the_first_start_creates_one_of_each_with_generated_values(store: Store) -> None:
    accounts = Accounts(store)
    result = await accounts.bootstrap()
    assert result is not None
    assert is_workspace_id(result.workspace_id)
    assert is_api_key(result.api_key)
    assert result.owner_email == "owner@localhost"
    assert len(result.owner_password) == 20
    key = await accounts.authenticate(result.api_key)
    assert (key.workspace_id, key.role, key.name) == (result.workspace_id, "owner", "bootstrap")
    assert key.prefix == result.api_key[:13]
    assert [workspace.id for workspace in await accounts.list_workspaces()] == [result.workspace_id]
    user = await accounts.verify_password("OWNER@localhost", result.owner_password)
    assert user is not None
    assert user.email == "owner@localhost"


async def test_the_first_start_takes_the_fixed_values(store: Store) -> None:
    accounts = Accounts(store)
    result = await accounts.bootstrap(FIXED)
    assert result is not None
    assert (result.workspace_id, result.api_key, result.owner_email, result.owner_password) == (
        FIXED.workspace_id,
        FIXED.api_key,
        FIXED.email,
        FIXED.password,
    )
    assert (await accounts.authenticate(FIXED.api_key or "")).workspace_id == FIXED.workspace_id


async def test_a_second_start_changes_nothing(store: Store, tmp_path: Path) -> None:
    await Accounts(store).bootstrap(FIXED)
    assert await Accounts(store).bootstrap(FIXED) is None
    assert await Accounts(store).bootstrap() is None
    for table in ("accounts", "workspaces", "users", "memberships", "api_keys"):
        assert rows(tmp_path, f"SELECT count(*) FROM {table}") == [(1,)]


async def test_fixed_values_that_come_too_late_are_warned_of(store: Store) -> None:
    await Accounts(store).bootstrap(FIXED)
    with capture_logs() as logs:
        await Accounts(store).bootstrap(FIXED)
        await Accounts(store).bootstrap()
    assert logs == []
    with capture_logs() as logs:
        await Accounts(store).bootstrap(BootstrapSettings("ws_ba9876543210", "vlx_live_" + "z" * 40))
    assert [entry["event"] for entry in logs] == ["bootstrap.key_unknown", "bootstrap.workspace_unknown"]
    assert "zzz" not in str(logs)


async def test_of_two_first_starts_at_once_one_creates(store: Store, tmp_path: Path) -> None:
    results = await asyncio.gather(*(Accounts(store).bootstrap() for _ in range(3)))
    assert sum(result is not None for result in results) == 1
    assert rows(tmp_path, "SELECT count(*) FROM workspaces") == [(1,)]


async def test_malformed_fixed_values_are_all_named(store: Store) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await Accounts(store).bootstrap(BootstrapSettings("ws_X", "key", "nobody", "short"))
    assert sorted(error.field for error in caught.value.errors) == [
        "VOYLO_BOOTSTRAP_API_KEY",
        "VOYLO_BOOTSTRAP_EMAIL",
        "VOYLO_BOOTSTRAP_PASSWORD",
        "VOYLO_BOOTSTRAP_WORKSPACE_ID",
    ]
    assert "short" not in str(caught.value)


async def test_neither_keys_nor_passwords_are_stored_or_shown(store: Store, tmp_path: Path) -> None:
    result = await Accounts(store).bootstrap(FIXED)
    assert "k" * 40 not in repr(result) + repr(FIXED)
    assert "correct horse" not in repr(result) + repr(FIXED)
    ((key_hash, prefix, password_hash),) = rows(tmp_path, "SELECT key_hash, prefix, password_hash FROM api_keys, users")
    assert key_hash == hashlib.sha256((FIXED.api_key or "").encode()).hexdigest()
    assert prefix == "vlx_live_kkkk"
    assert str(password_hash).startswith("$argon2id$")


@pytest.mark.parametrize("raw", ["", "x", "vlx_live_", "vlx_live_" + "a" * 40, "vlx_live_" + "ä" * 40, "\ud800"])
async def test_an_unknown_or_malformed_key_is_refused(engine: Opened, raw: str) -> None:
    with pytest.raises(Unauthorized):
        await engine.accounts.authenticate(raw)


async def test_of_keys_with_the_same_prefix_each_is_recognised(engine: Opened) -> None:
    raws = [f"vlx_live_same{number:036d}" for number in range(3)]
    for number, raw in enumerate(raws):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.accounts.new_api_key", lambda raw=raw: raw)
            await engine.accounts.create_key(engine.workspace_id, f"key {number}")
    assert [(await engine.accounts.authenticate(raw)).name for raw in raws] == ["key 0", "key 1", "key 2"]
    with pytest.raises(Unauthorized):
        await engine.accounts.authenticate(f"vlx_live_same{3:036d}")


async def test_a_key_has_the_role_it_was_given_and_developer_otherwise(engine: Opened) -> None:
    plain = await engine.accounts.create_key(engine.workspace_id, "ci")
    viewer = await engine.accounts.create_key(engine.workspace_id, "screen", "viewer")
    assert (await engine.accounts.authenticate(plain.raw)).role == "developer"
    assert (await engine.accounts.authenticate(viewer.raw)).role == "viewer"
    assert [key.name for key in await engine.accounts.list_keys(engine.workspace_id)][-1] in {
        "bootstrap",
        "ci",
        "screen",
    }
    assert {key.name for key in await engine.accounts.list_keys()} == {"bootstrap", "ci", "screen"}


async def test_a_revoked_key_is_refused_at_once_and_stays_listed(engine: Opened) -> None:
    made = await engine.accounts.create_key(engine.workspace_id, "ci")
    await engine.accounts.authenticate(made.raw)
    await engine.accounts.revoke_key(made.key.id)
    with pytest.raises(Unauthorized):
        await engine.accounts.authenticate(made.raw)
    revoked_at = {key.id: key.revoked_at for key in await engine.accounts.list_keys()}[made.key.id]
    assert revoked_at == START
    engine.clock.advance(hours=1)
    await engine.accounts.revoke_key(made.key.id)
    assert {key.id: key.revoked_at for key in await engine.accounts.list_keys()}[made.key.id] == START


async def test_a_key_of_another_workspace_cannot_be_revoked(engine: Opened) -> None:
    other, raw = await engine.other_workspace()
    key = await engine.accounts.authenticate(raw)
    with pytest.raises(NotFound):
        await engine.accounts.revoke_key(key.id, engine.workspace_id)
    with pytest.raises(NotFound):
        await engine.accounts.revoke_key("no such key")
    await engine.accounts.revoke_key(key.id, other)


async def test_a_key_expires_at_its_time(engine: Opened) -> None:
    made = await engine.accounts.create_key(engine.workspace_id, "ci", expires_at=START + timedelta(hours=1))
    await engine.accounts.authenticate(made.raw)
    engine.clock.advance(minutes=59, seconds=59)
    await engine.accounts.authenticate(made.raw)
    engine.clock.advance(seconds=1)
    with pytest.raises(Unauthorized):
        await engine.accounts.authenticate(made.raw)


async def test_a_key_made_by_another_process_is_recognised_at_its_first_use(engine: Opened) -> None:
    await engine.accounts.authenticate(engine.first.api_key)
    elsewhere = await Store.open(database_url(engine.path))
    made = await Accounts(elsewhere).create_key(engine.workspace_id, "cli")
    assert (await engine.accounts.authenticate(made.raw)).name == "cli"
    await elsewhere.close()


async def test_a_key_revoked_by_another_process_is_refused_soon(
    engine: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await engine.accounts.create_key(engine.workspace_id, "ci")
    await engine.accounts.authenticate(made.raw)
    elsewhere = await Store.open(database_url(engine.path))
    await Accounts(elsewhere).revoke_key(made.key.id)
    monkeypatch.setattr(keyring, "KEY_CHECK_SECONDS", 0)
    with pytest.raises(Unauthorized):
        await engine.accounts.authenticate(made.raw)
    await elsewhere.close()


async def test_the_last_use_is_stored_at_most_once_a_minute(engine: Opened, tmp_path: Path) -> None:
    async def last_use() -> object:
        return (await engine.accounts.list_keys())[0].last_used_at

    await engine.accounts.authenticate(engine.first.api_key)
    engine.clock.advance(seconds=KEY_TOUCH_SECONDS - 1)
    await engine.accounts.authenticate(engine.first.api_key)
    await engine.store.write_rows([])
    assert await last_use() == START
    at = engine.clock.advance(seconds=1)
    await engine.accounts.authenticate(engine.first.api_key)
    await engine.store.write_rows([])
    assert await last_use() == at


@pytest.mark.parametrize("name", ["", "x" * 121, "line\nbreak"])
async def test_a_bad_name_is_refused(engine: Opened, name: str) -> None:
    with pytest.raises(ValidationFailed):
        await engine.accounts.create_key(engine.workspace_id, name)
    with pytest.raises(ValidationFailed):
        await engine.accounts.create_workspace(name)


async def test_keys_and_users_need_a_workspace_that_exists(engine: Opened) -> None:
    with pytest.raises(NotFound):
        await engine.accounts.create_key("ws_000000000000", "ci")
    with pytest.raises(NotFound):
        await engine.accounts.create_user("a@b", "ws_000000000000")
    with pytest.raises(NotFound):
        await engine.accounts.workspace("ws_000000000000")


async def test_a_new_workspace_belongs_to_the_account(engine: Opened) -> None:
    first = await engine.accounts.workspace(engine.workspace_id)
    made = await engine.accounts.create_workspace("Second", timezone="Asia/Dubai")
    assert made.account_id == first.account_id
    assert await engine.accounts.workspace(made.id) == made
    assert (await engine.accounts.create_workspace("Third", first.account_id)).account_id == first.account_id
    with pytest.raises(NotFound):
        await engine.accounts.create_workspace("Fourth", "acc_000000000000")


async def test_a_user_signs_in_with_the_right_password_only(engine: Opened) -> None:
    user, password = await engine.accounts.create_user("Ann@Example.com", engine.workspace_id, "admin")
    assert user.name == "Ann"
    assert await engine.accounts.verify_password("ann@example.COM", password) == user
    assert await engine.accounts.verify_password("ann@example.com", password + "x") is None
    assert await engine.accounts.verify_password("nobody@example.com", password) is None


async def test_an_e_mail_address_belongs_to_one_user_in_any_case(engine: Opened) -> None:
    await engine.accounts.create_user("ann@example.com", engine.workspace_id)
    with pytest.raises(Conflict):
        await engine.accounts.create_user("ANN@example.com", engine.workspace_id)


async def test_every_fault_of_a_new_user_is_named(engine: Opened) -> None:
    with pytest.raises(ValidationFailed) as caught:
        await engine.accounts.create_user("nobody", engine.workspace_id, password="short")
    assert [error.field for error in caught.value.errors] == ["email", "password"]


async def test_a_key_is_not_in_what_its_creation_shows_in_logs(engine: Opened) -> None:
    made = await engine.accounts.create_key(engine.workspace_id, "ci")
    assert made.raw not in repr(made)
    assert new_api_key() != made.raw
