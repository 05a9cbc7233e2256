"""`/v1/numbers/{id}/sip-credentials` (contract §8.2)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text

from tests.api.client import Api, error, invalid
from tests.engine.opened import REALM

AT = "2026-06-23T10:31:00.000Z"
LATER = "2026-06-23T10:31:01.000Z"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
USERNAME = 'must be 1 to 64 printable ASCII characters without space, ", : or \\'
PASSWORD = "must be 8 to 128 characters, no control characters"
NOT_FOUND = (404, error(404, "Not Found", "Number not found"))


async def with_auth(api: Api) -> str:
    number = await api.number(sip={"auth": {"username": "carrier-a", "password": "first-secret"}})
    return f"/v1/numbers/{number['id']}/sip-credentials"


def shown(**members: Any) -> dict[str, Any]:
    usual = {
        "username": "carrier-a",
        "realm": REALM,
        "hasPassword": True,
        "uri": f"sip:+97142345678@{REALM}",
        "updatedAt": AT,
    }
    return usual | members


async def stored_password(api: Api, path: str) -> str | None:
    number = await api.engine.numbers.get(api.engine.workspace_id, path.split("/")[3])
    assert number.sip is not None
    return None if number.sip.auth is None else number.sip.auth.password


async def test_they_are_read_without_the_password(api: Api) -> None:
    assert tuple(await api.get(await with_auth(api))) == (200, shown())


async def test_a_number_without_them_says_so(api: Api) -> None:
    number = await api.number()
    answer = await api.get(f"/v1/numbers/{number['id']}/sip-credentials")
    assert tuple(answer) == (200, shown(username=None, hasPassword=False))


async def test_they_are_set_as_given_and_in_use_at_once(api: Api) -> None:
    path = await with_auth(api)
    api.engine.clock.advance(seconds=1)
    answer = await api.call("PUT", path, {"username": "carrier-b", "password": "second-secret"})
    assert tuple(answer) == (200, shown(username="carrier-b", updatedAt=LATER, password="second-secret"))
    known = api.engine.directory.lookup("+97142345678")
    assert known is not None
    assert known.sip is not None
    assert known.sip.auth is not None
    assert (known.sip.auth.username, known.sip.auth.password) == ("carrier-b", "second-secret")
    assert tuple(await api.get(path)) == (200, shown(username="carrier-b", updatedAt=LATER))


async def test_what_is_not_given_is_generated(api: Api) -> None:
    number = await api.number()
    path = f"/v1/numbers/{number['id']}/sip-credentials"
    answer = await api.call("PUT", path, {})
    username, password = answer.body["username"], answer.body["password"]
    assert re.fullmatch("n_[0-9a-f]{12}", username)
    assert re.fullmatch("[A-Za-z0-9]{20}", password)
    assert tuple(answer) == (200, shown(username=username, password=password))
    bare = await api.call("PUT", path)
    assert bare.status == 200
    assert (bare.body["username"], bare.body["password"]) not in {(username, password), (None, None)}
    answer = await api.call("PUT", path, {"username": "mine"})
    assert answer.body["username"] == "mine"
    assert answer.body["password"] != password == (await api.call("PUT", path, {"password": password})).body["password"]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"username": "a b", "password": "short"}, {"username": USERNAME, "password": PASSWORD}),
        ({"username": 1, "password": []}, {"username": "must be a string", "password": "must be a string"}),
    ],
)
async def test_malformed_ones_are_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    path = await with_auth(api)
    assert tuple(await api.call("PUT", path, body)) == (400, invalid(**faults))
    assert await stored_password(api, path) == "first-secret"


async def test_rotating_replaces_the_password_alone(api: Api) -> None:
    path = await with_auth(api)
    api.engine.clock.advance(seconds=1)
    answer = await api.post(f"{path}/rotate")
    password = answer.body["password"]
    assert tuple(answer) == (200, shown(updatedAt=LATER, password=password))
    assert await stored_password(api, path) == password != "first-secret"


async def test_they_are_taken_away(api: Api) -> None:
    path = await with_auth(api)
    for _ in range(2):
        assert tuple(await api.delete(path)) == (204, None)
    assert await stored_password(api, path) is None
    none = error(409, "Conflict", "The number has no SIP credentials")
    assert tuple(await api.post(f"{path}/rotate")) == (409, none)


async def test_an_unknown_number_is_not_found(api: Api) -> None:
    path = f"/v1/numbers/{UNKNOWN}/sip-credentials"
    assert tuple(await api.get(path)) == NOT_FOUND
    assert tuple(await api.call("PUT", path, {})) == NOT_FOUND
    assert tuple(await api.delete(path)) == NOT_FOUND
    assert tuple(await api.post(f"{path}/rotate")) == NOT_FOUND
    assert tuple(await api.get("/v1/numbers/x/sip-credentials")) == (400, invalid(id="must be a UUID"))


async def test_a_rented_number_has_none_and_is_released_through_its_rental(api: Api) -> None:
    number = await api.number()
    rented = text("UPDATE numbers SET kind = 'rental', sip = NULL, channels = 2 WHERE id = :id")
    await api.engine.store.write(lambda connection: connection.execute(rented, {"id": number["id"]}))
    path = f"/v1/numbers/{number['id']}"
    answer = await api.get(path)
    assert (answer.body["kind"], answer.body["sip"], answer.body["channels"]) == ("rental", None, 2)
    refused = (409, error(409, "Conflict", "A rented number has no SIP configuration"))
    assert tuple(await api.get(f"{path}/sip-credentials")) == refused
    assert tuple(await api.call("PUT", f"{path}/sip-credentials", {})) == refused
    assert tuple(await api.delete(f"{path}/sip-credentials")) == refused
    assert tuple(await api.post(f"{path}/sip-credentials/rotate")) == refused
    answer = await api.patch(path, {"sip": {"auth": None}})
    assert tuple(answer) == (400, invalid(sip="a rented number has no SIP configuration"))
    message = "A rented number cannot be deleted; release its rental instead"
    assert tuple(await api.delete(path)) == (409, error(409, "Conflict", message))
    assert (await api.get("/v1/numbers?kind=rental")).body["pagination"]["totalItems"] == 1
