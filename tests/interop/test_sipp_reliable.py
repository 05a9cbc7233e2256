"""sipp and a user agent of ours with reliable provisional responses and UPDATE (RFC 3262, RFC 3311), both ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sip import (
    Answered,
    Failed,
    HungUp,
    IncomingCall,
    Offer,
    OfferAnswered,
    OfferRejected,
    Progress,
    TimerConfig,
)
from tests.interop.sipp_party import ANSWER, HELD, OFFER, Party, answer, ring, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]


def progress_and_answer(call: IncomingCall) -> None:
    call.progress(ANSWER)
    call.answer(ANSWER)


class TestSippCalls:
    @pytest.mark.parametrize("scenario", ["uac-acknowledges-183", "uac-acknowledges-wrongly"])
    async def test_the_answer_waits_for_the_prack(self, sipp: Sipp, party: Parties, scenario: str) -> None:
        ours = await party(progress_and_answer)
        await sipp.calls(scenario, ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_a_180_is_reliable_where_that_is_required(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring)
        async with sipp.calling("uac-acknowledges-180", ours.address):
            call, events = await ours.call()
            await until(lambda: ours.agent.transaction_counters.server_transactions == 2)
            call.answer(ANSWER)
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_a_lost_prack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(progress_and_answer)
        await sipp.calls("uac-loses-prack", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]
        assert ours.agent.transaction_counters.retransmissions_received == 1

    async def test_a_prack_that_never_comes(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.progress(ANSWER), timers=TimerConfig(t1=0.02))
        await sipp.calls("uac-never-acknowledges", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.items == [Failed("no_prack")]

    async def test_an_offer_in_a_prack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.progress(ANSWER))
        async with sipp.calling("uac-offers-in-prack", ours.address):
            call, events = await ours.call()
            offer = await events.next(Offer)
            assert b"m=audio 40002" in offer.body
            offer.respond.accept(ANSWER)
            call.answer(b"")
        assert events.kinds == ["Offer", "Confirmed", "RemoteHangup"]

    async def test_an_answer_in_a_prack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.progress(OFFER))
        async with sipp.calling("uac-answers-in-prack", ours.address):
            call, events = await ours.call()
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"m=audio 40002" in answered.body
            call.answer(b"")
        assert events.kinds == ["OfferAnswered", "Confirmed", "RemoteHangup"]

    async def test_updates_of_sipp(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.progress(ANSWER))
        async with sipp.calling("uac-updates", ours.address):
            call, events = await ours.call()
            offer = await events.next(Offer)
            assert b"m=audio 40002" in offer.body
            offer.respond.accept(ANSWER)
            call.answer(b"")
            offer = await events.next(Offer)
            assert b"m=audio 40004" in offer.body
            offer.respond.accept(ANSWER)
        assert events.kinds == ["Offer", "Confirmed", "Offer", "RemoteHangup"]

    async def test_an_update_of_sipp_that_is_refused(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-updates-in-vain", ours.address):
            _call, events = await ours.call()
            (await events.next(Offer)).respond.reject(488)
        assert events.kinds == ["Confirmed", "Offer", "RemoteHangup"]

    async def test_an_update_of_sipp_before_its_first_offer_is_answered(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(ring)
        async with sipp.calling("uac-updates-too-early", ours.address):
            call, events = await ours.call()
            await until(lambda: ours.agent.transaction_counters.server_transactions == 2)
            call.answer(ANSWER)
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_updates_of_ours(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(lambda call: call.progress(ANSWER))
        async with sipp.calling("uac-is-updated", ours.address):
            call, events = await ours.call()
            call.update(HELD)
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"m=audio 40002" in answered.body
            call.answer(b"")
            call.update(OFFER)
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"m=audio 40004" in answered.body
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["OfferAnswered", "Confirmed", "OfferAnswered", "HungUp"]

    async def test_a_prack_that_crosses_the_200(self, sipp: Sipp, party: Parties) -> None:
        def take(call: IncomingCall) -> None:
            call.ring(reliable=True)
            call.answer(ANSWER)

        ours = await party(take, timers=TimerConfig(t1=0.1))
        await sipp.calls("uac-prack-crosses-200", ours.address, "-nr")
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_one_reliable_response_waits_for_the_prack_to_another(self, sipp: Sipp, party: Parties) -> None:
        def take(call: IncomingCall) -> None:
            call.ring(reliable=True)
            call.progress(ANSWER)
            call.answer(b"")

        ours = await party(take)
        await sipp.calls("uac-acknowledges-in-turn", ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]


class TestWeCallSipp:
    @pytest.mark.parametrize(
        ("scenario", "told"), [("uas-rings-reliably", [183, 180]), ("uas-rings-out-of-order", [183, 182, 180])]
    )
    async def test_each_reliable_response_is_acknowledged_in_its_turn(
        self, sipp: Sipp, party: Parties, scenario: str, told: list[int]
    ) -> None:
        ours = await party()
        async with sipp.waits(scenario) as uri:
            call, events = ours.place(uri)
            answered = await events.next(Answered)
            assert answered.body is not None
            assert b"m=audio 40000" in answered.body, "the answer came with the 183"
            call.hangup()
            await events.next(HungUp)
        assert [event.status for event in events.items if isinstance(event, Progress)] == told

    async def test_a_lost_prack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-loses-prack", "-nr") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Answered", "HungUp"], "the repeated 183 is told once"
        assert ours.agent.transaction_counters.retransmissions_sent == 1

    async def test_an_offer_in_a_reliable_response(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-offers-reliably") as uri:
            call, events = ours.place(uri, body=b"")
            offer = await events.next(Offer)
            assert b"m=audio 40000" in offer.body
            offer.respond.accept(ANSWER)
            await events.next(Answered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Offer", "Answered", "HungUp"]

    async def test_updates_of_sipp(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-updates") as uri:
            call, events = ours.place(uri)
            early = await events.next(Offer)
            assert b"m=audio 40002" in early.body
            assert early.fork is not None
            early.respond.accept(ANSWER)
            answered = await events.next(Answered)
            assert answered.body == early.body
            later = await events.next(Offer)
            assert b"m=audio 40004" in later.body
            assert later.fork is None
            later.respond.accept(ANSWER)
            await until(lambda: ours.agent.transaction_counters.server_transactions == 3)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Offer", "Answered", "Offer", "HungUp"]

    async def test_updates_of_ours(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-updated") as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            call.update(HELD)
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"m=audio 40002" in answered.body
            await events.next(Answered)
            call.update(OFFER)
            await events.next(OfferAnswered)
            call.update(HELD)
            assert (await events.next(OfferRejected)).status == 488
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "OfferAnswered", "Answered", "OfferAnswered", "OfferRejected", "HungUp"]

    async def test_a_200_that_crosses_our_prack(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-200-crosses-prack") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            await until(lambda: ours.agent.statistics.messages_received == 3)  # 180, 200, 200 to the PRACK
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Answered", "HungUp"]
