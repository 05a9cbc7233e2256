"""Two cores joined by a wire that loses, duplicates, delays and reorders: the races of RFC 5407 and of our issue
list."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from sip.core.events import (
    Answered,
    CallEvent,
    Cancelled,
    Confirmed,
    HungUp,
    Offer,
    OfferAnswered,
    Rejected,
    RemoteHangup,
)
from sip.core.incoming import IncomingCall
from tests.sip.support import ANSWER, OFFER, Agent, Wire, losing, only_request, pair, response


def answer_at_once(call: IncomingCall) -> None:
    call.answer(ANSWER)


def names(agent: Agent, call: object) -> list[str]:
    return [type(event).__name__ for event in agent.events[call]]  # type: ignore[index]


class Talk:
    """A caller and a callee over a wire; the callee's calls are attended."""

    def __init__(self, fate: object = None, *, answering: bool = True) -> None:
        def on_call(call: IncomingCall) -> None:
            self.callee.attend(call)
            if answering:
                call.answer(ANSWER)

        self.caller, self.callee, self.wire = pair(fate, on_call)  # type: ignore[arg-type]
        self.ours = self.caller.place()

    @property
    def theirs(self) -> IncomingCall:
        return self.callee.calls[0]

    def said(self) -> list[str]:
        return names(self.caller, self.ours)

    def heard(self) -> list[str]:
        return names(self.callee, self.theirs)

    def is_clean(self) -> bool:
        """Whether nothing is left on either side, once every timer has run."""
        self.wire.run(40)
        return all(
            (
                a.core.calls,
                a.core.dialogs,
                a.core.layer.client_count,
                a.core.layer.server_count,
                len(a.core.layer.timers),
            )
            == (0, 0, 0, 0, 0)
            for a in (self.caller, self.callee)
        )


@pytest.mark.parametrize(
    "lost",
    [
        (),
        ("INVITE",),
        ("INVITE", "INVITE", "INVITE"),
        ("200",),
        ("200", "200"),
        ("ACK",),
        ("ACK", "ACK"),
        ("200", "ACK"),
        ("INVITE", "200", "ACK"),
    ],
)
def test_a_call_is_made_and_ended_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Talk(losing(*lost))
    talk.wire.run(10)
    assert talk.said() == ["Answered"]
    assert talk.heard() == ["Confirmed"]
    assert len(talk.callee.calls) == 1
    talk.ours.hangup()
    talk.wire.run(5)
    assert talk.said() == ["Answered", "HungUp"]
    assert talk.heard() == ["Confirmed", "RemoteHangup"]
    assert talk.is_clean()


@pytest.mark.parametrize("lost", [("BYE",), ("BYE", "BYE"), ("200",), ("BYE", "200")])
def test_a_bye_gets_through_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Talk()
    talk.wire.run(1)
    talk.wire.fate = losing(*lost)
    talk.theirs.hangup()
    talk.wire.run(10)
    assert talk.said()[-1] == "RemoteHangup"
    assert talk.callee.events[talk.theirs][-1] == HungUp(200)
    assert talk.is_clean()


def test_without_any_ack_both_sides_end() -> None:
    talk = Talk(lambda _n, data, _s: () if data.startswith(b"ACK") else (Wire.DELAY,))
    talk.wire.run(40)
    assert talk.heard() == ["Failed"]
    assert talk.said() == ["Answered", "RemoteHangup"]
    assert talk.is_clean()


def test_byes_that_cross() -> None:
    talk = Talk()
    talk.wire.run(1)
    talk.ours.hangup()
    talk.theirs.hangup()
    talk.wire.run(1)
    assert talk.said() == ["Answered", "RemoteHangup"]
    assert talk.heard() == ["Confirmed", "RemoteHangup"]
    assert talk.is_clean()


def test_a_cancel_that_crosses_the_200() -> None:
    talk = Talk(answering=False)
    talk.wire.run(0.5)
    talk.theirs.ring()
    talk.wire.run(0.1)
    talk.theirs.answer(ANSWER)
    talk.ours.cancel()
    talk.wire.run(2)
    assert talk.said() == ["Progress", "Rejected"]
    assert talk.heard() == ["Confirmed", "RemoteHangup"]
    assert talk.is_clean()


def test_a_cancel_in_time() -> None:
    talk = Talk(answering=False)
    talk.wire.run(0.5)
    talk.ours.cancel(reason="SIP;cause=200")
    talk.wire.run(2)
    rejected = talk.caller.events[talk.ours][-1]
    assert isinstance(rejected, Rejected)
    assert rejected.status == 487
    assert talk.callee.events[talk.theirs] == [Cancelled("SIP;cause=200")]
    assert talk.is_clean()


@pytest.mark.parametrize("lost", [("CANCEL",), ("487",), ("CANCEL", "487"), ("200",), ("ACK",), ("487", "ACK")])
def test_a_cancel_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Talk(answering=False)
    talk.wire.run(0.5)
    talk.wire.fate = losing(*lost)
    talk.ours.cancel()
    talk.wire.run(10)
    assert talk.said() == ["Rejected"]
    assert talk.heard() == ["Cancelled"]
    assert talk.is_clean()


@pytest.mark.parametrize("lost", [("486",), ("ACK",), ("486", "486", "ACK")])
def test_a_rejection_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Talk(losing(*lost), answering=False)
    talk.wire.run(0.3)
    talk.theirs.reject(486)
    talk.wire.run(10)
    rejected = talk.caller.events[talk.ours][-1]
    assert isinstance(rejected, Rejected)
    assert rejected.status == 486
    assert len(talk.callee.calls) == 1
    assert talk.is_clean()


def test_offers_that_cross_are_made_again_one_after_the_other() -> None:
    """RFC 3261 §14.1: glare."""
    talk = Talk()
    talk.wire.run(1)
    talk.ours.reinvite(OFFER)
    talk.theirs.reinvite(OFFER)
    for agent, call in ((talk.caller, talk.ours), (talk.callee, talk.theirs)):
        seen = agent.events[call]

        def accept(event: CallEvent, seen: list[CallEvent] = seen) -> None:
            seen.append(event)
            if isinstance(event, Offer):
                event.respond.accept(ANSWER)

        call.on_event = accept
    talk.wire.run(6)
    assert talk.said()[1:] == ["Offer", "OfferAnswered"]
    assert talk.heard()[1:] == ["OfferAnswered", "Offer"]
    talk.ours.hangup()
    assert talk.is_clean()


@pytest.mark.parametrize("lost", [("INVITE",), ("200",), ("ACK",), ("200", "ACK")])
def test_a_reinvite_whatever_is_lost(lost: Sequence[str]) -> None:
    talk = Talk()
    talk.wire.run(1)
    talk.wire.fate = losing(*lost)
    talk.ours.reinvite(OFFER)
    talk.wire.run(2)
    offer = talk.callee.events[talk.theirs][-1]
    assert isinstance(offer, Offer)
    offer.respond.accept(ANSWER)
    talk.wire.run(5)
    assert talk.caller.events[talk.ours][-1] == OfferAnswered(ANSWER)
    assert sum(isinstance(event, Offer) for event in talk.callee.events[talk.theirs]) == 1
    talk.theirs.hangup()
    assert talk.is_clean()


def test_a_bye_that_crosses_a_reinvite_ends_the_call() -> None:
    """RFC 5407 §3.2."""
    talk = Talk()
    talk.wire.run(1)
    talk.ours.reinvite(OFFER)
    talk.theirs.hangup()
    talk.wire.run(1)
    assert talk.said()[0] == "Answered"
    assert "RemoteHangup" in talk.said()
    assert talk.is_clean()


@pytest.mark.parametrize("refreshing", [False, True])
def test_an_answer_to_a_reinvite_that_comes_after_the_end_is_acknowledged(*, refreshing: bool) -> None:
    """The 200 crosses our BYE, and the 200 to that overtakes it; each repetition of it gets the same ACK."""
    ours = Agent()
    call = ours.place()
    session = [("Session-Expires", "90;refresher=uac")] if refreshing else []
    ours.answer_to(response(only_request(ours.sent()), 200, body=ANSWER, headers=session))
    if refreshing:
        ours.pass_time(45)
    else:
        call.reinvite(OFFER)
    reinvite = only_request(ours.sent())
    call.hangup()
    ours.receive(response(only_request(ours.sent()), 200))
    assert names(ours, call) == ["Answered", "HungUp"]
    acks = [bytes(only_request(ours.answer_to(response(reinvite, 200, body=ANSWER)))) for _ in range(2)]
    assert acks[0].startswith(b"ACK sip:callee@192.0.2.99:5070 SIP/2.0\r\n")
    assert f"CSeq: {reinvite.cseq.number} ACK\r\n".encode() in acks[0]
    assert acks[0] == acks[1]
    assert ours.core.calls == 0


def test_a_refusal_of_a_reinvite_that_comes_after_the_end_changes_nothing() -> None:
    ours = Agent()
    call = ours.place()
    ours.answer_to(response(only_request(ours.sent()), 200, body=ANSWER))
    call.reinvite(OFFER)
    reinvite = only_request(ours.sent())
    call.hangup()
    ours.receive(response(only_request(ours.sent()), 200))
    acknowledged = only_request(ours.answer_to(response(reinvite, 487)))
    assert acknowledged.top_via.branch == reinvite.top_via.branch
    assert names(ours, call) == ["Answered", "HungUp"]


def test_everything_twice_makes_one_call() -> None:
    talk = Talk(lambda _n, _d, _s: (Wire.DELAY, 2 * Wire.DELAY))
    talk.wire.run(5)
    talk.ours.hangup()
    talk.wire.run(5)
    assert len(talk.callee.calls) == 1
    assert talk.said() == ["Answered", "HungUp"]
    assert talk.heard() == ["Confirmed", "RemoteHangup"]
    assert talk.is_clean()


@pytest.mark.parametrize("seed", range(40))
def test_a_bad_network_never_leaves_a_call_behind(seed: int) -> None:
    """Loss, duplication and reordering by chance: the two sides may disagree on how, never on whether the call
    ended."""
    chance = random.Random(seed)

    def fate(_number: int, _data: bytes, _sender: Agent) -> Sequence[float]:
        return [chance.uniform(0.001, 1.5) for _ in range(chance.choice((0, 0, 1, 1, 1, 1, 2)))]

    talk = Talk(fate, answering=bool(seed % 2))
    talk.wire.run(chance.uniform(0.1, 6))
    actions = [talk.ours.hangup, talk.ours.cancel]
    if talk.callee.calls:
        actions += [talk.theirs.hangup, lambda: talk.theirs.answer(ANSWER) if not talk.theirs.answered else None]
    for action in chance.sample(actions, k=min(2, len(actions))):
        action()
        talk.wire.run(chance.uniform(0, 2))
    talk.ours.hangup()
    talk.wire.run(80)
    for call in talk.callee.calls:
        call.hangup()
    talk.wire.run(80)
    terminal = (Rejected, HungUp, RemoteHangup)
    assert isinstance(talk.caller.events[talk.ours][-1], terminal) or names(talk.caller, talk.ours)[-1] == "Failed"
    assert talk.is_clean()
    for events in (*talk.caller.events.values(), *talk.callee.events.values()):
        assert sum(isinstance(event, Answered | Confirmed) for event in events) <= 1
