"""RTCP: the fixtures, damaged ones, and our own reports taken apart again."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.media.kernel.report_support import BLOCK, packets_of
from tests.media.kernel.test_rtp import derived, derived_bytes, files
from tests.media.support import FIXTURES, Kernel, fixture_index, kernel_form

INDEX = fixture_index("rtp")


@pytest.mark.parametrize("name", files("rtcp"))
def test_fixture_parses_to_its_packets(kernel: Kernel, name: str) -> None:
    entry = INDEX["files"][name]
    packets = packets_of(kernel, (FIXTURES / "rtp" / name).read_bytes())
    if entry["parse"] == "error":
        assert packets is None
        return
    assert packets is not None
    for found, expected in zip(packets, entry["packets"], strict=True):
        assert (found["type"], found["count_or_fmt"]) == (expected["type"], expected["count_or_fmt"])


@pytest.mark.parametrize("entry", derived("rtcp"))
def test_damaged_fixture_is_refused(kernel: Kernel, entry: dict) -> None:
    packets = packets_of(kernel, derived_bytes(entry))
    if entry["parse"] == "error":
        assert packets is None
    else:
        assert packets is not None
        assert len(packets) == entry["packets"]


@pytest.mark.parametrize("name", ["rtcp_sr.bin", "rtcp_rr.bin"])
def test_report_block_about_a_source_is_found(kernel: Kernel, name: str) -> None:
    expected = INDEX["files"][name]["packets"][0]["reports"][0]
    data = np.frombuffer((FIXTURES / "rtp" / name).read_bytes(), np.uint8)
    first = 28 if name == "rtcp_sr.bin" else 8
    at = kernel.rtcp.find_block(data, first, 1, expected["ssrc"])
    assert at == first
    _, lost, highest, jitter, lsr, dlsr = BLOCK.unpack_from(data.tobytes(), at)
    assert (lost, highest, jitter, lsr, dlsr) == tuple(
        expected[key] for key in ("packets_lost", "highest_sequence", "jitter", "lsr", "dlsr")
    )
    assert kernel.rtcp.find_block(data, first, 1, expected["ssrc"] + 1) == -1


def test_empty_datagram_is_no_compound_packet(kernel: Kernel) -> None:
    assert packets_of(kernel, b"") is None


def test_sender_report_without_room_for_its_counts_is_refused(kernel: Kernel) -> None:
    whole = struct.pack("!BBHIIIIII", 0x80, 200, 6, 1, 2, 3, 4, 5, 6)
    assert packets_of(kernel, whole) is not None
    assert packets_of(kernel, b"\x80\xc8\x00\x05" + whole[4:24]) is None


def test_padding_is_refused_before_the_last_packet(kernel: Kernel) -> None:
    padded = (FIXTURES / "rtp" / "rtcp_bye_padding.bin").read_bytes()
    assert packets_of(kernel, padded) is not None
    assert packets_of(kernel, padded + padded) is None


def test_goodbye_reason_longer_than_its_packet_is_refused(kernel: Kernel) -> None:
    good = struct.pack("!BBHIB3s", 0x81, 203, 2, 7, 3, b"bye")
    assert packets_of(kernel, good) is not None
    assert packets_of(kernel, struct.pack("!BBHIB3s", 0x81, 203, 2, 7, 4, b"bye")) is None


def test_goodbye_names_a_source_or_its_sender(kernel: Kernel) -> None:
    data = np.frombuffer(struct.pack("!II", 7, 9), np.uint8)
    names = kernel.rtcp.names_source
    assert names(data, 0, 2, 9)
    assert not names(data, 0, 1, 9)
    assert names(data, 0, 0, 9)


def test_description_may_leave_out_the_last_zero_octet_only_at_the_very_end(kernel: Kernel) -> None:
    whole = struct.pack("!BBHIBB2s", 0x81, 202, 2, 7, 1, 2, b"ab")
    assert packets_of(kernel, whole) is not None
    assert packets_of(kernel, struct.pack("!BBHIBB2s", 0x82, 202, 2, 7, 1, 2, b"ab")) is None


def test_written_reports_read_back(kernel: Kernel) -> None:
    m = kernel.rtcp
    packet = np.zeros(1024, np.uint8)
    cname = np.frombuffer(b"0123456789abcdef", np.uint8)
    at = m.write_sender_report(packet, 0, 0xAABBCCDD, 0xE0000001, 0x80000000, 4_000_000_000, 1000, 160_000)
    at = m.write_block(packet, 0, at, 0x11223344, 25, -3, 0x10005, 160, 0x12345678, 65536)
    at = m.write_description(packet, at, 0xAABBCCDD, cname)
    at = m.write_goodbye(packet, at, 0xAABBCCDD)
    data = packet[:at].tobytes()
    packets = packets_of(kernel, data)
    assert packets is not None
    assert [(found["type"], found["count_or_fmt"]) for found in packets] == [(200, 1), (202, 1), (203, 1)]
    assert struct.unpack_from("!IIIIII", packets[0]["body"]) == (
        0xAABBCCDD,
        0xE0000001,
        0x80000000,
        4_000_000_000,
        1000,
        160_000,
    )
    assert BLOCK.unpack_from(packets[0]["body"], 24) == (
        0x11223344,
        25 << 24 | 0xFFFFFD,
        0x10005,
        160,
        0x12345678,
        65536,
    )
    assert packets[1]["body"] == struct.pack("!IBB", 0xAABBCCDD, 1, 16) + b"0123456789abcdef\0\0"
    assert packets[2]["body"] == struct.pack("!I", 0xAABBCCDD)


@pytest.mark.parametrize(("lost", "field"), [(0x7FFFFF, 0x7FFFFF), (0x800000, 0x7FFFFF), (-0x900000, 0x800000)])
def test_loss_stays_at_the_ends_of_its_field(kernel: Kernel, lost: int, field: int) -> None:
    packet = np.zeros(64, np.uint8)
    at = kernel.rtcp.write_receiver_report(packet, 0, 1)
    kernel.rtcp.write_block(packet, 0, at, 2, 0, lost, 0, 0, 0, 0)
    assert int.from_bytes(packet[at + 5 : at + 8].tobytes()) == field
    assert packets_of(kernel, packet[:32].tobytes()) is not None


def test_random_octets_never_read_outside_the_datagram() -> None:
    kernel = kernel_form("plain")
    out = np.zeros(8, np.int64)
    rng = np.random.default_rng(2)
    for _ in range(4000):
        data = rng.integers(0, 256, rng.integers(1, 80), np.uint8)
        data[0] = data[0] & 0x3F | 0x80
        if len(data) > 3:
            data[1] = rng.integers(198, 209)
            data[2], data[3] = 0, rng.integers(0, 18)
        # The array ends with the datagram: reading further raises IndexError.
        kernel.rtcp.check_compound(data, 0, len(data), out)
