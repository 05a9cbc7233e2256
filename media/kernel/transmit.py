"""What a session sends each tick: the next frame of its queue, or an event packet, in one datagram as a rule.

Timestamps follow the tick's count, whether anything is sent or not, so the far end hears pauses as pauses. After ticks
that did not happen (a stall of the machine) nothing is sent in a burst: the timestamps go on where the clock is, the
next packet carries the marker, and what is played continues where it was.
"""

from media.kernel import constants as c
from media.kernel.bridge import fill_heard
from media.kernel.codecs import silence_of
from media.kernel.compiled import compiled
from media.kernel.digits import EVENT_PACKET_BYTES, stop_digits, write_digits
from media.kernel.inband import write_tones
from media.kernel.layout import FRAME_AT, OUTGOING_AT, PACKET_AT, REMOTE_AT, CoreRow, RoomRow, SessionRow, SocketRow
from media.kernel.live import fill_live
from media.kernel.native import MSG_DONTWAIT, MSG_NOSIGNAL, copy_octets, fill_octets, sendto
from media.kernel.opus import encode_packet
from media.kernel.player import fill_audio, plays_nothing
from media.kernel.record import tape_sent
from media.kernel.ring import post_frame
from media.kernel.rooms import fill_mix
from media.kernel.rtp import write_rtp_header
from media.kernel.srtp import protect
from media.kernel.uring import send_later

_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL


@compiled
def timestamp_at(row: SessionRow, tick: int) -> int:
    """Return the RTP timestamp of the frame that belongs to a tick."""
    return (row.timestamp_base + tick * c.TICK_SAMPLES * row.clock_steps) & 0xFFFFFFFF


@compiled
def _send_packet(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, length: int) -> None:
    row.sequence = (row.sequence + 1) & 0xFFFF
    row.marker_due = 0
    octets = length - c.RTP_HEADER_BYTES
    if row.srtp_send:
        length = protect(row, core, length)
        if length == 0:
            row.send_errors += 1
            core.send_errors += 1
            return
    if core.uring_on:
        row.packets_sent += 1
        row.octets_sent += octets
        core.packets_out += 1
        send_later(sessions, row, core, sock.rtp_fd, length, octets)
        return
    core.syscalls += 1
    sent = sendto(sock.rtp_fd, core.address + PACKET_AT, length, _FLAGS, row.address + REMOTE_AT, row.remote_length)
    if sent < 0:
        # A full queue or an unreachable network: this packet is lost like any other, the next one is tried again.
        row.send_errors += 1
        core.send_errors += 1
        return
    row.packets_sent += 1
    row.octets_sent += octets
    core.packets_out += 1


@compiled
def _send_frames(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, timestamp: int) -> None:
    """Send what has gathered in packets of the negotiated length; `timestamp` is that of the newest frame."""
    first = timestamp - row.pending_samples
    row.pending_samples += c.TICK_SAMPLES
    at = 0
    while row.pending_samples - at >= row.packet_samples:
        write_rtp_header(
            core.packet, row.send_payload_type, row.marker_due, row.sequence, (first + at) & 0xFFFFFFFF, row.ssrc
        )
        copy_octets(core.address + PACKET_AT + c.RTP_HEADER_BYTES, row.address + OUTGOING_AT + at, row.packet_samples)
        at += row.packet_samples
        _send_packet(sessions, row, sock, core, c.RTP_HEADER_BYTES + row.packet_samples)
    row.pending_samples -= at
    # Forwards in place: the rest is moved towards the start, and is shorter than one packet.
    for octet in range(row.pending_samples if at else 0):
        row.outgoing[octet] = row.outgoing[at + octet]


@compiled
def _tap_sent(row: SessionRow, core: CoreRow, tick: int, frame: int) -> None:
    """Give the frame of this tick, that lies at an address (0: nothing is heard), to a listener who wants it."""
    if row.sent_tapped == 0:
        return
    if frame:
        copy_octets(core.address + FRAME_AT, frame, c.TICK_SAMPLES)
    else:
        fill_octets(core.address + FRAME_AT, silence_of(row.send_codec), c.TICK_SAMPLES)
    post_frame(core, row, c.TRACK_SENT, tick)


@compiled
def send_tick(
    sessions: "list[SessionRow]",
    rooms: "list[RoomRow]",
    row: SessionRow,
    sock: SocketRow,
    core: CoreRow,
    tick: int,
    missed: int,
) -> None:
    """Produce and send the session's frame of this tick, `missed` ticks after the last one that took place."""
    if missed:
        row.marker_due = 1
        row.pending_samples = 0
    whole = row.packet_samples == c.TICK_SAMPLES
    target = core.address + PACKET_AT + c.RTP_HEADER_BYTES if whole else row.address + OUTGOING_AT + row.pending_samples
    row.kept_packet = 0
    row.kept_octets = 0
    if row.live and plays_nothing(row):
        fill_live(row, core, target)
    elif row.hears >= 0 and plays_nothing(row):
        fill_heard(sessions, row, core, target)
    elif row.room >= 0 and plays_nothing(row):
        fill_mix(rooms, row, core, target, tick)
    else:
        fill_audio(row, target)
    timestamp = timestamp_at(row, tick)
    if row.digits_phase != c.DIGITS_NONE:
        row.kept_packet = 0
        if row.sending == 0:
            stop_digits(row)
        elif row.digits_payload_type < 0:
            write_tones(row, core, target)
        elif write_digits(row, core, timestamp):
            row.pending_samples = 0
            _tap_sent(row, core, tick, c.NONE)
            _send_packet(sessions, row, sock, core, EVENT_PACKET_BYTES)
            return
    if row.sending == 0:
        row.marker_due = 1
        row.pending_samples = 0
        _tap_sent(row, core, tick, c.NONE)
        return
    if row.tapped & c.TAPPED_RECORDER:
        tape_sent(row, core, tick, target)
    _tap_sent(row, core, tick, target)
    if whole:
        write_rtp_header(core.packet, row.send_payload_type, row.marker_due, row.sequence, timestamp, row.ssrc)
        octets = encode_packet(row, core) if row.opus_encoder else c.TICK_SAMPLES
        if octets:
            _send_packet(sessions, row, sock, core, c.RTP_HEADER_BYTES + octets)
        else:
            row.send_errors += 1
            core.send_errors += 1
    else:
        _send_frames(sessions, row, sock, core, timestamp)
