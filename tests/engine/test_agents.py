"""Agents in the store: usernames made from addresses, unique on the server, passwords encrypted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.agents import AgentTaken, NewAgent, derived_username, free_username, is_agent_username
from engine.errors import Conflict
from tests.engine.opened import Opened, opened


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


@pytest.mark.parametrize(
    ("email", "username"),
    [
        ("anna@one.example", "anna"),
        ("Anna.Lee_2@one.example", "anna.lee_2"),
        ("anna+sales@one.example", "anna-sales"),
        ("jürgen@one.example", "jurgen"),
        ("42anna@one.example", "anna"),
        ("1234@one.example", "agent"),
        ("李@one.example", "agent"),
        ("t_0123456789ab@one.example", "agent"),
        ("a" * 64 + "@one.example", "a" * 56),
        ("anna-@one.example", "anna"),
    ],
)
def test_a_username_is_made_of_the_local_part(email: str, username: str) -> None:
    assert derived_username(email) == username
    assert is_agent_username(username)


def test_the_first_free_number_is_put_behind_a_taken_name() -> None:
    assert free_username("anna", frozenset()) == "anna"
    assert free_username("anna", frozenset({"anna", "anna-3"})) == "anna-2"
    assert free_username("anna", frozenset({"anna", "anna-2", "anna-lee"})) == "anna-3"


@pytest.mark.parametrize("text", ["", "1anna", "101", "t_0123456789ab", "Anna", "an na", "anna\n", "a" * 64, "é"])
def test_what_could_be_a_number_or_a_trunk_is_no_username(text: str) -> None:
    assert not is_agent_username(text)


async def test_agents_created_at_once_get_names_of_their_own(engine: Opened) -> None:
    agents = await asyncio.gather(
        *(engine.agents.create(engine.workspace_id, NewAgent(f"anna@{number}.example")) for number in range(5))
    )
    assert sorted(agent.username for agent in agents) == ["anna", "anna-2", "anna-3", "anna-4", "anna-5"]


async def test_a_name_that_another_process_takes_first_is_made_again_and_an_explicit_one_is_a_conflict(
    engine: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, refused = engine.store.write, 1

    async def beaten(work: object) -> object:
        nonlocal refused
        if refused:
            refused -= 1
            raise Conflict("it clashes with what is stored")
        return await write(work)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.store, "write", beaten)
    agent = await engine.agents.create(engine.workspace_id, NewAgent("anna@one.example"))
    assert agent.username == "anna"
    refused = 1
    with pytest.raises(AgentTaken):
        await engine.agents.create(engine.workspace_id, NewAgent("b@one.example", username="berta"))
    refused = 9
    with pytest.raises(AgentTaken):
        await engine.agents.create(engine.workspace_id, NewAgent("c@one.example"))


async def test_passwords_are_stored_encrypted_and_hidden_in_logs(engine: Opened) -> None:
    agent = await engine.agents.create(engine.workspace_id, NewAgent("anna@one.example"))
    rotated = await engine.agents.rotate_credentials(engine.workspace_id, agent.id)
    connection = sqlite3.connect(engine.path / "voylo.db")
    (stored,) = connection.execute("SELECT password FROM agents").fetchone()
    connection.close()
    for secret in (agent.password, rotated.password):
        assert secret not in stored
    assert agent.password not in repr(agent)
    assert rotated.password not in repr(rotated)
