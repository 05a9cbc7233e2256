"""RTCP of a session (RFC 3550 §6): our reports every five seconds or so, and what the far end's say.

Reports carry arrival times of their own, so the RTCP socket is emptied twice a second only.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.compiled import compiled
from media.kernel.latch import same_address, same_host, set_address
from media.kernel.layout import PACKET_AT, RTCP_REMOTE_AT, CoreRow, SessionRow, SocketRow
from media.kernel.native import MSG_DONTWAIT, MSG_NOSIGNAL, sendto
from media.kernel.octets import get32, signed32
from media.kernel.reception import FIRST_CYCLE, counted_packets, expected_packets
from media.kernel.ring import tell
from media.kernel.rtcp import (
    BODY_AT,
    COUNT,
    GOODBYE,
    NEXT_AT,
    RECEIVER_REPORT,
    SENDER_REPORT,
    TYPE,
    check_compound,
    find_block,
    names_source,
    read_packet,
    write_block,
    write_description,
    write_goodbye,
    write_receiver_report,
    write_sender_report,
)
from media.kernel.srtp import protect_report, unprotect

_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL
_SENDER_INFO = 24


@compiled
def _random(core: CoreRow, below: int) -> int:
    """Return a number that need only be different in different sessions."""
    core.random = (core.random * 1103515245 + 12345) & 0x7FFFFFFF
    return (core.random >> 8) % below


@compiled
def schedule_report(row: SessionRow, core: CoreRow, now: int) -> None:
    """Set the time of the next report to half to one and a half intervals from now (RFC 3550 §6.3.1)."""
    row.next_report = now + c.REPORT_INTERVAL_NS // 2 + _random(core, 1000) * (c.REPORT_INTERVAL_NS // 1000)


@compiled
def ntp_middle(wall: int) -> int:
    """Return the middle 32 bits of the NTP timestamp of a wall clock time in ns: 16 bits of seconds, 16 below."""
    seconds = wall // c.NANOSECONDS + c.NTP_EPOCH_OFFSET
    return (seconds & 0xFFFF) << 16 | (wall % c.NANOSECONDS << 16) // c.NANOSECONDS


@compiled
def _aim_reports(row: SessionRow) -> None:
    """Set where reports go: where the far end's come from, else as signalled, else the RTP address's next port."""
    if row.rtcp_learned:
        return
    if row.rtcp_mux:
        set_address(row.rtcp_remote, row.remote[0], row.remote[1], row.remote[2])
        return
    if row.rtcp_signalled[0] != 0 and row.source_rank in (c.RANK_NONE, c.RANK_SIGNALLED):
        set_address(row.rtcp_remote, row.rtcp_signalled[0], row.rtcp_signalled[1], row.rtcp_signalled[2])
        return
    word = row.remote[0]
    # The port stands in network order in the second pair of octets.
    port = ((word >> 16 & 0xFF) << 8 | (word >> 24 & 0xFF)) + 1
    word = word & ~0xFFFF0000 | (port & 0xFF) << 24 | (port >> 8 & 0xFF) << 16
    set_address(row.rtcp_remote, word, row.remote[1], row.remote[2])


@compiled
def _can_be_reached(address: Words) -> bool:
    """Return whether an address has a port and a host; a hold of RFC 2543 has neither."""
    if address[0] >> 16 & 0xFFFF == 0:
        return False
    return address[0] >> 32 != 0 or address[1] != 0 or address[2] != 0


@compiled
def _write_our_block(row: SessionRow, core: CoreRow, at: int, now: int) -> int:
    expected = expected_packets(row)
    received = counted_packets(row)
    expected_since = expected - row.report_expected
    lost_since = expected_since - (received - row.report_received)
    row.report_expected = expected
    row.report_received = received
    fraction = 0
    if expected_since > 0 and lost_since > 0:
        fraction = min((lost_since << 8) // expected_since, 255)
    delay = 0
    if row.sender_report_arrival:
        delay = (now - row.sender_report_arrival) * 65536 // c.NANOSECONDS
    return write_block(
        core.packet,
        0,
        at,
        row.stream_ssrc,
        fraction,
        expected - received,
        row.max_sequence - FIRST_CYCLE,
        (row.jitter >> 4) * row.clock_steps,
        row.sender_report_middle,
        delay,
    )


@compiled
def send_report(row: SessionRow, sock: SocketRow, core: CoreRow, timestamp: int, now: int, goodbye: int) -> None:
    """Send a sender report, or a receiver report where nothing was sent since the last, with our name.

    `timestamp` is the RTP timestamp of the current tick; with `goodbye` the stream is said to be over.
    """
    if not _can_be_reached(row.remote):
        return
    if row.packets_sent > row.sent_at_report:
        wall = now - core.wall_offset
        seconds = wall // c.NANOSECONDS
        fraction = (wall % c.NANOSECONDS << 32) // c.NANOSECONDS
        at = write_sender_report(
            core.packet,
            0,
            row.ssrc,
            seconds + c.NTP_EPOCH_OFFSET,
            fraction,
            timestamp,
            row.packets_sent,
            row.octets_sent,
        )
    else:
        at = write_receiver_report(core.packet, 0, row.ssrc)
    row.sent_at_report = row.packets_sent
    if row.stream_started:
        at = _write_our_block(row, core, at, now)
    at = write_description(core.packet, at, row.ssrc, row.cname)
    if goodbye:
        at = write_goodbye(core.packet, at, row.ssrc)
    if row.srtp_send:
        at = protect_report(row, core, at)
        if at == 0:
            core.send_errors += 1
            return
    _aim_reports(row)
    core.syscalls += 1
    fd = sock.rtp_fd if row.rtcp_mux else sock.rtcp_fd
    if sendto(fd, core.address + PACKET_AT, at, _FLAGS, row.address + RTCP_REMOTE_AT, row.remote_length) >= 0:
        core.reports_out += 1


@compiled
def _accept_reporter(row: SessionRow, word0: int, word1: int, word2: int, muxed: int) -> bool:
    """Return whether reports from an address are the far end's; a port of its own is learned."""
    if muxed:
        return row.source_rank != c.RANK_NONE and same_address(word0, word1, word2, row.source)
    if not same_host(word0, word1, word2, row.remote) and not same_host(word0, word1, word2, row.rtcp_signalled):
        return False
    row.rtcp_learned = 1
    set_address(row.rtcp_remote, word0, word1, word2)
    return True


@compiled
def _take_block(row: SessionRow, core: CoreRow, at: int, arrival: int) -> None:
    data = core.datagrams
    row.reports_received += 1
    row.remote_fraction_lost = get32(data, at + 4) >> 24
    lost = get32(data, at + 4) & 0xFFFFFF
    row.remote_lost = lost - 0x1000000 if lost & 0x800000 else lost
    row.remote_jitter = get32(data, at + 12)
    last = get32(data, at + 16)
    if last:
        # RFC 3550 §6.4.1; below zero only where the far end's clock or arithmetic is off.
        trip = signed32(ntp_middle(arrival - core.wall_offset) - last - get32(data, at + 20))
        row.round_trip_ns = max(trip, 0) * c.NANOSECONDS >> 16
        row.round_trip_known = 1


@compiled
def _take_packet(row: SessionRow, core: CoreRow, arrival: int) -> None:
    """Use the packet of the compound one that `core.rtcp` describes."""
    kind = core.rtcp[TYPE]
    at = core.rtcp[BODY_AT]
    count = core.rtcp[COUNT]
    if kind == SENDER_REPORT:
        row.sender_report_middle = get32(core.datagrams, at + 4) & 0xFFFF
        row.sender_report_middle = row.sender_report_middle << 16 | get32(core.datagrams, at + 8) >> 16
        row.sender_report_arrival = arrival
    if kind in (SENDER_REPORT, RECEIVER_REPORT):
        block = find_block(core.datagrams, at + (_SENDER_INFO if kind == SENDER_REPORT else 4), count, row.ssrc)
        if block >= 0:
            _take_block(row, core, block, arrival)
    if kind == GOODBYE and row.bye_seen == 0 and names_source(core.datagrams, at, count, row.stream_ssrc):
        row.bye_seen = 1
        tell(core, row, c.EVENT_BYE, arrival, c.NONE, c.NONE, c.NONE, c.EVENT_RESERVE)


@compiled
def take_report(
    row: SessionRow, core: CoreRow, at: int, length: int, word0: int, word1: int, word2: int, arrival: int, muxed: int
) -> None:
    """Use one RTCP datagram that lies at `core.datagrams[at]`, came from an address, and arrived at a time (ns)."""
    if row.srtp_receive:
        length = unprotect(row, core, at, length, c.YES)
        if length == 0:
            return
    if check_compound(core.datagrams, at, length, core.rtcp) < 0:
        row.drops[c.DROP_RTCP] += 1
        core.drops[c.DROP_RTCP] += 1
        return
    if not _accept_reporter(row, word0, word1, word2, muxed):
        row.drops[c.DROP_FOREIGN] += 1
        core.drops[c.DROP_FOREIGN] += 1
        return
    core.reports_in += 1
    end = at + length
    while at < end and read_packet(core.datagrams, at, end, core.rtcp):
        at = core.rtcp[NEXT_AT]
        _take_packet(row, core, arrival)
