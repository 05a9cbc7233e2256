"""Single-producer, single-consumer rings of fixed rows of words, the only thing asyncio and the kernel share.

A ring is a table of rows, and two ever-growing counts in the cursor words: rows written (tail) and rows read (head), on
cache lines of their own. The producer publishes a row by its release of the tail; the consumer gives room back by its
release of the head.
"""

from media.kernel import constants as c
from media.kernel.arrays import Samples, Words
from media.kernel.codecs import decode_frame
from media.kernel.compiled import compiled
from media.kernel.layout import CoreRow, SessionRow
from media.kernel.native import full_fence, load_acquire, store_release


@compiled
def push_rows(cursors: Words, ring: Words, tail_at: int, head_at: int, rows: Words, count: int) -> bool:
    """Append `count` rows in one step, so that the consumer sees all of them or none; False where they do not fit.

    What the consumer published before it looked in vain can be read afterwards.
    """
    size = ring.shape[0]
    tail = cursors[tail_at]
    if size - (tail - load_acquire(cursors, head_at)) < count:
        return False
    for row in range(count):
        place = (tail + row) % size
        for word in range(ring.shape[1]):
            ring[place, word] = rows[row, word]
    store_release(cursors, tail_at, tail + count)
    full_fence()
    return True


@compiled
def take_rows(cursors: Words, ring: Words, tail_at: int, head_at: int, rows: Words) -> int:
    """Move up to `len(rows)` waiting rows out of a ring and return how many."""
    size = ring.shape[0]
    head = cursors[head_at]
    count = min(load_acquire(cursors, tail_at) - head, rows.shape[0])
    for row in range(count):
        place = (head + row) % size
        for word in range(ring.shape[1]):
            rows[row, word] = ring[place, word]
    store_release(cursors, head_at, head + count)
    return count


@compiled
def take_frames(cursors: Words, heads: Words, frames: Samples, rows: Words, audio: Samples) -> int:
    """Move waiting tapped frames, `(n, 4)` words and `(n, 160)` samples, out of the tap ring and return how many."""
    size = heads.shape[0]
    head = cursors[c.CURSOR_TAP_HEAD]
    count = min(load_acquire(cursors, c.CURSOR_TAP_TAIL) - head, rows.shape[0])
    for row in range(count):
        place = (head + row) % size
        for word in range(heads.shape[1]):
            rows[row, word] = heads[place, word]
        for sample in range(frames.shape[1]):
            audio[row, sample] = frames[place, sample]
    store_release(cursors, c.CURSOR_TAP_HEAD, head + count)
    return count


@compiled
def post(core: CoreRow, row: SessionRow, kind: int, at: int, first: int, second: int, third: int, reserve: int) -> bool:
    """Write one event of a session for asyncio: kind, when (monotonic ns), and three words of its own.

    Returns False, with nothing written, where fewer than `reserve` rows would stay free.
    """
    tail = core.event_tail
    if c.EVENTS - (tail - core.event_head_seen) <= reserve:
        core.event_head_seen = load_acquire(core.cursors, c.CURSOR_EVENT_HEAD)
        if c.EVENTS - (tail - core.event_head_seen) <= reserve:
            return False
    place = tail % c.EVENTS
    core.events[place, 0] = kind
    core.events[place, 1] = row.slot
    core.events[place, 2] = row.generation
    core.events[place, 3] = at
    core.events[place, 4] = first
    core.events[place, 5] = second
    core.events[place, 6] = third
    core.event_tail = tail + 1
    store_release(core.cursors, c.CURSOR_EVENT_TAIL, tail + 1)
    core.unsignalled = 1
    return True


@compiled
def tell(core: CoreRow, row: SessionRow, kind: int, at: int, first: int, second: int, third: int, reserve: int) -> None:
    """Write an event that nothing waits for; where there is no room it is lost, and counted."""
    if not post(core, row, kind, at, first, second, third, reserve):
        core.events_lost += 1


@compiled
def claim_frame(core: CoreRow, slot: int, generation: int) -> int:
    """Return the place in the tap ring for a frame of this origin, or -1, counted, where asyncio does not keep up."""
    tail = core.tap_tail
    if tail - core.tap_head_seen >= c.TAPS:
        core.tap_head_seen = load_acquire(core.cursors, c.CURSOR_TAP_HEAD)
        if tail - core.tap_head_seen >= c.TAPS:
            core.taps_lost += 1
            return -1
    place: int = tail % c.TAPS
    core.tap_heads[place, 0] = slot
    core.tap_heads[place, 1] = generation
    return place


@compiled
def publish_frame(core: CoreRow) -> None:
    """Give asyncio the frame whose place was claimed and has been filled."""
    core.tap_tail += 1
    store_release(core.cursors, c.CURSOR_TAP_TAIL, core.tap_tail)
    core.unsignalled = 1


@compiled
def post_frame(core: CoreRow, row: SessionRow, track: int, tick: int) -> None:
    """Decode `core.frame`, received or sent in a tick, for asyncio.

    Where asyncio does not keep up the frame is dropped and counted.
    """
    place = claim_frame(core, row.slot, row.generation)
    if place < 0:
        return
    core.tap_heads[place, 2] = track
    core.tap_heads[place, 3] = tick
    if track == c.TRACK_SENT:
        decode_frame(row.send_codec, core.frame, core.tap_frames[place], row.sent_decoder)
    else:
        decode_frame(row.receive_codec, core.frame, core.tap_frames[place], row.tap_decoder)
    publish_frame(core)
