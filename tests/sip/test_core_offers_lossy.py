"""Whole calls with reliable provisional responses, UPDATE and re-INVITE over a wire that loses, duplicates and
reorders: both sides end alike, and nothing is left."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from sip.core.call import Call
from sip.core.call_state import CallState
from sip.core.events import Answered, CallEvent, Offer
from sip.core.incoming import IncomingCall
from sip.errors import LocalProtocolError
from tests.sip.support import ANSWER, OFFER, Agent, Wire, losing, pair

Fate = Callable[[int, bytes, Agent], Sequence[float]]


class Conversation:
    """A caller and a callee that answer each offer; the callee sends early media, then answers."""

    def __init__(self, fate: Fate | None, *, body: bytes = OFFER) -> None:
        self.caller, self.callee, self.wire = pair(fate, self._on_call)
        self.ours = self.caller.place(body=body)
        self._answer_offers(self.ours, self.caller.events[self.ours])
        self.late = not body

    def _on_call(self, call: IncomingCall) -> None:
        self._answer_offers(call, self.callee.attend(call))
        call.ring(reliable=call.offer is not None)
        call.progress(ANSWER)
        call.answer(ANSWER)

    def _answer_offers(self, call: Call, seen: list[CallEvent]) -> None:
        def hear(event: CallEvent) -> None:
            seen.append(event)
            if isinstance(event, Offer):
                event.respond.accept(ANSWER)
            elif isinstance(event, Answered) and event.body is not None:
                self.ours.acknowledge(ANSWER)

        call.on_event = hear

    def try_to(self, act: Callable[[bytes], None]) -> None:
        """Make an offer, unless one is under way."""
        try:
            act(OFFER)
        except LocalProtocolError:
            return

    def left(self) -> tuple[int, ...]:
        """What is left on both sides once every timer has run."""
        self.wire.fate = lambda _number, _data, _sender: (Wire.DELAY,)
        self.wire.run(200)
        return tuple(
            number
            for a in (self.caller, self.callee)
            for number in (
                a.core.calls,
                a.core.dialogs,
                a.core.layer.client_count,
                a.core.layer.server_count,
                len(a.core.layer.timers),
            )
        )


@pytest.mark.parametrize("body", [OFFER, b""])
@pytest.mark.parametrize(
    "lost",
    [
        (),
        ("180",),
        ("183",),
        ("183", "183"),
        ("PRACK",),
        ("PRACK", "PRACK", "PRACK"),
        ("200",),
        ("200", "200", "200"),
        ("ACK",),
        ("INVITE", "183", "PRACK", "200", "ACK"),
    ],
)
def test_a_call_with_early_media_is_made_whatever_is_lost(lost: Sequence[str], body: bytes) -> None:
    """RFC 3262 §3, §4."""
    talk = Conversation(losing(*lost), body=body)
    talk.wire.run(25)
    assert talk.ours.state is CallState.CONFIRMED
    assert talk.callee.calls[0].state is CallState.CONFIRMED
    assert len(talk.callee.calls) == 1
    talk.ours.hangup()
    assert talk.left() == (0,) * 10


def test_without_any_prack_both_sides_end() -> None:
    """RFC 3262 §3: 504."""
    talk = Conversation(lambda _n, data, _s: () if data.startswith(b"PRACK") else (Wire.DELAY,))
    talk.wire.run(40)
    assert "504" in talk.wire.methods(talk.callee)
    assert talk.ours.ended
    assert talk.callee.calls[0].ended
    assert talk.left() == (0,) * 10


@pytest.mark.parametrize("seed", range(300))
def test_both_sides_end_alike_over_a_bad_wire(seed: int) -> None:
    """Up to 30 % lost, 10 % twice, delays that reorder; offers from both sides at any time."""
    rng = random.Random(seed)
    loss = rng.uniform(0, 0.3)

    def fate(_number: int, _data: bytes, _sender: Agent) -> Sequence[float]:
        if rng.random() < loss:
            return ()
        return [rng.uniform(0.005, 0.3) for _ in range(2 if rng.random() < 0.1 else 1)]

    talk = Conversation(fate, body=rng.choice((OFFER, b"")))
    for _ in range(rng.randrange(5)):
        talk.wire.run(rng.uniform(0.1, 4))
        calls: list[Call] = [talk.ours, *talk.callee.calls]
        for call in rng.sample(calls, rng.randrange(len(calls) + 1)):
            if call.state is CallState.CONFIRMED:
                talk.try_to(rng.choice((call.reinvite, call.update)))
            elif call.state is CallState.EARLY:
                talk.try_to(call.update)
    talk.wire.fate = lambda _number, _data, _sender: (Wire.DELAY,)
    talk.wire.run(140)
    assert talk.callee.calls
    states = {talk.ours.state, *(call.state for call in talk.callee.calls)}
    assert states in ({CallState.CONFIRMED}, {CallState.ENDED}), seed
    if states == {CallState.CONFIRMED}:
        talk.try_to(talk.ours.reinvite)  # no offer is stuck on either side
        talk.wire.run(20)
        for call in (talk.ours, talk.callee.calls[0]):
            assert call._offers.is_free
            assert call._offers.wanted is None
        rng.choice((talk.ours, talk.callee.calls[0])).hangup()
    assert talk.left() == (0,) * 10
