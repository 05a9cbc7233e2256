"""The queue of what a session plays: encoded audio by reference, loops, exact silences, stop keys and groups.

Items follow each other within a frame, so neither their border nor a loop's is audible. Time goes on while an item
cannot be heard (the direction is held, a digit is being sent). An item stays in its place until its end has been
reported, so an end is never lost: where asyncio does not keep up, the queue fills instead.
"""

from media.kernel import constants as c
from media.kernel.compiled import compiled
from media.kernel.layout import CoreRow, SessionRow
from media.kernel.native import copy_octets, fill_octets
from media.kernel.ring import post


@compiled
def _flushing_key(row: SessionRow, group: int) -> int:
    """Return the key that has ended a group, or -1."""
    for place in range(c.FLUSHED_GROUPS):
        if group != c.NO_GROUP and row.flushed[place] >> 4 == group:
            return row.flushed[place] & 15
    return -1


@compiled
def _remember_flushed(row: SessionRow, group: int, key: int) -> None:
    if group != c.NO_GROUP and _flushing_key(row, group) < 0:
        row.flushed[row.flushed_next % c.FLUSHED_GROUPS] = group << 4 | key
        row.flushed_next += 1


@compiled
def append_item(row: SessionRow, item_id: int, address: int, length: int, loops: int, keys: int, group: int) -> bool:
    """Queue `length` octets at an address (0: silence), to be played `loops` times (0: without end).

    An item of a group that a key has stopped ends at once, unheard, by the same key. False where the queue is full.
    """
    if row.item_tail - row.item_reported >= c.ITEMS:
        return False
    item = row.items[row.item_tail % c.ITEMS]
    item[c.ITEM_ID] = item_id
    item[c.ITEM_ADDRESS] = address
    item[c.ITEM_LENGTH] = length
    item[c.ITEM_LOOPS] = loops
    item[c.ITEM_KEYS] = keys
    item[c.ITEM_GROUP] = group
    item[c.ITEM_PLAYED] = 0
    item[c.ITEM_PACKETS] = 0
    key = _flushing_key(row, group)
    item[c.ITEM_REASON] = c.REASON_NONE if key < 0 else c.REASON_KEY + key
    row.item_tail += 1
    return True


@compiled
def flush_items(row: SessionRow, group: int, reason: int) -> None:
    """End every item of a group (-1: of all groups) that is not over yet."""
    for index in range(row.item_head, row.item_tail):
        item = row.items[index % c.ITEMS]
        if item[c.ITEM_REASON] == c.REASON_NONE and group in (c.ALL_GROUPS, item[c.ITEM_GROUP]):
            item[c.ITEM_REASON] = reason


@compiled
def stop_by_key(row: SessionRow, key: int) -> None:
    """End the queue, and what of its first item's group is still to come, if that item listens for a key (0 to 15)."""
    current = row.item_head
    while current < row.item_tail and row.items[current % c.ITEMS, c.ITEM_REASON] != c.REASON_NONE:
        current += 1
    if current == row.item_tail:
        return
    item = row.items[current % c.ITEMS]
    if item[c.ITEM_KEYS] >> key & 1 == 0:
        return
    _remember_flushed(row, item[c.ITEM_GROUP], key)
    flush_items(row, c.ALL_GROUPS, c.REASON_KEY + key)


@compiled
def recode_item(row: SessionRow, item_id: int, address: int, length: int) -> None:
    """Let an item go on from the same sample in audio encoded for another codec."""
    for index in range(row.item_head, row.item_tail):
        item = row.items[index % c.ITEMS]
        if item[c.ITEM_ID] == item_id and item[c.ITEM_ADDRESS] != 0:
            item[c.ITEM_ADDRESS] = address
            item[c.ITEM_LENGTH] = length
            item[c.ITEM_PACKETS] = 0
            if index == row.item_head:
                row.item_position = min(row.item_position, length)


@compiled
def keep_packets(row: SessionRow, item_id: int, address: int) -> None:
    """Let an item be sent as the packets of Opus at an address (0: none), one for each whole frame of it."""
    for index in range(row.item_head, row.item_tail):
        item = row.items[index % c.ITEMS]
        if item[c.ITEM_ID] == item_id:
            item[c.ITEM_PACKETS] = address


@compiled
def _advance(row: SessionRow) -> None:
    """Step over what is over: items that were ended, and the current one once it has been played often enough."""
    while row.item_head < row.item_tail:
        item = row.items[row.item_head % c.ITEMS]
        if item[c.ITEM_REASON] == c.REASON_NONE:
            if row.item_position < item[c.ITEM_LENGTH]:
                return
            if item[c.ITEM_LENGTH] > 0 and item[c.ITEM_LOOPS] != 1:
                item[c.ITEM_LOOPS] = max(item[c.ITEM_LOOPS] - 1, 0)
                row.item_position = 0
                return
            item[c.ITEM_REASON] = c.REASON_FINISHED
        row.item_head += 1
        row.item_position = 0


@compiled
def plays_nothing(row: SessionRow) -> bool:
    """Return whether the queue has nothing for the next frame."""
    _advance(row)
    return row.item_head == row.item_tail


@compiled
def _kept_packet(row: SessionRow) -> int:
    """Return where the next frame lies ready in Opus, as it does where it is a whole one of an item, or of silence."""
    if row.item_head == row.item_tail:
        return row.opus_silence
    item = row.items[row.item_head % c.ITEMS]
    left = item[c.ITEM_LENGTH] - row.item_position
    if left < c.TICK_SAMPLES:
        return 0
    if item[c.ITEM_ADDRESS] == 0:
        return row.opus_silence
    if item[c.ITEM_PACKETS] == 0 or row.item_position % c.TICK_SAMPLES != 0:
        return 0
    place: int = item[c.ITEM_PACKETS] + row.item_position // c.TICK_SAMPLES * c.KEPT_BYTES
    return place


@compiled
def fill_audio(row: SessionRow, target: int) -> None:
    """Write the next 160 octets of the queue at an address, and the codec's silence where the queue has ended."""
    filled = 0
    _advance(row)
    row.kept_packet = _kept_packet(row)
    while filled < c.TICK_SAMPLES and row.item_head < row.item_tail:
        item = row.items[row.item_head % c.ITEMS]
        count = min(item[c.ITEM_LENGTH] - row.item_position, c.TICK_SAMPLES - filled)
        if item[c.ITEM_ADDRESS] == 0:
            fill_octets(target + filled, row.send_silence, count)
        else:
            copy_octets(target + filled, item[c.ITEM_ADDRESS] + row.item_position, count)
        row.item_position += count
        item[c.ITEM_PLAYED] += count
        filled += count
        # Here rather than before the next frame: an item is over with the frame that carries its last sample.
        _advance(row)
    if filled < c.TICK_SAMPLES:
        fill_octets(target + filled, row.send_silence, c.TICK_SAMPLES - filled)


@compiled
def report_items(row: SessionRow, core: CoreRow) -> None:
    """Report the ends of items, in order: id, reason and how many octets were played."""
    while row.item_reported < row.item_head:
        item = row.items[row.item_reported % c.ITEMS]
        identity, reason, played = item[c.ITEM_ID], item[c.ITEM_REASON], item[c.ITEM_PLAYED]
        if not post(core, row, c.EVENT_ITEM_ENDED, core.now, identity, reason, played, c.NONE):
            return
        row.item_reported += 1
