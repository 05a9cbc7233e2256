"""sipp and a user agent of ours transfer calls: REFER and its NOTIFYs both ways, and INVITE with Replaces (RFC 3515,
RFC 3891, RFC 4488)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sip import (
    Answered,
    Call,
    Confirmed,
    HungUp,
    NameAddr,
    Progress,
    ReferAccepted,
    ReferEnded,
    ReferFailed,
    ReferProgress,
    Referred,
    Rejected,
    RemoteHangup,
    Replaced,
    Replaces,
    SipUri,
)
from tests.interop.sipp_party import Events, Party, answer, until
from tests.interop.sipp_run import Sipp

pytestmark = pytest.mark.interop

Parties = Callable[..., Awaitable[Party]]
TARGET = SipUri("sip", "target", host="192.0.2.9")
BOSS = NameAddr.parse("<sip:boss@example.org>", "Referred-By")
OTHER = Replaces("other@call", to_tag="12", from_tag="34")


async def be_referred(ours: Party, call: Call, events: Events) -> None:
    """Do as the first REFER says, step by step, and hang up."""
    referred = await events.next(Referred)
    assert (referred.target, referred.method, referred.replaces) == (TARGET, "INVITE", None)
    assert referred.referred_by == BOSS
    referred.respond.accept()
    for status in (180, 200):
        received = ours.agent.statistics.messages_received
        await until(lambda: ours.agent.statistics.messages_received > received)  # noqa: B023  # the NOTIFY is answered
        referred.respond.notify(status)
    received = ours.agent.statistics.messages_received
    await until(lambda: ours.agent.statistics.messages_received > received)
    call.hangup()
    await events.next(HungUp)


async def refer(call: Call, events: Events) -> None:
    """Ask the peer to call somebody, hear of it, and hang up."""
    call.refer(TARGET, referred_by=BOSS)
    await events.next(ReferAccepted)
    assert await events.next(ReferEnded) == ReferEnded("noresource")
    call.hangup()
    await events.next(HungUp)


REFERRED = ["ReferAccepted", "ReferProgress", "ReferProgress", "ReferProgress", "ReferEnded", "HungUp"]


class TestSippCalls:
    async def test_and_transfers_us(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-refers", ours.address):
            call, events = await ours.call()
            await be_referred(ours, call, events)
        assert events.kinds == ["Confirmed", "Referred", "HungUp"]

    async def test_and_transfers_us_twice(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-refers-twice", ours.address):
            _call, events = await ours.call()
            for status in (603, 200):
                referred = await events.next(Referred)
                referred.respond.accept()
                referred.respond.notify(status)
            (await events.next(Referred)).respond.reject()
        assert events.kinds == ["Confirmed", "Referred", "Referred", "Referred", "RemoteHangup"]

    async def test_and_transfers_us_without_wanting_to_hear_of_it(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-refers-quietly", ours.address):
            _call, events = await ours.call()
            referred = await events.next(Referred)
            referred.respond.accept()
            referred.respond.notify(200)
        assert ours.agent.transaction_counters.client_transactions == 0

    async def test_and_refers_us_to_nothing(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        ours.parse_errors = 3
        await sipp.calls("uac-refers-wrongly", ours.address)
        _call, events = await ours.call()
        assert events.kinds == ["Confirmed", "RemoteHangup"]

    async def test_and_has_us_take_over_a_call_elsewhere(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.waits("uas-replaces") as target:
            key = ("-key", "target_port", str(target.port))
            async with sipp.calling("uac-refers-with-replaces", ours.address, *key):
                call, events = await ours.call()
                referred = await events.next(Referred)
                assert referred.replaces == OTHER
                referred.respond.accept()
                assert isinstance(referred.target, SipUri)
                other, told = ours.place(referred.target)
                await told.next(Answered)
                referred.respond.notify(200)
                await until(lambda: ours.agent.transaction_counters.client_transactions == 3)  # INVITE, NOTIFY, NOTIFY
                await until(lambda: ours.agent.statistics.messages_received == 6)
                call.hangup()
                await events.next(HungUp)
                other.hangup()
                await told.next(HungUp)

    async def test_and_is_transferred(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-is-referred", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            await refer(call, events)
        assert events.kinds == ["Confirmed", *REFERRED]

    async def test_and_is_replaced(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.calling("uac-is-replaced", ours.address):
            call, events = await ours.call()
            await events.next(Confirmed)
            named = Replaces(call.call_id, call.dialog.local_tag, call.dialog.remote_tag or "")
            await sipp.calls("uac-replaces-too-late", ours.address, "-key", "replaces", str(named))
            assert events.kinds == ["Confirmed"]
            await sipp.calls("uac-replaces", ours.address, "-key", "replaces", str(named))
            other, told = await ours.call()
            await events.next(HungUp)
        assert events.items == [Confirmed(None), Replaced(other.call_id), HungUp(200)]
        assert told.items == [Confirmed(None), RemoteHangup(None)]


class TestWeCallSipp:
    async def test_and_it_transfers_us(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-refers") as uri:
            call, events = ours.place(uri)
            await be_referred(ours, call, events)
        assert events.kinds == ["Answered", "Referred", "HungUp"]

    async def test_and_transfer_it(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-referred") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            await refer(call, events)
        assert events.kinds == ["Answered", *REFERRED]
        told = [(event.status, event.reason) for event in events.items if isinstance(event, ReferProgress)]
        assert told == [(100, "Trying"), (180, "Ringing"), (200, "OK")]

    async def test_and_have_it_take_over_a_call_of_ours(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-is-referred-with-replaces") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.refer(TARGET, replaces=OTHER)
            assert await events.next(ReferEnded) == ReferEnded("no_subscription")
            call.hangup()
            await events.next(HungUp)

    async def test_and_its_first_word_on_our_transfer_overtakes_its_answer(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-notifies-early") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.refer(TARGET)
            await events.next(ReferEnded)
            call.hangup()
            await events.next(HungUp)
        assert events.kinds == ["Answered", "ReferAccepted", "ReferProgress", "ReferProgress", "ReferEnded", "HungUp"]
        assert ReferProgress(503, "Service Unavailable") in events.items

    async def test_and_it_declines_to_be_transferred(self, sipp: Sipp, party: Parties) -> None:
        ours = await party()
        async with sipp.waits("uas-refuses-refer") as uri:
            call, events = ours.place(uri)
            await events.next(Answered)
            call.refer(TARGET)
            assert await events.next(ReferFailed) == ReferFailed(603, "Decline")
            call.hangup()
            await events.next(HungUp)

    async def test_and_somebody_picks_the_call_up_while_it_rings(self, sipp: Sipp, party: Parties) -> None:
        ours = await party(answer)
        async with sipp.waits("uas-is-picked-up") as uri:
            call, events = ours.place(uri)
            progress = await events.next(Progress)
            named = Replaces(call.call_id, to_tag=call.request.from_.tag or "", from_tag=progress.fork or "")
            await sipp.calls("uac-replaces", ours.address, "-key", "replaces", str(named))
            await events.next(Rejected)
        other, _told = await ours.call()
        assert events.kinds == ["Progress", "Replaced", "Rejected"]
        assert Replaced(other.call_id) in events.items
