"""`/v1/monitor` and `/metrics` (contract §18)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from engine.metrics import Metric, render
from engine.model import DestinationHealth
from engine.monitor import CallLoad
from engine.sip_accounts import AccountRegistration
from tests.api.client import Api, invalid
from tests.engine.opened import START, Opened, opened

AT = "2026-06-23T10:31:00.000Z"


async def happened(engine: Opened, count: int = 1, workspace_id: str | None = None) -> None:
    for number in range(count):
        engine.monitor.happened("trunk.registered", workspace_id or engine.workspace_id, "subject", f"PBX {number}")
    await engine.store.write(lambda connection: connection.exec_driver_sql("SELECT 1"))


async def test_an_empty_workspace_is_quiet(api: Api) -> None:
    quiet = {"inbound": [], "outbound": [], "calls": {"active": 0, "channels": 0}, "recentEvents": []}
    assert tuple(await api.get("/v1/monitor")) == (200, quiet)


async def test_trunks_calls_and_events_of_the_workspace_are_shown(tmp_path: Path) -> None:
    known: dict[str, DestinationHealth] = {}
    async with opened(tmp_path) as engine:
        loads = {engine.workspace_id: CallLoad(2, 3)}
        api = Api(engine, destination_health=known.get, call_load=loads.__getitem__)
        inbound = await api.inbound_trunk(
            destinations=[{"uri": "sip:a@a.example", "label": "primary"}, {"uri": "sip:b@b.example"}]
        )
        outbound, silent = await api.trunk("PBX"), await api.trunk("Silent")
        first, second = inbound["destinations"]
        known[first["id"]] = DestinationHealth("down", None, START, START)
        expires_at = START + timedelta(hours=1)
        api.registered[outbound["id"]] = AccountRegistration("sip:t@203.0.113.1", "203.0.113.1", expires_at)
        engine.monitor.happened("trunk.registered", engine.workspace_id, outbound["id"], "PBX registered")
        await happened(engine, 0)
        answer = await api.get("/v1/monitor")
        answer.body["outbound"].sort(key=lambda trunk: trunk["name"])
        assert tuple(answer) == (
            200,
            {
                "inbound": [
                    {
                        "trunkId": inbound["id"],
                        "name": "Agents",
                        "destinations": [
                            {
                                "id": first["id"],
                                "label": "primary",
                                "state": "down",
                                "latencyMs": None,
                                "lastCheckedAt": AT,
                            },
                            {
                                "id": second["id"],
                                "label": None,
                                "state": "unknown",
                                "latencyMs": None,
                                "lastCheckedAt": None,
                            },
                        ],
                    }
                ],
                "outbound": [
                    {
                        "trunkId": outbound["id"],
                        "name": "PBX",
                        "registration": {
                            "state": "registered",
                            "contact": "sip:t@203.0.113.1",
                            "sourceIp": "203.0.113.1",
                            "expiresAt": "2026-06-23T11:31:00.000Z",
                        },
                    },
                    {
                        "trunkId": silent["id"],
                        "name": "Silent",
                        "registration": {"state": "unregistered", "contact": None, "sourceIp": None, "expiresAt": None},
                    },
                ],
                "calls": {"active": 2, "channels": 3},
                "recentEvents": [
                    {
                        "at": AT,
                        "type": "trunk.registered",
                        "subjectId": outbound["id"],
                        "message": "PBX registered",
                    }
                ],
            },
        )


async def test_events_are_paged_newest_first_fifty_at_a_time(api: Api) -> None:
    await happened(api.engine, 60)
    other, _ = await api.engine.other_workspace()
    await happened(api.engine, 1, other)
    first = (await api.get("/v1/monitor/events")).body
    assert first["pagination"] == {"page": 1, "limit": 50, "totalItems": 60, "totalPages": 2}
    second = (await api.get("/v1/monitor/events?page=2")).body
    messages = [event["message"] for event in first["data"] + second["data"]]
    assert messages == [f"PBX {number}" for number in range(59, -1, -1)]
    assert (await api.get("/v1/monitor/events?page=3")).body["data"] == []
    assert len((await api.get("/v1/monitor")).body["recentEvents"]) == 20
    answer = await api.get("/v1/monitor/events?limit=0")
    assert tuple(answer) == (400, invalid(limit="must be an integer of at least 1"))


async def test_a_test_of_a_webhook_is_no_event_of_the_monitor(api: Api) -> None:
    made = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["*"]})).body
    await api.post(f"/v1/webhooks/{made['id']}/test")
    assert (await api.get("/v1/monitor/events")).body["data"] == []


async def test_an_event_of_the_monitor_is_delivered_to_webhooks(api: Api) -> None:
    made = (await api.post("/v1/webhooks", {"url": "https://crm.example", "events": ["trunk.registered"]})).body
    await happened(api.engine)
    path = f"/v1/webhooks/{made['id']}/deliveries"
    (item,) = (await api.get(path)).body["data"]
    payload = (await api.get(f"{path}/{item['id']}")).body["payload"]
    assert payload == {
        "event": "trunk.registered",
        "event_id": item["eventId"],
        "created_at": AT,
        "workspace_id": api.engine.workspace_id,
        "data": {"subject_id": "subject", "message": "PBX 0"},
    }


async def test_metrics_are_those_of_the_engine_and_of_the_api(tmp_path: Path) -> None:
    async with opened(tmp_path) as engine:
        api = Api(engine, metrics=lambda: [Metric.single("voylo_calls_active", "gauge", "Calls in progress", 3)])
        await api.get("/v1/calls")
        await api.get("/v1/calls", key=None)
        answer = await api.get("/metrics", key=None)
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = answer.body.splitlines()
        assert lines[:3] == [
            "# HELP voylo_calls_active Calls in progress",
            "# TYPE voylo_calls_active gauge",
            "voylo_calls_active 3",
        ]
        assert 'voylo_http_requests_total{operation="listCalls",status="200"} 1' in lines
        assert 'voylo_http_requests_total{operation="listCalls",status="401"} 1' in lines
        assert any(re.fullmatch(r'voylo_http_request_seconds_total{operation="listCalls"} \S+', line) for line in lines)


def test_labels_and_texts_are_escaped() -> None:
    metric = Metric("m", "counter", "a\\b\nc", [({"x": 'q"\\\n'}, 1.5), ({}, 2.0)])
    assert render([metric]) == '# HELP m a\\\\b\\nc\n# TYPE m counter\nm{x="q\\"\\\\\\n"} 1.5\nm 2\n'
