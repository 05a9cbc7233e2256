"""One session hears another: what comes out of its jitter buffer is sent on, as it is where both speak the same codec.

Of Opus that is the packet itself, where it holds just this frame; what was made up for a lost one is encoded.

Two sessions that hear each other are a bridged call. What a session's own queue holds goes first: a prompt is heard
instead of the other party, which goes on behind it. The two may be served by different threads: a session publishes its
last few frames, and only ever the thread that serves a session writes to it.
"""

from media.kernel import constants as c
from media.kernel.codecs import decode_frame, encode_frame, recode_g711, reset_codec, silence_of
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME_AT, HEARD_AT, HEARD_PACKETS_AT, CoreRow, SessionRow
from media.kernel.native import copy_octets, fill_octets, load_acquire, store_release

_CODEC = 0xFF
_PACKET_SHIFT = 8


@compiled
def count_hearers(row: SessionRow, change: int) -> None:
    """Note that a session is heard by one more or one less; who is heard by nobody need not keep its frames."""
    row.hearers += change
    if row.hearers > 0:
        row.tapped |= c.TAPPED_BRIDGE
    else:
        row.tapped &= ~c.TAPPED_BRIDGE


@compiled
def stop_hearing(sessions: "list[SessionRow]", row: SessionRow) -> None:
    """Let a session hear nobody. One of another thread is told by a command of its own."""
    if row.hears < 0:
        return
    if row.hears_far == 0:
        source = sessions[row.hears]
        if source.generation == row.hears_generation and source.state != c.FREE:
            count_hearers(source, -1)
    row.hears = -1


@compiled
def start_hearing(sessions: "list[SessionRow]", row: SessionRow, slot: int, generation: int, far: int) -> bool:
    """Let a session hear another one from now on, and nobody else. False where there is no such session.

    One that is `far` is served by another thread, and told by a command of its own that it is heard. That thread may
    not have opened it yet, in which case it is heard as soon as it has.
    """
    stop_hearing(sessions, row)
    source = sessions[slot]
    if source.generation > generation:
        return False
    if far == 0 and (source.generation < generation or source.state in (c.FREE, c.CLOSING)):
        return False
    row.hears = slot
    row.hears_generation = generation
    # What a far one has said so far may still be what the one before it in its row had said.
    row.hears_frame = 0 if far else load_acquire(source.heard_count, 0)
    row.hears_codec = -1
    row.hears_far = far
    if far == 0:
        count_hearers(source, 1)
    return True


@compiled
def keep_heard(row: SessionRow, core: CoreRow) -> None:
    """Keep the frame just played out, for those who hear this session, and in case the next is lost."""
    count = row.heard_count[0]
    place = count % c.HEARD_FRAMES
    copy_octets(row.address + HEARD_AT + place * c.TICK_SAMPLES, core.address + FRAME_AT, c.TICK_SAMPLES)
    row.heard_codecs[place] = row.receive_codec | core.packet_octets << _PACKET_SHIFT
    store_release(row.heard_count, 0, count + 1)


@compiled
def fill_heard(sessions: "list[SessionRow]", row: SessionRow, core: CoreRow, target: int) -> None:
    """Write at an address the next 160 octets of whom the session hears; silence where there is nothing new."""
    source = sessions[row.hears]
    if source.generation != row.hears_generation or source.state != c.STARTED:
        if source.generation > row.hears_generation:
            row.hears = -1
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    count = load_acquire(source.heard_count, 0)
    if count <= row.hears_frame:
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    # On one thread each has its turn; on two the one may be a frame ahead, which then goes on being one.
    if row.hears_far == 0 or count - row.hears_frame > c.HEARD_BEHIND:
        row.hears_frame = count - 1
    place = row.hears_frame % c.HEARD_FRAMES
    row.hears_frame += 1
    heard_codec = source.heard_codecs[place]
    packet_octets = heard_codec >> _PACKET_SHIFT
    heard_codec &= _CODEC
    if packet_octets and row.opus_forwards:
        row.kept_packet = source.address + HEARD_PACKETS_AT + place * c.FORWARDED_BYTES
        row.kept_octets = packet_octets
    if heard_codec == row.send_codec:
        copy_octets(target, source.address + HEARD_AT + place * c.TICK_SAMPLES, c.TICK_SAMPLES)
        return
    codecs = heard_codec << 8 | row.send_codec
    if row.hears_codec != codecs:
        row.hears_codec = codecs
        reset_codec(row.hears_decoder)
        reset_codec(row.hears_encoder)
    heard = source.heard[place]
    if c.G722 not in (heard_codec, row.send_codec):
        recode_g711(heard, core.frame, row.send_codec)
    else:
        decode_frame(heard_codec, heard, core.samples, row.hears_decoder)
        encode_frame(row.send_codec, core.samples, core.frame, row.hears_encoder)
    copy_octets(target, core.address + FRAME_AT, c.TICK_SAMPLES)
