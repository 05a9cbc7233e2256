"""Port pairs: which, in what order, and what happens when there are none."""

from __future__ import annotations

import random
import resource
import socket

import pytest

from media.kernel.ports import PortPool, PortsExhausted

FIRST, LAST = 42_000, 42_009
LOOPBACK = "127.0.0.1"


def bind(pool: PortPool) -> tuple[int, list[socket.socket]]:
    pair = pool.bind(LOOPBACK)
    return pair[0].getsockname()[1], list(pair)


def close(pool: PortPool, port: int, pair: list[socket.socket]) -> None:
    for sock in pair:
        sock.close()
    pool.release(port)


def test_rtp_is_even_and_rtcp_the_next() -> None:
    pool = PortPool(FIRST, LAST)
    pair = pool.bind(LOOPBACK)
    ports = [sock.getsockname()[1] for sock in pair]
    assert ports[0] % 2 == 0
    assert ports[1] == ports[0] + 1
    close(pool, ports[0], list(pair))


def test_the_whole_range_is_used_before_it_is_exhausted() -> None:
    pool = PortPool(FIRST, LAST)
    taken = [bind(pool) for _ in range(5)]
    assert sorted(port for port, _ in taken) == list(range(FIRST, LAST, 2))
    with pytest.raises(PortsExhausted, match=r"5 RTP port pairs.*media\.rtp_ports"):
        pool.bind(LOOPBACK)
    close(pool, *taken[0])
    port, pair = bind(pool)
    assert port == taken[0][0]
    close(pool, port, pair)
    for other in taken[1:]:
        close(pool, *other)
    assert pool.free == 5


def test_a_port_that_was_given_back_is_the_last_to_be_taken_again() -> None:
    pool = PortPool(FIRST, LAST)
    port, pair = bind(pool)
    close(pool, port, pair)
    next_ports = []
    for _ in range(5):
        again, pair = bind(pool)
        next_ports.append(again)
        close(pool, again, pair)
    assert next_ports[-1] == port
    assert len(set(next_ports)) == 5


def test_the_start_is_random() -> None:
    starts = set()
    for seed in range(20):
        pool = PortPool(FIRST, LAST, rng=random.Random(seed))
        port, pair = bind(pool)
        starts.add(port)
        close(pool, port, pair)
    assert len(starts) > 2


def test_a_port_that_another_program_has_is_passed_over() -> None:
    squatters = []
    for port in (FIRST, FIRST + 3):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((LOOPBACK, port))
        squatters.append(sock)
    pool = PortPool(FIRST, LAST)
    taken = [bind(pool) for _ in range(3)]
    assert sorted(port for port, _ in taken) == [FIRST + 4, FIRST + 6, FIRST + 8]
    with pytest.raises(PortsExhausted):
        pool.bind(LOOPBACK)
    squatters[0].close()
    assert bind_and_close(pool) == FIRST
    for other in taken:
        close(pool, *other)
    squatters[1].close()


def bind_and_close(pool: PortPool) -> int:
    port, pair = bind(pool)
    close(pool, port, pair)
    return port


@pytest.mark.parametrize(
    ("first", "last"), [(5, 5), (5, 4), (0, 10), (65_000, 65_536), (41_000, 41_000), (41_001, 41_002)]
)
def test_a_range_without_a_pair_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=r"media\.rtp_ports"):
        PortPool(first, last)


@pytest.mark.parametrize(("first", "last", "pairs"), [(41_000, 41_001, 1), (41_001, 41_003, 1), (10_000, 10_999, 500)])
def test_the_range_is_inclusive(first: int, last: int, pairs: int) -> None:
    assert PortPool(first, last).size == pairs


def test_an_address_of_another_machine_is_a_value_error() -> None:
    pool = PortPool(FIRST, LAST)
    with pytest.raises(ValueError, match="cannot receive RTP on 192"):
        pool.bind("192.0.2.1")
    assert pool.free == 5


def test_running_out_of_descriptors_gives_the_port_back() -> None:
    pool = PortPool(FIRST, LAST)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 1, hard))
        try:
            with pytest.raises(PortsExhausted, match="file descriptor"):
                pool.bind(LOOPBACK)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pool.free == 5


def test_ipv6_and_ipv4_share_no_socket() -> None:
    pool = PortPool(FIRST, LAST)
    pair = pool.bind("::1")
    assert pair[0].family == socket.AF_INET6
    assert pair[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    close(pool, pair[0].getsockname()[1], list(pair))
