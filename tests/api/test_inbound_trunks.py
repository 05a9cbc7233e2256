"""`/v1/trunks/inbound` (contract §9.1), and what points at inbound trunks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.limits import Limits
from engine.model import DestinationHealth
from tests.api.client import GENEROUS, Api, error, invalid
from tests.engine.opened import START, opened

AT = "2026-06-23T10:31:00.000Z"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
URI = "must be a sip: or sips: URI of at most 256 characters, without password and headers"
NOT_FOUND = error(404, "Not Found", "Inbound trunk not found")
UNPROBED = {"state": "unknown", "latencyMs": None, "lastCheckedAt": None, "since": None}
TARGET = "sip:agent@sip.provider.example;transport=tls"


async def test_a_new_trunk_has_the_defaults_of_the_contract(api: Api) -> None:
    answer = await api.post("/v1/trunks/inbound", {"name": "Agents", "destinations": [{"uri": TARGET}]})
    shown = {
        "id": answer.body["id"],
        "name": "Agents",
        "enabled": True,
        "destinations": [
            {
                "id": answer.body["destinations"][0]["id"],
                "uri": TARGET,
                "label": None,
                "enabled": True,
                "username": None,
                "hasPassword": False,
                "headers": {},
                "health": UNPROBED,
            }
        ],
        "failover": {"on5xx": True, "noAnswerMs": 20000, "maxSetupLatencyMs": None, "onBusy": False},
        "health": {"enabled": True, "intervalS": 30},
        "applicationId": None,
        "record": False,
        "createdAt": AT,
        "updatedAt": AT,
    }
    assert tuple(answer) == (201, shown)
    assert tuple(await api.get(f"/v1/trunks/inbound/{shown['id']}")) == (200, shown)
    assert (await api.get("/v1/trunks/inbound?search=AGENT")).body == {
        "data": [shown],
        "pagination": {"page": 1, "limit": 10, "totalItems": 1, "totalPages": 1},
    }
    assert (await api.get("/v1/trunks/inbound?search=pbx")).body["data"] == []


async def test_every_member_is_kept_and_no_password_is_shown(api: Api) -> None:
    destination = {
        "uri": "sips:a@[2001:db8::1]:5061",
        "label": "primary",
        "enabled": False,
        "username": "voylo",
        "headers": {"X-Team": "1"},
    }
    members = {
        "enabled": False,
        "failover": {"on5xx": False, "noAnswerMs": 1000, "maxSetupLatencyMs": 100, "onBusy": True},
        "health": {"enabled": False, "intervalS": 300},
        "record": True,
    }
    made = await api.inbound_trunk(
        destinations=[destination | {"password": "correct-horse"}, {"uri": TARGET}], **members
    )
    assert {name: made[name] for name in members} == members
    first, second = made["destinations"]
    assert first == destination | {"id": first["id"], "hasPassword": True, "health": UNPROBED}
    assert (second["uri"], second["hasPassword"]) == (TARGET, False)
    for file in api.engine.path.glob("voylo.db*"):
        assert b"correct-horse" not in file.read_bytes()


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"name": "is required", "destinations": "is required"}),
        (
            {"name": "", "destinations": []},
            {"name": "must be 1 to 120 characters", "destinations": "must have at least 1 entries"},
        ),
        (
            {"name": "x", "destinations": [{}, "y"]},
            {"destinations.0.uri": "is required", "destinations.1": "must be an object"},
        ),
        (
            {"name": "x", "destinations": [{"uri": "http://x"}, {"uri": "sip:a:b@host"}, {"uri": "sip:a@host?x=y"}]},
            {"destinations.0.uri": URI, "destinations.1.uri": URI, "destinations.2.uri": URI},
        ),
        (
            {
                "name": "x",
                "destinations": [{"uri": TARGET, "headers": {"X-Voylo-A": "1"}, "label": "x" * 121, "enabled": None}],
                "failover": {"on5xx": 1, "noAnswerMs": 999, "maxSetupLatencyMs": 60001, "onBusy": None},
                "health": {"enabled": "yes", "intervalS": 9},
                "record": None,
            },
            {
                "destinations.0.label": "must be at most 120 characters",
                "destinations.0.enabled": "must be true or false",
                "destinations.0.headers.X-Voylo-A": "must be X- and 1 to 60 letters, digits or hyphens, and not begin "
                "with X-Voylo-",
                "failover.on5xx": "must be true or false",
                "failover.noAnswerMs": "must be at least 1000",
                "failover.maxSetupLatencyMs": "must be at most 60000",
                "failover.onBusy": "must be true or false",
                "health.enabled": "must be true or false",
                "health.intervalS": "must be at least 10",
                "record": "must be true or false",
            },
        ),
        ({"name": "x", "destinations": [{"uri": TARGET}] * 11}, {"destinations": "must have at most 10 entries"}),
        (
            {"name": "x", "destinations": [{"uri": TARGET, "username": "a"}, {"uri": TARGET, "password": "12345678"}]},
            {
                "destinations.0.password": "is required with username",
                "destinations.1.username": "is required with password",
            },
        ),
    ],
)
async def test_a_malformed_trunk_is_refused(api: Api, body: object, faults: dict[str, str]) -> None:
    assert tuple(await api.post("/v1/trunks/inbound", body)) == (400, invalid(**faults))


@pytest.mark.parametrize(
    "uri",
    ["sip:host", "SIP:host.example", "sip:+2004446@203.0.113.1:5070", "sips:a@b;transport=tcp;lr", "sip:a@[::1]"],
)
async def test_these_are_destinations(api: Api, uri: str) -> None:
    assert (await api.inbound_trunk(destinations=[{"uri": uri}]))["destinations"][0]["uri"] == uri


async def test_the_number_of_destinations_is_configured(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        api = Api(engine, Limits(trunk_destinations=2, request_burst=GENEROUS.request_burst))
        body = {"name": "x", "destinations": [{"uri": TARGET}] * 3}
        assert tuple(await api.post("/v1/trunks/inbound", body)) == (
            400,
            invalid(destinations="must have at most 2 entries"),
        )


async def test_a_trunk_is_changed_where_the_body_says_so(api: Api) -> None:
    made = await api.inbound_trunk(failover={"noAnswerMs": 5000})
    path = f"/v1/trunks/inbound/{made['id']}"
    api.engine.clock.advance(seconds=1)
    changed = made | {"updatedAt": "2026-06-23T10:31:01.000Z"}
    assert tuple(await api.patch(path, {})) == (200, changed)
    changed |= {"name": "Night", "enabled": False, "record": True}
    assert tuple(await api.patch(path, {"name": "Night", "enabled": False, "record": True})) == (200, changed)
    changed["failover"] = made["failover"] | {"onBusy": True}
    changed["health"] = {"enabled": True, "intervalS": 60}
    assert tuple(await api.patch(path, {"failover": {"onBusy": True}, "health": {"intervalS": 60}})) == (200, changed)
    assert (await api.get(path)).body == changed


async def test_given_destinations_replace_the_list_and_known_ones_keep_their_password(api: Api) -> None:
    secret = {"uri": TARGET, "username": "a", "password": "correct-horse"}
    made = await api.inbound_trunk(destinations=[secret, {"uri": "sip:b@b.example"}])
    path = f"/v1/trunks/inbound/{made['id']}"
    first, second = made["destinations"]
    answer = await api.patch(
        path,
        {
            "destinations": [
                {"id": second["id"], "uri": "sip:c@c.example"},
                {"id": first["id"], "uri": TARGET, "username": "z"},
            ]
        },
    )
    assert answer.status == 200
    assert answer.body["destinations"] == [second | {"uri": "sip:c@c.example"}, first | {"username": "z"}]
    answer = await api.patch(path, {"destinations": [{"uri": TARGET}]})
    (only,) = answer.body["destinations"]
    assert only["id"] not in {first["id"], second["id"]}
    assert not only["hasPassword"]
    unknown = "must be a destination of this trunk, once"
    twice = [{"id": only["id"], "uri": TARGET}, {"id": only["id"], "uri": TARGET}, {"id": UNKNOWN, "uri": TARGET}]
    assert tuple(await api.patch(path, {"destinations": twice})) == (
        400,
        invalid(**{"destinations.1.id": unknown, "destinations.2.id": unknown}),
    )
    assert tuple(await api.patch(path, {"destinations": [{"id": only["id"], "uri": TARGET, "username": "a"}]})) == (
        400,
        invalid(**{"destinations.0.password": "is required with username"}),
    )


async def test_a_number_can_point_at_a_trunk_which_then_stays(api: Api) -> None:
    made = await api.inbound_trunk()
    path = f"/v1/trunks/inbound/{made['id']}"
    destination = {"kind": "trunk", "id": made["id"]}
    number = await api.number(destination=destination)
    assert number["destination"] == destination
    assert tuple(await api.delete(path)) == (409, error(409, "Conflict", "A number points at this trunk"))
    await api.patch(f"/v1/numbers/{number['id']}/destination", None)
    assert tuple(await api.delete(path)) == (204, None)
    assert (
        tuple(await api.get(path))
        == tuple(await api.patch(path, {}))
        == tuple(await api.delete(path))
        == (404, NOT_FOUND)
    )
    answer = await api.patch(f"/v1/numbers/{number['id']}/destination", destination)
    assert tuple(answer) == (400, invalid(id="must be an inbound trunk of this workspace"))


async def test_a_trunk_carries_at_most_one_application(api: Api) -> None:
    made = await api.inbound_trunk()
    path = f"/v1/trunks/inbound/{made['id']}"
    application = await api.application(inboundTrunkId=made["id"])
    assert application["inboundTrunkId"] == made["id"]
    assert (await api.get(path)).body["applicationId"] == application["id"]
    taken = (409, error(409, "Conflict", "The inbound trunk has another application"))
    assert tuple(await api.post("/v1/applications", {"name": "x", "inboundTrunkId": made["id"]})) == taken
    other = await api.application()
    assert tuple(await api.patch(f"/v1/applications/{other['id']}", {"inboundTrunkId": made["id"]})) == taken
    same = await api.patch(f"/v1/applications/{application['id']}", {"inboundTrunkId": made["id"]})
    assert same.status == 200
    assert (await api.delete(path)).status == 204
    assert (await api.get(f"/v1/applications/{application['id']}")).body["inboundTrunkId"] is None
    assert api.engine.directory.application(application["id"]).inbound_trunk_id is None  # type: ignore[union-attr]


async def test_an_application_hangs_on_a_trunk_of_its_own_workspace_only(api: Api) -> None:
    _, other = await api.engine.other_workspace()
    body = {"name": "x", "destinations": [{"uri": TARGET}]}
    foreign = (await api.post("/v1/trunks/inbound", body, key=other)).body["id"]
    answer = await api.post("/v1/applications", {"name": "x", "inboundTrunkId": foreign})
    assert tuple(answer) == (400, invalid(inboundTrunkId="must be an inbound trunk of this workspace"))


async def test_the_health_of_a_destination_is_what_probing_has_shown(tmp_path: Path) -> None:
    known: dict[str, DestinationHealth] = {}
    async with opened(tmp_path) as engine:
        api = Api(engine, destination_health=known.get)
        made = await api.inbound_trunk()
        destination_id = made["destinations"][0]["id"]
        known[destination_id] = DestinationHealth("up", 31, START + timedelta(seconds=30), START)
        shown: Any = (await api.get(f"/v1/trunks/inbound/{made['id']}")).body["destinations"][0]["health"]
        assert shown == {"state": "up", "latencyMs": 31, "lastCheckedAt": "2026-06-23T10:31:30.000Z", "since": AT}
