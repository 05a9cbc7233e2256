"""What a session receives: its socket read once a tick, each datagram checked and handed on to whose it is.

The system's own arrival times are used, so that polling every 20 ms does not blur jitter or the start of a key.
Anything malformed, foreign or not negotiated is counted and dropped, and never disturbs the call.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.compiled import compiled
from media.kernel.jitter import put_packet
from media.kernel.latch import AF_INET, accept_source, same_address
from media.kernel.layout import (
    CONTROLS_AT,
    DATAGRAMS_AT,
    HEADERS_AT,
    NAMES_AT,
    VECTORS_AT,
    CoreRow,
    SessionRow,
    SocketRow,
)
from media.kernel.loss import put_noise
from media.kernel.native import EAGAIN, EINTR, MSG_DONTWAIT, MSG_TRUNC, errno, recvmmsg, recvmsg
from media.kernel.opus import samples_of
from media.kernel.reception import (
    DUPLICATE,
    REFUSED,
    begin_stream,
    count_packet,
    extend_timestamp,
    measure_jitter,
)
from media.kernel.reports import take_report
from media.kernel.ring import tell
from media.kernel.rtp import PAYLOAD_AT, PAYLOAD_LENGTH, PAYLOAD_TYPE, SEQUENCE, SSRC, TIMESTAMP, parse_rtp
from media.kernel.sharing import follow_routes, owner_of, owner_of_report
from media.kernel.srtp import unprotect
from media.kernel.telephone_events import receive_event
from media.kernel.uring import ask_for_datagram, submit

# Words of struct mmsghdr on 64-bit Linux, beside `MESSAGE_LENGTH`.
_NAME_LENGTH = 1
_CONTROL_LENGTH = 5
_FLAGS = 6

_NAME_BYTES = 28
_SOL_SOCKET = 1
SO_TIMESTAMPNS = 35
_STAMP_KIND = _SOL_SOCKET | SO_TIMESTAMPNS << 32
_STAMP_BYTES = 32
# A packet's wall clock time is believed within these bounds, should the clock be set while it waits.
_OLDEST_NS = 5 * c.NANOSECONDS
_NEWEST_NS = c.NANOSECONDS


@compiled
def prepare_receiving(core: CoreRow) -> None:
    """Point the message headers at the scratch memory, once per core."""
    for message in range(c.MESSAGES):
        header = core.headers[message]
        header[0] = core.address + NAMES_AT + message * 32
        header[_NAME_LENGTH] = _NAME_BYTES
        header[2] = core.address + VECTORS_AT + message * 16
        header[3] = 1
        header[4] = core.address + CONTROLS_AT + message * c.CONTROL_BYTES
        header[_CONTROL_LENGTH] = c.CONTROL_BYTES
        core.vectors[message, 0] = core.address + DATAGRAMS_AT + message * c.DATAGRAM_BYTES
        core.vectors[message, 1] = c.DATAGRAM_BYTES


@compiled
def _count_failure(core: CoreRow, number: int) -> None:
    if number not in (EAGAIN, EINTR):
        core.receive_errors += 1


@compiled
def receive_batch(core: CoreRow, fd: int) -> int:
    """Take up to 16 waiting datagrams from a socket into the scratch memory and return how many."""
    core.syscalls += 1
    count = recvmmsg(fd, core.address + HEADERS_AT, c.BATCH, MSG_DONTWAIT, 0)
    if count >= 0:
        return count
    _count_failure(core, errno())
    return 0


@compiled
def arrival_of(core: CoreRow, message: int) -> int:
    """Return when a message of the batch arrived, in monotonic ns."""
    control = core.controls[message]
    if core.headers[message, _CONTROL_LENGTH] < _STAMP_BYTES or control[1] != _STAMP_KIND:
        return core.now
    arrival = control[2] * c.NANOSECONDS + control[3] + core.wall_offset
    return max(core.now - _OLDEST_NS, min(arrival, core.now + _NEWEST_NS))


@compiled
def _drop(row: SessionRow, core: CoreRow, reason: int) -> None:
    row.drops[reason] += 1
    core.drops[reason] += 1


@compiled
def _joins_stream(row: SessionRow, core: CoreRow, arrival: int) -> bool:
    """Return whether a packet under another SSRC than the stream's takes the stream over.

    Two streams interleaved from one source would otherwise reset each other with every packet.
    """
    ssrc = core.rtp[SSRC]
    sequence = core.rtp[SEQUENCE]
    if not row.stream_started or arrival - row.last_arrival > c.SSRC_SILENCE_NS:
        return True
    if row.candidate_ssrc == ssrc and row.candidate_sequence == sequence:
        return True
    row.candidate_ssrc = ssrc
    row.candidate_sequence = (sequence + 1) & 0xFFFF
    return False


@compiled
def _count_use(row: SessionRow, core: CoreRow, arrival: int) -> None:
    row.received += 1
    row.octets_received += core.rtp[PAYLOAD_LENGTH]
    row.alive_since = max(row.alive_since, arrival)
    row.timed_out = 0


@compiled
def _take_stream_packet(row: SessionRow, core: CoreRow, is_event: bool, arrival: int) -> None:
    """Count a packet of the accepted source, and give audio to the jitter buffer and events to the key detector."""
    ssrc = core.rtp[SSRC]
    if not row.stream_started or ssrc != row.stream_ssrc:
        if row.stream_started and core.contested:
            # It may be that of the far end that is not known yet, which nothing else would tell from ours.
            _drop(row, core, c.DROP_SSRC)
            return
        if is_event and row.stream_started:
            # Some gateways send events under an SSRC of their own, beside the audio.
            _count_use(row, core, arrival)
            if not receive_event(row, core, arrival):
                _drop(row, core, c.DROP_MALFORMED)
            return
        if not _joins_stream(row, core, arrival):
            _drop(row, core, c.DROP_SSRC)
            return
        begin_stream(row, ssrc, core.rtp[SEQUENCE])
    verdict = count_packet(row, ssrc, core.rtp[SEQUENCE])
    if verdict == REFUSED:
        _drop(row, core, c.DROP_SEQUENCE)
        return
    row.last_arrival = arrival
    if verdict == DUPLICATE:
        return
    _count_use(row, core, arrival)
    if is_event:
        if not receive_event(row, core, arrival):
            _drop(row, core, c.DROP_MALFORMED)
        return
    if core.rtp[PAYLOAD_LENGTH] == 0:
        return
    if core.rtp[PAYLOAD_TYPE] != row.receive_payload_type:
        put_noise(row, core.datagrams[core.rtp[PAYLOAD_AT]])
        return
    length = core.rtp[PAYLOAD_LENGTH]
    if row.opus_decoder:
        length = samples_of(core, core.rtp[PAYLOAD_AT], length)
        if length == 0:
            _drop(row, core, c.DROP_MALFORMED)
            return
    timestamp = extend_timestamp(row, core.rtp[TIMESTAMP]) // row.clock_steps
    samples = arrival // 1000 * c.CLOCK_RATE // 1_000_000
    measure_jitter(row, samples, timestamp)
    put_packet(
        row,
        core,
        row.this_sequence,
        timestamp,
        samples,
        arrival,
        core.rtp[PAYLOAD_AT],
        core.rtp[PAYLOAD_LENGTH],
        length,
    )


@compiled
def take_datagram(
    row: SessionRow, core: CoreRow, at: int, length: int, word0: int, word1: int, word2: int, arrival: int
) -> None:
    """Use one datagram of a session's RTP socket that lies at `core.datagrams[at]`."""
    if row.state != c.STARTED:
        _drop(row, core, c.DROP_EARLY)
        return
    # RFC 5761 §4: packet types 192 to 223 in the second octet are RTCP on the RTP port.
    if length >= 2 and 192 <= core.datagrams[at + 1] <= 223:
        take_report(row, core, at, length, word0, word1, word2, arrival, c.YES)
        return
    if row.srtp_receive:
        length = unprotect(row, core, at, length, c.NO)
        if length == 0:
            return
    if not parse_rtp(core.datagrams, at, length, core.rtp) or core.rtp[PAYLOAD_LENGTH] > c.PAYLOAD_BYTES:
        _drop(row, core, c.DROP_MALFORMED)
        return
    payload_type = core.rtp[PAYLOAD_TYPE]
    is_event = payload_type == row.event_payload_type
    if not is_event and payload_type != row.receive_payload_type:
        # Comfort noise need not have been negotiated (RFC 3389 §4), so it counts only where the source is known.
        known = row.source_rank != c.RANK_NONE and same_address(word0, word1, word2, row.source)
        if payload_type != c.COMFORT_NOISE or not known:
            _drop(row, core, c.DROP_PAYLOAD_TYPE)
            return
    if not accept_source(row, core, word0, word1, word2, arrival):
        return
    if row.receiving == 0:
        _drop(row, core, c.DROP_DIRECTION)
        return
    core.packets_in += 1
    if row.first_packet_seen == 0:
        row.first_packet_seen = 1
        tell(core, row, c.EVENT_FIRST_PACKET, arrival, c.NONE, c.NONE, c.NONE, c.EVENT_RESERVE)
    _take_stream_packet(row, core, is_event, arrival)


@compiled
def _is_for(
    sessions: "list[SessionRow]",
    row: SessionRow,
    sock: SocketRow,
    core: CoreRow,
    message: int,
    is_rtp: int,
    word0: int,
    word1: int,
    word2: int,
) -> int:
    """Return the slot of the session that a message of the batch is for, or -1, counted."""
    if sock.lodgers <= 1:
        core.contested = 0
        return row.slot
    if is_rtp:
        slot = owner_of(sessions, sock, core, row.socket, word0, word1, word2)
    else:
        at = message * c.DATAGRAM_BYTES
        length = core.headers[message, c.MESSAGE_LENGTH]
        slot = owner_of_report(sessions, sock, core, row.socket, core.datagrams, at, length, word0, word1, word2)
    core.contested = 1 if sock.seat >= 0 and sock.seat != slot else 0
    if slot < 0:
        core.drops[c.DROP_FOREIGN] += 1
    return slot


@compiled
def _hand_on(
    sessions: "list[SessionRow]",
    row: SessionRow,
    core: CoreRow,
    message: int,
    is_rtp: int,
    word0: int,
    word1: int,
    word2: int,
) -> None:
    """Give a message of the batch to the session it is for."""
    at = message * c.DATAGRAM_BYTES
    length = core.headers[message, c.MESSAGE_LENGTH]
    if core.headers[message, _FLAGS] & MSG_TRUNC:
        _drop(row, core, c.DROP_MALFORMED)
    elif is_rtp:
        take_datagram(row, core, at, length, word0, word1, word2, arrival_of(core, message))
        follow_routes(sessions, core, row)
    elif row.state == c.STARTED:
        take_report(row, core, at, length, word0, word1, word2, arrival_of(core, message), c.NO)


@compiled
def _take_message(
    sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, message: int, is_rtp: int
) -> None:
    """Use one received message, and make its header ready for the next."""
    header = core.headers[message]
    word0 = core.names[message, 0]
    word1 = 0
    word2 = 0
    if word0 & 0xFFFF != AF_INET:
        # Without the flow label, which is no part of who sent it.
        word0 &= 0xFFFFFFFF
        word1 = core.names[message, 1]
        word2 = core.names[message, 2]
    slot = _is_for(sessions, row, sock, core, message, is_rtp, word0, word1, word2)
    if slot >= 0:
        _hand_on(sessions, sessions[slot], core, message, is_rtp, word0, word1, word2)
    header[_NAME_LENGTH] = _NAME_BYTES
    header[_CONTROL_LENGTH] = c.CONTROL_BYTES
    header[_FLAGS] = 0


@compiled
def _empty(
    sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, fd: int, is_rtp: int, batches: int
) -> None:
    for _ in range(batches):
        count = receive_batch(core, fd)
        for message in range(count):
            _take_message(sessions, row, sock, core, message, is_rtp)
        if count < c.BATCH:
            return


@compiled
def _empty_shared(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow) -> None:
    if sock.emptied != core.subtick + 1:
        sock.emptied = core.subtick + 1
        batches = c.BATCHES_PER_TICK + sock.lodgers // c.BATCH
        _empty(sessions, row, sock, core, sock.rtp_fd, c.YES, batches)


@compiled
def _take_first(
    sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, message: int, length: int
) -> None:
    """Use the first datagram of a tick, or note why there is none (`length` below 0), and take what is behind it.

    A packet that came on time says when the next of its stream can come at the earliest. Where that is still ahead,
    the socket is not asked again, which would cost half as much as the packet did; a stranger's or a doubled packet
    behind it waits for the next tick.
    """
    row.next_due = 0
    if length < 0:
        _count_failure(core, -length)
        return
    core.headers[message, c.MESSAGE_LENGTH] = length
    _take_message(sessions, row, sock, core, message, c.YES)
    if core.now >= row.next_due:
        _empty(sessions, row, sock, core, sock.rtp_fd, c.YES, c.BATCHES_PER_TICK)


@compiled
def receive_tick(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow) -> None:
    """Take what has arrived on the session's RTP socket; on one that is shared, for all of them, once in a sub-tick."""
    if sock.lodgers > 1:
        _empty_shared(sessions, row, sock, core)
        return
    core.syscalls += 1
    length = recvmsg(sock.rtp_fd, core.address + HEADERS_AT, MSG_DONTWAIT)
    _take_first(sessions, row, sock, core, 0, length if length >= 0 else -errno())


@compiled
def receive_asked(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, message: int) -> None:
    """Do as `receive_tick` does, where `ask_for_datagrams` has asked for the first one, to lie at a place."""
    if sock.lodgers > 1:
        _empty_shared(sessions, row, sock, core)
    else:
        _take_first(sessions, row, sock, core, message, core.headers[message, c.MESSAGE_LENGTH])


@compiled
def ask_for_datagrams(
    sessions: "list[SessionRow]", sockets: "list[SocketRow]", core: CoreRow, slots: Words, last: int
) -> None:
    """Ask the sockets of some sessions of a list, from one down, for the next datagram of each, and send what waits.

    A shared socket is not asked: it is emptied, in one go for all.
    """
    for message in range(c.BATCH, c.BATCH + min(last + 1, c.ASKED)):
        row = sessions[slots[last - message + c.BATCH]]
        sock = sockets[row.socket]
        core.headers[message, c.MESSAGE_LENGTH] = -EAGAIN
        if row.state != c.CLOSING and sock.lodgers == 1:
            ask_for_datagram(core, sock.rtp_fd, message)
    submit(sessions, core)


@compiled
def receive_reports(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow) -> None:
    """Take everything that has arrived on the session's RTCP socket."""
    _empty(sessions, row, sock, core, sock.rtcp_fd, c.NO, c.BATCHES_PER_TICK)
