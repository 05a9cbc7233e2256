"""What asyncio asks of the kernel."""

from __future__ import annotations

from tests.media.support import Desk, Kernel


def places(desk: Desk) -> list[list[int]]:
    """Return the slots of each group, checked against what the rows say about themselves."""
    found = []
    for group in range(desk.c.GROUPS):
        slots = desk.groups[group, : desk.core["group_sizes"][group]].tolist()
        for place, slot in enumerate(slots):
            assert (desk.sessions[slot]["group"], desk.sessions[slot]["place"]) == (group, place)
        found.append(slots)
    assert sum(len(slots) for slots in found) == desk.core["sessions"]
    return found


def test_sessions_spread_evenly_over_the_sub_ticks(kernel: Kernel) -> None:
    desk = Desk(kernel, sessions=40)
    for slot in range(40):
        desk.open(slot)
    assert [len(slots) for slots in places(desk)] == [10] * 4
    # Those of one group leave: newcomers take their places.
    for slot in places(desk)[2]:
        desk.command(desk.c.COMMAND_CLOSE, slot, int(desk.sessions[slot]["generation"]))
    assert [len(slots) for slots in places(desk)] == [10, 10, 0, 10]
    for _, slot in zip(range(10), [s for s in range(40) if desk.sessions[s]["state"] == desk.c.FREE], strict=True):
        desk.open(slot)
    assert [len(slots) for slots in places(desk)] == [10] * 4
    desk.close()


def test_the_last_of_a_group_takes_the_place_of_one_that_leaves(kernel: Kernel) -> None:
    desk = Desk(kernel, sessions=12)
    for slot in range(12):
        desk.open(slot)
    first, second, third = places(desk)[1]
    desk.command(desk.c.COMMAND_CLOSE, first, int(desk.sessions[first]["generation"]))
    assert places(desk)[1] == [third, second]
    desk.command(desk.c.COMMAND_CLOSE, third, int(desk.sessions[third]["generation"]))
    assert places(desk)[1] == [second]
    desk.close()


def test_a_row_starts_empty_whatever_it_held(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.start()
    desk.tick(5)
    desk.row["drops"][3] = 17
    desk.row["flushed"][0] = 99
    desk.command(desk.c.COMMAND_CLOSE, 0, desk.generation)
    desk.open()
    row = desk.row
    assert (row["state"], row["generation"], row["packets_sent"]) == (desk.c.OPEN, 2, 0)
    assert not row["drops"].any()
    assert not row["flushed"].any()
    assert row["cname"].tobytes() == b"abcdefghijklmnop"
    assert row["address"] == desk.sessions.ctypes.data
    desk.close()


def test_a_command_for_a_session_that_is_gone_is_passed_over(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    old = desk.generation
    desk.command(desk.c.COMMAND_CLOSE, 0, old)
    assert len(desk.events(desk.c.EVENT_CLOSED)) == 1
    desk.command(desk.c.COMMAND_CLOSE, 0, old)
    desk.open()
    desk.command(desk.c.COMMAND_TAP, 0, old, 1)
    desk.command(desk.c.COMMAND_PLAY, 0, old, 1, 0, 100, 1, 0, 0)
    assert (desk.row["tapped"], desk.row["item_tail"]) == (0, 0)
    assert not desk.events(desk.c.EVENT_CLOSED)
    desk.close()


def test_a_row_in_use_is_not_opened_again(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.open()
    assert (desk.core["commands_refused"], desk.core["sessions"], desk.row["generation"]) == (1, 1, 1)
    desk.close()


def test_a_close_that_cannot_be_reported_yet_keeps_the_session(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.core["event_tail"] += desk.c.EVENTS
    desk.command(desk.c.COMMAND_CLOSE, 0, desk.generation)
    assert (desk.row["state"], desk.core["sessions"]) == (desk.c.CLOSING, 1)
    desk.close()


def test_commands_are_obeyed_in_order_however_many_there_are(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    for number in range(5000):
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, number % 2)
        assert desk.row["tapped"] == number % 2
    desk.close()


def test_an_update_keeps_numbers_source_and_queue(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_PLAY, 0, desk.generation, 1, 0, 100_000, 1, 0, 0)
    desk.tick(10)
    before = {
        name: int(desk.row[name]) for name in ("ssrc", "sequence", "timestamp_base", "item_head", "item_position")
    }
    desk.start(ptime=20, dtmf_receive_pt=97)
    assert {name: int(desk.row[name]) for name in before} == before
    assert desk.row["event_payload_type"] == 97


def test_shutdown_is_an_order_to_the_loop(desk: Desk) -> None:
    desk.command(desk.c.COMMAND_SHUTDOWN)
    assert desk.core["stopping"] == 1
