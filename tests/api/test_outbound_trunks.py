"""`/v1/trunks/outbound` (contract §9.2): right and wrong input, whole bodies, isolation."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.sip_accounts import AccountRegistration
from tests.api.client import Api, error, invalid
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
        "registration": {"state": "unregistered", "contact": None, "sourceIp": None, "expiresAt": None},
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
    api.engine.clock.advance(seconds=1)
    changes = {"allowedSourceIps": [], "enabled": True}
    changed = await api.patch(f"{PATH}/{trunk['id']}", changes)
    assert tuple(changed) == (200, trunk | changes | {"updatedAt": "2026-06-23T10:31:01.000Z"})
    assert tuple(await api.get(f"{PATH}/{trunk['id']}")) == (200, changed.body)


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
    password = rotated.body["password"]
    named = {"username": trunk["sip"]["username"], "uri": trunk["sip"]["uri"]}
    assert tuple(rotated) == (200, named | {"password": password})
    account = api.engine.sip_accounts.lookup(rotated.body["username"])
    assert account is not None
    assert (account.kind, account.password) == ("trunk", password)


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


async def test_every_reference_and_repeated_prefix_is_named_at_once_when_creating_and_when_changing(api: Api) -> None:
    number = await api.number()
    wrong = {
        "defaultNumberId": UNKNOWN,
        "allowedNumberIds": [number["id"], UNKNOWN],
        "routingRules": [
            {"prefix": "+20", "numberId": number["id"]},
            {"prefix": "2 0", "numberId": UNKNOWN},
        ],
    }
    not_ours = "must be a number of this workspace"
    expected = invalid(
        defaultNumberId=not_ours,
        allowedNumberIds__1=not_ours,
        routingRules__1__numberId=not_ours,
        routingRules__1__prefix="must not be that of another rule",
    )
    trunk = await api.trunk()
    assert tuple(await api.post(PATH, {"name": "x", **wrong})) == (400, expected)
    assert tuple(await api.patch(f"{PATH}/{trunk['id']}", wrong)) == (400, expected)
    assert tuple(await api.get(f"{PATH}/{trunk['id']}")) == (200, trunk)


async def test_a_number_of_another_workspace_is_no_number_of_this_one(api: Api) -> None:
    foreign = (await api.post("/v1/numbers", {"e164": "+2004446"}, key=await other_key(api))).body
    answer = await api.post(PATH, {"name": "x", "defaultNumberId": foreign["id"]})
    assert tuple(answer) == (400, invalid(defaultNumberId="must be a number of this workspace"))


@pytest.mark.parametrize(
    ("members", "errors"),
    [
        ({"name": None}, {"name": "must be a string"}),
        ({"enabled": 1}, {"enabled": "must be true or false"}),
        ({"record": None}, {"record": "must be true or false"}),
        ({"maxChannels": 1001}, {"maxChannels": "must be at most 1000"}),
        ({"maxChannels": None}, {"maxChannels": "must be an integer"}),
        ({"allowedSourceIps": ["10.0.0.1"] * 101}, {"allowedSourceIps": "must have at most 100 entries"}),
        ({"allowedNumberIds": [UNKNOWN] * 1001}, {"allowedNumberIds": "must have at most 1000 entries"}),
        (
            {"routingRules": [{"prefix": "+20", "numberId": UNKNOWN}] * 201},
            {"routingRules": "must have at most 200 entries"},
        ),
        ({"routingRules": ["x"]}, {"routingRules.0": "must be an object"}),
        (
            {"routingRules": [{"prefix": "+0", "numberId": "x"}]},
            {
                "routingRules.0.prefix": "must be the first digits of an E.164 number",
                "routingRules.0.numberId": "must be a UUID",
            },
        ),
    ],
)
async def test_the_whole_answer_to_a_wrong_member(api: Api, members: dict[str, Any], errors: dict[str, str]) -> None:
    expected = invalid(**{name.replace(".", "__"): text for name, text in errors.items()})
    assert tuple(await api.post(PATH, {"name": "x", **members})) == (400, expected)
    trunk = await api.trunk()
    assert tuple(await api.patch(f"{PATH}/{trunk['id']}", members)) == (400, expected)


async def test_no_later_answer_holds_the_password(api: Api) -> None:
    created = await api.post(PATH, {"name": "PBX"})
    password, path = created.body["sip"]["password"], f"{PATH}/{created.body['id']}"
    account = api.engine.sip_accounts.lookup(created.body["sip"]["username"])
    assert account is not None
    assert account.password == password
    for answer in (await api.get(PATH), await api.get(path), await api.patch(path, {"name": "Other"})):
        assert answer.status == 200
        assert password not in str(answer.body)
        assert "password" not in str(answer.body).replace("hasPassword", "")


async def test_another_workspace_cannot_replace_the_credentials(api: Api) -> None:
    trunk = await api.trunk()
    rotate = f"{PATH}/{trunk['id']}/credentials/rotate"
    before = api.engine.sip_accounts.lookup(trunk["sip"]["username"])
    assert tuple(await api.post(rotate, key=await other_key(api))) == NOT_FOUND
    assert api.engine.sip_accounts.lookup(trunk["sip"]["username"]) == before


async def test_viewers_and_bookkeepers_read_and_do_not_write(api: Api) -> None:
    trunk = await api.trunk()
    for role in ("viewer", "billing"):
        key = await api.key_of(role)
        assert (await api.get(f"{PATH}/{trunk['id']}", key=key)).status == 200
        for method, path, body in (
            ("POST", PATH, {"name": "x"}),
            ("PATCH", f"{PATH}/{trunk['id']}", {"name": "x"}),
            ("POST", f"{PATH}/{trunk['id']}/credentials/rotate", ...),
            ("DELETE", f"{PATH}/{trunk['id']}", ...),
        ):
            assert (await api.call(method, path, body, key=key)).status == 403


async def test_the_list_is_searched_newest_first(api: Api) -> None:
    for name in ("PBX Berlin", "Dialler", "pbx Cairo"):
        await api.trunk(name)
        api.engine.clock.advance(seconds=1)
    assert [trunk["name"] for trunk in (await api.get(f"{PATH}?search=PBX")).body["data"]] == [
        "pbx Cairo",
        "PBX Berlin",
    ]
