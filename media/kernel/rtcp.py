"""RTCP packets (RFC 3550 §6): the checks of a compound packet, report blocks, and our own reports.

Sender and receiver reports, source descriptions and goodbyes are understood; feedback (RFC 4585), application-defined
and extended reports are checked for their length and passed over. Reduced-size packets (RFC 5506) are accepted.
"""

from media.kernel.arrays import Octets, Words
from media.kernel.compiled import compiled
from media.kernel.constants import CNAME_BYTES
from media.kernel.octets import get16, get32, octet, put16, put32

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

_HEADER = 4
_SENDER_INFO = 24  # SSRC, NTP and RTP timestamps, packet and octet counts
_BLOCK = 24
_CNAME_ITEM = 1

# What read_packet writes, by index.
TYPE = 0
COUNT = 1
BODY_AT = 2
BODY_LENGTH = 3
NEXT_AT = 4


@compiled
def _chunks_fit(data: Octets, at: int, end: int, count: int) -> bool:
    """Walk the chunks of a source description: an SSRC, items of type and length, a zero octet, fill to a word."""
    start = at
    for _ in range(count):
        if at + 4 > end:
            return False
        at += 4
        while at < end and octet(data, at) != 0:
            if at + 2 > end or at + 2 + octet(data, at + 1) > end:
                return False
            at += 2 + octet(data, at + 1)
        at += 4 - (at - start) % 4
    return True


@compiled
def _body_fits(data: Octets, kind: int, count: int, at: int, length: int) -> bool:
    if kind == SENDER_REPORT:
        return length >= _SENDER_INFO + count * _BLOCK
    if kind == RECEIVER_REPORT:
        return length >= 4 + count * _BLOCK
    if kind == SOURCE_DESCRIPTION:
        return _chunks_fit(data, at, at + length, count)
    if kind == GOODBYE:
        reason = 4 * count
        if length < reason:
            return False
        return length == reason or length >= reason + 1 + octet(data, at + reason)
    if kind in (TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK):
        return length >= 8
    return True


@compiled
def read_packet(data: Octets, at: int, end: int, out: Words) -> bool:
    """Take apart the RTCP packet that starts at `at` of a compound one ending at `end`; False where it is malformed.

    `out` gets the type, the count (or feedback format), where the body lies and how long it is without padding, and
    where the next packet starts.
    """
    if end - at < _HEADER:
        return False
    first = octet(data, at)
    length = _HEADER + 4 * get16(data, at + 2)
    if first >> 6 != 2 or length > end - at:
        return False
    body = length - _HEADER
    if first & 0x20:
        # Padding stands in the last packet of a compound one only, and counts itself (RFC 3550 §6.4.1).
        if body == 0 or at + length != end:
            return False
        padding = octet(data, end - 1)
        if padding == 0 or padding > body:
            return False
        body -= padding
    out[TYPE] = octet(data, at + 1)
    out[COUNT] = first & 0x1F
    out[BODY_AT] = at + _HEADER
    out[BODY_LENGTH] = body
    out[NEXT_AT] = at + length
    return _body_fits(data, out[TYPE], out[COUNT], at + _HEADER, body)


@compiled
def check_compound(data: Octets, start: int, length: int, out: Words) -> int:
    """Return how many RTCP packets the datagram `data[start:start + length]` holds, or -1 where any is malformed."""
    at = start
    end = start + length
    packets = 0
    while at < end:
        if not read_packet(data, at, end, out):
            return -1
        at = out[NEXT_AT]
        packets += 1
    return packets if packets else -1


@compiled
def find_block(data: Octets, at: int, count: int, ssrc: int) -> int:
    """Return where the report block about `ssrc` lies among `count` blocks from `at` on, or -1."""
    for block in range(count):
        if get32(data, at + block * _BLOCK) == ssrc:
            return at + block * _BLOCK
    return -1


@compiled
def names_source(data: Octets, at: int, count: int, ssrc: int) -> bool:
    """Return whether a goodbye is about `ssrc`; one without any source is about its sender."""
    if count == 0:
        return True
    for source in range(count):  # noqa: SIM110  generator expressions do not compile
        if get32(data, at + 4 * source) == ssrc:
            return True
    return False


@compiled
def write_sender_report(
    packet: Octets, at: int, ssrc: int, ntp_seconds: int, ntp_fraction: int, timestamp: int, packets: int, octets: int
) -> int:
    """Write a sender report without its block at an offset and return the offset after it."""
    packet[at] = 0x80
    packet[at + 1] = SENDER_REPORT
    put16(packet, at + 2, 6)
    put32(packet, at + 4, ssrc)
    put32(packet, at + 8, ntp_seconds)
    put32(packet, at + 12, ntp_fraction)
    put32(packet, at + 16, timestamp)
    put32(packet, at + 20, packets)
    put32(packet, at + 24, octets)
    return at + _HEADER + _SENDER_INFO


@compiled
def write_receiver_report(packet: Octets, at: int, ssrc: int) -> int:
    """Write a receiver report without its block at an offset and return the offset after it."""
    packet[at] = 0x80
    packet[at + 1] = RECEIVER_REPORT
    put16(packet, at + 2, 1)
    put32(packet, at + 4, ssrc)
    return at + 8


@compiled
def write_block(
    packet: Octets,
    report: int,
    at: int,
    ssrc: int,
    fraction: int,
    lost: int,
    highest: int,
    jitter: int,
    last_report: int,
    delay: int,
) -> int:
    """Add the one report block about `ssrc` to the report that starts at `report` and return the offset after it.

    `fraction` is in 1/256, `jitter` in timestamp units, `delay` since the last sender report in 1/65536 s.
    """
    packet[report] = 0x81
    # Its length in words less one, from the length of the report as it was.
    put16(packet, report + 2, (at - report + _BLOCK) // 4 - 1)
    put32(packet, at, ssrc)
    packet[at + 4] = fraction
    # A signed 24-bit count (RFC 3550 §6.4.1) that stays at its ends instead of wrapping.
    clamped = max(-0x800000, min(lost, 0x7FFFFF)) & 0xFFFFFF
    packet[at + 5] = clamped >> 16
    put16(packet, at + 6, clamped)
    put32(packet, at + 8, highest)
    put32(packet, at + 12, jitter)
    put32(packet, at + 16, last_report)
    put32(packet, at + 20, delay)
    return at + _BLOCK


@compiled
def write_description(packet: Octets, at: int, ssrc: int, cname: Octets) -> int:
    """Write a source description with one CNAME of 16 octets (RFC 7022) and return the offset after it."""
    packet[at] = 0x81
    packet[at + 1] = SOURCE_DESCRIPTION
    length = 4 + 2 + CNAME_BYTES + 2
    put16(packet, at + 2, length // 4)
    put32(packet, at + 4, ssrc)
    packet[at + 8] = _CNAME_ITEM
    packet[at + 9] = CNAME_BYTES
    for place in range(CNAME_BYTES):
        packet[at + 10 + place] = cname[place]
    put16(packet, at + 10 + CNAME_BYTES, 0)
    return at + _HEADER + length


@compiled
def write_goodbye(packet: Octets, at: int, ssrc: int) -> int:
    """Write a goodbye without a reason and return the offset after it."""
    packet[at] = 0x81
    packet[at + 1] = GOODBYE
    put16(packet, at + 2, 1)
    put32(packet, at + 4, ssrc)
    return at + 8
