"""The memory of the kernel: what a session, a socket pair, a room and a media core hold, as rows of numpy records.

Each class declares a record once: its annotations give mypy the field names and numpy the layout. Every number is a
64-bit integer, so that no arithmetic wraps by accident, compiled or not. Rows live in anonymous memory that costs
nothing until it is touched. Only the kernel's thread writes here, except where a field says otherwise.
"""

import mmap
import sys
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

import numpy as np

from media.kernel import constants as c
from media.kernel.arrays import Octets, Samples, Sums, Words
from media.kernel.compiled import JIT_DISABLED

# An address is kept as the four words of its sockaddr, flow label and unused tail zero, so that comparing two addresses
# is comparing three words and sending to one needs no conversion.
Address: TypeAlias = Annotated[Words, (4,)]


class SocketRow:
    """Two sockets, RTP and RTCP. A session names its row here rather than holding them: several can share one."""

    rtp_fd: int
    rtcp_fd: int
    # How many sessions share it, the first of them, and the one whose far end is not known yet (or -1).
    lodgers: int
    first: int
    seat: int
    # One more than the sub-tick in which it was emptied for all of them.
    emptied: int


class SessionRow:
    """One RTP session. Ordered so that what every tick touches lies together."""

    # Where this row lies in memory, for the system calls and copies that want addresses.
    address: int
    slot: int
    generation: int
    state: int
    socket: int
    # Where the session is served: its group of the four sub-ticks and its place in that group's list.
    group: int
    place: int
    last_tick: int
    # Whether its addresses have changed since datagrams find it by them.
    routes_due: int

    sending: int
    send_codec: int
    send_payload_type: int
    send_silence: int
    ssrc: int
    sequence: int
    timestamp_base: int
    marker_due: int
    packet_samples: int
    # Of the stream's clock, to a sample at 8 kHz.
    clock_steps: int
    # libopus's states and where silence lies ready, 0 for another codec.
    opus_decoder: int
    opus_encoder: int
    opus_silence: int
    # Whether packets of whom it hears may be sent on as they are.
    opus_forwards: int
    pending_samples: int
    remote: Address
    remote_length: int
    packets_sent: int
    octets_sent: int
    send_errors: int
    # libsrtp's contexts, 0 for plain RTP.
    srtp_send: int
    srtp_receive: int

    item_head: int
    item_tail: int
    item_reported: int
    item_position: int
    # Where the present frame lies ready in Opus, 0 where it does not, and its octets, 0 where they stand behind it.
    kept_packet: int
    kept_octets: int
    # Whether a live source is behind the queue.
    live: int

    receiving: int
    receive_codec: int
    receive_payload_type: int
    event_payload_type: int
    tapped: int
    # Whether a listener wants what is sent.
    sent_tapped: int
    # Whom this session hears (a slot, or -1), and how many hear it.
    hears: int
    hears_generation: int
    hears_frame: int
    hears_codec: int
    # Whether it is served by another thread.
    hears_far: int
    hearers: int
    # Where what is received and sent is kept for a recording; its first tick.
    tape_number: int
    tape_address: int
    tape_frames: int
    tape_first: int
    tape_untold: int
    # The room that this session is in (or -1), how it is there, and how loud it speaks.
    room: int
    room_generation: int
    room_flags: int
    room_level: int
    spoken_ticks: Annotated[Words, (2,)]
    source: Address
    source_rank: int

    stream_started: int
    stream_ssrc: int
    last_arrival: int
    # Before this time (ns) the stream's next packet cannot come; 0 where that is not known.
    next_due: int
    received: int
    octets_received: int
    base_sequence: int
    max_sequence: int
    bad_sequence: int
    this_sequence: int
    seen: int
    duplicates: int
    out_of_order: int
    expected_before: int
    received_before: int
    stream_received: int
    transit: int
    jitter: int
    max_timestamp: int

    jb_state: int
    jb_play_sequence: int
    jb_play_timestamp: int
    jb_high_sequence: int
    jb_ready_at: int
    jb_base: int
    jb_peak: int
    jb_target: int
    jb_excess: int
    jb_late_seen: int
    late: int
    concealed: int
    # The first of the frames kept that belong to this stream; where the present hole begins among them, how much of it
    # was made up, of which period; how loud comfort noise is, 0 for none.
    history_from: int
    hole_from: int
    made_up: int
    pitch: int
    noise_level: int
    noise_state: int
    left_out: int
    put_in: int

    event_active: int
    event_ssrc: int
    event_timestamp: int
    event_key: int
    event_units: int
    event_base_units: int
    event_first_arrival: int
    event_last_arrival: int
    event_previous_ssrc: int
    event_previous_timestamp: int
    event_seen: int
    event_clock: int

    digits_phase: int
    digits_index: int
    digits_count: int
    digits_id: int
    digits_left_ms: int
    digits_elapsed_ms: int
    digits_timestamp: int
    digits_repeats: int
    digits_duration_ms: int
    digits_gap_ms: int
    digits_payload_type: int
    digits_key: int

    # The key that is heard in the audio (or -1), how long so far, what the last frame held and how many before it did.
    inband_key: int
    inband_ticks: int
    inband_last: int
    inband_frames: int

    # Things that happen once in a while.
    signalled: Address
    rtcp_signalled: Address
    rtcp_remote: Address
    rtcp_learned: int
    rtcp_mux: int
    latch_until: int
    alive_since: int
    timeout_ns: int
    timed_out: int
    next_report: int
    candidate_ssrc: int
    candidate_sequence: int
    first_packet_seen: int

    # The numbers of the start commands that brought the contexts; the oldest is that of the previous one while it is
    # kept.
    srtp_number: int
    srtp_send_number: int
    srtp_receive_number: int
    srtp_oldest: int
    srtp_untold: int
    # Octets of the key identifier, of an RTP packet's tag and of a report's, in this order from the lowest.
    srtp_trailer: int
    srtp_previous: int
    srtp_previous_trailer: int
    srtp_previous_until: int
    srtp_sources: int

    sender_report_middle: int
    sender_report_arrival: int
    report_expected: int
    report_received: int
    sent_at_report: int
    round_trip_ns: int
    round_trip_known: int
    remote_fraction_lost: int
    remote_lost: int
    remote_jitter: int
    reports_received: int
    bye_seen: int

    live_head: int
    live_dry: int
    live_waited: int
    live_codec: int
    live_notified: int

    # Its neighbours among those who share its socket, and the addresses that datagrams find it by.
    lodging: int
    lodger_before: int
    lodger_after: int
    routed: Annotated[Words, (c.ROUTES,)]
    route_next: Annotated[Words, (c.ROUTES,)]
    route_keys: Annotated[Words, (c.ROUTES, 3)]

    cname: Annotated[Octets, (c.CNAME_BYTES,)]

    drops: Annotated[Words, (c.DROPS,)]
    flushed: Annotated[Words, (c.FLUSHED_GROUPS,)]
    flushed_next: int
    digits: Annotated[Octets, (c.DIGITS_MAX,)]
    srtp_ssrcs: Annotated[Words, (c.SRTP_SOURCES,)]
    # Address (3 words), SSRC, last sequence, count, last heard.
    candidates: Annotated[Words, (c.LATCH_CANDIDATES, 8)]
    # Extended sequence + 1 (0: empty), extended timestamp, samples, whether the payload was kept.
    jb_slots: Annotated[Words, (c.JITTER_SLOTS, 4)]
    items: Annotated[Words, (c.ITEMS, c.ITEM_WORDS)]
    # Of the last frames played out, for those who hear this session: how many there have been, published; their
    # codecs, and above these the octets of those that came in a packet of Opus each.
    heard_count: Annotated[Words, (1,)]
    heard_codecs: Annotated[Words, (c.HEARD_FRAMES,)]
    # What it has said into its room, by even and odd ticks.
    spoken: Annotated[Samples, (2, c.TICK_SAMPLES)]
    tap_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    hears_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    hears_encoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    outgoing: Annotated[Octets, (c.PACKET_BYTES,)]
    # Written by asyncio as well.
    live_cursors: Annotated[Words, (c.LIVE_CURSOR_WORDS,)]
    jb_payloads: Annotated[Octets, (c.JITTER_SLOTS * c.PAYLOAD_BYTES,)]

    # What is below is not cleared when a session is opened, so that one without streams never touches this memory.
    heard: Annotated[Octets, (c.HEARD_FRAMES, c.TICK_SAMPLES)]
    heard_packets: Annotated[Octets, (c.HEARD_FRAMES, c.FORWARDED_BYTES)]
    sent_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    live_encoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    inband_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    inband_encoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    taped: Annotated[Words, (1,)]
    tape_received_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    tape_sent_decoder: Annotated[Words, (c.CODEC_STATE_WORDS,)]
    # Written by asyncio.
    live_samples: Annotated[Samples, (c.LIVE_SAMPLES,)]


class RoomRow:
    """One room: what its members say in a tick, summed up, and kept while the next tick's sum is being made.

    Where there are several threads a room has a row on each, which hears what is said in the others.
    """

    generation: int
    slot: int
    tapped: int
    # 16-bit samples at 8 kHz that are added to the sum until they are over.
    tone_address: int
    tone_samples: int
    tone_position: int
    # Which tick each sum is of, and how many have spoken in it.
    ticks: Annotated[Words, (2,)]
    voices: Annotated[Words, (2,)]
    # The whole sum in each codec of G.711, and the tick it is of.
    shared_ticks: Annotated[Words, (c.ROOM_SHARED,)]
    shared: Annotated[Octets, (c.ROOM_SHARED, c.TICK_SAMPLES)]
    sums: Annotated[Sums, (2, c.TICK_SAMPLES)]
    # The room's rows on all threads: how many, the first one, and the distance from one to the next.
    parts: int
    first_part: int
    part_stride: int
    # How many sums of its own it has told the others, published; the last of them, and how many voices are in each.
    told_count: Annotated[Words, (1,)]
    told_voices: Annotated[Words, (c.HEARD_FRAMES,)]
    told: Annotated[Sums, (c.HEARD_FRAMES, c.TICK_SAMPLES)]
    # How many sums of each other part were heard.
    parts_heard: Annotated[Words, (c.CORES,)]


class CoreRow:
    """What belongs to one kernel thread: its clock, its rings, its scratch memory and its counters."""

    address: int
    subtick: int
    deadline: int
    now: int
    # What to add to the wall clock's time of a packet to get the monotonic time of its arrival.
    wall_offset: int
    sessions: int
    group_sizes: Annotated[Words, (c.GROUPS,)]
    random: int
    wake_fd: int
    event_fd: int
    stopping: int
    unsignalled: int
    command_head: int
    event_tail: int
    event_head_seen: int
    tap_tail: int
    tap_head_seen: int

    ticks: int
    skipped_ticks: int
    late: Annotated[Words, (c.LATE_CLASSES,)]
    late_max_ns: int
    syscalls: int
    packets_in: int
    packets_out: int
    reports_in: int
    reports_out: int
    send_errors: int
    receive_errors: int
    events_lost: int
    taps_lost: int
    commands_refused: int
    # Of the frame in hand, where it came in a packet of Opus of its own: that packet's octets.
    packet_octets: int
    # Whether the datagram in hand came on a socket where somebody else waits for a far end that is not known.
    contested: int
    drops: Annotated[Words, (c.DROPS,)]

    # Sessions by the addresses of their far ends: a chain of places (slot and kind, plus one) in each bucket.
    routes: Annotated[Words, (c.ROUTE_BUCKETS,)]

    rtp: Annotated[Words, (8,)]
    rtcp: Annotated[Words, (8,)]
    clock: Annotated[Words, (2,)]
    poll: Annotated[Words, (1,)]
    wake_value: Annotated[Words, (1,)]
    # An int of C's in the lower half.
    srtp_length: Annotated[Words, (1,)]
    # The ring of io_uring: whether there is one, where its parts lie, and what has been asked for and not handed over.
    uring_on: int
    uring_fd: int
    uring_requests: int
    uring_mask: int
    uring_tail: int
    uring_submission_tail: int
    uring_completion_head: int
    uring_completion_tail: int
    uring_answers: int
    uring_answer_mask: int
    uring_queued: int
    uring_sends: int
    headers: Annotated[Words, (c.MESSAGES, c.HEADER_BYTES // 8)]
    vectors: Annotated[Words, (c.MESSAGES, 2)]
    names: Annotated[Words, (c.MESSAGES, 4)]
    controls: Annotated[Words, (c.MESSAGES, c.CONTROL_BYTES // 8)]
    packet: Annotated[Octets, (c.PACKET_BYTES,)]
    frame: Annotated[Octets, (c.TICK_SAMPLES,)]
    samples: Annotated[Samples, (c.TICK_SAMPLES,)]
    speech: Annotated[Samples, (c.OPUS_SAMPLES,)]
    datagrams: Annotated[Octets, (c.MESSAGES * c.DATAGRAM_BYTES,)]
    outbox: Annotated[Octets, (c.OUTBOX * c.OUTBOX_BYTES,)]
    protected: Annotated[Octets, (c.DATAGRAM_BYTES,)]

    # Written by asyncio as well: the head of events and taps, the tail of commands and the commands themselves.
    cursors: Annotated[Words, (c.CURSOR_WORDS,)]
    commands: Annotated[Words, (c.COMMANDS, c.COMMAND_WORDS)]
    events: Annotated[Words, (c.EVENTS, c.EVENT_WORDS)]
    tap_heads: Annotated[Words, (c.TAPS, c.TAP_WORDS)]
    tap_frames: Annotated[Samples, (c.TAPS, c.TICK_SAMPLES)]


CACHE_LINE = 64


def record_dtype(declaration: type) -> np.dtype[Any]:
    """Return the numpy layout of a declared record.

    The size is an odd number of cache lines: with a power of two the first lines of all rows would compete for the
    same few places of the processor's cache.
    """
    fields: list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]] = []
    for name, hint in get_type_hints(declaration, include_extras=True).items():
        if hint is int:
            fields.append((name, np.int64))
            continue
        array, shape = get_args(hint)
        (element,) = get_args(get_args(array)[1])
        fields.append((name, element, shape))
    size = np.dtype(fields, align=True).itemsize
    lines = -(-size // CACHE_LINE) | 1
    if lines * CACHE_LINE > size:
        fields.append(("padding", np.uint8, (lines * CACHE_LINE - size,)))
    return np.dtype(fields, align=True)


def _place(declaration: type, name: str) -> int:
    """Return the octets from the start of a row to one of its fields."""
    fields = record_dtype(declaration).fields
    assert fields is not None
    return int(fields[name][1])


REMOTE_AT = _place(SessionRow, "remote")
RTCP_REMOTE_AT = _place(SessionRow, "rtcp_remote")
CNAME_AT = _place(SessionRow, "cname")
DIGITS_AT = _place(SessionRow, "digits")
HEARD_AT = _place(SessionRow, "heard")
HEARD_PACKETS_AT = _place(SessionRow, "heard_packets")
OUTGOING_AT = _place(SessionRow, "outgoing")
JB_PAYLOADS_AT = _place(SessionRow, "jb_payloads")
JB_SLOTS_AT = _place(SessionRow, "jb_slots")
JB_SLOT_BYTES = 32
# What every tick of a call touches, and with it what happens once in a while.
TOUCHED_BYTES = _place(SessionRow, "srtp_number")
CLEARED_BYTES = _place(SessionRow, "heard")
CLOCK_AT = _place(CoreRow, "clock")
POLL_AT = _place(CoreRow, "poll")
WAKE_VALUE_AT = _place(CoreRow, "wake_value")
HEADERS_AT = _place(CoreRow, "headers")
VECTORS_AT = _place(CoreRow, "vectors")
NAMES_AT = _place(CoreRow, "names")
CONTROLS_AT = _place(CoreRow, "controls")
PACKET_AT = _place(CoreRow, "packet")
FRAME_AT = _place(CoreRow, "frame")
SAMPLES_AT = _place(CoreRow, "samples")
SPEECH_AT = _place(CoreRow, "speech")
DATAGRAMS_AT = _place(CoreRow, "datagrams")
OUTBOX_AT = _place(CoreRow, "outbox")
PROTECTED_AT = _place(CoreRow, "protected")
SRTP_LENGTH_AT = _place(CoreRow, "srtp_length")
COMMANDS_AT = _place(CoreRow, "commands")


def allocate(declaration: type, count: int) -> Any:
    """Return `count` zeroed rows of a declared record, in memory that becomes resident page by page as it is used."""
    dtype = record_dtype(declaration)
    # Shared rather than private: a fork of this process would else make every page copy itself on the next write,
    # under the hands of the running thread.
    memory = mmap.mmap(-1, max(1, dtype.itemsize * count), flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    # One touched row would otherwise make two megabytes resident.
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    rows = np.frombuffer(memory, dtype=dtype, count=count)
    if "address" in (dtype.names or ()):
        # Of every row now would make all of them resident; sessions get theirs when they are opened.
        rows[0]["address"] = rows.ctypes.data
    return rows.view(np.recarray) if JIT_DISABLED else rows


def check_platform() -> None:
    """Raise RuntimeError where the layout of the system's own structures is not the one written down here."""
    if sys.byteorder != "little" or sys.maxsize < 2**63 - 1 or not sys.platform.startswith("linux"):
        raise RuntimeError("the media kernel runs on 64-bit little-endian Linux only")
