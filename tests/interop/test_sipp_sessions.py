"""sipp and a user agent of ours change a running session, and keep it alive (RFC 3261 §14, RFC 3264 §8, RFC 4028)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sip import Answered, CallState, Confirmed, Failed, HungUp, Offer, OfferAnswered, OfferRejected
from tests.interop.sipp_party import ANSWER, HELD, OFFER, MovableClock, Party, answer, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]
HELD_ANSWER = ANSWER + b"a=recvonly\r\n"


class TestSippCalls:
    async def test_and_holds(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-holds", ours.address):
            _call, events = await ours.call()
            offer = await events.next(Offer)
            assert b"a=sendonly" in offer.body
            offer.respond.accept(HELD_ANSWER)
            offer = await events.next(Offer)
            assert b"a=sendonly" not in offer.body
            offer.respond.accept(ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "Offer", "RemoteHangup"]

    async def test_and_holds_in_vain(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-holds-in-vain", ours.address):
            call, events = await ours.call()
            (await events.next(Offer)).respond.reject(488)
            assert call.state is CallState.CONFIRMED
            (await events.next(Offer)).respond.accept(ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "Offer", "RemoteHangup"]

    async def test_and_is_held(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-is-held", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.reinvite(HELD)
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"a=recvonly" in answered.body
            call.reinvite(OFFER)
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Confirmed", "OfferAnswered", "OfferAnswered", "HungUp"]

    async def test_and_refuses_to_be_held(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-refuses-hold", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.reinvite(HELD)
            assert await events.next(OfferRejected) == OfferRejected(488, "Not Acceptable Here")
            (await events.next(Offer)).respond.accept(ANSWER)
            await until(lambda: call.state is CallState.CONFIRMED)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Confirmed", "OfferRejected", "Offer", "HungUp"]

    async def test_and_asks_us_for_an_offer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-asks-for-offer", ours.address):
            _call, events = await ours.call()
            offer = await events.next(Offer)
            assert offer.body == b""
            offer.respond.accept(OFFER)
            answered = await events.next(OfferAnswered)
            assert answered.body is not None
            assert b"m=audio 40000" in answered.body

    async def test_and_offers_twice_at_once(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-overlaps", ours.address):
            _call, events = await ours.call()
            offer = await events.next(Offer)
            await until(lambda: ours.agent.transaction_counters.server_transactions == 3)
            offer.respond.accept(ANSWER)
        assert events.kinds == ["Confirmed", "Offer", "RemoteHangup"]

    async def test_and_moves_elsewhere(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-moves", ours.address):
            call, events = await ours.call()
            (await events.next(Offer)).respond.accept(ANSWER)
            call.hangup()
            await events.next(HungUp)

    async def test_and_wants_a_session_interval_that_is_too_short(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        await sipp.calls("uac-wants-short-interval", ours.address)
        assert ours.agent.statistics.refused == 1
        assert ours.agent.statistics.calls_received == 1

    async def test_and_refreshes_until_it_falls_silent(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-refreshes", ours.address):
            call, events = await ours.call()
            await until(lambda: ours.agent.transaction_counters.server_transactions == 2)
            await until(lambda: call.state is CallState.CONFIRMED)
            clock.move(50)
            await until(lambda: ours.agent.transaction_counters.server_transactions == 3)
            clock.move(50)
            await asyncio.sleep(0.05)
            assert not call.ended, "the UPDATE has begun a new interval"
            clock.move(15)
            assert await events.next(Failed) == Failed("session_expired")
        assert events.kinds == ["Confirmed", "Failed"], "what changes nothing is not told"

    async def test_and_is_refreshed(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-is-refreshed", ours.address):
            _call, events = await ours.call()
            await events.next(Confirmed)
            for _ in range(2):
                before = ours.agent.statistics.messages_received
                clock.move(44)
                await asyncio.sleep(0.02)
                assert ours.agent.statistics.messages_received == before, "not before half the time"
                clock.move(2)
                await until(lambda: ours.agent.statistics.messages_received > before)  # noqa: B023
        assert events.kinds == ["Confirmed", "RemoteHangup"]
        assert ours.agent.transaction_counters.client_transactions == 2


class TestWeCallSipp:
    async def test_and_it_holds(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-holds") as uri:
            _call, events = ours.place(uri)
            (await events.next(Offer)).respond.accept(HELD_ANSWER)
            (await events.next(Offer)).respond.accept(ANSWER)
        assert events.kinds == ["Answered", "Offer", "Offer", "RemoteHangup"]

    async def test_and_it_holds_in_vain(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-holds-in-vain") as uri:
            _call, events = ours.place(uri)
            (await events.next(Offer)).respond.reject(488)
            (await events.next(Offer)).respond.accept(ANSWER)
        assert events.kinds == ["Answered", "Offer", "Offer", "RemoteHangup"]

    async def test_and_hold_it(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-held") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            await events.next(OfferAnswered)
            call.reinvite(OFFER)
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "OfferAnswered", "OfferAnswered", "HungUp"]

    async def test_and_it_refuses_to_be_held(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-refuses-hold") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            assert (await events.next(OfferRejected)).status == 488
            (await events.next(Offer)).respond.accept(ANSWER)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "OfferRejected", "Offer", "HungUp"]

    async def test_and_ask_it_for_an_offer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-asked-for-offer") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(b"")
            offer = await events.next(Offer)
            assert b"o=sipp 1 3" in offer.body
            offer.respond.accept(ANSWER)
            call.hangup()
            await events.next(HungUp)

    async def test_and_it_wants_a_longer_session_interval(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-wants-long-interval") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "HungUp"]

    async def test_and_refresh_until_it_denies_the_call(self, sipp: Sipp, party: Parties, clock: MovableClock) -> None:
        ours = await party()
        async with sipp.waits("uas-is-refreshed") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            for received in (2, 4):
                clock.move(44)
                await asyncio.sleep(0.02)
                assert ours.agent.statistics.messages_received < received, "not before half the time"
                clock.move(2)
                await until(lambda: ours.agent.statistics.messages_received == received)  # noqa: B023
            assert not call.ended
            clock.move(61)
            assert await events.next(Failed) == Failed("gone")
        assert events.kinds == ["Answered", "Failed"]

    async def test_and_it_refreshes_until_it_falls_silent(
        self, sipp: Sipp, party: Parties, clock: MovableClock
    ) -> None:
        ours = await party()
        async with sipp.waits("uas-refreshes") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            clock.move(50)
            await until(lambda: ours.agent.statistics.messages_received == 3)  # 200, re-INVITE, ACK
            clock.move(50)
            await asyncio.sleep(0.05)
            assert not call.ended
            clock.move(15)
            assert await events.next(Failed) == Failed("session_expired")
        assert events.kinds == ["Answered", "Failed"]

    async def test_and_it_wants_a_longer_session_interval_in_mid_call(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-held-for-longer") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.reinvite(HELD)
            await events.next(OfferAnswered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "OfferAnswered", "HungUp"]
