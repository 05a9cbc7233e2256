"""One session hears another: what comes out of its jitter buffer is sent on, as it is where both speak the same codec.

Two sessions that hear each other are a bridged call. What a session's own queue holds goes first: a prompt is heard
instead of the other party, which goes on behind it.
"""

from media.kernel import constants as c
from media.kernel.codecs import decode_frame, encode_frame, recode_g711, reset_codec, silence_of
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME_AT, HEARD_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets, fill_octets


@compiled
def stop_hearing(sessions: "list[SessionRow]", row: SessionRow) -> None:
    """Let a session hear nobody; who is heard by nobody any more need not keep its frames."""
    if row.hears < 0:
        return
    source = sessions[row.hears]
    if source.generation == row.hears_generation and source.state != c.FREE:
        source.hearers -= 1
        if source.hearers == 0:
            source.tapped &= ~c.TAPPED_BRIDGE
    row.hears = -1


@compiled
def start_hearing(sessions: "list[SessionRow]", row: SessionRow, slot: int, generation: int) -> bool:
    """Let a session hear another one from now on, and nobody else. False where there is no such session."""
    stop_hearing(sessions, row)
    source = sessions[slot]
    if source.generation != generation or source.state in (c.FREE, c.CLOSING):
        return False
    row.hears = slot
    row.hears_generation = generation
    row.hears_frame = source.heard_frames
    row.hears_codec = -1
    source.hearers += 1
    source.tapped |= c.TAPPED_BRIDGE
    return True


@compiled
def keep_heard(row: SessionRow, core: CoreRow) -> None:
    """Keep the frame just played out, for those who hear this session."""
    copy_octets(row.address + HEARD_AT, core.address + FRAME_AT, c.TICK_SAMPLES)
    row.heard_codec = row.receive_codec
    row.heard_frames += 1


@compiled
def fill_heard(sessions: "list[SessionRow]", row: SessionRow, core: CoreRow, target: int) -> None:
    """Write at an address the next 160 octets of whom the session hears; silence where there is nothing new."""
    source = sessions[row.hears]
    if source.generation != row.hears_generation or source.state != c.STARTED:
        if source.generation != row.hears_generation:
            row.hears = -1
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    if source.heard_frames == row.hears_frame:
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    row.hears_frame = source.heard_frames
    if source.heard_codec == row.send_codec:
        copy_octets(target, source.address + HEARD_AT, c.TICK_SAMPLES)
        return
    codecs = source.heard_codec << 8 | row.send_codec
    if row.hears_codec != codecs:
        row.hears_codec = codecs
        reset_codec(row.hears_decoder)
        reset_codec(row.hears_encoder)
    if c.G722 not in (source.heard_codec, row.send_codec):
        recode_g711(source.heard, core.frame, row.send_codec)
    else:
        decode_frame(source.heard_codec, source.heard, core.samples, row.hears_decoder)
        encode_frame(row.send_codec, core.samples, core.frame, row.hears_encoder)
    copy_octets(target, core.address + FRAME_AT, c.TICK_SAMPLES)
