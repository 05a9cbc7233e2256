"""`/v1/numbers` (contract §8): right and wrong input, whole bodies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Api, error, invalid
from tests.engine.opened import REALM

UNKNOWN = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = (404, error(404, "Not Found", "Number not found"))
SOURCE = "must be an IP address or a network in CIDR form"
HOST = "must be a host name or an IP address"
SIP_TARGET = "must be a sip: or sips: URI of at most 256 characters, without password and headers"
USERNAME = 'must be 1 to 64 printable ASCII characters without space, ", : or \\'
PASSWORD = "must be 8 to 128 characters, no control characters"
SIP_HEADER = "must be X- and 1 to 60 letters, digits or hyphens, and not begin with X-Voylo-"
SIP_VALUE = "must be at most 256 printable ASCII characters"

SIP_IN: dict[str, Any] = {
    "allowedSourceIps": ["203.0.113.10", "10.1.2.3/8", "2001:db8::1/64"],
    "auth": {"username": "carrier-a", "password": "inbound-secret"},
    "outbound": {
        "host": "sip.carrier.example",
        "port": 5080,
        "transport": "tls",
        "username": "acct",
        "password": "outbound-secret",
        "register": True,
        "fromDomain": "carrier.example",
        "mediaEncryption": "required",
        "codecs": ["PCMA", "opus"],
        "customHeaders": {"X-Account": "42"},
    },
}
SIP_OUT: dict[str, Any] = {
    "allowedSourceIps": ["203.0.113.10/32", "10.0.0.0/8", "2001:db8::/64"],
    "auth": {"username": "carrier-a", "hasPassword": True, "realm": REALM},
    "outbound": {
        "host": "sip.carrier.example",
        "port": 5080,
        "transport": "tls",
        "username": "acct",
        "hasPassword": True,
        "register": True,
        "fromDomain": "carrier.example",
        "mediaEncryption": "required",
        "codecs": ["PCMA", "opus"],
        "customHeaders": {"X-Account": "42"},
    },
}
PLAIN: dict[str, Any] = {
    "e164": "+97142345678",
    "label": None,
    "kind": "byo",
    "country": "AE",
    "status": "active",
    "inboundEnabled": True,
    "outboundEnabled": True,
    "destination": None,
    "channels": None,
    "rentalId": None,
    "sip": {"allowedSourceIps": [], "auth": None, "outbound": None},
    "createdAt": "2026-06-23T10:31:00.000Z",
    "updatedAt": "2026-06-23T10:31:00.000Z",
}


@pytest.mark.parametrize("path", ["/v1/numbers/import", "/v1/numbers"])
async def test_a_number_is_imported_with_its_defaults(api: Api, path: str) -> None:
    answer = await api.post(path, {"e164": "971 (4) 234-5678", "unknown": 1})
    assert answer.status == 201
    body = dict(answer.body)
    number_id = body.pop("id")
    assert body == PLAIN
    assert tuple(await api.get(f"/v1/numbers/{number_id}")) == (200, answer.body)


async def test_a_number_is_imported_with_everything_given(api: Api) -> None:
    application = await api.application()
    destination = {"kind": "application", "id": application["id"]}
    body = await api.number(
        label="Main line",
        country="DE",
        inboundEnabled=False,
        outboundEnabled=False,
        destination=destination,
        sip=SIP_IN,
    )
    body.pop("id")
    assert body == PLAIN | {
        "label": "Main line",
        "country": "DE",
        "inboundEnabled": False,
        "outboundEnabled": False,
        "destination": destination,
        "sip": SIP_OUT,
    }


async def test_no_answer_ever_holds_a_password(api: Api) -> None:
    number = await api.number(sip=SIP_IN)
    for answer in (
        await api.get("/v1/numbers"),
        await api.get(f"/v1/numbers/{number['id']}"),
        await api.patch(f"/v1/numbers/{number['id']}", {"label": "x"}),
    ):
        assert "bound-secret" not in str(answer.body) + str(number)


async def test_a_number_that_exists_anywhere_on_the_server_is_a_conflict(api: Api) -> None:
    await api.number()
    _, other = await api.engine.other_workspace()
    expected = (409, error(409, "Conflict", "The number +97142345678 already exists on this server"))
    for key in (api.key, other):
        assert tuple(await api.post("/v1/numbers", {"e164": "97142345678"}, key=key)) == expected


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"e164": "is required"}),
        ({"e164": None}, {"e164": "must be a string"}),
        ({"e164": 97142345678}, {"e164": "must be a string"}),
        ({"e164": "12"}, {"e164": "must be an E.164 number"}),
        ({"e164": "+0123"}, {"e164": "must be an E.164 number"}),
        ({"e164": "sip:a@b"}, {"e164": "must be an E.164 number"}),
        ({"e164": "1" + " " * 70 + "23"}, {"e164": "must be an E.164 number"}),
        ({"label": "x" * 121}, {"e164": "is required", "label": "must be at most 120 characters"}),
        (
            {"country": "de"},
            {"e164": "is required", "country": "must be an ISO 3166 country code of two capital letters"},
        ),
        ({"inboundEnabled": "yes"}, {"e164": "is required", "inboundEnabled": "must be true or false"}),
        ({"outboundEnabled": None}, {"e164": "is required", "outboundEnabled": "must be true or false"}),
    ],
)
async def test_a_wrong_member_of_an_import_is_named(api: Api, body: dict[str, Any], errors: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/numbers/import", body)) == (400, invalid(**errors))


@pytest.mark.parametrize(
    ("sip", "errors"),
    [
        ("x", {"sip": "must be an object"}),
        ({"allowedSourceIps": "10.0.0.1"}, {"sip.allowedSourceIps": "must be an array"}),
        ({"allowedSourceIps": ["10.0.0.1", "10.0.0.256"]}, {"sip.allowedSourceIps.1": SOURCE}),
        ({"allowedSourceIps": ["10.0.0.0/33"]}, {"sip.allowedSourceIps.0": SOURCE}),
        ({"allowedSourceIps": ["carrier.example"]}, {"sip.allowedSourceIps.0": SOURCE}),
        ({"allowedSourceIps": ["10.0.0.1"] * 101}, {"sip.allowedSourceIps": "must have at most 100 entries"}),
        (
            {"auth": {"username": 'a"b', "password": "short"}},
            {"sip.auth.username": USERNAME, "sip.auth.password": PASSWORD},
        ),
        (
            {"auth": {"username": "a:b", "password": "x" * 129}},
            {"sip.auth.username": USERNAME, "sip.auth.password": PASSWORD},
        ),
        (
            {"auth": {"username": "", "password": "line\nbreak"}},
            {"sip.auth.username": USERNAME, "sip.auth.password": PASSWORD},
        ),
        ({"outbound": {"host": "a b"}}, {"sip.outbound.host": HOST}),
        ({"outbound": {"host": "2001:db8::1"}}, {"sip.outbound.host": HOST}),
        ({"outbound": {"host": "h", "port": 0}}, {"sip.outbound.port": "must be at least 1"}),
        ({"outbound": {"host": "h", "port": 65536}}, {"sip.outbound.port": "must be at most 65535"}),
        ({"outbound": {"host": "h", "port": "5060"}}, {"sip.outbound.port": "must be an integer"}),
        ({"outbound": {"host": "h", "port": 5060.5}}, {"sip.outbound.port": "must be an integer"}),
        ({"outbound": {"host": "h", "port": True}}, {"sip.outbound.port": "must be an integer"}),
        ({"outbound": {"host": "h", "transport": "ws"}}, {"sip.outbound.transport": "must be udp, tcp or tls"}),
        (
            {"outbound": {"host": "h", "mediaEncryption": "maybe"}},
            {"sip.outbound.mediaEncryption": "must be disabled, optional or required"},
        ),
        ({"outbound": {"host": "h", "outboundProxy": "proxy.example"}}, {"sip.outbound.outboundProxy": SIP_TARGET}),
        (
            {"outbound": {"host": "h", "outboundProxy": "sip:proxy.example?Route=x"}},
            {"sip.outbound.outboundProxy": SIP_TARGET},
        ),
        ({"outbound": {"host": "h", "codecs": []}}, {"sip.outbound.codecs": "must have at least 1 entries"}),
        (
            {"outbound": {"host": "h", "codecs": ["G729"]}},
            {"sip.outbound.codecs.0": "must be PCMU, PCMA, G722 or opus"},
        ),
        ({"outbound": {"host": "h", "customHeaders": {"Via": "x"}}}, {"sip.outbound.customHeaders.Via": SIP_HEADER}),
        (
            {"outbound": {"host": "h", "customHeaders": {"X-VOYLO-Call-Id": "x"}}},
            {"sip.outbound.customHeaders.X-VOYLO-Call-Id": SIP_HEADER},
        ),
        (
            {"outbound": {"host": "h", "customHeaders": {"X-A": "a\r\nVia: b"}}},
            {"sip.outbound.customHeaders.X-A": SIP_VALUE},
        ),
    ],
)
async def test_a_wrong_sip_member_is_named_when_importing_and_when_changing(
    api: Api, sip: Any, errors: dict[str, str]
) -> None:
    expected = invalid(**{name.replace(".", "__"): text for name, text in errors.items()})
    assert tuple(await api.post("/v1/numbers", {"e164": "+2004446", "sip": sip})) == (400, expected)
    number = await api.number(sip=SIP_IN)
    assert tuple(await api.patch(f"/v1/numbers/{number['id']}", {"sip": sip})) == (400, expected)


async def test_incomplete_sip_members_are_named_when_importing(api: Api) -> None:
    answer = await api.post("/v1/numbers", {"e164": "+2004446", "sip": {"auth": {}, "outbound": {"port": 1}}})
    assert tuple(answer) == (
        400,
        invalid(
            sip__auth__username="is required", sip__auth__password="is required", sip__outbound__host="is required"
        ),
    )
    answer = await api.post("/v1/numbers", {"e164": "+2004446", "sip": {"outbound": {"host": "h", "username": "u"}}})
    assert tuple(answer) == (400, invalid(sip__outbound__password="is required with username"))


async def test_an_outbound_proxy_is_shown_where_there_is_one_alone(api: Api) -> None:
    number = await api.number(sip=SIP_IN)
    assert number["sip"] == SIP_OUT
    path = f"/v1/numbers/{number['id']}"
    proxy = "sip:edge.carrier.example:5070;transport=tcp"
    changed = await api.patch(path, {"sip": {"outbound": {"outboundProxy": proxy}}})
    assert changed.body["sip"]["outbound"] == {**SIP_OUT["outbound"], "outboundProxy": proxy}
    assert (await api.get(path)).body == changed.body
    changed = await api.patch(path, {"sip": {"outbound": {"outboundProxy": None}}})
    assert changed.body["sip"] == SIP_OUT


async def test_a_change_touches_only_what_it_names(api: Api) -> None:
    number = await api.number(label="Main", sip=SIP_IN)
    path = f"/v1/numbers/{number['id']}"
    assert tuple(await api.patch(path, {})) == (200, number)
    api.engine.clock.advance(seconds=1)
    answer = await api.patch(
        path, {"label": None, "inboundEnabled": False, "sip": {"outbound": {"port": 5060.0}, "auth": {"username": "b"}}}
    )
    changed = number | {
        "label": None,
        "inboundEnabled": False,
        "updatedAt": "2026-06-23T10:31:01.000Z",
        "sip": number["sip"]
        | {
            "outbound": number["sip"]["outbound"] | {"port": 5060},
            "auth": number["sip"]["auth"] | {"username": "b"},
        },
    }
    assert tuple(answer) == (200, changed)
    stored = await api.engine.numbers.get(api.engine.workspace_id, number["id"])
    assert stored.sip is not None
    assert stored.sip.auth is not None
    assert stored.sip.auth.password == "inbound-secret"


async def test_null_takes_credentials_and_outbound_away(api: Api) -> None:
    number = await api.number(sip=SIP_IN)
    answer = await api.patch(f"/v1/numbers/{number['id']}", {"sip": {"auth": None, "outbound": {"username": None}}})
    assert answer.body["sip"]["auth"] is None
    assert (answer.body["sip"]["outbound"]["username"], answer.body["sip"]["outbound"]["hasPassword"]) == (None, False)
    answer = await api.patch(f"/v1/numbers/{number['id']}", {"sip": {"outbound": None, "allowedSourceIps": []}})
    assert answer.body["sip"] == {"allowedSourceIps": [], "auth": None, "outbound": None}


@pytest.mark.parametrize(
    ("destination", "errors"),
    [
        ("x", {"destination": "must be an object"}),
        ({}, {"destination.kind": "is required", "destination.id": "is required"}),
        ({"kind": {}, "id": UNKNOWN}, {"destination.kind": "must be application or trunk"}),
        (
            {"kind": "agent", "id": "x"},
            {"destination.kind": "must be application or trunk", "destination.id": "must be a UUID"},
        ),
        ({"kind": "application", "id": UNKNOWN}, {"destination.id": "must be an application of this workspace"}),
        ({"kind": "trunk", "id": UNKNOWN}, {"destination.id": "must be an inbound trunk of this workspace"}),
    ],
)
async def test_a_wrong_destination_is_named_wherever_it_is_given(
    api: Api, destination: Any, errors: dict[str, str]
) -> None:
    number = await api.number()
    expected = invalid(**{name.replace(".", "__"): text for name, text in errors.items()})
    assert tuple(await api.post("/v1/numbers", {"e164": "+2004446", "destination": destination})) == (400, expected)
    assert tuple(await api.patch(f"/v1/numbers/{number['id']}", {"destination": destination})) == (400, expected)
    if isinstance(destination, dict):
        bare = invalid(**{name.removeprefix("destination."): text for name, text in errors.items()})
        answer = await api.patch(f"/v1/numbers/{number['id']}/destination", destination)
        assert tuple(answer) == (400, bare)


async def test_an_application_of_another_workspace_is_no_destination(api: Api) -> None:
    number = await api.number()
    _, other = await api.engine.other_workspace()
    foreign = (await api.post("/v1/applications", {"name": "Foreign"}, key=other)).body
    answer = await api.patch(f"/v1/numbers/{number['id']}/destination", {"kind": "application", "id": foreign["id"]})
    assert tuple(answer) == (400, invalid(id="must be an application of this workspace"))


async def test_wrong_members_and_a_wrong_destination_are_named_together(api: Api) -> None:
    answer = await api.post(
        "/v1/numbers", {"label": 5, "destination": {"kind": "application", "id": UNKNOWN}, "sip": {"auth": 1}}
    )
    assert tuple(answer) == (
        400,
        invalid(
            e164="is required",
            label="must be a string",
            sip__auth="must be an object",
            destination__id="must be an application of this workspace",
        ),
    )


async def test_the_destination_alias_routes_and_unroutes(api: Api) -> None:
    number, application = await api.number(), await api.application()
    path = f"/v1/numbers/{number['id']}/destination"
    destination = {"kind": "application", "id": application["id"]}
    answer = await api.patch(path, {**destination, "id": application["id"].upper()})
    assert tuple(answer) == (200, number | {"destination": destination})
    found = api.engine.directory.lookup("+97142345678")
    assert found is not None
    assert found.destination is not None
    assert found.destination.id == application["id"]
    assert tuple(await api.patch(path, None)) == (200, number)
    assert tuple(await api.patch(f"/v1/numbers/{number['id']}", {"destination": None})) == (200, number)


@pytest.mark.parametrize(
    ("body", "inbound", "outbound"),
    [
        ({}, True, True),
        ({"inboundEnabled": False}, False, True),
        ({"outbound": False}, True, False),
        ({"inbound": False, "outboundEnabled": False}, False, False),
        ({"inbound": False, "inboundEnabled": True}, True, True),
    ],
)
async def test_the_direction_alias_sets_the_switches_it_names(
    api: Api, body: dict[str, bool], inbound: bool, outbound: bool
) -> None:
    number = await api.number()
    answer = await api.patch(f"/v1/numbers/{number['id']}/direction", body)
    assert tuple(answer) == (200, number | {"inboundEnabled": inbound, "outboundEnabled": outbound})


async def test_a_wrong_switch_is_named(api: Api) -> None:
    number = await api.number()
    answer = await api.patch(f"/v1/numbers/{number['id']}/direction", {"inbound": 1, "outboundEnabled": None})
    assert tuple(answer) == (400, invalid(outboundEnabled="must be true or false", inbound="must be true or false"))


async def test_a_deleted_number_is_gone_and_free_again(api: Api) -> None:
    number = await api.number()
    path = f"/v1/numbers/{number['id']}"
    assert tuple(await api.delete(path)) == (204, None)
    assert tuple(await api.get(path)) == NOT_FOUND
    assert tuple(await api.delete(path)) == NOT_FOUND
    await api.number()


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", ...),
        ("PATCH", "", {}),
        ("DELETE", "", ...),
        ("PATCH", "/destination", None),
        ("PATCH", "/direction", {"inbound": True}),
    ],
)
async def test_an_id_that_is_unknown_or_no_uuid_is_told_apart(api: Api, method: str, suffix: str, body: Any) -> None:
    assert tuple(await api.call(method, f"/v1/numbers/{UNKNOWN}{suffix}", body)) == NOT_FOUND
    assert tuple(await api.call(method, f"/v1/numbers/x{suffix}", body)) == (400, invalid(id="must be a UUID"))


async def test_the_list_is_searched_filtered_and_paged_newest_first(api: Api) -> None:
    for suffix, label in enumerate(("Sales", "Support", None)):
        await api.number(f"+9714000{suffix}", label=label)
        api.engine.clock.advance(seconds=1)
    answer = await api.get("/v1/numbers")
    assert answer.status == 200
    assert [number["label"] for number in answer.body["data"]] == [None, "Support", "Sales"]
    assert answer.body["pagination"] == {"page": 1, "limit": 10, "totalItems": 3, "totalPages": 1}
    assert set(answer.body["data"][0]) == {"id", *PLAIN}
    for query, found in (
        ("search=SUP", 1),
        ("kind=rental", 0),
        ("kind=byo", 3),
        ("status=active", 3),
        ("status=pending", 0),
    ):
        assert (await api.get(f"/v1/numbers?{query}")).body["pagination"]["totalItems"] == found
