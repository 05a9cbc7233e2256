"""Digits sent as telephone events (RFC 4733 §2.5.1): one packet a tick in place of the audio.

An event keeps the timestamp of its start and says in each packet how long it has lasted; its last packet is sent three
times. `w` and `W` pause for half a second and a second. The stream's own timestamps go on beneath.
"""

from media.kernel import constants as c
from media.kernel.compiled import compiled
from media.kernel.layout import CoreRow, SessionRow
from media.kernel.octets import octet, put16
from media.kernel.ring import post
from media.kernel.rtp import write_rtp_header

EVENT_PACKET_BYTES = c.RTP_HEADER_BYTES + 4
_END = 0x80


@compiled
def _next_symbol(row: SessionRow, timestamp: int) -> None:
    if row.digits_index >= row.digits_count:
        row.digits_phase = c.DIGITS_SENT
        return
    symbol = octet(row.digits, row.digits_index)
    row.digits_index += 1
    if symbol >= c.KEY_COUNT:
        row.digits_phase = c.DIGITS_GAP
        row.digits_left_ms = 500 if symbol == c.PAUSE_HALF else 1000
        return
    row.digits_phase = c.DIGITS_EVENT
    row.digits_key = symbol
    row.digits_elapsed_ms = 0
    row.digits_timestamp = timestamp


@compiled
def _write_event(row: SessionRow, core: CoreRow, marker: int, end: int) -> None:
    write_rtp_header(core.packet, row.digits_payload_type, marker, row.sequence, row.digits_timestamp, row.ssrc)
    core.packet[c.RTP_HEADER_BYTES] = row.digits_key
    core.packet[c.RTP_HEADER_BYTES + 1] = (_END if end else 0) | c.EVENT_VOLUME
    put16(core.packet, c.RTP_HEADER_BYTES + 2, row.digits_elapsed_ms * row.event_clock // 1000)


@compiled
def advance_symbols(row: SessionRow) -> bool:
    """Begin the next key or pause where the last is over; False where nothing is left. For keys sent as tones."""
    if row.digits_phase == c.DIGITS_NEXT:
        _next_symbol(row, c.NONE)
    return row.digits_phase in (c.DIGITS_EVENT, c.DIGITS_GAP)


@compiled
def write_digits(row: SessionRow, core: CoreRow, timestamp: int) -> bool:
    """Advance the digits by one tick; True where the packet of this tick is an event, written to `core.packet`."""
    if row.digits_phase == c.DIGITS_NEXT:
        _next_symbol(row, timestamp)
    if row.digits_phase == c.DIGITS_EVENT:
        marker = 1 if row.digits_elapsed_ms == 0 else 0
        row.digits_elapsed_ms += c.TICK_MS
        end = 1 if row.digits_elapsed_ms >= row.digits_duration_ms else 0
        _write_event(row, core, marker, end)
        if end:
            row.digits_phase = c.DIGITS_GAP
            row.digits_left_ms = row.digits_gap_ms
            row.digits_repeats = c.END_REPEATS
        return True
    if row.digits_phase != c.DIGITS_GAP:
        return False
    row.digits_left_ms -= c.TICK_MS
    if row.digits_left_ms <= 0:
        row.digits_phase = c.DIGITS_NEXT
    if row.digits_repeats == 0:
        return False
    row.digits_repeats -= 1
    _write_event(row, core, c.NO, c.YES)
    return True


@compiled
def stop_digits(row: SessionRow) -> None:
    """End the digits where they cannot be sent any more; they are reported with how many were begun."""
    if row.digits_phase not in (c.DIGITS_NONE, c.DIGITS_SENT):
        row.digits_phase = c.DIGITS_SENT
        row.digits_repeats = 0


@compiled
def report_digits(row: SessionRow, core: CoreRow) -> None:
    """Report that the digits have been sent: their id and how many symbols."""
    if row.digits_phase != c.DIGITS_SENT:
        return
    sent = (row.digits_id, row.digits_index, row.digits_count)
    if post(core, row, c.EVENT_DIGITS_SENT, core.now, sent[0], sent[1], sent[2], c.NONE):
        row.digits_phase = c.DIGITS_NONE
