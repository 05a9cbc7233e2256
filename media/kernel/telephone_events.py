"""Telephone events received (RFC 4733 §2.5.2): which key, once, when it started, and for how long it was held.

An event is its SSRC, timestamp and code, however often and in whatever order its packets come; the first packet heard
starts it, whichever it is. Flash, fax and other tones are not keys and are passed over.
"""

from media.kernel import constants as c
from media.kernel.compiled import compiled
from media.kernel.layout import CoreRow, SessionRow
from media.kernel.octets import get16, octet, signed32
from media.kernel.player import stop_by_key
from media.kernel.ring import tell
from media.kernel.rtp import MARKER, PAYLOAD_AT, PAYLOAD_LENGTH, SSRC, TIMESTAMP

_END = 0x80
# A segment of a long event is cut at the largest duration; where its last update was lost it was still close to that.
_NEARLY_FULL = 0xF000


@compiled
def end_event(row: SessionRow, core: CoreRow) -> None:
    """Close the event that is going on and report how long it lasted, in ms."""
    row.event_active = 0
    milliseconds = (row.event_base_units + row.event_units) * 1000 // row.event_clock
    if row.event_units == c.EVENT_SEGMENT:
        # Some senders stop counting at the end of the field; the packets themselves tell how long it went on.
        milliseconds = max(milliseconds, (row.event_last_arrival - row.event_first_arrival) // 1_000_000)
    tell(core, row, c.EVENT_DIGIT_ENDED, row.event_last_arrival, row.event_key, milliseconds, c.NONE, c.NONE)


@compiled
def _start(row: SessionRow, core: CoreRow, key: int, units: int, arrival: int) -> None:
    if row.event_active:
        end_event(row, core)
    ssrc = core.rtp[SSRC]
    if row.event_seen and ssrc != row.event_ssrc:
        row.event_previous_ssrc = row.event_ssrc
        row.event_previous_timestamp = row.event_timestamp
    row.event_seen = 1
    row.event_active = 1
    row.event_ssrc = ssrc
    row.event_timestamp = core.rtp[TIMESTAMP]
    row.event_key = key
    row.event_units = units
    row.event_base_units = 0
    row.event_first_arrival = arrival
    row.event_last_arrival = arrival
    tell(core, row, c.EVENT_DIGIT_STARTED, arrival, key, c.NONE, c.NONE, c.NONE)
    stop_by_key(row, key)


@compiled
def _update(row: SessionRow, units: int, arrival: int) -> None:
    if units < row.event_units - 0x8000:
        # The sender should have cut the event here (§2.5.1.3) but let its 16 bits roll over.
        row.event_base_units += 0x10000
        row.event_units = units
    else:
        row.event_units = max(row.event_units, units)
    row.event_last_arrival = arrival


@compiled
def _continues(row: SessionRow, core: CoreRow, key: int, step: int) -> bool:
    """Return whether a packet opens the next segment of an event too long for one (§2.5.1.3)."""
    if not row.event_active or key != row.event_key or core.rtp[MARKER]:
        return False
    return step == c.EVENT_SEGMENT or (step == row.event_units and step > _NEARLY_FULL)


@compiled
def _is_old(row: SessionRow, core: CoreRow) -> bool:
    """Return whether a packet of the stream before the present one is what was left of it on the way."""
    return signed32(core.rtp[TIMESTAMP] - row.event_previous_timestamp) <= 0


@compiled
def receive_event(row: SessionRow, core: CoreRow, arrival: int) -> bool:
    """Take the telephone event in `core.rtp`, heard at a monotonic time in ns; False where its payload is malformed.

    A second event block in the payload is passed over.
    """
    at = core.rtp[PAYLOAD_AT]
    if core.rtp[PAYLOAD_LENGTH] < 4:
        return False
    key = octet(core.datagrams, at)
    if key >= c.KEY_COUNT:
        return True
    end = core.datagrams[at + 1] & _END
    units = get16(core.datagrams, at + 2)
    recent = row.event_seen and arrival - row.event_last_arrival <= c.EVENT_MEMORY_NS
    if recent and core.rtp[SSRC] == row.event_ssrc:
        step = signed32(core.rtp[TIMESTAMP] - row.event_timestamp)
        if step < 0 or (step == 0 and not row.event_active and key == row.event_key):
            return True
        if step == 0 and row.event_active:
            if key == row.event_key:
                _update(row, units, arrival)
                if end:
                    end_event(row, core)
            return True
        if _continues(row, core, key, step):
            row.event_base_units += step
            row.event_timestamp = core.rtp[TIMESTAMP]
            row.event_units = units
            row.event_last_arrival = arrival
            if end:
                end_event(row, core)
            return True
    elif recent and core.rtp[SSRC] == row.event_previous_ssrc and _is_old(row, core):
        return True
    _start(row, core, key, units, arrival)
    if end:
        end_event(row, core)
    return True


@compiled
def give_up_event(row: SessionRow, core: CoreRow, now: int) -> None:
    """Close an event whose end packets were lost (§2.5.2.2)."""
    if row.event_active and now - row.event_last_arrival > c.EVENT_LOST_NS:
        end_event(row, core)
