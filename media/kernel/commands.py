"""What asyncio asks of the kernel: rows of words, taken at the start of each sub-tick in the order they were written.

A row is the command, a session's or a room's slot and generation, and arguments by the positions below. A command for
one that is gone is passed over.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.bridge import count_hearers, start_hearing, stop_hearing
from media.kernel.codecs import reset_codec
from media.kernel.compiled import compiled
from media.kernel.inband import listen_for_keys
from media.kernel.jitter import prepare_jitter, reset_jitter
from media.kernel.latch import AF_INET, expect_source, same_address, set_address
from media.kernel.layout import (
    CLEARED_BYTES,
    CNAME_AT,
    COMMANDS_AT,
    DIGITS_AT,
    CoreRow,
    RoomRow,
    SessionRow,
    SocketRow,
)
from media.kernel.live import start_live
from media.kernel.native import copy_octets, fill_octets, load_acquire, store_release
from media.kernel.opus import use_opus
from media.kernel.player import append_item, flush_items, keep_packets, recode_item
from media.kernel.record import start_taping, stop_taping
from media.kernel.reports import schedule_report, send_report
from media.kernel.ring import post
from media.kernel.rooms import join_room, leave_room, open_room, play_tone
from media.kernel.sharing import follow_routes, give_up_seat, move_in, move_out
from media.kernel.srtp import use_contexts
from media.kernel.transmit import timestamp_at

# Where the arguments stand. Open:
OPEN_RTP_FD = 3
OPEN_RTCP_FD = 4
OPEN_SSRC = 5
OPEN_SEQUENCE = 6
OPEN_TIMESTAMP = 7
OPEN_TIMEOUT_NS = 8
OPEN_CNAME = 9
OPEN_SOCKET = 11
OPEN_SEAT = 12

# Start, and every later change:
START_ADDRESS = 3
START_RTCP_ADDRESS = 6
START_CODEC = 9
START_SILENCE = 10
START_PAYLOAD_TYPE = 11
START_RECEIVE_PAYLOAD_TYPE = 12
START_EVENT_SEND_TYPE = 13
START_EVENT_RECEIVE_TYPE = 14
START_EVENT_CLOCK = 15
START_PACKET_SAMPLES = 16
START_SEND = 17
START_RECEIVE = 18
START_RTCP_MUX = 19
START_SRTP_NUMBER = 20
START_SRTP_SEND = 21
START_SRTP_RECEIVE = 22
START_SRTP_TRAILER = 23

# Play and recode:
PLAY_ID = 3
PLAY_ADDRESS = 4
PLAY_LENGTH = 5
PLAY_LOOPS = 6
PLAY_KEYS = 7
PLAY_GROUP = 8

# Packets of an item:
PACKETS_ADDRESS = 4

# Digits:
DIGITS_ID = 3
DIGITS_COUNT = 4
DIGITS_DURATION_MS = 5
DIGITS_GAP_MS = 6
DIGITS_SYMBOLS = 7

# Hear:
HEAR_SLOT = 3
HEAR_GENERATION = 4
HEAR_FAR = 5

# Tape; without an address it ends:
TAPE_NUMBER = 3
TAPE_ADDRESS = 4
TAPE_FRAMES = 5

# Join:
JOIN_ROOM = 3
JOIN_GENERATION = 4
JOIN_FLAGS = 5

# A room, with its parts on all threads:
ROOM_PARTS = 3
ROOM_FIRST = 4
ROOM_STRIDE = 5

# A room's tone:
TONE_ADDRESS = 3
TONE_SAMPLES = 4

# Opus, before the start that it is for; without addresses another codec follows:
OPUS_DECODER = 3
OPUS_ENCODER = 4
OPUS_SILENCE = 5
OPUS_FORWARDS = 6

# Live:
LIVE_POSITION = 4

# Stop, tap, a room's tap, live, in-band keys, seat, heard (one more or one less) and close:
ARGUMENT = 3


@compiled
def _open(
    sessions: "list[SessionRow]",
    sockets: "list[SocketRow]",
    row: SessionRow,
    core: CoreRow,
    groups: Words,
    command: Words,
    command_address: int,
    address: int,
) -> None:
    slot = command[1]
    move_out(sessions, sockets[row.socket], core, row)
    fill_octets(address, 0, CLEARED_BYTES)
    row.address = address
    row.slot = slot
    row.generation = command[2]
    row.state = c.OPEN
    row.socket = command[OPEN_SOCKET]
    sock = sockets[row.socket]
    sock.rtp_fd = command[OPEN_RTP_FD]
    sock.rtcp_fd = command[OPEN_RTCP_FD]
    move_in(sessions, sock, row)
    if command[OPEN_SEAT]:
        sock.seat = slot
    row.ssrc = command[OPEN_SSRC]
    row.sequence = command[OPEN_SEQUENCE]
    row.timestamp_base = command[OPEN_TIMESTAMP]
    row.timeout_ns = command[OPEN_TIMEOUT_NS]
    copy_octets(row.address + CNAME_AT, command_address + OPEN_CNAME * 8, c.CNAME_BYTES)
    row.last_tick = -1
    row.marker_due = 1
    row.event_payload_type = -1
    row.digits_payload_type = -1
    row.event_clock = c.CLOCK_RATE
    row.event_previous_ssrc = -1
    row.candidate_sequence = -1
    row.hears = -1
    row.room = -1
    row.packet_samples = c.TICK_SAMPLES
    row.clock_steps = 1
    prepare_jitter(row)
    group = 0
    for other in range(1, c.GROUPS):
        if core.group_sizes[other] < core.group_sizes[group]:
            group = other
    row.group = group
    row.place = core.group_sizes[group]
    groups[group, row.place] = slot
    core.group_sizes[group] += 1
    core.sessions += 1


@compiled
def detach(sessions: "list[SessionRow]", core: CoreRow, groups: Words, slot: int) -> None:
    """Take a session out of its group; the group's last one fills its place."""
    row = sessions[slot]
    last = core.group_sizes[row.group] - 1
    moved = groups[row.group, last]
    groups[row.group, row.place] = moved
    sessions[moved].place = row.place
    core.group_sizes[row.group] = last
    core.sessions -= 1
    row.state = c.FREE


@compiled
def report_closed(row: SessionRow, core: CoreRow) -> bool:
    """Tell asyncio that the session's sockets and audio are not touched any more."""
    return post(core, row, c.EVENT_CLOSED, core.now, c.NONE, c.NONE, c.NONE, c.NONE)


@compiled
def _start(sessions: "list[SessionRow]", row: SessionRow, core: CoreRow, command: Words) -> None:
    moved = row.state == c.OPEN or not same_address(
        command[START_ADDRESS], command[START_ADDRESS + 1], command[START_ADDRESS + 2], row.signalled
    )
    row.state = c.STARTED
    set_address(
        row.rtcp_signalled,
        command[START_RTCP_ADDRESS],
        command[START_RTCP_ADDRESS + 1],
        command[START_RTCP_ADDRESS + 2],
    )
    row.rtcp_mux = command[START_RTCP_MUX]
    if moved:
        set_address(row.signalled, command[START_ADDRESS], command[START_ADDRESS + 1], command[START_ADDRESS + 2])
        row.remote_length = 16 if row.signalled[0] & 0xFFFF == AF_INET else 28
        expect_source(row, core.now)
        follow_routes(sessions, core, row)
    if row.send_codec != command[START_CODEC] or row.packet_samples != command[START_PACKET_SAMPLES]:
        row.pending_samples = 0
    if row.receive_codec != command[START_CODEC]:
        reset_codec(row.tap_decoder)
        reset_codec(row.inband_decoder)
        reset_codec(row.tape_received_decoder)
        reset_codec(row.tape_sent_decoder)
    if row.sent_tapped and row.send_codec != command[START_CODEC]:
        reset_codec(row.sent_decoder)
    if row.receive_codec != command[START_CODEC] or row.receive_payload_type != command[START_RECEIVE_PAYLOAD_TYPE]:
        reset_jitter(row)
    row.send_codec = command[START_CODEC]
    row.receive_codec = command[START_CODEC]
    row.send_silence = command[START_SILENCE]
    row.send_payload_type = command[START_PAYLOAD_TYPE]
    row.receive_payload_type = command[START_RECEIVE_PAYLOAD_TYPE]
    row.digits_payload_type = command[START_EVENT_SEND_TYPE]
    row.event_payload_type = command[START_EVENT_RECEIVE_TYPE]
    row.event_clock = command[START_EVENT_CLOCK]
    row.packet_samples = command[START_PACKET_SAMPLES]
    row.sending = command[START_SEND]
    # The time-out counts from here, not from the last packet before a hold or before the answer to early media.
    row.alive_since = core.now
    row.timed_out = 0
    if moved or row.receiving != command[START_RECEIVE]:
        reset_jitter(row)
    row.receiving = command[START_RECEIVE]
    if command[START_SRTP_NUMBER] != row.srtp_number:
        row.srtp_number = command[START_SRTP_NUMBER]
        use_contexts(
            row,
            core.now,
            command[START_SRTP_NUMBER],
            command[START_SRTP_SEND],
            command[START_SRTP_RECEIVE],
            command[START_SRTP_TRAILER],
        )
    if row.next_report == 0:
        schedule_report(row, core, core.now)


@compiled
def _set_taps(row: SessionRow, tracks: int) -> None:
    """Give listeners the tracks whose bits are set; the decoder of one that is given already goes on."""
    received = tracks >> c.TRACK_RECEIVED & 1
    sent = tracks >> c.TRACK_SENT & 1
    if received and row.tapped & c.TAPPED_LISTENER == 0:
        reset_codec(row.tap_decoder)
    if sent and row.sent_tapped == 0:
        reset_codec(row.sent_decoder)
    row.tapped = row.tapped & ~c.TAPPED_LISTENER | (c.TAPPED_LISTENER if received else 0)
    row.sent_tapped = sent


@compiled
def _take_digits(row: SessionRow, core: CoreRow, command: Words, command_address: int) -> None:
    if row.digits_phase != c.DIGITS_NONE or command[DIGITS_COUNT] > c.DIGITS_MAX:
        core.commands_refused += 1
        return
    row.digits_id = command[DIGITS_ID]
    row.digits_count = command[DIGITS_COUNT]
    row.digits_index = 0
    row.digits_duration_ms = command[DIGITS_DURATION_MS]
    row.digits_gap_ms = command[DIGITS_GAP_MS]
    row.digits_repeats = 0
    copy_octets(row.address + DIGITS_AT, command_address + DIGITS_SYMBOLS * 8, c.DIGITS_MAX)
    row.digits_phase = c.DIGITS_NEXT


@compiled
def _close(
    sessions: "list[SessionRow]", sock: SocketRow, core: CoreRow, groups: Words, row: SessionRow, slot: int
) -> None:
    if row.state == c.STARTED and row.packets_sent > 0:
        send_report(row, sock, core, timestamp_at(row, max(row.last_tick, 0)), core.now, c.YES)
    stop_hearing(sessions, row)
    give_up_seat(sock, row)
    row.state = c.CLOSING
    if report_closed(row, core):
        detach(sessions, core, groups, slot)


@compiled
def _obey_for_room(room: RoomRow, command: Words) -> None:
    kind = command[0]
    if kind == c.COMMAND_ROOM_OPEN:
        open_room(room, command[1], command[2], command[ROOM_PARTS], command[ROOM_FIRST], command[ROOM_STRIDE])
    elif room.generation == command[2]:
        if kind == c.COMMAND_ROOM_TONE:
            play_tone(room, command[TONE_ADDRESS], command[TONE_SAMPLES])
        elif kind == c.COMMAND_ROOM_TAP:
            room.tapped = command[ARGUMENT]


@compiled
def _obey(
    sessions: "list[SessionRow]",
    sockets: "list[SocketRow]",
    rooms: "list[RoomRow]",
    core: CoreRow,
    groups: Words,
    command: Words,
    command_address: int,
    base: int,
    row_bytes: int,
) -> None:
    kind = command[0]
    if kind == c.COMMAND_SHUTDOWN:
        core.stopping = 1
        return
    slot = command[1]
    if kind >= c.COMMAND_ROOM_OPEN:
        _obey_for_room(rooms[slot], command)
        return
    row = sessions[slot]
    if kind == c.COMMAND_OPEN:
        if row.state != c.FREE:
            core.commands_refused += 1
            return
        _open(sessions, sockets, row, core, groups, command, command_address, base + slot * row_bytes)
        return
    if kind == c.COMMAND_FORGET:
        if row.generation == command[2] and row.state == c.FREE:
            move_out(sessions, sockets[row.socket], core, row)
        return
    if row.generation != command[2] or row.state in (c.FREE, c.CLOSING):
        return
    sock = sockets[row.socket]
    if kind == c.COMMAND_START:
        _start(sessions, row, core, command)
    elif kind == c.COMMAND_OPUS:
        reset_jitter(row)
        use_opus(row, command[OPUS_DECODER], command[OPUS_ENCODER], command[OPUS_SILENCE], command[OPUS_FORWARDS])
    elif kind == c.COMMAND_INBAND:
        listen_for_keys(row, command[ARGUMENT])
    elif kind == c.COMMAND_PLAY:
        if not append_item(
            row,
            command[PLAY_ID],
            command[PLAY_ADDRESS],
            command[PLAY_LENGTH],
            command[PLAY_LOOPS],
            command[PLAY_KEYS],
            command[PLAY_GROUP],
        ):
            core.commands_refused += 1
    elif kind == c.COMMAND_STOP:
        flush_items(row, command[ARGUMENT], c.REASON_STOPPED)
    elif kind == c.COMMAND_RECODE:
        recode_item(row, command[PLAY_ID], command[PLAY_ADDRESS], command[PLAY_LENGTH])
    elif kind == c.COMMAND_PACKETS:
        keep_packets(row, command[PLAY_ID], command[PACKETS_ADDRESS])
    elif kind == c.COMMAND_DIGITS:
        _take_digits(row, core, command, command_address)
    elif kind == c.COMMAND_TAP:
        _set_taps(row, command[ARGUMENT])
    elif kind == c.COMMAND_LIVE:
        start_live(row, command[ARGUMENT], command[LIVE_POSITION])
    elif kind == c.COMMAND_HEAR:
        if command[HEAR_SLOT] < 0:
            stop_hearing(sessions, row)
        else:
            start_hearing(sessions, row, command[HEAR_SLOT], command[HEAR_GENERATION], command[HEAR_FAR])
    elif kind == c.COMMAND_HEARD:
        count_hearers(row, command[ARGUMENT])
    elif kind == c.COMMAND_SEAT:
        if command[ARGUMENT]:
            sock.seat = slot
        else:
            give_up_seat(sock, row)
    elif kind == c.COMMAND_TAPE:
        if command[TAPE_ADDRESS] == 0:
            stop_taping(row, core)
        else:
            start_taping(row, command[TAPE_NUMBER], command[TAPE_ADDRESS], command[TAPE_FRAMES])
    elif kind == c.COMMAND_JOIN:
        stop_hearing(sessions, row)
        join_room(rooms[command[JOIN_ROOM]], row, command[JOIN_GENERATION], command[JOIN_FLAGS])
    elif kind == c.COMMAND_LEAVE:
        leave_room(row)
    elif kind == c.COMMAND_CLOSE:
        _close(sessions, sock, core, groups, row, slot)


@compiled
def obey_commands(
    sessions: "list[SessionRow]",
    sockets: "list[SocketRow]",
    rooms: "list[RoomRow]",
    core: CoreRow,
    groups: Words,
    base: int,
    row_bytes: int,
) -> None:
    """Carry out every command that waits. Sessions are rows of `row_bytes` octets from the address `base` on."""
    tail = load_acquire(core.cursors, c.CURSOR_COMMAND_TAIL)
    while core.command_head < tail:
        place = core.command_head % c.COMMANDS
        address = core.address + COMMANDS_AT + place * c.COMMAND_WORDS * 8
        _obey(sessions, sockets, rooms, core, groups, core.commands[place], address, base, row_bytes)
        core.command_head += 1
    store_release(core.cursors, c.CURSOR_COMMAND_HEAD, core.command_head)
