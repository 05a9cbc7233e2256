"""sipp as the destination of a trunk, as a number's carrier and as a PBX that calls, of a whole engine: where calls go,
whom they show, and what the record says (contract §9.1, §9.2, §14.2, §14.3)."""

from __future__ import annotations

from typing import Any

import pytest

from sip import Request, Response, SipUri
from tests.interop.sipp_run import Sipp
from tests.support.engine import LOOPBACK, TestEngine
from tests.support.phone import Phone
from tests.support.shared_engine import MANY_REQUESTS

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

NUMBER, SECOND, THIRD, FOURTH = "+15550100", "+15550101", "+15550102", "+15550103"
TO = "+201091447677"
NOTHING = "X-Says: nothing"
HANGUP = "<Response><Hangup/></Response>"
# Any number of wrong passwords.
SETTINGS = {"limits": {**MANY_REQUESTS, "auth_failures": 1000}}


def refusing(status: str) -> tuple[str, ...]:
    """A callee that refuses: code and words."""
    return "uas-refuses-with", "-key", "answer", f"SIP/2.0 {status}"


async def trunk(engine: TestEngine, *uris: SipUri, **members: Any) -> dict[str, Any]:
    """A trunk with these destinations, and NUMBER, which points at it."""
    destinations = [{"uri": str(uri)} for uri in uris]
    body = {"name": "Desks", "destinations": destinations, "health": {"enabled": False}, **members}
    made: dict[str, Any] = await engine.post("/v1/trunks/inbound", body)
    await engine.number(NUMBER, None, destination={"kind": "trunk", "id": made["id"]})
    return made


def attempts(record: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(it["result"], it["sipCode"]) for it in record["routingAttempts"]]


class TestInboundTrunk:
    @pytest.mark.parametrize(
        ("scenario", "failover", "result"),
        [
            (refusing("503 Service Unavailable"), {}, ("failed", 503)),
            (("uas-only-tries",), {"maxSetupLatencyMs": 500}, ("latency_exceeded", None)),
            (("uas-is-silent",), {"maxSetupLatencyMs": 500}, ("latency_exceeded", None)),
        ],
        ids=["503", "100 alone", "silence"],
    )
    async def test_a_destination_that_fails_or_is_slow_is_followed_by_the_next(
        self,
        engine: TestEngine,
        phone: Phone,
        sipp: Sipp,
        scenario: tuple[str, ...],
        failover: dict[str, int],
        result: tuple[str, int | None],
    ) -> None:
        async with sipp.waits(*scenario) as first, sipp.waits("uas-answers") as second:
            await trunk(engine, first, second, failover=failover)
            call = phone.call(NUMBER, engine.sip)
            await call.answered()
            call.outgoing.hangup()
            record = await engine.ended_call()
        assert attempts(record) == [result, ("answered", 200)]
        assert (record["outcome"], record["hangupBy"], record["sipCode"]) == ("answered", "caller", 200)


# What the caller shows and says, whom it calls, and as which number sipp sees the call: §9.2, steps 1 to 3.
STEPS = [
    pytest.param(SECOND, NOTHING, TO, THIRD, id="1: the longest rule"),
    pytest.param(SECOND, f"P-Asserted-Identity: <sip:{FOURTH}@pbx.example>", "+4420", FOURTH, id="2: asserted"),
    pytest.param(SECOND, NOTHING, "+4420", SECOND, id="2: From"),
    pytest.param("reception", NOTHING, "+4420", NUMBER, id="3: the default"),
]


class Pbx:
    """sipp with the account of an outbound trunk, whose numbers leave through `carrier`."""

    def __init__(self, engine: TestEngine, sipp: Sipp) -> None:
        self._engine = engine
        self._sipp = sipp

    async def make(self, carrier: SipUri, *, default: bool) -> None:
        engine = self._engine
        outbound = {"host": carrier.host, "port": carrier.port, "transport": "udp"}
        ids = {}
        for e164 in (NUMBER, SECOND, THIRD, FOURTH):
            ids[e164] = (await engine.number(e164, None, sip={"outbound": outbound}))["id"]
        members = {
            "name": "PBX",
            "allowedNumberIds": [ids[SECOND], ids[FOURTH]],
            "routingRules": [
                {"prefix": "+2", "numberId": ids[NUMBER]},
                {"prefix": "+2010", "numberId": ids[THIRD]},
            ],
            "defaultNumberId": ids[NUMBER] if default else None,
        }
        self.account = (await engine.post("/v1/trunks/outbound", members))["sip"]

    async def calls(self, to: str, caller: str, says: str) -> int:
        """The code that it is refused with in the end."""
        account = ("-au", self.account["username"], "-ap", self.account["password"])
        return await turned_down(self._engine, self._sipp, to, *account, caller=caller, says=says)


async def turned_down(
    engine: TestEngine, sipp: Sipp, to: str, *options: str, caller: str = "sipp", says: str = NOTHING
) -> int:
    """Has sipp call, which it is refused; the code of the last refusal."""
    given = ("-s", to, "-key", "caller", caller, "-key", "says", says)
    await sipp.calls("uac-is-turned-down", engine.sip, *given, *options)
    told = sipp.received("uac-is-turned-down")[-1]
    assert isinstance(told, Response)
    return told.status


class TestOutboundTrunk:
    @pytest.mark.parametrize(("caller", "says", "to", "shown"), STEPS)
    async def test_the_carrier_sees_the_number_that_the_steps_choose(
        self, engine: TestEngine, sipp: Sipp, caller: str, says: str, to: str, shown: str
    ) -> None:
        pbx = Pbx(engine, sipp)
        async with sipp.waits(*refusing("486 Busy Here")) as carrier:
            await pbx.make(carrier, default=True)
            assert await pbx.calls(to, caller, says) == 486
            record = await engine.ended_call()
        invite = sipp.received("uas-refuses-with")[0]
        assert isinstance(invite, Request)
        assert isinstance(invite.uri, SipUri)
        assert isinstance(invite.from_.uri, SipUri)
        assert (invite.uri.user, invite.from_.uri.user) == (to, shown)
        assert invite.headers.get_all("P-Asserted-Identity") == [f"<sip:{shown}@127.0.0.1>"]
        assert (record["from"], record["to"], record["outcome"]) == (shown, to, "busy")

    async def test_who_shows_no_number_that_it_may_is_refused_where_there_is_no_default(
        self, engine: TestEngine, sipp: Sipp
    ) -> None:
        pbx = Pbx(engine, sipp)
        await pbx.make(SipUri("sip", None, host="127.0.0.1", port=9), default=False)
        assert await pbx.calls("+4420", THIRD, NOTHING) == 403
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"]) == ("rejected", "caller_id_not_allowed")


class TestCallsIn:
    """From a carrier to a number: the table of §14.2."""

    async def test_an_unknown_number_is_404_without_a_record(self, engine: TestEngine, sipp: Sipp) -> None:
        assert await turned_down(engine, sipp, NUMBER) == 404
        assert await engine.calls() == []

    async def test_a_wrong_password_is_401_then_403_without_a_record(self, engine: TestEngine, sipp: Sipp) -> None:
        sip = {"auth": {"username": "carrier", "password": "correct-horse"}}
        await engine.number(NUMBER, await engine.application(xmlTemplate=HANGUP), sip=sip)
        assert await turned_down(engine, sipp, NUMBER, "-au", "carrier", "-ap", "wrong-horse") == 403
        assert [it.status for it in sipp.received("uac-is-turned-down") if isinstance(it, Response)] == [401, 403]
        assert await engine.calls() == []

    async def test_the_right_password_lets_the_call_through(self, engine: TestEngine, sipp: Sipp) -> None:
        sip = {"auth": {"username": "carrier", "password": "correct-horse"}}
        busy = '<Response><Reject reason="busy"/></Response>'
        await engine.number(NUMBER, await engine.application(xmlTemplate=busy), sip=sip)
        assert await turned_down(engine, sipp, NUMBER, "-au", "carrier", "-ap", "correct-horse") == 486
        assert (await engine.ended_call())["outcome"] == "busy"

    @pytest.mark.parametrize(
        ("members", "status", "outcome", "cause"),
        [
            ({"inboundEnabled": False}, 403, "rejected", "rejected"),
            ({"destination": None}, 480, "failed", "application_error"),
        ],
        ids=["inbound switched off", "no destination"],
    )
    async def test_a_number_that_takes_no_calls_refuses_and_has_a_record(
        self, engine: TestEngine, sipp: Sipp, members: dict[str, Any], status: int, outcome: str, cause: str
    ) -> None:
        await engine.number(NUMBER, await engine.application(xmlTemplate=HANGUP), **members)
        assert await turned_down(engine, sipp, NUMBER) == status
        record = await engine.ended_call()
        assert (record["outcome"], record["hangupCause"], record["sipCode"]) == (outcome, cause, status)
        assert (record["to"], record["hangupBy"], record["answeredAt"]) == (NUMBER, "platform", None)

    async def test_a_number_without_any_proof_of_its_carrier_is_403(self, engine: TestEngine, sipp: Sipp) -> None:
        await engine.number(NUMBER, await engine.application(xmlTemplate=HANGUP), sip={})
        assert await turned_down(engine, sipp, NUMBER) == 403
        assert await engine.calls() == []


@pytest.mark.parametrize(
    ("status", "outcome", "cause"),
    [
        ("486 Busy Here", "busy", "busy"),
        ("404 Not Found", "failed", "unallocated_number"),
        ("480 Temporarily Unavailable", "no_answer", "no_answer"),
        ("603 Decline", "rejected", "rejected"),
        ("503 Service Unavailable", "failed", "network_error"),
    ],
)
async def test_what_a_carrier_answers_is_in_the_record(
    engine: TestEngine, sipp: Sipp, status: str, outcome: str, cause: str
) -> None:
    """The table of §14.3."""
    application = await engine.application(xmlTemplate=HANGUP)
    async with sipp.waits(*refusing(status)) as carrier:
        outbound = {"host": carrier.host, "port": carrier.port, "customHeaders": {"X-Account": "42"}}
        await engine.number(NUMBER, None, sip={"allowedSourceIps": LOOPBACK, "outbound": outbound})
        await engine.post("/v1/calls", {"from": NUMBER, "to": TO, "applicationId": application["id"]}, 202)
        record = await engine.ended_call()
    assert (record["outcome"], record["hangupCause"], record["hangupBy"]) == (outcome, cause, "callee")
    assert (record["sipCode"], record["answeredAt"]) == (int(status[:3]), None)
    invite = sipp.received("uas-refuses-with")[0]
    assert isinstance(invite, Request)
    assert isinstance(invite.uri, SipUri)
    assert (invite.uri.user, invite.headers.get("X-Account")) == (TO, "42")
