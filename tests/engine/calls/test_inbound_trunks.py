"""Calls through inbound trunks (contract §9.1, §14.5): each rule of the routing as a real call on loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sip import Answered, Cancelled, Credentials, SipUri
from tests.support.callee import Callee, CalleeCall, callees
from tests.support.engine import TestEngine
from tests.support.flow import Flow
from tests.support.phone import Phone, PhoneCall
from tests.support.recordings import channels_at
from tests.support.tones import hears_only, seconds_of

NUMBER = "+15550100"
CALLER = "+15550123"


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def trunk(engine: TestEngine, *destinations: dict[str, Any] | Callee, **members: Any) -> dict[str, Any]:
    """A trunk that is not probed, and the number that points at it."""
    listed = [
        {"uri": it.uri, "label": f"d{at}"} if isinstance(it, Callee) else it for at, it in enumerate(destinations)
    ]
    body = {"name": "Agents", "destinations": listed, "health": {"enabled": False}, **members}
    made = await engine.post("/v1/trunks/inbound", body)
    destination = {"kind": "trunk", "id": made["id"]}
    await engine.number(NUMBER, None, destination=destination)
    assert isinstance(made, dict)
    return made


def results(record: dict[str, Any]) -> list[tuple[int, str, int | None]]:
    return [(it["order"], it["result"], it["sipCode"]) for it in record["routingAttempts"]]


def rejecting(status: int) -> Any:
    return lambda call: call.incoming.reject(status)


def call_of(engine: TestEngine, phone: Phone) -> PhoneCall:
    return phone.call(NUMBER, engine.sip, from_=CALLER)


class TestBridge:
    async def test_both_hear_the_other_and_the_record_tells_who_answered(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (desk,):
            made = await trunk(engine, desk)
            call = call_of(engine, phone)
            rung = await desk.call()
            await call._until(lambda: 180 in call.statuses, 5)
            pending = (await engine.calls())[0]
            rung.answer(880)
            await call.answered()
            call.say(440)
            await rung.hears(440)
            await call.hears(880)
            await hears_only(rung, 440, 4000)
            await hears_only(call, 880, 4000)
            await call.press("17#")
            await rung.until(lambda: rung.keys == "17#")
            rung.incoming.hangup()
            await call.hung_up()
            record = await engine.ended_call()
            uri = desk.uri
        assert (pending["pending"], pending["pendingStatus"]) == (True, "ringing")
        assert (record["direction"], record["from"], record["to"]) == ("inbound", CALLER, NUMBER)
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("answered", "callee", "normal")
        assert (record["destinationKind"], record["destinationId"]) == ("trunk", made["id"])
        assert (record["trunkId"], record["applicationId"], record["sipCode"]) == (made["id"], None, 200)
        (attempt,) = record["routingAttempts"]
        destination = made["destinations"][0]
        assert attempt.keys() == {
            "order", "destinationId", "label", "uri", "startedAt", "endedAt", "setupMs", "sipCode", "result"
        }  # fmt: skip
        assert (attempt["destinationId"], attempt["label"]) == (destination["id"], "d0")
        assert (attempt["order"], attempt["uri"], attempt["result"]) == (1, uri, "answered")
        assert (attempt["sipCode"], 0 <= attempt["setupMs"] < 2000) == (200, True)
        assert attempt["startedAt"] <= attempt["endedAt"] <= record["endedAt"]
        assert engine.process.plane.statistics().sessions == 0

    async def test_the_headers_towards_a_destination(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            headers = {"X-Desk": "7"}
            await trunk(engine, {"uri": desk.uri, "headers": headers})
            call = call_of(engine, phone)
            rung = await desk.call()
            request = rung.incoming.request
            assert isinstance(request.uri, SipUri)
            assert isinstance(request.from_.uri, SipUri)
            assert (request.uri.user, request.from_.uri.user) == ("callee", CALLER)
            assert rung.header("X-Desk") == "7"
            assert (rung.header("X-Voylo-To"), rung.header("X-Voylo-From")) == (NUMBER, CALLER)
            assert rung.header("X-Voylo-Call-Id") == (await engine.calls())[0]["publicId"]
            assert NUMBER in (rung.header("Diversion") or "")
            call.outgoing.hangup()
            await rung.cancelled()

    async def test_a_caller_who_hangs_up_ends_the_destinations_leg(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            await trunk(engine, desk)
            call = call_of(engine, phone)
            rung = await desk.call()
            rung.answer(880)
            await call.hears(880)
            call.outgoing.hangup()
            await rung.hung_up()
            record = await engine.ended_call()
        assert (record["outcome"], record["hangupBy"]) == ("answered", "caller")
        assert engine.process.plane.statistics().sessions == 0

    async def test_the_destinations_challenge_is_answered(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):

            def check(call: CalleeCall) -> None:
                known = desk.agent.check_credentials(call.incoming, "desk", Credentials("voylo", "a-long-secret"))
                call.answer() if known.ok else call.incoming.challenge("desk")

            desk.on_call = check
            await trunk(engine, {"uri": desk.uri, "username": "voylo", "password": "a-long-secret"})
            call = call_of(engine, phone)
            await call.answered()
            call.outgoing.hangup()
            assert results(await engine.ended_call()) == [(1, "answered", 200)]

    async def test_early_media_of_a_destination_is_heard(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            desk.on_call = lambda call: call.early(660)
            await trunk(engine, desk)
            call = call_of(engine, phone)
            await call.hears_early(660)
            assert 183 in call.statuses
            (await desk.call()).incoming.answer(b"")
            await call.answered()
            call.say(440)
            await (await desk.call()).hears(440)

    async def test_the_early_media_of_a_destination_that_is_given_up_ends(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(2) as (first, second):
            first.on_call = lambda call: call.early(660)
            await trunk(engine, first, second, failover={"noAnswerMs": 1000})
            call = call_of(engine, phone)
            await call.hears_early(660)
            rung = await second.call()
            rung.answer(880)
            await call.hears(880)
            await hears_only(call, 880, 2000)
            call.outgoing.hangup()
            record = await engine.ended_call()
        assert results(record) == [(1, "no_answer", None), (2, "answered", 200)]

    async def test_a_trunk_that_orders_it_has_its_calls_recorded_on_two_channels(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (desk,):
            desk.on_call = lambda call: call.answer(880)
            await trunk(engine, desk, record=True)
            call = call_of(engine, phone)
            await call.answered()
            call.say(1200)
            await call.hears(880)
            call.outgoing.hangup()
            record = await engine.ended_call()
            log = (await engine.client.get(f"/v1/calls/{record['publicId']}/events")).json()
            left, right = await channels_at(record["recordingUrl"])
        (shown,) = record["recordings"]
        assert (shown["source"], shown["channels"]) == ("call", 2)
        assert seconds_of(left, 1200) >= 0.3
        assert seconds_of(right, 880) >= 0.45
        assert seconds_of(left, 880) == seconds_of(right, 1200) == 0
        assert "routing_attempt" in [entry["type"] for entry in log]


class TestFailover:
    async def test_the_next_destination_is_tried_after_a_failure_or_a_redirection(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(2) as (first, second):
            second.on_call = lambda call: call.answer()
            await trunk(engine, first, second)
            for status, result in (
                (500, "failed"), (503, "failed"), (408, "no_answer"), (480, "no_answer"), (302, "failed")
            ):  # fmt: skip
                contact = (("Contact", "<sip:elsewhere@127.0.0.1:9>"),) if status == 302 else ()
                first.on_call = lambda call, code=status, more=contact: call.incoming.reject(code, headers=more)
                call = call_of(engine, phone)
                await call.answered()
                call.outgoing.hangup()
                assert results(await engine.ended_call()) == [(1, result, status), (2, "answered", 200)]

    async def test_a_destination_that_cannot_be_reached_is_passed_on_from(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (second,):
            second.on_call = lambda call: call.answer()
            await trunk(engine, {"uri": "sip:nobody@127.0.0.1:9;transport=tcp"}, second)
            call = call_of(engine, phone)
            await call.answered()
            call.outgoing.hangup()
            assert results(await engine.ended_call()) == [(1, "failed", None), (2, "answered", 200)]

    async def test_one_that_only_rings_is_cancelled(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            second.on_call = lambda call: call.answer(880)
            await trunk(engine, first, second, failover={"noAnswerMs": 1000})
            call = call_of(engine, phone)
            rung = await first.call()
            await call.hears(880)
            assert rung.has(Cancelled)
            assert 180 in call.statuses
            call.outgoing.hangup()
            record = await engine.ended_call()
        assert results(record) == [(1, "no_answer", None), (2, "answered", 200)]

    async def test_one_that_says_nothing_is_too_slow(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            first.on_call = lambda _call: None
            second.on_call = lambda call: call.answer()
            await trunk(engine, first, second, failover={"maxSetupLatencyMs": 400})
            call = call_of(engine, phone)
            await call.answered()
            silent = await first.call()
            await silent.until(lambda: silent.has(Cancelled))
            call.outgoing.hangup()
            record = await engine.ended_call()
        assert results(record) == [(1, "latency_exceeded", None), (2, "answered", 200)]
        assert record["routingAttempts"][0]["setupMs"] is None

    async def test_ringing_in_time_is_not_too_slow(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            await trunk(engine, desk, failover={"maxSetupLatencyMs": 300})
            call = call_of(engine, phone)
            rung = await desk.call()
            await asyncio.sleep(0.6)
            rung.answer()
            await call.answered()
            call.outgoing.hangup()
            (attempt,) = (await engine.ended_call())["routingAttempts"]
        assert attempt["result"] == "answered"
        assert attempt["setupMs"] < 300

    async def test_on_busy_tries_the_next(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            first.on_call = rejecting(486)
            second.on_call = lambda call: call.answer()
            await trunk(engine, first, second, failover={"onBusy": True})
            call = call_of(engine, phone)
            await call.answered()
            call.outgoing.hangup()
            assert results(await engine.ended_call()) == [(1, "busy", 486), (2, "answered", 200)]

    async def test_disabled_destinations_are_passed_over(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            second.on_call = lambda call: call.answer()
            await trunk(engine, {"uri": first.uri, "enabled": False}, second)
            call = call_of(engine, phone)
            await call.answered()
            call.outgoing.hangup()
            assert results(await engine.ended_call()) == [(1, "skipped_disabled", None), (2, "answered", 200)]
            assert first.calls == []


REFUSALS: list[tuple[int, dict[str, Any], str, str, str, int]] = [
    (486, {}, "busy", "busy", "busy", 486),
    (600, {}, "busy", "busy", "busy", 486),
    (603, {}, "rejected", "rejected", "rejected", 603),
    (404, {}, "failed", "failed", "unallocated_number", 404),
    (403, {}, "failed", "failed", "rejected", 403),
    (401, {}, "failed", "failed", "rejected", 503),
    (500, {"on5xx": False}, "failed", "failed", "network_error", 503),
]
LAST: list[tuple[int, int, dict[str, Any], str, int]] = [
    (500, 480, {}, "no_answer", 480),
    (480, 500, {}, "failed", 503),
    (500, 486, {"onBusy": True}, "busy", 486),
]


async def with_failover(engine: TestEngine, made: dict[str, Any], failover: dict[str, Any]) -> None:
    body = {"failover": {"on5xx": True, "onBusy": False, **failover}}
    assert (await engine.client.patch(f"/v1/trunks/inbound/{made['id']}", json=body)).status_code == 200


class TestEnd:
    async def test_what_ends_the_call_without_a_further_try(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            made = await trunk(engine, first, second)
            for status, failover, result, outcome, cause, code in REFUSALS:
                first.on_call = rejecting(status)
                await with_failover(engine, made, failover)
                rejected = await call_of(engine, phone).rejected()
                record = await engine.ended_call()
                assert second.calls == []
                assert results(record) == [(1, result, status)]
                assert (rejected.status, record["sipCode"]) == (code, code)
                assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == (outcome, "callee", cause)

    async def test_none_left_is_the_outcome_of_the_last_attempt(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            made = await trunk(engine, first, second)
            for first_status, last_status, failover, outcome, code in LAST:
                first.on_call, second.on_call = rejecting(first_status), rejecting(last_status)
                await with_failover(engine, made, failover)
                rejected = await call_of(engine, phone).rejected()
                record = await engine.ended_call()
                assert [status for _, _, status in results(record)] == [first_status, last_status]
                assert (record["outcome"], record["sipCode"], rejected.status) == (outcome, code, code)

    async def test_nobody_answers(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            await trunk(engine, desk, failover={"noAnswerMs": 1000})
            rejected = await call_of(engine, phone).rejected()
            record = await engine.ended_call()
        assert results(record) == [(1, "no_answer", None)]
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("no_answer", "platform", "no_answer")
        assert (record["sipCode"], rejected.status) == (480, 480)

    async def test_nothing_to_try_is_unreachable(self, engine: TestEngine, phone: Phone) -> None:
        made = await trunk(engine, {"uri": "sip:desk@127.0.0.1:9", "enabled": False})
        for change in ({}, {"enabled": False, "destinations": [{"uri": "sip:desk@127.0.0.1:9"}]}):
            assert (await engine.client.patch(f"/v1/trunks/inbound/{made['id']}", json=change)).status_code == 200
            rejected = await call_of(engine, phone).rejected()
            record = await engine.ended_call()
            assert results(record) == [(1, "skipped_disabled", None)]
            assert (record["outcome"], record["hangupCause"], record["sipCode"]) == ("unreachable", "unreachable", 503)
            assert rejected.status == 503

    async def test_a_caller_who_gives_up_stops_the_search(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            await trunk(engine, first, second)
            call = call_of(engine, phone)
            rung = await first.call()
            await call._until(lambda: 180 in call.statuses, 5)
            call.outgoing.hangup()
            await rung.cancelled()
            record = await engine.ended_call()
            assert second.calls == []
        assert (record["outcome"], record["hangupBy"], record["hangupCause"]) == ("canceled", "caller", "canceled")
        assert results(record) == [(1, "no_answer", None)]

    async def test_the_events_tell_the_attempts(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second), Flow({"/hook": "ok"}) as hook:
            await engine.post("/v1/webhooks", {"url": hook.url("/hook"), "events": ["*"]})
            first.on_call, second.on_call = rejecting(500), lambda call: call.answer()
            made = await trunk(engine, first, second)
            call = call_of(engine, phone)
            await call.answered()
            call.outgoing.hangup()
            await engine.ended_call()
            told = await events(hook, 3)
        assert [it["event"] for it in told] == ["call.received", "call.answered", "call.completed"]
        assert [it["trunk_id"] for it in told] == [made["id"]] * 3
        answered, completed = told[1]["routing_attempts"], told[2]["routing_attempts"]
        assert [it["result"] for it in completed] == ["failed", "answered"]
        assert answered == completed
        assert completed[0]["sip_code"] == 500
        assert completed[0]["destination_id"] == made["destinations"][0]["id"]


async def events(hook: Flow, count: int) -> list[dict[str, Any]]:
    """So many events that a webhook was told, in the order of their creation."""
    async with asyncio.timeout(10):
        while len(hook.asked) < count:
            hook._changed.clear()
            await hook._changed.wait()
    return sorted((json.loads(it.body) for it in hook.asked), key=lambda it: str(it["created_at"]))


class TestTrunkOfANumber:
    async def test_the_application_on_the_trunk_runs_instead_and_can_ring_the_destinations(
        self, engine: TestEngine, phone: Phone
    ) -> None:
        async with callees(1) as (desk,):
            made = await trunk(engine, desk)
            document = f'<Response><Dial answerOnBridge="true"><Trunk>{made["id"]}</Trunk></Dial></Response>'
            application = await engine.application(xmlTemplate=document, inboundTrunkId=made["id"])
            call = call_of(engine, phone)
            rung = await desk.call()
            rung.answer(880)
            await call.hears(880)
            rung.incoming.hangup()
            await call.hung_up()
            record = await engine.ended_call()
        assert (record["trunkId"], record["applicationId"]) == (made["id"], application["id"])
        assert (record["destinationKind"], record["destinationId"]) == ("application", application["id"])
        assert results(record) == [(1, "answered", 200)]

    async def test_changes_hold_for_the_next_call(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            first.on_call, second.on_call = rejecting(603), rejecting(486)
            made = await trunk(engine, first)
            assert (await call_of(engine, phone).rejected()).status == 603
            body = {"destinations": [{"uri": second.uri}]}
            assert (await engine.client.patch(f"/v1/trunks/inbound/{made['id']}", json=body)).status_code == 200
            assert (await call_of(engine, phone).rejected()).status == 486


def dial(trunk: str) -> dict[str, Any]:
    return {
        "/start": f'<Response><Dial action="/done"><Trunk>{trunk}</Trunk></Dial></Response>',
        "/done": "<Response><Hangup/></Response>",
    }


def unprobed(name: str, *destinations: Callee) -> dict[str, Any]:
    listed = [{"uri": it.uri} for it in destinations]
    return {"name": name, "destinations": listed, "health": {"enabled": False}}


def ringing_then(status: int, *, rings: bool) -> Any:
    def refuse(call: CalleeCall) -> None:
        if rings:
            call.incoming.ring()
        call.incoming.reject(status)

    return refuse


class TestDialTrunk:
    async def test_a_dial_fails_over_within_the_trunk(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(2) as (first, second):
            first.on_call = rejecting(500)
            await engine.post("/v1/trunks/inbound", unprobed("The desk", first, second))
            async with Flow(dial("The desk")) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
                call = call_of(engine, phone)
                rung = await second.call()
                assert rung.header("X-Voylo-To") == NUMBER
                rung.answer(880)
                await call.hears(880)
                call.say(440)
                await rung.hears(440)
                rung.incoming.hangup()
                form = (await flow.wait_for("/done")).form
                await call.hung_up()
                record = await engine.ended_call()
        assert (form["DialStatus"], form["DialTo"]) == ("completed", "The desk")
        assert results(record) == [(1, "failed", 500), (2, "answered", 200)]

    async def test_what_a_dial_says_of_a_trunk_that_nobody_answers(self, engine: TestEngine, phone: Phone) -> None:
        async with callees(1) as (desk,):
            made = await engine.post("/v1/trunks/inbound", unprobed("T", desk))
            async with Flow(dial(made["id"])) as flow:
                await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
                for status, dial_status, cause in (
                    (486, "busy", "busy"), (480, "no-answer", "no_answer"), (603, "failed", "rejected")
                ):  # fmt: skip
                    desk.on_call = ringing_then(status, rings=status == 480)
                    call_of(engine, phone)
                    form = (await flow.wait_for("/done")).form
                    assert (form["DialStatus"], form["DialSipCode"]) == (dial_status, str(status))
                    assert form["DialHangupCause"] == cause
                    await engine.ended_call()
                    flow.asked.clear()

    async def test_a_trunk_that_is_none_of_the_workspace_is_unreachable(self, engine: TestEngine, phone: Phone) -> None:
        async with Flow(dial("nobody")) as flow:
            await engine.number(NUMBER, await engine.application(actionUrl=flow.url("/start")))
            call = call_of(engine, phone)
            form = (await flow.wait_for("/done")).form
            await call._until(lambda: call.has(Answered), 5)
        assert (form["DialStatus"], form["DialHangupCause"]) == ("failed", "unreachable")
