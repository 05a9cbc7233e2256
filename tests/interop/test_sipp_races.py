"""sipp and a user agent of ours where messages cross or get lost, and where a connection goes (RFC 3261 §9, §13–§15,
§18; RFC 5407)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sip import (
    Answered,
    CallState,
    Cancelled,
    Confirmed,
    Failed,
    HungUp,
    IncomingCall,
    Offer,
    OfferAnswered,
    Progress,
    Rejected,
    RemoteHangup,
    TimerConfig,
)
from tests.interop.sipp_party import ANSWER, HELD, MovableClock, Party, answer, ring, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]
HELD_ANSWER = ANSWER + b"a=recvonly\r\n"
BRISK = TimerConfig(t1=0.1)
TCP = {"tcp": (("127.0.0.1", 0),)}


def refuse(call: IncomingCall) -> None:
    call.reject(486)


class TestCancel:
    async def test_crosses_our_200(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        await sipp.calls("uac-cancels-too-late", ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_crosses_our_refusal(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(refuse)
        await sipp.calls("uac-cancels-refusal", ours.address)
        _call, events = await ours.call()
        assert events.kinds == []

    async def test_is_answered_but_the_487_is_lost(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring, timers=BRISK)
        await sipp.calls("uac-loses-487", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.items == [Cancelled(None)]
        assert ours.agent.transaction_counters.retransmissions_sent == 1

    @pytest.mark.parametrize(
        ("scenario", "status"),
        [("uas-answers-after-cancel", 487), ("uas-answers-before-cancel", 487), ("uas-refuses-after-cancel", 486)],
    )
    async def test_of_ours_crosses_the_final_response(
        self, sipp: Sipp, party: Parties, scenario: str, status: int
    ) -> None:
        ours = await party()
        async with sipp.waits(scenario) as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            call.cancel(reason="SIP;cause=200")
            assert (await events.next(Rejected)).status == status
        assert events.kinds == ["Progress", "Rejected"], "nobody is told of an answer that nobody wants"

    async def test_of_ours_waits_for_a_first_response(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-cancelled-unheard") as uri:
            call, events = ours.place(uri)
            call.cancel()
            assert (await events.next(Rejected)).status == 487
        assert events.kinds == ["Rejected"]

    async def test_of_a_reinvite(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-cancels-reinvite", ours.address):
            _call, events = await ours.call()
            first = await events.next(Offer)
            second = await events.next(Offer)
            first.respond.accept(HELD_ANSWER)
            second.respond.accept(ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "Offer", "RemoteHangup"]

    async def test_of_ours_is_answered_but_our_invite_is_not(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(timers=TimerConfig(t1=0.01))
        async with sipp.waits("uas-ignores-cancel") as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            call.cancel()
            rejected = await events.next(Rejected)
        assert (rejected.status, rejected.cause) == (None, "timeout")


class TestBye:
    async def test_of_a_caller_crosses_ours(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-bye-crosses-bye", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.hangup()
        assert events.items == [Confirmed(None), RemoteHangup(None)]
        await until(lambda: ours.agent.statistics.stray_responses == 1)

    async def test_of_a_callee_crosses_ours(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-bye-crosses-bye") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            await events.next(RemoteHangup)
        assert events.kinds == ["Answered", "RemoteHangup"]
        await until(lambda: ours.agent.statistics.stray_responses == 1)

    @pytest.mark.parametrize(
        ("scenario", "status", "repeated"), [("uac-bye-finds-nothing", 481, 0), ("uac-loses-bye", 200, 1)]
    )
    async def test_of_ours_to_a_caller(
        self, sipp: Sipp, party: Parties, scenario: str, status: int, repeated: int
    ) -> None:
        ours = await party(answer)
        async with sipp.calling(scenario, ours.address, "-nr"):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.hangup()
            assert await events.next(HungUp) == HungUp(status)
        assert ours.agent.transaction_counters.retransmissions_sent == repeated

    @pytest.mark.parametrize(
        ("scenario", "status", "repeated"), [("uas-bye-finds-nothing", 481, 0), ("uas-loses-bye", 200, 1)]
    )
    async def test_of_ours_to_a_callee(
        self, sipp: Sipp, party: Parties, scenario: str, status: int, repeated: int
    ) -> None:
        ours = await party()
        async with sipp.waits(scenario, "-nr") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            assert await events.next(HungUp) == HungUp(status)
        assert ours.agent.transaction_counters.retransmissions_sent == repeated

    async def test_of_a_caller_comes_twice(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        await sipp.calls("uac-loses-200-to-bye", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]
        assert ours.agent.transaction_counters.retransmissions_received == 1

    async def test_of_a_callee_comes_twice(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-loses-200-to-bye", "-nr") as uri:
            _call, events = ours.place(uri)
            await events.next(RemoteHangup)
        assert events.kinds == ["Answered", "RemoteHangup"]
        assert ours.agent.transaction_counters.retransmissions_received == 1

    async def test_of_a_caller_overtakes_its_ack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer, timers=BRISK)
        await sipp.calls("uac-bye-overtakes-ack", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.kinds == ["RemoteHangup"]
        assert ours.agent.statistics.stray_acks == 1

    async def test_of_ours_waits_for_the_ack(self, sipp: Sipp, party: Parties) -> None:
        def answer_and_hang_up(call: IncomingCall) -> None:
            call.answer(ANSWER)
            call.hangup(reason="Q.850;cause=16")

        ours = await party(answer_and_hang_up)
        async with sipp.calling("uac-acknowledges-late", ours.address, "-nr"):
            _call, events = await ours.call()
            await events.next(HungUp)
        assert events.kinds == ["Confirmed", "HungUp"]

    async def test_of_a_caller_overtakes_the_answer_to_its_reinvite(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-bye-overtakes-reinvite", ours.address):
            _call, events = await ours.call()
            offer = await events.next(Offer)
            await events.next(RemoteHangup)
            offer.respond.accept(HELD_ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "RemoteHangup"]

    async def test_of_a_callee_crosses_our_reinvite(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-bye-crosses-reinvite") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            await events.next(RemoteHangup)
        assert events.kinds == ["Answered", "RemoteHangup"]

    async def test_of_ours_follows_a_reinvite_that_finds_no_call(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-denies-reinvite") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            assert await events.next(Failed) == Failed("gone")
        assert events.kinds == ["Answered", "OfferRejected", "Failed"]

    @pytest.mark.parametrize("scenario", ["uas-answers-reinvite-after-bye", "uas-answers-reinvite-before-bye"])
    async def test_of_ours_crosses_the_answer_to_our_reinvite(self, sipp: Sipp, party: Parties, scenario: str) -> None:
        ours = await party()
        async with sipp.waits(scenario) as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)

    async def test_of_ours_meets_a_reinvite_that_waits_for_its_answer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-reinvite-is-hung-up", ours.address):
            call, events = await ours.call()
            await events.next(Offer)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)
        assert events.kinds == ["Confirmed", "Offer", "HungUp"]


class TestGlare:
    """Offers that cross: 491 both ways, and both are made again (§14.1). Who owns the Call-ID waits for 2.1 to 4 s."""

    async def test_of_reinvites_where_the_caller_owns_the_call_id(
        self, sipp: Sipp, party: Parties, clock: MovableClock
    ) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-glare", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.reinvite(HELD)
            await until(lambda: ours.agent.statistics.messages_received == 5)
            clock.move(2.01)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 2, "sipp owns the Call-ID"
            await events.next(OfferAnswered)
            (await events.next(Offer)).respond.accept(HELD_ANSWER)
            await until(lambda: call.state is CallState.CONFIRMED)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Confirmed", "OfferAnswered", "Offer", "HungUp"]

    async def test_of_reinvites_where_we_own_the_call_id(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party()
        async with sipp.waits("uas-glare") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            (await events.next(Offer)).respond.accept(HELD_ANSWER)
            clock.move(2.02)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 2, "we own the Call-ID"
            clock.move(2)
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "Offer", "OfferAnswered", "HungUp"]

    async def test_of_updates_where_the_caller_owns_the_call_id(
        self, sipp: Sipp, party: Parties, clock: MovableClock
    ) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-update-glare", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.update(HELD)
            await until(lambda: ours.agent.statistics.messages_received == 4)
            clock.move(2.01)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 2, "sipp owns the Call-ID"
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Confirmed", "OfferAnswered", "HungUp"]

    async def test_of_updates_where_we_own_the_call_id(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party()
        async with sipp.waits("uas-update-glare") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.update(HELD)
            await until(lambda: ours.agent.statistics.messages_received == 3)
            clock.move(2.02)
            await asyncio.sleep(0.02)
            assert ours.agent.transaction_counters.client_transactions == 2, "we own the Call-ID"
            clock.move(2)
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "OfferAnswered", "HungUp"]

    async def test_of_a_reinvite_with_our_200_that_has_no_ack_yet(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-reinvite-overtakes-ack", ours.address):
            _call, events = await ours.call()
            (await events.next(Offer)).respond.accept(HELD_ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "RemoteHangup"]


class TestLoss:
    async def test_of_our_200(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer, timers=BRISK)
        await sipp.calls("uac-loses-200", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_of_our_refusal(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(refuse, timers=BRISK)
        await sipp.calls("uac-loses-486", ours.address, "-nr")
        assert ours.agent.transaction_counters.retransmissions_sent == 1

    async def test_of_every_ack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer, timers=TimerConfig(t1=0.02))
        await sipp.calls("uac-never-acknowledges-200", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.items == [Failed("no_ack")]

    async def test_of_the_ack_to_a_reinvite_of_sipp(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-loses-ack-to-reinvite", ours.address, "-nr"):
            _call, events = await ours.call()
            (await events.next(Offer)).respond.accept(HELD_ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "RemoteHangup"]

    @pytest.mark.parametrize(("scenario", "repeated"), [("uas-loses-200", 1), ("uas-loses-ack", 0)])
    async def test_of_the_200_or_our_ack(self, sipp: Sipp, party: Parties, scenario: str, repeated: int) -> None:
        ours = await party()
        async with sipp.waits(scenario, "-nr") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            await until(lambda: ours.agent.statistics.messages_received + repeated >= 2)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "HungUp"], "the repeated 200 is told once"
        assert ours.agent.transaction_counters.retransmissions_sent == repeated

    async def test_of_our_ack_to_the_200_of_a_reinvite(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-loses-ack-to-reinvite", "-nr") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            await events.next(OfferAnswered)
            await until(lambda: ours.agent.statistics.messages_received == 3)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "OfferAnswered", "HungUp"]

    async def test_of_our_ack_to_a_refusal(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-loses-ack-to-486", "-nr") as uri:
            _call, events = ours.place(uri)
            await events.next(Rejected)
        assert events.kinds == ["Rejected"]

    async def test_of_nothing_but_time(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring)
        async with sipp.calling("uac-repeats-invite", ours.address, "-nr"):
            call, events = await ours.call()
            await until(lambda: ours.agent.transaction_counters.retransmissions_received == 1)
            call.answer(ANSWER)
        assert events.kinds == ["Confirmed", "RemoteHangup"]
        assert ours.agent.statistics.calls_received == 1
        assert ours.agent.transaction_counters.retransmissions_received == 2


class TestConnection:
    async def test_dropped_by_a_callee_is_made_again_for_the_bye(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(**TCP)
        tcp = ("-t", "t1")
        async with sipp.waits("uas-takes-bye", *tcp, transport="tcp") as contact:
            key = ("-key", "contact_port", str(contact.port))
            async with sipp.waits("uas-vanishes", *tcp, *key, transport="tcp") as uri:
                call, events = ours.place(uri.with_params(transport="tcp"))
                await events.next(Answered)
            await until(lambda: ours.agent.connections == 0)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)
        assert ours.agent.stream_counters.connected == 2

    async def test_dropped_by_a_caller_that_is_gone(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer, **TCP)
        await sipp.calls("uac-vanishes", ours.agent.bound["tcp"][0], "-t", "t1")
        call, events = await ours.call()
        await events.next(Confirmed)
        await until(lambda: ours.agent.connections == 0)
        call.hangup()
        assert await events.next(HungUp) == HungUp(None)
        assert ours.agent.statistics.send_errors == 1
        ours.send_errors = 1

    async def test_dropped_by_a_caller_while_it_rings(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring, timers=TimerConfig(t1=0.02), **TCP)
        await sipp.calls("uac-vanishes-while-ringing", ours.agent.bound["tcp"][0], "-t", "t1")
        call, events = await ours.call()
        await until(lambda: ours.agent.connections == 0)
        call.answer(ANSWER)
        assert await events.next(Failed) == Failed("no_ack")
        # the 200, each repetition of it, and the BYE in the end; the 180 has arrived
        ours.send_errors = ours.agent.statistics.messages_sent - 1
        assert ours.send_errors >= 4
        await until(lambda: ours.agent.statistics.send_errors == ours.send_errors)
