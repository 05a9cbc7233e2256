"""SRTP in the kernel: what goes out and comes in, against a reference; what is not authentic changes nothing."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.kernel.report_support import THEIRS, packets_of, receiver_report
from tests.media.reference_srtp import KEY_OCTETS, MASTER_OCTETS, Reference, derive
from tests.media.support import SECOND, Desk, Kernel, event_payload, hears, kernel_form, rtp, tone

SUITES = tuple(MASTER_OCTETS)
OURS = 0xABCDEF01
STRANGER = ("203.0.113.66", 6666)


class Secured:
    """A desk with SRTP, and the far end's half of it."""

    def __init__(self, kernel: Kernel, suite: str = SUITES[0], *, mki: bytes = b"", **changes: object) -> None:
        self.suite = suite
        self.mki = mki
        self.desk = Desk(kernel)
        self.changes = changes
        self.desk.open(sequence=changes.pop("sequence", 5000))
        self.rotate()
        self.desk.events()

    def rotate(self, *, send: bool = True, receive: bool = True) -> None:
        """Start with new keys for the directions named."""
        if send:
            self.ours = Reference(self.suite, os.urandom(MASTER_OCTETS[self.suite]))
        if receive:
            self.theirs = Reference(self.suite, os.urandom(MASTER_OCTETS[self.suite]))
        self.start()

    def start(self, **changes: object) -> None:
        srtp = self.desk.k.keys.SrtpParameters(self.suite, self.ours.master, self.theirs.master, len(self.mki))
        self.desk.start(**{"srtp": srtp, "remote": self.desk.far_address, **self.changes, **changes})

    def give(self, packet: bytes, *, roc: int = 0, source: tuple[str, int] | None = None) -> None:
        self.desk.give(self.theirs.rtp(packet, roc, self.mki), source=source or self.desk.far_address)

    def dropped(self) -> dict[str, int]:
        counts = zip(self.desk.c.DROP_NAMES, self.desk.row["drops"].tolist(), strict=True)
        return {name: count for name, count in counts if count}

    def state(self) -> bytes:
        """Everything that the kernel knows of the session, apart from what it counted as dropped."""
        rows = self.desk.sessions.copy()
        rows["drops"] = 0
        return rows.tobytes()


@pytest.fixture(params=SUITES)
def secured(kernel: Kernel, request: pytest.FixtureRequest) -> Iterator[Secured]:
    opened = Secured(kernel, request.param)
    yield opened
    opened.desk.close()


@pytest.fixture
def usual(kernel: Kernel) -> Iterator[Secured]:
    opened = Secured(kernel)
    yield opened
    opened.desk.close()


class TestReference:
    def test_it_derives_the_keys_of_rfc_3711_appendix_b3(self) -> None:
        key = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
        salt = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")
        assert derive(key, salt, 0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
        assert derive(key, salt, 2, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
        authentication = (
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098"
        )
        assert derive(key, salt, 1, 94).hex().upper()[: len(authentication)] == authentication


class TestSending:
    def test_packets_are_the_references_across_the_wrap_of_the_sequence_number(self, kernel: Kernel) -> None:
        for suite in SUITES:
            phone = Secured(kernel, suite, sequence=65_000)
            # Not right after the start, which keeps its distance from the wrap.
            phone.desk.row["sequence"] = 65_534
            phone.desk.tick(4)
            sent = phone.desk.sent()
            assert [struct.unpack_from("!H", data, 2)[0] for data in sent] == [65_534, 65_535, 0, 1]
            silence = b"\xff" * 160
            for roc, data in zip((0, 0, 1, 1), sent, strict=True):
                assert data == phone.ours.rtp(data[:12] + silence, roc), suite
            assert phone.desk.row["octets_sent"] == 4 * 160
            phone.desk.close()

    @pytest.mark.parametrize("ptime", [10, 30])
    def test_other_packet_times_are_secured_as_well(self, kernel: Kernel, ptime: int) -> None:
        phone = Secured(kernel, ptime=ptime)
        phone.desk.tick(6)
        sent = phone.desk.sent()
        assert len(sent) == 120 // ptime
        assert all(data == phone.ours.rtp(data[:12] + b"\xff" * 8 * ptime) for data in sent)
        phone.desk.close()

    def test_keys_pressed_are_secured(self, usual: Secured) -> None:
        words = np.frombuffer(bytes([7]).ljust(usual.desk.c.DIGITS_MAX, b"\0"), np.int64).tolist()
        usual.desk.command(usual.desk.c.COMMAND_DIGITS, 0, usual.desk.generation, 0, 1, 100, 60, *words)
        usual.desk.tick()
        (data,) = usual.desk.sent()
        assert data[1] & 0x7F == 101
        assert data == usual.ours.rtp(data[:12] + event_payload(7, 160))

    def test_reports_are_the_references_with_an_index_that_counts(self, secured: Secured) -> None:
        desk = secured.desk
        secured.start(rtcp_mux=True)
        for index in (1, 2, 3):
            desk.k.reports.send_report(desk.row, desk.sock, desk.core, 0, desk.now, 0)
            (data,) = desk.sent()
            clear = desk.core["packet"].copy()
            desk.k.rtcp.write_receiver_report(clear, 0, OURS)
            at = desk.k.rtcp.write_description(clear, 8, OURS, desk.row["cname"])
            assert data == secured.ours.rtcp(clear[:at].tobytes(), index)

    def test_what_libsrtp_refuses_is_not_sent_at_all(self, usual: Secured) -> None:
        usual.desk.tick(2)
        usual.desk.sent()
        usual.desk.row["sequence"] -= 1
        usual.desk.tick()
        assert usual.desk.sent() == []
        assert (usual.desk.row["send_errors"], usual.desk.core["send_errors"]) == (1, 1)
        usual.desk.tick()
        assert len(usual.desk.sent()) == 1

    def test_a_new_ssrc_of_ours_is_a_new_stream_under_the_same_key(self, usual: Secured) -> None:
        usual.desk.tick()
        usual.desk.row["ssrc"] = 77
        usual.desk.tick()
        data = usual.desk.sent()[1]
        assert data[8:12] == (77).to_bytes(4)
        assert data == usual.ours.rtp(data[:12] + b"\xff" * 160)


class TestReceiving:
    def test_a_tone_is_heard_across_the_wrap_of_the_sequence_number(self, secured: Secured) -> None:
        desk = secured.desk
        desk.command(desk.c.COMMAND_TAP, 0, desk.generation, 1)
        audio = desk.k.g711.encode(tone(440, 1), "PCMU")
        for number in range(50):
            sequence = 65_511 + number
            payload = audio[number * 160 : number * 160 + 160].tobytes()
            secured.give(rtp(sequence, number * 160, payload), roc=sequence >> 16)
            desk.tick()
        assert hears(desk.frames()[1600:], 440)
        assert (secured.dropped(), desk.row["received"], desk.row["octets_received"]) == ({}, 50, 8000)

    def test_a_key_is_heard(self, secured: Secured) -> None:
        secured.give(rtp(1, 0, event_payload(5, 160), payload_type=101))
        assert secured.desk.keys() == "5"

    @pytest.mark.parametrize("muxed", [False, True])
    def test_a_report_is_taken(self, secured: Secured, muxed: bool) -> None:
        desk = secured.desk
        data = secured.theirs.rtcp(receiver_report(OURS, lost=7), 1)
        if muxed:
            secured.give(rtp(1, 0))
            desk.give(data, source=desk.far_address)
        else:
            desk.give_report(data, source=desk.far_address)
        assert (desk.row["reports_received"], desk.row["remote_lost"]) == (1, 7)
        desk.give_report(data, source=desk.far_address)
        assert (desk.row["reports_received"], secured.dropped()) == (1, {"replay": 1})

    @pytest.mark.parametrize("mki", [b"\x01", b"\0\0\0\x05", bytes(128)])
    @pytest.mark.parametrize("suite", SUITES)
    def test_a_master_key_identifier_is_passed_over(self, kernel: Kernel, suite: str, mki: bytes) -> None:
        phone = Secured(kernel, suite, mki=mki)
        phone.give(rtp(1, 0, event_payload(9, 160), payload_type=101))
        phone.desk.give_report(phone.theirs.rtcp(receiver_report(OURS), 1, mki), source=phone.desk.far_address)
        assert (phone.desk.keys(), phone.desk.row["reports_received"], phone.dropped()) == ("9", 1, {})
        phone.desk.give(rtp(2, 0, bytes(len(mki) - 1)), source=phone.desk.far_address)
        assert sum(phone.dropped().values()) == 1
        phone.desk.close()

    def test_another_ssrc_takes_over_as_without_srtp(self, usual: Secured) -> None:
        usual.give(rtp(1, 0, ssrc=1))
        usual.desk.now += SECOND
        usual.give(rtp(900, 0, ssrc=2))
        assert usual.desk.row["stream_ssrc"] == 2
        assert usual.dropped() == {}

    def test_ssrcs_under_one_key_are_bounded_and_those_known_go_on(self, usual: Secured) -> None:
        bound = usual.desk.c.SRTP_SOURCES
        for ssrc in range(bound + 3):
            usual.desk.now += SECOND
            usual.give(rtp(1, 0, ssrc=ssrc))
        assert (usual.dropped(), usual.desk.row["received"]) == ({"ssrc": 3}, bound)
        usual.desk.now += SECOND
        usual.give(rtp(2, 0, ssrc=bound - 1))
        assert usual.desk.row["received"] == bound + 1
        usual.rotate()
        usual.desk.now += SECOND
        usual.give(rtp(1, 0, ssrc=bound + 1))
        assert usual.desk.row["received"] == bound + 2


class TestWhatIsNotAuthentic:
    def test_a_changed_octet_anywhere_is_counted_and_changes_nothing(self, secured: Secured) -> None:
        secured.give(rtp(1, 0))
        secured.desk.events()
        before = secured.state()
        good = secured.theirs.rtp(rtp(2, 160))
        for place in range(len(good)):
            changed = bytearray(good)
            changed[place] ^= 1 << place % 8
            secured.desk.give(bytes(changed), source=secured.desk.far_address)
        assert secured.state() == before
        counted = secured.dropped()
        assert counted["authentication"] >= len(good) - 12
        assert sum(counted.values()) == len(good)
        assert secured.desk.events() == []
        secured.desk.give(good, source=secured.desk.far_address)
        assert secured.desk.row["received"] == 2

    def test_plain_packets_and_reports_are_counted_and_change_nothing(self, secured: Secured) -> None:
        before = secured.state()
        for number in range(20):
            secured.desk.give(rtp(number, number * 160), source=secured.desk.far_address)
        for _ in range(5):
            secured.desk.give_report(receiver_report(OURS, lost=7), source=secured.desk.far_address)
        assert secured.state() == before
        assert secured.dropped() == {"authentication": 25}
        assert secured.desk.events() == []

    def test_a_stranger_without_the_key_is_never_latched_and_the_peer_behind_nat_is(self, secured: Secured) -> None:
        other = Reference(secured.suite, os.urandom(MASTER_OCTETS[secured.suite]))
        for number in range(100):
            for packet in (rtp(number, number * 160), other.rtp(rtp(number, number * 160))):
                secured.desk.give(packet, source=STRANGER)
        assert (secured.desk.row["source_rank"], secured.dropped()) == (0, {"authentication": 200})
        natted = (secured.desk.far_address[0], 7777)
        for number in range(3):
            secured.give(rtp(number, number * 160), source=natted)
        assert secured.desk.row["source_rank"] == secured.desk.c.RANK_SAME_HOST

    def test_a_packet_is_taken_once(self, secured: Secured) -> None:
        packets = [secured.theirs.rtp(rtp(number, number * 160)) for number in range(200)]
        for packet in packets:
            secured.desk.give(packet, source=secured.desk.far_address)
            secured.desk.tick()
        before = secured.state()
        for packet in packets:
            secured.desk.give(packet, source=secured.desk.far_address)
        assert secured.state() == before
        assert secured.dropped() == {"replay": 200}

    def test_a_report_sent_in_the_clear_inside_srtcp_is_not_taken(self, usual: Secured) -> None:
        data = bytearray(usual.theirs.rtcp(receiver_report(OURS), 1))
        data[-14] &= 0x7F
        usual.desk.give_report(bytes(data), source=usual.desk.far_address)
        assert usual.desk.row["reports_received"] == 0
        assert sum(usual.dropped().values()) == 1

    @pytest.mark.parametrize("length", range(0, 30))
    def test_what_is_too_short_is_dropped(self, secured: Secured, length: int) -> None:
        for data in (bytes([0x80] * length), secured.theirs.rtp(rtp(1, 0))[:length]):
            secured.desk.give(data, source=secured.desk.far_address)
            secured.desk.give_report(data, source=secured.desk.far_address)
        assert sum(secured.dropped().values()) == 4
        assert secured.desk.row["received"] == secured.desk.row["reports_received"] == 0

    def test_silence_is_noticed_although_forged_packets_come(self, usual: Secured) -> None:
        desk = usual.desk
        for number in range(50 * 61):
            desk.give(rtp(number, number * 160), source=desk.far_address)
            desk.tick()
        assert len(desk.events(desk.c.EVENT_MEDIA_TIMEOUT)) == 1


class TestRotation:
    def test_new_keys_hold_at_once_and_the_far_ends_old_one_for_two_seconds(self, secured: Secured) -> None:
        desk = secured.desk
        old = secured.theirs
        secured.give(rtp(1, 160))
        desk.tick()
        desk.sent()
        secured.rotate()
        desk.tick()
        (data,) = desk.sent()
        assert data == secured.ours.rtp(data[:12] + b"\xff" * 160)
        desk.give(old.rtp(rtp(2, 320)), source=desk.far_address)
        secured.give(rtp(3, 480))
        desk.give(old.rtp(rtp(4, 640)), source=desk.far_address)
        assert (desk.row["received"], secured.dropped()) == (4, {})
        desk.tick(130)
        desk.give(old.rtp(rtp(5, 800)), source=desk.far_address)
        assert (desk.row["received"], secured.dropped()) == (4, {"authentication": 1})
        secured.give(rtp(6, 960))
        assert desk.row["received"] == 5

    def test_an_old_packet_is_not_taken_twice_either(self, secured: Secured) -> None:
        old = secured.theirs.rtp(rtp(1, 160))
        for _ in range(2):
            secured.desk.give(old, source=secured.desk.far_address)
            secured.rotate()
        assert secured.desk.row["received"] == 1

    def test_what_bears_no_key_is_not_taken_between_two_keys_either(self, secured: Secured) -> None:
        secured.give(rtp(1, 160))
        secured.rotate()
        before = secured.state()
        secured.desk.give(rtp(2, 320), source=secured.desk.far_address)
        assert (secured.state(), secured.dropped()) == (before, {"authentication": 1})

    def test_contexts_are_told_of_when_no_tick_uses_them(self, usual: Secured) -> None:
        desk = usual.desk
        dropped = desk.c.EVENT_KEYS_DROPPED
        desk.tick(26)
        assert [event.words[:2] for event in desk.events(dropped)] == [(1, 1)]
        usual.rotate()
        desk.tick(26)
        assert [event.words[:2] for event in desk.events(dropped)] == [(2, 1)]
        usual.rotate(send=False)
        usual.rotate(send=False)
        desk.tick(26)
        assert [event.words[:2] for event in desk.events(dropped)] == [(2, 3)]
        desk.tick(130)
        assert [event.words[:2] for event in desk.events(dropped)] == [(2, 4)]
        usual.start(srtp=None)
        desk.tick(26)
        assert [event.words[:2] for event in desk.events(dropped)] == [(5, 5)]
        desk.tick(200)
        assert desk.events(dropped) == []

    def test_they_are_told_of_later_while_there_is_no_room(self, usual: Secured) -> None:
        desk = usual.desk
        desk.core["event_tail"] += desk.c.EVENTS
        desk.tick(30)
        desk.core["event_tail"] -= desk.c.EVENTS
        desk.core["event_head_seen"] = 0
        desk.tick(26)
        assert len(desk.events(desk.c.EVENT_KEYS_DROPPED)) == 1

    def test_the_same_keys_again_go_on_where_they_were(self, secured: Secured) -> None:
        desk = secured.desk
        desk.row["sequence"] = 65_535
        desk.tick(2)
        secured.give(rtp(1, 160))
        secured.start(send=False)
        secured.start()
        desk.sent()
        desk.tick()
        (data,) = desk.sent()
        assert data == secured.ours.rtp(data[:12] + b"\xff" * 160, 1)
        secured.give(rtp(1, 160))
        assert secured.dropped() == {"replay": 1}

    def test_a_key_of_one_direction_leaves_the_other_where_it_was(self, secured: Secured) -> None:
        desk = secured.desk
        desk.row["sequence"] = 65_535
        desk.tick(2)
        secured.rotate(send=False)
        desk.sent()
        desk.tick()
        (data,) = desk.sent()
        assert data == secured.ours.rtp(data[:12] + b"\xff" * 160, 1)

    def test_a_stream_under_a_new_key_does_not_begin_just_before_the_wrap(self, usual: Secured) -> None:
        desk = usual.desk
        desk.row["sequence"] = 65_500
        usual.rotate()
        desk.tick()
        (data,) = desk.sent()
        assert data[2:4] == b"\0\0"
        assert data == usual.ours.rtp(data[:12] + b"\xff" * 160)

    def test_a_plain_session_becomes_secure_and_plain_again(self, usual: Secured) -> None:
        desk = usual.desk
        usual.start(srtp=None)
        desk.tick()
        assert desk.sent_rtp()[0].payload == b"\xff" * 160
        desk.give(rtp(1, 0), source=desk.far_address)
        assert desk.row["received"] == 1
        usual.rotate()
        desk.give(rtp(2, 160), source=desk.far_address)
        assert (desk.row["received"], usual.dropped()) == (1, {"authentication": 1})


@pytest.fixture(scope="module")
def hammered() -> Iterator[list[Secured]]:
    opened = [Secured(kernel_form("compiled"), suite) for suite in SUITES]
    opened += [Secured(kernel_form("compiled"), suite, mki=b"abcd") for suite in SUITES]
    for phone in opened:
        phone.rotate()
    yield opened
    for phone in opened:
        phone.desk.close()


@settings(max_examples=400, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=400),
        st.builds(lambda second, rest: bytes([0x80, second]) + rest, st.integers(0, 255), st.binary(max_size=300)),
        st.builds(
            lambda first, rest: bytes([0x80 | first, 0]) + rest, st.integers(0, 63), st.binary(min_size=8, max_size=60)
        ),
    ),
    is_report=st.booleans(),
)
def test_no_datagram_without_the_key_crashes_latches_or_counts(
    hammered: list[Secured], data: bytes, is_report: bool
) -> None:
    for phone in hammered:
        before = phone.state()
        drops = int(phone.desk.row["drops"].sum())
        give = phone.desk.give_report if is_report else phone.desk.give
        give(data, source=phone.desk.far_address)
        assert phone.state() == before
        assert int(phone.desk.row["drops"].sum()) == drops + 1


@pytest.mark.parametrize("suite", SUITES)
def test_good_packets_with_octets_changed_cut_off_or_added(kernel: Kernel, suite: str) -> None:
    phone = Secured(kernel, suite)
    phone.give(rtp(0, 0))
    chance = random.Random(suite)
    for number in range(1, 150):
        data = bytearray(phone.theirs.rtp(rtp(number, number * 160, chance.randbytes(chance.randrange(161)))))
        before = phone.state()
        match chance.randrange(3):
            case 0:
                data[chance.randrange(12, len(data))] ^= chance.randrange(1, 256)
            case 1:
                del data[chance.randrange(len(data)) :]
            case _:
                data += chance.randbytes(chance.randrange(1, 9))
        phone.desk.give(bytes(data), source=phone.desk.far_address)
        assert phone.state() == before
    phone.give(rtp(150, 150 * 160))
    assert phone.desk.row["received"] == 2
    phone.desk.close()


def test_the_places_that_libsrtp_works_on_are_aligned(kernel: Kernel) -> None:
    layout = kernel.layout
    for place in (layout.PACKET_AT, layout.DATAGRAMS_AT, layout.PROTECTED_AT, layout.SRTP_LENGTH_AT):
        assert place % 8 == 0
    assert kernel.constants.DATAGRAM_BYTES % 8 == 0


def test_the_suites_are_those_of_the_reference(kernel: Kernel) -> None:
    assert set(kernel.keys.SRTP_SUITES) == set(KEY_OCTETS)
    assert {name: suite.key_octets for name, suite in kernel.keys.SUITES.items()} == MASTER_OCTETS


def test_a_goodbye_is_secured_too(usual: Secured) -> None:
    desk = usual.desk
    usual.start(rtcp_mux=True)
    desk.tick()
    desk.sent()
    desk.command(desk.c.COMMAND_CLOSE, 0, desk.generation)
    (data,) = desk.sent()
    assert data[1] == 200
    # Nothing of it can be read as the compound packet that it was.
    assert packets_of(desk.k, data) is None
    assert data[-14:-10] == (1 << 31 | 1).to_bytes(4)


def test_the_bye_of_the_far_end_is_told_only_when_it_is_authentic(usual: Secured) -> None:
    desk = usual.desk
    usual.give(rtp(1, 0, ssrc=THEIRS))
    goodbye = receiver_report(OURS) + struct.pack("!BBHI", 0x81, 203, 1, THEIRS)
    desk.give_report(goodbye, source=desk.far_address)
    assert desk.events(desk.c.EVENT_BYE) == []
    desk.give_report(usual.theirs.rtcp(goodbye, 1), source=desk.far_address)
    assert len(desk.events(desk.c.EVENT_BYE)) == 1
