"""What a session receives and what it sends, kept side by side, a frame of each for every tick, for a recording.

A tape is memory that asyncio gives and reads: two blocks of frames of 8 kHz samples, received and sent, each a ring. A
frame's place follows from its tick alone, so both stay in step whatever is lost, held, or left out by a stall; where
there was nothing it is silence. Nothing here waits for the reader: one that is too slow finds old frames overwritten.
"""

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.codecs import decode_frame, reset_codec
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME_AT, SAMPLES_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets, fill_octets, load_acquire, store_release
from media.kernel.ring import post

_FRAME_BYTES = 2 * c.TICK_SAMPLES


@compiled
def start_taping(row: SessionRow, number: int, address: int, frames: int) -> None:
    """Keep what comes from the next tick on, in the tape of this number: room for `frames` frames of either kind."""
    row.tape_number = number
    row.tape_address = address
    row.tape_frames = frames
    row.tape_first = -1
    row.tapped |= c.TAPPED_RECORDER
    reset_codec(row.tape_received_decoder)
    reset_codec(row.tape_sent_decoder)
    store_release(row.taped, 0, number << c.TAPE_COUNT_BITS)


@compiled
def stop_taping(row: SessionRow, core: CoreRow) -> None:
    """Leave the tape alone from now on, and say so."""
    if row.tapped & c.TAPPED_RECORDER:
        row.tapped &= ~c.TAPPED_RECORDER
        row.tape_untold = row.tape_number
        tell_tape(row, core)


@compiled
def tell_tape(row: SessionRow, core: CoreRow) -> None:
    """Tell asyncio which tape is not written to any more, if that has not been told."""
    if row.tape_untold and post(core, row, c.EVENT_TAPE_ENDED, core.now, row.tape_untold, c.NONE, c.NONE, c.NONE):
        row.tape_untold = 0


@compiled
def _place(row: SessionRow, tick: int, kind: int) -> int:
    """Return the address of a tick's frame: `kind` 0 of those received, 1 of those sent."""
    return row.tape_address + (kind * row.tape_frames + (tick - row.tape_first) % row.tape_frames) * _FRAME_BYTES


@compiled
def clear_taped(row: SessionRow, tick: int, missed: int) -> None:
    """Begin the frames of a tick and of `missed` ones before it that did not take place: silence."""
    if row.tape_first < 0:
        row.tape_first = tick
    for back in range(min(missed, row.tape_frames - 1, tick - row.tape_first) + 1):
        fill_octets(_place(row, tick - back, 0), 0, _FRAME_BYTES)
        fill_octets(_place(row, tick - back, 1), 0, _FRAME_BYTES)


@compiled
def tape_received(row: SessionRow, core: CoreRow, tick: int) -> None:
    """Keep `core.frame`, just played out, as what was received in a tick."""
    if tick >= row.tape_first:
        decode_frame(row.receive_codec, core.frame, core.samples, row.tape_received_decoder)
        copy_octets(_place(row, tick, 0), core.address + SAMPLES_AT, _FRAME_BYTES)


@compiled
def tape_sent(row: SessionRow, core: CoreRow, tick: int, source: int) -> None:
    """Keep the 160 octets at an address as what is sent in a tick."""
    copy_octets(core.address + FRAME_AT, source, c.TICK_SAMPLES)
    decode_frame(row.send_codec, core.frame, core.samples, row.tape_sent_decoder)
    copy_octets(_place(row, tick, 1), core.address + SAMPLES_AT, _FRAME_BYTES)


@compiled
def publish_taped(row: SessionRow, tick: int) -> None:
    """Let asyncio read the frames up to a tick's."""
    store_release(row.taped, 0, row.tape_number << c.TAPE_COUNT_BITS | tick - row.tape_first + 1)


@compiled
def frames_taped(taped: Words, number: int) -> int:
    """Return how many frames the tape of this number has had so far; for asyncio."""
    word = load_acquire(taped, 0)
    return word & (1 << c.TAPE_COUNT_BITS) - 1 if word >> c.TAPE_COUNT_BITS == number else 0
