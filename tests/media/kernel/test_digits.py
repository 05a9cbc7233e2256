"""Digits sent: the packets of RFC 4733 on the wire."""

from __future__ import annotations

import itertools
import struct
from typing import NamedTuple

import numpy as np
import pytest

from tests.media.support import Desk, Kernel, Rtp, opened_desk


class Key(NamedTuple):
    key: int
    end: bool
    volume: int
    units: int


@pytest.fixture
def phone(kernel: Kernel):
    desk = Desk(kernel)
    desk.open()
    desk.start(remote=desk.far_address)
    yield desk
    desk.close()


def send(desk: Desk, symbols: bytes, *, duration: int = 160, gap: int = 80, identity: int = 1) -> None:
    words = np.frombuffer(symbols.ljust(desk.c.DIGITS_MAX, b"\0"), np.int64).tolist()
    desk.command(desk.c.COMMAND_DIGITS, 0, desk.generation, identity, len(symbols), duration, gap, *words)


def split(packets: list[Rtp]) -> tuple[list[tuple[Rtp, Key]], list[Rtp]]:
    events, audio = [], []
    for packet in packets:
        if packet.payload_type != 101:
            audio.append(packet)
            continue
        key, flags, units = struct.unpack("!BBH", packet.payload)
        events.append((packet, Key(key, bool(flags & 0x80), flags & 0x3F, units)))
    return events, audio


def test_one_key_is_eight_packets_and_its_end_three_times(phone: Desk) -> None:
    send(phone, b"\x05")
    phone.tick(16)
    events, _ = split(phone.sent_rtp())
    assert [key.units for _, key in events] == [160, 320, 480, 640, 800, 960, 1120, 1280, 1280, 1280]
    assert [key.end for _, key in events] == [False] * 7 + [True] * 3
    assert [packet.marker for packet, _ in events] == [True] + [False] * 9
    assert len({packet.timestamp for packet, _ in events}) == 1
    assert {key.key for _, key in events} == {5}
    assert all(key.volume == 10 for _, key in events)


def test_the_sequence_goes_on_and_audio_keeps_its_timeline(phone: Desk) -> None:
    phone.tick(3)
    send(phone, b"\x01\x02")
    phone.tick(30)
    packets = phone.sent_rtp()
    assert [packet.sequence for packet in packets] == list(range(5000, 5033))
    # Whatever stands in its place, the frame of tick n has the timestamp of tick n.
    for place, packet in enumerate(packets):
        if packet.payload_type == 0:
            assert packet.timestamp == packets[0].timestamp + place * 160
    events, _ = split(packets)
    first = next(place for place, packet in enumerate(packets) if packet.payload_type == 101)
    assert events[0][0].timestamp == packets[0].timestamp + first * 160


def test_keys_are_apart_by_the_gap(phone: Desk) -> None:
    send(phone, b"\x01\x02\x03", gap=80)
    phone.tick(50)
    events, _ = split(phone.sent_rtp())
    starts = sorted({packet.timestamp for packet, _ in events})
    assert [b - a for a, b in itertools.pairwise(starts)] == [1280 + 640] * 2


@pytest.mark.parametrize(("pause", "ms"), [(b"\x10", 500), (b"\x11", 1000), (b"\x10\x11", 1500)])
def test_pauses_are_exact(phone: Desk, pause: bytes, ms: int) -> None:
    send(phone, b"\x01" + pause + b"\x02", gap=60)
    phone.tick(150)
    events, _ = split(phone.sent_rtp())
    starts = sorted({packet.timestamp for packet, _ in events})
    assert starts[1] - starts[0] == (160 + 60 + ms) * 8


def test_the_end_is_reported_after_the_last_gap(phone: Desk) -> None:
    send(phone, b"\x01\x02", identity=77)
    phone.tick(23)
    assert not phone.events(phone.c.EVENT_DIGITS_SENT)
    phone.tick(2)
    (event,) = phone.events(phone.c.EVENT_DIGITS_SENT)
    assert event.words == (77, 2, 2)
    send(phone, b"\x03", identity=78)
    phone.tick(20)
    assert phone.events(phone.c.EVENT_DIGITS_SENT)[0].words[0] == 78


def test_digits_that_cannot_be_sent_are_reported_as_unsent(phone: Desk) -> None:
    phone.start(remote=phone.far_address, send=False)
    send(phone, b"\x01\x02")
    phone.tick(2)
    (event,) = phone.events(phone.c.EVENT_DIGITS_SENT)
    assert event.words[1:] == (0, 2)


def test_a_hold_in_mid_key_ends_the_digits(phone: Desk) -> None:
    send(phone, b"\x01\x02")
    phone.tick(3)
    phone.start(remote=phone.far_address, send=False)
    phone.tick(2)
    (event,) = phone.events(phone.c.EVENT_DIGITS_SENT)
    assert event.words[1:] == (1, 2)


def test_what_plays_goes_on_beneath_the_keys(phone: Desk) -> None:
    octets = np.array([n % 251 for n in range(8000)], np.uint8)
    phone.command(phone.c.COMMAND_PLAY, 0, phone.generation, 1, octets.ctypes.data, len(octets), 1, 0, 0)
    send(phone, b"\x01")
    phone.tick(20)
    for place, packet in enumerate(phone.sent_rtp()):
        if packet.payload_type == 0:
            assert packet.payload == octets[place * 160 : (place + 1) * 160].tobytes()


def test_durations_count_in_the_negotiated_clock(kernel: Kernel) -> None:
    desk = Desk(kernel)
    desk.open()
    desk.start(remote=desk.far_address, dtmf_clock=48_000)
    send(desk, b"\x01", duration=100)
    desk.tick(6)
    events, _ = split(desk.sent_rtp())
    assert [key.units for _, key in events] == [960, 1920, 2880, 3840, 4800, 4800]
    desk.close()


def test_digits_while_others_are_being_sent_are_refused(phone: Desk) -> None:
    send(phone, b"\x01", identity=1)
    send(phone, b"\x02", identity=2)
    assert phone.core["commands_refused"] == 1


def test_what_we_send_we_understand(phone: Desk) -> None:
    with opened_desk(phone.k) as other:
        send(phone, bytes(range(16)), duration=100, gap=60)
        for _ in range(140):
            phone.tick()
            other.tick()
            for data in phone.sent():
                other.give(data)
        assert other.keys() == phone.c.KEYS
