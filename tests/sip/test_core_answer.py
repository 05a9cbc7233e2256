"""A 2xx that waits for its ACK (RFC 3261 §13.3.1.4)."""

from __future__ import annotations

from sip.core.answer import UnacknowledgedAnswer
from tests.sip.support import LOCAL, PEER, Bench


def answer(transport_bench: Bench, gave_up: list[str]) -> UnacknowledgedAnswer:
    data = b"SIP/2.0 200 OK\r\n\r\n"
    return UnacknowledgedAnswer(transport_bench.layer, data, PEER, LOCAL, 1, lambda: gave_up.append("no ack"))


def test_it_is_repeated_up_to_t2_and_given_up_after_64_t1() -> None:
    bench, gave_up = Bench(), list[str]()
    answer(bench, gave_up)
    sent = bench.pass_time(31.99)
    assert [time for time, _ in sent] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert gave_up == []
    assert bench.pass_time(60) == []
    assert gave_up == ["no ack"]
    assert bench.layer.counters.retransmissions_sent == 10


def test_it_goes_where_the_first_copy_went() -> None:
    bench, gave_up = Bench(), list[str]()
    answer(bench, gave_up)
    bench.clock.now += 0.5
    entry = bench.layer.timers.pop_due()
    assert entry is not None
    entry[0](entry[1])
    (datagram,) = bench.layer.output
    assert (datagram.remote, datagram.local) == (PEER, LOCAL)


def test_the_ack_ends_it() -> None:
    bench, gave_up = Bench(), list[str]()
    pending = answer(bench, gave_up)
    bench.pass_time(1)
    pending.acknowledge()
    pending.acknowledge()
    assert bench.pass_time(100) == []
    assert gave_up == []
    assert len(bench.layer.timers) == 0
