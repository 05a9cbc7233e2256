"""SIP accounts in memory: complete after the start, fresh after changes everywhere, safe with foreign secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import text

from engine import polling
from engine.agents import NewAgent
from engine.model import RoutingRule
from engine.outbound_trunks import NewOutboundTrunk
from engine.sip_accounts import SipAccount, SipAccountDirectory, SipDomain
from tests.engine.opened import Opened, opened

EVERYTHING = NewOutboundTrunk(
    "PBX",
    enabled=False,
    allowed_source_ips=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
    allowed_number_ids=("a", "b"),
    default_number_id="a",
    routing_rules=(RoutingRule("+20", "b"),),
    max_channels=3,
    record=True,
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def test_after_the_start_everything_is_known_with_its_password(engine: Opened) -> None:
    agent = await engine.agents.create(engine.workspace_id, NewAgent("anna@one.example"))
    trunk = await engine.outbound_trunks.create(engine.workspace_id, EVERYTHING)
    second = SipAccountDirectory(engine.store, engine.secrets)
    assert second.lookup("anna") is None
    await second.start()
    assert second.agent(agent.id) == agent
    assert second.trunk(trunk.id) == trunk
    assert second.lookup("anna") == SipAccount("agent", agent.id, engine.workspace_id, "anna", agent.password)
    assert second.lookup(trunk.username) == SipAccount(
        "trunk", trunk.id, engine.workspace_id, trunk.username, trunk.password, False, EVERYTHING.allowed_source_ips
    )
    assert second.lookup("Anna") is second.agent(trunk.id) is second.trunk(agent.id) is None
    assert agent.password not in repr(second.lookup("anna"))
    await second.close()
    await second.close()


async def test_each_change_is_seen_when_the_method_returns(engine: Opened) -> None:
    accounts, workspace = engine.sip_accounts, engine.workspace_id
    trunk = await engine.outbound_trunks.create(workspace, NewOutboundTrunk("PBX"))
    await engine.outbound_trunks.update(workspace, trunk.id, {"enabled": False})
    changed = accounts.lookup(trunk.username)
    assert changed is not None
    assert (changed.enabled, changed.password) == (False, trunk.password)
    rotated = await engine.outbound_trunks.rotate_credentials(workspace, trunk.id)
    changed = accounts.lookup(trunk.username)
    assert changed is not None
    assert changed.password == rotated.password != trunk.password
    await engine.outbound_trunks.delete(workspace, trunk.id)
    assert accounts.lookup(trunk.username) is accounts.trunk(trunk.id) is None


async def test_a_change_of_another_process_arrives_by_itself(engine: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.01)
    second = SipAccountDirectory(engine.store, engine.secrets)
    await second.start()
    agent = await engine.agents.create(engine.workspace_id, NewAgent("anna@one.example"))
    async with asyncio.timeout(10):
        while second.agent(agent.id) is None:
            await asyncio.sleep(0.01)
        await engine.agents.delete(engine.workspace_id, agent.id)
        while second.lookup("anna") is not None:
            await asyncio.sleep(0.01)
    await second.close()


async def test_one_unreadable_password_takes_only_its_account_out_of_service_and_rotating_mends_it(
    engine: Opened,
) -> None:
    agent = await engine.agents.create(engine.workspace_id, NewAgent("anna@one.example"))
    good = await engine.agents.create(engine.workspace_id, NewAgent("berta@one.example"))
    trunk = await engine.outbound_trunks.create(engine.workspace_id, NewOutboundTrunk("PBX"))
    for statement in (
        "UPDATE agents SET password = 'v1.damaged' WHERE username = 'anna'",
        "UPDATE outbound_trunks SET password = 'v9.unknown'",
    ):
        await engine.store.write(lambda connection, sql=statement: connection.execute(text(sql)))  # type: ignore[misc]
    second = SipAccountDirectory(engine.store, engine.secrets)
    await second.start()
    assert second.lookup("anna") is second.agent(agent.id) is second.trunk(trunk.id) is None
    assert second.agent(good.id) == good
    rotated = await engine.agents.rotate_credentials(engine.workspace_id, agent.id)
    await second.refresh()
    mended = second.lookup("anna")
    assert mended is not None
    assert mended.password == rotated.password
    await second.close()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("2001:db8::1", True), ("a name", False)],
)
def test_a_source_is_allowed_by_its_network_or_by_the_absence_of_any(address: str, allowed: bool) -> None:
    account = SipAccount("trunk", "id", "ws", "t_0", "x", True, EVERYTHING.allowed_source_ips)
    assert account.allows_source(address) is allowed
    assert SipAccount("agent", "id", "ws", "anna", "x").allows_source(address)


def test_the_uri_of_an_account_has_an_ipv6_host_in_brackets() -> None:
    assert SipDomain(lambda: "voice.example", lambda: 5060).uri("anna") == "sip:anna@voice.example"
    assert SipDomain(lambda: "2001:db8::1", lambda: 5060).uri("anna") == "sip:anna@[2001:db8::1]"
