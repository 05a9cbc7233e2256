"""The loop of the kernel's thread: four sub-ticks in 20 ms, each with the sessions of its group.

Deadlines are absolute, so lateness never adds up. Less than a tick late, the loop runs through what is due without
sleeping; later than that it leaves out the ticks that are over, for every session alike. Without sessions the thread
sleeps until asyncio writes to it.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.bridge import keep_heard
from media.kernel.commands import detach, obey_commands, report_closed
from media.kernel.compiled import JIT_DISABLED, compiled, compiled_without_gil
from media.kernel.digits import report_digits
from media.kernel.inband import hear_keys
from media.kernel.jitter import pull_frame
from media.kernel.layout import (
    CACHE_LINE,
    HEARD_AT,
    JB_PAYLOADS_AT,
    JB_SLOT_BYTES,
    JB_SLOTS_AT,
    TOUCHED_BYTES,
    CoreRow,
    RoomRow,
    SessionRow,
    SocketRow,
)
from media.kernel.live import report_live
from media.kernel.native import (
    full_fence,
    load_acquire,
    prefetch,
    read_clock,
    signal_events,
    sleep_until,
    store_release,
    wait_for_wake,
)
from media.kernel.player import report_items
from media.kernel.receive import (
    ask_for_datagrams,
    prepare_receiving,
    receive_asked,
    receive_reports,
    receive_tick,
)
from media.kernel.record import clear_taped, publish_taped, tape_received, tell_tape
from media.kernel.reports import schedule_report, send_report
from media.kernel.ring import post, post_frame
from media.kernel.rooms import speak
from media.kernel.srtp import forget_previous
from media.kernel.telephone_events import give_up_event
from media.kernel.transmit import send_tick, timestamp_at
from media.kernel.uring import submit

# Frames played at once to a listener after a stall; more than the jitter buffer holds would be silence.
_CATCH_UP_FRAMES = 25


@compiled
def _keep_house(sessions: "list[SessionRow]", row: SessionRow, sock: SocketRow, core: CoreRow, tick: int) -> None:
    """Do what is due twice a second: RTCP in and out, and the time-out of a stream that has gone silent."""
    receive_reports(sessions, row, sock, core)
    if core.now >= row.next_report:
        send_report(row, sock, core, timestamp_at(row, tick), core.now, c.NO)
        schedule_report(row, core, core.now)
    forget_previous(row, core.now)
    if row.srtp_untold and post(
        core, row, c.EVENT_KEYS_DROPPED, core.now, row.srtp_send_number, row.srtp_oldest, c.NONE, c.NONE
    ):
        row.srtp_untold = 0
    tell_tape(row, core)
    if row.receiving and row.timed_out == 0 and core.now - row.alive_since > row.timeout_ns:
        row.timed_out = 1
        if not post(core, row, c.EVENT_MEDIA_TIMEOUT, core.now, c.NONE, c.NONE, c.NONE, c.EVENT_RESERVE):
            row.timed_out = 0


@compiled
def _play_out(rooms: "list[RoomRow]", row: SessionRow, core: CoreRow, tick: int, frames: int) -> None:
    """Advance the jitter buffer by some frames, and give them to those who listen; a room gets the last one."""
    for frame in range(frames):
        now = core.now - (frames - 1 - frame) * c.TICK_NS
        pull_frame(row, core, now // 1000 * c.CLOCK_RATE // 1_000_000, now)
        if row.tapped & c.TAPPED_LISTENER:
            post_frame(core, row, c.TRACK_RECEIVED, row.last_tick - (frames - 1 - frame))
        if row.tapped:
            keep_heard(row, core)
        if row.tapped & c.TAPPED_KEYS:
            hear_keys(row, core)
        if row.tapped & c.TAPPED_RECORDER:
            tape_received(row, core, tick - (frames - 1 - frame))
    if row.tapped & c.TAPPED_ROOM:
        speak(rooms, row, core, tick)


@compiled
def advance_session(
    sessions: "list[SessionRow]", rooms: "list[RoomRow]", row: SessionRow, sock: SocketRow, core: CoreRow, tick: int
) -> None:
    """Do what is due of a started session in one tick: play out, send, and report what has happened."""
    missed = tick - row.last_tick - 1 if row.last_tick >= 0 else 0
    row.last_tick = tick
    if row.tapped & c.TAPPED_RECORDER:
        clear_taped(row, tick, missed)
    if row.receiving:
        _play_out(rooms, row, core, tick, 1 + min(missed, _CATCH_UP_FRAMES))
    send_tick(sessions, rooms, row, sock, core, tick, missed)
    if row.tapped & c.TAPPED_RECORDER:
        publish_taped(row, tick)
    give_up_event(row, core, core.now)
    report_items(row, core)
    if row.live:
        report_live(row, core)
    report_digits(row, core)
    if (tick + row.slot) % c.HOUSEKEEPING_TICKS == 0:
        _keep_house(sessions, row, sock, core, tick)


@compiled
def _look_ahead(sessions: "list[SessionRow]", groups: Words, group: int, place: int, base: int, row_bytes: int) -> None:
    """Bring near what the sessions that come next will touch: by their turn it has long left the processor's cache.

    Of the one after the next the numbers, so that those of the next are there to say where its audio lies.
    """
    if JIT_DISABLED:
        return
    if place >= 2:
        address = base + groups[group, place - 2] * row_bytes
        for at in range(0, TOUCHED_BYTES, CACHE_LINE):
            prefetch(address + at)
    if place < 1:
        return
    row = sessions[groups[group, place - 1]]
    expected = row.max_sequence + 1 & c.JITTER_SLOTS - 1
    prefetch(row.address + JB_SLOTS_AT + expected * JB_SLOT_BYTES)
    if row.tapped == 0:
        return
    arriving = row.address + JB_PAYLOADS_AT + expected * c.PAYLOAD_BYTES
    played = row.address + JB_PAYLOADS_AT + (row.jb_play_sequence & c.JITTER_SLOTS - 1) * c.PAYLOAD_BYTES
    kept = row.address + HEARD_AT + row.heard_count[0] % c.HEARD_FRAMES * c.TICK_SAMPLES
    for at in range(0, c.TICK_SAMPLES, CACHE_LINE):
        prefetch(arriving + at)
        prefetch(played + at)
        prefetch(kept + at)


@compiled
def _serve_group(
    sessions: "list[SessionRow]",
    sockets: "list[SocketRow]",
    rooms: "list[RoomRow]",
    core: CoreRow,
    groups: Words,
    base: int,
    row_bytes: int,
) -> None:
    group = core.subtick % c.GROUPS
    tick = core.subtick // c.GROUPS
    # From the last to the first: one that leaves is replaced by one that has been served.
    last = core.group_sizes[group] - 1
    for place in range(last, -1, -1):
        message = c.BATCH + (last - place) % c.ASKED
        if core.uring_on and message == c.BATCH:
            ask_for_datagrams(sessions, sockets, core, groups[group], place)
        _look_ahead(sessions, groups, group, place, base, row_bytes)
        slot = groups[group, place]
        row = sessions[slot]
        if row.state == c.CLOSING:
            if report_closed(row, core):
                detach(sessions, core, groups, slot)
            continue
        sock = sockets[row.socket]
        if core.uring_on:
            receive_asked(sessions, row, sock, core, message)
        else:
            receive_tick(sessions, row, sock, core)
        if row.state == c.STARTED:
            advance_session(sessions, rooms, row, sock, core, tick)
    submit(sessions, core)


@compiled
def _count_lateness(core: CoreRow, late: int) -> None:
    place = 0
    while place < c.LATE_CLASSES - 1 and late >= c.LATE_CLASSES_US[place] * 1000:
        place += 1
    core.late[place] += 1
    core.late_max_ns = max(core.late_max_ns, late)


@compiled
def _keep_time(core: CoreRow) -> None:
    """Wait for the next deadline; leave out whole ticks that have passed."""
    if read_clock(core, c.CLOCK_MONOTONIC) < core.deadline:
        sleep_until(core, core.deadline)
    core.now = read_clock(core, c.CLOCK_MONOTONIC)
    core.wall_offset = core.now - read_clock(core, c.CLOCK_REALTIME)
    late = core.now - core.deadline
    core.ticks += 1
    _count_lateness(core, late)
    over = late // c.TICK_NS
    if over > 0:
        core.skipped_ticks += over
        core.subtick += over * c.GROUPS
        core.deadline += over * c.TICK_NS


@compiled
def _begin_time(core: CoreRow) -> None:
    """Begin with the present sub-tick. They are counted from the clock's zero, so those of all threads are the same."""
    core.now = read_clock(core, c.CLOCK_MONOTONIC)
    core.subtick = core.now // c.SUBTICK_NS
    core.deadline = core.subtick * c.SUBTICK_NS


@compiled
def _rest(core: CoreRow) -> None:
    """Sleep until there is a command. Whoever gives one looks whether anybody is asleep after it, and this looks for a
    command after it said so: one of the two sees the other."""
    store_release(core.cursors, c.CURSOR_ASLEEP, 1)
    full_fence()
    if load_acquire(core.cursors, c.CURSOR_COMMAND_TAIL) == core.command_head:
        wait_for_wake(core)
    store_release(core.cursors, c.CURSOR_ASLEEP, 0)


@compiled_without_gil
def run(
    sessions: "list[SessionRow]",
    sockets: "list[SocketRow]",
    rooms: "list[RoomRow]",
    cores: "list[CoreRow]",
    groups: Words,
    base: int,
    row_bytes: int,
) -> None:
    """Serve the sessions until told to shut down. Everything it needs is in its arguments; it takes no lock."""
    core = cores[0]
    prepare_receiving(core)
    _begin_time(core)
    post(core, sessions[0], c.EVENT_STARTED, core.now, c.NONE, c.NONE, c.NONE, c.NONE)
    while True:
        if core.unsignalled:
            core.unsignalled = 0
            signal_events(core)
        if core.sessions == 0:
            _rest(core)
            _begin_time(core)
        else:
            _keep_time(core)
        obey_commands(sessions, sockets, rooms, core, groups, base, row_bytes)
        if core.stopping:
            return
        if core.sessions > 0:
            _serve_group(sessions, sockets, rooms, core, groups, base, row_bytes)
            core.subtick += 1
            core.deadline += c.SUBTICK_NS
