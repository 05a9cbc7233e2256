"""sipp and a user agent of ours call each other: how calls begin and end (RFC 3261 §9, §13, §15, §22)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sip import (
    Answered,
    AsideAnswered,
    Cancelled,
    Confirmed,
    Credentials,
    DigestOutcome,
    HungUp,
    IncomingCall,
    Info,
    MessageReceived,
    OfferAnswered,
    Progress,
    Rejected,
    RemoteHangup,
    TimerConfig,
)
from tests.interop.sipp_party import ANSWER, HELD, OFFER, MovableClock, Party, answer, ring, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]
SIPP_TRANSPORTS = {"udp": "u1", "tcp": "t1"}
ALICE = Credentials("alice", "secret")


class TestSippCalls:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_and_hangs_up(self, sipp: Sipp, party: Parties, transport: str) -> None:
        def take(call: IncomingCall) -> None:
            call.ring()
            call.answer(ANSWER)

        ours = await party(take, tcp=(("127.0.0.1", 0),))
        await sipp.calls("uac-hangs-up", ours.agent.bound[transport][0], "-t", SIPP_TRANSPORTS[transport])
        call, events = await ours.call()
        assert call.offer is not None
        assert b"m=audio 40000" in call.offer
        assert events.items == [Confirmed(None), RemoteHangup("Q.850;cause=16")]

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_and_is_hung_up(self, sipp: Sipp, party: Parties, transport: str) -> None:
        ours = await party(answer, tcp=(("127.0.0.1", 0),))
        remote = ours.agent.bound[transport][0]
        async with sipp.calling("uac-is-hung-up", remote, "-t", SIPP_TRANSPORTS[transport]):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.hangup(reason="Q.850;cause=17")
            assert await events.next(HungUp) == HungUp(200)
        assert events.kinds == ["Confirmed", "HungUp"]

    async def test_and_is_refused(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.reject(486, headers=[("Reason", "Q.850;cause=17")]))
        await sipp.calls("uac-is-refused", ours.address)
        _call, events = await ours.call()
        assert events.items == []
        assert ours.agent.transaction_counters.retransmissions_sent == 0, "the ACK was recognised"

    async def test_and_gives_up(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring)
        await sipp.calls("uac-cancels", ours.address)
        call, events = await ours.call()
        assert events.items == [Cancelled("SIP;cause=200")]
        assert call.ended

    async def test_and_gives_up_with_bye(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring)
        await sipp.calls("uac-leaves-early", ours.address)
        _call, events = await ours.call()
        assert events.items == [RemoteHangup(None)]

    async def test_and_hears_early_media(self, sipp: Sipp, party: Parties) -> None:
        def take(call: IncomingCall) -> None:
            call.progress(ANSWER)
            call.answer(ANSWER)

        ours = await party(take)
        await sipp.calls("uac-hears-early-media", ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_and_leaves_the_offer_to_us(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.answer(OFFER))
        await sipp.calls("uac-offers-late", ours.address)
        call, events = await ours.call()
        assert call.offer is None
        confirmed = await events.next(Confirmed)
        assert confirmed.body is not None
        assert b"m=audio 40002" in confirmed.body
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_and_asks_what_changes_nothing(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        await sipp.calls("uac-asks-in-call", ours.address)
        _call, events = await ours.call()
        info = await events.next(Info)
        assert (info.content_type, info.body.splitlines()[0]) == ("application/dtmf-relay", b"Signal=5")
        assert events.kinds == ["Confirmed", "Info", "RemoteHangup"]

    @pytest.mark.parametrize("status", [401, 407])
    async def test_and_proves_who_it_is(self, sipp: Sipp, party: Parties, status: int) -> None:
        outcomes: list[DigestOutcome] = []

        def take(call: IncomingCall) -> None:
            result = ours.agent.check_credentials(call, "sipp", ALICE, proxy=status == 407)
            outcomes.append(result.outcome)
            if result.ok:
                call.answer(ANSWER)
            else:
                call.challenge("sipp", stale=result.stale)

        ours = await party(take)
        await sipp.calls(f"uac-proves-itself-{status}", ours.address)
        assert outcomes == [DigestOutcome.MISSING, DigestOutcome.OK]

    async def test_and_fails_to_prove_who_it_is(self, sipp: Sipp, party: Parties) -> None:
        outcomes: list[DigestOutcome] = []

        def take(call: IncomingCall) -> None:
            result = ours.agent.check_credentials(call, "sipp", ALICE)
            outcomes.append(result.outcome)
            if result.outcome is DigestOutcome.BAD:
                call.reject(403)
            else:
                call.challenge("sipp")

        ours = await party(take)
        await sipp.calls("uac-proves-nothing", ours.address)
        assert outcomes == [DigestOutcome.MISSING, DigestOutcome.BAD]

    async def test_and_nobody_takes_the_call_for_a_while(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.calling("uac-hears-100", ours.address):
            call, events = await ours.call()
            await until(lambda: ours.agent.statistics.messages_sent == 1)
            call.hangup()
        assert events.kinds == []

    async def test_and_the_invitation_expires(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party(ring)
        async with sipp.calling("uac-expires", ours.address):
            _call, events = await ours.call()
            clock.move(1.01)
            assert await events.next(Cancelled) == Cancelled(None)
        assert events.kinds == ["Cancelled"]

    async def test_and_writes_a_message(self, sipp: Sipp, party: Parties) -> None:
        taken: list[MessageReceived] = []
        ours = await party(answer, on_message=taken.append)
        await sipp.calls("uac-writes-in-call", ours.address)
        call, events = await ours.call()
        assert [message.call for message in taken] == [call]
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_and_is_turned_away_before_we_stop(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        ours.agent.draining = True
        await sipp.calls("uac-is-turned-away", ours.address)
        assert ours.agent.statistics.calls_received == 0

    async def test_as_callers_did_before_rfc_3261(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        await sipp.calls("uac-is-of-old", ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    @pytest.mark.parametrize("scenario", ["uac-is-behind-nat", "uac-writes-compactly"])
    async def test_in_a_way_of_its_own(self, sipp: Sipp, party: Parties, scenario: str) -> None:
        ours = await party(answer)
        await sipp.calls(scenario, ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]


class TestWeCallSipp:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_and_it_hangs_up(self, sipp: Sipp, party: Parties, transport: str) -> None:
        ours = await party()
        async with sipp.waits("uas-hangs-up", "-t", SIPP_TRANSPORTS[transport], transport=transport) as uri:
            _call, events = ours.place(uri.with_params(transport=transport))
            answered = await events.next(Answered)
            assert answered.body is not None
            assert b"m=audio 40000" in answered.body
            assert await events.next(RemoteHangup) == RemoteHangup("Q.850;cause=16")
        assert events.kinds == ["Progress", "Answered", "RemoteHangup"]

    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    async def test_and_hang_up(self, sipp: Sipp, party: Parties, transport: str) -> None:
        ours = await party()
        async with sipp.waits("uas-is-hung-up", "-t", SIPP_TRANSPORTS[transport], transport=transport) as uri:
            call, events = ours.place(uri.with_params(transport=transport))
            await events.next(Answered)
            call.hangup(reason="Q.850;cause=17")
            assert await events.next(HungUp) == HungUp(200)
        assert ours.agent.transaction_counters.retransmissions_sent == 0

    async def test_and_it_is_busy(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-refuses") as uri:
            _call, events = ours.place(uri)
            rejected = await events.next(Rejected)
        assert (rejected.status, rejected.cause, rejected.retry_after) == (486, "response", 30)
        assert events.kinds == ["Rejected"]

    async def test_and_give_up(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-cancelled") as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            call.cancel(reason="SIP;cause=200")
            rejected = await events.next(Rejected)
        assert (rejected.status, rejected.cause) == (487, "response")
        assert events.kinds == ["Progress", "Rejected"]

    async def test_and_hear_early_media(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-sends-early-media") as uri:
            call, events = ours.place(uri)
            progress = await events.next(Progress)
            assert progress.status == 183
            assert progress.body is not None
            answered = await events.next(Answered)
            assert answered.body == progress.body, "what was said before the answer holds"
            call.hangup()
            await events.next(HungUp)

    async def test_and_leave_the_offer_to_it(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-offers-late") as uri:
            call, events = ours.place(uri, body=b"")
            answered = await events.next(Answered)
            assert answered.body is not None
            assert b"m=audio 40000" in answered.body
            call.acknowledge(ANSWER)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "HungUp"]

    @pytest.mark.parametrize("status", [401, 407])
    async def test_and_prove_who_we_are(self, sipp: Sipp, party: Parties, status: int) -> None:
        ours = await party()
        async with sipp.waits(f"uas-challenges-{status}") as uri:
            call, events = ours.place(uri, credentials=ALICE)
            await events.next(Answered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "HungUp"]

    async def test_and_do_not_prove_it_for_ever(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-challenges-in-vain") as uri:
            _call, events = ours.place(uri, credentials=ALICE)
            rejected = await events.next(Rejected)
        assert rejected.status == 401
        assert ours.agent.transaction_counters.client_transactions == 4

    async def test_and_are_asked_for_a_password_that_we_do_not_have(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-challenges-once") as uri:
            _call, events = ours.place(uri)
            rejected = await events.next(Rejected)
        assert rejected.status == 407
        assert ours.agent.transaction_counters.client_transactions == 1

    async def test_and_prove_who_we_are_in_mid_call(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-challenges-in-call") as uri:
            call, events = ours.place(uri, credentials=ALICE)
            await events.next(Answered)
            call.reinvite(HELD)
            await events.next(OfferAnswered)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)
        assert events.kinds == ["Answered", "OfferAnswered", "HungUp"]

    async def test_and_tell_it_something_in_the_call(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-told") as uri:
            call, events = ours.place(uri, credentials=ALICE)
            await events.next(Answered)
            call.aside("INFO", "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
            assert await events.next(AsideAnswered) == AsideAnswered("INFO", 200)
            call.aside("MESSAGE", "text/plain", b"hello")
            assert await events.next(AsideAnswered) == AsideAnswered("MESSAGE", 415)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)

    async def test_and_it_says_nothing(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(timers=TimerConfig(t1=0.01))
        async with sipp.waits("uas-never-answers", "-nr") as uri:
            _call, events = ours.place(uri)
            rejected = await events.next(Rejected)
        assert (rejected.status, rejected.cause) == (None, "timeout")
        assert 3 <= ours.agent.transaction_counters.retransmissions_sent <= 6
        assert ours.agent.transaction_counters.timeouts == 1

    async def test_and_it_answers_as_they_did_before_rfc_3261(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-of-old") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)

    @pytest.mark.parametrize(("transport", "refused"), [("tcp", 0), ("udp", 1)])
    async def test_and_say_more_than_a_datagram_holds(
        self, sipp: Sipp, party: Parties, transport: str, refused: int
    ) -> None:
        ours = await party()
        ours.send_errors = refused
        async with sipp.waits("uas-is-hung-up", "-t", SIPP_TRANSPORTS[transport], transport=transport) as uri:
            call, events = ours.place(uri, body=OFFER + b"a=x-filler:0123456789\r\n" * 50)
            await events.next(Answered)
            call.hangup(reason="Q.850;cause=17")
            assert await events.next(HungUp) == HungUp(200)
        assert ours.agent.stream_counters.connected == 1 - refused
