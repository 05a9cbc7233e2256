"""`/v1/trunks/outbound` (contract §9.2): right and wrong input, whole bodies, isolation."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.sip_accounts import AccountRegistration
from tests.api.client import Api, error
from tests.api.test_agents import UNKNOWN, other_key
from tests.engine.opened import REALM

PATH = "/v1/trunks/outbound"
NOT_FOUND = (404, error(404, "Not Found", "Outbound trunk not found"))


async def test_a_new_trunk_has_a_name_and_a_password_of_its_own(api: Api) -> None:
    created = await api.post(PATH, {"name": "PBX"})
    assert created.status == 201
    body = created.body
    sip = dict(body["sip"])
    assert len(sip.pop("password")) >= 8
    username = sip["username"]
    assert re.fullmatch(r"t_[0-9a-f]{12}", username)
    shown = {
        "id": body["id"],
        "name": "PBX",
        "enabled": True,
        "sip": {
            "uri": f"sip:{username}@{REALM}",
            "host": REALM,
            "port": 5060,
            "realm": REALM,
            "username": username,
            "hasPassword": True,
        },
        "allowedSourceIps": [],
        "allowedNumberIds": [],
        "defaultNumberId": None,
        "routingRules": [],
        "maxChannels": 10,
        "record": False,
        "registration": None,
        "createdAt": body["createdAt"],
        "updatedAt": body["updatedAt"],
    }
    assert tuple(await api.get(f"{PATH}/{body['id']}")) == (200, shown)
    assert (await api.get(PATH)).body == {
        "data": [shown],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }


async def test_everything_can_be_set_and_changed(api: Api) -> None:
    number = await api.number()
    members = {
        "allowedSourceIps": ["192.0.2.1", "10.1.2.3/8"],
        "allowedNumberIds": [number["id"]],
        "defaultNumberId": number["id"],
        "routingRules": [{"prefix": "20", "numberId": number["id"]}],
        "maxChannels": 3,
        "record": True,
        "enabled": False,
    }
    trunk = await api.trunk(**members)
    wanted = {
        **members,
        "allowedSourceIps": ["192.0.2.1/32", "10.0.0.0/8"],
        "routingRules": [{"prefix": "+20", "numberId": number["id"]}],
    }
    assert {name: trunk[name] for name in wanted} == wanted
    changed = await api.patch(f"{PATH}/{trunk['id']}", {"allowedSourceIps": [], "enabled": True})
    assert changed.status == 200
    assert (changed.body["allowedSourceIps"], changed.body["enabled"], changed.body["maxChannels"]) == ([], True, 3)


async def test_a_registration_in_force_is_shown(api: Api) -> None:
    trunk = await api.trunk()
    until = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    api.registered[trunk["id"]] = AccountRegistration("sip:pbx@192.0.2.7:5070", "192.0.2.7", until)
    assert (await api.get(f"{PATH}/{trunk['id']}")).body["registration"] == {
        "state": "registered",
        "contact": "sip:pbx@192.0.2.7:5070",
        "sourceIp": "192.0.2.7",
        "expiresAt": "2030-01-02T03:04:05.000Z",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "allowedSourceIps": ["nowhere"]}, "allowedSourceIps.0"),
        ({"name": "x", "maxChannels": 0}, "maxChannels"),
        ({"name": "x", "defaultNumberId": UNKNOWN}, "defaultNumberId"),
        ({"name": "x", "allowedNumberIds": [UNKNOWN]}, "allowedNumberIds.0"),
        ({"name": "x", "routingRules": [{"prefix": "x", "numberId": UNKNOWN}]}, "routingRules.0.prefix"),
    ],
)
async def test_wrong_input_names_its_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api.post(PATH, body)
    assert answer.status == 400
    assert field in answer.body["details"]


async def test_credentials_are_replaced(api: Api) -> None:
    trunk = await api.trunk()
    rotated = await api.post(f"{PATH}/{trunk['id']}/credentials/rotate")
    assert rotated.status == 200
    assert set(rotated.body) == {"username", "password", "uri"}
    account = api.engine.sip_accounts.lookup(rotated.body["username"])
    assert account is not None
    assert (account.kind, account.password) == ("trunk", rotated.body["password"])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_workspace_sees_nothing(api: Api, method: str) -> None:
    trunk = await api.trunk()
    key = await other_key(api)
    body = {} if method == "PATCH" else ...
    assert tuple(await api.call(method, f"{PATH}/{trunk['id']}", body, key=key)) == NOT_FOUND
    assert (await api.get(PATH, key=key)).body["data"] == []


async def test_deleting_ends_it(api: Api) -> None:
    trunk = await api.trunk()
    assert (await api.delete(f"{PATH}/{trunk['id']}")).status == 204
    assert tuple(await api.get(f"{PATH}/{trunk['id']}")) == NOT_FOUND
