"""Whom a session listens to: what is learned, what is not, and what a third party can do."""

from __future__ import annotations

import pytest

from tests.media.support import MS, SECOND, Desk, Kernel, event_payload, opened_desk, rtp

SIGNALLED = Desk.PEER
NATTED = ("127.0.0.1", 50_000)
STRANGER = ("203.0.113.9", 4000)
OTHER_STRANGER = ("198.51.100.7", 4000)


class Caller:
    """Somebody who sends packets with numbers of their own."""

    def __init__(self, desk: Desk, source: tuple[str, int], *, ssrc: int, sequence: int = 100) -> None:
        self.desk, self.source, self.ssrc, self.sequence = desk, source, ssrc, sequence

    def send(self, count: int = 1, *, step: int = 1, **changes) -> int:
        """Send packets and return how many were accepted."""
        before = int(self.desk.row["received"])
        for _ in range(count):
            self.desk.give(rtp(self.sequence, self.sequence * 160, ssrc=self.ssrc, **changes), source=self.source)
            self.sequence += step
            self.desk.now += 20 * MS
        return int(self.desk.row["received"]) - before


def latched(desk: Desk) -> list[tuple[str, int]]:
    return [desk.k.addresses.address_text(*event.words) for event in desk.events(desk.c.EVENT_LATCHED)]


def target(desk: Desk) -> tuple[str, int]:
    return desk.k.addresses.address_text(*desk.row["remote"].tolist()[:3])


def test_the_signalled_address_is_believed_with_its_first_packet(desk: Desk) -> None:
    assert Caller(desk, SIGNALLED, ssrc=1).send() == 1
    assert latched(desk) == [SIGNALLED]


def test_we_send_to_the_signalled_address_until_another_is_learned(desk: Desk) -> None:
    assert target(desk) == SIGNALLED
    phone = Caller(desk, NATTED, ssrc=1)
    phone.send(2)
    assert target(desk) == SIGNALLED
    phone.send()
    assert target(desk) == NATTED


@pytest.mark.parametrize("source", [NATTED, STRANGER])
def test_an_address_not_signalled_is_learned_from_consecutive_packets(desk: Desk, source: tuple[str, int]) -> None:
    phone = Caller(desk, source, ssrc=1)
    assert phone.send(desk.c.LATCH_PACKETS - 1) == 0
    assert latched(desk) == []
    assert phone.send() == 1
    assert latched(desk) == [source]
    assert phone.send(5) == 5
    assert desk.row["drops"][desk.c.DROP_PROBATION] == desk.c.LATCH_PACKETS - 1


def test_packets_with_gaps_between_are_not_consecutive(desk: Desk) -> None:
    assert Caller(desk, STRANGER, ssrc=1).send(20, step=2) == 0


def test_packets_of_changing_ssrc_are_not_consecutive(desk: Desk) -> None:
    for ssrc in range(20):
        assert Caller(desk, STRANGER, ssrc=ssrc, sequence=100 + ssrc).send() == 0


def test_packets_of_another_payload_type_teach_nothing(desk: Desk) -> None:
    assert Caller(desk, STRANGER, ssrc=1).send(20, payload_type=18) == 0
    assert latched(desk) == []
    assert desk.row["drops"][desk.c.DROP_PAYLOAD_TYPE] == 20


def test_telephone_events_count_towards_the_consecutive_packets(desk: Desk) -> None:
    phone = Caller(desk, NATTED, ssrc=1)
    phone.send(2)
    desk.give(rtp(phone.sequence, 800, event_payload(5, 160), payload_type=101, ssrc=1), source=NATTED)
    assert latched(desk) == [NATTED]
    assert desk.keys() == ""


def test_a_stranger_is_not_learned_after_the_window(desk: Desk) -> None:
    desk.now += desk.c.LATCH_WINDOW_NS + SECOND
    assert Caller(desk, STRANGER, ssrc=1).send(50) == 0
    assert desk.row["drops"][desk.c.DROP_FOREIGN] == 50


def test_another_port_of_the_signalled_host_is_learned_after_the_window(desk: Desk) -> None:
    desk.now += desk.c.LATCH_WINDOW_NS + SECOND
    assert Caller(desk, NATTED, ssrc=1).send(5) == 5 - desk.c.LATCH_PACKETS + 1


@pytest.mark.parametrize("thief", [NATTED, STRANGER])
def test_nobody_takes_over_from_the_signalled_address(desk: Desk, thief: tuple[str, int]) -> None:
    phone = Caller(desk, SIGNALLED, ssrc=1)
    phone.send(3)
    # With the very SSRC and the next numbers, as somebody would who has seen the stream.
    assert Caller(desk, thief, ssrc=1, sequence=phone.sequence).send(50) == 0
    assert target(desk) == SIGNALLED
    assert phone.send(3) == 3
    assert desk.row["drops"][desk.c.DROP_FOREIGN] == 50


def test_a_learned_stranger_is_not_replaced_by_another(desk: Desk) -> None:
    phone = Caller(desk, STRANGER, ssrc=1)
    phone.send(5)
    assert Caller(desk, OTHER_STRANGER, ssrc=2).send(50) == 0
    assert phone.send(3) == 3
    assert target(desk) == STRANGER


def test_the_signalled_address_takes_over_from_a_stranger_who_was_faster(desk: Desk) -> None:
    thief = Caller(desk, STRANGER, ssrc=2)
    thief.send(5)
    phone = Caller(desk, SIGNALLED, ssrc=1)
    assert phone.send(5) == 5
    assert thief.send(5) == 0
    assert target(desk) == SIGNALLED


def test_the_signalled_host_takes_over_from_a_stranger_who_was_faster(desk: Desk) -> None:
    Caller(desk, STRANGER, ssrc=2).send(5)
    phone = Caller(desk, NATTED, ssrc=1)
    assert phone.send(5) == 5 - desk.c.LATCH_PACKETS + 1
    assert target(desk) == NATTED


def test_a_flood_of_single_packets_does_not_keep_the_phone_out(desk: Desk) -> None:
    phone = Caller(desk, NATTED, ssrc=1)
    for number in range(200):
        for attacker in range(10):
            source = (f"203.0.113.{attacker + 1}", 1024 + number)
            desk.give(rtp(number, 0, ssrc=number), source=source)
        phone.send()
    assert target(desk) == NATTED
    assert desk.row["received"] > 100


def test_a_new_signalled_address_opens_everything_again(desk: Desk) -> None:
    Caller(desk, SIGNALLED, ssrc=1).send(5)
    desk.start(remote=("127.0.0.1", 6000))
    assert target(desk) == ("127.0.0.1", 6000)
    moved = Caller(desk, STRANGER, ssrc=2)
    assert moved.send(5) == 5 - desk.c.LATCH_PACKETS + 1
    assert Caller(desk, SIGNALLED, ssrc=1).send(5, step=7) == 0


def test_the_same_signalled_address_keeps_what_was_learned(desk: Desk) -> None:
    phone = Caller(desk, NATTED, ssrc=1)
    phone.send(5)
    desk.start(payload_type=0)
    assert target(desk) == NATTED
    assert phone.send() == 1


def test_ipv6_sources_are_told_apart_by_address_and_port(kernel: Kernel) -> None:
    with opened_desk(kernel, remote=("2001:db8::1", 4000)) as desk:
        assert Caller(desk, ("2001:db8::2", 4000), ssrc=3).send(2) == 0
        assert Caller(desk, ("2001:db8::1", 4002), ssrc=2).send(3) == 1
        assert Caller(desk, ("2001:db8::1", 4000), ssrc=1).send(3) == 3
        assert latched(desk) == [("2001:db8::1", 4002), ("2001:db8::1", 4000)]
