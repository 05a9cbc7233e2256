"""What RFC 3550 counts about a stream that is received: appendices A.1 (sequence), A.3 (loss) and A.8 (jitter).

Duplicates are told apart from packets out of order and are not counted as received, which the RFC leaves open. A new
SSRC, and a jump of the sequence numbers that two consecutive packets confirm, start the stream anew; what was expected
and received before is kept in the totals.
"""

from media.kernel import constants as c
from media.kernel.compiled import compiled
from media.kernel.layout import SessionRow
from media.kernel.octets import signed16, signed32

NEXT = 0
REORDERED = 1
DUPLICATE = 2
REFUSED = 3

FIRST_CYCLE = 0x10000

_SEEN_MASK = (1 << c.SEEN_WINDOW) - 1


@compiled
def begin_stream(row: SessionRow, ssrc: int, sequence: int) -> None:
    """Start to count a stream whose first packet has this sequence number."""
    if row.stream_started:
        row.expected_before += row.max_sequence - row.base_sequence + 1
        row.received_before += row.stream_received
    row.stream_started = 1
    row.stream_ssrc = ssrc
    # Extended numbers start in the second cycle, so that a packet sent before the first one heard is not below zero.
    row.base_sequence = sequence + FIRST_CYCLE
    # One before, so that counting the first packet is counting any other.
    row.max_sequence = row.base_sequence - 1
    row.bad_sequence = -1
    row.seen = 0
    row.stream_received = 0
    row.transit = 0
    row.max_timestamp = -1
    row.candidate_sequence = -1
    row.jb_state = c.JITTER_IDLE
    row.jb_high_sequence = -1
    row.jb_play_sequence = row.base_sequence - c.MAX_MISORDER


@compiled
def count_packet(row: SessionRow, ssrc: int, sequence: int) -> int:
    """Count a packet of the stream and say what it is; its extended number goes to `row.this_sequence`.

    NEXT advances the stream, REORDERED fills a hole, DUPLICATE was there before, REFUSED jumped too far (A.1).
    """
    step = signed16(sequence - row.max_sequence)
    if 0 < step < c.MAX_DROPOUT:
        row.seen = (row.seen << step | 1) & _SEEN_MASK if step < c.SEEN_WINDOW else 1
        row.max_sequence += step
        row.this_sequence = row.max_sequence
        row.stream_received += 1
        return NEXT
    if -c.MAX_MISORDER < step <= 0:
        row.this_sequence = row.max_sequence + step
        if -step < c.SEEN_WINDOW:
            if row.seen >> -step & 1:
                row.duplicates += 1
                return DUPLICATE
            row.seen |= 1 << -step
        row.out_of_order += 1
        row.stream_received += 1
        return REORDERED
    if sequence != row.bad_sequence:
        row.bad_sequence = (sequence + 1) & 0xFFFF
        return REFUSED
    begin_stream(row, ssrc, sequence)
    row.seen = 1
    row.max_sequence = row.base_sequence
    row.this_sequence = row.base_sequence
    row.stream_received = 1
    return NEXT


@compiled
def extend_timestamp(row: SessionRow, timestamp: int) -> int:
    """Return a packet's timestamp without its wrap at 2^32, as the stream's timeline goes."""
    if row.max_timestamp < 0:
        # Room below, for a packet that was sent before the first one heard.
        row.max_timestamp = timestamp + (1 << 32)
        return row.max_timestamp
    extended = row.max_timestamp + signed32(timestamp - row.max_timestamp)
    row.max_timestamp = max(row.max_timestamp, extended)
    return extended


@compiled
def measure_jitter(row: SessionRow, arrival: int, timestamp: int) -> None:
    """Update the interarrival jitter, kept times 16 (A.8); both times in timestamp units, the second extended."""
    transit = arrival - timestamp
    if row.transit != 0:
        difference = abs(transit - row.transit)
        if difference < c.JITTER_DISCONTINUITY_SAMPLES:
            row.jitter += difference - (row.jitter + 8 >> 4)
    row.transit = transit


@compiled
def expected_packets(row: SessionRow) -> int:
    """Return how many packets the sender must have sent, all streams of the session together."""
    if not row.stream_started:
        return 0
    return row.expected_before + row.max_sequence - row.base_sequence + 1


@compiled
def counted_packets(row: SessionRow) -> int:
    """Return how many different packets were received, all streams of the session together."""
    return row.received_before + row.stream_received
