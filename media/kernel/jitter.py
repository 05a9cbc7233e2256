"""The jitter buffer: packets in as they come, 20 ms frames out at the pace of the tick.

Packets wait in slots by sequence number and are played by timestamp, so payloads of 10 to 60 ms, loss, reordering,
silence suppression and wraps are one case. The target delay follows the largest recent delay over the fastest packet;
an empty buffer starts again with the next packet, and a frame is left out or put in where the delay and its target
drift apart. Without a listener only the bookkeeping is done, for the statistics. What is lost is made up, in G.711 from
what was heard before (`loss`), in Opus by its decoder; in G.722 it is silence.
"""

from media.kernel import constants as c
from media.kernel.codecs import silence_of
from media.kernel.compiled import compiled
from media.kernel.layout import DATAGRAMS_AT, FRAME_AT, JB_PAYLOADS_AT, CoreRow, SessionRow
from media.kernel.loss import can_make_up, come_back, fill_noise, make_up
from media.kernel.native import copy_octets, fill_octets
from media.kernel.opus import conceal, decode_packet, keep_packet

_SEQUENCE = 0
_TIMESTAMP = 1
_SAMPLES = 2
# Octets of the payload, 0 where it was not kept, or what says that they are samples by now.
_KEPT = 3
_DECODED = -1

# The estimate of the fastest transit rises one sample in this many packets, to follow a slower clock of the sender
# (200 ppm at 50 packets a second). The peak delay, kept in fractions as small, falls by 1/512 of what it is too high
# with each packet: ten seconds to a third.
_BASE_RISE_PACKETS = 32
_PEAK_FALL_SHIFT = 9


@compiled
def reset_jitter(row: SessionRow) -> None:
    """Empty the buffer; the next packet starts a timeline of its own."""
    row.jb_state = c.JITTER_IDLE
    row.made_up = 0
    row.history_from = row.heard_count[0]
    for slot in range(c.JITTER_SLOTS):
        row.jb_slots[slot, _SEQUENCE] = 0


@compiled
def prepare_jitter(row: SessionRow) -> None:
    """Set a new session's buffer to its first target."""
    reset_jitter(row)
    row.jb_peak = c.JITTER_START_SAMPLES << _PEAK_FALL_SHIFT
    row.jb_target = c.JITTER_START_SAMPLES
    row.jb_high_sequence = -1


@compiled
def _anchor(row: SessionRow, sequence: int, timestamp: int, transit: int, arrival_ns: int) -> None:
    """Start a timeline with a packet: it plays one target delay after its arrival."""
    reset_jitter(row)
    row.jb_state = c.JITTER_FILLING
    row.jb_play_sequence = sequence
    row.jb_play_timestamp = timestamp
    row.jb_high_sequence = sequence
    row.jb_base = transit
    row.jb_excess = 0
    row.jb_late_seen = 0
    row.jb_ready_at = arrival_ns + row.jb_target * (c.NANOSECONDS // c.CLOCK_RATE)


@compiled
def _follow_delay(row: SessionRow, sequence: int, transit: int) -> None:
    if transit < row.jb_base:
        row.jb_base = transit
    elif sequence % _BASE_RISE_PACKETS == 0:
        row.jb_base += 1
    delay = min(transit - row.jb_base, c.JITTER_MAX_SAMPLES) << _PEAK_FALL_SHIFT
    if delay > row.jb_peak:
        row.jb_peak = delay
    else:
        row.jb_peak -= (row.jb_peak - delay) >> _PEAK_FALL_SHIFT
    frames = -(-(row.jb_peak >> _PEAK_FALL_SHIFT) // c.TICK_SAMPLES)
    row.jb_target = max(c.JITTER_MIN_SAMPLES, min(frames * c.TICK_SAMPLES, c.JITTER_MAX_SAMPLES))


@compiled
def put_packet(
    row: SessionRow,
    core: CoreRow,
    sequence: int,
    timestamp: int,
    arrival: int,
    arrival_ns: int,
    at: int,
    octets: int,
    length: int,
) -> None:
    """Store one packet of so many octets and samples (`length`) that lies at `core.datagrams[at]`.

    Sequence and timestamp are extended ones; the arrival is in samples and in monotonic ns. A packet whose time has
    passed is counted as late; one that is next in order tells in `row.next_due` when its follower can come.
    """
    transit = arrival - timestamp
    if row.jb_state != c.JITTER_IDLE and abs(transit - row.jb_base) > c.JITTER_DISCONTINUITY_SAMPLES:
        reset_jitter(row)
    if row.jb_state == c.JITTER_IDLE and sequence < row.jb_play_sequence:
        row.late += 1
        return
    if row.jb_state == c.JITTER_IDLE or sequence >= row.jb_play_sequence + c.JITTER_SLOTS:
        _anchor(row, sequence, timestamp, transit, arrival_ns)
    else:
        _follow_delay(row, sequence, transit)
    if row.jb_state == c.JITTER_FILLING:
        # The first packets themselves may have come in the wrong order.
        if sequence <= row.jb_high_sequence - c.JITTER_SLOTS:
            row.late += 1
            return
        if sequence < row.jb_play_sequence:
            row.jb_play_sequence = sequence
            row.jb_play_timestamp = timestamp
    elif sequence < row.jb_play_sequence or timestamp + length <= row.jb_play_timestamp:
        row.late += 1
        row.jb_late_seen = 1
        return
    if row.jb_state == c.JITTER_PLAYING:
        row.noise_level = 0
    if sequence == row.jb_high_sequence + 1:
        # The next one, were it as fast as the fastest, comes its length after this one less this one's own delay.
        ahead = length - (transit - row.jb_base) - c.JITTER_EARLY_SAMPLES
        row.next_due = arrival_ns + ahead * (c.NANOSECONDS // c.CLOCK_RATE)
    row.jb_high_sequence = max(row.jb_high_sequence, sequence)
    place = sequence % c.JITTER_SLOTS
    slot = row.jb_slots[place]
    slot[_SEQUENCE] = sequence + 1
    slot[_TIMESTAMP] = timestamp
    slot[_SAMPLES] = length
    slot[_KEPT] = octets if row.tapped else 0
    if row.tapped:
        copy_octets(row.address + JB_PAYLOADS_AT + place * c.PAYLOAD_BYTES, core.address + DATAGRAMS_AT + at, octets)


@compiled
def _next_packet(row: SessionRow, position: int) -> int:
    """Return the place of the first waiting packet that reaches beyond a timestamp, or -1."""
    for sequence in range(row.jb_play_sequence, row.jb_high_sequence + 1):
        slot = row.jb_slots[sequence % c.JITTER_SLOTS]
        if slot[_SEQUENCE] == sequence + 1 and slot[_TIMESTAMP] + slot[_SAMPLES] > position:
            return sequence % c.JITTER_SLOTS
    return -1


@compiled
def playout_delay(row: SessionRow, arrival: int) -> int:
    """Return by how many samples the playing is behind the fastest packet, at a time given in samples."""
    return arrival - row.jb_base - row.jb_play_timestamp


@compiled
def pull_frame(row: SessionRow, core: CoreRow, arrival: int, now: int) -> None:
    """Play the next 20 ms into `core.frame` (silence where there is nothing) at the time `now`, given in both units."""
    core.packet_octets = 0
    if row.tapped:
        fill_octets(core.address + FRAME_AT, silence_of(row.receive_codec), c.TICK_SAMPLES)
    waits = row.jb_state == c.JITTER_FILLING and now < row.jb_ready_at
    if row.jb_state == c.JITTER_IDLE or waits:
        if row.tapped and row.noise_level:
            fill_noise(row, core, 0, c.TICK_SAMPLES)
        return
    if row.jb_state == c.JITTER_FILLING:
        row.jb_state = c.JITTER_PLAYING
        row.noise_level = 0
    delay = playout_delay(row, arrival)
    if delay > row.jb_target + 2 * c.TICK_SAMPLES:
        row.jb_excess += 1
        if row.jb_excess >= c.JITTER_EXCESS_TICKS:
            row.jb_excess = 0
            row.jb_play_timestamp += c.TICK_SAMPLES
            row.left_out += 1
    else:
        row.jb_excess = 0
    if row.jb_late_seen and delay + c.TICK_SAMPLES <= row.jb_target:
        row.jb_late_seen = 0
        row.put_in += 1
        return
    _play(row, core)


@compiled
def _bridge_gap(row: SessionRow, core: CoreRow, at: int, samples: int, place: int, whole: bool) -> None:
    """Fill so many samples at `core.frame[at]` before the packet in a place; `whole` where it follows behind them."""
    slot = row.jb_slots[place]
    if row.opus_decoder:
        # The copy of the last 20 ms or so, which only the packet right behind it has.
        conceal(row, core, at, samples, place, slot[_KEPT] if whole else 0)
    elif slot[_SEQUENCE] - 1 > row.jb_play_sequence:
        if can_make_up(row):
            make_up(row, core, at, samples)
    elif row.noise_level:
        # The sender was silent: no packet is missing.
        fill_noise(row, core, at, samples)


@compiled
def _play(row: SessionRow, core: CoreRow) -> None:
    filled = 0
    while filled < c.TICK_SAMPLES:
        position = row.jb_play_timestamp + filled
        place = _next_packet(row, position)
        if place < 0:
            row.jb_state = c.JITTER_IDLE
            row.made_up = 0
            break
        slot = row.jb_slots[place]
        gap = slot[_TIMESTAMP] - position
        if gap > 0:
            silent = min(gap, c.TICK_SAMPLES - filled)
            row.concealed += silent
            if row.tapped:
                _bridge_gap(row, core, filled, silent, place, silent == gap)
            filled += silent
            continue
        count = min(slot[_SAMPLES] + gap, c.TICK_SAMPLES - filled)
        if slot[_KEPT] > 0 and row.opus_decoder:
            if filled == 0 and gap == 0 and slot[_SAMPLES] == c.TICK_SAMPLES:
                keep_packet(row, core, place, slot[_KEPT])
            decode_packet(row, core, place, slot[_KEPT], slot[_SAMPLES])
            slot[_KEPT] = _DECODED
        if slot[_KEPT] and row.tapped:
            copy_octets(
                core.address + FRAME_AT + filled, row.address + JB_PAYLOADS_AT + place * c.PAYLOAD_BYTES - gap, count
            )
            if row.made_up:
                come_back(row, core, filled, count)
        filled += count
        if count == slot[_SAMPLES] + gap:
            row.jb_play_sequence = slot[_SEQUENCE]
            slot[_SEQUENCE] = 0
    row.jb_play_timestamp += filled
