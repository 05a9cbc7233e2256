"""Rooms: each member hears the sum of all others and not itself.

Members are served at different moments of a tick, so what is said in one tick is heard in the next: a room keeps the
sum of the last tick while it makes that of this one, and a member keeps what it has said itself and takes it off.
Nobody is made louder or quieter; a sum beyond 16 bits is the largest sample there is. Everything is mixed at 8 kHz.
What a member's own queue holds goes first, as everywhere. Where members are served by several threads the room has a
part on each, which publishes what its own members say and hears the parts of the others a tick later.
"""

from media.kernel import constants as c
from media.kernel.arrays import Samples
from media.kernel.codecs import decode_frame, encode_frame, reset_codec, silence_of
from media.kernel.compiled import compiled
from media.kernel.layout import FRAME_AT, SAMPLES_AT, CoreRow, RoomRow, SessionRow
from media.kernel.native import copy_octets, fill_octets, load_acquire, store_release
from media.kernel.ring import claim_frame, publish_frame

_NO_TICK = -2


@compiled
def open_room(room: RoomRow, slot: int, generation: int, parts: int, first: int, stride: int) -> None:
    """Make a room empty, and somebody else's; it has so many parts, in rows from the first one on."""
    room.slot = slot
    room.generation = generation
    room.tapped = 0
    room.tone_samples = 0
    room.tone_position = 0
    room.parts = parts
    room.first_part = first
    room.part_stride = stride
    store_release(room.told_count, 0, 0)
    for part in range(parts):
        room.parts_heard[part] = 0
    for half in range(2):
        room.ticks[half] = _NO_TICK
    for codec in range(c.ROOM_SHARED):
        room.shared_ticks[codec] = _NO_TICK


@compiled
def join_room(room: RoomRow, row: SessionRow, generation: int, flags: int) -> bool:
    """Let a session be in a room and in no other, or be there in another way. False where there is no such room."""
    if room.generation != generation:
        return False
    if row.room != room.slot or row.room_generation != generation:
        row.room = room.slot
        row.room_generation = generation
        row.room_level = 0
        row.hears_codec = -1
        row.spoken_ticks[0] = _NO_TICK
        row.spoken_ticks[1] = _NO_TICK
    row.room_flags = flags
    if flags & c.ROOM_MUTED:
        row.tapped &= ~c.TAPPED_ROOM
        row.room_level = 0
    else:
        row.tapped |= c.TAPPED_ROOM
    return True


@compiled
def leave_room(row: SessionRow) -> None:
    """Let a session be in no room."""
    row.room = -1
    row.room_level = 0
    row.tapped &= ~c.TAPPED_ROOM


@compiled
def play_tone(room: RoomRow, address: int, samples: int) -> None:
    """Let everybody in the room hear so many samples from an address on, instead of a tone that is not over."""
    room.tone_address = address
    room.tone_samples = samples
    room.tone_position = 0


@compiled
def _saturated(value: int) -> int:
    return min(max(value, -32768), 32767)


@compiled
def _mix(room: RoomRow, half: int, samples: Samples) -> None:
    for place in range(c.TICK_SAMPLES):
        samples[place] = _saturated(room.sums[half, place])


@compiled
def _mix_without(room: RoomRow, row: SessionRow, half: int, samples: Samples) -> None:
    for place in range(c.TICK_SAMPLES):
        samples[place] = _saturated(room.sums[half, place] - row.spoken[half, place])


@compiled
def _post_mix(room: RoomRow, core: CoreRow, half: int) -> None:
    place = claim_frame(core, -1 - room.slot, room.generation)
    if place < 0:
        return
    if room.voices[half]:
        _mix(room, half, core.tap_frames[place])
    else:
        for sample in range(c.TICK_SAMPLES):
            core.tap_frames[place, sample] = 0
    publish_frame(core)


@compiled
def _add_tone(room: RoomRow, core: CoreRow, half: int) -> None:
    count = min(room.tone_samples - room.tone_position, c.TICK_SAMPLES)
    copy_octets(core.address + SAMPLES_AT, room.tone_address + 2 * room.tone_position, 2 * count)
    for place in range(count):
        room.sums[half, place] += core.samples[place]
    room.tone_position += count
    room.voices[half] += 1


@compiled
def _tell_parts(room: RoomRow, half: int) -> None:
    """Publish what this part's own members have said in a tick."""
    count = room.told_count[0]
    place = count % c.HEARD_FRAMES
    room.told_voices[place] = room.voices[half]
    for sample in range(c.TICK_SAMPLES):
        room.told[place, sample] = room.sums[half, sample]
    store_release(room.told_count, 0, count + 1)


@compiled
def _hear_parts(rooms: "list[RoomRow]", room: RoomRow, half: int) -> None:
    """Add the next sum of each other part to one of this part's own."""
    for part in range(room.parts):
        other = rooms[room.first_part + part * room.part_stride]
        if other.slot == room.slot or other.generation != room.generation:
            continue
        count = load_acquire(other.told_count, 0)
        if count <= room.parts_heard[part]:
            continue
        if count - room.parts_heard[part] > c.HEARD_BEHIND:
            room.parts_heard[part] = count - 1
        place = room.parts_heard[part] % c.HEARD_FRAMES
        room.parts_heard[part] += 1
        if other.told_voices[place] == 0:
            continue
        room.voices[half] += other.told_voices[place]
        for sample in range(c.TICK_SAMPLES):
            room.sums[half, sample] += other.told[place, sample]


@compiled
def _begin_tick(rooms: "list[RoomRow]", room: RoomRow, core: CoreRow, tick: int) -> None:
    """Begin the sum of a tick, for the first member that is served in it; that of the tick before is whole then."""
    half = tick & 1
    if room.ticks[half] == tick:
        return
    whole = room.ticks[1 - half] == tick - 1
    if whole and room.parts > 1:
        _tell_parts(room, 1 - half)
        _hear_parts(rooms, room, 1 - half)
    if whole and room.tapped:
        _post_mix(room, core, 1 - half)
    room.ticks[half] = tick
    room.voices[half] = 0
    for place in range(c.TICK_SAMPLES):
        room.sums[half, place] = 0
    if room.tone_position < room.tone_samples:
        _add_tone(room, core, half)


@compiled
def _follow_codecs(row: SessionRow) -> None:
    """Begin anew with the memory of the decoder and the encoder where a codec has changed."""
    codecs = row.receive_codec << 8 | row.send_codec
    if row.hears_codec != codecs:
        row.hears_codec = codecs
        reset_codec(row.hears_decoder)
        reset_codec(row.hears_encoder)


@compiled
def speak(rooms: "list[RoomRow]", row: SessionRow, core: CoreRow, tick: int) -> None:
    """Add `core.frame`, which a member has just played out, to the room's sum of this tick."""
    room = rooms[row.room]
    if room.generation != row.room_generation:
        return
    _begin_tick(rooms, room, core, tick)
    _follow_codecs(row)
    half = tick & 1
    spoken = row.spoken[half]
    decode_frame(row.receive_codec, core.frame, spoken, row.hears_decoder)
    total = 0
    for place in range(c.TICK_SAMPLES):
        total += abs(int(spoken[place]))
    row.room_level += (total // c.TICK_SAMPLES - row.room_level) // c.ROOM_LEVEL_FRAMES
    if total <= c.ROOM_QUIET * c.TICK_SAMPLES:
        return
    for place in range(c.TICK_SAMPLES):
        room.sums[half, place] += spoken[place]
    room.voices[half] += 1
    row.spoken_ticks[half] = tick


@compiled
def _share_mix(room: RoomRow, row: SessionRow, core: CoreRow, half: int) -> None:
    """Put the whole sum into `core.frame`, encoded once a tick for all who hear it."""
    codec = row.send_codec
    shared = room.shared[codec]
    if room.shared_ticks[codec] != room.ticks[half]:
        room.shared_ticks[codec] = room.ticks[half]
        _mix(room, half, core.samples)
        encode_frame(codec, core.samples, shared, row.hears_encoder)
    for place in range(c.TICK_SAMPLES):
        core.frame[place] = shared[place]


@compiled
def fill_mix(rooms: "list[RoomRow]", row: SessionRow, core: CoreRow, target: int, tick: int) -> None:
    """Write at an address the next 160 octets of what a member hears: all others, as they were in the tick before."""
    room = rooms[row.room]
    before = tick - 1
    half = before & 1
    there = room.generation == row.room_generation
    if there:
        _begin_tick(rooms, room, core, tick)
        _follow_codecs(row)
    spoke = row.spoken_ticks[half] == before
    # Without a voice but its own there is nothing to take apart.
    others = room.voices[half] - 1 if spoke else room.voices[half]
    if not there or row.room_flags & c.ROOM_DEAF or room.ticks[half] != before or others == 0:
        fill_octets(target, silence_of(row.send_codec), c.TICK_SAMPLES)
        return
    if not spoke and row.send_codec < c.ROOM_SHARED:
        _share_mix(room, row, core, half)
    else:
        if spoke:
            _mix_without(room, row, half, core.samples)
        else:
            _mix(room, half, core.samples)
        encode_frame(row.send_codec, core.samples, core.frame, row.hears_encoder)
    copy_octets(target, core.address + FRAME_AT, c.TICK_SAMPLES)
