"""Calls out (contract §6.1, §6.2, §6.5, §14.3): from the request to the carrier's phone, the audio and the record."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.app import OPERATIONS
from engine.calls.pacing import Pacing
from server.process import running
from tests.api.client import error, invalid
from tests.api.documented import documented_client
from tests.support.callee import Callee, CalleeCall, a_callee
from tests.support.engine import TestEngine, engine_config, running_engine
from tests.support.flow import Flow
from tests.support.tones import seconds_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FROM = "+15550100"
TO = "+201091447677"
SIP_HEADER = "must be X- and 1 to 60 letters, digits or hyphens, and not begin with X-Voylo-"
TONE = '<Response><Play loop="0">{url}</Play></Response>'


@pytest_asyncio.fixture(loop_scope="module")
async def phone():
    async with a_callee() as started:
        yield started


async def order(engine: TestEngine, phone: Callee, xml: str, **fields: Any) -> dict[str, Any]:
    """A body for POST /v1/calls from a number whose carrier is the phone."""
    application = await engine.application(xmlTemplate=xml)
    await engine.number(FROM, None, sip={"outbound": phone.carrier})
    return {"from": FROM, "to": TO, "applicationId": application["id"], **fields}


async def place(engine: TestEngine, body: Any, status: int = 202, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = await engine.client.post("/v1/calls", json=body, headers=headers)
    assert response.status_code == status, response.text
    return response


async def test_the_callee_hears_the_application_and_the_record_tells_it(engine: TestEngine, phone: Callee) -> None:
    async with Flow({}) as flow:
        body = await order(engine, phone, TONE.format(url=flow.url("/tone-440.wav")), variables={"order_id": "7"})
        answer = (await place(engine, {**body, "sipHeaders": {"X-Team": "sales"}})).json()
        assert answer.keys() == {"publicId", "status"}
        assert answer["status"] == "dialing"
        call = await phone.call()
        assert call.incoming.request.uri.user == TO
        assert call.incoming.request.from_.uri.user == FROM
        assert f"sip:{FROM}@" in (call.header("P-Asserted-Identity") or "")
        assert call.header("X-Voylo-Call-Id") == answer["publicId"]
        assert (call.header("X-Voylo-To"), call.header("X-Voylo-From")) == (TO, FROM)
        assert call.header("X-Team") == "sales"
        call.incoming.ring()
        await pending_status(engine, answer["publicId"], "ringing")
        call.answer()
        await call.hears(440)
        await pending_status(engine, answer["publicId"], "answered")
        call.incoming.hangup()
        record = await engine.ended_call()
    assert record["publicId"] == answer["publicId"]
    assert (record["direction"], record["from"], record["to"]) == ("outbound", FROM, TO)
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "callee", "normal")
    assert (record["destinationKind"], record["sipCode"]) == ("application", 200)
    assert record["variables"] == {"order_id": "7"}


async def pending_status(engine: TestEngine, public_id: str, wanted: str) -> None:
    async with asyncio.timeout(5):
        while (await engine.client.get(f"/v1/calls/{public_id}")).json().get("pendingStatus") != wanted:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("status", "outcome", "cause"),
    [
        (486, "busy", "busy"),
        (600, "busy", "busy"),
        (408, "no_answer", "no_answer"),
        (480, "no_answer", "no_answer"),
        (603, "rejected", "rejected"),
        (607, "rejected", "rejected"),
        (608, "rejected", "rejected"),
        (404, "failed", "unallocated_number"),
        (410, "failed", "unallocated_number"),
        (484, "failed", "unallocated_number"),
        (604, "failed", "unallocated_number"),
        (403, "failed", "rejected"),
        (488, "failed", "rejected"),
        (500, "failed", "network_error"),
        (606, "failed", "network_error"),
    ],
)
async def test_a_refusal_is_told_as_the_table_says(
    engine: TestEngine, phone: Callee, status: int, outcome: str, cause: str
) -> None:
    phone.on_call = lambda call: call.incoming.reject(status)
    await place(engine, await order(engine, phone, "<Response><Hangup/></Response>"))
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == (outcome, cause, status)
    assert record["answeredAt"] is None
    assert record["media"] == [], "audio was offered, but nobody answered"


async def test_a_phone_that_only_rings_is_given_up_with_cancel(engine: TestEngine, phone: Callee) -> None:
    await place(engine, await order(engine, phone, "<Response><Hangup/></Response>", timeout=5))
    call = await phone.call()
    await call.cancelled()
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("no_answer", "platform", "no_answer")
    assert record["ringS"] == 5


async def test_a_number_without_a_carrier_cannot_be_reached(engine: TestEngine, phone: Callee) -> None:
    application = await engine.application(xmlTemplate="<Response><Hangup/></Response>")
    await engine.number(FROM, None)
    await place(engine, {"from": FROM, "to": TO, "applicationId": application["id"]})
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "unreachable", None)
    assert phone.calls == []


async def test_a_carrier_that_refuses_connections_cannot_be_reached(engine: TestEngine, phone: Callee) -> None:
    application = await engine.application(xmlTemplate="<Response><Hangup/></Response>")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    outbound = {"host": "127.0.0.1", "port": closed, "transport": "tcp"}
    await engine.number(FROM, None, sip={"outbound": outbound})
    await place(engine, {"from": FROM, "to": TO, "applicationId": application["id"]})
    record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("failed", "unreachable", None)
    assert record["answeredAt"] is None


async def test_a_sip_uri_is_called_at_its_own_address(engine: TestEngine, phone: Callee) -> None:
    host, port = phone.address
    body = await order(engine, phone, "<Response><Hangup/></Response>", to=f"sip:bob@{host}:{port}")
    await place(engine, body)
    call = await phone.call()
    assert call.incoming.request.uri.user == "bob"
    call.answer()
    await call.hung_up()
    record = await engine.ended_call()
    assert (record["to"], record["outcome"], record["hangupBy"]) == (body["to"], "answered", "platform")


async def test_the_carriers_challenge_is_answered(engine: TestEngine, phone: Callee) -> None:
    from sip import Credentials

    asked: list[CalleeCall] = []

    def check(call: CalleeCall) -> None:
        asked.append(call)
        result = phone.agent.check_credentials(call.incoming, "carrier", Credentials("acct", "a-secret"))
        if result.ok:
            call.answer()
        else:
            call.incoming.challenge("carrier")

    phone.on_call = check
    application = await engine.application(xmlTemplate="<Response><Hangup/></Response>")
    outbound = {**phone.carrier, "username": "acct", "password": "a-secret", "customHeaders": {"X-Account": "42"}}
    await engine.number(FROM, None, sip={"outbound": outbound})
    await place(engine, {"from": FROM, "to": TO, "applicationId": application["id"]})
    record = await engine.ended_call()
    assert record["outcome"] == "answered"
    assert len(asked) == 2
    assert asked[1].header("X-Account") == "42"


async def test_a_header_of_the_call_takes_the_place_of_the_carriers_in_whatever_case(
    engine: TestEngine, phone: Callee
) -> None:
    phone.on_call = lambda call: call.answer()
    application = await engine.application(
        xmlTemplate=f'<Response><Dial callerId="{FROM}" sipHeaders="X-ACCOUNT=dialled"><Number>{TO}</Number></Dial>'
        "</Response>"
    )
    custom = {"X-Account": "carrier", "X-Region": "north"}
    await engine.number(FROM, None, sip={"outbound": {**phone.carrier, "customHeaders": custom}})
    body = {"from": FROM, "to": TO, "applicationId": application["id"], "sipHeaders": {"X-account": "call"}}
    await place(engine, body)
    await phone.arrived(2)
    found = [call.incoming.request.headers for call in phone.calls]
    assert [headers.get_all("X-Account") for headers in found] == [["call"], ["dialled"]]
    assert [headers.get_all("X-Region") for headers in found] == [["north"], ["north"]]
    for call in phone.calls:
        call.incoming.hangup()
    await engine.ended_call()


CALLEE = "must be an E.164 number or a SIP URI"
KEY = "key must match ^[A-Za-z_][A-Za-z0-9_]{0,63}$"
VALUE = "must be a string, a number or a boolean"
WRONG_FIELDS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"from": "12"}, {"from": "must be an E.164 number"}),
    ({"to": "call me"}, {"to": CALLEE}),
    ({"applicationId": "x"}, {"applicationId": "must be a UUID"}),
    ({"timeout": 4, "timeLimit": 0}, {"timeout": "must be at least 5", "timeLimit": "must be at least 1"}),
    ({"timeout": 121, "timeLimit": 14401}, {"timeout": "must be at most 120", "timeLimit": "must be at most 14400"}),
    ({"record": "yes"}, {"record": "must be true or false"}),
    ({"machineDetection": "on"}, {"machineDetection": "must be none, enable or detectMessageEnd"}),
    ({"variables": []}, {"variables": "must be an object"}),
    ({"variables": {"a": None, "b": {}, "1x": 1}}, {"variables.a": VALUE, "variables.b": VALUE, "variables.1x": KEY}),
    ({"variables": {"a": "x" * 1025}}, {"variables.a": "must have at most 1024 characters as text"}),
    ({"variables": {f"a{number}": 1 for number in range(51)}}, {"variables": "must have at most 50 keys, not 51"}),
    (
        {"variables": {f"a{number}": "x" * 1024 for number in range(16)}},
        {"variables": "must have at most 16384 bytes, keys and values together"},
    ),
    ({"sipHeaders": {"X-Voylo-A": "1"}}, {"sipHeaders.X-Voylo-A": SIP_HEADER}),
    ({"sipHeaders": {"X-A": "x" * 257}}, {"sipHeaders.X-A": "must be at most 256 printable ASCII characters"}),
    ({"sipHeaders": {f"X-{number}": "" for number in range(21)}}, {"sipHeaders": "must have at most 20 entries"}),
]


async def refused(engine: TestEngine, body: Any, answer: dict[str, Any]) -> None:
    response = await engine.client.post("/v1/calls", json=body)
    assert (response.status_code, response.json()) == (answer["statusCode"], answer)


class TestRefusals:
    async def test_each_wrong_request_is_told_apart(self, engine: TestEngine, phone: Callee) -> None:
        body = await order(engine, phone, "<Response><Hangup/></Response>")
        ours = "must be a number of this workspace"
        await refused(engine, body | {"from": "+15550199"}, invalid(**{"from": ours}))
        for fields, faults in WRONG_FIELDS:
            await refused(engine, body | fields, invalid(**faults))
        several = {"from": "+15550199", "to": "call me", "timeout": 4, "variables": {"1x": "y", "a": {}}}
        faults = {
            "to": CALLEE,
            "timeout": "must be at least 5",
            "variables.1x": KEY,
            "variables.a": VALUE,
            "from": ours,
        }
        await refused(engine, body | several, invalid(**faults))
        unknown = error(404, "Not Found", "Application not found")
        await refused(engine, body | {"applicationId": "00000000-0000-4000-8000-000000000000"}, unknown)
        other = await engine.application(name="o", allowedCallerIds=["+15550177"])
        limited = invalid(**{"from": "must be one of the application's allowedCallerIds"})
        await refused(engine, body | {"applicationId": other["id"]}, limited)
        number = (await engine.client.get("/v1/numbers")).json()["data"][0]["id"]
        await engine.client.patch(f"/v1/numbers/{number}", json={"outboundEnabled": False})
        silent = "This number cannot call out: it is not active, or outbound is switched off"
        await refused(engine, body, error(403, "Forbidden", silent))
        assert phone.calls == []
        assert await engine.calls() == []

    async def test_an_eleventh_call_in_a_second_waits(self, engine: TestEngine, phone: Callee) -> None:
        phone.on_call = lambda call: call.incoming.reject(486)
        body = await order(engine, phone, "<Response><Hangup/></Response>")
        answers = await asyncio.gather(*(engine.client.post("/v1/calls", json=body) for _ in range(20)))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(202) + statuses.count(429) == 20
        assert 10 <= statuses.count(202) < 20
        waits = next(answer for answer in answers if answer.status_code == 429)
        often = "More than 10 calls a second in this workspace"
        assert waits.json() == error(429, "Too Many Requests", often)
        assert waits.headers["retry-after"] == "1"

    async def test_no_more_calls_than_the_workspace_may_have_at_once(
        self, engine: TestEngine, phone: Callee, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outgoing = engine.process.outgoing
        monkeypatch.setattr(outgoing, "_limits", replace(outgoing._limits, concurrent_calls=2))
        # The calls of the test before count for another second.
        monkeypatch.setattr(outgoing, "_pacing", Pacing(outgoing._limits.calls_per_second, time.monotonic))
        body = await order(engine, phone, "<Response><Hangup/></Response>")
        for _ in range(2):
            await place(engine, body)
        await refused(engine, body, error(429, "Too Many Requests", "2 calls of this workspace are running"))


class TestIdempotency:
    async def test_fifty_duplicates_at_once_dial_once(self, engine: TestEngine, phone: Callee) -> None:
        body = await order(engine, phone, "<Response><Hangup/></Response>")
        answers = await asyncio.gather(*(place(engine, body, key="once") for _ in range(50)))
        assert len({answer.json()["publicId"] for answer in answers}) == 1
        assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 49
        await phone.call()
        await asyncio.sleep(0.3)
        assert len(phone.calls) == 1
        assert len(await engine.calls()) == 1

    async def test_another_body_or_a_bad_key_is_refused_and_a_refusal_is_not_kept(
        self, engine: TestEngine, phone: Callee
    ) -> None:
        body = await order(engine, phone, "<Response><Hangup/></Response>")
        await place(engine, {**body, "from": "+15550199"}, 400, key="k")
        first = await place(engine, body, key="k")
        clash = await place(engine, {**body, "timeout": 30}, 409, key="k")
        assert clash.json() == error(409, "Conflict", "This Idempotency-Key was used with a different request")
        await place(engine, {**body, "note": "a member that is not known is one too"}, 409, key="k")
        again = await place(engine, dict(reversed(body.items())), key="k")
        assert again.json() == first.json()
        bad = await place(engine, body, 400, key="x" * 256)
        assert bad.json() == invalid(**{"Idempotency-Key": "must be 1 to 255 visible ASCII characters"})
        assert len(await engine.calls()) == 1

    async def test_a_restart_keeps_the_keys(self, tmp_path: Path, phone: Callee) -> None:
        async with running_engine(tmp_path) as engine:
            body = await order(engine, phone, "<Response><Hangup/></Response>")
            phone.on_call = lambda call: call.incoming.reject(486)
            first = await place(engine, body, key="k")
            await engine.ended_call()
        async with (
            running(engine_config(tmp_path)) as process,
            documented_client(base_url=process.bound.http, headers=engine.client.headers) as client,
        ):
            again = await place(TestEngine(process, client), body, key="k")
            assert again.json() == first.json()
            assert again.headers["idempotency-replayed"] == "true"
            assert len(phone.calls) == 1


class TestControl:
    async def test_a_ringing_call_is_hung_up(self, engine: TestEngine, phone: Callee) -> None:
        placed = (await place(engine, await order(engine, phone, "<Response><Hangup/></Response>"))).json()
        call = await phone.call()
        await pending_status(engine, placed["publicId"], "ringing")
        path = f"/v1/calls/{placed['publicId']}"
        redirected = await engine.client.post(f"{path}/redirect", json={"xml": "<Response/>"})
        not_answered = error(409, "Conflict", "The call is not answered, or its application has ended")
        assert (redirected.status_code, redirected.json()) == (409, not_answered)
        assert (await engine.client.post(f"{path}/hangup")).status_code == 204
        await call.cancelled()
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"]) == ("canceled", "api")
        over = error(409, "Conflict", "The call has ended")
        for act, sent in (("hangup", None), ("redirect", {"xml": "<Response/>"})):
            again = await engine.client.post(f"{path}/{act}", json=sent)
            assert (again.status_code, again.json()) == (409, over)

    async def test_an_answered_call_gets_another_document_and_is_hung_up(
        self, engine: TestEngine, phone: Callee
    ) -> None:
        phone.on_call = lambda call: call.answer()
        async with Flow({}) as flow:
            body = await order(engine, phone, TONE.format(url=flow.url("/tone-440.wav")))
            placed = (await place(engine, body)).json()
            call = await phone.call()
            await call.hears(440)
            path = f"/v1/calls/{placed['publicId']}"
            wrong = await engine.client.post(f"{path}/redirect", json={"xml": "<Response><Play>"})
            assert wrong.json() == invalid(xml="line 1, column 17: <Play>, opened on line 1, is never closed")
            other = {"xml": TONE.format(url=flow.url("/tone-880.wav"))}
            assert (await engine.client.post(f"{path}/redirect", json=other)).status_code == 202
            await call.hears(880)
            assert (await engine.client.post(f"{path}/hangup")).status_code == 204
            await call.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "api", "normal")

    async def test_a_running_call_of_another_workspace_is_not_found_and_goes_on(
        self, engine: TestEngine, phone: Callee
    ) -> None:
        phone.on_call = lambda call: call.answer()
        accounts = engine.process.accounts
        other = await accounts.create_workspace("Other")
        key = (await accounts.create_key(other.id, "other", "owner")).raw
        async with Flow({}) as flow:
            body = await order(engine, phone, TONE.format(url=flow.url("/tone-440.wav")), record=True)
            public_id = (await place(engine, body)).json()["publicId"]
            call = await phone.call()
            await call.hears(440)
            paths = ("", "/events", "/recordings")
            before = [(await engine.client.get(f"/v1/calls/{public_id}{path}")).json() for path in paths]
            bodies = {"redirectCall": {"xml": "<Response><Hangup/></Response>"}, "pauseRecording": {}}
            operations = [each for each in OPERATIONS if each.path.startswith("/v1/calls/{publicId}")]
            assert {"hangUpCall", "redirectCall", "pauseRecording", "resumeRecording"} <= {
                each.name for each in operations
            }
            for operation in operations:
                answer = await engine.client.request(
                    operation.method,
                    operation.path.format(publicId=public_id),
                    json=bodies.get(operation.name),
                    headers={"Authorization": f"Bearer {key}"},
                )
                assert (answer.status_code, answer.json()) == (404, error(404, "Not Found", "Call not found"))
            listed = await engine.client.get("/v1/calls", headers={"Authorization": f"Bearer {key}"})
            assert listed.json() == []
            await call.hears(440, seconds_of(call.heard, 440) + 0.5)
            after = [(await engine.client.get(f"/v1/calls/{public_id}{path}")).json() for path in paths]
            assert after == before
            assert (await engine.client.post(f"/v1/calls/{public_id}/hangup")).status_code == 204
            await call.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "api", "normal")

    @pytest.mark.parametrize("document_bytes", [1000, 300_000])
    async def test_another_document_may_be_as_long_as_the_limit_says(
        self, tmp_path: Path, phone: Callee, document_bytes: int
    ) -> None:
        phone.on_call = lambda call: call.answer()
        async with (
            Flow({}) as flow,
            running_engine(tmp_path / "long", limits={"document_bytes": document_bytes}) as engine,
        ):
            placed = (
                await place(engine, await order(engine, phone, TONE.format(url=flow.url("/tone-440.wav"))))
            ).json()
            call = await phone.call()
            await call.hears(440)
            path = f"/v1/calls/{placed['publicId']}/redirect"
            other = TONE.format(url=flow.url("/tone-880.wav"))
            wrong = await engine.client.post(path, json={"xml": other.ljust(document_bytes + 1)})
            too_long = invalid(xml=f"line 1, column 1: a document has at most {document_bytes} bytes")
            assert (wrong.status_code, wrong.json()) == (400, too_long)
            assert (await engine.client.post(path, json={"xml": other.ljust(document_bytes)})).status_code == 202
            await call.hears(880)

    async def test_the_time_limit_ends_an_answered_call(self, engine: TestEngine, phone: Callee) -> None:
        phone.on_call = lambda call: call.answer()
        body = await order(engine, phone, '<Response><Pause length="60"/></Response>', timeLimit=1)
        await place(engine, body)
        call = await phone.call()
        await call.hung_up()
        record = await engine.ended_call()
        assert (record["hangupBy"], record["hangupCause"], record["durationS"]) == ("platform", "time_limit", 1)
