"""Numbers in the store: unique on the server, passwords encrypted, SIP configuration changed member by member."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.applications import NewApplication
from engine.errors import Conflict, NotFound, ValidationFailed
from engine.model import Number, NumberSip, Route, SipAuth, SipOutbound
from engine.numbers import NewNumber, change_sip
from tests.engine.opened import START, Opened, opened

SIP: dict[str, Any] = {
    "allowed_source_ips": (ip_network("203.0.113.10/32"), ip_network("2001:db8::/32")),
    "auth": {"username": "carrier", "password": "inbound-secret"},
    "outbound": {
        "host": "sip.carrier.example",
        "username": "acct",
        "password": "outbound-secret",
        "codecs": ("PCMA",),
        "custom_headers": {"X-Account": "42"},
    },
}
FULL = NewNumber("+97142345678", "Main line", sip=SIP)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Opened]:
    async with opened(tmp_path) as engine:
        yield engine


async def make_rental(engine: Opened, number: Number) -> None:
    """Turns a number into a rented one, as the rentals will."""
    await engine.store.write(
        lambda connection: connection.execute(
            text("UPDATE numbers SET kind = 'rental', sip = NULL, channels = 2 WHERE id = :id"), {"id": number.id}
        )
    )


async def test_what_is_imported_is_read_back_whole(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    assert await engine.numbers.get(engine.workspace_id, number.id) == number
    assert (number.kind, number.status, number.country) == ("byo", "active", "AE")
    assert number.sip == NumberSip(
        allowed_source_ips=SIP["allowed_source_ips"],
        auth=SipAuth("carrier", "inbound-secret"),
        outbound=SipOutbound(
            host="sip.carrier.example",
            username="acct",
            password="outbound-secret",
            codecs=("PCMA",),
            custom_headers={"X-Account": "42"},
        ),
    )
    assert number.created_at == START


async def test_passwords_are_stored_encrypted_and_hidden_in_logs(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    connection = sqlite3.connect(engine.path / "voylo.db")
    (stored,) = connection.execute("SELECT sip FROM numbers").fetchone()
    connection.close()
    assert "bound-secret" not in stored
    assert "bound-secret" not in repr(number)


async def test_a_number_exists_once_on_the_server(engine: Opened) -> None:
    await engine.numbers.import_(engine.workspace_id, FULL)
    other, _ = await engine.other_workspace()
    for workspace_id in (engine.workspace_id, other):
        with pytest.raises(Conflict, match=r"\+97142345678"):
            await engine.numbers.import_(workspace_id, NewNumber("+97142345678"))


async def test_of_imports_at_once_one_wins(engine: Opened) -> None:
    results = await asyncio.gather(
        *(engine.numbers.import_(engine.workspace_id, FULL) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["Number"]


async def test_a_number_may_be_imported_again_once_deleted(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    await engine.numbers.delete(engine.workspace_id, number.id)
    assert engine.directory.lookup("+97142345678") is None
    assert (await engine.numbers.import_(engine.workspace_id, FULL)).id != number.id


async def test_call_routing_sees_each_change_when_the_method_returns(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    assert engine.directory.lookup("+97142345678") == number
    assert engine.directory.number(number.id) == number
    changed = await engine.numbers.update(engine.workspace_id, number.id, {"inbound_enabled": False})
    assert engine.directory.lookup("+97142345678") == changed


async def test_a_change_keeps_what_it_does_not_name(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    later = engine.clock.advance(seconds=5)
    changed = await engine.numbers.update(
        engine.workspace_id,
        number.id,
        {"label": None, "destination": Route("application", "stale")},
        {"outbound": {"port": 5080}},
    )
    assert changed == replace(
        number,
        label=None,
        destination=Route("application", "stale"),
        sip=replace(number.sip, outbound=replace(number.sip.outbound, port=5080)),  # type: ignore[union-attr, type-var]
        updated_at=later,
    )
    assert await engine.numbers.get(engine.workspace_id, number.id) == changed


async def test_another_workspace_sees_and_changes_nothing(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    other, _ = await engine.other_workspace()
    for attempt in (
        engine.numbers.get(other, number.id),
        engine.numbers.update(other, number.id, {"label": "Mine"}),
        engine.numbers.delete(other, number.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await engine.numbers.page(other, 1, 10)).items == ()
    assert await engine.numbers.get(engine.workspace_id, number.id) == number


async def test_a_destination_must_be_of_the_workspace(engine: Opened) -> None:
    application = await engine.applications.create(engine.workspace_id, NewApplication("Menu"))
    other, _ = await engine.other_workspace()
    numbers = engine.numbers
    assert await numbers.destination_error(engine.workspace_id, "application", application.id) is None
    assert await numbers.destination_error(other, "application", application.id) == (
        "must be an application of this workspace"
    )
    assert await numbers.destination_error(engine.workspace_id, "trunk", application.id) == (
        "must be an inbound trunk of this workspace"
    )


async def test_pages_can_be_narrowed(engine: Opened) -> None:
    for suffix, label in ((1, "Sales"), (2, "Support"), (3, None)):
        engine.clock.advance(seconds=1)
        await engine.numbers.import_(engine.workspace_id, NewNumber(f"+9714000{suffix}", label))
    numbers = engine.numbers
    everything = await numbers.page(engine.workspace_id, 1, 10)
    assert [number.label for number in everything.items] == [None, "Support", "Sales"]
    assert [n.label for n in (await numbers.page(engine.workspace_id, 1, 10, search="SALE")).items] == ["Sales"]
    assert (await numbers.page(engine.workspace_id, 1, 10, kind="rental")).total_items == 0
    assert (await numbers.page(engine.workspace_id, 1, 10, status="active")).total_items == 3
    assert [n.label for n in (await numbers.page(engine.workspace_id, 2, 2)).items] == ["Sales"]


async def test_a_rental_has_no_sip_configuration_to_change_and_cannot_be_deleted(engine: Opened) -> None:
    number = await engine.numbers.import_(engine.workspace_id, FULL)
    await make_rental(engine, number)
    with pytest.raises(ValidationFailed) as caught:
        await engine.numbers.update(engine.workspace_id, number.id, {}, {"auth": None})
    assert [error.field for error in caught.value.errors] == ["sip"]
    with pytest.raises(Conflict):
        await engine.numbers.delete(engine.workspace_id, number.id)
    rented = await engine.numbers.get(engine.workspace_id, number.id)
    assert (rented.kind, rented.sip, rented.channels) == ("rental", None, 2)


AUTH = SipAuth("carrier", "inbound-secret")
OUTBOUND = SipOutbound("host.example", username="acct", password="outbound-secret")


@pytest.mark.parametrize(
    ("current", "changes", "changed"),
    [
        (NumberSip(), {}, NumberSip()),
        (NumberSip(auth=AUTH), {"auth": None}, NumberSip()),
        (NumberSip(auth=AUTH), {"auth": {"username": "b"}}, NumberSip(auth=SipAuth("b", "inbound-secret"))),
        (NumberSip(auth=AUTH), {"auth": {"password": "c"}}, NumberSip(auth=SipAuth("carrier", "c"))),
        (NumberSip(auth=AUTH), {"auth": {}}, NumberSip(auth=AUTH)),
        (NumberSip(outbound=OUTBOUND), {"outbound": None}, NumberSip()),
        (NumberSip(outbound=OUTBOUND), {"outbound": {"port": 1}}, NumberSip(outbound=replace(OUTBOUND, port=1))),
        (
            NumberSip(outbound=OUTBOUND),
            {"outbound": {"username": None}},
            NumberSip(outbound=replace(OUTBOUND, username=None, password=None)),
        ),
        (NumberSip(), {"outbound": {"host": "h"}}, NumberSip(outbound=SipOutbound("h"))),
        (
            NumberSip(auth=AUTH),
            {"allowed_source_ips": [ip_network("10.0.0.0/8")] * 2},
            NumberSip((ip_network("10.0.0.0/8"),), AUTH),
        ),
    ],
)
def test_sip_changes_apply_to_the_members_they_name(
    current: NumberSip, changes: dict[str, Any], changed: NumberSip
) -> None:
    assert change_sip(current, changes) == changed


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"auth": {"username": "a"}}, ["sip.auth.password"]),
        ({"auth": {}}, ["sip.auth.username", "sip.auth.password"]),
        ({"outbound": {"port": 1}}, ["sip.outbound.host"]),
        ({"outbound": {"host": "h", "username": "a"}}, ["sip.outbound.password"]),
        ({"outbound": {"host": "h", "password": "a"}}, ["sip.outbound.username"]),
        ({"auth": {"password": "p"}, "outbound": {}}, ["sip.auth.username", "sip.outbound.host"]),
    ],
)
def test_incomplete_credentials_are_refused_with_every_missing_field(
    changes: dict[str, Any], fields: list[str]
) -> None:
    with pytest.raises(ValidationFailed) as caught:
        change_sip(NumberSip(), changes)
    assert [error.field for error in caught.value.errors] == fields


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        ("not an address", False),
    ],
)
def test_a_source_is_allowed_by_its_network(address: str, allowed: bool) -> None:
    sip = NumberSip((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
    assert sip.allows_source(address) is allowed
    assert not NumberSip().allows_source(address)
