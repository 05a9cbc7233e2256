"""Keys received: every capture of the test data, and the cases it does not hold."""

from __future__ import annotations

import struct

import pytest

from tests.media.support import FIXTURES, MS, SECOND, Desk, Kernel, event_payload, fixture_index, opened_desk, rtp

INDEX = fixture_index("dtmf")
ONE = 1
FIVE = 5


def packets(name: str) -> list[tuple[int, bytes]]:
    """Return the RTP packets of a capture with their times in ns (classic pcap over Ethernet and IPv4)."""
    data = (FIXTURES / "dtmf" / name).read_bytes()
    magic = data[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    unit = 1 if magic in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1000
    at, found = 24, []
    while at < len(data):
        seconds, fraction, length, _ = struct.unpack_from(order + "IIII", data, at)
        found.append((seconds * SECOND + fraction * unit, data[at + 16 + 42 : at + 16 + length]))
        at += 16 + length
    return found


def replay(desk: Desk, name: str) -> None:
    """Let a capture arrive at its pace, with ticks between, and half a second of nothing after it."""
    begun = desk.now
    first = None
    for at, data in packets(name):
        first = at if first is None else first
        while desk.now + 20 * MS <= begun + at - first:
            desk.tick()
        desk.give(data, at=begun + at - first)
    desk.tick(25)


def audio_type(entry: dict) -> int:
    return 111 if entry["clock_rate"] == 48000 else 0


def started(kernel: Kernel, entry: dict, payload_type: int):
    return opened_desk(
        kernel,
        receive_payload_type=audio_type(entry),
        dtmf_receive_pt=payload_type,
        dtmf_clock=entry["clock_rate"],
    )


@pytest.mark.parametrize("name", INDEX)
def test_capture_reports_exactly_its_keys(kernel: Kernel, name: str) -> None:
    entry = INDEX[name]
    with started(kernel, entry, entry["payload_type"]) as desk:
        replay(desk, name)
        begun_and_ended = desk.events(desk.c.EVENT_DIGIT_STARTED, desk.c.EVENT_DIGIT_ENDED)
        keys = [desk.c.KEYS[e.words[0]] for e in begun_and_ended if e.kind == desk.c.EVENT_DIGIT_STARTED]
        assert "".join(keys) == entry["digits"]
        lengths = [e.words[1] for e in begun_and_ended if e.kind == desk.c.EVENT_DIGIT_ENDED]
        expected = [event["ms"] for event in entry["events"] if "digit" in event]
        assert len(lengths) == len(expected)
        for length, due in zip(lengths, expected, strict=True):
            assert abs(length - due) <= 40
        # Each key ends before the next begins.
        assert [e.kind for e in begun_and_ended] == [desk.c.EVENT_DIGIT_STARTED, desk.c.EVENT_DIGIT_ENDED] * len(keys)


@pytest.mark.parametrize("name", ["pt96.pcap", "pt97.pcap", "pt101.pcap"])
def test_another_payload_type_than_the_negotiated_one_is_no_key(kernel: Kernel, name: str) -> None:
    entry = INDEX[name]
    for negotiated in {96, 97, 101, None} - {entry["payload_type"]}:
        with started(kernel, entry, negotiated) as desk:
            replay(desk, name)
            assert desk.keys() == ""
            assert desk.row["drops"][desk.c.DROP_PAYLOAD_TYPE] > 0


def press(desk: Desk, sequence: int, timestamp: int, key: int, units: int, **changes) -> None:
    end = changes.pop("end", False)
    desk.give(rtp(sequence, timestamp, event_payload(key, units, end=end), payload_type=101, **changes))


def test_key_is_reported_when_its_first_packet_arrived(desk: Desk) -> None:
    arrived = desk.now - 13 * MS
    desk.give(rtp(1, 800, event_payload(FIVE, 160), payload_type=101), at=arrived)
    (event,) = desk.events(desk.c.EVENT_DIGIT_STARTED)
    assert event.at == arrived


def test_key_without_end_is_given_up_after_the_last_update(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 160)
    desk.tick(5)
    assert not desk.events(desk.c.EVENT_DIGIT_ENDED)
    desk.tick(3)
    assert len(desk.events(desk.c.EVENT_DIGIT_ENDED)) == 1
    press(desk, 2, 800, FIVE, 320)
    assert not desk.events()


def test_another_key_in_mid_event_under_the_same_timestamp_is_not_believed(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 160)
    press(desk, 2, 800, ONE, 320)
    assert desk.keys() == "5"


def test_another_key_under_the_same_timestamp_counts_once_the_first_has_ended(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 160, end=True)
    press(desk, 2, 800, ONE, 160)
    assert desk.keys() == "51"


def test_restarted_clock_is_a_key_again_after_a_pause(desk: Desk) -> None:
    press(desk, 1, 900_000, FIVE, 160, end=True)
    press(desk, 2, 800, FIVE, 160)
    assert desk.keys() == "5"
    desk.now += 6 * SECOND
    press(desk, 3, 800, FIVE, 160)
    assert desk.keys() == "5"


def test_the_next_segment_continues_the_key_though_the_last_updates_were_lost(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 0xFFFF - 800)
    press(desk, 2, 800 + 0xFFFF, FIVE, 160, end=True)
    assert desk.keys() == "5"


def test_a_marked_event_one_segment_later_is_another_press(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 0xFFFF)
    press(desk, 2, 800 + 0xFFFF, FIVE, 160, marker=True)
    assert desk.keys() == "55"


def test_another_stream_may_have_any_timestamp(desk: Desk) -> None:
    press(desk, 1, 90_000, FIVE, 160, end=True)
    press(desk, 900, 70_000, FIVE, 160, ssrc=0x9999)
    assert desk.keys() == "55"


def test_straggler_of_the_stream_before_is_no_key(desk: Desk) -> None:
    press(desk, 1, 800, FIVE, 160)
    press(desk, 900, 70_000, ONE, 160, ssrc=0x9999)
    press(desk, 2, 800, FIVE, 320)
    assert desk.keys() == "51"


def test_every_code_above_the_keys_is_passed_over(desk: Desk) -> None:
    for code in range(16, 256):
        press(desk, code, code * 1000, code, 160)
    assert desk.keys() == ""
    assert desk.row["drops"][desk.c.DROP_MALFORMED] == 0


def test_short_payloads_are_malformed(desk: Desk) -> None:
    for length in range(4):
        desk.give(rtp(length, 800, event_payload(FIVE, 160)[:length], payload_type=101))
    assert desk.keys() == ""
    assert desk.row["drops"][desk.c.DROP_MALFORMED] == 4
