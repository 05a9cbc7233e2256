"""A live source: sound that asyncio writes while it is heard, such as what comes over a WebSocket.

Each session has a ring of samples of its own, behind its queue: what the queue holds goes first. asyncio writes samples
and then the count of them (tail); the kernel takes them at its own pace (head). All counts only grow. Asked for, the
kernel tells when it has sent everything before a position. After it ran dry a source gathers a little before it is
heard again, so that the unevenness of its way here does not tear it.
"""

from media.kernel import constants as c
from media.kernel.arrays import Samples, Words
from media.kernel.codecs import encode_frame, reset_codec, silence_of
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets, fill_octets, load_acquire, store_release
from media.kernel.ring import post


@compiled
def push_samples(cursors: Words, ring: Samples, samples: Samples, tail: int) -> int:
    """Write as many samples as there is room for behind the `tail` written so far, and return how many that were."""
    count = min(ring.shape[0] - (tail - load_acquire(cursors, c.LIVE_HEAD)), samples.shape[0])
    for place in range(count):
        ring[(tail + place) % ring.shape[0]] = samples[place]
    store_release(cursors, c.LIVE_TAIL, tail + count)
    return count


@compiled
def publish(cursors: Words, index: int, value: int) -> None:
    """Write one of the words that the kernel reads."""
    store_release(cursors, index, value)


@compiled
def start_live(row: SessionRow, live: int, position: int) -> None:
    """Let a source be heard from a position on, or not any more."""
    row.live = live
    row.live_head = position
    row.live_dry = 1
    row.live_waited = 0
    row.live_codec = -1
    row.live_notified = -1
    store_release(row.live_cursors, c.LIVE_HEAD, position)


@compiled
def _gathers(row: SessionRow, waiting: int) -> bool:
    """Return whether a source that ran dry is still not to be heard."""
    if row.live_dry == 0:
        return False
    if waiting == 0:
        return True
    if waiting < c.LIVE_CUSHION_SAMPLES and row.live_waited < c.LIVE_CUSHION_TICKS:
        row.live_waited += 1
        return True
    row.live_dry = 0
    row.live_waited = 0
    return False


@compiled
def fill_live(row: SessionRow, core: CoreRow, target: int) -> None:
    """Write at an address the next 160 octets of a session's source; silence where there is nothing."""
    # In this order: what is to be left out has been written.
    skip = load_acquire(row.live_cursors, c.LIVE_SKIP)
    tail = load_acquire(row.live_cursors, c.LIVE_TAIL)
    if skip > row.live_head:
        row.live_head = min(skip, tail)
        row.live_dry = 1
        row.live_waited = 0
    waiting = min(tail - row.live_head, c.LIVE_SAMPLES)
    if _gathers(row, waiting):
        store_release(row.live_cursors, c.LIVE_HEAD, row.live_head)
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    count = min(waiting, c.TICK_SAMPLES)
    for place in range(count):
        core.samples[place] = row.live_samples[(row.live_head + place) % c.LIVE_SAMPLES]
    for place in range(count, c.TICK_SAMPLES):
        core.samples[place] = 0
    if count < c.TICK_SAMPLES:
        row.live_dry = 1
    row.live_head += count
    store_release(row.live_cursors, c.LIVE_HEAD, row.live_head)
    if row.live_codec != row.send_codec:
        row.live_codec = row.send_codec
        reset_codec(row.live_encoder)
    encode_frame(row.send_codec, core.samples, core.frame, row.live_encoder)
    copy_octets(target, core.address + FRAME_AT, c.TICK_SAMPLES)


@compiled
def report_live(row: SessionRow, core: CoreRow) -> None:
    """Tell asyncio, once, that everything before the position it waits for has been sent."""
    position = load_acquire(row.live_cursors, c.LIVE_NOTIFY)
    if position > row.live_head or position == row.live_notified:
        return
    if post(core, row, c.EVENT_LIVE_REACHED, core.now, row.live_head, c.NONE, c.NONE, c.NONE):
        row.live_notified = position
