"""RTP packets (RFC 3550 §5.1 and §5.3.1): where everything lies in a datagram, and the header of our own.

Payloads are not interpreted here. A packet is refused rather than repaired; every length is checked before it is used.
"""

from media.kernel import constants as c
from media.kernel.arrays import Octets, Words
from media.kernel.compiled import compiled
from media.kernel.octets import get16, get32, octet, put16, put32

# What parse_rtp writes, by index.
PAYLOAD_TYPE = 0
MARKER = 1
SEQUENCE = 2
TIMESTAMP = 3
SSRC = 4
PAYLOAD_AT = 5
PAYLOAD_LENGTH = 6


@compiled
def parse_rtp(data: Octets, start: int, length: int, out: Words) -> bool:
    """Take apart the datagram `data[start:start + length]`; False where it is not an RTP packet.

    `out` gets the payload type, marker, sequence number, timestamp and SSRC, and the payload's place in `data` and
    length without padding.
    """
    if length < c.RTP_HEADER_BYTES:
        return False
    first = octet(data, start)
    if first >> 6 != 2:
        return False
    header = c.RTP_HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if header + 4 > length:
            return False
        header += 4 + 4 * get16(data, start + header + 2)
    if header > length:
        return False
    payload = length - header
    if first & 0x20:
        # The last octet counts the padding including itself: zero or more than there is cannot be.
        padding = octet(data, start + length - 1)
        if padding == 0 or padding > payload:
            return False
        payload -= padding
    second = octet(data, start + 1)
    out[PAYLOAD_TYPE] = second & 0x7F
    out[MARKER] = second >> 7
    out[SEQUENCE] = get16(data, start + 2)
    out[TIMESTAMP] = get32(data, start + 4)
    out[SSRC] = get32(data, start + 8)
    out[PAYLOAD_AT] = start + header
    out[PAYLOAD_LENGTH] = payload
    return True


@compiled
def write_rtp_header(packet: Octets, payload_type: int, marker: int, sequence: int, timestamp: int, ssrc: int) -> None:
    """Write the 12-octet header of a packet without CSRCs, extension or padding."""
    packet[0] = 0x80
    packet[1] = marker << 7 | payload_type
    put16(packet, c.RTP_SEQUENCE_AT, sequence)
    put32(packet, c.RTP_TIMESTAMP_AT, timestamp)
    put32(packet, c.RTP_SSRC_AT, ssrc)
