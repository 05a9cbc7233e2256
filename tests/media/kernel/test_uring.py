"""Datagrams of many sessions in one system call: the same is sent, received and counted as one by one."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.media.kernel.report_support import receiver_report
from tests.media.support import Desk, Kernel, Rtp, event_payload, rtp

SUBTICKS = range(400, 404)


@contextlib.contextmanager
def ringed(kernel: Kernel, sessions: int) -> Iterator[Desk]:
    desk = Desk(kernel, sessions=sessions)
    try:
        desk.use_uring()
        yield desk
    finally:
        desk.close()


@contextlib.contextmanager
def own_sockets(desk: Desk, slots: range) -> Iterator[dict[int, socket.socket]]:
    """A socket for each session, in place of the one that they all have."""
    with contextlib.ExitStack() as stack:
        sockets = {}
        for slot in slots:
            sockets[slot] = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sockets[slot].bind(("127.0.0.1", 0))
            desk.sockets[slot]["rtp_fd"] = sockets[slot].fileno()
        yield sockets


def serve_all(desk: Desk, subticks: range = SUBTICKS) -> None:
    for subtick in subticks:
        desk.core["subtick"] = subtick
        desk.serve_group()


def test_many_sessions_are_sent_for_in_few_calls(kernel: Kernel) -> None:
    with ringed(kernel, 600) as desk:
        for slot in range(600):
            desk.open(slot)
            desk.start(slot, remote=desk.far_address)
        heard: list[Rtp] = []
        for subtick in SUBTICKS:
            desk.core["subtick"] = subtick
            desk.serve_group()
            # 150 sessions, asked for in three goes; a fourth sends what the last of them had to say. Six look for
            # reports.
            assert desk.core["syscalls"] == (4 + 6) * (subtick - 399)
            heard += desk.sent_rtp()
        assert len(heard) == 600
        assert {int(row["packets_sent"]) for row in desk.sessions} == {1}
        assert desk.core["packets_out"] == 600
        assert desk.core["send_errors"] == desk.core["receive_errors"] == 0


def test_more_packets_than_there_is_room_for_go_in_between(kernel: Kernel) -> None:
    with ringed(kernel, 4 * 100) as desk:
        for slot in range(400):
            desk.open(slot)
            desk.start(slot, remote=desk.far_address, ptime=10)
            desk.sessions[slot]["ssrc"] = slot
        group = [slot for slot in range(400) if desk.sessions[slot]["group"] == 0]
        desk.core["subtick"] = 400
        desk.serve_group()
        by_ssrc: dict[int, list[int]] = {}
        for packet in desk.sent_rtp():
            by_ssrc.setdefault(packet.ssrc, []).append(packet.sequence)
        # Two packets each, none in the place of another's, in order.
        assert set(by_ssrc) == set(group)
        assert set(map(tuple, by_ssrc.values())) == {(5000, 5001)}


def test_each_session_gets_what_came_on_its_own_socket(kernel: Kernel) -> None:
    slots = range(280)
    with (
        ringed(kernel, len(slots)) as desk,
        own_sockets(desk, slots) as sockets,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        for slot in slots:
            desk.open(slot)
            desk.sockets[slot]["rtp_fd"] = sockets[slot].fileno()
            desk.start(slot, remote=far.getsockname())
            far.sendto(rtp(slot, 160, ssrc=10_000 + slot), sockets[slot].getsockname())
        # And answers from there.
        sources = set()
        for subtick in SUBTICKS:
            serve_all(desk, range(subtick, subtick + 1))
            with contextlib.suppress(BlockingIOError):
                while True:
                    sources.add(far.recvfrom(2048)[1])
        assert [int(row["stream_ssrc"]) for row in desk.sessions] == [10_000 + slot for slot in slots]
        assert {int(row["received"]) for row in desk.sessions} == {1}
        assert sources == {sock.getsockname() for sock in sockets.values()}


def test_what_waits_behind_the_first_datagram_is_taken_in_the_same_tick(kernel: Kernel) -> None:
    with ringed(kernel, 1) as desk, own_sockets(desk, range(1)) as sockets:
        desk.open()
        desk.sock["rtp_fd"] = sockets[0].fileno()
        desk.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            for number in range(40):
                payload = event_payload(number % 10, 160)
                far.sendto(rtp(number, 160, payload, payload_type=101, ssrc=number), sockets[0].getsockname())
            # Too long for a datagram of ours, and empty.
            far.sendto(rtp(1, 160, bytes(3000)), sockets[0].getsockname())
            far.sendto(b"", sockets[0].getsockname())
        serve_all(desk)
        assert desk.row["drops"].sum() + desk.row["received"] == 42
        assert desk.core["receive_errors"] == 0


def test_a_socket_that_fails_is_counted_and_disturbs_no_other(kernel: Kernel) -> None:
    with ringed(kernel, 12) as desk:
        for slot in range(12):
            desk.open(slot)
            desk.start(slot, remote=desk.far_address)
        desk.sockets[5]["rtp_fd"] = -1
        serve_all(desk)
        row = desk.sessions[5]
        assert (row["send_errors"], row["packets_sent"], row["octets_sent"]) == (1, 0, 0)
        assert len(desk.sent_rtp()) == 11
        assert desk.core["packets_out"] == 11
        assert desk.core["send_errors"] == desk.core["receive_errors"] == 1
        assert sum(int(other["send_errors"]) for other in desk.sessions) == 1


def test_a_ring_that_the_system_refuses_loses_packets_and_stops_nothing(kernel: Kernel) -> None:
    with ringed(kernel, 4) as desk:
        for slot in range(4):
            desk.open(slot)
            desk.start(slot, remote=desk.far_address)
        fd = int(desk.core["uring_fd"])
        desk.core["uring_fd"] = -1
        serve_all(desk)
        assert desk.sent_rtp() == []
        assert [(int(row["send_errors"]), int(row["packets_sent"])) for row in desk.sessions] == [(1, 0)] * 4
        assert (desk.core["send_errors"], desk.core["packets_out"]) == (4, 0)
        desk.core["uring_fd"] = fd
        serve_all(desk, range(404, 408))
        assert [packet.sequence for packet in desk.sent_rtp()] == [5001] * 4


def test_a_session_that_ends_is_not_asked_for_and_those_beside_it_are_served(kernel: Kernel) -> None:
    slots = range(24)
    with (
        ringed(kernel, 24) as desk,
        own_sockets(desk, slots) as sockets,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        far.bind(("127.0.0.1", 0))
        for slot in slots:
            desk.open(slot)
            desk.start(slot, remote=far.getsockname())
            desk.sockets[slot]["rtp_fd"] = sockets[slot].fileno()
        ending = [slot for slot in slots if desk.sessions[slot]["group"] == 0][2:4]
        for slot in ending:
            desk.command(desk.c.COMMAND_CLOSE, slot, slot + 1)
            desk.sockets[slot]["rtp_fd"] = -1
        for slot in set(slots) - set(ending):
            far.sendto(rtp(1, 160, ssrc=10_000 + slot), sockets[slot].getsockname())
        serve_all(desk)
        assert desk.core["receive_errors"] == 0
        assert desk.core["sessions"] == 22
        assert len(desk.events(desk.c.EVENT_CLOSED)) == 2
        left = sorted(set(slots) - set(ending))
        assert [int(desk.sessions[slot]["stream_ssrc"]) for slot in left] == [10_000 + slot for slot in left]


def test_a_system_that_gives_no_ring_says_why(kernel: Kernel) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as lowest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 1, hard))
        try:
            ring, said = kernel.uring.open_uring()
            refusal = kernel.uring.try_uring()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (ring, said, refusal) == (None, "one by one: Too many open files", "Too many open files")


def test_a_ring_leaves_nothing_behind(kernel: Kernel) -> None:
    if kernel.uring.try_uring() is not None:
        pytest.skip("no io_uring on this machine")
    with socket.socket() as before:
        free = before.fileno()
    for _ in range(50):
        assert kernel.uring.try_uring() is None
    with socket.socket() as after:
        assert after.fileno() == free


@pytest.mark.parametrize("ring", [True, False])
def test_a_socket_where_nothing_came_leaves_no_trace_for_what_comes_on_the_next(kernel: Kernel, ring: bool) -> None:
    """A report, and datagrams on a socket that two share, right behind an empty socket."""
    desk = Desk(kernel, sessions=3)
    if ring:
        desk.use_uring()
    with contextlib.ExitStack() as stack:
        stack.callback(desk.close)
        alone, reports, shared, far, other = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(5)
        )
        for sock in (alone, reports, shared, far, other):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        desk.open(0)
        desk.sockets[0]["rtp_fd"], desk.sockets[0]["rtcp_fd"] = alone.fileno(), reports.fileno()
        desk.start(0, remote=far.getsockname())
        for slot, remote in ((1, far), (2, other)):
            desk.open(slot, socket_row=1)
            desk.sockets[1]["rtp_fd"] = shared.fileno()
            desk.start(slot, remote=remote.getsockname())
            # All in one group, the lone one first.
            desk.sessions[slot]["slot"] = slot
        desk.groups[0][:3] = [2, 1, 0]
        desk.core["group_sizes"][:] = [3, 0, 0, 0]
        far.sendto(receiver_report(0xABCDEF01), reports.getsockname())
        far.sendto(rtp(1, 160, ssrc=1), shared.getsockname())
        other.sendto(rtp(1, 160, ssrc=2), shared.getsockname())
        serve_all(desk, range(4 * 25 * 40, 4 * 25 * 40 + 1))
        assert desk.sessions[0]["reports_received"] == 1
        assert [int(row["received"]) for row in desk.sessions] == [0, 1, 1]
        assert desk.core["drops"].sum() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("suite", [None, "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"])
def test_the_same_packets_go_out_as_one_by_one(kernel: Kernel, host: str, suite: str | None) -> None:
    heard: list[list[bytes]] = []
    for ring in (False, True):
        desk = Desk(kernel, sessions=2)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with (
            contextlib.closing(desk),
            socket.socket(family, socket.SOCK_DGRAM) as near,
            socket.socket(family, socket.SOCK_DGRAM) as far,
        ):
            if ring:
                desk.use_uring()
            far.bind((host, 0))
            far.settimeout(1)
            for slot in range(2):
                srtp = None
                if suite is not None:
                    octets = kernel.keys.SUITES[suite].key_octets
                    srtp = kernel.keys.SrtpParameters(suite, bytes(range(octets)), bytes(range(octets)))
                desk.open(slot)
                desk.sockets[slot]["rtp_fd"] = near.fileno()
                desk.start(slot, remote=far.getsockname()[:2], srtp=srtp)
                desk.sessions[slot]["ssrc"] = slot
            serve_all(desk, range(400, 440))
            heard.append(sorted(far.recv(2048) for _ in range(20)))
    one_by_one, together = heard
    assert together == one_by_one
    assert len(set(together)) == 20
