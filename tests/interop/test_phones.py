"""Our user agent calls a phone that nobody here wrote, and each does to the other what phones do within a call.

Held with baresip 1.0.0 and linphonec 5.1. Left out because the phone cannot: attended transfer by baresip, which knows
no Replaces, and a look by baresip at who is there before it transfers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sip import (
    Answered,
    HungUp,
    Offer,
    OfferAnswered,
    OtherUri,
    ReferAccepted,
    ReferEnded,
    ReferProgress,
    Referred,
    RemoteHangup,
    Replaced,
    SipUri,
)
from tests.interop.linphone_phone import LinphonePhone
from tests.interop.our_phone import OurCall, OurPhone, our_phone
from tests.interop.phones import PHONES, VOICE, Phone, a_phone_that_answers, uri
from tests.support.tones import level, read_wav, seconds_of

pytestmark = pytest.mark.interop

Program = Callable[[str], str]
Port = Callable[[], int]


@pytest.fixture
async def we() -> AsyncIterator[OurPhone]:
    async with our_phone() as phone:
        yield phone


async def talking(we: OurPhone, phone: Phone, *, hertz: float = 440, at_least: float = 0.3) -> OurCall:
    """A call from us to the phone in which it is heard."""
    ours = we.call(uri(phone))
    ours.say(hertz)
    await ours.wait(Answered)
    await ours.hears(VOICE, at_least)
    return ours


@pytest.mark.parametrize("kind", PHONES)
async def test_a_phone_is_called_held_and_holds_and_keys_go_both_ways(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, kind: str
) -> None:
    async with a_phone_that_answers(kind, program, free_port, tmp_path) as phone:
        ours = await talking(we, phone, at_least=1.0)

        ours.hold()
        answered = await ours.wait(OfferAnswered)
        assert b"a=recvonly" in (answered.body or b"")
        assert ours.direction == "sendonly"
        await ours.silence_of(VOICE)
        ours.resume()
        await ours.wait(OfferAnswered, 2)
        assert ours.direction == "sendrecv"
        await ours.hears(VOICE)

        await phone.press("5")
        await ours.until(lambda: ours.keys == "5")
        await ours.press("7")
        await phone.gets_key("7")

        await phone.hold()
        held = await ours.wait(Offer)
        assert b"a=sendonly" in held.body
        assert ours.direction == "recvonly"
        before = ours.session.statistics().packets_out
        await asyncio.sleep(0.3)
        assert ours.session.statistics().packets_out == before, "who is on hold sends nothing"
        await phone.resume()
        await ours.wait(Offer, 2)
        assert ours.direction == "sendrecv"
        await ours.hears(VOICE)
        assert ours.session.statistics().packets_out > before

        ours.call.hangup()
        assert (await ours.wait(HungUp)).status == 200
    samples, rate = read_wav(phone.heard())
    assert seconds_of(samples, 440, rate) >= 0.5, "the phone must hear us"
    assert level(samples, VOICE, rate) < 0.01, "and never itself"


@pytest.mark.parametrize("kind", PHONES)
async def test_a_phone_goes_where_we_send_it_and_reports_how_far_it_came(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, kind: str
) -> None:
    async with a_phone_that_answers(kind, program, free_port, tmp_path) as phone:
        ours = await talking(we, phone)
        ours.call.refer(we.uri("third"))
        third = await we.called()
        third.say(880)
        await ours.wait(ReferEnded)
        reports = [event.status for event in ours.all(ReferProgress)]
        assert len(ours.all(ReferAccepted)) == 1
        assert (reports[0], reports[-1]) == (100, 200)
        ours.call.hangup()
        await ours.wait(HungUp)
        await third.hears(VOICE, 0.8)
        third.call.hangup()
        assert (await third.wait(HungUp)).status == 200
    samples, rate = read_wav(phone.heard())
    assert seconds_of(samples, 880, rate) >= 0.3, "the phone must hear the one it was sent to"


@pytest.mark.parametrize("kind", PHONES)
async def test_a_transfer_to_nobody_is_reported_and_may_be_tried_again(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, kind: str
) -> None:
    async with a_phone_that_answers(kind, program, free_port, tmp_path) as phone:
        ours = await talking(we, phone)
        we.refusal = 486
        ours.call.refer(we.uri("busy"))
        await ours.wait(ReferEnded)
        assert ours.all(ReferProgress)[-1].status >= 400
        await ours.until(lambda: ours.direction == "sendrecv")  # linphonec holds us meanwhile
        we.refusal = None
        ours.call.refer(we.uri("third"))
        third = await we.called()
        await ours.wait(ReferEnded, 2)
        assert ours.all(ReferProgress)[-1].status == 200
        await third.hears(VOICE)


@pytest.mark.parametrize("kind", PHONES)
async def test_a_phone_sends_us_elsewhere(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path, kind: str
) -> None:
    async with a_phone_that_answers(kind, program, free_port, tmp_path) as phone, our_phone() as elsewhere:
        ours = await talking(we, phone)
        await phone.transfer(str(elsewhere.uri("fourth")))
        asked = await ours.wait(Referred)
        assert not isinstance(asked.target, OtherUri)
        assert (asked.target.user, asked.target.port, asked.replaces) == ("fourth", elsewhere.uri().port, None)
        asked.respond.accept()
        after = we.call(asked.target)
        await after.wait(Answered)
        asked.respond.notify(200)
        await ours.wait(RemoteHangup)
        (await elsewhere.called()).say(660)
        await after.hears(660)


async def test_linphonec_puts_two_calls_with_us_together(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path
) -> None:
    """Attended transfer (RFC 3891): the Refer-To of the phone names the second call, and our INVITE takes its place."""
    async with (
        a_phone_that_answers("linphonec", program, free_port, tmp_path) as phone,
        our_phone() as other,
    ):
        assert isinstance(phone, LinphonePhone)
        first = await talking(we, phone)
        await phone.hold()
        await first.wait(Offer)
        await phone.dial(str(other.uri("second")))
        second = await other.called()
        await second.hears(VOICE)
        await phone.command("transfer 1 --to-call 2")
        asked = await first.wait(Referred)
        assert asked.replaces is not None
        assert asked.replaces.call_id == second.call.call_id
        asked.respond.accept()
        assert isinstance(asked.target, SipUri)
        after = we.call(asked.target, next_hop=other.sip)  # it leaves the port out, as behind a proxy
        after.say(550)
        await after.wait(Answered)
        asked.respond.notify(200)
        assert (await second.wait(Replaced)).by == after.call.call_id
        third = await other.called(2)
        await third.hears(550)
        assert (await second.wait(HungUp)).status == 200
        await first.wait(RemoteHangup)


async def test_we_put_linphonec_together_with_another_call_of_ours(
    we: OurPhone, program: Program, free_port: Port, tmp_path: Path
) -> None:
    """The phone's INVITE carries the Replaces of our REFER, and takes the place of our call at the other end."""
    async with (
        a_phone_that_answers("linphonec", program, free_port, tmp_path) as phone,
        our_phone() as other,
    ):
        first = await talking(we, phone)
        second = we.call(other.uri("second"))
        await second.wait(Answered)
        theirs = await other.called()
        first.call.refer(other.uri("second"), replaces=second.call.replaces_value)
        taken = await other.called(2)
        assert (await theirs.wait(Replaced)).by == taken.call.call_id
        await second.wait(RemoteHangup)
        await first.wait(ReferEnded)
        assert first.all(ReferProgress)[-1].status == 200
        await taken.hears(VOICE)
