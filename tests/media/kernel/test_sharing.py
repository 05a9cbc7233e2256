"""Several sessions on one socket: each gets what its own far end sends, and nobody what could be somebody else's."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from tests.media.support import MS, Desk, Kernel, rtp

ALICE = ("127.0.0.1", 4000)
BOB = ("127.0.0.1", 4002)
CAROL = ("127.0.0.1", 4004)
STRANGER = ("127.0.0.9", 999)


class House:
    """Sessions of one desk that all live on its first socket. What arrives is put where the system would put it."""

    def __init__(self, kernel: Kernel, sessions: int = 3) -> None:
        self.desk = Desk(kernel, sessions=sessions)
        self.c = kernel.constants
        self.numbers: dict[tuple[tuple[str, int], int], int] = {}

    def move_in(self, slot: int, remote: tuple[str, int] | None, *, seated: bool = False) -> None:
        self.desk.open(slot, socket_row=0, seated=seated)
        if remote is not None:
            self.desk.start(slot, remote=remote)

    def start(self, slot: int, remote: tuple[str, int]) -> None:
        generation, self.desk.generation = self.desk.generation, int(self.desk.sessions[slot]["generation"])
        self.desk.start(slot, remote=remote)
        self.desk.generation = generation

    def command(self, kind: int, slot: int, *arguments: int) -> None:
        self.desk.command(kind, slot, int(self.desk.sessions[slot]["generation"]), *arguments)

    def arrives(self, source: tuple[str, int], count: int = 1, *, ssrc: int = 1, rtcp: bool = False) -> None:
        """Packets of one far end come one after the other, as one batch of the socket each."""
        for _ in range(count):
            number = self.numbers[source, ssrc] = self.numbers.get((source, ssrc), 0) + 1
            if rtcp:
                self.put(b"\x80\xc9\x00\x01" + ssrc.to_bytes(4), source, rtcp=True)
            else:
                self.put(rtp(number, number * 160, ssrc=ssrc), source)

    def put(self, data: bytes, source: tuple[str, int], *, rtcp: bool = False) -> None:
        desk = self.desk
        core, receive = desk.core, desk.k.receive
        core["datagrams"][: len(data)] = np.frombuffer(data, np.uint8)
        core["names"][0, :3] = desk.k.addresses.address_words(*source)
        core["headers"][0, desk.c.MESSAGE_LENGTH] = len(data)
        core["headers"][0, receive._CONTROL_LENGTH] = 0
        # Whoever happens to read the socket.
        reader = desk.sessions[int(desk.sockets[0]["first"])]
        receive._take_message(desk.sessions, reader, desk.sockets[0], core, 0, 0 if rtcp else 1)
        desk.now += 20 * MS

    @property
    def received(self) -> list[int]:
        return [int(row["received"]) for row in self.desk.sessions]

    @property
    def nobodys(self) -> int:
        """Datagrams that no session got."""
        of_sessions = sum(int(row["drops"][self.c.DROP_FOREIGN]) for row in self.desk.sessions)
        return int(self.desk.core["drops"][self.c.DROP_FOREIGN]) - of_sessions


@pytest.fixture
def house(kernel: Kernel) -> Iterator[House]:
    made = House(kernel)
    yield made
    made.desk.close()


def test_each_gets_what_its_own_far_end_sends(house: House) -> None:
    for slot, remote in enumerate((ALICE, BOB, CAROL)):
        house.move_in(slot, remote)
    for _ in range(4):
        house.arrives(ALICE, ssrc=1)
        house.arrives(CAROL, ssrc=3)
    house.arrives(BOB, 2, ssrc=2)
    assert house.received == [4, 2, 4]


def test_a_stranger_reaches_nobody_once_all_far_ends_are_known(house: House) -> None:
    house.move_in(0, ALICE)
    house.move_in(1, BOB)
    house.arrives(STRANGER, 20)
    assert house.received == [0, 0, 0]
    assert house.nobodys == 20


def test_who_has_the_seat_learns_its_far_end_from_elsewhere_and_the_others_are_not_disturbed(house: House) -> None:
    house.move_in(0, ALICE)
    house.move_in(1, BOB, seated=True)
    house.arrives(ALICE, 3, ssrc=1)
    house.arrives(("127.0.0.1", 7777), 5, ssrc=2)
    assert house.received == [3, 5 - house.c.LATCH_PACKETS + 1, 0]
    house.command(house.c.COMMAND_SEAT, 1, 0)
    # Found by the address it was heard from, not by the seat.
    house.arrives(("127.0.0.1", 7777), 2, ssrc=2)
    house.arrives(STRANGER, 5, ssrc=9)
    assert house.received == [3, 7 - house.c.LATCH_PACKETS + 1, 0]
    assert house.nobodys == 5


def test_another_stream_from_a_far_end_waits_while_somebody_has_the_seat(house: House) -> None:
    house.move_in(0, ALICE)
    house.arrives(ALICE, 3, ssrc=1)
    house.move_in(1, None, seated=True)
    # The answer to the second call may be on its way, from the very same address: it must not be heard by the first.
    house.arrives(ALICE, 10, ssrc=5)
    house.arrives(ALICE, 2, ssrc=1)
    assert house.received == [5, 0, 0]
    assert house.desk.sessions[0]["drops"][house.c.DROP_SSRC] == 10
    house.command(house.c.COMMAND_SEAT, 1, 0)
    # The second packet in a row confirms the new stream.
    house.arrives(ALICE, 3, ssrc=5)
    assert house.received == [7, 0, 0]


def test_a_far_end_that_moves_is_found_at_its_new_address_and_not_at_the_old_one(house: House) -> None:
    house.move_in(0, ALICE)
    house.move_in(1, BOB)
    house.arrives(ALICE, 2)
    house.start(0, CAROL)
    house.arrives(CAROL, 3, ssrc=2)
    house.arrives(ALICE, 4)
    assert house.received == [5, 0, 0]
    assert house.nobodys == 4


def test_what_comes_late_for_a_call_that_has_ended_reaches_no_other(house: House) -> None:
    house.move_in(0, ALICE)
    house.arrives(ALICE, 2)
    house.command(house.c.COMMAND_CLOSE, 0)
    house.move_in(1, BOB, seated=True)
    house.arrives(ALICE, 10)
    assert house.received[1] == 0
    house.command(house.c.COMMAND_FORGET, 0)
    # The one who is left is alone, and learns its far end from anywhere.
    house.arrives(ALICE, 3)
    assert house.received[1] == 1
    house.command(house.c.COMMAND_FORGET, 1)
    assert house.desk.sockets[0]["lodgers"] == 1, "a session that has not ended is not forgotten"


def test_a_row_that_is_used_again_leaves_its_socket(house: House) -> None:
    house.move_in(0, ALICE)
    house.move_in(1, BOB)
    house.command(house.c.COMMAND_CLOSE, 0)
    house.desk.open(0, socket_row=2)
    assert [int(sock["lodgers"]) for sock in house.desk.sockets] == [1, 0, 1]
    house.arrives(ALICE, 3)
    assert house.received[0] == 0


def test_reports_go_to_the_session_next_to_whose_audio_they_come_from_or_whose_stream_they_name(house: House) -> None:
    house.move_in(0, ALICE)
    house.move_in(1, BOB)
    house.arrives(ALICE, 1, ssrc=1)
    house.arrives(BOB, 1, ssrc=2)
    house.arrives(("127.0.0.1", BOB[1] + 1), rtcp=True, ssrc=99)
    assert house.desk.sessions[1]["rtcp_learned"] == 1
    house.arrives(("127.0.0.1", 6001), rtcp=True, ssrc=1)
    assert house.desk.sessions[0]["rtcp_learned"] == 1
    house.arrives(STRANGER, rtcp=True, ssrc=1)
    house.put(b"\x80\xc9", ("127.0.0.1", 6001), rtcp=True)
    assert house.nobodys == 2


def test_a_shared_socket_is_emptied_once_in_a_sub_tick_by_whoever_comes_first(kernel: Kernel) -> None:
    house = House(kernel, sessions=2)
    desk = house.desk
    near = desk._near[0]
    near.bind(("127.0.0.1", 0))
    near.setblocking(False)
    far = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for slot, sock in enumerate(far):
        sock.bind(("127.0.0.1", 0))
        house.move_in(slot, sock.getsockname())
        for number in range(3):
            sock.sendto(rtp(number, number * 160, ssrc=slot), near.getsockname())
    before = int(desk.core["syscalls"])
    for slot in (1, 0):
        kernel.receive.receive_tick(desk.sessions, desk.sessions[slot], desk.sockets[0], desk.core)
    assert house.received == [3, 3]
    assert desk.core["syscalls"] - before == 1
    for sock in far:
        sock.close()
    desk.close()


def test_hundreds_of_far_ends_come_and_go_and_the_table_keeps_up(kernel: Kernel) -> None:
    house = House(kernel, sessions=300)
    far = [(f"10.0.{slot % 7}.{slot % 250}", 4000 + 2 * (slot // 3)) for slot in range(300)]
    for slot, remote in enumerate(far):
        house.move_in(slot, remote)
    for slot in range(0, 300, 2):
        house.command(house.c.COMMAND_CLOSE, slot)
        house.command(house.c.COMMAND_FORGET, slot)
    for slot, remote in enumerate(far):
        house.arrives(remote, ssrc=slot)
    assert house.received == [slot % 2 for slot in range(300)]
    for slot in range(1, 300, 2):
        house.command(house.c.COMMAND_CLOSE, slot)
        house.command(house.c.COMMAND_FORGET, slot)
    assert not house.desk.core["routes"].any()
    assert house.desk.sockets[0]["lodgers"] == 0
    house.desk.close()
