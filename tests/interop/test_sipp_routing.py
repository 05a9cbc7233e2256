"""sipp and a user agent of ours with others in between: routes, redirections, forks, overload (RFC 3261 §12.2.1.1,
§13.2.2.4, §16, §21)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sip import Answered, Confirmed, HungUp, NameAddr, Progress, Redirected, Rejected, SipUri
from tests.interop.sipp_party import MovableClock, Party, answer, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]


class TestRoutes:
    @pytest.mark.parametrize("scenario", ["uac-records-route", "uac-records-strict-route"])
    async def test_of_a_caller(self, sipp: Sipp, party: Parties, scenario: str) -> None:
        ours = await party(answer)
        async with sipp.calling(scenario, ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)

    @pytest.mark.parametrize("scenario", ["uas-records-route", "uas-records-strict-route"])
    async def test_of_a_callee(self, sipp: Sipp, party: Parties, scenario: str) -> None:
        ours = await party()
        async with sipp.waits(scenario) as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.hangup()
            assert await events.next(HungUp) == HungUp(200)

    async def test_of_our_own(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-proxy") as uri:
            proxy = NameAddr(None, uri.replace(user=None).with_params(lr=None))
            _call, events = ours.place(SipUri("sip", "+15550100", host="example.org"), routes=(proxy,))
            assert (await events.next(Rejected)).status == 404


class TestRedirection:
    async def test_is_followed(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-moved") as moved:
            async with sipp.waits("uas-redirects", "-key", "target_port", str(moved.port)) as uri:
                call, events = ours.place(uri)
                redirected = await events.next(Redirected)
                assert redirected.target.port == moved.port
                await events.next(Answered)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Redirected", "Answered", "HungUp"]

    @pytest.mark.parametrize(("scenario", "followed"), [("uas-redirects-to-itself", 5), ("uas-redirects", 0)])
    async def test_is_not_followed_in_a_circle_or_where_that_is_not_wanted(
        self, sipp: Sipp, party: Parties, scenario: str, followed: int
    ) -> None:
        ours = await party()
        async with sipp.waits(scenario, "-key", "target_port", "9") as uri:
            _call, events = ours.place(uri, follow_redirects=followed)
            assert (await events.next(Rejected)).status == 302
        assert events.kinds == ["Rejected"]
        assert ours.agent.transaction_counters.client_transactions == 1


async def test_a_peer_that_is_overloaded_is_left_alone_for_the_time_it_asks(
    sipp: Sipp, party: Parties, clock: MovableClock
) -> None:
    ours = await party()
    async with sipp.waits("uas-is-overloaded", "-m", "2") as uri:
        _call, events = ours.place(uri)
        rejected = await events.next(Rejected)
        assert (rejected.status, rejected.retry_after) == (503, 60)
        _call, events = ours.place(uri)
        rejected = await events.next(Rejected)
        assert rejected.status == 503
        assert rejected.retry_after is not None
        assert 55 <= rejected.retry_after <= 60
        assert ours.agent.transaction_counters.client_transactions == 1, "the second call has not left the house"
        clock.move(61)
        _call, events = ours.place(uri)
        await events.next(Rejected)
    assert ours.agent.transaction_counters.client_transactions == 2


class TestForks:
    async def test_that_both_answer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-forks") as uri:
            call, events = ours.place(uri)
            assert (await events.next(Progress)).fork == "one"
            assert (await events.next(Progress)).fork == "two"
            answered = await events.next(Answered)
            assert answered.fork == "two"
            await until(lambda: ours.agent.transaction_counters.client_transactions == 2)  # the INVITE, the other BYE
            call.hangup(reason="Q.850;cause=16")
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Progress", "Answered", "HungUp"]

    async def test_of_which_one_repeats_its_answer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-fork-is-repeated", "-nr") as uri:
            call, events = ours.place(uri)
            assert (await events.next(Answered)).fork == "one"
            await until(lambda: ours.agent.statistics.messages_received == 4)  # three 200 to INVITE, one to BYE
            call.hangup()
            await events.next(HungUp)
        assert ours.agent.transaction_counters.client_transactions == 3

    async def test_of_which_one_ends_early(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-fork-ends") as uri:
            call, events = ours.place(uri)
            assert (await events.next(Answered)).fork == "two"
            call.hangup()
            await events.next(HungUp)
        told = [(event.status, event.fork) for event in events.items if isinstance(event, Progress)]
        assert told == [(183, "one"), (183, "two"), (199, "one")]

    async def test_that_are_cancelled_while_one_answers(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-forks-and-is-cancelled") as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            await events.next(Progress)
            call.cancel()
            assert (await events.next(Rejected)).status == 487
        assert events.kinds == ["Progress", "Progress", "Rejected"]

    async def test_of_which_we_end_one(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-fork-is-ended") as uri:
            call, events = ours.place(uri)
            await events.next(Progress)
            await events.next(Progress)
            call.end_fork("one")
            assert (await events.next(Answered)).fork == "two"
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Progress", "Progress", "Answered", "HungUp"]
