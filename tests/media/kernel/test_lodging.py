"""Which port a session gets, and when two may share one."""

from __future__ import annotations

import pytest

from media.kernel.lodging import AddressTaken, Lodging, Lodgings
from media.kernel.ports import PortPool, PortsExhausted

LOOPBACK = "127.0.0.1"
HOST = "198.51.100.1"


def lodgings(pairs: int = 2, cores: int = 1) -> Lodgings:
    return Lodgings(PortPool(42_100, 42_099 + 2 * pairs), 16, cores)


def take(made: Lodgings, port: int | None = None, *, seen_from: str | None = HOST, cores: tuple[int, ...] = (0,)):
    remote = None if port is None else (HOST, port)
    lodging = made.take(LOOPBACK, cores, remote=remote, seen_from=seen_from)
    lodging.signal(remote)
    return lodging


def forget(*all_of_them: Lodging) -> None:
    for lodging in all_of_them:
        lodging.forget()


def test_each_has_a_port_of_its_own_while_there_are_any_and_then_the_one_with_the_fewest() -> None:
    made = lodgings(pairs=3)
    taken = [take(made, 4000 + 2 * number) for number in range(9)]
    assert len({lodging.pair for lodging in taken[:3]}) == 3
    assert sorted(pair.busy for pair in {lodging.pair for lodging in taken}) == [3, 3, 3]
    assert made.free == 0
    forget(*taken)
    assert made.free == 3


def test_nobody_has_the_address_of_another_on_the_same_port() -> None:
    made = lodgings()
    first, second = take(made, 4000), take(made, 4000)
    assert first.pair is not second.pair
    with pytest.raises(PortsExhausted, match="all 2 RTP port pairs"):
        take(made, 4000)
    third = take(made, 4002)
    other = first if third.pair is first.pair else second
    with pytest.raises(AddressTaken, match=str(other.pair.local[1])):
        third.signal((HOST, 4000))
    other.found((HOST, 7000))
    with pytest.raises(AddressTaken):
        third.check((HOST, 7000))
    third.signal((HOST, 4002))
    forget(first, second, third)


def test_an_unknown_far_end_needs_the_seat_until_it_is_found() -> None:
    made = lodgings(pairs=1)
    told: list[bool] = []
    first = take(made, seen_from=None)
    first.on_seat = told.append
    for port in (None, 4000):
        with pytest.raises(PortsExhausted):
            take(made, port, seen_from="192.0.2.1")
    first.signal((HOST, 5000))
    assert (first.seated, told) == (True, [])
    first.found((HOST, 5001))
    assert (first.seated, told) == (False, [False])
    # It did not say the truth about its port.
    assert not made.believes(HOST)
    second = take(made, 5002, seen_from="192.0.2.1")
    assert second.seated
    second.found((HOST, 5002))
    assert made.believes(HOST)
    third = take(made, 5004, seen_from="192.0.2.1")
    assert not third.seated
    # One that moves to where it is not believed takes the seat again.
    third.on_seat = told.append
    third.signal(("203.0.113.5", 4000))
    assert told == [False, True]
    forget(first, second, third)


def test_what_has_ended_is_in_nobodys_way_but_is_not_given_up_before_it_is_forgotten() -> None:
    made = lodgings(pairs=1)
    first = take(made, 4000)
    first.end()
    assert made.free == 1
    second = take(made, 4000)
    assert second.pair is first.pair
    first.forget()
    first.forget()
    assert second.pair.owner((HOST, 4000)) is second
    second.forget()
    port = second.pair.local[1]
    again = take(made, 4000)
    assert again.pair.local[1] == port
    again.forget()


def test_who_rings_shares_with_those_who_have_been_heard() -> None:
    made = lodgings(pairs=2)
    unheard, heard = take(made, 4000), take(made, 4002)
    heard.found((HOST, 4002))
    more = take(made, 4004)
    more.found((HOST, 4004))
    (one,) = {heard.pair, more.pair} - {unheard.pair} or {None}
    ringing = take(made)
    assert ringing.pair is one
    forget(unheard, heard, more, ringing)


def test_a_port_belongs_to_one_core() -> None:
    made = lodgings(pairs=2, cores=2)
    first, second = take(made, 4000, cores=(0, 1)), take(made, 4002, cores=(1, 0))
    assert (first.pair.core, second.pair.core) == (0, 1)
    assert (first.pair.index, second.pair.index) == (0, 16)
    more = [take(made, port, cores=cores) for port, cores in ((4004, (1, 0)), (4006, (0, 1)), (4002, (1, 0)))]
    # The last one's address is taken on the core that it would have liked best.
    assert [lodging.pair for lodging in more] == [second.pair, first.pair, first.pair]
    forget(first, second, *more)


def test_only_so_many_hosts_are_remembered() -> None:
    made = lodgings()
    for number in range(5000):
        made.judge(f"10.0.{number // 256}.{number % 256}", truthful=True)
    assert not made.believes("10.0.0.1")
    assert made.believes("10.0.19.135")
    made.judge("10.0.19.135", truthful=False)
    assert not made.believes("10.0.19.135")
