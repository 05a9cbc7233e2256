"""RTP packets: the fixtures, the edges of every length field, and our own header read back."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.media.support import FIXTURES, Kernel, Rtp, fixture_index, kernel_form, rtp

INDEX = fixture_index("rtp")


def derived_bytes(entry: dict) -> bytes:
    """Make the packet that an entry of `derived` describes."""
    folder = FIXTURES / "rtp"
    start, end = entry["bytes_kept"]
    data = (folder / entry["source"]).read_bytes()[start:end]
    if "first_byte_hex" in entry:
        data = bytes.fromhex(entry["first_byte_hex"]) + data[1:]
    data += bytes.fromhex(entry.get("append_hex", ""))
    if "append_file" in entry:
        data += (folder / entry["append_file"]).read_bytes()
    return data


def derived(proto: str) -> list:
    entries = [entry for entry in INDEX["derived"] if entry["proto"] == proto]
    return [pytest.param(entry, id=f"{entry['source']}-{entry['why']}-{n}") for n, entry in enumerate(entries)]


def files(proto: str) -> list[str]:
    return [name for name, entry in INDEX["files"].items() if entry["proto"] == proto]


def parse(kernel: Kernel, data: bytes) -> list[int] | None:
    out = np.zeros(8, np.int64)
    # Somewhere inside a larger buffer, as in a batch; what lies around must not matter.
    buffer = np.full(4096, 0xEE, np.uint8)
    buffer[100 : 100 + len(data)] = np.frombuffer(data, np.uint8)
    return out.tolist() if kernel.rtp.parse_rtp(buffer, 100, len(data), out) else None


@pytest.mark.parametrize("name", files("rtp"))
def test_fixture_parses_to_its_fields(kernel: Kernel, name: str) -> None:
    entry = INDEX["files"][name]
    data = (FIXTURES / "rtp" / name).read_bytes()
    result = parse(kernel, data)
    if entry["parse"] == "error":
        assert result is None
        return
    fields = entry["fields"]
    assert result is not None
    assert result[:5] == [fields[key] for key in ("payload_type", "marker", "sequence", "timestamp", "ssrc")]
    assert result[5:7] == [100 + fields["header_bytes"], fields["payload_bytes"]]


@pytest.mark.parametrize("entry", derived("rtp"))
def test_damaged_fixture_is_refused(kernel: Kernel, entry: dict) -> None:
    assert (parse(kernel, derived_bytes(entry)) is not None) == (entry["parse"] == "ok")


def test_every_truncation_of_a_packet_with_everything_is_refused_or_inside_it(kernel: Kernel) -> None:
    header = struct.pack("!BBHII", 0xB2, 0x80, 1, 2, 3) + bytes(8) + struct.pack("!HH", 0xBEDE, 2) + bytes(8)
    whole = header + bytes(20) + b"\0\0\0\4"
    for length in range(len(whole) + 1):
        result = parse(kernel, whole[:length])
        if result is not None:
            assert 100 + 12 <= result[5] <= result[5] + result[6] <= 100 + length
    assert parse(kernel, whole) is not None


def test_every_truncation_is_read_inside_its_octets() -> None:
    kernel = kernel_form("plain")
    whole = struct.pack("!BBHII", 0xB2, 0x80, 1, 2, 3) + bytes(8) + struct.pack("!HH", 0xBEDE, 2) + bytes(8) + b"\1"
    for length in range(len(whole) + 1):
        # The array ends with the datagram: reading further raises IndexError.
        data = np.frombuffer(whole[:length], np.uint8)
        assert kernel.rtp.parse_rtp(data, 0, length, np.zeros(8, np.int64)) == (length == len(whole))


def test_random_octets_never_point_outside_the_datagram() -> None:
    kernel = kernel_form("plain")
    rng = np.random.default_rng(1)
    for _ in range(3000):
        data = rng.integers(0, 256, rng.integers(0, 64), np.uint8).tobytes()
        if data:
            data = bytes([data[0] & 0x3F | 0x80]) + data[1:]
        result = parse(kernel, data)
        if result is not None:
            assert 100 + 12 <= result[5] <= result[5] + result[6] <= 100 + len(data)


def test_written_header_reads_back(kernel: Kernel) -> None:
    packet = np.zeros(1024, np.uint8)
    kernel.rtp.write_rtp_header(packet, 127, 1, 65535, 0xFFFFFFFE, 0xDEADBEEF)
    assert Rtp.parse(packet[:12].tobytes()) == Rtp(127, True, 65535, 0xFFFFFFFE, 0xDEADBEEF, b"")
    assert packet[:12].tobytes() == rtp(65535, 0xFFFFFFFE, b"", payload_type=127, ssrc=0xDEADBEEF, marker=True)
